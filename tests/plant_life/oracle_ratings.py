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
    """The newest rating of every period all of whose days have ended; gives how many of them have a colour."""
    newest = {(one.enterprise, one.period): one for one in world.books.statements()}
    ratings = {(one.enterprise, one.period, one.version): one for one in world.books.ratings()}
    coloured = 0
    for (enterprise, period), stored in newest.items():
        account = accounts[enterprise]
        months = [month["period"] for month in stored.said.get("months") or [{"period": period}]]
        if not all(account.has_ended(month) for month in months):
            continue
        due = _colour(world, account, months)
        where = f"{account.plant.name} {period} version {stored.version}"
        rating = ratings.get((enterprise, period, stored.version))
        assert rating is not None, f"{where}: is not rated"
        assert rating.colour == due, f"{where}: is {rating.colour}, should be {due}"
        coloured += due != "grey"
    return coloured


def _colour(world: World, account: Account, months: list[str]) -> str:
    due = account.of_months(months)
    thin = due.coverage < COVERAGE_MIN or due.estimated_share > ESTIMATED_MAX
    output_milli = sum(
        paper.milli
        for paper in world.papers[account.plant.id]
        if paper.kind == "product" and paper.standing and month_of(paper.first) in months
    )
    if thin or due.days < DAYS_MIN or not output_milli:
        return "grey"
    tonnes = Fraction(output_milli, 1000)
    carbon = Fraction(sums(account.compliance(due.lines.values()), "emission_g"), 1000) / tonnes / MEAN_KG_PER_T
    energy = Fraction(sums(due.lines.values(), "energy_gce"), 1000) / tonnes / MEAN_KGCE_PER_T
    worst = max(carbon, energy)
    return next((colour for colour, cut in COLOURS if worst <= cut), "red")
