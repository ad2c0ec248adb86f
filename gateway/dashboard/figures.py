"""How figures look: thousands separated, as many decimals as the size bears, the unit beside them, never a bare zero
for what is missing (that is a dash).
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from gateway.accounts.rating_documents import NextColour

DASH = "–"
KEPT_TOGETHER = "\u00a0"  # a space at which no line is broken


def number(value: float | None, decimals: int | None = None) -> str:
    """1,234 · 123.4 · 12.34 · 1.234"""
    if value is None:
        return DASH
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 1000 or size == 0 else 1 if size >= 100 else 2 if size >= 10 else 3
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−")  # U+2212: as wide as a digit


def tonnes(kilograms: float | None) -> str:
    """Kilograms as tonnes."""
    return number(None if kilograms is None else kilograms / 1000)


def percent(share: float | None, decimals: int = 0) -> str:
    """0.987 -> 99 %; never 100 % for less than all."""
    if share is None:
        return DASH
    shown = share * 100
    if decimals == 0 and 99.5 <= shown < 100:
        return "99.9 %" if shown < 99.95 else f"{min(shown, 99.99):.2f} %"
    return f"{shown:.{decimals}f} %"


def when(instant: str | None, timezone: str) -> str:
    """An instant in the park's zone: 2026-11-21 22:14."""
    if instant is None:
        return DASH
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def last_day(end: str) -> str:
    """The last day of a period whose end is exclusive: people name the days that it has."""
    return (date.fromisoformat(end) - timedelta(days=1)).isoformat()


def days_of(start: str, end: str) -> int:
    """How many days a period has whose end is exclusive."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def ago(age_s: float | None) -> str:
    """How long since, in one unit."""
    if age_s is None:
        return DASH
    if age_s < 90:
        return str(_("%(n)d 秒前", n=max(0, round(age_s))))
    if age_s < 90 * 60:
        return str(_("%(n)d 分钟前", n=round(age_s / 60)))
    if age_s < 36 * 3600:
        return str(_("%(n)d 小时前", n=round(age_s / 3600)))
    return str(_("%(n)d 天前", n=round(age_s / 86_400)))


def cut(to_next: NextColour) -> str:
    """What must go for the next colour, in the units in which anything must: "65.30 tCO₂e · 49.64 tce"."""
    amounts = (
        (to_next.cut_kg, f"{tonnes(to_next.cut_kg)}{KEPT_TOGETHER}tCO₂e"),
        (to_next.cut_kgce, f"{tonnes(to_next.cut_kgce)}{KEPT_TOGETHER}tce"),
        (to_next.cut_kwh, f"{number(to_next.cut_kwh)}{KEPT_TOGETHER}kWh"),
    )
    return " · ".join(text for amount, text in amounts if amount)


_SYMBOLS = (("CO2", "CO₂"), ("CH4", "CH₄"), ("N2O", "N₂O"))
_POWERS = re.compile(r"(?<![A-Za-z0-9])([kc]?m|Nm|1e4Nm)([23])(?![A-Za-z0-9])")


def printed(text: str) -> str:
    """A unit or sentence as it is printed: kgCO2e/m2 -> kgCO₂e/m²."""
    for plain, symbol in _SYMBOLS:
        text = text.replace(plain, symbol)
    return _POWERS.sub(lambda found: found[1] + {"2": "²", "3": "³"}[found[2]], text)


def change(percent_more: float) -> str:
    """A change with its sign: +1.2 % · −0.5 %"""
    return f"{percent_more:+.1f} %".replace("-", "−")


COMPLETE = 0.995  # of the hours: below it the gap is worth a word on the board

GAUGE_START, GAUGE_MIDDLE = 2, 50  # percent of the width: where the scale begins, and where the benchmark's tick is


def gauge_place(ratio: float | None) -> str:
    """Where a ratio lies on the gauge: 0 at its start, 1 at the tick, 2 and more at its end."""
    held = min(max(ratio or 0.0, 0.0), 2.0)
    return f"{GAUGE_START + held * (GAUGE_MIDDLE - GAUGE_START):.1f}%"
