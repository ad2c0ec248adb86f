"""Spreadsheets of activity records: read to rows of text, written as templates. The only file that knows openpyxl,
and only from the first sheet on: it takes 8 MB, and most gateways never see one.

What stays true: a cell is read as what it shows in JSON terms (a date as 2026-10-05, a number with its digits, a
formula as the value that was last computed); a sheet that would unpack to more than MAX_UNPACKED_BYTES is refused
before it is unpacked.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
SHEET = "records"
HELP_SHEET = "说明 help"
_WIDTH = 18
_PREFILLED = "EEEEEE"  # red, green, blue


def is_sheet(content: bytes) -> bool:
    """Whether these bytes are an XLSX that may be unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            sizes = [one.file_size for one in packed.infolist()]
            return "xl/workbook.xml" in packed.namelist() and sum(sizes) <= MAX_UNPACKED_BYTES
    except zipfile.BadZipFile:
        return False


def read_sheet(content: bytes) -> list[tuple[int, list[str]]]:
    """(row number, cells as text) of the sheet `records`, or of the first one. As wide as the header."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        sheet = book[SHEET] if SHEET in book.sheetnames else book.worksheets[0]
        rows = [(number, [_shown(cell) for cell in cells]) for number, cells in _rows(sheet)]
    finally:
        book.close()
    header = next((cells for _, cells in rows if any(cells)), [])
    width = max((place + 1 for place, cell in enumerate(header) if cell), default=0)
    return [(number, _as_wide(cells, width)) for number, cells in rows]


def _rows(sheet: Any) -> Any:
    return enumerate(sheet.iter_rows(values_only=True), 1)


def _as_wide(cells: Sequence[str], width: int) -> list[str]:
    """Empty cells at the end are nothing; a filled one beyond the header stays, so that the row is refused."""
    beyond = [cell for cell in cells[width:] if cell]
    return [*cells[:width], *[""] * (width - len(cells)), *beyond]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    return str(value)


def template_sheet(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    choices: Sequence[tuple[str, str, Sequence[str]]],
    words: Sequence[Sequence[str]],
) -> bytes:
    """A workbook to fill in: the rows under the columns, `choices` of single cells, and a sheet of words.

    A choice is (column, key of its row in the first cell, values).
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font, PatternFill
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    sheet.append(list(columns))
    for cells in rows:
        sheet.append(list(cells))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[cell.column_letter].width = _WIDTH
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            if cell.value:
                cell.fill = PatternFill("solid", fgColor=_PREFILLED)
    sheet.freeze_panes = "B2"
    places = {cells[0]: number for number, cells in enumerate(rows, 2)}
    for column, key, values in choices:
        validation = DataValidation(type="list", formula1=f'"{",".join(values)}"', allow_blank=True)
        sheet.add_data_validation(validation)
        validation.add(sheet.cell(places[key], columns.index(column) + 1))
    help_sheet = book.create_sheet(HELP_SHEET)
    for line in words:
        help_sheet.append(list(line))
    for letter in "ABC":
        help_sheet.column_dimensions[letter].width = 3 * _WIDTH
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
