"""What a version states otherwise than its predecessor, source by source, and why.

What stays true: the differences of all sources add up to the difference of the two versions' sums, in whole grams.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.accounts.documents import CorrectionDocument, SourceDocument, StatementDocument, kilo

Reasons = Mapping[str, Collection[str]]  # source -> reasons of the entries behind it

_LineKey = tuple[str, str, str]  # source, activity, unit


def corrections_between(
    was: StatementDocument, now: StatementDocument, reasons: Reasons
) -> tuple[CorrectionDocument, ...]:
    """By source, what the newer statement has more, or with a minus less; sources that are the same are left out."""
    before, after = _lines(was), _lines(now)
    found = []
    for key in (*after, *(key for key in before if key not in after)):
        old, new = _figures(before.get(key)), _figures(after.get(key))
        if old != new:
            amount_u, emission_g, energy_gce = (own - stood for own, stood in zip(new, old, strict=True))
            source, activity, unit = key
            found.append(
                CorrectionDocument(
                    source=source,
                    activity=activity,
                    amount=amount_u / 1_000_000,
                    unit=unit,
                    emission_kg=kilo(emission_g),
                    energy_kgce=kilo(energy_gce),
                    reasons=tuple(sorted(reasons.get(source, ()))),
                )
            )
    return tuple(found)


def reasons_in(documents: Collection[StatementDocument]) -> dict[str, set[str]]:
    """By source, the reasons that some versions give for their corrections."""
    found: dict[str, set[str]] = {}
    for document in documents:
        for one in document.corrections:
            found.setdefault(one.source, set()).update(one.reasons)
    return found


def _lines(document: StatementDocument) -> dict[_LineKey, SourceDocument]:
    return {(line.source, line.activity, line.unit): line for line in document.by_source}


def _figures(line: SourceDocument | None) -> tuple[int, int, int]:
    """Millionths of the unit, grams, grams of standard coal."""
    if line is None:
        return 0, 0, 0
    return round(line.amount * 1_000_000), round(line.emission_kg * 1000), round(line.energy_kgce * 1000)
