"""What a whole day of usage shows that no single reading does: balances, silence, meters that stand still, and output
without energy; and bills and hand readings beside what was metered. Pure; every oddity is a finding, never an edit.

    balance.unaccounted   the children of a meter show less than it, by more than the tolerance
    balance.exceeded      the children show more than it
    point.missing         a point, or every point of a device, gave nothing all day and did before
    flatline.counter      a counter stood still all day while the same device measured power
    flatline.gauge        a gauge showed one and the same value all day
    derived.incomplete    a derived point could not be computed in hours in which its main input was known
    output.without_energy output was reported and no energy was used
    output.little_energy  far less energy for an output than the same product took before
    reconcile.bill        a bill differs from what was metered by more than the enterprise allows
    reconcile.reading     a value read by hand is not one that the counter showed on that day

A day is judged where it is known: a balance only if every meter of it was known in every hour.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from collectors.clock import HOUR_MS
from collectors.quantities import QUANTITIES
from gateway.carbon.derived_plan import items_of
from gateway.carbon.model import Finding
from gateway.carbon.oddities import Severity
from gateway.registry.model import DERIVED, Balance, Enterprise, Point

MICRO = 1_000_000
RESOLUTION_U = MICRO  # a unit: what a meter may show late
LITTLE_ENERGY = 0.3  # of the usual energy per output
USUAL_RECORDS = 4  # earlier records of a product that make an amount usual
USUAL_DAYS = timedelta(days=92)  # before a record's first day: what began in them is earlier, and says what is usual

# name -> (severity, zh, en). The braces are keys of the finding's values.
SENTENCES: dict[str, tuple[Severity, str, str]] = {
    "balance.unaccounted": (
        "warning",
        "总表 {parent} {unit}，各分表合计 {children} {unit}，有 {difference} {unit} 去向不明，超出允许的 {tolerance}。",
        (
            "The parent meter shows {parent} {unit}, its children together {children} {unit}: {difference} {unit} are "
            "unaccounted for, more than the allowed {tolerance}."
        ),
    ),
    "balance.exceeded": (
        "error",
        "各分表合计 {children} {unit}，超过总表的 {parent} {unit}，相差 {difference} {unit}。请检查倍率、接线与登记。",
        (
            "The children together show {children} {unit}, more than the parent's {parent} {unit} by {difference}. "
            "Check ratios, wiring and the registry."
        ),
    ),
    "point.missing": (
        "warning",
        "全天没有读数（{points} 个点），此前有过。",
        "No readings all day ({points} points), though there were some before.",
    ),
    "flatline.counter": (
        "warning",
        "计数器全天没有走动，而同一仪表的功率合计 {power} kWh。请检查计数器。",
        "The counter stood still all day while the same device's power adds up to {power} kWh. Check the counter.",
    ),
    "flatline.gauge": (
        "warning",
        "全天读数保持 {value} {unit} 不变。请检查仪表是否仍在测量。",
        "The value stayed at {value} {unit} all day. Check whether the instrument still measures.",
    ),
    "derived.incomplete": (
        "warning",
        "{input} 有用量的 {known} 小时中，有 {missing} 小时无法推导，未计入。",
        "Of {known} hours in which {input} is known, {missing} could not be computed; they are not booked.",
    ),
    "output.without_energy": (
        "error",
        "{from} 至 {to} 申报产量 {output} {unit}，其间没有任何能源用量。",
        "An output of {output} {unit} is reported from {from} to {to}, and no energy was used meanwhile.",
    ),
    "output.little_energy": (
        "warning",
        "{from} 至 {to} 单位产量能耗 {intensity} kgce/{unit}，仅为以往中位数 {usual} 的 {share}。",
        "From {from} to {to} an output took {intensity} kgce/{unit}, {share} of the {usual} it took before (median).",
    ),
    "reconcile.bill": (
        "warning",
        "账单 {record}（{from} 至 {to}）为 {bill} {unit}，计量为 {metered} {unit}，相差 {share}，超出 {tolerance}。",
        (
            "Bill {record} ({from} to {to}) says {bill} {unit}, the meter {metered} {unit}: they differ by {share}, "
            "more than the allowed {tolerance}."
        ),
    ),
    "reconcile.reading": (
        "warning",
        "人工抄表 {record} 为 {value} {unit}，而当日计数器在 {low} 与 {high} 之间。",
        "The hand reading {record} is {value} {unit}, but the counter went from {low} to {high} on that day.",
    ),
}


@dataclass(frozen=True, slots=True)
class PointDay:
    """What a point gave on a day."""

    amount_u: int
    hours: int  # in which something is known of it
    full: bool  # every hour known, and backed by readings
    steady_u: int | None  # the amount of every hour where all are the same, else None


NOTHING = PointDay(0, 0, False, None)


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of an enterprise."""

    enterprise: Enterprise
    start_ms: int
    end_ms: int
    points: Mapping[int, PointDay]  # those that gave anything
    seen_before: frozenset[int]  # points that gave nothing, but have readings from before

    def of(self, point: Point) -> PointDay:
        return self.points.get(point.point_id, NOTHING)

    @property
    def hours(self) -> int:
        return (self.end_ms - self.start_ms) // HOUR_MS

    def finding(self, name: str, subject: str, **values: Any) -> Finding:
        return finding_of(name, self.enterprise.id, subject, self.start_ms, values)


def finding_of(name: str, enterprise: str, subject: str, at_ms: int, values: Mapping[str, Any]) -> Finding:
    severity, zh, en = SENTENCES[name]
    words = {key: f"{value:,.6g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    return Finding(name, enterprise, subject, at_ms, severity, dict(values), zh.format_map(words), en.format_map(words))


def day_findings(day: Day) -> Iterator[Finding]:
    """Everything that one day's usage shows."""
    points = {(point.device, point.id): point for point in day.enterprise.every_point()}
    for balance in day.enterprise.balances:
        yield from _balance(day, balance, points)
    yield from _missing(day)
    yield from _flatlines(day)
    yield from _incomplete(day)


def _balance(day: Day, balance: Balance, points: Mapping[tuple[str, str], Point]) -> Iterator[Finding]:
    parent = points[balance.parent.device, balance.parent.point]
    children = [(Fraction(one.share), points[one.device, one.point]) for one in balance.children]
    if any(day.of(point).hours < day.hours for point in (parent, *(point for _, point in children))):
        return
    parent_u = Fraction(balance.parent.share) * day.of(parent).amount_u
    children_u = sum((share * day.of(point).amount_u for share, point in children), Fraction(0))
    if abs(parent_u - children_u) <= Fraction(balance.tolerance) * abs(parent_u) + RESOLUTION_U:
        return
    name = "balance.exceeded" if children_u > parent_u else "balance.unaccounted"
    yield day.finding(
        name,
        f"balance.{balance.id}",
        parent=float(parent_u / MICRO),
        children=float(children_u / MICRO),
        difference=float(abs(parent_u - children_u) / MICRO),
        unit=QUANTITIES[parent.quantity].usage_unit,
        tolerance=_percent(float(balance.tolerance)),
    )


def _missing(day: Day) -> Iterator[Finding]:
    for device in day.enterprise.devices:
        gone = [point for point in device.points if point.point_id in day.seen_before]
        if gone and not any(day.of(point).hours for point in device.points):
            yield day.finding("point.missing", device.id, points=len(gone))
        else:
            for point in gone:
                yield day.finding("point.missing", f"{device.id}.{point.id}", points=1)


def _flatlines(day: Day) -> Iterator[Finding]:
    for device in day.enterprise.devices:
        power_u = max((day.of(point).amount_u for point in device.points if point.quantity == "power"), default=0)
        for point in device.points:
            own, quantity = day.of(point), QUANTITIES[point.quantity]
            if not own.full:
                continue
            stands = quantity.kind == "counter" and quantity.usage_unit == "kWh" and own.amount_u == 0
            # An exporting counter stands still while power flows in: only the taking one is judged by it.
            if stands and point.quantity == "energy_import" and power_u > RESOLUTION_U:
                yield day.finding("flatline.counter", f"{device.id}.{point.id}", power=power_u / MICRO)
            elif quantity.kind == "gauge" and quantity.usage_unit and own.steady_u:
                value = own.steady_u / MICRO
                yield day.finding("flatline.gauge", f"{device.id}.{point.id}", value=value, unit=quantity.unit)


def _incomplete(day: Day) -> Iterator[Finding]:
    """Sums, choices and splits have an hour wherever an input has one; products can lack a condition."""
    for item in items_of(day.enterprise):
        main, number = item.inputs[0]
        known = day.points.get(number, NOTHING).hours
        made = day.points.get(item.point_ids[0], NOTHING).hours
        if item.derived.formula not in ("sum", "first_of", "split") and made < known:
            subject = f"{DERIVED}.{item.derived.points[0].id}"
            yield day.finding("derived.incomplete", subject, input=main.name, known=known, missing=known - made)


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"


# --- records beside meters ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stated:
    """What a record says, with the local days it is about."""

    record: str  # its id
    subject: str
    start: str  # ISO date
    end: str  # exclusive
    at_ms: int  # where its first day begins
    amount_u: int
    unit: str


def bill_finding(enterprise: Enterprise, bill: Stated, metered_u: int) -> Iterator[Finding]:
    """A bill beside what was metered in its days."""
    within = Fraction(enterprise.reconcile_within)
    difference_u = abs(bill.amount_u - metered_u)
    if difference_u <= within * max(bill.amount_u, metered_u) + RESOLUTION_U:
        return
    values = {
        "record": bill.record, "from": bill.start, "to": bill.end, "unit": bill.unit,
        "bill": bill.amount_u / MICRO, "metered": metered_u / MICRO,
        "share": _percent(difference_u / max(bill.amount_u, metered_u)), "tolerance": _percent(float(within)),
    }  # fmt: skip
    yield finding_of("reconcile.bill", enterprise.id, bill.subject, bill.at_ms, values)


def reading_finding(enterprise: Enterprise, hand: Stated, low: float, high: float) -> Iterator[Finding]:
    """A hand reading beside what the counter showed from before its day to after it; one that fell says nothing."""
    value = hand.amount_u / MICRO
    slack = float(enterprise.reconcile_within) * (high - low) + RESOLUTION_U / MICRO
    if low > high or low - slack <= value <= high + slack:
        return
    values = {"record": hand.record, "value": value, "unit": hand.unit, "low": low, "high": high}
    yield finding_of("reconcile.reading", enterprise.id, hand.subject, hand.at_ms, values)


def output_findings(
    enterprise: Enterprise, outputs: Sequence[Stated], energy_gce: Mapping[date, int], due: Iterable[str]
) -> Iterator[Finding]:
    """Outputs of one product by first day, beside the standard coal that the plant used on each day that is booked.

    Only records in `due` are judged; the others are what is usual. Each is judged by what lies at most USUAL_DAYS
    before it, and so alike whatever else is due. A record before and in whose days nothing was booked at all is not
    judged: an account without data is no plant without energy.
    """
    wanted = set(due)
    intensities: list[tuple[date, float]] = []
    for one in outputs:
        first, end = date.fromisoformat(one.start), date.fromisoformat(one.end)
        gce = sum(own for day, own in energy_gce.items() if first <= day < end)
        intensity = gce / 1000 / (one.amount_u / MICRO) if one.amount_u else 0.0
        if one.record in wanted and one.amount_u and _is_booked(energy_gce, first, end):
            before = [own for day, own in intensities if day >= first - USUAL_DAYS]
            usual = statistics.median(before) if len(before) >= USUAL_RECORDS else 0.0
            yield from _output_finding(enterprise, one, gce, intensity, usual)
        if intensity > 0:
            intensities.append((first, intensity))


def _is_booked(energy_gce: Mapping[date, int], first: date, end: date) -> bool:
    return any(gce for day, gce in energy_gce.items() if first - USUAL_DAYS <= day < end)


def _output_finding(enterprise: Enterprise, one: Stated, gce: int, intensity: float, usual: float) -> Iterator[Finding]:
    values: dict[str, Any] = {"record": one.record, "from": one.start, "to": one.end, "unit": one.unit}
    if gce == 0:
        values["output"] = one.amount_u / MICRO
        yield finding_of("output.without_energy", enterprise.id, f"output.{one.subject}", one.at_ms, values)
    elif usual and intensity < LITTLE_ENERGY * usual:
        values |= {"intensity": intensity, "usual": usual, "share": _percent(intensity / usual)}
        yield finding_of("output.little_energy", enterprise.id, f"output.{one.subject}", one.at_ms, values)
