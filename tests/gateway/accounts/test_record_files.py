"""Promises about files of records: read by rows, with every fault at its place; templates that can be filled in."""

from __future__ import annotations

import io
from datetime import date, datetime

import pytest
from openpyxl import Workbook, load_workbook

from gateway.accounts.activity_records import COLUMNS, check_records
from gateway.accounts.periods import parse_period
from gateway.accounts.record_files import RecordFile, UnreadableFile, read_records, with_evidence
from gateway.accounts.record_sheets import HELP_SHEET, SHEET
from gateway.accounts.record_templates import WORDS, template_of
from gateway.registry.model import Enterprise, Name, Product, Source
from gateway.store.evidence_store import sha256_of_bytes

PLANT = Enterprise(
    "91350505M00000019R",
    Name("厂", "Plant"),
    "park",
    "C3130",
    sources=(
        Source("coke", "fuel.coke", 1, "production", records=True, unit="t", name=Name("焦炭", "Coke")),
        Source("metered", "electricity.purchased", 2, "production"),
        Source("trucks", "freight_out.road", 3, "distribution", records=True, unit="tkm"),
    ),
    products=(Product("plate", "t"),),
)
MONTH = parse_period("2026-10")


def sheet(rows: list[list[object]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def test_a_spreadsheet_and_a_table_of_text_give_the_same_records() -> None:
    header = ["id", "source", "from", "to", "amount", "unit"]
    cells = ["c1", "coke", datetime(2026, 10, 1), date(2026, 11, 1), 12.5, "t"]  # noqa: DTZ001 -- a sheet has no zone
    text = b"id,source,from,to,amount,unit\nc1,coke,2026-10-01,2026-11-01,12.5,t\n"
    by_sheet, by_text = read_records(sheet([header, cells]), "r.xlsx"), read_records(text, "r.csv")
    assert by_sheet == by_text
    checked, errors = check_records(by_text.records, PLANT)
    assert (errors, checked[0].record.amount_u) == ([], 12_500_000)


def test_every_fault_of_a_table_is_listed_with_its_row() -> None:
    rows: list[list[object]] = [
        ["id", "source", "from", "to", "amount", "unit"],
        ["a", "coke", "2026-10-01", "2026-11-01", -1, "t"],
        ["b", "coke", "2026-10-01", "2026-11-01", 1, "furlong"],
        ["c", "nowhere", "2026-10-32", "2026-11-01", "much", "t"],
        ["d", "coke", "2026-10-01", "2026-11-01", 1, "t", "beyond"],
        ["e", "coke", "2026-10-01", "2026-11-01", None, "t"],
    ]
    file = read_records(sheet(rows), "r.xlsx")
    assert file.left_out == ["row 6 e"]
    places = [place for place, _ in file.placed(check_records(file.records, PLANT)[1])]
    assert places == ["row 5", "row 2 a amount", "row 3 b unit", "row 4 c from", "row 4 c amount", "row 4 c source"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.pdf", b"", "must end in one of .json, .csv, .xlsx"),
        ("r.xlsx", b"PK\x03\x04 no archive", "is no spreadsheet"),
        ("r.xlsx", b"id,amount\n", "is no spreadsheet"),
        ("r.csv", "id,数量\n".encode(), "unknown column '数量'"),
        ("r.csv", b"\xff\xfe", "UTF-8"),
        ("r.json", b'{"records": 5}', "must be a list"),
    ],
)
def test_a_file_that_holds_no_records_is_named_with_the_reason(name: str, content: bytes, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says) as caught:
        read_records(content, name)
    assert name in str(caught.value)


def test_a_file_of_evidence_is_named_by_its_hash_and_compared_with_what_was_stated() -> None:
    bill = b"a bill"
    digest = sha256_of_bytes(bill)
    base = {"source": "coke", "from": "2026-10-01", "to": "2026-11-01", "amount": 1, "unit": "t"}
    records = [
        base | {"id": "a", "evidence": "bill.pdf"},
        base | {"id": "b", "evidence": "bill.pdf", "evidence_sha256": digest},
        base | {"id": "c", "evidence": "bill.pdf", "evidence_sha256": "0" * 64},
        base | {"id": "d", "evidence": "other.pdf"},
    ]
    file = with_evidence(RecordFile(records, ["record"] * 4), {"bill.pdf": bill})
    checked, errors = check_records(file.records, PLANT)
    assert [own.record.evidence for own in checked] == [digest, digest]
    assert [(one.id, one.field) for one in errors] == [("c", "evidence_sha256"), ("d", "evidence")]


def test_units_are_taken_as_bills_write_them() -> None:
    base = {"from": "2026-10-01", "to": "2026-11-01", "amount": 1}
    records = [
        base | {"id": "a", "source": "coke", "unit": "吨"},
        base | {"id": "b", "source": "trucks", "unit": "万吨公里"},
        base | {"id": "c", "source": "coke", "unit": "GJ"},
        {"id": "d", "source": "coke", "date": "2026-10-05", "amount": 1, "unit": "kg"},
    ]
    checked, errors = check_records(records, PLANT)
    assert [own.record.unit for own in checked] == ["t", "1e4tkm", "kg"]
    assert [one.message for one in errors] == ["must be t or kg for source coke"]  # the registry says t
    assert (checked[2].record.start_day, checked[2].record.end_day) == (date(2026, 10, 5), date(2026, 10, 6))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_template_lists_what_comes_by_records_and_can_be_filled_in(form: str) -> None:
    made = template_of(PLANT, MONTH, form)
    empty = read_records(made.content, made.name)
    assert empty.records == []
    assert [place.split()[-1] for place in empty.left_out] == [
        *("coke-2026-10", "trucks-2026-10", "plate-2026-10"),
        *("output_value-2026-10", "added_value-2026-10"),
    ]
    assert set(WORDS) == set(COLUMNS)


def test_a_filled_in_template_gives_records_of_its_period() -> None:
    book = load_workbook(io.BytesIO(template_of(PLANT, MONTH, "xlsx").content))
    assert book.sheetnames == [SHEET, HELP_SHEET]
    book[SHEET].cell(2, COLUMNS.index("amount") + 1, 31)
    written = io.BytesIO()
    book.save(written)
    checked, errors = check_records(read_records(written.getvalue(), "t.xlsx").records, PLANT)
    assert errors == []
    (own,) = [one.record for one in checked]
    assert (own.record_id, own.subject, own.amount_u, own.unit) == ("coke-2026-10", "coke", 31_000_000, "t")
    assert (own.start_day, own.end_day) == (MONTH.start, MONTH.end)
