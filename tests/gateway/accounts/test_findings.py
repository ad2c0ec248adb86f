"""Findings that say the same again and again stand together, and none of them is lost."""

from __future__ import annotations

from gateway.accounts.documents import Bilingual, FindingDocument
from gateway.accounts.findings import runs_of


def finding(number: int, day: int, name: str = "factor.missing", status: str = "open") -> FindingDocument:
    return FindingDocument(
        id=number,
        enterprise="91350500M00000000L",
        name=name,
        subject="clay",
        at=f"2026-10-{day:02}T16:00:00Z",
        severity="error",
        status=status,
        values={},
        text=Bilingual(zh="缺", en="missing"),
        first_seen="2026-11-01T00:00:00Z",
        resolved_at=None,
        acknowledged_at=None,
        acknowledged_by="",
        acknowledged_why="",
    )


def test_the_same_of_one_subject_stands_together_with_its_first_day() -> None:
    month = [finding(number, 31 - number) for number in range(1, 31)]
    (run,) = runs_of(month)
    assert run.newest == month[0]
    assert len(run.earlier) == 29
    assert run.since == "2026-10-01T16:00:00Z"


def test_another_name_or_status_stands_apart_and_nothing_is_lost() -> None:
    given = [
        finding(1, 9),
        finding(2, 8, "source.evidence_missing"),
        finding(3, 7, status="acknowledged"),
        finding(4, 6),
    ]
    runs = runs_of(given)
    assert [(run.newest.id, [one.id for one in run.earlier]) for run in runs] == [(1, [4]), (2, []), (3, [])]
