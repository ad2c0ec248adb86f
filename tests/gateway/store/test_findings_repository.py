"""Findings keep their history while what holds is computed again and again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from gateway.carbon.model import Finding
from gateway.store.database import writing
from gateway.store.findings_repository import BY_DATA, Decision, FindingsRepository, Judged

PLANT = "91350500M00000000Y"
POINT = "incomer-1.energy_import"


def finding(at_ms: int, name: str = "counter.reset", subject: str = POINT, **values: Any) -> Finding:
    return Finding(name, PLANT, subject, at_ms, "warning", values or {"before": 10.5, "after": 0.2}, "归零", "reset")


def states(findings: FindingsRepository) -> list[tuple[int, str, int, int | None]]:
    return [
        (stored.finding.at_ms, stored.status, stored.first_seen_ms, stored.resolved_at_ms)
        for stored in findings.page(PLANT, 99)
    ]


def test_what_no_longer_holds_is_resolved_and_the_rest_keeps_its_age(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10), finding(20)], 1000)
    findings.replace(PLANT, POINT, 0, 100, [finding(20), finding(30)], 2000)
    assert states(findings) == [(10, "resolved", 1000, 2000), (20, "open", 1000, None), (30, "open", 2000, None)]


def test_what_comes_back_is_open_with_its_first_age(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    for now_ms, found in ((1000, [finding(10)]), (2000, []), (3000, [finding(10)])):
        findings.replace(PLANT, POINT, 0, 100, found, now_ms)
    assert states(findings) == [(10, "open", 1000, None)]


def test_resolved_stays_resolved_at_its_time(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    for now_ms, found in ((1000, [finding(10)]), (2000, []), (3000, [])):
        findings.replace(PLANT, POINT, 0, 100, found, now_ms)
    assert states(findings) == [(10, "resolved", 1000, 2000)]


def test_other_times_subjects_and_names_are_left_alone(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 200, [finding(10), finding(100), finding(10, "factor.missing")], 1000)
    findings.replace(PLANT, "gas-1.volume", 0, 200, [finding(10, subject="gas-1.volume")], 1000)
    findings.replace(PLANT, POINT, 0, 100, [], 2000, prefixes=("counter.", "gauge."))
    resolved = [stored.finding for stored in findings.page(PLANT, 99, status="resolved")]
    assert resolved == [finding(10)]


def test_prefix_is_text_and_no_pattern(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    findings.replace(PLANT, POINT, 0, 100, [], 2000, prefixes=("count_r.", "%"))
    assert states(findings) == [(10, "open", 1000, None)]


def test_new_values_are_shown_and_an_acknowledged_one_stays_so(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    with writing(engine) as connection:
        connection.execute(text("UPDATE findings SET status = 'acknowledged'"))
    findings.replace(PLANT, POINT, 0, 100, [finding(10, before=11.0)], 2000)
    (stored,) = findings.page(PLANT, 99)
    assert stored.finding == finding(10, before=11.0)
    assert (stored.status, stored.first_seen_ms) == ("acknowledged", 1000)


@pytest.mark.parametrize("outside", [finding(100), finding(-1), finding(5, subject="x"), finding(5, "factor.missing")])
def test_finding_outside_of_what_is_replaced_is_a_defect(engine: Engine, outside: Finding) -> None:
    with pytest.raises(ValueError, match="outside"):
        FindingsRepository(engine).replace(PLANT, POINT, 0, 100, [outside], 1000, prefixes=("counter.",))


def test_open_findings_are_counted_in_their_period(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10), finding(20), finding(30)], 1000)
    findings.replace(PLANT, POINT, 30, 100, [], 2000)
    assert findings.open_count(PLANT, 0, 100) == 2
    assert findings.open_count(PLANT, 0, 20) == 1
    assert findings.open_count("another", 0, 100) == 0


def test_pages_follow_each_other_without_gap(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(at_ms) for at_ms in range(5)], 1000)
    paged: list[int] = []
    after = 0
    while page := findings.page(PLANT, 2, after, prefixes=("counter.",)):
        paged += [stored.finding.at_ms for stored in page]
        after = page[-1].id
    assert paged == [0, 1, 2, 3, 4]


def test_many_subjects_at_once_are_replaced_as_each_by_itself(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    gas = "gas-1.volume"
    findings.replace_all(
        [Judged(PLANT, POINT, 0, 100), Judged(PLANT, gas, 50, 200)],
        [finding(10), finding(99), finding(60, subject=gas), finding(150, subject=gas)],
        1000,
    )
    findings.replace_all([Judged(PLANT, POINT, 0, 50), Judged(PLANT, gas, 100, 200)], [finding(20)], 2000)
    stood = [(one.finding.subject, one.finding.at_ms, one.status) for one in findings.page(PLANT, 99)]
    assert stood == [
        (POINT, 10, "resolved"),
        (POINT, 99, "open"),  # outside of the point's own stretch, inside of the other's
        (gas, 60, "open"),
        (gas, 150, "resolved"),
        (POINT, 20, "open"),
    ]


def test_a_finding_about_nothing_that_was_judged_is_refused(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    with pytest.raises(ValueError, match="outside"):
        findings.replace_all([Judged(PLANT, POINT, 0, 50), Judged(PLANT, "gas-1.volume", 50, 99)], [finding(60)], 1000)
    assert states(findings) == []


def acknowledged(findings: FindingsRepository, number: int, now_ms: int = 1500) -> None:
    assert findings.decide(PLANT, number, Decision(now_ms, "acknowledged", "park lin", "the meter was changed"))


def test_acknowledged_finding_stays_so_while_its_values_are_the_same(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    acknowledged(findings, 1)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 2000)
    (stored,) = findings.page(PLANT, 9)
    assert (stored.status, stored.acknowledged_at_ms, stored.acknowledged_by) == ("acknowledged", 1500, "park lin")
    assert stored.acknowledged_why == "the meter was changed"
    assert findings.open_count(PLANT, 0, 100) == 0


def test_acknowledged_finding_with_other_values_is_open_again_and_that_is_kept(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    acknowledged(findings, 1)
    findings.replace(PLANT, POINT, 0, 100, [finding(10, before=10.5, after=9.0)], 2000)
    (stored,) = findings.page(PLANT, 9)
    assert (stored.status, stored.acknowledged_at_ms, stored.acknowledged_by) == ("open", None, "")
    assert [(one.at_ms, one.status, one.by) for one in findings.decisions(1)] == [
        (1500, "acknowledged", "park lin"),
        (2000, "open", BY_DATA),
    ]


def test_acknowledged_finding_that_went_and_comes_back_unchanged_is_acknowledged(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    acknowledged(findings, 1)
    findings.replace(PLANT, POINT, 0, 100, [], 2000)
    assert findings.page(PLANT, 9)[0].status == "resolved"
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 3000)
    assert findings.page(PLANT, 9)[0].status == "acknowledged"


def test_reopening_keeps_what_was_decided_before(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    acknowledged(findings, 1)
    reopened = findings.decide(PLANT, 1, Decision(1600, "open", "admin", "not so fast"))
    assert reopened is not None
    assert (reopened.status, reopened.acknowledged_why) == ("open", "")
    assert [one.why for one in findings.decisions(1)] == ["the meter was changed", "not so fast"]


def test_resolved_and_foreign_findings_cannot_be_decided(engine: Engine) -> None:
    findings = FindingsRepository(engine)
    findings.replace(PLANT, POINT, 0, 100, [finding(10)], 1000)
    decision = Decision(1500, "acknowledged", "admin", "x")
    assert findings.decide("91350500M00000001P", 1, decision) is None
    assert findings.decide(PLANT, 7, decision) is None
    findings.replace(PLANT, POINT, 0, 100, [], 2000)
    assert findings.decide(PLANT, 1, decision) is None
    assert findings.decisions(1) == []
