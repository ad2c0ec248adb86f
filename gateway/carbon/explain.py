"""An entry's calculation and basis in words: the formula with its numbers, and why this factor.

Pure text out of the entry itself, so that the command, the API and the page say the same. Where the numbers come from
in the stores (hours, readings, registers, records) is `gateway.accounts.explaining`'s part of the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.carbon.emission import decimal_text, side_g
from gateway.carbon.formula import ACTIVITY
from gateway.carbon.model import OPERATOR_BASIS, Draft

# basis -> (zh, en)
BASES: dict[str, tuple[str, str]] = {
    "exact": ("因子的年份与地区相符", "the factor is meant for this year and region"),
    "older_edition": (
        "该年因子尚未公布，暂用最近已公布的版本",
        "this year's factor is not out yet; the newest one is used",
    ),
    "regional_fallback": ("该地区无因子，采用全国值", "the region has no factor; the national one is used"),
    "default": (
        "采用通用缺省值，宜以供应商或实测数据替代",
        "a general default; the supplier's or an own figure is better",
    ),
    "supplier_specific": ("采用登记中指定的供应商因子", "the supplier's factor named in the registry"),
    "own_analysis": ("采用本厂化验实测值", "the plant's own laboratory figures, in place of defaults"),
    "stoichiometric": ("按碳与二氧化碳的摩尔质量换算", "follows from the molar masses of carbon and CO2"),
    "measured_elsewhere": (
        "仅计能耗，排放已由烟气连续监测计量",
        "energy only: the emission is in the stack's continuous measurement",
    ),
    "operator": ("人工调整，附理由与凭证", "an operator's adjustment, with reason and evidence"),
    "measured": ("排放量为实测", "the emission itself was measured"),
    "zero_with_evidence": ("有凭证的绿色电力按零计", "green power with evidence counts zero"),
}


def computed(draft: Draft) -> str:
    """The emission with its numbers: `120.5 kWh × 0.5306 kgCO2/kWh = 63937 gCO2e`; an adjustment's as it is."""
    if draft.basis == OPERATOR_BASIS:
        return f"{draft.emission_g} gCO2e"
    return _filled(draft, draft.calculation, draft.emission_g, "gCO2e")


def energy_computed(draft: Draft) -> str:
    """The energy with its numbers, in grams of standard coal; empty where the activity carries none."""
    energy = draft.calculation.get("energy")
    if draft.basis == OPERATOR_BASIS:
        return f"{draft.energy_gce} gce"
    return "" if energy is None else _filled(draft, energy, draft.energy_gce, "gce")


def other_side(draft: Draft) -> tuple[str, str]:
    """(location | market, the same electricity by that method with its numbers); empty where the two agree."""
    for name in ("location", "market"):
        side = draft.calculation.get(name)
        if side is not None:
            filled = {**side, "sign": draft.calculation["sign"]}
            return name, _filled(draft, filled, side_g(draft, name), "gCO2e")
    return "", ""


def _filled(draft: Draft, calculation: Mapping[str, Any], result: int, unit: str) -> str:
    if not calculation["formula"]:
        return f"{result} {unit}"
    words = []
    for word in calculation["formula"].split(" "):
        if word == ACTIVITY:
            words.append(f"{decimal_text(draft.amount_u)} {draft.unit}")
        elif word in calculation["terms"]:
            words.append(f"{calculation['terms'][word]['value']} {calculation['terms'][word]['unit']}")
        else:
            words.append(word)
    body = " ".join(words)
    return f"{f'-({body})' if draft.calculation['sign'] < 0 else body} = {result} {unit}"
