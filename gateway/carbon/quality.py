"""How good an account's data are: a score for activity and factor of each entry, and ± percent by error propagation.

Scores run from 1 (best) to 4. They follow from what an entry itself says: whether its amount was measured without gaps,
measured with estimates, reported by a business record, or mostly estimated; and on what basis its factor was chosen.

Uncertainty is half the width of a 95 % interval, in percent. The percentages per score are this program's stated
defaults, not measurements: an order of magnitude for calibrated meters, invoices, national averages and defaults. They
propagate as in approach 1 of the 2006 IPCC Guidelines, volume 1, chapter 3: relative ones of a product by equation 3.1,
absolute ones of a sum by equation 3.2, where the days of one source go together (the same meter, the same factor) and
sources are independent of each other.

What stays true: there is one definition, `quality_of_entry`. Scores of a source and of an account are those of their
entries, weighted by emission: what is taken off weighs like what is added, and zero grams weigh nothing. A source that
gives on some days and takes on others weighs in the account with its net. Whether a business record is behind an entry
does not stand in the entry; it is asked of its source as registered today.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.model import OPERATOR_BASIS, Draft, Quality
from gateway.registry.model import Enterprise

WELL_COVERED_PPM = 900_000
MOSTLY_ESTIMATED_PPM = 200_000


@dataclass(frozen=True, slots=True)
class Grade:
    """What a score means, and the ± percent that it stands for."""

    zh: str
    en: str
    percent: float


ACTIVITY: Mapping[int, Grade] = {
    1: Grade("连续计量", "measured continuously", 2.0),
    2: Grade("计量，部分为估算", "measured, in part estimated", 5.0),
    3: Grade("业务记录申报", "reported by a business record", 5.0),
    4: Grade("大部分为估算", "mostly estimated", 20.0),
}
FACTOR: Mapping[int, Grade] = {
    1: Grade("实测、化验或由本质确定", "measured, analysed or exact by nature", 2.5),
    2: Grade("供应商数据，或按该年份与地区公布", "of the supplier, or published for this year and region", 5.0),
    3: Grade("其他年份或地区的数值", "of another year or region", 10.0),
    4: Grade("通用缺省值", "a general default", 30.0),
}
BASES: Mapping[str, int] = {
    "measured": 1,
    "measured_elsewhere": 1,
    "own_analysis": 1,
    "stoichiometric": 1,
    "zero_with_evidence": 1,
    "supplier_specific": 2,
    "exact": 2,
    "older_edition": 3,
    "regional_fallback": 3,
    "default": 4,
    "operator": 4,
}
WORST = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One source: its grams, and their quality."""

    emission_g: int
    quality: Quality


def is_by_record(draft: Draft, enterprise: Enterprise) -> bool:
    """Whether a business record, not a meter, is behind an entry."""
    kind = ACTIVITIES.get(draft.activity)
    if kind is not None and kind.records_only:
        return True
    source = enterprise.source(draft.source)
    return source is not None and source.records


def activity_score(draft: Draft, *, by_record: bool) -> int:
    """1 to 4 of an entry's amount."""
    if by_record or draft.basis == OPERATOR_BASIS:
        return 3
    if draft.estimated_ppm > MOSTLY_ESTIMATED_PPM:
        return 4
    return 1 if draft.estimated_ppm == 0 and draft.coverage_ppm >= WELL_COVERED_PPM else 2


def factor_score(basis: str) -> int:
    """1 to 4 of an entry's factor."""
    return BASES.get(basis, WORST)


def quality_of_entry(draft: Draft, *, by_record: bool) -> Quality:
    """Of one entry: its two scores, and the ± percent of their product. A reversal has those of what it takes back."""
    activity, factor = activity_score(draft, by_record=by_record), factor_score(draft.basis)
    return Quality(activity, factor, math.hypot(ACTIVITY[activity].percent, FACTOR[factor].percent))


def quality_of_source(drafts: Sequence[Draft], *, by_record: bool) -> Quality:
    """Of one source's entries: scores weighted by gross emission, uncertainty with all days going together."""
    weights = [abs(draft.emission_g) for draft in drafts]
    if not any(weights):
        weights = [1] * len(drafts)
    own = [quality_of_entry(draft, by_record=by_record) for draft in drafts]
    return Quality(
        activity_score=_mean([one.activity_score for one in own], weights),
        factor_score=_mean([one.factor_score for one in own], weights),
        uncertainty_percent=_mean([one.uncertainty_percent for one in own], weights),
    )


def quality_of(parts: Iterable[Part]) -> Quality | None:
    """Of a whole account; None without emission."""
    known = [part for part in parts if part.emission_g]
    total_g = sum(part.emission_g for part in known)
    if not known or not total_g:
        return None
    weights = [abs(part.emission_g) for part in known]
    absolute = math.hypot(*(part.emission_g * part.quality.uncertainty_percent for part in known))
    return Quality(
        activity_score=_mean([part.quality.activity_score for part in known], weights),
        factor_score=_mean([part.quality.factor_score for part in known], weights),
        uncertainty_percent=absolute / abs(total_g),
    )


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
