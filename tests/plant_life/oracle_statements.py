"""Statements against the sums that must stand, and each version against the chain as far as it goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from tests.plant_life.books import Entry, Version
from tests.plant_life.calendar import month_of, next_month
from tests.plant_life.expected import Account, Stated, sums

if TYPE_CHECKING:
    from tests.plant_life.world import World

CLOSE_DAY = 5  # TANMAI_CLOSE_DAY


def statements_follow(world: World, accounts: dict[str, Account]) -> int:
    """The newest version of every month is the sum of what must stand; gives how many were looked at."""
    newest = {(one.enterprise, one.period): one for one in world.books.versions()}
    looked = 0
    for account in accounts.values():
        for month in account.months():
            stored = newest.get((account.plant.id, month))
            where = f"{account.plant.name} {month}"
            assert stored is not None, f"{where}: there is no statement"
            says(where, stored, account, account.of_month(month))
            due = date.fromisoformat(f"{month}-01")
            left_open = (account.plant.id, month) in world.reopened
            if account.open_day >= next_month(due).replace(day=CLOSE_DAY) and not left_open:
                assert stored.status == "closed", f"{where}: is not closed by {account.open_day}"
            looked += 1
    return looked


def says(where: str, stored: Version, account: Account, due: Stated) -> None:
    """A statement states what it must, figure by figure."""
    said, lines = stored.said, due.lines.values()
    compliance, lifecycle = account.compliance(lines), account.lifecycle(lines)
    assert said["days"] == due.days, f"{where}: {said['days']} days have ended"
    totals = {
        "compliance_kg": sums(compliance, "emission_g"),
        "lifecycle_kg": sums(lifecycle, "emission_g"),
        "energy_kgce": sums(lines, "energy_gce"),
    }
    for name, grams in totals.items():
        assert round(said[name] * 1000) == grams, f"{where}: {name} {said[name]} should be {grams / 1000}"
    for name, figure in (("location_based", "location_g"), ("market_based", "market_g")):
        side = said[name]
        sides = ("scope_2_kg", due.of_scope(2)), ("compliance_kg", compliance), ("lifecycle_kg", lifecycle)
        for total, own in sides:
            assert round(side[total] * 1000) == sums(own, figure), f"{where}: {name} {total} {side[total]}"
    for scope in (1, 2, 3):
        grams = sums(due.of_scope(scope), "emission_g")
        assert round(said["by_scope"][str(scope)] * 1000) == grams, f"{where}: scope {scope}"
    assert stored.by_source == due.by_source(), f"{where}: {stored.by_source} should be {dict(due.by_source())}"
    assert abs(said["coverage"] - due.coverage) < 1e-9, f"{where}: coverage {said['coverage']}"
    assert abs(said["estimated_share"] - due.estimated_share) < 1e-9, f"{where}: estimated"


def versions_follow(world: World) -> int:
    """Every version of a month that is stored, against the chain; gives how many were looked at."""
    stored = world.books.versions()
    chains: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in world.books.entries():
        chains[entry.enterprise, month_of(entry.day)].append(entry)
    for own in numbered(world, stored):
        chain = chains[own[0].enterprise, own[0].period]
        for one in own:
            _is_the_sum_so_far(one, chain)
        for one, other in pairwise(own):
            _explains(one, other, chain)
    return len(stored)


def nothing_closed_changed(world: World) -> None:
    """Every closed version, of months, quarters and years, is byte for byte what it was when first seen."""
    stored = {(one.enterprise, one.period, one.version): one for one in world.books.statements()}
    for place, kept in world.books.kept.items():
        assert stored.get(place) == kept, f"{place}: a closed statement is not what it was"


def numbered(world: World, stored: list[Version]) -> Iterator[list[Version]]:
    """The versions of each period, which must be numbered, follow each other, and have been told of."""
    told = {tuple(row) for _, kind, *row in world.books.changes() if kind == "statement"}
    for period, versions in groupby(stored, key=lambda one: (one.enterprise, one.period)):
        own = list(versions)
        assert [one.version for one in own] == list(range(1, len(own) + 1)), f"{period}: a version is missing"
        assert all(one.status == "closed" for one in own[:-1]), f"{period}: an open version was followed by another"
        assert [one.predecessor for one in own] == [None, *range(1, len(own))], f"{period}: wrong predecessors"
        for one in own:
            assert (*period, one.version) in told, f"{period}: the feed does not tell of version {one.version}"
            assert sha256(one.body.encode()).hexdigest() == one.hash, f"{period}: the hash is not that of the text"
        yield own


def _is_the_sum_so_far(one: Version, chain: list[Entry]) -> None:
    """A version is the sum of all entries and reversals up to the one that it names."""
    said = one.said
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in chain:
        if entry.seq <= said["last_seq"]:
            for place, figure in enumerate((entry.amount_u, entry.emission_g, entry.energy_gce)):
                found[entry.source][place] += figure
    summed = {source: figures for source, figures in found.items() if any(figures)}
    stated = {source: figures for source, figures in one.by_source.items() if any(figures)}
    assert stated == summed, f"{one.enterprise} {one.period} version {one.version}: {stated} should be {summed}"


def _explains(one: Version, other: Version, chain: list[Entry]) -> None:
    """A later version's corrections are what was booked in between, source by source, with its reasons."""
    before, after = one.said["last_seq"], other.said["last_seq"]
    between = [entry for entry in chain if before < entry.seq <= after]
    where = f"{one.enterprise} {one.period}, version {other.version} after {one.version}"
    assert before <= after, f"{where}: contains less of the chain"
    moved: dict[str, int] = defaultdict(int)
    for entry in between:
        moved[entry.source] += entry.emission_g
    old, new = one.by_source, other.by_source
    for source in old.keys() | new.keys():
        change_g = new.get(source, [0, 0, 0])[1] - old.get(source, [0, 0, 0])[1]
        assert change_g == moved[source], f"{where}: {source} changed by {change_g} g, booked were {moved[source]} g"
    for correction in other.said.get("corrections", []):
        reasons = {entry.reason for entry in between if entry.source == correction["source"]}
        assert round(correction["emission_kg"] * 1000) == moved[correction["source"]], f"{where}: {correction}"
        assert reasons and set(correction["reasons"]) == reasons, f"{where}: {correction} has the reasons {reasons}"
