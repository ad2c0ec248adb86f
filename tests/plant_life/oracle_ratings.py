"""Colours by K = own intensity ÷ mean of the industry, from sums, output and the published cuts alone."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tests.plant_life.calendar import month_of
from tests.plant_life.expected import Account, sums

if TYPE_CHECKING:
    from tests.plant_life.world import World

# config/rating_policies/four-colour-k.yaml and four-colour-demo.yaml: the same cuts and gates
COLOURS = (("green", Fraction("0.8")), ("yellow", Fraction("1.2")), ("orange", Fraction(2)))
COVERAGE_MIN, ESTIMATED_MAX, DAYS_MIN = 0.9, 0.2, 3
# config/benchmarks/demo-industry-means.yaml, C31, kgCO2 and kgce per tonne rolled
MEAN_KG_PER_T, MEAN_KGCE_PER_T = Fraction("58.37"), Fraction("13.52")


def colours_follow(world: World, accounts: dict[str, Account]) -> int:
    """The newest rating of every month that has ended; gives how many of them have a colour."""
    newest = {(one.enterprise, one.period): one.version for one in world.books.versions()}
    ratings = {(one.enterprise, one.period, one.version): one for one in world.books.ratings()}
    coloured = 0
    for account in accounts.values():
        for month in account.months():
            if not account.has_ended(month):
                continue
            place = account.plant.id, month, newest[account.plant.id, month]
            due = _colour(world, account, month)
            where = f"{account.plant.name} {month} version {place[2]}"
            assert place in ratings, f"{where}: is not rated"
            assert ratings[place].colour == due, f"{where}: is {ratings[place].colour}, should be {due}"
            coloured += due != "grey"
    return coloured


def _colour(world: World, account: Account, month: str) -> str:
    thin = account.coverage(month) < COVERAGE_MIN or account.estimated_share(month) > ESTIMATED_MAX
    output_milli = sum(
        paper.milli
        for paper in world.papers[account.plant.id]
        if paper.kind == "product" and paper.standing and month_of(paper.first) == month
    )
    if thin or len(account.ended_days(month)) < DAYS_MIN or not output_milli:
        return "grey"
    lines = account.of_month(month)
    tonnes = Fraction(output_milli, 1000)
    carbon = Fraction(sums(account.compliance(lines), "emission_g"), 1000) / tonnes / MEAN_KG_PER_T
    energy = Fraction(sums(list(lines.values()), "energy_gce"), 1000) / tonnes / MEAN_KGCE_PER_T
    worst = max(carbon, energy)
    return next((colour for colour, cut in COLOURS if worst <= cut), "red")
