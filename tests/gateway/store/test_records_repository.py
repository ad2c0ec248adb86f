"""An activity record's id never stands for two contents."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine

from gateway.store.records_repository import ActivityRecord, RecordsRepository

PLANT = "91350500M00000000Y"
OUTPUT = ActivityRecord(
    PLANT, "out-2026-10", "product", "tile", date(2026, 10, 1), date(2026, 11, 1), 5_000_000, "m2", "月报"
)


def test_same_record_again_changes_nothing(engine: Engine) -> None:
    records = RecordsRepository(engine)
    assert records.add([OUTPUT, OUTPUT], 1000) == ["stored", "duplicate"]
    assert records.add([OUTPUT], 2000) == ["duplicate"]
    assert records.overlapping(PLANT, "tile", date(2026, 10, 31), date(2026, 11, 1), "product") == [OUTPUT]


@pytest.mark.parametrize(
    "other",
    [
        {"amount_u": 5_000_001},
        {"unit": "t"},
        {"subject": "brick"},
        {"kind": "source"},
        {"start_day": date(2026, 10, 2)},
        {"end_day": date(2026, 11, 2)},
        {"note": "corrected"},
    ],
)
def test_other_content_under_a_known_id_is_a_conflict(engine: Engine, other: dict[str, object]) -> None:
    records = RecordsRepository(engine)
    new = replace(OUTPUT, record_id="new")
    records.add([OUTPUT], 1000)
    assert records.add([replace(OUTPUT, **other), new], 2000) == ["conflict", "stored"]  # type: ignore[arg-type]
    assert records.overlapping(PLANT, "tile", date(2026, 1, 1), date(2027, 1, 1), "product") == [new, OUTPUT]


def test_ids_of_two_enterprises_do_not_meet(engine: Engine) -> None:
    assert RecordsRepository(engine).add([OUTPUT, replace(OUTPUT, enterprise="other", amount_u=1)], 1) == ["stored"] * 2


def test_overlap_is_half_open_and_by_kind(engine: Engine) -> None:
    records = RecordsRepository(engine)
    clay = replace(OUTPUT, record_id="clay", kind="source", subject="tile")
    records.add([OUTPUT, clay], 1000)
    assert records.overlapping(PLANT, "tile", date(2026, 10, 31), date(2026, 11, 1)) == [clay]
    assert records.overlapping(PLANT, "tile", date(2026, 11, 1), date(2026, 12, 1)) == []
    assert records.overlapping(PLANT, "tile", date(2026, 9, 1), date(2026, 10, 1)) == []


def test_record_without_days_is_refused() -> None:
    with pytest.raises(ValueError, match="must be after"):
        replace(OUTPUT, end_day=OUTPUT.start_day)
