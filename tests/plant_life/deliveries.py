"""What instruments show over months, and when it reaches the gateway: late, out of order, twice, corrected, or never.

Readings are sent in parcels. An outage either keeps its readings back until it ends, or they are never taken. A lie is
one or two readings off the line, well apart from everything else that needs judging, because where all readings
between two oddities are lost nothing tells them from the truth.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.plant_life.instruments import DAY_MS, HOUR_MS, MINUTE_MS, Counter, Point, Shown, Turn
from tests.plant_life.plants import PointKey

JITTER_MS = 9_000
BAD = 0.003  # share of readings that the instrument itself marks as bad
GOOD_QUALITY, BAD_QUALITY = 0, 2
APART = 6  # readings on both sides of a lie or a turn that are there and true

Span = tuple[int, int]  # start_ms <= t < end_ms


@dataclass(frozen=True, slots=True)
class Parcel:
    """Readings of one point that arrive together, in this order."""

    due_ms: int
    plant: str
    point: PointKey
    rows: tuple[tuple[int, float, int], ...]  # (at_ms, value, quality)


@dataclass(frozen=True, slots=True)
class Outage:
    """A device is silent; `kept` says whether it sends later what it read meanwhile."""

    span: Span
    kept: bool


def turn_of(rng: random.Random, point: Point, start_ms: int, end_ms: int) -> Turn:
    """Draw what becomes of a counter; the instrument is told. Nothing becomes of others."""
    meter = point.instrument
    if not isinstance(meter, Counter):
        return ""
    margin_ms = (end_ms - start_ms) // 8
    turn_ms = rng.randrange(start_ms + margin_ms, end_ms - margin_ms) // MINUTE_MS * MINUTE_MS
    if meter.modulus:
        if rng.random() < 0.6:
            meter.base = meter.modulus - meter.flow.until(turn_ms)
            meter.turn, meter.turn_ms = "rollover", turn_ms
    elif rng.random() < 0.5:
        meter.turn, meter.turn_ms = rng.choice(("reset", "replacement", "replacement")), turn_ms
        meter.initial = rng.randrange(0, 500) if meter.turn == "replacement" else 0
    return meter.turn


def outages_of(rng: random.Random, start_ms: int, end_ms: int) -> list[Outage]:
    """Draw when a device is silent."""
    found: list[Outage] = []
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        first = rng.randrange(start_ms, end_ms)
        length = rng.choice((rng.randrange(HOUR_MS, 12 * HOUR_MS), rng.randrange(12 * HOUR_MS, 6 * DAY_MS)))
        found.append(Outage((first, first + length), rng.random() < 0.5))
    return found


def readings_of(rng: random.Random, point: Point, outages: list[Outage], start_ms: int, end_ms: int) -> list[Shown]:
    """All that a point ever sends, lies included, by time."""
    meter = point.instrument
    lost = [one.span for one in outages if not one.kept]
    if isinstance(meter, Counter) and meter.turn in ("reset", "rollover"):
        room_ms = APART * point.every_ms
        lost = [span for span in lost if not span[0] - room_ms <= meter.turn_ms < span[1] + room_ms]
    shown: list[Shown] = []
    for grid_ms in range(start_ms, end_ms, point.every_ms):
        at_ms = grid_ms + (0 if rng.random() < 0.1 else rng.randrange(1, JITTER_MS))
        value = meter.shows(at_ms)
        if not any(first <= at_ms < end for first, end in lost):
            bad = rng.random() < BAD
            shown.append(Shown(at_ms, -value if bad else value, bad=bad))
    if isinstance(meter, Counter):
        _let_lie(rng, point, meter, shown)
    return shown


def _let_lie(rng: random.Random, point: Point, meter: Counter, shown: list[Shown]) -> None:
    """Bad zeros, one or two in a row, and spikes."""
    taken: list[int] = []
    for _ in range(rng.randint(0, 4)):
        place = rng.randrange(2 * APART, len(shown) - 2 * APART)
        around = shown[place - APART : place + APART + 1]
        whole = around[-1].at_ms - around[0].at_ms < 2 * APART * point.every_ms + 2 * JITTER_MS
        near_turn = bool(meter.turn) and around[0].at_ms - DAY_MS <= meter.turn_ms <= around[-1].at_ms + DAY_MS
        unclear = near_turn or any(one.bad for one in around)
        if not whole or unclear or any(abs(place - other) < 4 * APART for other in taken):
            continue
        taken.append(place)
        kind = rng.choice(("zero", "two zeros", "spike"))
        for own in range(place, place + (2 if kind == "two zeros" else 1)):
            value = shown[own].value + 400_000 if kind == "spike" else 0.0
            shown[own] = Shown(shown[own].at_ms, value, lie=True)


def parcels_of(
    rng: random.Random, plant: str, point: Point, outages: list[Outage], first_due_ms: int, longest_late_ms: int
) -> list[Parcel]:
    """Every reading of a point in at least one parcel; what corrects a reading arrives after it."""
    parcels: list[Parcel] = []
    wrong: dict[int, float] = {}
    if point.kind == "counter" and rng.random() < 0.4:
        honest = [one for one in point.readings[APART:-APART] if not one.lie and not one.bad]
        wrong = {one.at_ms: one.value + 0.37 for one in rng.sample(honest, min(3, len(honest)))}
    chunk_ms = rng.choice((2 * HOUR_MS, 12 * HOUR_MS, 30 * HOUR_MS))
    start_ms = point.readings[0].at_ms // HOUR_MS * HOUR_MS
    by_chunk: dict[int, list[Shown]] = {}
    for one in point.readings:
        by_chunk.setdefault((one.at_ms - start_ms) // chunk_ms, []).append(one)
    for number, chunk in by_chunk.items():
        sent_ms = start_ms + (number + 1) * chunk_ms
        for outage in outages:
            if outage.kept and outage.span[0] <= chunk[-1].at_ms and chunk[0].at_ms < outage.span[1]:
                sent_ms = max(sent_ms, outage.span[1] + rng.randrange(HOUR_MS))
        rows = [(one.at_ms, wrong.get(one.at_ms, one.value), _quality(one)) for one in chunk]
        if rng.random() < 0.3:
            rng.shuffle(rows)
        halves = [rows[::2], rows[1::2]] if rng.random() < 0.1 else [rows]
        for half in halves:
            for _ in range(2 if rng.random() < 0.05 else 1):  # sent once more
                due_ms = max(sent_ms + min(_lateness_ms(rng), longest_late_ms), first_due_ms)
                parcels.append(Parcel(due_ms, plant, point.key, tuple(half)))
    for one in point.readings:
        if one.at_ms in wrong:
            wrong_ms = max(parcel.due_ms for parcel in parcels if any(one.at_ms == row[0] for row in parcel.rows))
            due_ms = wrong_ms + rng.randrange(1, longest_late_ms)
            parcels.append(Parcel(due_ms, plant, point.key, ((one.at_ms, one.value, GOOD_QUALITY),)))
    return [parcel for parcel in parcels if parcel.rows]


def _lateness_ms(rng: random.Random) -> int:
    draw = rng.random()
    if draw < 0.90:
        return rng.randrange(20 * MINUTE_MS)
    return rng.randrange(2 * DAY_MS) if draw < 0.98 else rng.randrange(60 * DAY_MS)


def _quality(one: Shown) -> int:
    return BAD_QUALITY if one.bad else GOOD_QUALITY
