"""Templates of record files, made from an enterprise's registry: one row per thing that comes by records.

A template filled in and imported gives records of the period it was made for; rows left empty are none. Ids are made
of the subject and the month, so that the same month imported twice is a duplicate and never counted twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.accounts.activity_records import COLUMNS, ECONOMIC_FIGURES, ECONOMIC_UNIT, units_of
from gateway.accounts.periods import Period
from gateway.accounts.record_sheets import template_sheet
from gateway.carbon.activities import ACTIVITIES
from gateway.registry.model import Enterprise, Name

_ECONOMIC_NAMES = {"output_value": Name("工业总产值", "output value"), "added_value": Name("工业增加值", "added value")}

# column -> (zh, en) in the sheet of words
WORDS: dict[str, tuple[str, str]] = {
    "id": ("记录编号，自拟且不重复使用", "made by you, never used for another record"),
    "source": ("排放源编号", "emission source of the registry"),
    "product": ("产品编号", "product of the registry"),
    "economic": ("output_value 产值，added_value 增加值", "output_value or added_value"),
    "bill": ("账单对应的计量点（设备.点）", "device.point that a bill is about: compared, never booked"),
    "reading": ("人工抄表的计数器（设备.点）", "device.point of a counter read by hand: compared, never booked"),
    "from": ("起始日（含）", "first day"),
    "to": ("截止日（不含）", "first day that is no longer covered"),
    "date": ("单日，代替 from 与 to", "one day, in place of from and to"),
    "amount": ("数量，不为负", "not negative"),
    "unit": ("单位", "unit"),
    "note": ("备注", "remark"),
    "supersedes": ("更正哪一条记录（其编号）", "id of the record that this one corrects"),
    "parallel": ("true 表示与同期其他记录并存", "true: comes on top of others of the same days"),
    "evidence": ("凭证文件名（随同上传）或其 SHA-256", "name of a file sent along, or its SHA-256"),
    "evidence_sha256": ("凭证文件的 SHA-256，用于核对", "the file's SHA-256, to be checked"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A file to be filled in."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Subject:
    kind: str  # source | product | economic
    id: str
    name: Name | None
    units: tuple[str, ...]


def template_of(enterprise: Enterprise, period: Period, form: str) -> Template:
    """The template of a period, `csv` or `xlsx`."""
    subjects = list(_subjects(enterprise))
    rows = [_row(subject, period) for subject in subjects]
    stem = f"records-{enterprise.id}-{period.text}"
    if form == "csv":
        return Template(f"{stem}.csv", "text/csv", _csv(rows))
    choices = [("unit", row[0], subject.units) for subject, row in zip(subjects, rows, strict=True)]
    words = [("column", "中文", "English"), *((name, *texts) for name, texts in WORDS.items())]
    words += [("", "", ""), ("subject", "名称", "name")]
    words += [(subject.id, *_names(subject, enterprise)) for subject in subjects]
    sheet = template_sheet(COLUMNS, rows, choices, words)
    return Template(f"{stem}.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", sheet)


def _subjects(enterprise: Enterprise) -> Iterator[_Subject]:
    for source in enterprise.sources:
        if source.records:
            units = units_of(enterprise, "source", source.id)
            usual = source.unit if source.unit in units else units[0]
            yield _Subject("source", source.id, source.name, (usual, *(one for one in units if one != usual)))
    for product in enterprise.products:
        yield _Subject("product", product.id, product.name, (product.unit,))
    for figure in ECONOMIC_FIGURES:
        yield _Subject("economic", figure, _ECONOMIC_NAMES[figure], (ECONOMIC_UNIT,))


def _names(subject: _Subject, enterprise: Enterprise) -> tuple[str, str]:
    if subject.name is not None:
        return subject.name.zh, subject.name.en
    source = enterprise.source(subject.id) if subject.kind == "source" else None
    if source is None:
        return subject.id, subject.id
    kind = ACTIVITIES[source.activity]
    return kind.zh, kind.en


def _row(subject: _Subject, period: Period) -> list[str]:
    """Everything but the amount: a row without one is no record."""
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {"from": period.start.isoformat(), "to": period.end.isoformat()}
    cells |= {"id": f"{subject.id}-{period.text}", subject.kind: subject.id, "unit": subject.units[0]}
    return [cells[name] for name in COLUMNS]


def _csv(rows: list[list[str]]) -> bytes:
    """With a byte order mark, or spreadsheets take its Chinese for another encoding."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")
