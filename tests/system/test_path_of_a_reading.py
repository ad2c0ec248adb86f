"""From a register to a statement and back: every door shows the same number, and it knows where it came from."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import load_profiles, shipped_config_dir
from tests.system.small_park import (
    AGENT,
    GRID_FACTOR_KG_PER_KWH,
    PLANT,
    ZONE,
    Agent,
    Gateway,
    clean_environment,
    day_text,
    local_midnight_ms,
    run,
    until,
)

pytestmark = pytest.mark.xdist_group("system-path")

# Quarters of a kWh: exact in the meter's float32 registers.
FIRST_KWH, MIDNIGHT_KWH, LIVE_KWH = 1000.0, 1006.25, 1006.5
DAY_MS = 86_400_000


@dataclass
class Booked:
    """A park with yesterday sent as history, today read from a real register, and both booked."""

    gateway: Gateway
    agent: Agent
    today_ms: int  # local midnight

    @property
    def yesterday(self) -> str:
        return day_text(self.today_ms - DAY_MS)

    @property
    def today(self) -> str:
        return day_text(self.today_ms)

    @property
    def tomorrow(self) -> str:
        """An hour into the next local day, when today is due."""
        return datetime.fromtimestamp((self.today_ms + DAY_MS + 3_600_000) / 1000, ZONE).isoformat()

    @property
    def month(self) -> str:
        return self.today[:7]


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booked]:
    with ExitStack() as started:
        gateway = Gateway(tmp_path_factory.mktemp("path") / "park")
        started.callback(gateway.close)
        gateway.start()
        gateway.apply_registry()
        today_ms = local_midnight_ms()
        yesterday_ms = today_ms - DAY_MS
        steps = {yesterday_ms + share * DAY_MS // 4: [FIRST_KWH + share * 1.5625] for share in range(4)}
        receipt = gateway.post_history(AGENT, "incomer-1", {**steps, today_ms: [MIDNIGHT_KWH]}, "energy_import")
        assert receipt["accepted"] == 5
        agent = live_agent(gateway, started)
        until(lambda: gateway.readings("incomer-1")[-1]["at_ms"] > today_ms, "a reading of the meter in the store")
        agent.end(15)
        park = Booked(gateway, agent, today_ms)
        done = gateway.tanmai("rollup", "--until", park.tomorrow)
        assert done.code == 0, done.err
        reader = gateway.token("admin")  # the server's own roll-up may have come first, for one of the two or both
        for day in (park.yesterday, park.today):
            path = f"/api/v1/enterprises/{PLANT}/entries?period={day}"
            assert len(gateway.get(path, reader).json["items"]) == 1, day
        yield park


def live_agent(gateway: Gateway, started: ExitStack) -> Agent:
    """An agent on a simulated SDM630 that shows LIVE_KWH."""
    profile = load_profiles(shipped_config_dir())["eastron-sdm630"]
    meter = SimulatedMeter(profile, {"energy_import": LIVE_KWH, "power": 3.0}.get)
    meters = started.enter_context(SimulatedMeters("127.0.0.1", 0, {7: meter}))
    line = "{id: incomer-1, unit: 7, profile: eastron-sdm630, points: [energy_import, power], every_s: 5}"
    agent = Agent(gateway, meters.port, [line])
    started.callback(agent.close)
    agent.start()
    return agent


def signed_in(gateway: Gateway, token: str) -> Callable[[str], str]:
    """A function that gives pages, as a browser gets them after the sign-in form."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = urllib.parse.urlencode({"token": token}).encode()
    browser.open(f"{gateway.url}/login", form, timeout=30).close()

    def page(path: str) -> str:
        with browser.open(gateway.url + path, timeout=30) as reply:
            return str(reply.read().decode())

    return page


def grams(energy_kwh: str) -> int:
    exact = Decimal(energy_kwh) * Decimal(GRID_FACTOR_KG_PER_KWH) * 1000
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def of_the_month(booked: Booked) -> tuple[Decimal, int]:
    """(kWh, grams) that the current month must show: both days, unless a month ended between them."""
    days = [(booked.today, "0.25")]
    if booked.yesterday[:7] == booked.month:
        days.append((booked.yesterday, "6.25"))
    return sum((Decimal(energy) for _, energy in days), Decimal(0)), sum(grams(energy) for _, energy in days)


def test_command_api_and_page_show_the_same_number_for_the_month(booked: Booked) -> None:
    gateway, (energy_kwh, emission_g) = booked.gateway, of_the_month(booked)
    said = gateway.tanmai("account", PLANT, booked.month, "--json").json
    token = gateway.token("enterprise", PLANT)
    served = gateway.get(f"/api/v1/enterprises/{PLANT}/account?period={booked.month}", token).json
    rating = gateway.get(f"/api/v1/enterprises/{PLANT}/rating?period={booked.month}", token).json
    assert said == {"statement": served, "rating": rating}
    assert round(served["compliance_kg"] * 1000) == emission_g
    (line,) = served["by_source"]
    assert (line["amount"], line["unit"], round(line["emission_kg"] * 1000)) == (float(energy_kwh), "kWh", emission_g)
    page = signed_in(gateway, token)(f"/enterprises/{PLANT}?period={booked.month}&lang=en")
    factor_at = page.index(f'class="code">{line["factor"]}')
    row = re.sub(r"<[^>]+>", " ", page[page.rindex("<tr>", 0, factor_at) : factor_at])
    assert f"{emission_g / 1000:.3f}" in row.split(), row
    pulled = gateway.get(f"/api/v1/accounts?period={booked.month}", gateway.token("platform", "bank")).json
    assert [item["statement"] for item in pulled["items"]] == [served]
    table = gateway.tanmai("account", PLANT, booked.month).out
    assert f"{emission_g / 1000:,.3f} kgCO2e" in table


def test_explain_walks_back_to_factor_hours_readings_and_register(booked: Booked) -> None:
    gateway = booked.gateway
    token = gateway.token("enterprise", PLANT)
    entries = gateway.get(f"/api/v1/enterprises/{PLANT}/entries?period={booked.yesterday}", token).json["items"]
    (entry,) = entries
    told = gateway.tanmai("explain", entry["id"], "--json").json
    assert told == gateway.get(f"/api/v1/entries/{entry['id']}/explain", token).json
    assert round(told["entry"]["emission_kg"] * 1000) == grams("6.25")
    (factor,) = [one for one in told["factors"] if one["unit"].startswith("kgCO2")]
    assert factor["value"] == GRID_FACTOR_KG_PER_KWH
    assert factor["edition"]
    assert factor["published_on"]
    assert factor["source"]
    (point,) = told["points"]
    assert sum(round(hour["amount"] * 1_000_000) for hour in point["hours"]) == 6_250_000
    assert len(point["hours"]) == 24
    assert point["first"]["value"] == FIRST_KWH
    assert point["register"]["profile"] == "eastron-sdm630"
    assert (point["register"]["function_code"], point["register"]["address"]) == (4, 72)
    shown = gateway.tanmai("explain", entry["id"]).out
    for text in (entry["id"], factor["edition"], GRID_FACTOR_KG_PER_KWH, "eastron-sdm630", "72"):
        assert text in shown


def test_the_last_reading_of_the_explanation_is_the_meters_register(booked: Booked) -> None:
    gateway = booked.gateway
    path = f"/api/v1/enterprises/{PLANT}/entries?period={booked.today}"
    (entry,) = gateway.get(path, gateway.token("enterprise", PLANT)).json["items"]
    (point,) = gateway.tanmai("explain", entry["id"], "--json").json["points"]
    assert (point["first"]["value"], point["last"]["value"]) == (MIDNIGHT_KWH, LIVE_KWH)
    read = run(["edge", "read", "--config", str(booked.agent.config), "--json"], clean_environment()).json
    assert read[0]["values"] == {"energy_import": LIVE_KWH, "power": 3.0}


def test_a_second_rollup_changes_nothing_and_everything_verifies(booked: Booked) -> None:
    gateway = booked.gateway
    again = gateway.tanmai("rollup", "--until", booked.tomorrow, "--json").json["stages"]
    assert (again["entries"]["entries_posted"], again["statements"]["statements_changed"]) == (0, 0)
    verified = gateway.tanmai("verify", "--json").json
    assert verified["ok"], verified
    assert verified["checked"]["entries_against_readings"] == 2


def test_roles_see_what_is_theirs_and_a_revoked_token_nothing(booked: Booked) -> None:
    gateway = booked.gateway
    own, other = (f"/api/v1/enterprises/{one}" for one in (PLANT, "91350583M00000035E"))
    assert gateway.get(own, "").status == 401
    assert gateway.get(own, "tm_0123456789abcdef_" + "0" * 64).status == 401
    assert gateway.get(own, gateway.token("device", AGENT)).status == 403
    enterprise = gateway.token("enterprise", PLANT)
    assert [gateway.get(path, enterprise).status for path in (own, other)] == [200, 404]
    seen = {
        role: [item["id"] for item in gateway.get("/api/v1/enterprises", gateway.token(role, subject)).json["items"]]
        for role, subject in (("enterprise", PLANT), ("park", "west"), ("platform", "bank"), ("admin", ""))
    }
    assert {role: len(ids) for role, ids in seen.items()} == {"enterprise": 1, "park": 1, "platform": 1, "admin": 3}
    assert gateway.post("/api/v1/readings", enterprise, b"{}").status == 403
    assert gateway.post("/api/v1/operations/verify", enterprise, b"{}").status == 403

    issued = gateway.tanmai("token", "create", "enterprise", PLANT)
    token = issued.out.strip()
    assert gateway.get(own, token).status == 200
    listed = gateway.tanmai("token", "list").out
    assert token.split("_")[1] in listed
    assert token.split("_")[2] not in listed
    assert gateway.tanmai("token", "revoke", token.split("_")[1]).code == 0
    refused = gateway.get(own, token)
    assert (refused.status, refused.headers["Content-Type"]) == (401, "application/problem+json")
    assert "revoked" in refused.json["detail"]


def commands(booked: Booked, directory: Path) -> list[list[str]]:
    """What must answer the same beside a server and without one; the wrong ones too."""
    broken = directory / "broken.yaml"
    broken.write_text("parks:\n- {id: x y, name: {zh: a, en: b}, region: nowhere, timezone: Mars/Base, area: 1}\n")
    records = directory / "records.json"
    records.write_text('[{"id": "r1", "product": "tile", "from": "2026-10-01", "to": "2026-10-01", "amount": "1"}, 7]')
    return [
        ["account", PLANT, booked.month],
        ["account", PLANT, booked.month, "--json"],
        ["account", PLANT, booked.yesterday, "--json"],
        ["explain", f"{PLANT}-1"],
        ["explain", f"{PLANT}-1", "--json"],
        ["verify"],
        ["verify", "--json"],
        ["registry", "show"],
        ["token", "list"],
        ["ingest", "set-aside", "list"],
        ["rollup", "--until", "2026-01-01T00:00:00+08:00", "--json"],
        ["registry", "apply", str(broken)],
        ["records", "import", str(records), "--enterprise", PLANT],
        ["account", "nobody", booked.month],
        ["account", PLANT, "2026-13"],
        ["explain", f"{PLANT}-99999999999999999999999"],
        ["token", "create", "admin", "somebody"],
        ["token", "create", "device", "somebody"],
        ["token", "revoke", "feedfeedfeedfeed"],
        ["verify", "--enterprise", "nobody"],
        ["close", booked.month],
    ]


def test_zz_commands_say_the_same_without_the_server(
    booked: Booked, tmp_path: Path, in_process: Callable[..., Any]
) -> None:
    """The last test of this file: it stops the server."""
    asked = commands(booked, tmp_path)
    environment = booked.gateway.environment
    beside = [in_process(arguments, environment) for arguments in asked]
    code, _ = booked.gateway.end(15)
    assert code == 0
    alone = [in_process(arguments, environment) for arguments in asked]
    for arguments, one, other in zip(asked, beside, alone, strict=True):
        assert one == other, arguments
    codes = [one.code for one in alone]
    assert codes == [0] * 11 + [2] * 10, list(zip(codes, asked, strict=True))
