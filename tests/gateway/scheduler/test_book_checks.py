"""Books are checked quickly, and never held for good where the slow way refuses them, whatever was changed in them."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from collectors.errors import StoreRefused
from gateway.carbon import ledger
from gateway.carbon.ledger import FRAMED, WHOLE, Posting, verify_chain
from gateway.carbon.model import Entry
from gateway.carbon.quick_chain import QuickChecks
from gateway.scheduler.book_checks import BookChecks
from gateway.scheduler.changed_rules import EVER
from gateway.settings import Settings
from gateway.store.entry_columns import IN_FRAME
from gateway.store.evidence_store import EvidenceStore
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.ledger_rows import LedgerRows
from gateway.store.schema import ledger_entries
from tests.gateway.carbon.quick_rows import frames_of, rows_of
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, steady

SCAN = b"%PDF-1.7 a bill"
COLUMNS = [column.name for column in ledger_entries.columns]
IN_BOTH_FORMATS = pytest.mark.parametrize("booked", [WHOLE, FRAMED], indirect=True)


@pytest.fixture
def booked(plant: Plant, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Three booked days of two enterprises, one of them with a late reading and a record with its evidence."""
    if getattr(request, "param", FRAMED) == WHOLE:
        monkeypatch.setattr(ledger, "frame_text", lambda *_: None)  # as before there were frames
    readings = steady("2026-10-05 00:00", 72, 0.0, 100.7)
    plant.put("incomer", "energy_import", readings[:100] + readings[101:])
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 72, 0.0, 10.0), SECOND)
    record = {"id": "b1", "source": "billets", "from": "2026-10-05", "to": "2026-10-07", "amount": 9, "unit": "t"}
    sent = {"bill.pdf": base64.b64encode(SCAN).decode()}
    records = [{**record, "evidence": "bill.pdf"}]
    plant.house.operations.call("records_import", enterprise=PLANT, records=records, evidence=sent)
    plant.roll_up("2026-10-08 01:00")
    plant.put("incomer", "energy_import", [readings[100]])
    plant.roll_up("2026-10-08 02:00")
    return plant


@pytest.fixture
def tampered(booked: Plant) -> Iterator[Connection]:
    """A transaction in which the ledger can be changed; nothing of it stays."""
    with booked.house.engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
        yield connection
        connection.rollback()


def row_of(connection: Connection, column: str, rowid: int) -> Any:
    cell = f"SELECT typeof({column}), CAST({column} AS BLOB) FROM ledger_entries WHERE rowid = {rowid}"
    return tuple(connection.execute(text(cell)).one())


VALUES = st.one_of(
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.binary(max_size=10),
    st.sampled_from(
        ["", "0", '"', "\\", '","amount_u":1,"basis":"x', "null", "true", "{}", '{"amount":"1"}', "x\x00y"]
    ),
)
# Near to what stands there: the same as other types, one more, a byte more or less.
CHANGES = (
    "CAST({0} AS BLOB)", "CAST({0} AS TEXT)", "CAST({0} AS REAL) + 0.5", "{0} + 1", "-{0}", "{0} || ' '", "' ' || {0}",
    "{0} || char(0)", "{0} || char(0) || 'x'", "substr({0}, 2)", "upper({0})", "replace({0}, '0', '1')",
    "replace({0}, '\"', '')", "CAST(x'ff' AS TEXT)", "CAST({0} AS TEXT) || '.0'",
)  # fmt: skip


@IN_BOTH_FORMATS
def test_each_column_changed_in_every_way_is_found(booked: Plant, tampered: Connection) -> None:
    """Columns that are empty are filled: see the next test."""
    query = text(f"SELECT min(seq) FROM ledger_entries WHERE enterprise = '{PLANT}' AND reverses IS NOT NULL")
    reversal = tampered.execute(query).scalar_one()
    filled = tampered.execute(text(f"SELECT * FROM ledger_entries WHERE enterprise = '{PLANT}' AND seq = 4")).one()
    for column in COLUMNS:
        if column != "reverses" and getattr(filled, column) is None:
            continue
        seq = reversal if column == "reverses" else 4
        changed = [own for own in CHANGES if found_as_the_slow_way_does(booked, tampered, column, seq, own, {})]
        assert len(changed) > len(CHANGES) // 3, f"only {changed} change {column}"


@IN_BOTH_FORMATS
def test_each_empty_column_that_is_filled_is_found(booked: Plant, tampered: Connection) -> None:
    standing = tampered.execute(text(f"SELECT * FROM ledger_entries WHERE enterprise = '{PLANT}' AND seq = 4")).one()
    empty = [column for column in COLUMNS if getattr(standing, column) is None]
    assert len(empty) == 1 + (1 if standing.format == WHOLE else len(IN_FRAME))
    for column in empty:
        for value in ("'x'", "''", "0", "1", "0.5", "x'00'", "'{}'", "'false'"):
            assert found_as_the_slow_way_does(booked, tampered, column, 4, value, {})


@IN_BOTH_FORMATS
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=st.sampled_from(COLUMNS), seq=st.integers(1, 6), value=VALUES)
def test_any_value_put_in_a_column_is_found(
    booked: Plant, tampered: Connection, column: str, seq: int, value: Any
) -> None:
    assume(found_as_the_slow_way_does(booked, tampered, column, seq, ":value", {"value": value}))


def found_as_the_slow_way_does(
    booked: Plant, tampered: Connection, column: str, seq: int, change: str, given_values: dict[str, Any]
) -> bool:
    """Make the change and look, or False if it changes nothing."""
    rowid = tampered.execute(
        text(f"SELECT rowid FROM ledger_entries WHERE enterprise = '{PLANT}' AND seq = {seq}")
    ).scalar_one()
    assert seq < booked.chain_length(), "that the newest entry is taken off is missed by roots and statements"
    before = row_of(tampered, column, rowid)
    with tampered.begin_nested() as trial:
        update = f"UPDATE OR IGNORE ledger_entries SET {column} = {change.format(column)} WHERE rowid = {rowid}"
        tampered.execute(text(update), given_values)
        is_other: bool = row_of(tampered, column, rowid) != before
        found = checks_of(booked, tampered).report(PLANT, EVER) if is_other else None
        slow = slowly(tampered) if is_other else ""
        trial.rollback()
    if is_other:
        assert found is not None and found.chain is not None, (column, seq, change)
        assert not slow or found.chain.entry == slow, found.chain
    return is_other


def test_a_changed_frame_is_named_at_the_first_entry_that_names_it(booked: Plant, tampered: Connection) -> None:
    for seq, frame in firsts_of_frames(tampered):
        changed = 0
        for column, change in itertools.product(("hash", "body"), CHANGES):
            with tampered.begin_nested() as trial:
                before = tampered.execute(FRAMES).all()
                tampered.execute(
                    text(f"UPDATE ledger_frames SET {column} = {change.format(column)} WHERE hash = '{frame}'")
                )
                if tampered.execute(FRAMES).all() != before:
                    assert named_of(booked, tampered) == (f"{PLANT}-{seq}", True), (seq, column, change)
                    changed += 1
                trial.rollback()
        assert changed > len(CHANGES)


def test_a_missing_or_exchanged_frame_is_named(booked: Plant, tampered: Connection) -> None:
    firsts = firsts_of_frames(tampered)
    assert len(firsts) == 2  # of grid and of billets
    (seq, frame), (later, other) = firsts
    body = f"(SELECT body FROM ledger_frames WHERE hash = '{other}')"
    for change in (
        f"DELETE FROM ledger_frames WHERE hash = '{frame}'",
        "DELETE FROM ledger_frames",
        f"UPDATE ledger_frames SET body = {body} WHERE hash = '{frame}'",
    ):
        with tampered.begin_nested() as trial:
            tampered.execute(text(change))
            assert named_of(booked, tampered) == (f"{PLANT}-{seq}", True), change
            trial.rollback()
    with tampered.begin_nested() as trial:  # an entry that names the frame of another one
        tampered.execute(text(f"UPDATE ledger_entries SET frame = '{other}' WHERE frame = '{frame}' AND seq = {seq}"))
        assert named_of(booked, tampered) == (f"{PLANT}-{seq}", False)
        trial.rollback()
    assert later != seq and named_of(booked, tampered) == ("", False), "nothing of it stays"


FRAMES = text("SELECT typeof(hash), CAST(hash AS BLOB), typeof(body), CAST(body AS BLOB) FROM ledger_frames")


def firsts_of_frames(connection: Connection) -> list[tuple[int, str]]:
    query = f"SELECT min(seq), frame FROM ledger_entries WHERE enterprise = '{PLANT}' GROUP BY frame ORDER BY 1"
    return [(seq, frame) for seq, frame in connection.execute(text(query))]


def named_of(plant: Plant, connection: Connection) -> tuple[str, bool]:
    """The entry that is named, and whether its frame is."""
    found = checks_of(plant, connection).report(PLANT, EVER).chain
    return ("", False) if found is None else (found.entry, "the frame " in found.what)


def checks_of(plant: Plant, connection: Connection) -> BookChecks:
    return BookChecks.of(connection, plant.house.signer, plant.house.evidence)


def slowly(connection: Connection) -> str:
    """The entry that `verify_chain` names, of a chain that can be read at all."""
    try:
        found = verify_chain(LedgerRepository(connection).chain(PLANT))
    except (TypeError, ValueError, AttributeError, msgspec.MsgspecError, DBAPIError, StoreRefused):
        return ""
    return "" if found is None else found.entry


def test_the_quick_way_takes_a_true_chain_whole(booked: Plant) -> None:
    chains = LedgerRows(booked.house.engine)
    rows, body_of = list(chains.rows(PLANT)), chains.body_of
    held = QuickChecks().booked(PLANT, rows, body_of)
    assert held is not None and len(held) == booked.chain_length() > 6
    entries = list(LedgerRepository(booked.house.engine).chain(PLANT))
    assert [one.hash for one in held] == [entry.hash for entry in entries]
    assert [one.emission_g for one in held] == [entry.draft.emission_g for entry in entries]
    assert any(entry.reverses for entry in entries)
    assert QuickChecks().booked(PLANT, rows[1:], body_of) is None
    assert QuickChecks().booked(PLANT, [rows[0], *rows[2:]], body_of) is None
    assert QuickChecks().booked(PLANT, [rows[1], rows[0], *rows[2:]], body_of) is None


def test_a_chain_made_anew_with_a_wrong_figure_is_refused(booked: Plant) -> None:
    """The hashes fit: somebody computed them all again. The calculation does not give the figure."""
    entries = list(LedgerRepository(booked.house.engine).chain(PLANT))
    for name in ("emission_g", "energy_gce"):
        forged = _forged(next(entry for entry in entries if "energy" in entry.draft.calculation), name)
        assert forged[0].format == FRAMED
        assert verify_chain(forged) is not None
        assert QuickChecks().booked(PLANT, rows_of(forged), frames_of(forged).__getitem__) is None
    assert QuickChecks().booked(PLANT, rows_of(entries), frames_of(entries).__getitem__) is not None


def _forged(entry: Entry, name: str) -> list[Entry]:
    figure: Any = {name: getattr(entry.draft, name) + 1}
    said = {name: str(figure[name])}
    calculation = dict(entry.draft.calculation)
    calculation.update(said if name == "emission_g" else {"energy": {**calculation["energy"], **said}})
    draft = replace(entry.draft, **figure, calculation=calculation)
    return ledger.append(None, [Posting(draft, "automatic")], entry.booked_at_ms)


def test_several_processes_say_what_one_says(booked: Plant) -> None:
    alone = booked.house.operations.call("verify", workers=1)
    assert alone["ok"] and alone["checked"]["evidence_files"] == 1
    assert booked.house.operations.call("verify", workers=2) == alone


def test_several_processes_name_the_first_break(booked: Plant) -> None:
    with booked.house.engine.begin() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("UPDATE ledger_entries SET emission_g = emission_g + 1 WHERE seq = 3"))
    alone = booked.house.operations.call("verify", workers=1)
    assert alone["first_break"]["entry"] == f"{PLANT}-3"
    assert booked.house.operations.call("verify", workers=2) == alone


def evidence_of(settings: Settings) -> Path:
    (file,) = (path for path in (settings.data_path / "evidence").rglob("*") if path.is_file())
    return file


def test_evidence_that_is_gone_is_named(booked: Plant, settings: Settings) -> None:
    evidence_of(settings).unlink()
    broken = booked.house.operations.call("verify")["first_break"]
    assert (broken["enterprise"], broken["period"]) == (PLANT, "2026-10-05")
    assert "record b1 rests on evidence" in broken["what"] and "is not on this machine's disk" in broken["what"]


def test_evidence_that_was_changed_is_named(booked: Plant, settings: Settings) -> None:
    evidence_of(settings).write_bytes(SCAN.replace(b"bill", b"bell"))
    assert "was changed on disk" in booked.house.operations.call("verify", period="2026-10-06")["first_break"]["what"]
    assert booked.house.operations.call("verify", period="2026-10-08")["ok"], "another day does not rest on it"


def test_evidence_is_the_enterprise_own(booked: Plant, settings: Settings) -> None:
    store = EvidenceStore(booked.house.engine, settings.data_path / "evidence")
    digest = evidence_of(settings).name
    assert store.fault(PLANT, digest) == ""
    assert "never sent" in store.fault(SECOND, digest)
