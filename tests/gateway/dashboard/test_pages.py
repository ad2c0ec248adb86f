"""The pages in a real browser: they draw, they fit, they load nothing from outside and break no policy of their own."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from waitress.server import create_server

from gateway.dashboard import views
from tests.gateway.seeded_enterprises import FITTINGS, PARK, STEEL
from tests.gateway.seeded_park import SeededPark

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ECHARTS = Path(views.__file__).parent / "static" / "vendor" / "echarts.min.js"

pytestmark = pytest.mark.real("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    missing = [str(path) for path in (Path(CHROMIUM), ECHARTS) if not path.exists()]
    if missing:
        reason = f"not there: {', '.join(missing)}; `make test` installs them"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; under CI nothing may be skipped")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(seeded_park: SeededPark) -> Iterator[str]:
    server = create_server(seeded_park.app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    thread.join(10)


@dataclass
class Visit:
    """A page with what went wrong on it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)
        self.page.wait_for_load_state("networkidle")

    def sign_in(self, token: str) -> None:
        self.page.goto(f"{self.address}/login#token={token}")
        self.page.wait_for_url(lambda url: "/login" not in url)


@pytest.fixture
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width = getattr(request, "param", 1440)
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="zh-CN")
    made = Visit(context.new_page(), address)

    def complain(text: str) -> None:
        made.complaints.append(text)

    made.page.on("pageerror", lambda error: complain(f"script error: {error}"))
    made.page.on("console", lambda message: complain(message.text) if message.type == "error" else None)
    made.page.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "data:")) else complain(f"outside: {asked.url}"),
    )
    yield made
    context.close()
    assert made.complaints == []


def test_a_link_with_a_token_signs_in_and_leaves_no_token_in_the_address(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    assert visit.page.url == f"{visit.address}/parks/{PARK}"
    assert visit.page.evaluate("document.cookie") == ""  # out of reach of scripts


@pytest.mark.parametrize("visit", [1440, 390], indirect=True)
def test_every_page_fits_its_window_and_draws_its_charts(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["admin"])
    charts = {f"/parks/{PARK}": 1, f"/enterprises/{STEEL}": 3, f"/enterprises/{FITTINGS}/devices": 0}
    for path, count in {**charts, f"/entries/{STEEL}-58": 1}.items():
        visit.go(path)
        visit.page.wait_for_function("count => document.querySelectorAll('.chart canvas').length === count", arg=count)
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width <= visit.page.evaluate("innerWidth"), path


def test_the_board_shows_five_enterprises_worst_first(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    letters = visit.page.locator(".board .card > .mark text").all_text_contents()
    assert letters == ["红", "橙", "黄", "绿", "灰"]


def test_the_load_chart_draws_every_enterprise_with_power(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    visit.page.wait_for_selector('[data-chart="load"] canvas')
    names = visit.page.evaluate(
        """() => echarts.getInstanceByDom(document.querySelector('[data-chart="load"]'))
                        .getOption().series.map((own) => [own.name, own.data.filter((p) => p[1] !== null).length])"""
    )
    assert len(names) == 5
    assert all(points > 0 for _name, points in names)


def test_from_the_board_to_the_register_by_clicking(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    visit.page.locator(".card.red").click()
    visit.page.wait_for_url("**/enterprises/**")
    assert visit.page.locator("h1").inner_text() == "锐钢轧制"
    visit.page.locator("#entries a", has_text="58").first.click()
    visit.page.wait_for_url("**/entries/**")
    assert "0x0321" in visit.page.locator(".path").inner_text()


def test_the_months_and_the_language_change_by_hand(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    visit.page.locator(".months select").select_option("2026-09")
    visit.page.wait_for_url("**period=2026-09")
    visit.page.locator(".language").click()
    visit.page.wait_for_selector("text=The four-colour board")
    assert "period=2026-09" in visit.page.url


def test_dark_windows_redraw_the_charts(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    visit.page.wait_for_selector('[data-chart="load"] canvas')
    colour = """() => echarts.getInstanceByDom(document.querySelector('[data-chart="load"]')).getOption().color
                      && getComputedStyle(document.body).backgroundColor"""
    light = visit.page.evaluate(colour)
    visit.page.emulate_media(color_scheme="dark")
    assert visit.page.evaluate(colour) != light


def test_signing_out_ends_the_session(visit: Visit, seeded_park: SeededPark) -> None:
    visit.sign_in(seeded_park.tokens["park"])
    visit.page.locator("header form button").click()
    visit.page.wait_for_url("**/login")
    visit.go(f"/parks/{PARK}")
    assert "/login" in visit.page.url
