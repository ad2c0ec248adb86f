"""Promises of keeping records: nothing twice by a slip, corrections that hide nothing, evidence before its record."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gateway.accounts.activity_records import Checked
from gateway.accounts.record_keeping import RecordConflict, keep_records
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.evidence_store import EvidenceStore
from gateway.store.records_repository import ActivityRecord, RecordsRepository

PLANT = "91350505M00000019R"
FAR = date(2200, 1, 1)


def record(name: str, first: int, end: int, amount: int = 1, **more: str) -> ActivityRecord:
    days = date(2026, 10, first), date(2026, 10, end)
    return replace(ActivityRecord(PLANT, name, "source", "clay", *days, amount, "t"), **more)  # type: ignore[arg-type]


def keep(engine: Engine, *records: ActivityRecord, parallel: bool = False) -> list[str]:
    return list(keep_records(engine, [Checked(one, parallel) for one in records], 1000))


def refused(engine: Engine, *records: ActivityRecord, parallel: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(RecordConflict) as caught:
        keep(engine, *records, parallel=parallel)
    return [(one.id, one.field) for one in caught.value.errors]


def counting(engine: Engine) -> list[str]:
    found = RecordsRepository(engine).overlapping(PLANT, "clay", date(2000, 1, 1), FAR)
    return [one.record_id for one in found]


def test_a_record_over_days_of_another_is_refused(engine: Engine) -> None:
    keep(engine, record("a", 5, 10))
    assert refused(engine, record("b", 9, 12)) == [("b", "from")]
    assert refused(engine, record("b", 1, 31)) == [("b", "from")]
    assert refused(engine, record("b", 6, 7)) == [("b", "from")]
    assert refused(engine, record("x", 20, 25), record("y", 21, 22)) == [("y", "from")]
    assert keep(engine, record("c", 10, 12), record("d", 1, 5), record("a", 5, 10)) == ["stored", "stored", "duplicate"]
    assert keep(engine, record("e", 1, 31), parallel=True) == ["stored"]
    assert refused(engine, record("f", 30, 31)) == [("f", "from")]
    other = replace(record("g", 5, 10), subject="sand")
    assert keep(engine, other) == ["stored"]


def test_nothing_of_a_refused_request_is_kept_and_no_day_is_marked(engine: Engine) -> None:
    assert refused(engine, record("a", 1, 5), record("b", 4, 6)) == [("b", "from")]
    assert counting(engine) == []
    assert DirtyDaysRepository(engine).count() == 0


def test_a_correction_counts_in_place_of_what_it_corrects_and_both_can_be_seen(engine: Engine) -> None:
    keep(engine, record("a", 1, 3))
    DirtyDaysRepository(engine).clear(DirtyDaysRepository(engine).claim(100, FAR))
    assert keep(engine, record("b", 2, 5, 7, supersedes="a")) == ["stored"]
    assert counting(engine) == ["b"]
    seen = {one.record.record_id: one.superseded_by for one in RecordsRepository(engine).page(PLANT)}
    assert seen == {"a": "b", "b": ""}
    marks = {(mark.day.day, mark.reason) for mark in DirtyDaysRepository(engine).claim(100, FAR)}
    assert marks == {(day, "operator") for day in (1, 2, 3, 4)}  # of both
    assert keep(engine, record("a", 1, 3), record("b", 2, 5, 7, supersedes="a")) == ["duplicate", "duplicate"]


def test_a_wrong_correction_is_refused_with_the_way_to_mend_it(engine: Engine) -> None:
    keep(engine, record("a", 1, 3), replace(record("sand", 1, 3), subject="sand"))
    keep(engine, record("b", 1, 3, 2, supersedes="a"))
    for name, what in (("nobody", "to correct"), ("sand", "is of sand"), ("a", "corrected by b already")):
        with pytest.raises(RecordConflict) as caught:
            keep(engine, record("c", 1, 3, 3, supersedes=name))
        assert what in caught.value.errors[0].message
    assert keep(engine, record("c", 1, 3, 3, supersedes="b")) == ["stored"]
    assert counting(engine) == ["c"]


def test_a_record_and_its_correction_may_come_in_one_request_but_not_two_corrections(engine: Engine) -> None:
    first, second = record("a", 1, 3), record("b", 1, 3, 2, supersedes="a")
    assert refused(engine, first, second, record("c", 1, 3, 3, supersedes="a")) == [("c", "supersedes")]
    assert keep(engine, first, second) == ["stored", "stored"]
    assert counting(engine) == ["b"]


def test_evidence_is_there_before_the_record_that_names_it(engine: Engine, tmp_path: Path) -> None:
    store = EvidenceStore(engine, tmp_path)
    file = store.put(PLANT, b"a bill", "bill.pdf", 1)
    backed = record("a", 1, 3, evidence=file.sha256)
    assert refused(engine, replace(backed, evidence="0" * 64)) == [("a", "evidence")]
    assert keep(engine, backed) == ["stored"]
    store.put("91350505M00000020X", b"another's bill", "bill.pdf", 1)
    theirs = next(iter(store.all("91350505M00000020X")))
    assert refused(engine, record("b", 4, 5, evidence=theirs)) == [("b", "evidence")]


def test_records_without_correction_and_evidence_hash_as_they_always_did() -> None:
    plain = record("a", 1, 3)
    assert plain.content_hash == replace(plain, record_id="b").content_hash
    assert len({plain.content_hash, replace(plain, evidence="0" * 64).content_hash}) == 2
    assert replace(plain, supersedes="z").content_hash != plain.content_hash
    assert plain.content_hash == "c29bcfaa143241e406e74b5a8dfa357597fe24f04e88989404f97eba89230f02"
