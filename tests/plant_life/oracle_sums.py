"""Quarters and years: each is the sum of its months, against the truth and against the months that it names.

The first month of an account begins it; months before are not missed. A quarter or year is closed when every month
from then on is there and closed, and never before.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.plant_life.books import Version
from tests.plant_life.calendar import ONE_DAY, month_of, next_month
from tests.plant_life.expected import Account
from tests.plant_life.oracle_statements import numbered, says

if TYPE_CHECKING:
    from tests.plant_life.world import World

Months = dict[tuple[str, int], Version]  # (month, version) of one enterprise


def sums_follow(world: World, accounts: dict[str, Account]) -> int:
    """Every quarter and year that there must be, in every version; gives how many versions were looked at."""
    months: dict[str, Months] = defaultdict(dict)
    for one in world.books.versions():
        months[one.enterprise][one.period, one.version] = one
    stored = world.books.sums()
    by_period = {(own[0].enterprise, own[0].period): own for own in numbered(world, stored)}
    due = {(name, period) for name, own in months.items() for month, _ in own for period in periods_of(month)}
    assert by_period.keys() == due, f"quarters and years {by_period.keys()} should be {due}"
    for (enterprise, _), versions in by_period.items():
        for one in versions:
            _is_the_sum_of_what_it_names(one, months[enterprise])
        for one, other in pairwise(versions):
            _explains(one, other, months[enterprise])
        _is_up_to_date(versions[-1], accounts[enterprise], months[enterprise])
    return len(stored)


def periods_of(month: str) -> tuple[str, str]:
    """The quarter and the year that a month is in."""
    return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}", month[:4]


def _is_up_to_date(newest: Version, account: Account, months: Months) -> None:
    """The newest version names the newest versions of all its months, states the truth, and is closed if it may be."""
    where = f"{account.plant.name} {newest.period}"
    begun = min(month for month, _ in months)
    there = {month: max(own for name, own in months if name == month) for month, _ in months}
    own = [month for month in _months_between(begun, account.open_day) if newest.period in periods_of(month)]
    named = {month["period"]: month["version"] for month in newest.said["months"]}
    assert named == {month: there.get(month) for month in own}, f"{where}: is made of {named}"
    says(where, newest, account, account.of_months(own))
    whole = newest.period not in periods_of(month_of(account.open_day))
    closed = whole and all(months[month, there[month]].status == "closed" for month in own)
    assert newest.status == ("closed" if closed else "open"), f"{where}: is {newest.status}"


def _months_between(first: str, open_day: date) -> list[str]:
    """From a month to that of the last day that has ended."""
    found, month = [], date.fromisoformat(f"{first}-01")
    while month <= open_day - ONE_DAY:
        found.append(month_of(month))
        month = next_month(month)
    return found


def _is_the_sum_of_what_it_names(one: Version, months: Months) -> None:
    where = f"{one.enterprise} {one.period} version {one.version}"
    summed: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for named in one.said["months"]:
        month = months[named["period"], named["version"]]
        assert (month.hash, month.status) == (named["hash"], named["status"]), f"{where}: {named} is another"
        for source, figures in month.by_source.items():
            summed[source] = [own + figure for own, figure in zip(summed[source], figures, strict=True)]
    assert one.by_source == summed, f"{where}: {one.by_source} should be {dict(summed)}"


def _explains(one: Version, other: Version, months: Months) -> None:
    """The corrections of a later version are what moved, source by source, with the reasons of the months' versions."""
    where = f"{one.enterprise} {one.period}, version {other.version} after {one.version}"
    was = {month["period"]: month["version"] for month in one.said["months"]}
    since = [
        months[month["period"], version].said
        for month in other.said["months"]
        for version in range(was.get(month["period"], 0) + 1, month["version"] + 1)
    ]
    told = {correction["source"]: correction for correction in other.said.get("corrections", [])}
    old, new, nothing = one.by_source, other.by_source, [0, 0, 0]
    moved = {source for source in old.keys() | new.keys() if old.get(source, nothing) != new.get(source, nothing)}
    assert told.keys() == moved, f"{where}: {told.keys()} are told, {moved} moved"
    for source, correction in told.items():
        change_g = new.get(source, nothing)[1] - old.get(source, nothing)[1]
        reasons = {
            reason
            for said in since
            for own in said.get("corrections", [])
            if own["source"] == source
            for reason in own["reasons"]
        }
        assert round(correction["emission_kg"] * 1000) == change_g, f"{where}: {correction}, moved by {change_g} g"
        assert set(correction["reasons"]) == reasons, f"{where}: {correction} has the reasons {reasons}"
