"""What must hold at the end of a world, once everything arrived.

1. Every entry that stands is what truly passed on its day, times the published factor, to the gram; nothing is missing.
2. Statements are the sums of what must stand; each version is the sum of the chain as far as it says, names the one it
   follows and explains the difference; what was closed is byte for byte what it was; what is due is closed.
3. Colours follow from those sums and the output, by the published cuts.
4. The feed has no gap, and neither it nor a chain ever changed behind what was seen of it; platforms that it is
   brought to have all of it that they may see, in order, signed.
5. `verify` finds nothing; proofs hold before an independent checker, and altered ones do not.
6. Raw readings are given up as far as they may be, and `verify` says of how many entries it can say less.
7. Rolling up again does nothing, and neither does computing everything anew from what raw readings are left.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from tests.plant_life.account import Frame, amounts_of, booked
from tests.plant_life.calendar import ONE_DAY, local_day
from tests.plant_life.expected import Account, Day, Line
from tests.plant_life.oracle_kept import gone_for_sure, horizons_of, raw_readings_went
from tests.plant_life.oracle_proofs import proofs_hold
from tests.plant_life.oracle_ratings import colours_follow
from tests.plant_life.oracle_receivers import platforms_have_the_feed
from tests.plant_life.oracle_statements import nothing_closed_changed, statements_follow, versions_follow
from tests.plant_life.oracle_sums import sums_follow
from tests.plant_life.plants import Plant

if TYPE_CHECKING:
    from tests.plant_life.world import World

SETTLE_MS = 600_000  # TANMAI_SETTLE_S
ADJUSTMENT = "/adjustment"


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at: a check that saw nothing proves nothing."""

    entries: int
    statements: int
    versions: int
    sums: int
    closed_years: int  # versions of them
    colours: int
    proofs: int
    on_kept_proofs: int  # entries whose raw readings are gone
    brought: int  # changes, to platforms
    switches: int  # between gateways that worked side by side
    crashes: int


def check(world: World) -> Looked:
    """AssertionError where something does not hold."""
    accounts = {plant.id: _account(world, plant) for plant in world.plants}
    entries = _entries_are_the_truth(world, accounts)
    statements = statements_follow(world, accounts)
    versions = versions_follow(world)
    sums = sums_follow(world, accounts)
    nothing_closed_changed(world)
    colours = colours_follow(world, accounts)
    _nothing_changed_behind(world)
    brought = platforms_have_the_feed(world)
    report = world.machine.ask("verify", world.now_ms)
    assert report["ok"], f"verify: {report['first_break']}"
    on_kept_proofs = raw_readings_went(world, accounts, report)
    proofs = proofs_hold(world)
    _again_does_nothing(world)
    _anew_does_nothing(world, accounts)
    return Looked(
        entries, statements, versions, sums, _closed_years(world), colours, proofs, on_kept_proofs, brought,
        world.switches, world.machine.crashes,
    )  # fmt: skip


def _closed_years(world: World) -> int:
    return sum(one.status == "closed" and len(one.period) == 4 for one in world.books.sums())


def _account(world: World, plant: Plant) -> Account:
    """What must stand, with amounts as booked where the truth leaves a choice of neighbours."""
    stands = {(one.source, one.day): one for one in world.books.standing() if one.enterprise == plant.id}
    open_day = local_day(world.now_ms - SETTLE_MS, plant.zone)
    frame = Frame(world.factors, local_day(world.now_ms, plant.zone), open_day)
    sources = {source.id: source for source in plant.sources}
    lines: dict[tuple[str, date], Line] = {}
    for (name, day), amount in amounts_of(plant, world.papers[plant.id], frame).items():
        entry = stands.get((name, day))
        where = f"{plant.name} {name} {day}"
        assert entry is not None, f"{where}: nothing is booked, and {amount} passed"
        assert amount.low <= entry.amount_u <= amount.high, f"{where}: booked {entry.amount_u}, passed {amount}"
        source = sources[name]
        own = booked(plant, source, day, entry.amount_u, frame)
        lines[name, day] = Line(source.activity, source.scope, own, amount.coverage_ppm, amount.estimated_ppm)
    for (name, day), one in _adjusted(world, plant).items():
        source = plant.ever[name.removesuffix(ADJUSTMENT)]
        lines[name, day] = Line(source.activity, source.scope, one, 1_000_000, 0)
    return Account(plant, open_day, lines)


def _adjusted(world: World, plant: Plant) -> dict[tuple[str, date], Day]:
    """What operators' adjustments add up to, on lines of their own."""
    grams: dict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0])
    for one in world.adjusted:
        if one.plant == plant.id and one.status == "standing":
            total = grams[one.source + ADJUSTMENT, one.day]
            total[0] += one.emission_g
            total[1] += one.energy_gce
    return {key: Day(0, own_g, own_gce, own_g, own_g) for key, (own_g, own_gce) in grams.items()}


def _entries_are_the_truth(world: World, accounts: dict[str, Account]) -> int:
    standing = world.books.standing()
    due = {(name, *key): line for name, account in accounts.items() for key, line in account.lines.items()}
    for entry in standing:
        line = due.pop((entry.enterprise, entry.source, entry.day), None)
        assert line is not None, f"booked, and nothing passed: {entry}"
        figures = entry.amount_u, entry.emission_g, entry.energy_gce
        assert figures == (line.day.amount_u, line.day.emission_g, line.day.energy_gce), f"{entry} should be {line}"
        quality = entry.coverage_ppm, entry.estimated_ppm
        assert quality == (line.coverage_ppm, line.estimated_ppm), f"{entry} should be known as {line}"
    assert not due, f"due, and not booked: {next(iter(due.items()))}"
    return len(standing)


def _nothing_changed_behind(world: World) -> None:
    """The feed and every chain still begin with what was seen of them."""
    feed = world.books.changes()
    assert [row[0] for row in feed] == list(range(1, len(feed) + 1)), "the change feed has a gap"
    assert feed[: len(world.books.feed)] == world.books.feed, "the change feed is not what it was"
    chains = world.books.chains()
    for enterprise, seen in world.books.hashes.items():
        assert chains[enterprise][: len(seen)] == seen, f"the chain of {enterprise} is not what it was"


def _again_does_nothing(world: World) -> None:
    before = _books(world)
    done = world.led("rollup")
    idle = not any(number for stage in ("rules", "usage", "entries", "statements") for number in done[stage].values())
    assert idle, f"a second roll-up did {done}"
    assert before == _books(world), "a second roll-up changed the books"


def _anew_does_nothing(world: World, accounts: dict[str, Account]) -> None:
    """`tanmai rebuild` of all days of everybody books nothing, and leaves alone what has no raw readings.

    Open statements may follow their chain further on meanwhile.
    """
    books = world.books
    before = books.chains(), books.statements("WHERE status = 'closed'"), len(books.statements())
    last = min(account.open_day for account in accounts.values()) - ONE_DAY
    first = local_day(world.start_ms, "UTC") - ONE_DAY  # where days begin later
    days = {"from": str(first), "to": str(last)}
    left_alone, finished = set(), False
    while not finished:
        answer = world.machine.ask("rebuild", world.now_ms, **days)
        posted = answer["entries_posted"] + answer["entries_reversed"]
        assert (posted, answer["waiting"]) == (0, ""), f"a rebuild of everything did {answer}"
        left_alone |= {one["enterprise"] for one in answer["left_alone"]}
        finished = answer["finished"]
    after = books.chains(), books.statements("WHERE status = 'closed'"), len(books.statements())
    assert before == after, "a rebuild of everything changed the books"
    horizons = horizons_of(world)
    assert gone_for_sure(world) <= left_alone <= horizons.keys(), f"a rebuild left {left_alone} alone of {horizons}"


def _books(world: World) -> tuple[object, ...]:
    books = world.books
    return books.chains(), books.statements(), books.ratings(), books.changes()
