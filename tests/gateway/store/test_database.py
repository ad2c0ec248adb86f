"""Opening, migrating and writing: what both engines promise."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, select, text

from collectors.errors import ConfigurationError, StoreRefused, StoreUnavailable
from gateway.store.database import alone, open_database, reading, take_turns, upsert, writing
from gateway.store.revisions import newest_revision, revision_of
from gateway.store.schema import changes, settings_kept
from gateway.store.upkeep_schema import metadata


def test_migrated_database_is_the_schema(engine: Engine) -> None:
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_comparison_sees_a_planted_difference(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE leases ADD COLUMN planted INTEGER"))
    with reading(engine) as connection:
        assert len(compare_metadata(MigrationContext.configure(connection), metadata)) == 1


def test_opening_again_keeps_what_is_there(database_url: str) -> None:
    first = open_database(database_url)
    with writing(first) as connection:
        upsert(connection, settings_kept, [{"key": "factors", "value": "abc"}])
    first.dispose()
    second = open_database(database_url)
    with reading(second) as connection:
        assert connection.execute(select(settings_kept.c.value)).scalar_one() == "abc"
    second.dispose()


def test_what_is_up_to_date_is_opened_without_alembic(database_url: str) -> None:
    open_database(database_url).dispose()
    lines = f"""
import sys
from gateway.store.database import open_database
open_database({database_url!r}).dispose()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", lines], check=False, timeout=60).returncode == 0


def test_newest_revision_is_the_one_that_alembic_ends_at(engine: Engine) -> None:
    with reading(engine) as connection:
        assert revision_of(connection) == newest_revision()


def test_replicas_may_start_at_once(database_url: str) -> None:
    engines: list[Engine] = []
    starters = [threading.Thread(target=lambda: engines.append(open_database(database_url))) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
    assert len(engines) == 4
    for engine in engines:
        engine.dispose()


def test_a_block_that_raises_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as connection:
        upsert(connection, settings_kept, [{"key": "half", "value": "done"}])
        raise RuntimeError
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(settings_kept)).scalar_one() == 0


def test_reading_sees_one_instant(engine: Engine) -> None:
    count = select(func.count()).select_from(settings_kept)
    with reading(engine) as reader:
        before = reader.execute(count).scalar_one()
        with writing(engine) as writer:
            upsert(writer, settings_kept, [{"key": "meanwhile", "value": ""}])
        assert reader.execute(count).scalar_one() == before
    with reading(engine) as reader:
        assert reader.execute(count).scalar_one() == before + 1


def test_read_then_write_of_many_threads_loses_nothing(engine: Engine) -> None:
    """Each reads the highest number and writes the next: without turns two would read the same, or deadlock."""

    def append() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                take_turns(connection, changes)
                last = connection.execute(select(func.coalesce(func.max(changes.c.seq), 0))).scalar_one()
                row = {"seq": last + 1, "kind": "rating", "enterprise": "e", "period": "2026", "version": 1, "at_ms": 0}
                connection.execute(changes.insert(), row)

    writers = [threading.Thread(target=append) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    with reading(engine) as connection:
        assert connection.execute(select(changes.c.seq).order_by(changes.c.seq)).scalars().all() == list(range(1, 41))


def test_repositories_join_the_callers_transaction(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as outer:
        with writing(outer) as inner:
            upsert(inner, settings_kept, [{"key": "inner", "value": ""}])
        raise RuntimeError
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(settings_kept)).scalar_one() == 0


@pytest.mark.parametrize("statement", ["UPDATE changes SET version = 2", "DELETE FROM changes"])
def test_what_only_grows_refuses_update_and_delete(engine: Engine, statement: str) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO changes VALUES (1, 'rating', 'e', '2026', 1, 0)"))
    with pytest.raises(StoreRefused, match="changes only grows"), writing(engine) as connection:
        connection.execute(text(statement))


def test_sqlite_replace_cannot_overwrite_what_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "tanmai.sqlite"
    open_database(f"sqlite:///{path}").dispose()
    stray = sqlite3.connect(path)  # a tool of somebody else's, without our settings
    stray.execute("INSERT INTO changes VALUES (1, 'rating', 'e', '2026', 1, 0)")
    with pytest.raises(sqlite3.IntegrityError, match="changes only grows"):
        stray.execute("INSERT OR REPLACE INTO changes VALUES (1, 'rating', 'e', '2026', 9, 0)")
    stray.close()


@pytest.mark.real("postgresql")
def test_postgresql_cannot_truncate_what_only_grows(postgresql: str) -> None:
    engine = open_database(postgresql)
    for table in (
        "ledger_entries",
        "ledger_frames",
        "changes",
        "ledger_roots",
        "ledger_spans",
        "finding_decisions",
        "footprints",
        "reopenings",
        "adjustments",
        "adjustment_decisions",
    ):
        with pytest.raises(StoreRefused, match=f"{table} only grows"), writing(engine) as connection:
            connection.execute(text(f"TRUNCATE {table}"))
    engine.dispose()


def test_sqlite_is_set_up_to_survive_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "new" / "100%" / "tanmai.sqlite"
    engine = open_database(f"sqlite:///{path}")
    with reading(engine) as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "no address secret"])
def test_address_that_cannot_be_one_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_database(url)
    assert "sqlite:///" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_silent_server_is_unavailable_and_its_password_not_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_database(f"postgresql+psycopg://tanmai:secret@/tanmai?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_database_of_a_newer_version_is_refused(database_url: str) -> None:
    engine = open_database(database_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer Tanmai"):
        open_database(database_url)


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        open_database(f"sqlite:///{tmp_path}/file/tanmai.sqlite")


def test_of_two_that_work_alone_the_second_waits_for_the_first(database_url: str) -> None:
    first, second = open_database(database_url), open_database(database_url)  # as two processes would
    order: list[str] = []
    inside = threading.Event()

    def wait_for_it() -> None:
        inside.wait(10)
        with alone(second):
            order.append("second")

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    with alone(first):
        inside.set()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    for engine in (first, second):
        engine.dispose()
