"""The pages as text: who gets which, in which language, and what they are allowed to load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

import gateway.dashboard
from gateway.accounts.rating_documents import NextColour
from gateway.dashboard.figures import change, cut, days_of, gauge_place, last_day, number, percent, printed
from gateway.dashboard.languages import CATALOGUE
from gateway.dashboard.pages import ended_sources, strip_runs
from tests.gateway.seeded_enterprises import DYEING, FITTINGS, PARK, STEEL, TILES
from tests.gateway.seeded_park import SeededPark

PAGES = (
    f"/parks/{PARK}",
    "/enterprises",
    f"/enterprises/{STEEL}",
    f"/enterprises/{DYEING}?period=2026-09",
    f"/enterprises/{TILES}",
    f"/enterprises/{FITTINGS}/devices",
    f"/entries/{STEEL}-60",
    f"/entries/{DYEING}-2",
    "/docs",
    "/login",
)


def signed_in(park: SeededPark, role: str) -> FlaskClient:
    client = park.client()
    assert client.post("/login", data={"token": park.tokens[role]}).status_code == 302
    return client


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_renders_in_both_languages(seeded_park: SeededPark, path: str, language: str) -> None:
    client = signed_in(seeded_park, "admin")
    client.set_cookie("tanmai_language", language)
    response = client.get(path)
    assert response.status_code == 200
    assert f'lang="{"en" if language == "en" else "zh-CN"}"' in response.text
    if language == "en" and path != "/docs":
        text = re.sub(r"<script.*?</script>|<[^>]+>", " ", response.text, flags=re.DOTALL)
        left = set(re.findall(r"[\u4e00-\u9fff]+", text)) - {"碳脉", "中文", "送货单"}
        sources = re.findall(r'class="source">([^<]*)', response.text)  # titles of Chinese documents stay Chinese
        assert not {word for word in left if not any(word in source for source in sources)}


def test_english_is_complete_and_has_nothing_left_over() -> None:
    folder = Path(gateway.dashboard.__file__).parent
    methods = [("templates/**.html", "jinja2"), ("*.py", "python")]
    used = {str(message) for _file, _line, message, *_rest in extract_from_dir(folder, methods)}
    with CATALOGUE.open("rb") as file:
        english = {str(message.id): str(message.string) for message in read_po(file, locale="en") if message.id}
    assert len(used) > 150
    assert used == set(english)
    assert all(english.values())
    for source, translated in english.items():
        assert set(re.findall(r"%\(\w+\)[sd]", source)) == set(re.findall(r"%\(\w+\)[sd]", translated)), source


def test_chinese_comes_first_and_the_switch_is_kept(seeded_park: SeededPark) -> None:
    client = seeded_park.client()
    assert "登录碳脉" in client.get("/login").text
    assert "Sign in to Tanmai" in client.get("/login", headers={"Accept-Language": "en-GB,en;q=0.9"}).text
    assert "Sign in to Tanmai" in client.get("/login?lang=en").text
    assert "Sign in to Tanmai" in client.get("/login").text


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_outside_and_hold_no_inline_code(seeded_park: SeededPark, path: str) -> None:
    response = signed_in(seeded_park, "admin").get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', response.text)
    assert not re.findall(r'<script(?![^>]*(?:src=|type="application/json"))', response.text)
    assert not re.findall(r'\s(?:style|on\w+)="', response.text)


@pytest.mark.parametrize("path", [page for page in PAGES if page not in ("/docs", "/login")])
def test_strangers_are_led_to_the_sign_in_and_back(seeded_park: SeededPark, path: str) -> None:
    client = seeded_park.client()
    response = client.get(path)
    assert response.status_code == 302
    following = client.post(response.headers["Location"], data={"token": seeded_park.tokens["admin"]})
    assert following.headers["Location"] == path


@pytest.mark.parametrize(
    ("role", "first", "forbidden"),
    [
        ("park", f"/parks/{PARK}", "/parks/elsewhere"),
        ("enterprise", f"/enterprises/{STEEL}", f"/enterprises/{FITTINGS}"),
        ("platform", "/enterprises", f"/enterprises/{FITTINGS}"),
        ("platform", "/enterprises", f"/enterprises/{STEEL}/devices"),
        ("other-enterprise", f"/enterprises/{FITTINGS}", f"/entries/{STEEL}-1"),
        ("enterprise", f"/enterprises/{STEEL}", "/enterprises"),
    ],
)
def test_each_role_starts_at_its_page_and_stays_in_its_scope(
    seeded_park: SeededPark, role: str, first: str, forbidden: str
) -> None:
    client = signed_in(seeded_park, role)
    assert client.get("/").headers["Location"] == first
    assert client.get(first).status_code == 200
    assert client.get(forbidden).status_code in (403, 404)


def test_a_wrong_token_and_a_devices_token_do_not_sign_in(seeded_park: SeededPark) -> None:
    for token in ("tm_wrong", "", seeded_park.tokens["device"]):
        response = seeded_park.client().post("/login", data={"token": token})
        assert response.status_code == 401
        assert "令牌不存在" in response.text
        assert token == "" or token not in response.text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_sites_form_neither_signs_in_nor_out(seeded_park: SeededPark, headers: dict[str, str]) -> None:
    token = {"token": seeded_park.tokens["admin"]}
    assert seeded_park.client().post("/login", data=token, headers=headers).status_code == 403
    assert signed_in(seeded_park, "admin").post("/logout", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_to_another_site(seeded_park: SeededPark, target: str) -> None:
    response = seeded_park.client().post(
        "/login", query_string={"next": target}, data={"token": seeded_park.tokens["admin"]}
    )
    assert response.headers["Location"] == "/"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(seeded_park: SeededPark) -> None:
    response = seeded_park.client().post("/login", data={"token": seeded_park.tokens["admin"]})
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_page_and_the_api_show_the_same_number(seeded_park: SeededPark) -> None:
    kilograms = seeded_park.get(f"/api/v1/enterprises/{STEEL}/account?period=2026-10").json["compliance_kg"]
    page = signed_in(seeded_park, "enterprise").get(f"/enterprises/{STEEL}?period=2026-10").text
    assert f'<span class="value">{number(kilograms / 1000)}</span> <span class="unit">tCO₂e</span>' in page


def test_a_colour_is_never_the_only_sign(seeded_park: SeededPark) -> None:
    page = signed_in(seeded_park, "park").get(f"/parks/{PARK}").text
    for colour, letter in zip(("red", "orange", "yellow", "green", "grey"), "红橙黄绿灰", strict=True):
        assert re.search(rf'class="mark {colour} ?".*?<text[^>]*>{letter}</text>', page, re.DOTALL)
    assert "数据覆盖率 64.0%" in page  # grey says why


def test_an_empty_month_and_a_bad_one_are_said_plainly(seeded_park: SeededPark) -> None:
    client = signed_in(seeded_park, "park")
    assert "本期还没有入账" in client.get(f"/enterprises/{STEEL}?period=2025-01").text
    assert client.get(f"/parks/{PARK}?period=2025-01").status_code == 200
    assert client.get(f"/parks/{PARK}?period=never").status_code == 400


def test_figures_keep_their_width_and_never_round_up_to_all() -> None:
    assert [number(value) for value in (1234.5, 123.45, 12.345, 1.2345, 0, None, -5.0)] == [
        "1,234", "123.5", "12.35", "1.234", "0", "–", "−5.000",
    ]  # fmt: skip
    assert [percent(share) for share in (1.0, 0.9999, 0.996, 0.5, None)] == ["100 %", "99.99 %", "99.9 %", "50 %", "–"]
    assert [gauge_place(ratio) for ratio in (0, 1, 5, None)] == ["2.0%", "50.0%", "98.0%", "2.0%"]


def test_a_strip_is_drawn_in_runs_and_leaves_the_unknown_open() -> None:
    assert strip_runs([1.0, 1.0, None, 0.0, 0.6]) == [
        {"start": 0, "hours": 2, "level": 4},
        {"start": 3, "hours": 1, "level": 0},
        {"start": 4, "hours": 1, "level": 2},
    ]


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("kgCO2e/m2", "kgCO₂e/m²"),
        ("tCO2/1e4Nm3", "tCO₂/1e4Nm³"),
        ("kgCH4/t · km2", "kgCH₄/t · km²"),
        ("10 m3, room m2b, pm2", "10 m³, room m2b, pm2"),
    ],
)
def test_units_are_printed_with_their_signs(plain: str, shown: str) -> None:
    assert printed(plain) == shown


def test_a_change_has_its_sign_and_a_number_stays_with_its_unit() -> None:
    assert (change(1.25), change(-0.5)) == ("+1.2 %", "−0.5 %")
    to_next = NextColour(colour="yellow", cut_kg=21_490.0, cut_kgce=4_978.0)
    assert cut(to_next) == "21.49\u00a0tCO₂e · 4.978\u00a0tce"


def test_the_device_page_counts_the_open_findings_that_it_lists(seeded_park: SeededPark) -> None:
    client, counted = signed_in(seeded_park, "admin"), 0
    for enterprise in (STEEL, DYEING, TILES, FITTINGS):
        listed = seeded_park.reader.open_findings(enterprise, None, limit=1_000)
        open_ones = sum(one.status == "open" for one in listed)
        text = client.get(f"/enterprises/{enterprise}/devices").text
        assert f'<dt>未决发现</dt>\n  <dd><span class="value">{open_ones}<' in text
        counted += open_ones
    assert counted > 0


def test_a_period_is_shown_with_its_last_day() -> None:
    assert last_day("2026-11-16") == "2026-11-15"
    assert days_of("2026-02-27", "2026-03-02") == 3


def test_an_admin_begins_at_the_largest_park_and_chooses_another(seeded_park: SeededPark) -> None:
    client = signed_in(seeded_park, "admin")
    assert client.get("/").location == f"/parks/{PARK}"
    assert client.get(f"/parks?park={PARK}&period=2026-09").location == f"/parks/{PARK}?period=2026-09"
    assert client.get("/parks").location == "/"
    assert client.get("/parks?park=nowhere", follow_redirects=True).status_code == 404


def test_the_daily_chart_says_which_source_ends_before_the_account(seeded_park: SeededPark) -> None:
    """One that was booked day after day and stops is missing from then on; one booked on a single day is not."""
    steel = seeded_park.registry.enterprises[STEEL]
    first, second = (source.id for source in steel.sources[:2])
    days = [f"2026-10-{day:02d}" for day in range(1, 16)]
    with seeded_park.app.test_request_context():
        (ended,) = ended_sources(steel, {first: days, second: days[:9]})
        assert (ended.last.isoformat(), ended.by_records) == ("2026-10-09", steel.sources[1].records)
        assert ended_sources(steel, {first: days, second: [days[4]]}) == []
        assert ended_sources(steel, {first: days, second: days}) == []
        assert ended_sources(steel, {}) == []
