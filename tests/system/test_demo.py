"""`tanmai demo` as a newcomer meets it: colours, pages in a real browser, figures that a few lines of pandas reproduce.

The computation by hand shares nothing with the product but the recorded figures: it reads the series and the anchor,
shows each counter as its register would, and multiplies by published factors.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright

from bench.processes import number_in_proc
from tests.system.small_park import Process, Reply, clean_environment, http, until

pytestmark = [pytest.mark.real("chromium"), pytest.mark.xdist_group("demo")]

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = PROJECT / "test-artifacts" / "demo"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

PARK, DYEING, TAPS = "quanzhou-demo", "91350582M000000275", "91350583M00000035E"
COLOURS_WITHIN_S = 120.0
START_WITHIN_S = 180.0

GRID_KG_PER_KWH = Fraction("0.5306")  # 公告2025年第47号, national, data year 2023
# GB/T 32151.34-2024, annex C: GJ per 10⁴ Nm³, tC per GJ, oxidised; and the ratio of the molar masses of CO2 and C.
GAS_KG_PER_NM3 = Fraction("389.31") / 10_000 * Fraction("0.0153") * Fraction("0.99") * Fraction(44, 12) * 1000


@dataclass
class Demo:
    process: Process
    data_dir: Path
    seconds_to_ready: float

    @property
    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.data_dir / "ready.json").read_text())
        return document

    @property
    def tokens(self) -> dict[str, Any]:
        tokens: dict[str, Any] = self.ready["tokens"]
        return tokens

    def get(self, path: str, token: str) -> Reply:
        return http("GET", self.ready["url"] + path, token)

    @property
    def month(self) -> str:
        """The month that ended last, in the park's zone."""
        today = pd.Timestamp.now("Asia/Shanghai")
        return str((today.replace(day=1) - timedelta(days=1)).strftime("%Y-%m"))


def start(data_dir: Path) -> Demo:
    arguments = ["demo", "--port", "0", "--data-dir", str(data_dir), "--days", "62"]
    process = Process(arguments, clean_environment(), data_dir.with_name("demo.log"))
    started_s = time.monotonic()
    process.launch()
    process.await_line("Ctrl-C stops it", START_WITHIN_S)
    return Demo(process, data_dir, time.monotonic() - started_s)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = start(tmp_path_factory.mktemp("demo") / "park")
    try:
        yield running
    finally:
        if running.process.runs:
            running.process.end(signal.SIGINT)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser.new_context(viewport={"width": 1440, "height": 1000}, locale="zh-CN").new_page()
        browser.close()


def test_ready_file_holds_a_token_for_each_role_and_is_private(demo: Demo) -> None:
    assert demo.tokens.keys() == {"admin", "park", "platform", "enterprise", "agent"}
    assert (demo.data_dir / "ready.json").stat().st_mode & 0o777 == 0o600
    assert demo.ready["mqtt"].startswith("mqtt://127.0.0.1:")


def test_within_two_minutes_three_are_rated_in_two_colours_and_one_is_grey_with_its_reason(demo: Demo) -> None:
    def colours() -> dict[str, str]:
        items = demo.get(f"/api/v1/accounts?period={demo.month}", demo.tokens["platform"]).json["items"]
        return {item["enterprise"]: item["rating"]["colour"] for item in items if item["rating"]}

    def enough() -> bool:
        rated = [colour for colour in colours().values() if colour != "grey"]
        return len(rated) >= 3 and len(set(rated)) >= 2 and "grey" in colours().values()

    until(enough, "three rated accounts, two colours and a grey one", COLOURS_WITHIN_S)
    grey = [enterprise for enterprise, colour in colours().items() if colour == "grey"]
    for enterprise in grey:
        path = f"/api/v1/enterprises/{enterprise}/rating?period={demo.month}"
        reasons = demo.get(path, demo.tokens["enterprise"][enterprise]).json["reasons"]
        assert reasons["zh"]
        assert reasons["en"]


# --- by hand --------------------------------------------------------------------------------------------------------


def recorded(name: str) -> pd.Series:
    """The recorded amounts, one per interval, in their order."""
    text = (PROJECT / "config" / "demo" / "series" / f"{name}.csv").read_text(encoding="utf-8")
    figures = [float(cell) for line in text.splitlines() if not line.startswith("#") for cell in line.split(",")]
    return pd.Series(figures)


def at_midnights(demo: Demo, name: str, step_min: int, factor: float, start: float, shift_days: int = 0) -> pd.Series:
    """What a counter has run up to at each local midnight of the month, the next month's first included."""
    amounts = recorded(name)
    anchor_ms = json.loads((demo.data_dir / "demo.json").read_text())["anchor_ms"]
    anchor = pd.Timestamp(anchor_ms, unit="ms", tz="UTC").tz_convert("Asia/Shanghai")
    assert (anchor.day_of_week, anchor.hour, anchor.minute) == (0, 0, 0)
    first = pd.Timestamp(f"{demo.month}-01", tz="Asia/Shanghai")
    days = pd.date_range(first, first + pd.offsets.MonthBegin(1), freq="D")
    total = np.concatenate([[0.0], amounts.cumsum().to_numpy()])

    def passed(steps: int) -> float:
        loops, rest = divmod(steps, len(amounts))
        return float(loops * total[-1] + total[rest])

    shift = shift_days * 24 * 60 // step_min
    steps = ((days - anchor).total_seconds() / 60 / step_min).astype(int)
    return pd.Series([start + factor * (passed(step + shift) - passed(shift)) for step in steps], index=days)


def daily(shown: pd.Series) -> list[Fraction]:
    """What passed on each day by the display: exact to the millionth, which is finer than any of these registers."""
    millionths = (shown * 1_000_000).round().astype("int64")
    return [Fraction(int(amount), 1_000_000) for amount in millionths.diff().dropna().astype("int64")]


def grams(amounts: list[Fraction], kg_per_unit: Fraction) -> int:
    """Each day's emission rounded half to even, as it is booked."""
    return sum(round(amount * kg_per_unit * 1000) for amount in amounts)


def statement(demo: Demo, enterprise: str) -> dict[str, Any]:
    path = f"/api/v1/enterprises/{enterprise}/account?period={demo.month}"
    document: dict[str, Any] = demo.get(path, demo.tokens["enterprise"][enterprise]).json
    return document


def test_gas_turbines_month_by_hand_agrees_to_the_gram(demo: Demo) -> None:
    # A flow computer counts whole litres, the export meter hundredths of a kWh.
    gas = at_midnights(demo, "turbine-energy", 60, 2.71976, 3_105_000).mul(1000).round().div(1000)
    sold = at_midnights(demo, "turbine-energy", 60, 3.5, 412_300).mul(100).round().div(100)
    by_hand = {"gas-turbine": grams(daily(gas), GAS_KG_PER_NM3), "power-export": -grams(daily(sold), GRID_KG_PER_KWH)}
    account = statement(demo, DYEING)
    booked = {line["source"]: round(line["emission_kg"] * 1000) for line in account["by_source"]}
    assert booked == by_hand
    assert round(account["compliance_kg"] * 1000) == sum(by_hand.values())
    assert (account["coverage"], account["estimated_share"]) == (1.0, 0.0)


def test_green_power_is_taken_out_by_its_own_meter_and_the_rest_agrees_to_the_gram(demo: Demo) -> None:
    # Both meters show 32-bit floats: the incomer's last digit is worth a hundredth of a kWh.
    incomer = at_midnights(demo, "steel-energy", 15, 5, 96_410, shift_days=28).astype("float32").astype("float64")
    plating = at_midnights(demo, "steel-energy", 15, 1.6, 30_510, shift_days=28).astype("float32").astype("float64")
    bought = [whole - green for whole, green in zip(daily(incomer), daily(plating), strict=True)]
    account = statement(demo, TAPS)
    booked = {line["source"]: round(line["emission_kg"] * 1000) for line in account["by_source"]}
    assert booked == {"grid-power": grams(bought, GRID_KG_PER_KWH), "green-power": 0}
    amounts = {line["source"]: Fraction(str(line["amount"])) for line in account["by_source"]}
    assert amounts == {"grid-power": sum(bought), "green-power": sum(daily(plating))}


# --- in a browser ---------------------------------------------------------------------------------------------------


def note_failure(complaints: list[str], request: Any) -> None:
    """A request that failed; not one that the browser gave up because the next page was opened."""
    if request.failure != "net::ERR_ABORTED":
        complaints.append(f"failed: {request.url}: {request.failure}")


def sign_in(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.ready['url']}/login#token={demo.tokens['park']}")
    page.wait_for_url(f"**/parks/{PARK}")


def test_pages_open_without_errors_and_show_pictures(demo: Demo, page: Page) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: note_failure(complaints, request))
    sign_in(page, demo)
    places = {
        "park": f"/parks/{PARK}?period={demo.month}",
        "enterprise": f"/enterprises/{DYEING}?period={demo.month}",
        "devices": f"/enterprises/{DYEING}/devices",
    }
    for name, path in places.items():
        for language in ("zh", "en"):
            page.goto(f"{demo.ready['url']}{path}{'&' if '?' in path else '?'}lang={language}")
            page.wait_for_load_state("networkidle")
            if name != "devices":
                page.wait_for_selector(".chart canvas")
            page.screenshot(path=PICTURES / f"{name}-{language}.png", full_page=True)
            assert re.search("[\u4e00-\u9fff]", page.locator("h1").first.inner_text()) or language == "en"
    assert complaints == []


def test_park_page_shows_the_colours_of_the_api(demo: Demo, page: Page) -> None:
    sign_in(page, demo)
    page.goto(f"{demo.ready['url']}/parks/{PARK}?period={demo.month}&lang=en")
    page.wait_for_load_state("networkidle")
    ranking = demo.get(f"/api/v1/parks/{PARK}/ranking?period={demo.month}", demo.tokens["park"]).json["items"]
    shown = [
        (page.locator(".board .card").nth(place).get_attribute("class") or "").split()
        for place in range(page.locator(".board .card").count())
    ]
    assert len(shown) == len(ranking) == 4
    for item, classes in zip(ranking, shown, strict=True):
        assert item["colour"] in classes


# --- stop and again -------------------------------------------------------------------------------------------------


def test_zz_ctrl_c_stops_everything_and_the_next_start_continues(demo: Demo) -> None:
    """The last test of this file: it stops the demo."""
    tokens = demo.tokens
    children = children_of(demo)
    assert len(children) == 6  # the gateway and five agents
    before = statement(demo, TAPS)
    code, _ = demo.process.end(signal.SIGINT)
    assert code == 0, demo.process.said
    assert "by force" not in demo.process.said
    assert not (demo.data_dir / "control.json").exists()
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "all children ended", 2)

    again = start(demo.data_dir)
    try:
        assert again.tokens == tokens
        after = statement(again, TAPS)
        names = ("version", "compliance_kg", "lifecycle_kg", "by_source", "days", "coverage")
        assert {name: after[name] for name in names} == {name: before[name] for name in names}
    finally:
        assert again.process.end(signal.SIGINT)[0] == 0


def children_of(demo: Demo) -> list[int]:
    """The processes whose parent is the demo, out of /proc and by its numbers."""
    parent = number_in_proc(demo.process.pid)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and int(fields[1]) == parent:
            found.append(int(entry.name))
    return found
