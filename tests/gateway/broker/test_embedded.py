"""Both embedded brokers, for real: who may do what, changing accounts, what survives, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from gateway.broker.accounts import GATEWAY_USER, BrokerAccount, agent_account, gateway_account, password_hash
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.engines import AUTOSAVE_S
from gateway.broker.process import read_pid, take_lock

pytestmark = pytest.mark.real("mosquitto")

OWN, OTHER = "91350500M00000000Y", "91350500M000000018"
# A token is longer than the 72 bytes that bcrypt looks at.
PASSWORDS = {name: f"tm_01K742SG00X9VXH3HPMF8SSXB4_{name * 43}" for name in "gabc"}
ACCOUNTS: tuple[BrokerAccount, ...] = (
    gateway_account(password_hash(PASSWORDS["g"])),
    agent_account(OWN, "edge.1", password_hash(PASSWORDS["a"])),
    agent_account(OTHER, "edge-1", password_hash(PASSWORDS["b"])),
)


def until(condition: Callable[[], Any], what: str, timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def runs(pid: int) -> bool:
    """Does this process live? One that ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:  # /proc may show another name space than ours
        return True


@pytest.fixture
def broker(tmp_path: Path, engine: str) -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker(tmp_path / "broker", engine=engine)
    running.start(ACCOUNTS)
    yield running
    running.stop()


def test_agent_sends_and_hears_its_own_and_nothing_else(broker: EmbeddedBroker, connect: Any) -> None:
    gateway = connect(broker.url, GATEWAY_USER, PASSWORDS["g"])
    gateway.subscribe("tanmai/v1/+/+/readings", "tanmai/v1/+/+/telemetry", "tanmai/v1/+/+/status")
    own = connect(broker.url, f"{OWN}/edge.1", PASSWORDS["a"])
    own.subscribe(
        f"tanmai/v1/{OWN}/edge.1/receipts",
        f"tanmai/v1/{OWN}/edge.1/config",
        f"tanmai/v1/{OTHER}/edge-1/receipts",
        f"tanmai/v1/{OTHER}/edge-1/readings",
        f"tanmai/v1/{OWN}/+/readings",
        "tanmai/v1/+/+/receipts",
        "#",
    )
    other = connect(broker.url, f"{OTHER}/edge-1", PASSWORDS["b"])
    allowed = [f"tanmai/v1/{OWN}/edge.1/readings", f"tanmai/v1/{OWN}/edge.1/status", f"tanmai/v1/{OWN}/any/telemetry"]
    forbidden = [
        f"tanmai/v1/{OTHER}/edge-1/readings",
        f"tanmai/v1/{OTHER}/any/telemetry",
        f"tanmai/v1/{OWN}/edge-2/readings",
        f"tanmai/v1/{OWN}/edge.1/receipts",
    ]
    for topic in forbidden:
        own.send(topic, b"forged")
    for topic in allowed:
        own.send(topic, b"mine")
    other.send(f"tanmai/v1/{OTHER}/edge-1/readings", b"theirs")
    gateway.send(f"tanmai/v1/{OTHER}/edge-1/receipts", b"not for you")
    gateway.send(f"tanmai/v1/{OWN}/edge.1/receipts", b"for you")
    until(lambda: len(gateway.messages) >= 4 and own.messages, "all that is allowed")
    assert sorted(gateway.messages) == sorted(
        [*((topic, b"mine") for topic in allowed), (f"tanmai/v1/{OTHER}/edge-1/readings", b"theirs")]
    )
    assert own.messages == [(f"tanmai/v1/{OWN}/edge.1/receipts", b"for you")]


def test_wrong_password_and_nobody_stay_outside(broker: EmbeddedBroker, connect: Any) -> None:
    for user, password in ((f"{OWN}/edge.1", PASSWORDS["b"]), ("nobody", "x"), (GATEWAY_USER, "")):
        client = connect(broker.url, user, password, name=f"stranger-{len(user)}", wait=False)
        assert client.refused.wait(10)
        assert not client.connected.is_set()


def test_accounts_change_without_a_restart(broker: EmbeddedBroker, connect: Any) -> None:
    gateway = connect(broker.url, GATEWAY_USER, PASSWORDS["g"])
    gateway.subscribe("tanmai/v1/+/+/readings")
    pid = broker.pid
    newcomer = agent_account(OWN, "edge-2", password_hash(PASSWORDS["c"]))
    broker.reload([ACCOUNTS[0], ACCOUNTS[2], newcomer])

    def let_in() -> bool:
        client = connect(broker.url, f"{OWN}/edge-2", PASSWORDS["c"], name="newcomer", wait=False)
        entered = bool(client.connected.wait(0.5))
        client.send(f"tanmai/v1/{OWN}/edge-2/readings", b"hello")
        return entered

    until(let_in, "the new agent is let in")
    until(lambda: (f"tanmai/v1/{OWN}/edge-2/readings", b"hello") in gateway.messages, "its reading")
    gone = connect(broker.url, f"{OWN}/edge.1", PASSWORDS["a"], name="gone", wait=False)
    assert gone.refused.wait(10)
    assert broker.pid == pid


def test_messages_for_an_absent_gateway_survive_kill_9(broker: EmbeddedBroker, connect: Any, engine: str) -> None:
    gateway = connect(broker.url, GATEWAY_USER, PASSWORDS["g"])
    gateway.subscribe("tanmai/v1/+/+/readings")
    gateway.close()
    own = connect(broker.url, f"{OWN}/edge.1", PASSWORDS["a"])
    for number in range(200):
        own.deliver(f"tanmai/v1/{OWN}/edge.1/readings", b"%d" % number)
    own.close()
    if engine == "mosquitto":
        sent_s = time.time()
        database = Path(broker._directory) / "mosquitto.db"
        until(lambda: database.exists() and database.stat().st_mtime > sent_s, "its saving", AUTOSAVE_S + 10)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    until(lambda: not broker.alive, "its death is noticed")
    assert broker.revive()
    back = connect(broker.url, GATEWAY_USER, PASSWORDS["g"])
    until(lambda: len(back.messages) >= 200, "the queued messages")
    assert {payload for _, payload in back.messages} == {b"%d" % number for number in range(200)}


def test_port_and_sessions_stay_over_a_restart(tmp_path: Path, engine: str, connect: Any) -> None:
    first = EmbeddedBroker(tmp_path, engine=engine)
    url = first.start(ACCOUNTS)
    first.stop()
    again = EmbeddedBroker(tmp_path, engine=engine)
    try:
        assert again.start(ACCOUNTS) == url
        connect(url, GATEWAY_USER, PASSWORDS["g"])
    finally:
        again.stop()


def test_secrets_are_readable_for_nobody_else_and_are_no_secrets(broker: EmbeddedBroker, engine: str) -> None:
    files = [path for path in Path(broker._directory).glob(f"{engine}.*") if path.is_file()]
    assert files
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path
        if path.suffix != ".db":
            assert not any(password in path.read_text() for password in PASSWORDS.values())


_PARENT = """
import sys, time
from pathlib import Path
from gateway.broker.accounts import gateway_account, password_hash
from gateway.broker.embedded import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]), engine=sys.argv[2])
broker.start([gateway_account(password_hash("g"))])
print(broker.pid, flush=True)
time.sleep(60)
"""


def test_broker_dies_with_its_parent_however_that_ends(tmp_path: Path, engine: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path), engine], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
        assert runs(pid)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not runs(pid), "the broker's end")
    assert read_pid(tmp_path / "broker.pid") is None or not runs(pid)


def test_broker_left_over_from_a_former_life_is_ended_first(tmp_path: Path, engine: str) -> None:
    former = EmbeddedBroker(tmp_path, engine=engine)
    former.start(ACCOUNTS)
    former.stop()
    # As if the guarding shell had been killed together with us: the broker alone goes on, with the lock it was given.
    pid_file = tmp_path / "broker.pid"
    lock = take_lock(pid_file)
    assert lock is not None
    left_over = subprocess.Popen(former._process._command, pass_fds=(lock,), stderr=subprocess.DEVNULL)
    os.close(lock)
    pid = left_over.pid
    pid_file.write_text(f"{pid}\n")
    again = EmbeddedBroker(tmp_path, engine=engine)
    try:
        again.start(ACCOUNTS)
        assert left_over.wait(10) is not None
        assert again.pid != pid
    finally:
        again.stop()


def test_taken_port_is_said_with_what_to_do(tmp_path: Path, engine: str, broker: EmbeddedBroker) -> None:
    port = int(broker.url.rpartition(":")[2])
    second = EmbeddedBroker(tmp_path / "second", port=port, engine=engine)
    with pytest.raises(ConfigurationError, match="TANMAI_MQTT_LISTEN"):
        second.start(ACCOUNTS)


def test_missing_broker_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TANMAI_MQTT_URL"):
        EmbeddedBroker(tmp_path, engine="none such")
