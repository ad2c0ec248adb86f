"""The words for what the accounts name by code: stages, scopes, colours, states, bases. Chinese first; see languages.

What stays true: a code without a word is shown as it is, so that a new one is seen and not lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import LazyString, get_locale
from flask_babel import lazy_gettext as _

from gateway.accounts.documents import Bilingual
from gateway.accounts.rating_documents import Reasons
from gateway.carbon.activities import ACTIVITIES

STAGES: Mapping[str, LazyString] = {
    "raw_material": _("原材料获取"),
    "production": _("生产制造"),
    "distribution": _("分销"),
    "use": _("使用"),
    "end_of_life": _("寿命末期"),
}

SCOPES: Mapping[str, LazyString] = {
    "1": _("范围一 直接排放"),
    "2": _("范围二 外购能源"),
    "3": _("范围三 价值链"),
}

SCOPES_SHORT: Mapping[str, LazyString] = {"1": _("范围一"), "2": _("范围二"), "3": _("范围三")}

COLOURS: Mapping[str, LazyString] = {
    "red": _("红"),
    "orange": _("橙"),
    "yellow": _("黄"),
    "green": _("绿"),
    "grey": _("灰"),
}

COLOUR_MEANINGS: Mapping[str, LazyString] = {
    "red": _("远高于基准"),
    "orange": _("高于基准"),
    "yellow": _("接近基准"),
    "green": _("优于基准"),
    "grey": _("数据不足，未评级"),
}

STATES: Mapping[str, LazyString] = {
    "live": _("在线"),
    "late": _("迟到"),
    "silent": _("无声"),
    "never": _("从未上报"),
}

BASES: Mapping[str, LazyString] = {
    "exact": _("年份与地区相符"),
    "older_edition": _("暂用旧版因子"),
    "regional_fallback": _("以上级地区代替"),
    "default": _("通用缺省值"),
    "supplier_specific": _("供应商提供"),
    "measured": _("实测"),
    "zero_with_evidence": _("有凭证计零"),
    "operator": _("人工更正"),
}

REASONS: Mapping[str, LazyString] = {
    "automatic": _("自动入账"),
    "late-data": _("迟到数据"),
    "restated-factor": _("因子更新"),
    "operator": _("人工更正"),
}

METRICS: Mapping[str, LazyString] = {
    "carbon_intensity": _("碳排放强度"),
    "energy_intensity": _("能耗强度"),
    "electricity_intensity": _("电耗强度"),
    "carbon_per_output_value": _("单位产值碳排放"),
    "energy_per_output_value": _("单位产值能耗"),
    "carbon_per_added_value": _("单位工业增加值碳排放"),
    "energy_per_added_value": _("单位工业增加值能耗"),
}

# The letters in formulas of accounts; their conventional names, as GB/T 32150 and GB/T 2589 use them.
TERMS: Mapping[str, LazyString] = {
    "AD": _("活动数据"),
    "EF": _("排放因子"),
    "NCV": _("低位发热量"),
    "CC": _("单位热值含碳量"),
    "W": _("含碳量"),
    "OF": _("碳氧化率"),
    "GWP": _("全球变暖潜势"),
    "SC": _("折标准煤系数"),
    "QCE": _("标准煤发热量"),
    "RHO": _("密度"),
    "VN": _("标况体积换算"),
    "H": _("蒸汽焓值"),
    "I": _("纯度"),
    "TR": _("转化率"),
}

# Quantities that devices of a park commonly show; see collectors.quantities for all.
QUANTITIES: Mapping[str, LazyString] = {
    "energy_import": _("正向有功电能"),
    "energy_export": _("反向有功电能"),
    "reactive_energy_import": _("无功电能"),
    "power": _("有功功率"),
    "reactive_power": _("无功功率"),
    "power_factor": _("功率因数"),
    "voltage": _("电压"),
    "current": _("电流"),
    "frequency": _("频率"),
    "gas_volume": _("燃气体积"),
    "gas_volume_normal": _("燃气体积（标况）"),
    "gas_flow": _("燃气流量"),
    "gas_flow_normal": _("燃气流量（标况）"),
    "steam_mass": _("蒸汽质量"),
    "steam_flow": _("蒸汽流量"),
    "heat_energy": _("热量"),
    "heat_flow": _("热流量"),
    "water_volume": _("水量"),
    "co2_mass": _("二氧化碳累计排放"),
    "co2_mass_flow": _("二氧化碳排放速率"),
    "temperature": _("温度"),
    "pressure": _("压力"),
}

# What an agent says of its buffer, in the order shown.
BUFFER: Mapping[str, LazyString] = {
    "readings": _("待发读数"),
    "batches": _("待发批次"),
    "set_aside_batches": _("搁置批次"),
    "dropped_readings": _("溢出丢弃"),
    "lost_readings": _("写盘失败"),
}

SEVERITIES: Mapping[str, LazyString] = {"info": _("提示"), "warning": _("注意"), "error": _("错误")}

ROLES: Mapping[str, LazyString] = {
    "admin": _("管理员"),
    "park": _("园区"),
    "platform": _("平台"),
    "enterprise": _("企业"),
    "device": _("设备"),
}

# Divisions of GB/T 4754-2017 by the letter and the first two digits of its codes: manufacturing and utilities.
DIVISIONS: Mapping[str, LazyString] = {
    "C13": _("农副食品加工业"),
    "C14": _("食品制造业"),
    "C15": _("酒、饮料和精制茶制造业"),
    "C16": _("烟草制品业"),
    "C17": _("纺织业"),
    "C18": _("纺织服装、服饰业"),
    "C19": _("皮革、毛皮、羽毛及其制品和制鞋业"),
    "C20": _("木材加工和木、竹、藤、棕、草制品业"),
    "C21": _("家具制造业"),
    "C22": _("造纸和纸制品业"),
    "C23": _("印刷和记录媒介复制业"),
    "C24": _("文教、工美、体育和娱乐用品制造业"),
    "C25": _("石油、煤炭及其他燃料加工业"),
    "C26": _("化学原料和化学制品制造业"),
    "C27": _("医药制造业"),
    "C28": _("化学纤维制造业"),
    "C29": _("橡胶和塑料制品业"),
    "C30": _("非金属矿物制品业"),
    "C31": _("黑色金属冶炼和压延加工业"),
    "C32": _("有色金属冶炼和压延加工业"),
    "C33": _("金属制品业"),
    "C34": _("通用设备制造业"),
    "C35": _("专用设备制造业"),
    "C36": _("汽车制造业"),
    "C37": _("铁路、船舶、航空航天和其他运输设备制造业"),
    "C38": _("电气机械和器材制造业"),
    "C39": _("计算机、通信和其他电子设备制造业"),
    "C40": _("仪器仪表制造业"),
    "C41": _("其他制造业"),
    "C42": _("废弃资源综合利用业"),
    "C43": _("金属制品、机械和设备修理业"),
    "D44": _("电力、热力生产和供应业"),
    "D45": _("燃气生产和供应业"),
    "D46": _("水的生产和供应业"),
}


def word(table: Mapping[str, LazyString], code: str) -> str:
    """The word for a code, or the code itself."""
    return str(table.get(code, code))


def industry(code: str) -> str:
    """The division that an industry code lies in, with the code."""
    division = DIVISIONS.get(code[:3])
    return code if division is None else f"{code} {division}"


def in_language(name: Bilingual | Mapping[str, str] | None) -> str:
    """A name in the language of the request."""
    if name is None:
        return ""
    if isinstance(name, Mapping):
        return name["en" if is_english() else "zh"]
    return name.en if is_english() else name.zh


def activity(kind: str) -> str:
    """What a source does, in words."""
    known = ACTIVITIES.get(kind)
    if known is None:
        return kind
    return known.en[:1].upper() + known.en[1:] if is_english() else known.zh


def is_english() -> bool:
    locale = get_locale()
    return locale is not None and locale.language == "en"


def letter(colour: str) -> str:
    """The sign of a colour that needs no colour: its character, or in English its initial."""
    if is_english():
        return {"grey": "?"}.get(colour, colour[:1].upper())
    return word(COLOURS, colour)


def first(reasons: Reasons) -> str:
    """The first reason in the language of the request."""
    own = reasons.en if is_english() else reasons.zh
    return own[0] if own else ""


def term(letters: str) -> str:
    """A letter of a formula with what it stands for: "EF 排放因子"."""
    return f"{letters} {TERMS[letters]}" if letters in TERMS else letters


def listed(words: Sequence[str]) -> str:
    """Names one after the other, as the language joins them."""
    return (", " if is_english() else "、").join(words)


DEMO = "demo value"  # how a benchmark file says that a figure has no official source


def source_of(benchmark: str) -> str:
    """The source of a benchmark; what only the demonstration uses is said in the language of the request."""
    return benchmark.replace(DEMO, str(_("演示值")), 1) if benchmark.startswith(DEMO) else benchmark
