"""What must hold after healing, worked out here in another and simpler way than the product does.

1. Every reading that an agent vouched for is in the store once, or set aside or dropped with a named reason. Only what
   lay on a bad page of the agent's disk may be missing.
2. Stored usage is what one pass over all stored readings gives: the many small roll-ups added nothing and lost nothing.
3. Usage of each point equals the truth of its meter, hour edges aside to the last millionth.
4. The ledger's entries are the sums of those hours per local day, times the published factor, to the gram.
5. `verify` passes, and another roll-up changes nothing.

Exceptions to 3, as documented in `gateway.carbon.falls`: where the agent's clock was set back across its own readings,
stamps no longer follow the truth; and where it stepped, a rated counter's step can look too fast, or fall on the wrong
side of a declared replacement. And where all readings between two lies, or between a lie and the counter's turn, were
lost, nothing tells them from the truth. There 2 and 4 still hold.
"""

from __future__ import annotations

from collections import Counter as Count
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from collectors.clock import HOUR_MS, from_ms
from gateway.scheduler.changed_rules import EVER
from gateway.scheduler.usage_stage import recomputed_usage
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import UsageColumns
from tests.simulation.gateway_side import ENTERPRISE
from tests.simulation.meters import GAS_MODULUS, Counter, Gauge, Shown
from tests.simulation.plant_side import Key, keys_of

if TYPE_CHECKING:
    from tests.simulation.world import World

PointName = tuple[str, str]
ZONE = ZoneInfo("Asia/Shanghai")
FAR_MS = 2**44
GAP_MAX_MS = 900_000
GRAMS = {  # per unit; electricity: MEE and NBS notice 2025 no. 47; gas: GB/T 32151.34-2024 as NCV × CC × OF × 44/12
    "grid": Fraction("530.6"),
    "press": Fraction("530.6"),
    "hall": Fraction("530.6"),
    "burner": Fraction("389.31") / 10_000 * Fraction("0.0153") * Fraction("0.99") * 44 / 12 * 1_000_000,
}
FEEDS: dict[str, list[tuple[int, PointName]]] = {
    "grid": [(1, ("incomer", "energy_import")), (-1, ("tenant", "energy_import"))],
    "press": [(1, ("incomer", "power"))],
    "hall": [(1, ("pulses", "pulse_energy"))],
    "burner": [(1, ("gas", "volume"))],
}


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at: a check that saw nothing proves nothing."""

    stored: int
    set_aside: int
    dropped: int
    points_against_truth: int
    entries: int


def check(world: World) -> Looked:
    """AssertionError where something does not hold."""
    stored = _stored(world)
    set_aside, dropped = _accounted_for(world, stored)
    hours = _usage(world)
    against_truth = sum(_as_the_meter_says(world, point, stored[point], hours[point]) for point in stored)
    entries = _ledger_follows(world, hours)
    report = world.gateway.house.operations.call("verify")
    assert report["ok"], report["first_break"]
    again = world.gateway.roll_up(world.now_ms)
    assert again is not None
    assert not any(number for stage in again.values() for number in stage.values()), f"a second roll-up did {again}"
    return Looked(sum(map(len, stored.values())), set_aside, dropped, against_truth, entries)


def _point_ids(world: World) -> dict[PointName, int]:
    points = world.gateway.house.registry().points_by_name
    return {(device, name): point.point_id for (_, device, name), point in points.items()}


def _stored(world: World) -> dict[PointName, dict[int, float]]:
    """(device, point) -> time -> value, in order."""
    found: dict[PointName, dict[int, float]] = {}
    for name, point_id in _point_ids(world).items():
        columns = world.gateway.house.timeseries.read([point_id], 0, FAR_MS)
        times = columns.at_ms.tolist()
        assert len(set(times)) == len(times), f"{name}: the store gives an instant twice"
        found[name] = dict(zip(times, columns.value.tolist(), strict=True))
    return found


def _accounted_for(world: World, stored: dict[PointName, dict[int, float]]) -> tuple[int, int]:
    """(readings set aside, readings dropped by the buffer); everything else kept is in the store as it was shown."""
    aside = _set_aside_keys(world)
    vouched = Count(key for keys in (*world.plant.kept.values(), *world.archive.kept.values()) for key in keys)
    for (device, point), values in stored.items():
        for at_ms, value in values.items():
            key = device, point, at_ms
            assert key in vouched, f"{key} is in the store, and no agent ever kept it"
            shown = [one.value for one in world.shown[key]]
            assert value in shown, f"{key}: stored {value}, the meter showed {shown}"
    missing = {key for key in vouched if key[2] not in stored[key[0], key[1]]}
    missing -= aside.keys() | world.plant.on_bad_pages
    for key in aside:
        once = vouched[key] == 1
        assert not once or key[2] not in stored[key[0], key[1]], f"{key} is set aside and stored"
    dropped = sum(len(keys) for keys in world.plant.kept.values() if missing.intersection(keys))
    assert dropped <= world.plant.dropped_readings, (
        f"{len(missing)} readings are neither stored nor set aside, and the buffer says that it dropped "
        f"{world.plant.dropped_readings}; the first: {sorted(missing, key=lambda key: key[2])[:3]}"
    )
    return len(aside), len(missing)


def _set_aside_keys(world: World) -> Count[Key]:
    """What the gateway set aside: only what a clock of the agent ahead, or one of the gateway behind, explains."""
    keys: Count[Key] = Count()
    house = world.gateway.house
    after = 0
    while page := house.set_aside.page(after=after):
        for entry in page:
            assert entry.reason == "in_future", f"set aside for {entry.reason}: {entry.detail}"
            row = house.set_aside.get(entry.id)
            assert row is not None
            own = keys_of(row.payload)
            assert len(own) == entry.count
            keys.update(own)
        after = page[-1].id
    excused = world.clock_stepped or world.gateway_behind
    assert not keys or excused, "readings of right clocks were set aside as lying in the future"
    return keys


def _usage(world: World) -> dict[PointName, dict[int, int]]:
    """(device, point) -> hour -> millionths as stored, once compared with one pass over everything."""
    house = world.gateway.house
    ids = _point_ids(world)
    columns = house.timeseries.usage(list(ids.values()), 0, FAR_MS)
    end_ms = (world.now_ms // HOUR_MS + 48) * HOUR_MS
    fresh = recomputed_usage(house.timeseries, house.registry(), sorted(ids.values()), 0, end_ms)
    names = {point_id: name for name, point_id in ids.items()}
    stored_rows = _rows(columns)
    fresh_rows = _rows(fresh)
    for key in stored_rows.keys() | fresh_rows.keys():
        one, other = stored_rows.get(key, (0, 0, 0)), fresh_rows.get(key, (0, 0, 0))
        assert one == other, f"{names[key[0]]} {from_ms(key[1])}: usage stored {one}, computed at once {other}"
    hours: dict[PointName, dict[int, int]] = defaultdict(dict)
    for (point_id, hour_ms), (amount_u, _, _) in stored_rows.items():
        hours[names[point_id]][hour_ms] = amount_u
    return hours


def _rows(usage: UsageColumns) -> dict[tuple[int, int], tuple[int, int, int]]:
    """(point, hour) -> (amount, estimated, covered)."""
    keys = zip(usage.point_id.tolist(), usage.hour_ms.tolist(), strict=True)
    figures = zip(usage.amount_u.tolist(), usage.estimated_u.tolist(), usage.covered_ms.tolist(), strict=True)
    return dict(zip(keys, figures, strict=True))


def _as_the_meter_says(world: World, point: PointName, stored: dict[int, float], hours: dict[int, int]) -> bool:
    """Compare a point's usage with its meter's truth; False where the exceptions above hold."""
    register = world.registers[point]
    readings = [(at_ms, _only(world.shown[(*point, at_ms)])) for at_ms in sorted(stored)]
    if any(shown is None for _, shown in readings):
        return False
    honest = [(at_ms, shown) for at_ms, shown in readings if shown is not None and not shown.lie]
    if isinstance(register, Counter):
        if any(one[1].true_ms >= two[1].true_ms for one, two in pairwise(honest)):
            return False
        if world.clock_stepped and point[0] == "incomer":
            return False
        if _lies_meet([shown for _, shown in readings if shown is not None]):
            return False
        segments = list(_counted(register, honest))
    elif isinstance(register, Gauge):
        segments = [
            (one, two, _micro((a.value + b.value) / 2 * ((two - one) / HOUR_MS)))
            for (one, a), (two, b) in pairwise(honest)
            if two - one <= GAP_MAX_MS and a.value is not None and b.value is not None
        ]
    else:
        segments = [(at_ms, at_ms, _micro(shown.value)) for at_ms, shown in honest]
    _compare(point, segments, hours)
    return True


def _lies_meet(shown: list[Shown]) -> bool:
    """Whether two different lies are neighbours, or a lie hides the reading at which the counter turned."""
    different = any(one.lie and other.lie and one.value != other.value for one, other in pairwise(shown))
    return different or any(one.epoch != other.epoch and (one.lie or other.lie) for one, other in pairwise(shown))


def _only(shown: list[Shown]) -> Shown | None:
    """What was shown under a stamp, if it was one thing."""
    return shown[0] if len(shown) == 1 else None


def _micro(value: float | None) -> int:
    assert value is not None
    return round(value * 1_000_000)


def _counted(register: Counter, honest: list[tuple[int, Shown]]) -> Iterator[tuple[int, int, int]]:
    """(from, to, millionths) between neighbouring honest readings."""
    for (one_ms, one), (two_ms, two) in pairwise(honest):
        before_u, after_u = _micro(one.value), _micro(two.value)
        if one.epoch == two.epoch:
            yield one_ms, two_ms, after_u - before_u
        elif register.turn == "rollover":
            yield one_ms, two_ms, after_u + _micro(GAS_MODULUS) - before_u
        elif register.turn == "reset":
            yield one_ms, two_ms, after_u
        else:
            yield one_ms, register.turn_ms, _micro(register.final) - before_u
            yield register.turn_ms, two_ms, after_u - _micro(register.initial)


def _compare(point: PointName, segments: list[tuple[int, int, int]], hours: dict[int, int]) -> None:
    """The sum to the millionth; each hour within the rounding at its two edges."""
    total_u = sum(amount_u for _, _, amount_u in segments)
    assert sum(hours.values()) == total_u, f"{point}: usage {sum(hours.values())} millionths, the meter says {total_u}"
    exact: dict[int, Fraction] = defaultdict(Fraction)
    for start_ms, end_ms, amount_u in segments:
        hour_ms = start_ms // HOUR_MS * HOUR_MS
        while hour_ms < max(end_ms, start_ms + 1):
            overlap_ms = min(end_ms, hour_ms + HOUR_MS) - max(start_ms, hour_ms)
            exact[hour_ms] += Fraction(amount_u * overlap_ms, end_ms - start_ms) if end_ms > start_ms else amount_u
            hour_ms += HOUR_MS
    for hour_ms in exact.keys() | hours.keys():
        off = abs(hours.get(hour_ms, 0) - exact[hour_ms])
        assert off <= 1, f"{point} {from_ms(hour_ms)}: usage {hours.get(hour_ms, 0)}, the truth {float(exact[hour_ms])}"


def _ledger_follows(world: World, hours: dict[PointName, dict[int, int]]) -> int:
    """Entries that stand against sums of hours; how many entries there are."""
    book = LedgerRepository(world.gateway.house.engine)
    standing = {(entry.draft.source, entry.draft.day): entry.draft for entry in book.standing(ENTERPRISE, None, *EVER)}
    due: dict[tuple[str, date], int] = defaultdict(int)
    for source, feeds in FEEDS.items():
        for share, point in feeds:
            for hour_ms, amount_u in hours[point].items():
                due[source, from_ms(hour_ms).astimezone(ZONE).date()] += share * amount_u
    for key in due.keys() | standing.keys():
        amount_u = due.get(key, 0)
        draft = standing.get(key)
        if draft is None:
            assert amount_u == 0, f"{key}: {amount_u} millionths were used and nothing stands in the ledger"
            continue
        grams = round(Fraction(amount_u, 1_000_000) * GRAMS[key[0]])
        assert (draft.amount_u, draft.emission_g) == (amount_u, grams), (
            f"{key}: booked {draft.amount_u} millionths and {draft.emission_g} g, due are {amount_u} and {grams}"
        )
    return len(standing)
