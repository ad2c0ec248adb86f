"""Activity records from a file: JSON (a list, or {"records": [...]}) or CSV with the same names as columns.

Only the form is read here; whether a record is right is `gateway.accounts.activity_records`' business, which names the
record by its place in the file.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from collectors.errors import ConfigurationError, Problem

COLUMNS = ("id", "source", "product", "economic", "from", "to", "amount", "unit", "note")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records as JSON values; raises ConfigurationError with every line that has not the form of one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(f"cannot be read as UTF-8 text: {error}", str(path))]) from error
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError([Problem(f"must be one of {', '.join(READERS)}", str(path))])
    return reader(text, str(path))


def _json(text: str, file: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except ValueError as error:
        raise ConfigurationError(
            [Problem(f"is not JSON of records: {error}", file, getattr(error, "lineno", 0))]
        ) from error
    records = content.get("records") if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise ConfigurationError([Problem('must be a list of records, or {"records": [...]}', file)])
    return records


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice would be one figure silently instead of two (RFC 8259, clause 4, leaves it open)."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} stands twice in one object")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _csv(text: str, file: str) -> list[dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    header = list(rows.fieldnames or [])
    if not header:
        raise ConfigurationError([Problem(f"is empty; its first line names columns out of {', '.join(COLUMNS)}", file)])
    problems = [
        Problem(f"unknown column; known are {', '.join(COLUMNS)}", file, 1, name)
        for name in header
        if name not in COLUMNS
    ]
    problems += [
        Problem("stands twice in the header", file, 1, name) for name in dict.fromkeys(header) if header.count(name) > 1
    ]
    records: list[dict[str, Any]] = []
    for row in rows:
        if None in row or None in row.values():
            problems.append(Problem(f"has not the {len(header)} cells of the header", file, rows.line_num))
            continue
        record: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
        try:
            record["amount"] = float(record.get("amount", ""))
        except ValueError:
            problems.append(Problem("must be a number such as 1250.5", file, rows.line_num, "amount"))
        records.append(record)
    if problems:
        raise ConfigurationError(problems)
    return records


READERS = {".json": _json, ".csv": _csv}
