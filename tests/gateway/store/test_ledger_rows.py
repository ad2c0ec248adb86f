"""Rows with what their headings say are byte for byte what the entries' hashes cover, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from collectors.errors import StoreRefused
from gateway.carbon import ledger
from gateway.carbon.emission import decimal_text
from gateway.carbon.evidence import canonical_json
from gateway.carbon.frames import frame_text
from gateway.carbon.headings import VARYING, Heading, Row
from gateway.carbon.ledger import FRAMED, Posting, append, reversal_of
from gateway.carbon.model import Draft, Entry
from gateway.store.database import open_database, writing
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.ledger_rows import LedgerRows

PLANT = "91350500M00000000Y"
ODD = (
    "plain", "", " ", 'a "quoted" word', "back\\slash", '\\"', "×÷·碳脉", "\U0001f331",
    "".join(map(chr, range(1, 0x20))),
    "\x7f\x80\x9f", "\u2028\u2029", "tab\tline\nend\r", "{}[],:", "</script>", "%s %d", "null", "1", "\\u00e9",
)  # fmt: skip


def draft(odd: str, number: int) -> Draft:
    return Draft(
        enterprise=PLANT, source=odd, day=date(2026, 10, 1 + number % 28), activity=odd, scope=number % 3 + 1,
        stage=odd[:16], category=number, amount_u=(-1) ** number * 2**62, unit=odd[:16], factor=odd, edition=odd,
        basis=odd[:24], gwp=odd[:8], emission_g=-number, energy_gce=2**61 + number, provisional=number % 2 == 0,
        coverage_ppm=1_000_000, estimated_ppm=0, digest="ab" * 32, calculation={"note": odd, "none": None, "x": 0.1},
    )  # fmt: skip


@pytest.fixture
def entries(engine: Engine) -> list[Entry]:
    return booked_in(engine)


def booked_in(engine: Engine) -> list[Entry]:
    drafts = [draft(odd, number) for number, odd in enumerate(ODD)]
    postings = [Posting(own, "automatic") for own in drafts] + [Posting(reversal_of(drafts[2]), "late-data", 3)]
    booked = append(None, postings, 1_790_000_000_000)
    LedgerRepository(engine).append(booked)
    return booked


def text_of(row: Row) -> bytes:
    key, *varying, _ = row
    values: dict[str, Any] = dict(zip(VARYING, varying, strict=True))
    values = {name: value.encode() if isinstance(value, str) else value for name, value in values.items()}
    values["reverses"] = canonical_json(values["reverses"]).encode()
    assert values["calculation"] is not None, "none of these calculations has a frame"
    return Heading.of(PLANT, key).template % tuple(values.values())


@pytest.mark.parametrize("chunk", [1, 7, len(ODD) + 1, 2_000])
def test_texts_are_the_canonical_ones(engine: Engine, entries: list[Entry], chunk: int) -> None:
    rows = list(LedgerRows(engine).rows(PLANT, chunk))
    assert [text_of(row) for row in rows] == [ledger.text_of(entry).encode() for entry in entries]
    assert [row[-1] for row in rows] == [entry.hash for entry in entries]


def test_entries_that_share_a_frame_come_with_its_name_and_no_calculation(engine: Engine) -> None:
    drafts = [framed(draft(odd, number)) for number, odd in enumerate(ODD)]
    postings = [Posting(own, "automatic") for own in drafts] + [Posting(reversal_of(drafts[2]), "late-data", 3)]
    booked = append(None, postings, 1_790_000_000_000)
    book, chains = LedgerRepository(engine), LedgerRows(engine)
    book.append(booked[:5])
    book.append(booked[5:])
    assert {entry.format for entry in booked} == {FRAMED}
    assert list(book.chain(PLANT)) == booked
    assert book.newest(PLANT) == book.newest_of([PLANT])[PLANT] == booked[-1]
    rows = list(chains.rows(PLANT))
    for row, entry in zip(rows, booked, strict=True):
        key, *varying, own_hash = row
        values: dict[str, Any] = dict(zip(VARYING, varying, strict=True))
        body = chains.body_of(msgspec.json.decode(key)[0])
        assert (values["calculation"], own_hash, frame_text(entry.draft, entry.reverses)) == (None, entry.hash, body)
    assert chains.frame_fault(PLANT) is None
    with pytest.raises(KeyError):
        chains.body_of("0" * 64)
    with pytest.raises(StoreRefused, match="ledger_frames only grows"), writing(engine) as connection:
        connection.execute(text("UPDATE ledger_frames SET body = '{}'"))


def framed(own: Draft) -> Draft:
    """With a calculation that has a frame."""
    figures = {"amount": decimal_text(own.amount_u), "emission_g": str(own.emission_g)}
    return replace(own, calculation={**figures, "note": own.source, "none": None})


def test_other_chains_are_left_out(engine: Engine, entries: list[Entry]) -> None:
    other = replace(entries[0].draft, enterprise="91350500M00000001W")
    LedgerRepository(engine).append(append(None, [Posting(other, "automatic")], 1))
    assert len(list(LedgerRows(engine).rows(PLANT))) == len(entries)
    assert list(LedgerRows(engine).rows("91350500M00000002T")) == []


@pytest.mark.parametrize("spoilt", ["CAST(unit AS BLOB)", "CAST(x'ff' AS TEXT)"])
def test_bytes_in_place_of_text_are_refused(tmp_path: Path, spoilt: str) -> None:
    """SQLite stores any type in any column; bytes that look like the text are still not what was booked."""
    engine = open_database(f"sqlite:///{tmp_path / 'tanmai.sqlite'}")
    assert len(booked_in(engine)) > 2
    with engine.begin() as connection:
        triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in triggers:
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(f"UPDATE ledger_entries SET unit = {spoilt} WHERE seq = 2"))
    with pytest.raises(StoreRefused, match="no text or number"):
        list(LedgerRows(engine).rows(PLANT))
    engine.dispose()
