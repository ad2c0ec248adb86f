"""Accounts at a real mosquitto with its dynamic-security plugin."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.broker.address import BrokerAddress
from gateway.broker.dynamic_security import CONTROL, DynamicSecurity

pytestmark = pytest.mark.real("mosquitto")

OWN, OTHER = "91350500M00000000Y", "91350500M000000018"


def until(condition: Callable[[], Any], what: str, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def plugin() -> Path:
    found = [
        path
        for root in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
        for path in Path(root).glob("**/mosquitto_dynamic_security.so")
    ]
    if not found:
        pytest.skip("mosquitto's dynamic-security plugin is not installed: apt-get install mosquitto")
    return found[0]


def an_administrator(password: str) -> dict[str, Any]:
    """The plugin's first configuration, as `mosquitto_ctrl dynsec init` writes it."""
    salt = b"twelve bytes"
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    acls = [
        {"acltype": kind, "topic": f"{CONTROL}/#", "allow": True}
        for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
    ]
    return {
        "clients": [
            {
                "username": "admin",
                "roles": [{"rolename": "admin"}],
                "password": base64.b64encode(hashed).decode(),
                "salt": base64.b64encode(salt).decode(),
                "iterations": 101,
            }
        ],
        "roles": [{"rolename": "admin", "acls": acls}],
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
    }


@pytest.fixture
def guarded(start_mosquitto: Callable[..., Any], tmp_path: Path) -> Any:
    """A mosquitto whose accounts are in the hands of its plugin."""
    file = tmp_path / "dynamic-security.json"
    file.write_text(json.dumps(an_administrator("adm1n")))
    return start_mosquitto(f"allow_anonymous false\nplugin {plugin()}\nplugin_opt_config_file {file}")


def administrator(broker: Any, password: str = "adm1n") -> DynamicSecurity:
    return DynamicSecurity(BrokerAddress.of(f"mqtt://admin:{password}@127.0.0.1:{broker.port}"))


def test_agent_sends_and_hears_its_own_and_nothing_else(guarded: Any, connect: Any) -> None:
    security = administrator(guarded)
    security.put_gateway("gateway", "g")
    security.put_agent(OWN, "edge-1", "a")
    security.put_agent(OTHER, "edge-1", "b")
    gateway = connect(guarded.url, "gateway", "g")
    gateway.subscribe("tanmai/v1/+/+/readings")
    own = connect(guarded.url, f"{OWN}/edge-1", "a", name="own")
    own.subscribe(f"tanmai/v1/{OWN}/edge-1/receipts", f"tanmai/v1/{OTHER}/edge-1/receipts", "tanmai/v1/#")
    assert list(own.granted.values()) == [True, False, False]
    own.deliver(f"tanmai/v1/{OTHER}/edge-1/readings", b"forged")
    own.deliver(f"tanmai/v1/{OWN}/edge-1/readings", b"mine")
    gateway.deliver(f"tanmai/v1/{OTHER}/edge-1/receipts", b"not for you")
    gateway.deliver(f"tanmai/v1/{OWN}/edge-1/receipts", b"for you")
    until(lambda: gateway.messages and own.messages, "what is allowed")
    assert gateway.messages == [(f"tanmai/v1/{OWN}/edge-1/readings", b"mine")]
    assert own.messages == [(f"tanmai/v1/{OWN}/edge-1/receipts", b"for you")]


def test_putting_an_agent_again_changes_its_password_only(guarded: Any, connect: Any) -> None:
    security = administrator(guarded)
    security.put_agent(OWN, "edge-1", "first")
    security.put_agent(OWN, "edge-1", "second")
    assert security.accounts() == {f"{OWN}/edge-1"}
    connect(guarded.url, f"{OWN}/edge-1", "second", name="second")
    old = connect(guarded.url, f"{OWN}/edge-1", "first", name="first", wait=False)
    assert old.refused.wait(10)


def test_accounts_that_are_not_wanted_are_shut_out_and_foreign_ones_stay(guarded: Any, connect: Any) -> None:
    security = administrator(guarded)
    for agent in ("edge-1", "edge-2"):
        security.put_agent(OWN, agent, "a")
    assert security.keep_only([f"{OWN}/edge-1"]) == [f"{OWN}/edge-2"]
    assert security.keep_only([f"{OWN}/edge-1"]) == []
    gone = connect(guarded.url, f"{OWN}/edge-2", "a", name="gone", wait=False)
    assert gone.refused.wait(10)
    security.remove(f"{OWN}/edge-2")  # once more changes nothing
    assert administrator(guarded).accounts() == {f"{OWN}/edge-1"}  # the administrator is still there


def test_wrong_administrator_is_refused_with_advice(guarded: Any) -> None:
    with pytest.raises(StoreRefused, match="TANMAI_BROKER_ADMIN_URL"):
        administrator(guarded, "wrong").accounts()


def test_broker_that_is_away_is_unavailable(guarded: Any) -> None:
    security = administrator(guarded)
    guarded.kill()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        security.accounts()


def test_broker_without_the_plugin_is_said(mosquitto: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.broker.dynamic_security.ANSWER_S", 0.3)
    with pytest.raises(StoreUnavailable, match="plugin"):
        administrator(mosquitto).accounts()
