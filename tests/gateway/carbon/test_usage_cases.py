"""Golden cases of the usage engine: each folder of tests/cases/counters is readings in and hours and findings out.

A case is checked three ways: all readings in order; shuffled, with every reading twice; and hour by hour with no more
context than a pass of the roll-up has.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectors.clock import HOUR_MS, to_ms
from collectors.strict_yaml import Document, Scalar, parse
from gateway.carbon.calendar import day_window_ms
from gateway.carbon.falls import Limits
from gateway.carbon.oddities import SENTENCES
from gateway.carbon.point_rule import MeterChange, PointRule
from gateway.carbon.usage import CONTEXT, UsageResult, usage_from
from gateway.store.timeseries import ReadingColumns

CASES = Path(__file__).parents[2] / "cases" / "counters"
FOLDERS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
POINT = 7


def plain(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: plain(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [plain(item) for item in raw]
    assert isinstance(raw, Scalar)
    for convert in (float, date.fromisoformat, datetime.fromisoformat):
        try:
            return convert(raw.text)
        except ValueError:
            continue
    return raw.text


def read(folder: str, name: str) -> Any:
    document: Document = parse((CASES / folder / name).read_text(encoding="utf-8"), f"{folder}/{name}")
    return plain(document.root)


def rule_from(raw: dict[str, Any]) -> PointRule:
    changes = tuple(MeterChange(to_ms(at), final, initial) for at, final, initial in raw.get("changes", []))
    return PointRule(
        enterprise="91350500M00000000Y",
        subject="meter.point",
        unit=raw["unit"],
        kind=raw["kind"],
        limits=Limits(raw.get("rated_per_hour"), 1.0, tuple(raw.get("moduli", []))),
        gap_max_ms=int(raw.get("gap_max_min", 15) * 60_000),
        changes=changes,
    )


def columns(rows: list[list[Any]]) -> ReadingColumns:
    return ReadingColumns(
        np.full(len(rows), POINT, np.int32),
        np.array([to_ms(at) for at, _ in rows], np.int64),
        np.array([value for _, value in rows], np.float64),
        np.zeros(len(rows), np.uint8),
    )


def hours_of(result: UsageResult) -> list[tuple[int, int, int, int]]:
    usage = result.usage
    return list(
        zip(
            usage.hour_ms.tolist(),
            usage.amount_u.tolist(),
            usage.estimated_u.tolist(),
            usage.covered_ms.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_golden_case(folder: str) -> None:
    given, expected = read(folder, "input.yaml"), read(folder, "expected.yaml")
    start_ms, end_ms = (to_ms(edge) for edge in given["window"])
    rule = rule_from(given["rule"])
    result = usage_from(columns(given["readings"]), {POINT: rule}, start_ms, end_ms)
    wanted = [
        (
            to_ms(hour["hour"]),
            round(hour["amount"] * 1e6),
            round(hour["estimated"] * 1e6),
            round(hour["covered_min"] * 60_000),
        )
        for hour in expected["hours"]
    ]
    assert hours_of(result) == wanted
    found = [(one.finding.name, one.at_ms) for one in result.findings]
    assert found == [(finding["name"], to_ms(finding["at"])) for finding in expected["findings"]]
    for one, finding in zip(result.findings, expected["findings"], strict=True):
        for key, value in finding["values"].items():
            assert one.finding.values[key] == pytest.approx(value), (one.finding.name, key)
        assert "{" not in one.finding.zh + one.finding.en
    usage = result.usage
    for day in expected.get("days", []):
        first_ms, last_ms = day_window_ms(day["day"], day.get("zone", "Asia/Shanghai"))
        inside = (usage.hour_ms >= first_ms) & (usage.hour_ms < last_ms)
        assert int(usage.amount_u[inside].sum()) == round(day["amount"] * 1e6)


@pytest.mark.parametrize("folder", FOLDERS)
def test_order_and_duplicates_change_nothing(folder: str) -> None:
    given = read(folder, "input.yaml")
    start_ms, end_ms = (to_ms(edge) for edge in given["window"])
    rules = {POINT: rule_from(given["rule"])}
    shuffled = given["readings"] * 2
    random.Random(5).shuffle(shuffled)
    straight = usage_from(columns(given["readings"]), rules, start_ms, end_ms)
    mixed = usage_from(columns(shuffled), rules, start_ms, end_ms)
    assert hours_of(mixed) == hours_of(straight)
    assert mixed.findings == straight.findings


@pytest.mark.parametrize("folder", FOLDERS)
def test_hour_by_hour_gives_what_the_whole_gives(folder: str) -> None:
    given = read(folder, "input.yaml")
    start_ms, end_ms = (to_ms(edge) for edge in given["window"])
    rules = {POINT: rule_from(given["rule"])}
    rows = sorted(given["readings"], key=lambda row: to_ms(row[0]))
    whole = usage_from(columns(rows), rules, start_ms, end_ms)
    hours, findings = [], []
    for hour_ms in range(start_ms, end_ms, HOUR_MS):
        before = [row for row in rows if to_ms(row[0]) < hour_ms][-CONTEXT:]
        after = [row for row in rows if to_ms(row[0]) >= hour_ms + HOUR_MS][:CONTEXT]
        inside = [row for row in rows if hour_ms <= to_ms(row[0]) < hour_ms + HOUR_MS]
        part = usage_from(columns(before + inside + after), rules, hour_ms, hour_ms + HOUR_MS)
        hours += hours_of(part)
        findings += part.findings
    assert hours == hours_of(whole)
    assert tuple(findings) == whole.findings


@pytest.mark.parametrize("folder", FOLDERS)
def test_uncertain_readings_count_like_good_ones_and_bad_ones_not_at_all(folder: str) -> None:
    given = read(folder, "input.yaml")
    start_ms, end_ms = (to_ms(edge) for edge in given["window"])
    rules = {POINT: rule_from(given["rule"])}
    good = columns(given["readings"])
    uncertain, bad = (replace(good, quality=np.full(len(good), mark, np.uint8)) for mark in (1, 2))
    assert hours_of(usage_from(uncertain, rules, start_ms, end_ms)) == hours_of(
        usage_from(good, rules, start_ms, end_ms)
    )
    assert not usage_from(bad, rules, start_ms, end_ms).usage.amount_u.any()


def test_there_are_cases_and_every_counter_sentence_has_one() -> None:
    assert len(FOLDERS) >= 24
    seen = {finding["name"] for folder in FOLDERS for finding in read(folder, "expected.yaml")["findings"]}
    unseen = {name for name in SENTENCES if name.startswith("counter.")} - seen
    assert unseen <= {"counter.out_of_range"}, unseen
