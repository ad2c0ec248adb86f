"""A device token opens an external broker from the moment it is made until it is revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control import OperationFailed
from gateway.settings import Settings
from gateway.wiring import House, build
from tests.gateway.broker.test_dynamic_security import guarded
from tests.gateway.scheduler.plant import PLANT, REGISTRY

pytestmark = pytest.mark.real("mosquitto")

__all__ = ["guarded"]


@pytest.fixture
def house(guarded: Any, tmp_path: Path) -> Iterator[House]:
    """A gateway that administers the broker's accounts."""
    admin = f"mqtt://admin:adm1n@127.0.0.1:{guarded.port}"
    settings = replace(Settings(), data_dir=str(tmp_path / "data"), mqtt_url="off", broker_admin_url=admin)
    built = build(settings)
    built.operations.call("registry_apply", text=REGISTRY)
    yield built
    built.close()


def test_an_agent_enters_with_its_token_until_it_is_revoked(house: House, guarded: Any, connect: Any) -> None:
    token = house.operations.call("token_create", role="device", subject=f"{PLANT}/edge-1")["token"]
    connect(guarded.url, f"{PLANT}/edge-1", token, name="first")
    house.operations.call("token_revoke", id=token.split("_")[1])
    again = connect(guarded.url, f"{PLANT}/edge-1", token, name="again", wait=False)
    assert again.refused.wait(10)


def test_revoking_an_old_token_leaves_the_new_one_in_force(house: House, guarded: Any, connect: Any) -> None:
    old, new = (
        house.operations.call("token_create", role="device", subject=f"{PLANT}/edge-1")["token"] for _ in range(2)
    )
    house.operations.call("token_revoke", id=old.split("_")[1])
    connect(guarded.url, f"{PLANT}/edge-1", new, name="new")


def test_no_token_is_made_that_the_broker_does_not_know(house: House, guarded: Any) -> None:
    guarded.kill()
    with pytest.raises(OperationFailed, match="no token was made"):
        house.operations.call("token_create", role="device", subject=f"{PLANT}/edge-1")
    tokens = house.operations.call("token_list")["items"]
    assert all(token["revoked_at"] for token in tokens if token["role"] == "device")
