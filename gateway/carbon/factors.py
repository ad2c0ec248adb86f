"""Which published factor a day's activity is multiplied with, and why.

What stays true:
- A factor is used only from its publication day on: what is booked as of a day uses what was known on it.
- A year that has no edition yet is booked with the latest older one, marked provisional; when the right edition
  appears, choosing again gives it, and the ledger posts the difference.
- Series are never mixed: the account's method names the electricity series, the fuel set and the GWP set.
- Where nothing fits there is a MissingFactor with a sentence, never a factor of zero. Zero is chosen only for green
  power whose day is covered by evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.blends import load_blends
from gateway.carbon.choices import choose
from gateway.carbon.factor_files import LoadedFactor, load_factor_files
from gateway.carbon.grid_regions import load_grids
from gateway.carbon.model import Activity, ChosenFactor, Factor, MissingFactor
from gateway.carbon.question import Pick, Question
from gateway.carbon.steam import NO_STEAM, SteamTable
from gateway.registry.model import Method

MAX_CHOSEN = 50_000  # choices remembered


@dataclass(frozen=True)
class FactorBook:
    """All factors that are shipped or added."""

    loaded: tuple[LoadedFactor, ...]
    grid_of: Mapping[str, str] = field(default_factory=dict)  # province -> the regional grid that it is of
    steam: SteamTable = NO_STEAM  # enthalpies, where steam is given by mass

    @classmethod
    def load(cls, config_dir: Path) -> FactorBook:
        """Read the factor files below `config_dir`; raises ConfigurationError with every problem in them."""
        loaded = load_factor_files(config_dir)
        return cls(
            (*loaded, *load_blends(config_dir, loaded)),
            load_grids(config_dir, loaded),
            SteamTable.load(config_dir),
        )

    @cached_property
    def factors(self) -> dict[str, Factor]:
        """id -> Factor."""
        return {one.factor.id: one.factor for one in self.loaded}

    @cached_property
    def _by_series(self) -> dict[tuple[str, str], tuple[LoadedFactor, ...]]:
        found: dict[tuple[str, str], list[LoadedFactor]] = {}
        for one in self.loaded:
            found.setdefault((one.factor.series, one.factor.region), []).append(one)
        return {key: tuple(values) for key, values in found.items()}

    @cached_property
    def _chosen(self) -> dict[tuple[object, ...], ChosenFactor | MissingFactor]:
        """Choices already made: sources of a park ask the same questions. Bounded by MAX_CHOSEN."""
        return {}

    @cached_property
    def fuel_sets(self) -> frozenset[str]:
        """Names that `method.fuel_set` may have."""
        return frozenset(series.split(".")[0] for series, _ in self._by_series if series.endswith(".ncv"))

    @cached_property
    def gwp_sets(self) -> frozenset[str]:
        """Names that `method.gwp` may have."""
        return frozenset(series.split(".")[1] for series, _ in self._by_series if series.startswith("gwp."))

    @cached_property
    def notes(self) -> dict[str, str]:
        """id -> the remark beside the value in its file, where there is one."""
        return {one.factor.id: one.note for one in self.loaded if one.note}

    def pick(self, series: str, region: str, day: date, as_of: date) -> Pick | None:
        """The newest published value for the day; else the latest one for an earlier time, provisional."""
        known = [one.factor for one in self._by_series.get((series, region), ()) if one.factor.published_on <= as_of]
        exact = [factor for factor in known if factor.valid_from <= day < factor.valid_to]
        if exact:
            return Pick(max(exact, key=lambda factor: factor.published_on), "exact", False)
        older = [factor for factor in known if factor.valid_to <= day]
        if older:
            return Pick(max(older, key=lambda f: (f.valid_to, f.published_on)), "older_edition", True)
        return None

    def choose(self, activity: Activity, method: Method, as_of: date) -> ChosenFactor | MissingFactor:
        """The factor of an activity for its day, with what was published on or before `as_of`."""
        named = activity.factor_override
        where = (activity.kind, activity.unit, activity.region, activity.day, activity.evidenced)
        key = (*where, named, activity.own, activity.footprint_expired, method, as_of)
        chosen = self._chosen.get(key)
        if chosen is None:
            if len(self._chosen) >= MAX_CHOSEN:
                self._chosen.clear()
            chosen = self._chosen[key] = self._choose(activity, method, as_of)
        return chosen

    def _choose(self, activity: Activity, method: Method, as_of: date) -> ChosenFactor | MissingFactor:
        kind = ACTIVITIES[activity.kind]
        if activity.unit not in kind.units:
            return MissingFactor(
                activity.kind,
                f"{kind.zh}不能以 {activity.unit} 计量，应为 {'、'.join(kind.units)}。",
                f"{kind.en} cannot be given in {activity.unit}: use {', '.join(kind.units)}.",
            )
        return choose(Question(self, activity, kind, method, as_of))
