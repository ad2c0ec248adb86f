"""The buffer keeps what it was given until a receipt says otherwise: restarts, damage, limits, a full disk."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError, StoreUnavailable
from collectors.reading import Reading
from collectors.wire import ReasonCount, Receipt, decode_batch
from edge_agent.buffer import Buffer, BufferLimits, OutgoingBatch, open_buffer, read_stats

DAY_MS = 86_400_000
Readings = Callable[..., list[Reading]]
OpenAt = Callable[..., Buffer]


def take(buffer: Buffer, now_ms: int) -> list[OutgoingBatch]:
    batches = buffer.next_batches(now_ms)
    for batch in batches:
        buffer.mark_sent(batch, now_ms)
    return batches


def test_batch_carries_the_readings_and_its_own_id(open_at: OpenAt, make_readings: Readings, now_ms: int) -> None:
    buffer = open_at()
    batch_id = buffer.append(make_readings(3), now_ms)
    [outgoing] = take(buffer, now_ms)
    batch = decode_batch(outgoing.payload)
    assert outgoing.batch_id == batch.batch_id == batch_id
    assert batch.sent_at_ms == now_ms
    assert batch.blocks[0].values[:, 0].tolist() == [100.0, 101.0, 102.0]


def test_restart_resends_unconfirmed_batch_with_the_same_bytes(
    open_at: OpenAt, make_readings: Readings, now_ms: int
) -> None:
    buffer = open_at()
    buffer.append(make_readings(), now_ms)
    first = take(buffer, now_ms)
    assert take(buffer, now_ms + 1) == []
    again = take(open_at(), now_ms + 2)
    assert again == first


def test_unconfirmed_batch_is_resent_after_the_timeout(open_at: OpenAt, make_readings: Readings, now_ms: int) -> None:
    buffer = open_at(resend_after_ms=5_000)
    buffer.append(make_readings(), now_ms)
    first = take(buffer, now_ms)
    assert buffer.seconds_until_due(now_ms) == 5.0
    assert take(buffer, now_ms + 4_999) == []
    assert take(buffer, now_ms + 5_000) == first


@pytest.mark.parametrize("status", ["stored", "duplicate"])
def test_receipt_after_commit_forgets_the_batch(
    open_at: OpenAt, make_readings: Readings, now_ms: int, status: str
) -> None:
    buffer = open_at()
    kept, confirmed = (buffer.append(make_readings(), now_ms) for _ in range(2))
    take(buffer, now_ms)
    assert buffer.acknowledge([Receipt(confirmed, status)], now_ms) == 1  # type: ignore[arg-type]
    assert [batch.batch_id for batch in open_at().next_batches(now_ms)] == [kept]


@pytest.mark.parametrize("status", ["conflict", "rejected"])
def test_refused_batch_is_set_aside_with_its_bytes_and_reason(
    open_at: OpenAt, make_readings: Readings, now_ms: int, status: str
) -> None:
    buffer = open_at()
    batch_id = buffer.append(make_readings(4), now_ms)
    [sent] = take(buffer, now_ms)
    receipt = Receipt(batch_id, status, 0, 4, (ReasonCount("unknown_agent", 4),))  # type: ignore[arg-type]
    buffer.acknowledge([receipt], now_ms + 5)
    buffer = open_at()
    assert buffer.next_batches(now_ms) == []
    [aside] = buffer.set_aside()
    assert (aside.batch_id, aside.payload, aside.readings) == (batch_id, sent.payload, 4)
    assert (aside.status, aside.reasons, aside.at_ms) == (status, ("unknown_agent × 4",), now_ms + 5)


def test_receipt_for_an_unknown_batch_changes_nothing(open_at: OpenAt, make_readings: Readings, now_ms: int) -> None:
    buffer = open_at()
    buffer.append(make_readings(), now_ms)
    before = buffer.stats()
    assert buffer.acknowledge([Receipt("01UNKNOWN", "stored"), Receipt("", "rejected")], now_ms) == 0
    assert buffer.stats() == before


def test_over_the_size_limit_the_oldest_go_and_are_counted(
    open_at: OpenAt, make_readings: Readings, now_ms: int
) -> None:
    buffer = open_at(max_bytes=1)
    buffer.append(make_readings(2), now_ms)
    size = buffer.stats().payload_bytes
    buffer = open_at(max_bytes=3 * size + size // 2)
    ids = [buffer.append(make_readings(2), now_ms + index) for index in range(5)]
    stats = buffer.stats()
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == ids[-3:]
    assert (stats.dropped_batches, stats.dropped_readings) == (3, 6)
    assert stats.payload_bytes <= 3 * size + size // 2
    assert open_at().stats().dropped_readings == 6  # the count outlives a restart


def test_a_full_buffer_takes_a_batch_with_the_same_work_however_much_waits(
    open_at: OpenAt, make_readings: Readings, now_ms: int, tmp_path: Path
) -> None:
    def steps(waiting: int) -> int:
        """Of SQLite's machine, by tens, for one more batch in a buffer that is full with so many."""
        path = tmp_path / f"{waiting}.sqlite"
        with closing(open_buffer(path, BufferLimits(), now_ms)) as roomy:
            roomy.append_all([make_readings(1)] * waiting, now_ms)
            full = roomy.stats().payload_bytes
        with closing(open_buffer(path, BufferLimits(max_bytes=full), now_ms)) as buffer:
            buffer.append_all([make_readings(1)], now_ms)  # the first append asks for the oldest, once
            counted: list[None] = []
            buffer._connection.set_progress_handler(lambda: counted.append(None), 10)
            buffer.append_all([make_readings(1)], now_ms)
            buffer._connection.set_progress_handler(None, 0)
            assert buffer.stats().dropped_batches == 2
        return len(counted)

    assert steps(2_000) < 2 * steps(20)


def test_it_knows_of_which_time_the_newest_stretch_of_dropped_batches_is(
    open_at: OpenAt, make_readings: Readings, now_ms: int
) -> None:
    buffer = open_at(max_bytes=1)
    assert (buffer.stats().dropped_first_ms, buffer.stats().dropped_last_ms) == (None, None)
    for hour in (0, 1, 2, 3):
        buffer.append(make_readings(), now_ms + hour * 3_600_000)
    stretch = now_ms, now_ms + 2 * 3_600_000  # the newest is kept
    assert (buffer.stats().dropped_first_ms, buffer.stats().dropped_last_ms) == stretch
    later_ms = now_ms + 9 * DAY_MS
    buffer = open_at(max_bytes=1)
    buffer.append(make_readings(), later_ms)
    assert buffer.stats().dropped_first_ms == now_ms  # the one of the third hour belongs to it
    buffer.append(make_readings(), later_ms + 1)
    assert (buffer.stats().dropped_first_ms, buffer.stats().dropped_last_ms) == (later_ms, later_ms)


def test_set_aside_batches_make_room_before_waiting_ones(open_at: OpenAt, make_readings: Readings, now_ms: int) -> None:
    buffer = open_at()
    refused = buffer.append(make_readings(2), now_ms)
    buffer.acknowledge([Receipt(refused, "rejected")], now_ms)
    waiting = buffer.append(make_readings(2), now_ms)
    limit = buffer.stats().payload_bytes * 2 + 10
    buffer = open_at(max_bytes=limit)
    newest = buffer.append(make_readings(2), now_ms)
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == [waiting, newest]
    assert buffer.set_aside() == []
    assert (buffer.stats().dropped_set_aside, buffer.stats().dropped_batches) == (1, 0)


def test_the_newest_batch_is_kept_even_if_it_alone_exceeds_the_limit(
    open_at: OpenAt, make_readings: Readings, now_ms: int
) -> None:
    buffer = open_at(max_bytes=1)
    buffer.append(make_readings(), now_ms)
    newest = buffer.append(make_readings(), now_ms)
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == [newest]


def test_batches_past_the_age_limit_are_dropped_and_counted(
    open_at: OpenAt, make_readings: Readings, now_ms: int
) -> None:
    buffer = open_at(max_age_ms=DAY_MS)
    buffer.append(make_readings(3), now_ms)
    young = buffer.append(make_readings(3), now_ms + DAY_MS // 2)
    newest = buffer.append(make_readings(3), now_ms + DAY_MS + 1)
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == [young, newest]
    assert buffer.stats().dropped_readings == 3


@pytest.mark.parametrize("wreck", ["header", "middle", "not a database"])
def test_damaged_file_is_set_aside_and_a_new_one_begun(
    open_at: OpenAt, make_readings: Readings, now_ms: int, tmp_path: Path, wreck: str
) -> None:
    buffer = open_at()
    for _ in range(50):
        buffer.append(make_readings(50), now_ms)
    buffer.close()
    path = tmp_path / "buffer.sqlite"
    content = bytearray(path.read_bytes())
    if wreck == "header":
        content[16:100] = os.urandom(84)
    elif wreck == "middle":
        content[4096:] = b"\xa5" * (len(content) - 4096)
    else:
        content = bytearray(b"hello, I am no database at all, but long enough to be one" * 20)
    path.write_bytes(content)
    buffer = open_at()
    assert buffer.damaged_file == tmp_path / f"buffer.sqlite.damaged-{now_ms}"
    assert buffer.damaged_file.read_bytes() == content
    assert buffer.stats().batches == buffer.saved_batches == 0
    buffer.append(make_readings(), now_ms)
    assert len(buffer.next_batches(now_ms)) == 1


def test_a_bad_page_costs_the_batches_on_it_and_no_others(
    open_at: OpenAt, make_readings: Readings, now_ms: int, tmp_path: Path
) -> None:
    buffer = open_at(window=1000)
    for _ in range(300):
        buffer.append(make_readings(2), now_ms)
    before = buffer.next_batches(now_ms)
    buffer.close()
    path = tmp_path / "buffer.sqlite"
    content = bytearray(path.read_bytes())
    leaves = [page for page in range(2, len(content) // 4096 + 1) if content[(page - 1) * 4096] == 0x0D]
    middle = leaves[len(leaves) // 2]
    content[(middle - 1) * 4096 : middle * 4096] = os.urandom(4096)
    path.write_bytes(content)

    buffer = open_at(window=1000)
    saved = buffer.next_batches(now_ms)

    assert buffer.damaged_file is not None
    assert 200 < len(saved) == buffer.saved_batches < 300
    assert [batch for batch in before if batch in saved] == saved  # the same bytes, in the same order


def test_bytes_that_the_disk_changed_are_set_aside_and_never_sent(
    open_at: OpenAt, make_readings: Readings, now_ms: int, tmp_path: Path
) -> None:
    buffer = open_at()
    for _ in range(3):
        buffer.append(make_readings(3), now_ms)
    first, spoiled, last = buffer.next_batches(now_ms)
    buffer.close()
    path = tmp_path / "buffer.sqlite"
    path.write_bytes(path.read_bytes().replace(spoiled.payload, spoiled.payload.replace(b"101.0", b"901.0")))

    buffer = open_at()
    assert buffer.next_batches(now_ms) == [first, last]
    assert buffer.damaged_file is None  # SQLite itself sees nothing wrong
    assert buffer.damaged_batches == 1
    (aside,) = buffer.set_aside()
    assert (aside.batch_id, aside.status) == (spoiled.batch_id, "damaged")
    assert b"901.0" in aside.payload


def test_a_file_of_the_first_format_is_taken_over(
    open_at: OpenAt, make_readings: Readings, now_ms: int, tmp_path: Path
) -> None:
    buffer = open_at()
    buffer.append(make_readings(3), now_ms)
    (kept,) = buffer.next_batches(now_ms)
    buffer.close()
    with closing(sqlite3.connect(tmp_path / "buffer.sqlite")) as connection:
        connection.executescript("ALTER TABLE batches DROP COLUMN crc; PRAGMA user_version = 1;")

    buffer = open_at()
    assert buffer.next_batches(now_ms) == [kept]
    assert buffer.append(make_readings(3), now_ms)
    assert open_at().damaged_file is None


def test_another_programs_database_is_refused_untouched(tmp_path: Path, now_ms: int) -> None:
    path = tmp_path / "theirs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program"):
        open_buffer(path, BufferLimits(), now_ms)
    assert path.read_bytes() == before


def test_file_of_a_newer_agent_is_refused(open_at: OpenAt, tmp_path: Path, now_ms: int) -> None:
    open_at().close()
    connection = sqlite3.connect(tmp_path / "buffer.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer agent"):
        open_buffer(tmp_path / "buffer.sqlite", BufferLimits(), now_ms)


def test_two_agents_cannot_share_a_buffer(open_at: OpenAt, tmp_path: Path, now_ms: int) -> None:
    open_at()
    with pytest.raises(ConfigurationError, match="in use by another running agent"):
        open_buffer(tmp_path / "buffer.sqlite", BufferLimits(), now_ms)


def test_place_that_cannot_be_written_is_a_configuration_error(tmp_path: Path, now_ms: int) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        open_buffer(tmp_path / "file" / "buffer.sqlite", BufferLimits(), now_ms)
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_buffer(tmp_path / "folder.sqlite", BufferLimits(), now_ms)


def test_stats_can_be_read_beside_the_running_agent(
    open_at: OpenAt, make_readings: Readings, tmp_path: Path, now_ms: int
) -> None:
    buffer = open_at()
    buffer.append(make_readings(7), now_ms)
    assert read_stats(tmp_path / "buffer.sqlite") == buffer.stats()
    assert (buffer.stats().batches, buffer.stats().readings, buffer.stats().oldest_ms) == (1, 7, now_ms)


def test_full_disk_is_said_and_what_was_kept_stays(open_at: OpenAt, make_readings: Readings, now_ms: int) -> None:
    buffer = open_at()
    kept = buffer.append(make_readings(), now_ms)
    pages = buffer._connection.execute("PRAGMA page_count").fetchone()[0]
    buffer._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        buffer.append(make_readings(5000), now_ms)
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == [kept]
    buffer._connection.execute("PRAGMA max_page_count = 1000000")
    assert buffer.append(make_readings(5000), now_ms)
    assert buffer.stats().batches == 2


_APPENDER = """
import resource, signal, sys
from pathlib import Path
from collectors.errors import StoreUnavailable
from collectors.reading import Reading
from edge_agent.buffer import BufferLimits, open_buffer
path, most_bytes = Path(sys.argv[1]), int(sys.argv[2])
if most_bytes:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
buffer = open_buffer(path, BufferLimits(), 1_760_000_000_000)
reading = Reading("m", "power", 1_760_000_000_000, 1.0)
while True:
    try:
        ids = buffer.append_all([[reading] * (1 + 20 * bool(most_bytes))] * 3, 1_760_000_000_000)
    except StoreUnavailable as error:
        print("refused:", error, flush=True)
        break
    print(*ids, flush=True)
"""


def appender(path: Path, most_bytes: int = 0) -> subprocess.Popen[str]:
    """A process that appends three batches a commit, and says their ids, until it is stopped or refused."""
    command = [sys.executable, "-c", _APPENDER, str(path), str(most_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("commits", [1, 7, 60])
def test_sigkill_loses_no_batch_whose_append_returned(
    open_at: OpenAt, tmp_path: Path, now_ms: int, commits: int
) -> None:
    path = tmp_path / "buffer.sqlite"
    with appender(path) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(commits)]
        time.sleep(random.random() / 200)  # at any instant of the commits that follow
        process.send_signal(signal.SIGKILL)
        said += [line for line in process.stdout if line.endswith("\n")]
    ids = " ".join(said).split()
    buffer = open_at(window=len(ids) + 10)
    kept = [batch.batch_id for batch in buffer.next_batches(now_ms)]
    assert buffer.damaged_file is None
    assert kept[: len(ids)] == ids
    assert len(kept) - len(ids) in (0, 3)  # a commit may have ended and not been said: all of it or nothing


def test_disk_that_takes_no_more_bytes_refuses_in_words_and_keeps_what_it_took(
    open_at: OpenAt, tmp_path: Path, now_ms: int
) -> None:
    path = tmp_path / "buffer.sqlite"
    with appender(path, 512 * 1024) as process:  # the kernel refuses to let its files grow beyond
        assert process.stdout is not None
        *said, refused = list(process.stdout)
    assert refused.startswith("refused: the buffer file does not take or give data")
    ids = " ".join(said).split()
    buffer = open_at(window=len(ids) + 10)
    assert buffer.damaged_file is None
    assert [batch.batch_id for batch in buffer.next_batches(now_ms)] == ids
    assert len(ids) > 20
