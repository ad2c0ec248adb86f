"""The shape of docker-compose.yml with real servers: gateway roles on PostgreSQL, InfluxDB and a guarded mosquitto.

A meter's reading goes over Modbus to the agent, over the guarded broker to the ingest role, into InfluxDB; the
scheduler role books it into PostgreSQL; the web role shows it. Each role has a data directory of its own; only the
keys are shared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import load_profile
from gateway.broker.address import BrokerAddress
from gateway.broker.dynamic_security import DynamicSecurity
from tests.conformance.conftest import Server, influxd_server
from tests.gateway.broker.test_dynamic_security import an_administrator, plugin
from tests.gateway.conftest import postgresql, postgresql_server
from tests.system.small_park import AGENT, PLANT, Agent, CountingMeter, Gateway, day_text, local_midnight_ms, until

pytestmark = [pytest.mark.real("mosquitto"), pytest.mark.real("influxdb"), pytest.mark.real("postgresql")]

__all__ = ["postgresql", "postgresql_server"]

DAY_MS = 86_400_000
QUARTER_MS = 900_000


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "influx").mkdir()
    server = influxd_server(tmp_path / "influx")
    server.start()
    yield server
    server.end()


@pytest.fixture
def roles(
    tmp_path: Path, influx: Server, postgresql: str, start_mosquitto: Callable[..., Any], started: ExitStack
) -> dict[str, Gateway]:
    """The roles of the compose file, started in its order; `rollup` not yet."""
    store = tmp_path / "dynamic-security.json"
    store.write_text(json.dumps(an_administrator("adm1n")))
    broker = start_mosquitto(f"allow_anonymous false\nplugin {plugin()}\nplugin_opt_config_file {store}")
    DynamicSecurity(BrokerAddress.of(f"mqtt://admin:adm1n@127.0.0.1:{broker.port}")).put_gateway("gateway", "gw")
    (tmp_path / "keys").mkdir()
    found: dict[str, Gateway] = {}
    for role in ("web", "ingest", "scheduler", "rollup"):
        own = Gateway(
            tmp_path / role,
            role,
            TANMAI_ROLLUP_EVERY_S="1",
            TANMAI_MQTT_URL=f"mqtt://gateway:gw@127.0.0.1:{broker.port}",
            TANMAI_BROKER_ADMIN_URL=f"mqtt://admin:adm1n@127.0.0.1:{broker.port}",
            TANMAI_TIMESERIES=f"influx://{influx.base.removeprefix('http://')}/?bucket=readings",
            TANMAI_DATABASE_URL=postgresql,
        )
        own.data_dir.mkdir(parents=True)
        (own.data_dir / "keys").symlink_to(tmp_path / "keys")
        started.callback(own.close)
        if role != "rollup":
            own.start()
        found[role] = own
    return found


def test_three_roles_on_city_servers_book_what_a_meter_shows(
    roles: dict[str, Gateway], meter: CountingMeter, started: ExitStack
) -> None:
    web, ingest = roles["web"], roles["ingest"]
    web.apply_registry()
    device = web.token("device", AGENT)
    ingest.tokens[f"device {AGENT}"] = device
    start_ms = local_midnight_ms() - 2 * DAY_MS
    rows = {start_ms + step * QUARTER_MS: [100.0 + 2.5 * step] for step in range(97)}
    receipt = ingest.post_history(AGENT, "incomer-1", rows, "energy_import")
    assert (receipt["status"], receipt["accepted"]) == ("stored", 97)
    reader, day = web.token("enterprise", PLANT), day_text(start_ms)

    def entries() -> list[Any]:
        return list(web.get(f"/api/v1/enterprises/{PLANT}/entries?period={day}", reader).json["items"])

    until(lambda: entries(), "the scheduler role books the day")
    assert [entry["amount"] for entry in entries()] == [240.0]
    assert [entry["emission_kg"] for entry in entries()] == [127.344]  # 240 kWh × 0.5306 kgCO2/kWh
    # The scheduler may still hold the day's hours for due, and such days are left out.
    until(lambda: web.operation("verify")["checked"]["entries_against_readings"] == 1, "the day compared with readings")
    assert web.operation("verify")["ok"]


def test_a_process_that_shares_the_roll_up_books_while_no_scheduler_runs(roles: dict[str, Gateway]) -> None:
    web, ingest = roles["web"], roles["ingest"]
    web.apply_registry()
    ingest.tokens[f"device {AGENT}"] = web.token("device", AGENT)
    start_ms, reader = local_midnight_ms() - 2 * DAY_MS, web.token("enterprise", PLANT)
    path = f"/api/v1/enterprises/{PLANT}/entries?period={day_text(start_ms)}"
    rows = {start_ms + step * QUARTER_MS: [100.0 + 2.5 * step] for step in range(97)}
    late = [start_ms + step * QUARTER_MS for step in range(94, 97)]
    ingest.post_history(AGENT, "incomer-1", {at: row for at, row in rows.items() if at not in late}, "energy_import")
    until(lambda: web.get(path, reader).json["items"], "the scheduler books the day")
    roles["scheduler"].close()
    roles["rollup"].start()
    ingest.post_history(AGENT, "incomer-1", {at: rows[at] for at in late}, "energy_import")

    def amounts() -> list[float]:
        return [entry["amount"] for entry in web.get(path, reader).json["items"]]

    until(lambda: amounts()[1:] == [-232.5, 240.0], "the sharing process corrects it")
    taken = re.search(r"^tanmai_claims_taken_total (\S+)$", roles["rollup"].get("/metrics", "").text, re.MULTILINE)
    assert taken is not None and float(taken[1]) >= 1


def test_an_agent_delivers_over_the_guarded_broker_and_forgets_on_receipt(
    roles: dict[str, Gateway], meter: CountingMeter, started: ExitStack
) -> None:
    web, ingest = roles["web"], roles["ingest"]
    web.apply_registry()
    ingest.tokens[f"device {AGENT}"] = web.token("device", AGENT)
    profile = load_profile(ingest.directory / "profiles" / "test-counter.yaml")
    meters = started.enter_context(SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(profile, meter.value_at)}))
    agent = Agent(ingest, meters.port, ["{id: line-2, unit: 1, profile: test-counter, every_s: 0.2}"])
    started.callback(agent.close)
    agent.start()
    until(lambda: len(web.readings("line-2")) >= 5, "readings in InfluxDB, seen through the web role")
    meter.frozen = True

    def given() -> list[float]:
        return [count / 100 for count in range(1, meter.given + 1)]

    def stored() -> list[float]:
        return sorted(item["value"] for item in web.readings("line-2"))

    # An answer may still be on its way from the meter into the buffer, so an empty buffer is no sign that all has come.
    until(lambda: stored() == given(), "each answer of the meter once")
    until(lambda: agent.status().get("buffer", {}).get("batches") == 0, "the agent's buffer is empty")
    assert stored() == given()
