"""Accounts as lines and tables: NDJSON, CSV and Parquet out of the same items, in the order they come.

What stays true: a row is an enterprise; CSV and Parquet have the same columns. Missing is an empty cell or NULL, never
zero. Memory is that of a page: lines are sent as they are read, Parquet goes through a file without a name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from gateway.accounts.documents import Bilingual, StatementDocument
from gateway.accounts.rating_documents import RatingDocument
from gateway.registry.model import STAGES
from gateway.store.duckdb_tables import parquet_file

PARQUET = "application/vnd.apache.parquet"
PIECE_BYTES = 256 * 1024  # of a file that are sent at once


class AccountItem(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Here statement and rating may be a msgspec.Raw: the stored text of just that type."""

    enterprise: str
    name: Bilingual
    industry: str
    park: str
    statement: StatementDocument | None  # null = nothing booked for the period yet
    rating: RatingDocument | None


_ENCODER = msgspec.json.Encoder()
_decode_item = msgspec.json.Decoder(AccountItem).decode


def _ndjson(items: Iterator[AccountItem]) -> Iterator[bytes]:
    for item in items:
        yield _ENCODER.encode(item) + b"\n"


_SCOPES = ("1", "2", "3")
_TEXT, _COUNT, _SHARE = "VARCHAR", "INTEGER", "DOUBLE"
_KG = "DECIMAL(18, 3)"  # to the gram, up to a million million tonnes
# Column -> its type in Parquet.
COLUMNS: dict[str, str] = {
    "enterprise": _TEXT, "name_zh": _TEXT, "name_en": _TEXT, "industry": _TEXT, "park": _TEXT,
    "period": _TEXT, "version": _COUNT, "status": _TEXT,
    "compliance_kg": _KG, "lifecycle_kg": _KG, "energy_kgce": _KG,
    **{f"scope_{scope}_kg": _KG for scope in _SCOPES}, **{f"stage_{stage}_kg": _KG for stage in STAGES},
    "coverage": _SHARE, "estimated_share": _SHARE, "provisional_share": _SHARE, "findings_open": _COUNT,
    "hash": _TEXT, "signature": _TEXT, "colour": _TEXT, "policy": _TEXT, "rating_version": _COUNT,
}  # fmt: skip
_STATED = (
    "period", "version", "status", "compliance_kg", "lifecycle_kg", "energy_kgce", "coverage", "estimated_share",
    "provisional_share", "findings_open", "hash", "signature",
)  # fmt: skip


def _csv(items: Iterator[AccountItem]) -> Iterator[bytes]:
    """One row an enterprise; an account that is not booked yet has empty cells, not zeros."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    for item in items:
        row = _row(item)
        writer.writerow(row | {name: _unlike_a_formula(str(row[name])) for name in ("name_zh", "name_en")})
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _parquet(items: Iterator[AccountItem]) -> Iterator[bytes]:
    """The file is whole before its first piece is sent: what is wrong shows in the answer's status."""
    file = parquet_file(COLUMNS, map(_exact, map(_row, items)))

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return pieces()


def _row(item: AccountItem) -> dict[str, object]:
    """The cells that are not empty."""
    item = _decode_item(_ENCODER.encode(item))
    row: dict[str, object] = {
        "enterprise": item.enterprise,
        "name_zh": item.name.zh,
        "name_en": item.name.en,
        "industry": item.industry,
        "park": item.park,
    }
    if item.statement is not None:
        own = item.statement
        row |= {name: getattr(own, name) for name in _STATED}
        row |= {f"scope_{scope}_kg": own.by_scope.get(scope, 0.0) for scope in _SCOPES}
        row |= {f"stage_{stage}_kg": own.by_stage.get(stage, 0.0) for stage in STAGES}
    if item.rating is not None:
        row |= {"colour": item.rating.colour, "policy": item.rating.policy, "rating_version": item.rating.version}
    return row


def _exact(row: dict[str, object]) -> dict[str, object]:
    """Kilograms as decimal text: read as a binary fraction a gram could be lost in a large figure."""
    return {name: f"{Decimal(str(value)):f}" if COLUMNS[name] == _KG else value for name, value in row.items()}


def _unlike_a_formula(name: str) -> str:
    """A name that a spreadsheet cannot take for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


# media type -> how items become the bytes of an answer
FORMATS: dict[str, Callable[[Iterator[AccountItem]], Iterator[bytes]]] = {
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
    PARQUET: _parquet,
}
