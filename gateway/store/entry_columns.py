"""How an entry lies in its columns: those of the first format whole, those of the second with their frame beside them.

What stays true: what is read is exactly what was appended. An entry of format 2 leaves empty what stands in its frame,
and names the frame; one that has something there, or whose frame is gone, is refused (`NoFrame`), not guessed at.
Whether a frame still gives its hash is for `tanmai verify`: an entry read under a changed one has another hash.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select

from collectors.errors import StoreRefused
from gateway.carbon.frames import MEMBERS, frame_from, frame_hash, frame_text
from gateway.carbon.ledger import FRAMED
from gateway.carbon.model import Draft, Entry
from gateway.store.canonical_json import canonical
from gateway.store.database import insert
from gateway.store.schema import ledger_entries, ledger_frames

IN_FRAME = (*MEMBERS, "calculation")  # columns that an entry of format 2 leaves empty
IDS_PER_QUERY = 500  # well under what SQLite and PostgreSQL take in one IN

_DRAFT_FIELDS = tuple(field.name for field in dataclasses.fields(Draft))
_OUTSIDE = tuple(name for name in _DRAFT_FIELDS if name not in IN_FRAME)
_ENTRY_FIELDS = ("seq", "reason", "reverses", "booked_at_ms", "previous_hash", "hash", "format")

WITH_FRAME = ledger_entries.outerjoin(ledger_frames, ledger_entries.c.frame == ledger_frames.c.hash)
COLUMNS = (*ledger_entries.c, ledger_frames.c.body)


class NoFrame(StoreRefused):
    """An entry whose columns and frame do not fit each other."""


def entries_with_frames() -> Select[Any]:
    """The rows that `entry_of` reads."""
    return select(*COLUMNS).select_from(WITH_FRAME)


def entry_of(row: Row[Any]) -> Entry:
    """An entry out of its row; raises NoFrame, ValueError or TypeError where it is none."""
    values = row._mapping
    if row.format == FRAMED:
        fields = _framed(row)
    elif row.frame is not None:
        raise NoFrame(f"entry {row.enterprise}-{row.seq} is of format {row.format} and names a frame: it was changed")
    else:
        fields = {name: values[name] for name in _DRAFT_FIELDS}
        fields["calculation"] = msgspec.json.decode(fields["calculation"])
    fields["day"] = date.fromisoformat(fields["day"])
    return Entry(Draft(**fields), **{name: values[name] for name in _ENTRY_FIELDS})


def _framed(row: Row[Any]) -> dict[str, Any]:
    values, own = row._mapping, f"entry {row.enterprise}-{row.seq}"
    if row.body is None:
        raise NoFrame(f"{own} names the frame {row.frame}, which is not in ledger_frames: restore that table")
    filled = [name for name in IN_FRAME if values[name] is not None]
    if filled:
        raise NoFrame(f"{own} has a {filled[0]} of its own beside its frame: it was changed after booking")
    frame = frame_from(row.body)
    sign = 1 if row.reverses is None else -1
    figures = frame.calculation(sign * row.amount_u, sign * row.emission_g, sign * row.energy_gce)
    return {**{name: values[name] for name in _OUTSIDE}, **frame.members, "calculation": figures}


def row_of(entry: Entry) -> dict[str, Any]:
    """The columns of an entry, its frame's text under `body`."""
    row = {name: getattr(entry.draft, name) for name in _DRAFT_FIELDS}
    row["day"] = entry.draft.day.isoformat()
    row.update({name: getattr(entry, name) for name in _ENTRY_FIELDS}, frame=None, body=None)
    if entry.format != FRAMED:
        row["calculation"] = canonical(entry.draft.calculation)
        return row
    body = frame_text(entry.draft, entry.reverses)
    if body is None:
        raise StoreRefused(f"{entry.id} is of format {FRAMED}, and its calculation has no frame")
    row.update(dict.fromkeys(IN_FRAME), frame=frame_hash(body), body=body)
    return row


def keep_frames(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Store the frames of these rows that are not there yet, and take them out of the rows.

    Asked for first: SQLite's trigger refuses to insert over one, as if it were to be replaced.
    """
    bodies = {row["frame"]: row["body"] for row in rows if row["frame"] is not None}
    for row in rows:
        del row["body"]
    names = sorted(bodies)  # two writers insert in the same order, and so wait for each other and do not deadlock
    for first in range(0, len(names), IDS_PER_QUERY):
        some = names[first : first + IDS_PER_QUERY]
        there = set(connection.execute(select(ledger_frames.c.hash).where(ledger_frames.c.hash.in_(some))).scalars())
        missing = [{"hash": name, "body": bodies[name]} for name in some if name not in there]
        if missing:
            connection.execute(insert(connection, ledger_frames).on_conflict_do_nothing(), missing)
