"""How good an account's data are: a score for activity and factor of each entry, and ± percent by error propagation.

Scores run from 1 (best) to 4. They follow from what an entry itself says: whether its amount was measured without gaps,
measured with estimates, reported by a business record, or mostly estimated; and on what basis its factor was chosen.

Uncertainty is half the width of a 95 % interval, in percent. The percentages per score are this program's stated
defaults, not measurements: an order of magnitude for calibrated meters, invoices, national averages and defaults. They
propagate as in approach 1 of the 2006 IPCC Guidelines, volume 1, chapter 3: relative ones of a product by equation 3.1,
absolute ones of a sum by equation 3.2, where the days of one source go together (the same meter, the same factor) and
sources are independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.carbon.model import OPERATOR_BASIS, Draft, Quality

WELL_COVERED_PPM = 900_000
MOSTLY_ESTIMATED_PPM = 200_000

# score -> (what it means, ± percent)
ACTIVITY: Mapping[int, tuple[str, float]] = {
    1: ("measured continuously", 2.0),
    2: ("measured, in part estimated", 5.0),
    3: ("reported by a business record", 5.0),
    4: ("mostly estimated", 20.0),
}
FACTOR: Mapping[int, tuple[str, float]] = {
    1: ("measured, analysed or exact by nature", 2.5),
    2: ("of the supplier, or published for this year and region", 5.0),
    3: ("of another year or region", 10.0),
    4: ("a general default", 30.0),
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


def quality_of_source(drafts: Sequence[Draft], *, by_record: bool) -> Quality:
    """Of one source's entries: scores weighted by gross emission, uncertainty with all days going together."""
    weights = [abs(draft.emission_g) for draft in drafts]
    if not any(weights):
        weights = [1] * len(drafts)
    scores = [(activity_score(draft, by_record=by_record), factor_score(draft.basis)) for draft in drafts]
    percents = [math.hypot(ACTIVITY[activity][1], FACTOR[factor][1]) for activity, factor in scores]
    return Quality(
        activity_score=_mean([activity for activity, _ in scores], weights),
        factor_score=_mean([factor for _, factor in scores], weights),
        uncertainty_percent=_mean(percents, weights),
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
