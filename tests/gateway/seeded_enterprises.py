"""The enterprises of the seeded park: what they are registered with, what they use in an hour and make in a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from collectors.clock import to_ms
from gateway.carbon.activities import ACTIVITIES
from gateway.registry.model import (
    Agent,
    Device,
    Enterprise,
    Evidence,
    Feed,
    Name,
    Point,
    Product,
    Source,
)

ZONE = "Asia/Shanghai"
NOW = datetime.fromisoformat("2026-10-21T14:05:20+08:00")
NOW_MS = to_ms(NOW)
TODAY = date(2026, 10, 21)
FIRST_DAY = date(2026, 9, 1)
WEEK_START = TODAY - timedelta(days=8)
STEP_MS = 15 * 60_000

PARK = "quanzhou-test"
OTHER_PARK = "elsewhere"
STEEL, DYEING, CEMENT, FITTINGS, TILES, FOREIGN = (
    "91350505M00000019R",
    "91350582M000000275",
    "91350583M00000035E",
    "91350502M000000433",
    "91350521M00000051X",
    "91370811M00000060J",
)


def _meter(device: str, zh: str, en: str, *points: str, profile: str | None = None, kw: float = 5000) -> Device:
    return Device(device, tuple(Point(0, device, point, point) for point in points), profile, kw, Name(zh, en))


def _source(
    source: str, activity: str, feeds: Sequence[str], zh: str, en: str, evidence: tuple[Evidence, ...] = ()
) -> Source:
    kind = ACTIVITIES[activity]
    made = []
    for feed in feeds:
        device, _, point = feed.lstrip("-").rpartition(".")
        made.append(Feed(device, point, "-1" if feed.startswith("-") else "1"))
    return Source(
        source, activity, kind.scope, kind.stage, tuple(made), not feeds, None, None, evidence, None, Name(zh, en)
    )


def _grid(*feeds: str) -> Source:
    return _source(
        "grid-power", "electricity.purchased", feeds or ["incomer-1.energy_import"], "外购电力", "Purchased power"
    )


def _incomer(profile: str = "siemens-pac2200") -> Device:
    return _meter("incomer-1", "总进线", "Main incomer", "energy_import", "power", profile=profile)


def enterprises() -> tuple[Enterprise, ...]:
    common: dict[str, Any] = {"park": PARK, "agents": (Agent("edge-1"),)}
    green = (Evidence("certificate", "GEC-TEST-1", "2026-01-01", "2027-01-01"),)
    return (
        Enterprise(
            STEEL, Name("锐钢轧制", "Ruigang Steel Rolling"), industry="C3130", consents=("platform",),
            devices=(_incomer(), _meter("furnace-1", "加热炉", "Furnace", "energy_import", "power", profile="abb-b23")),
            sources=(
                _grid(),
                _source("billets", "material.steel_semi_finished", [], "外购钢坯", "Purchased billets"),
            ),
            products=(Product("plate", "t", Name("钢板", "Steel plate")),), **common,
        ),
        Enterprise(
            DYEING, Name("汇能印染", "Huineng Dyeing"), industry="C1713", consents=("platform",),
            devices=(
                _meter("export-1", "上网电量表", "Export meter", "energy_export", "power", profile="abb-b23"),
                _meter("gas-1", "天然气流量计", "Gas meter", "gas_volume_normal", "gas_flow_normal"),
            ),
            sources=(
                _source("gas-turbine", "fuel.natural_gas", ["gas-1.gas_volume_normal"], "燃气轮机", "Gas turbine"),
                _source("power-export", "electricity.exported", ["export-1.energy_export"], "外供电力", "Power sold"),
            ),
            products=(Product("fabric", "t", Name("印染布", "Dyed fabric")),), **common,
        ),
        Enterprise(
            CEMENT, Name("石井水泥", "Shijing Cement"), industry="C3011", consents=("platform",),
            devices=(_incomer(), _meter("stack-1", "烟气连续监测", "Stack CEMS", "co2_mass")),
            sources=(
                _source("stack", "co2.measured", ["stack-1.co2_mass"], "烟囱实测", "Stack, measured"),
                _grid(),
            ),
            products=(Product("clinker", "t", Name("熟料", "Clinker")),), **common,
        ),
        Enterprise(
            FITTINGS, Name("清源卫浴部件", "Qingyuan Bathroom Fittings"), industry="C3383",
            devices=(
                _incomer("eastron-sdm630"),
                _meter("plating-1", "电镀线", "Plating line", "energy_import", "power", profile="chint-dtsu666"),
            ),
            sources=(
                _grid("incomer-1.energy_import", "-plating-1.energy_import"),
                _source("green-power", "electricity.green", ["plating-1.energy_import"], "绿电", "Green power", green),
            ),
            products=(Product("fitting", "piece", Name("卫浴件", "Fitting")),), **common,
        ),
        Enterprise(
            TILES, Name("海丝建陶", "Haisi Tiles"), industry="C3071", devices=(_incomer("acrel-adl400"),),
            sources=(_grid(),), products=(Product("tile", "m2", Name("瓷砖", "Tile")),), **common,
        ),
        Enterprise(FOREIGN, Name("外园企业", "Enterprise elsewhere"), OTHER_PARK, "C3071", consents=("platform",)),
    )  # fmt: skip


# enterprise -> device.point -> mean per hour in the usage unit (kWh, Nm3, kg); the curve swings around it
MEANS: dict[str, dict[str, float]] = {
    STEEL: {"incomer-1.energy_import": 3050.0, "furnace-1.energy_import": 900.0},
    DYEING: {"export-1.energy_export": 960.0, "gas-1.gas_volume_normal": 610.0},
    CEMENT: {"incomer-1.energy_import": 1850.0, "stack-1.co2_mass": 8900.0},
    FITTINGS: {"incomer-1.energy_import": 820.0, "plating-1.energy_import": 330.0},
    TILES: {"incomer-1.energy_import": 640.0},
}
# Output of a day: product amount, and value in 10k CNY
OUTPUT: dict[str, tuple[str, float, float]] = {
    STEEL: ("plate", 284.0, 98.0),
    DYEING: ("fabric", 8.0, 42.0),
    CEMENT: ("clinker", 290.0, 31.0),
    FITTINGS: ("fitting", 5600.0, 55.0),
}
COVERAGE_PPM = {TILES: 640_000}
POWER_OF = {"energy_import": 1.0, "energy_export": -1.0}
