"""What every simulated meter shows at any instant: a pure function of the scenario, the anchor and the time.

What stays true:
- Counters never fall, except where a real register of their width would start again from 0.
- The anchor is a Monday 00:00 local time, kept for good: a demo started again tomorrow shows counters that went on.
- `shown_at` is what a meter with that register can show (the profile's own resolution), so that history made today and
  a register polled tomorrow lie on one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from collectors.clock import from_ms, to_ms
from collectors.modbus.decode import quantise
from gateway.demo.scenario import DevicePlan, PointPlan, RecordPlan, Scenario

# Both demo parks lie in this zone; it has no summer time, so local days are always 24 hours.
ZONE = ZoneInfo("Asia/Shanghai")
DAY_MS = 24 * 3_600_000


@dataclass(frozen=True)
class Plant:
    """The park's meters and business systems in motion."""

    scenario: Scenario
    anchor_ms: int

    def value_at(self, plan: PointPlan, at_ms: int) -> float:
        """What is true at this instant, in the point's canonical unit."""
        series = self.scenario.series[plan.series]
        elapsed_ms = at_ms - self.anchor_ms + plan.shift_days * DAY_MS
        if plan.reading == "rate":
            return plan.factor * series.rate_per_hour(elapsed_ms)
        before = series.total_until(plan.shift_days * DAY_MS)
        return plan.start + plan.factor * (series.total_until(elapsed_ms) - before)

    def shown_at(self, device: DevicePlan, plan: PointPlan, at_ms: int) -> float | None:
        """What the meter's register shows of it."""
        spec = self.scenario.profiles[device.profile].by_point[plan.point]
        return quantise(self.value_at(plan, at_ms), spec)

    def amount_of(self, record: RecordPlan, start_ms: int, end_ms: int) -> float:
        """What a business system reports for a period that begins at a local midnight."""
        if record.series is not None:
            series = self.scenario.series[record.series]
            passed = series.total_until(end_ms - self.anchor_ms) - series.total_until(start_ms - self.anchor_ms)
            return round(record.factor * passed, 6)
        if record.each == "week":
            return record.amounts[0]
        return record.amounts[local(start_ms).weekday()]


def local(at_ms: int) -> datetime:
    """The park's local time."""
    return from_ms(at_ms).astimezone(ZONE)


def midnight_ms(at_ms: int) -> int:
    """The local midnight at or before an instant."""
    day = local(at_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    return to_ms(day.astimezone(UTC))


def monday_ms(at_ms: int) -> int:
    """The Monday 00:00 local time at or before an instant."""
    midnight = midnight_ms(at_ms)
    return midnight - timedelta(days=local(midnight).weekday()) // timedelta(milliseconds=1)
