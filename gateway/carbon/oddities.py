"""Findings of the usage engine: what was odd about readings, in words and with the values that show it.

Oddities of one point, name and UTC hour are one finding with a count, so that a meter wired backwards gives a finding
an hour and not one a minute. A finding stands at the time of its first reading in that hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from collectors.clock import HOUR_MS, from_ms
from gateway.carbon.model import Finding
from gateway.carbon.point_rule import PointRule

Severity = Literal["info", "warning", "error"]

# name -> (severity, zh, en). The braces are keys of the finding's values.
SENTENCES: dict[str, tuple[Severity, str, str]] = {
    "counter.rollover": (
        "info",
        "计数器翻转：读数由 {before} 变为 {after} {unit}，按翻转计入 {amount} {unit}。",
        "The counter rolled over: from {before} to {after} {unit}; {amount} {unit} are booked for the step.",
    ),
    "counter.glitch": (
        "warning",
        "个别读数 {value} {unit} 偏离前后读数（{before} 与 {after}），已剔除。",
        "A single reading of {value} {unit} is off the line of its neighbours ({before} and {after}); it is left out.",
    ),
    "counter.reset": (
        "warning",
        "计数器清零：读数由 {before} 降至 {after} {unit} 后继续增长；清零后的用量已计入，清零前的未知部分未计入。",
        (
            "The counter was reset: it fell from {before} to {after} {unit} and went on from there. What it counted "
            "since is booked; what passed before the reset is unknown and not booked."
        ),
    ),
    "counter.replacement": (
        "info",
        "已申报换表：旧表止码 {before}，新表起码 {after} {unit}。",
        "A declared meter replacement: the old meter ended at {before}, the new one began at {after} {unit}.",
    ),
    "counter.replacement_mismatch": (
        "error",
        "申报的旧表止码 {after} 小于换表前的读数 {before} {unit}；该步未计入，请核对申报。",
        (
            "The declared last value {after} {unit} of the replaced meter is below its last reading {before}; the step "
            "is not booked. Check the declaration."
        ),
    ),
    "counter.backwards": (
        "error",
        "计数器倒走：读数由 {before} 降至 {after} {unit} 并继续下降；未计入。请检查进出线是否接反。",
        (
            "The counter runs backwards: from {before} to {after} {unit} and on; nothing is booked. Check whether "
            "import and export are swapped."
        ),
    ),
    "counter.quarantined": (
        "error",
        "读数由 {before} 降至 {after} {unit}，不符合翻转、清零或换表；该步未计入，待人工判定。",
        (
            "The reading fell from {before} to {after} {unit}, which is neither rollover, reset nor declared "
            "replacement; the step is not booked until someone decides."
        ),
    ),
    "counter.implausible_step": (
        "error",
        "读数由 {before} 升至 {after} {unit}，超出该时段可能的最大用量 {most} {unit}；该步未计入，待人工判定。",
        (
            "The reading rose from {before} to {after} {unit}, more than the {most} {unit} that can pass in that time; "
            "the step is not booked until someone decides."
        ),
    ),
    "counter.rise_from_zero": (
        "error",
        "读数停在 0 之后突升至 {after} {unit}；该步未计入。请在登记中填写额定值以便判定。",
        (
            "After standing at 0 the reading jumped to {after} {unit}; the step is not booked. Give the point's rated "
            "amount per hour in the registry so that this can be judged."
        ),
    ),
    "counter.gap": (
        "info",
        "自 {from} 起无读数，至 {to} 恢复；其间用量 {amount} {unit} 按时间线性分摊，标为估计。",
        "No readings from {from} to {to}; the {amount} {unit} used meanwhile are spread evenly and marked estimated.",
    ),
    "gauge.gap": (
        "warning",
        "自 {from} 起无读数，至 {to} 恢复；其间的用量未知，未计入。",
        "No readings from {from} to {to}; what was used meanwhile is unknown and not booked.",
    ),
    "delta.gap": (
        "info",
        "自 {from} 至 {to} 无读数。",
        "No readings from {from} to {to}.",
    ),
    "counter.out_of_range": (
        "error",
        "读数 {value} {unit} 过大，已剔除。",
        "A reading of {value} {unit} is too large to be one; it is left out.",
    ),
    "gauge.out_of_range": (
        "error",
        "读数 {value} 超出额定范围，已剔除。",
        "A reading of {value} is above what the registry rates this point for; it is left out.",
    ),
    "delta.out_of_range": (
        "error",
        "读数 {value} {unit} 为负或过大，已剔除。",
        "A reading of {value} {unit} is negative or too large; it is left out.",
    ),
}


@dataclass(frozen=True, slots=True)
class PointFinding:
    """A finding with the point it is about, so that a pass can replace what it found before."""

    point_id: int
    at_ms: int
    finding: Finding


class OddityLog:
    """Collects oddities of one window: start_ms <= time < end_ms."""

    def __init__(self, rules: Mapping[int, PointRule], start_ms: int, end_ms: int) -> None:
        self._rules = rules
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._first: dict[tuple[int, str, int], tuple[int, dict[str, Any]]] = {}  # (point, name, hour) -> time, values

    def note(self, point_id: int, name: str, at_ms: int, **values: Any) -> None:
        """Note an oddity at a reading. Outside the window it is another pass's business."""
        if not self._start_ms <= at_ms < self._end_ms:
            return
        key = point_id, name, at_ms // HOUR_MS
        if key not in self._first or at_ms < self._first[key][0]:
            count = self._first[key][1]["count"] if key in self._first else 0
            self._first[key] = at_ms, {**values, "unit": self._rules[point_id].unit, "count": count}
        self._first[key][1]["count"] += 1

    def findings(self) -> tuple[PointFinding, ...]:
        """All of them, by point and time."""
        found = []
        for (point_id, name, _), (at_ms, values) in self._first.items():
            rule = self._rules[point_id]
            severity, zh, en = SENTENCES[name]
            words = _words(values)
            finding = Finding(
                name, rule.enterprise, rule.subject, at_ms, severity, values, zh.format_map(words), en.format_map(words)
            )
            found.append(PointFinding(point_id, at_ms, finding))
        return tuple(sorted(found, key=lambda one: (one.point_id, one.at_ms, one.finding.name)))


def _words(values: dict[str, Any]) -> dict[str, str]:
    """Values as a sentence shows them: times in UTC, numbers without a float's tail."""
    words = {key: f"{value:.12g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    for key in ("from_ms", "to_ms"):
        if key in values:
            words[key.removesuffix("_ms")] = f"{from_ms(values[key]):%Y-%m-%d %H:%M} UTC"
    return words
