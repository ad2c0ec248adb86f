"""What can be wrong with derived points and balances in a registry file, each fault with the place where it stands.

Units are worked out here, before any reading comes: what a formula takes, what it gives, and that a chain of derived
points does not go round in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from collectors.errors import Problem
from collectors.quantities import QUANTITIES
from collectors.spelling import meant
from gateway.registry.derived import Use, formulas_in, keys_given, parts_of, uses_of
from gateway.registry.feeds import feed_of
from gateway.registry.file_shape import BalanceShape, DerivedShape, FeedShape
from gateway.registry.formulas import CONDITIONS, CONSTANTS, DECIMALS, FORMULAS
from gateway.registry.model import DERIVED, Point
from gateway.registry.place import Place

Points = Mapping[str, Mapping[str, Point] | None]  # device -> its points by id; None = broken, and reported elsewhere
Problems = Iterator[Problem]


@dataclass(frozen=True, slots=True)
class Known:
    """What points there are, by device.point."""

    points: Points
    derived: Mapping[str, str | None]  # derived.part -> its quantity; None = cannot be said: broken, or in a circle

    def quantity_of(self, written: str | FeedShape) -> tuple[str | None, str]:
        """The quantity of a named point, if it is known, and what is wrong with the name, or ""."""
        try:
            feed = feed_of(written)
        except ValueError as error:
            return None, str(error)
        name = f"{feed.device}.{feed.point}"
        if feed.device == DERIVED:
            return self.derived.get(name), "" if name in self.derived else f"there is no derived point {feed.point}"
        if feed.device not in self.points:
            return None, f"unknown device {feed.device}{meant(feed.device, self.points)}"
        own = self.points[feed.device]
        if own is None:
            return None, ""
        if feed.point not in own:
            return None, f"{feed.device} has no point {feed.point}{meant(feed.point, own)}; it has {', '.join(own)}"
        return own[feed.point].quantity, ""


def known_points(enterprise: Place, measured: Points) -> Known:
    """Measured points with the derived ones, whose quantities follow from their formulas."""
    shapes = [shape for place in enterprise.items("derived") if (shape := place.value(DerivedShape)) is not None]
    quantities: dict[str, str | None] = {f"{DERIVED}.{part}": None for shape in shapes for part in parts_of(shape)}
    for _ in shapes:  # a chain is at most as long as there are items
        known = Known(measured, quantities)
        for shape in shapes:
            quantity = _result(shape, known)
            quantities |= {f"{DERIVED}.{part}": quantity for part in parts_of(shape)}
    return Known(measured, quantities)


def derived_points(enterprise: Place, measured: Points) -> Mapping[str, Point] | None:
    """The derived points by id, as points of a device; None where one of them cannot be made."""
    known = known_points(enterprise, measured).derived
    points = {name.partition(".")[2]: quantity for name, quantity in known.items()}
    if None in points.values():
        return None
    return {part: Point(0, DERIVED, part, quantity or "") for part, quantity in points.items()}


def derived_problems(enterprise: Place, measured: Points) -> Problems:
    """Everything that is wrong under `derived`."""
    known = known_points(enterprise, measured)
    seen: set[str] = set()
    for place in enterprise.items("derived"):
        shape = place.value(DerivedShape)
        if shape is None:
            continue
        for part in parts_of(shape):
            if part in seen:
                yield place.problem(f"there is a derived point {part} already: each needs a name of its own")
            seen.add(part)
        formulas = formulas_in(shape)
        if len(formulas) != 1:
            yield place.problem(f"needs exactly one of {', '.join(FORMULAS)}; it has {', '.join(formulas) or 'none'}")
            continue
        found = [
            *_of_keys(place, shape, formulas[0]),
            *_of_inputs(place, shape, formulas[0], known),
            *_of_numbers(place, shape),
        ]
        yield from found
        if not found and known.derived.get(f"{DERIVED}.{parts_of(shape)[0]}") is None and _is_whole(shape, known):
            yield place.problem("is computed from itself: derived points must not go round in a circle")


def _is_whole(shape: DerivedShape, known: Known) -> bool:
    """Are all measured inputs right? Then an unknown quantity can only come from a circle."""
    uses = uses_of(shape, formulas_in(shape)[0])
    return all(known.quantity_of(use.written)[0] is not None or feed_of(use.written).device == DERIVED for use in uses)


def _result(shape: DerivedShape, known: Known) -> str | None:
    formulas = formulas_in(shape)
    if len(formulas) != 1:
        return None
    found = [known.quantity_of(use.written)[0] for use in uses_of(shape, formulas[0])]
    if not found or None in found:
        return None
    return FORMULAS[formulas[0]].gives or found[0]


def _of_keys(place: Place, shape: DerivedShape, key: str) -> Problems:
    """What must stand beside a formula, and what may not."""
    formula = FORMULAS[key]
    given = set(keys_given(shape)) - {key}
    allowed = {*formula.allows, *(name for group in formula.needs for name in group)}
    for name in sorted(given - allowed):
        known = ", ".join(sorted(allowed)) or "nothing"
        yield place.at(name).problem(f"does not go with {key}, which takes {known} beside it")
    for group in formula.needs:
        if not given & set(group):
            yield place.problem(f"{key} needs {' or '.join(group)}")
    if key == "split" and shape.shares is not None and shape.by is not None:
        yield place.at("by").problem("a split goes by fixed shares or by sub-meters, not by both")


def _of_inputs(place: Place, shape: DerivedShape, key: str, known: Known) -> Problems:
    """Do the named points exist, and do their units work out?"""
    uses = uses_of(shape, key)
    least = {"sum": 1, "first_of": 2}.get(key, 0)
    if sum(use.role == key for use in uses) < least:
        yield place.at(key).problem(f"needs at least {least} points")
    first_unit: dict[str, str] = {}
    for use in uses:
        quantity, wrong = known.quantity_of(use.written)
        wrong = wrong or _wrong_share(use, key)
        if wrong:
            yield place.at(*use.keys).problem(wrong)
        elif quantity is not None:
            yield from _of_unit(place, use, quantity, key, first_unit)


def _of_unit(place: Place, use: Use, quantity: str, key: str, first_unit: dict[str, str]) -> Problems:
    condition = CONDITIONS.get(use.role)
    unit = QUANTITIES[quantity].usage_unit
    wanted = FORMULAS[key].takes if use.role == key else ()
    if condition is not None:
        if quantity not in condition.quantities:
            yield place.at(*use.keys).problem(f"measures {quantity}, but here goes {' or '.join(condition.quantities)}")
    elif unit is None:
        yield place.at(*use.keys).problem(
            f"{quantity} ({QUANTITIES[quantity].unit}) cannot be summed over time, so nothing can be derived from it"
        )
    elif wanted and unit not in wanted:
        yield place.at(*use.keys).problem(f"measures {unit}, but {key} takes {', '.join(wanted)}")
    elif unit != first_unit.setdefault(use.role, unit):
        yield place.at(*use.keys).problem(
            f"measures {unit}, but the points before it measure {first_unit[use.role]}: they cannot be put together"
        )


def _wrong_share(use: Use, key: str) -> str:
    feed = feed_of(use.written)
    if key != "sum" and feed.share != "1":
        return f"only a sum takes points off: write {feed.device}.{feed.point}"
    return _wrong_decimals(Decimal(feed.share))


def _wrong_decimals(number: Decimal) -> str:
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS:
        return f"{number} has more than {DECIMALS} decimals"
    return ""


def _of_numbers(place: Place, shape: DerivedShape) -> Problems:
    for key, constant in CONSTANTS.items():
        number: Decimal | None = getattr(shape, key)
        if number is None:
            continue
        if not constant.low <= number <= constant.high:
            yield place.at(key).problem(f"must be {constant.low} to {constant.high}; mind the unit in the key")
        elif _wrong_decimals(number):
            yield place.at(key).problem(_wrong_decimals(number))
    if shape.shares is None:
        return
    for part, share in shape.shares.items():
        if not 0 < share <= 1:
            yield place.at("shares", part).problem("must be above 0 and at most 1")
        elif _wrong_decimals(share):
            yield place.at("shares", part).problem(_wrong_decimals(share))
    total = sum(shape.shares.values(), Decimal(0))
    if total != 1:
        yield place.at("shares").problem(f"add up to {total}, not to 1: name who has the rest")


# --- balances -------------------------------------------------------------------------------------------------------


def balance_problems(enterprise: Place, measured: Points) -> Problems:
    """Everything that is wrong under `balances`."""
    known = known_points(enterprise, measured)
    for place in enterprise.items("balances"):
        shape = place.value(BalanceShape)
        if shape is None:
            continue
        if not shape.children:
            yield place.at("children").problem("needs at least one point")
        if not 0 <= shape.tolerance < 1:
            yield place.at("tolerance").problem("is a share of the parent's usage: 0 to below 1, such as 0.03")
        named: list[tuple[tuple[str | int, ...], str | FeedShape]] = [(("parent",), shape.parent)]
        named += [(("children", index), child) for index, child in enumerate(shape.children)]
        units: list[str] = []
        for keys, written in named:
            quantity, wrong = known.quantity_of(written)
            unit = QUANTITIES[quantity].usage_unit if quantity is not None else None
            if wrong:
                yield place.at(*keys).problem(wrong)
            elif quantity is not None and unit is None:
                yield place.at(*keys).problem(f"{quantity} cannot be summed over time, so it cannot be balanced")
            elif unit is not None and unit != (units or [unit])[0]:
                yield place.at(*keys).problem(f"measures {unit}, but the points before it measure {units[0]}")
            elif unit is not None:
                units.append(unit)
