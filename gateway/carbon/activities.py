"""The closed table of activity kinds: what a source can be, in which units it is given, and how it is calculated.

A kind names its usual scope (GHG Protocol), ISO 14064-1 category and lifecycle stage (GB/T 24067 wording); a source
in the registry may differ in scope and stage, never in method. Which published value a kind is multiplied with is not
said here but in `config/`; the kind only names the series, so a new edition needs no change of code.

What stays true: a kind outside this table does not load. Amounts of exported energy are positive; `sign` is what makes
them negative in the account. To add a kind, add a line here and a value with its source in `config/emission_factors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Calculation = Literal["grid", "green", "factor", "fuel", "desulphurisation", "gas_process", "measured"]

_ELECTRICITY = ("kWh", "MWh")
_HEAT = ("GJ", "MJ")
_MASS = ("t", "kg")
_GAS = ("Nm3", "m3", "1e4Nm3")


@dataclass(frozen=True, slots=True)
class ActivityKind:
    """One kind of activity."""

    kind: str
    zh: str
    en: str
    units: tuple[str, ...]  # units in which an amount may be given
    calculation: Calculation  # a row of gateway.carbon.factors.CHOICES
    series: str  # series of the factor; for fuels and carbonates the last part of their series
    scope: int
    category: int  # ISO 14064-1, 1..6
    stage: str
    sign: int = 1  # -1: taken off the account (exported energy)
    energy: str = ""  # series of the standard-coal coefficient; "" = carries no energy of its own
    records_only: bool = False  # comes from business records, never from a meter


def _electricity(kind: str, zh: str, en: str, calculation: Calculation, sign: int = 1) -> ActivityKind:
    return ActivityKind(
        kind, zh, en, _ELECTRICITY, calculation, "grid", 2, 2, "production", sign, "coal_equivalent.electricity"
    )


def _heat(kind: str, zh: str, en: str, sign: int = 1) -> ActivityKind:
    return ActivityKind(kind, zh, en, _HEAT, "factor", "heat", 2, 2, "production", sign, "coal_equivalent.heat")


def _fuel(name: str, zh: str, en: str, units: tuple[str, ...] = _MASS) -> ActivityKind:
    return ActivityKind(f"fuel.{name}", zh, en, units, "fuel", name, 1, 1, "production", 1, f"coal_equivalent.{name}")


def _carbonate(name: str, zh: str, en: str) -> ActivityKind:
    return ActivityKind(
        f"carbonate.{name}", f"碳酸盐分解 {zh}", f"{en}, pure carbonate calcined", _MASS, "factor",
        f"carbonate.{name}", 1, 1, "production",
    )  # fmt: skip


def _process(name: str, zh: str, en: str, calculation: Calculation = "factor") -> ActivityKind:
    return ActivityKind(f"process.{name}", zh, en, _MASS, calculation, f"process.{name}", 1, 1, "production")


def _material(name: str, zh: str, en: str) -> ActivityKind:
    return ActivityKind(
        f"material.{name}", f"外购{zh}", f"purchased {en}", _MASS, "factor",
        f"material.{name}", 3, 4, "raw_material", records_only=True,
    )  # fmt: skip


_ALL = (
    _electricity("electricity.purchased", "外购电力", "purchased electricity", "grid"),
    _electricity("electricity.exported", "外供电力", "exported electricity", "grid", -1),
    _electricity("electricity.green", "绿色电力", "green electricity", "green"),
    _electricity("electricity.self_used_pv", "自发自用光伏电力", "self-used photovoltaic electricity", "green"),
    _heat("heat.purchased", "外购热力", "purchased heat"),
    _heat("heat.exported", "外供热力", "exported heat", -1),
    ActivityKind(
        "co2.measured",
        "连续监测的二氧化碳",
        "CO2 measured by a continuous emission monitoring system",
        _MASS,
        "measured",
        "",
        1,
        1,
        "production",
    ),
    _fuel("anthracite", "无烟煤", "anthracite"),
    _fuel("bituminous", "烟煤", "bituminous coal"),
    _fuel("lignite", "褐煤", "lignite"),
    _fuel("washed_coal", "洗精煤", "washed coal"),
    _fuel("other_washed_coal", "其他洗煤", "other washed coal"),
    _fuel("briquette", "型煤", "briquettes"),
    _fuel("other_coal_products", "其他煤制品", "other coal products"),
    _fuel("coke", "焦炭", "coke"),
    _fuel("petroleum_coke", "石油焦", "petroleum coke"),
    _fuel("crude_oil", "原油", "crude oil"),
    _fuel("fuel_oil", "燃料油", "fuel oil"),
    _fuel("gasoline", "汽油", "gasoline"),
    _fuel("diesel", "柴油", "diesel"),
    _fuel("kerosene", "一般煤油", "kerosene"),
    _fuel("jet_kerosene", "喷气煤油", "jet kerosene"),
    _fuel("lng", "液化天然气", "liquefied natural gas"),
    _fuel("lpg", "液化石油气", "liquefied petroleum gas"),
    _fuel("naphtha", "石脑油", "naphtha"),
    _fuel("coal_tar", "焦油", "coal tar"),
    _fuel("crude_benzol", "粗苯", "crude benzol"),
    _fuel("other_petroleum", "其他石油制品", "other petroleum products"),
    _fuel("refinery_gas", "炼厂干气", "refinery gas"),
    _fuel("natural_gas", "天然气", "natural gas", _GAS),
    _fuel("blast_furnace_gas", "高炉煤气", "blast furnace gas", _GAS),
    _fuel("converter_gas", "转炉煤气", "converter gas", _GAS),
    _fuel("coke_oven_gas", "焦炉煤气", "coke oven gas", _GAS),
    _fuel("closed_cac2_furnace_gas", "密闭电石炉炉气", "closed calcium carbide furnace gas", _GAS),
    _fuel("other_gas", "其他煤气", "other gas", _GAS),
    _carbonate("caco3", "碳酸钙", "calcium carbonate"),
    _carbonate("mgco3", "碳酸镁", "magnesium carbonate"),
    _carbonate("na2co3", "碳酸钠", "sodium carbonate"),
    _carbonate("nahco3", "碳酸氢钠", "sodium bicarbonate"),
    _carbonate("feco3", "碳酸亚铁", "iron carbonate"),
    _carbonate("mnco3", "碳酸锰", "manganese carbonate"),
    _carbonate("baco3", "碳酸钡", "barium carbonate"),
    _carbonate("li2co3", "碳酸锂", "lithium carbonate"),
    _carbonate("k2co3", "碳酸钾", "potassium carbonate"),
    _carbonate("srco3", "碳酸锶", "strontium carbonate"),
    _carbonate("camg_co3_2", "白云石", "dolomite"),
    _process("desulphurisation", "脱硫石灰石", "limestone used for flue gas desulphurisation", "desulphurisation"),
    _process("clinker", "水泥熟料生产过程", "cement clinker made"),
    _process("lime_high_calcium", "高钙石灰生产过程", "high-calcium lime made"),
    _process("lime_dolomitic", "白云石石灰生产过程", "dolomitic lime made"),
    _process("lime_hydraulic", "水硬性石灰生产过程", "hydraulic lime made"),
    _process("glass", "玻璃生产过程", "glass melted, no cullet"),
    _process("glass_float", "浮法玻璃生产过程", "float glass melted, no cullet"),
    _process("glass_container", "玻璃容器生产过程", "container glass melted, no cullet"),
    _process("calcium_carbide", "电石生产过程", "calcium carbide made"),
    _process("silicon_carbide", "碳化硅生产过程", "silicon carbide made"),
    _process("aluminium_prebake", "预焙阳极消耗", "aluminium made, prebaked anode consumed"),
    _process("aluminium_soderberg", "自焙阳极消耗", "aluminium made, Söderberg anode consumed"),
    _process("aluminium_cf4", "铝电解 CF4", "aluminium made, CF4 from anode effects", "gas_process"),
    _process("aluminium_c2f6", "铝电解 C2F6", "aluminium made, C2F6 from anode effects", "gas_process"),
    _process("nitric_acid", "硝酸生产 N2O", "nitric acid made in medium-pressure plants, N2O", "gas_process"),
    _process("adipic_acid", "己二酸生产 N2O", "adipic acid made without abatement, N2O", "gas_process"),
    _process("magnesium_sf6", "镁熔炼 SF6", "magnesium cast under SF6", "gas_process"),
    _material("lime", "石灰", "lime"),
    _material("cement_clinker", "水泥熟料", "cement clinker"),
    _material("calcined_kaolinic_clay", "煅烧高岭土类粘土", "calcined kaolinic clay"),
    _material("pig_iron", "生铁", "pig iron"),
    _material("direct_reduced_iron", "直接还原铁", "direct reduced iron"),
    _material("ferromanganese", "锰铁", "ferromanganese"),
    _material("ferrochromium", "铬铁", "ferrochromium"),
    _material("ferronickel", "镍铁", "ferronickel"),
    _material("ferrosilicon", "硅铁", "ferrosilicon (75 % Si)"),
    _material("silicomanganese", "锰硅合金", "silicomanganese"),
    _material("crude_steel", "钢锭", "steel ingots"),
    _material("steel_semi_finished", "钢坯", "semi-finished steel (billets, slabs)"),
    _material("steel_hot_rolled", "热轧钢板卷", "hot-rolled flat steel"),
    _material("aluminium_unwrought", "未锻轧铝", "unwrought aluminium"),
    _material("ammonia", "合成氨", "ammonia"),
    _material("clay", "粘土", "clay"),
    _material("feldspar", "长石", "feldspar"),
    _material("scrap_steel", "废钢", "scrap steel"),
)

ACTIVITIES: dict[str, ActivityKind] = {activity.kind: activity for activity in _ALL}
