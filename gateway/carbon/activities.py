"""The closed table of activity kinds: what a source can be, in which units it is given, and how it is calculated.

A kind names its usual scope (GHG Protocol), ISO 14064-1 category and lifecycle stage (GB/T 24067 wording); a source
in the registry may differ in scope and stage, never in method. Which published value a kind is multiplied with is not
said here but in `config/`; the kind only names the series, so a new edition needs no change of code. Many kinds ship
without a value, because none was found that may be cited: they need a supplier's or the plant's own, and are a visible
hole in the account until they have one.

What stays true: a kind outside this table does not load. Amounts are positive; `sign` is what makes exported energy
and fixed carbon negative in the account. To add a kind, add a line here and a value with its source in
`config/emission_factors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gateway.registry.model import Group

Calculation = Literal[
    "grid", "grid_by_location", "green", "factor", "fuel", "desulphurisation", "gas", "gas_process", "carbon",
    "measured", "energy_only",
]  # fmt: skip

_ELECTRICITY = ("kWh", "MWh", "1e4kWh")
_HEAT = ("GJ", "MJ", "TJ", "kWh", "MWh")
_STEAM = ("GJ", "MJ", "TJ", "t", "kg")
_MASS = ("t", "kg")
_BY_HEAT_VALUE = ("GJ", "MJ", "TJ")
_SOLID = (*_MASS, *_BY_HEAT_VALUE)
_LIQUID = (*_MASS, *_BY_HEAT_VALUE, "L", "m3")  # litres need a density
_GAS = ("Nm3", "m3", "1e4Nm3", "1e4m3", *_BY_HEAT_VALUE)
_LIQUEFIED = (*_MASS, *_BY_HEAT_VALUE, "L", "m3")
_CARBON = ("tC", "kgC")
_SMALL_MASS = ("kg", "t", "g")
_FREIGHT = ("tkm", "1e4tkm")
_BLENDS = (
    "404a",
    "407a",
    "407b",
    "407c",
    "407d",
    "407e",
    "407f",
    "410a",
    "410b",
    "421a",
    "421b",
    "427a",
    "507a",
    "508a",
    "508b",
)  # of refrigerants; config/refrigerant_blends has their compositions


@dataclass(frozen=True, slots=True)
class ActivityKind:
    """One kind of activity."""

    kind: str
    zh: str
    en: str
    units: tuple[str, ...]  # units in which an amount may be given
    calculation: Calculation  # a row of gateway.carbon.choices.CHOICES
    series: str  # series of the factor; for fuels and carbonates the last part of their series
    scope: int
    category: int  # ISO 14064-1, 1..6
    stage: str
    sign: int = 1  # -1: taken off the account (exported energy, fixed carbon)
    energy: str = ""  # series of the standard-coal coefficient; "" = carries no energy of its own
    records_only: bool = False  # comes from business records, never from a meter


def group_of(kind: ActivityKind, scope: int) -> Group:
    """What of an account a source belongs to; `config/methods` says which groups a total counts."""
    if scope == 3:
        return "other_indirect"
    if kind.sign < 0:
        return "exported_energy" if kind.energy else "fixed_carbon"
    return "direct" if scope == 1 else "purchased_energy"


def _electricity(kind: str, zh: str, en: str, calculation: Calculation, sign: int = 1) -> ActivityKind:
    return ActivityKind(
        f"electricity.{kind}", zh, en, _ELECTRICITY, calculation, "grid", 2, 2, "production", sign,
        "coal_equivalent.electricity",
    )  # fmt: skip


def _heat(kind: str, zh: str, en: str, units: tuple[str, ...], sign: int = 1) -> ActivityKind:
    return ActivityKind(kind, zh, en, units, "factor", "heat", 2, 2, "production", sign, "coal_equivalent.heat")


def _fuel(name: str, zh: str, en: str, units: tuple[str, ...] = _SOLID) -> ActivityKind:
    return ActivityKind(f"fuel.{name}", zh, en, units, "fuel", name, 1, 1, "production", 1, f"coal_equivalent.{name}")


def _in_vehicles(fuel: ActivityKind) -> ActivityKind:
    """The same fuel burnt in the plant's own vehicles: the same numbers, another line of the account."""
    name = fuel.kind.partition(".")[2]
    return replace(fuel, kind=f"mobile.{name}", zh=f"移动源 {fuel.zh}", en=f"{fuel.en} in own vehicles")


def _energy_only(fuel: ActivityKind) -> ActivityKind:
    """The same fuel where its CO2 is already in a stack's measurement: energy is counted, emission is not again."""
    name = fuel.kind.partition(".")[2]
    return replace(
        fuel,
        kind=f"energy_only.{name}",
        zh=f"{fuel.zh}（仅计能耗，排放由连续监测计量）",
        en=f"{fuel.en}, energy only: its CO2 is measured in the stack",
        calculation="energy_only",
    )


def _carbonate(name: str, zh: str, en: str) -> ActivityKind:
    return ActivityKind(
        f"carbonate.{name}", f"碳酸盐分解 {zh}", f"{en}, pure carbonate calcined", _MASS, "factor",
        f"carbonate.{name}", 1, 1, "production",
    )  # fmt: skip


def _process(name: str, zh: str, en: str, calculation: Calculation = "factor") -> ActivityKind:
    return ActivityKind(f"process.{name}", zh, en, _MASS, calculation, f"process.{name}", 1, 1, "production")


def _of_carbon(kind: str, zh: str, en: str, sign: int) -> ActivityKind:
    return ActivityKind(kind, zh, en, _CARBON, "carbon", "", 1, 1, "production", sign)


def _fixed(name: str, zh: str, en: str) -> ActivityKind:
    kind = f"fixed.{name}"
    return ActivityKind(kind, zh, en, _MASS, "factor", kind, 1, 1, "production", -1, records_only=True)


def _gas(name: str, label: str) -> ActivityKind:
    return ActivityKind(
        f"gas.{name}", f"{label} 逸散", f"{label} released", _SMALL_MASS, "gas", name.replace("_", "-"),
        1, 1, "production", records_only=True,
    )  # fmt: skip


def _treated(name: str, zh: str, en: str, units: tuple[str, ...], calculation: Calculation = "factor") -> ActivityKind:
    """Waste and wastewater treated by the plant itself."""
    return ActivityKind(name, zh, en, units, calculation, name, 1, 1, "production")


def _given(
    kind: str, zh: str, en: str, units: tuple[str, ...], category: int, stage: str
) -> ActivityKind:  # fmt: skip
    """Outside of the plant: by business records × a factor."""
    return ActivityKind(kind, zh, en, units, "factor", kind, 3, category, stage, records_only=True)


def _material(name: str, zh: str, en: str) -> ActivityKind:
    return _given(f"material.{name}", f"外购{zh}", f"purchased {en}", _MASS, 4, "raw_material")


def _carried(name: str, zh: str, en: str) -> Iterator[ActivityKind]:
    """Freight by one mode, to the plant and from it."""
    yield _given(f"freight_in.{name}", f"{zh}运入", f"inbound freight by {en}", _FREIGHT, 3, "raw_material")
    yield _given(f"freight_out.{name}", f"{zh}运出", f"outbound freight by {en}", _FREIGHT, 3, "distribution")


_ENERGY = (
    _electricity("purchased", "外购电力", "purchased electricity", "grid"),
    _electricity("exported", "外供电力", "exported electricity", "grid", -1),
    _electricity("green", "绿色电力", "green electricity", "green"),
    _electricity("self_used_pv", "自发自用光伏电力", "self-used photovoltaic electricity", "green"),
    _heat("heat.purchased", "外购热力", "purchased heat", _HEAT),
    _heat("heat.exported", "外供热力", "exported heat", _HEAT, -1),
    _heat("steam.purchased", "外购蒸汽", "purchased steam", _STEAM),
    _heat("steam.exported", "外供蒸汽", "exported steam", _STEAM, -1),
)

_FUELS = (
    _fuel("anthracite", "无烟煤", "anthracite"),
    _fuel("bituminous", "烟煤", "bituminous coal"),
    _fuel("lignite", "褐煤", "lignite"),
    _fuel("washed_coal", "洗精煤", "washed coal"),
    _fuel("other_washed_coal", "其他洗煤", "other washed coal"),
    _fuel("briquette", "型煤", "briquettes"),
    _fuel("other_coal_products", "其他煤制品", "other coal products"),
    _fuel("coke", "焦炭", "coke"),
    _fuel("petroleum_coke", "石油焦", "petroleum coke"),
    _fuel("crude_oil", "原油", "crude oil", _LIQUID),
    _fuel("fuel_oil", "燃料油", "fuel oil", _LIQUID),
    _fuel("gasoline", "汽油", "gasoline", _LIQUID),
    _fuel("diesel", "柴油", "diesel", _LIQUID),
    _fuel("kerosene", "一般煤油", "kerosene", _LIQUID),
    _fuel("jet_kerosene", "喷气煤油", "jet kerosene", _LIQUID),
    _fuel("lng", "液化天然气", "liquefied natural gas", _LIQUEFIED),
    _fuel("lpg", "液化石油气", "liquefied petroleum gas", _LIQUEFIED),
    _fuel("naphtha", "石脑油", "naphtha", _LIQUID),
    _fuel("coal_tar", "焦油", "coal tar", _LIQUID),
    _fuel("crude_benzol", "粗苯", "crude benzol", _LIQUID),
    _fuel("other_petroleum", "其他石油制品", "other petroleum products", _LIQUID),
    _fuel("refinery_gas", "炼厂干气", "refinery gas"),
    _fuel("natural_gas", "天然气", "natural gas", _GAS),
    _fuel("blast_furnace_gas", "高炉煤气", "blast furnace gas", _GAS),
    _fuel("converter_gas", "转炉煤气", "converter gas", _GAS),
    _fuel("coke_oven_gas", "焦炉煤气", "coke oven gas", _GAS),
    _fuel("closed_cac2_furnace_gas", "密闭电石炉炉气", "closed calcium carbide furnace gas", _GAS),
    _fuel("other_gas", "其他煤气", "other gas", _GAS),
)
_OF_VEHICLES = ("gasoline", "diesel", "kerosene", "jet_kerosene", "fuel_oil", "lng", "lpg", "natural_gas")
FUELS = tuple(fuel.series for fuel in _FUELS)

_PROCESSES = (
    ActivityKind(
        "co2.measured", "连续监测的二氧化碳", "CO2 measured by a continuous emission monitoring system",
        _MASS, "measured", "", 1, 1, "production",
    ),
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
    _process("cao_from_carbonate", "碳酸盐分解生成的氧化钙", "CaO formed out of carbonate"),
    _process("mgo_from_carbonate", "碳酸盐分解生成的氧化镁", "MgO formed out of carbonate"),
    _process("clinker", "水泥熟料生产过程", "cement clinker made"),
    _process("lime_high_calcium", "高钙石灰生产过程", "high-calcium lime made"),
    _process("lime_dolomitic", "白云石石灰生产过程", "dolomitic lime made"),
    _process("lime_hydraulic", "水硬性石灰生产过程", "hydraulic lime made"),
    _process("lime_mixed", "石灰生产过程（混合）", "lime made, 85 % high-calcium and 15 % dolomitic"),
    _process("glass", "玻璃生产过程", "glass melted, no cullet"),
    _process("glass_float", "浮法玻璃生产过程", "float glass melted, no cullet"),
    _process("glass_container", "玻璃容器生产过程", "container glass melted, no cullet"),
    _process("ammonia_natural_gas", "合成氨（天然气）", "ammonia made from natural gas, its fuel included"),
    _process("ammonia_partial_oxidation", "合成氨（部分氧化）", "ammonia made by partial oxidation, its fuel included"),
    _process("calcium_carbide", "电石生产过程", "calcium carbide made"),
    _process("calcium_carbide_used", "电石使用过程", "calcium carbide used"),
    _process("silicon_carbide", "碳化硅生产过程", "silicon carbide made"),
    _process("titanium_dioxide_chloride", "氯化法钛白粉生产过程", "titanium dioxide made by the chloride route"),
    _process("steel_electric_arc", "电炉炼钢过程（电极与含碳料）", "electric arc steel: electrodes, charged carbon"),
    _process("steel_electrodes", "炼钢电极消耗", "electrodes consumed in steelmaking"),
    _process("ferrosilicon_75", "硅铁（75 % Si）生产过程", "ferrosilicon with 75 % Si made"),
    _process("ferromanganese_7c", "锰铁（7 % C）生产过程", "ferromanganese with 7 % C made"),
    _process("silicomanganese", "锰硅合金生产过程", "silicomanganese made"),
    _process("silicon_metal", "金属硅生产过程", "silicon metal made"),
    _process("ferrochromium", "铬铁生产过程", "ferrochromium made"),
    _process("lead", "铅冶炼过程", "lead smelted"),
    _process("zinc", "锌冶炼过程", "zinc smelted"),
    _process("aluminium_prebake", "预焙阳极消耗", "aluminium made, prebaked anode consumed"),
    _process("aluminium_soderberg", "自焙阳极消耗", "aluminium made, Söderberg anode consumed"),
    _process("aluminium_cf4", "铝电解 CF4", "aluminium made, CF4 from anode effects", "gas_process"),
    _process("aluminium_c2f6", "铝电解 C2F6", "aluminium made, C2F6 from anode effects", "gas_process"),
    _process("nitric_acid", "硝酸生产 N2O", "nitric acid made in medium-pressure plants, N2O", "gas_process"),
    _process("nitric_acid_high_pressure", "硝酸（高压法）N2O", "nitric acid, high-pressure plants, N2O", "gas_process"),
    _process("adipic_acid", "己二酸生产 N2O", "adipic acid made without abatement, N2O", "gas_process"),
    _process("magnesium_sf6", "镁熔炼 SF6", "magnesium cast under SF6", "gas_process"),
    _of_carbon("process.carbon_consumed", "原料与还原剂中的碳", "carbon of raw materials and reductants oxidised", 1),
    _of_carbon("fixed.carbon", "固定在产品中的碳", "carbon fixed in products", -1),
    _fixed("steel", "粗钢固碳", "carbon fixed in crude steel"),
    _fixed("pig_iron", "外售生铁固碳", "carbon fixed in pig iron sold"),
    _fixed("product", "产品固碳", "carbon fixed in another product"),
    ActivityKind(
        "fixed.co2_recovered", "回收外供的二氧化碳", "CO2 recovered and sold",
        _MASS, "measured", "", 1, 1, "production", -1,
    ),
)  # fmt: skip

_GASES = (
    _gas("ch4", "CH4"),
    _gas("n2o", "N2O"),
    _gas("sf6", "SF6"),
    _gas("nf3", "NF3"),
    _gas("cf4", "CF4"),
    _gas("c2f6", "C2F6"),
    _gas("hfc_23", "HFC-23"),
    _gas("hfc_32", "HFC-32"),
    _gas("hfc_125", "HFC-125"),
    _gas("hfc_134a", "HFC-134a"),
    _gas("hfc_143a", "HFC-143a"),
    _gas("hfc_152a", "HFC-152a"),
    _gas("hfc_227ea", "HFC-227ea"),
    _gas("hfc_245fa", "HFC-245fa"),
    *(_gas(f"r_{number}", f"R-{number.upper()}") for number in _BLENDS),
)

_TREATMENT = (
    _treated("wastewater.cod_removed", "厌氧处理去除的 COD", "COD removed anaerobically", _SMALL_MASS, "gas_process"),
    _treated("wastewater.volume", "废水处理量", "wastewater treated", ("m3", "1e4m3")),
    _treated("incineration.fossil_waste", "焚烧的化石源废弃物", "fossil waste incinerated on site", _MASS),
    _given("waste.landfill", "废弃物外运填埋", "waste landfilled by others", _MASS, 4, "production"),
    _given("waste.incineration", "废弃物外运焚烧", "waste incinerated by others", _MASS, 4, "production"),
    _given("waste.recycling", "废弃物外运回收", "waste recycled by others", _MASS, 4, "production"),
    _given("waste.composting", "废弃物外运堆肥", "waste composted by others", _MASS, 4, "production"),
    _given("waste.wastewater", "外排废水处理", "wastewater treated by others", ("m3", "1e4m3"), 4, "production"),
)

_UPSTREAM = (
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
    _material("other", "其他原材料", "other material"),
    _given("material.pieces", "外购零部件", "purchased parts", ("piece",), 4, "raw_material"),
    _given("material.water", "外购新水", "purchased water", ("m3", "1e4m3"), 4, "raw_material"),
    _given("upstream.fuel", "燃料上游排放", "upstream of fuels", (*_MASS, "GJ", "MJ"), 3, "raw_material"),
    _given("upstream.electricity", "电力上游排放", "upstream of electricity", _ELECTRICITY, 3, "production"),
)  # fmt: skip

_TRANSPORT: tuple[ActivityKind, ...] = (
    *_carried("road", "公路", "road"),
    *_carried("rail", "铁路", "rail"),
    *_carried("sea", "海运", "sea"),
    *_carried("inland_water", "内河", "inland waterway"),
    *_carried("air", "航空", "air"),
    *_carried("pipeline", "管道", "pipeline"),
    _given("travel.air", "航空差旅", "business travel by air", ("pkm",), 3, "production"),
    _given("travel.rail", "铁路差旅", "business travel by rail", ("pkm",), 3, "production"),
    _given("travel.road", "公路差旅", "business travel by road", ("pkm",), 3, "production"),
    _given("travel.hotel", "差旅住宿", "business travel, nights in hotels", ("night",), 3, "production"),
    _given("commuting", "员工通勤", "commuting", ("pkm",), 3, "production"),
)

_DOWNSTREAM = (
    ActivityKind(
        "use.electricity", "售出产品使用阶段用电", "electricity used by sold products",
        _ELECTRICITY, "grid_by_location", "grid", 3, 5, "use", records_only=True,
    ),
    _given("use.product", "售出产品使用阶段", "use of sold products", ("piece", *_MASS, "m2"), 5, "use"),
    _given("end_of_life.landfill", "售出产品填埋", "sold products landfilled", _MASS, 5, "end_of_life"),
    _given("end_of_life.incineration", "售出产品焚烧", "sold products incinerated", _MASS, 5, "end_of_life"),
    _given("end_of_life.recycling", "售出产品回收", "sold products recycled", _MASS, 5, "end_of_life"),
    _given("end_of_life.product", "售出产品报废处理", "sold products discarded", ("piece", "m2"), 5, "end_of_life"),
)  # fmt: skip


def _all() -> Iterable[ActivityKind]:
    yield from (*_ENERGY, *_FUELS)
    yield from (_in_vehicles(fuel) for fuel in _FUELS if fuel.series in _OF_VEHICLES)
    yield from (_energy_only(fuel) for fuel in _FUELS)
    yield from (*_PROCESSES, *_GASES, *_TREATMENT, *_UPSTREAM, *_TRANSPORT, *_DOWNSTREAM)


ACTIVITIES: dict[str, ActivityKind] = {activity.kind: activity for activity in _all()}
