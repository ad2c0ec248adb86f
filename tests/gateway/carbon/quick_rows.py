"""Entries as the rows that the quick way reads, and their frames, made without a database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from gateway.carbon import ledger
from gateway.carbon.evidence import canonical_json
from gateway.carbon.frames import frame_hash, frame_text
from gateway.carbon.headings import STEADY, STEADY_BESIDE_FRAME, VARYING, Row
from gateway.carbon.ledger import FRAMED
from gateway.carbon.model import Entry


def rows_of(entries: Iterable[Entry]) -> Iterator[Row]:
    for entry in entries:
        members = json.loads(ledger.text_of(entry))
        if entry.format == FRAMED:
            key = json.dumps([members[name] for name in STEADY_BESIDE_FRAME])
            members["calculation"] = None
        else:
            key = json.dumps([members[name] for name in STEADY])
            members["calculation"] = canonical_json(members["calculation"]).encode()
        yield (key, *(members[name] for name in VARYING), entry.hash)


def frames_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The frames that entries name, by name."""
    framed = (entry for entry in entries if entry.format == FRAMED)
    bodies = [frame_text(entry.draft, entry.reverses) for entry in framed]
    return {frame_hash(body): body for body in bodies if body is not None}
