"""Archived months against a model: whatever is appended, archived, forgotten and restarted, in any order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from collectors.clock import HOUR_MS
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns
from tests.gateway.store.archived import EVER, OCTOBER, archive_all

times = st.integers(0, 40).map(lambda step: OCTOBER + step * 36 * HOUR_MS)  # over two months, often the same
points = st.integers(1, 3)


class ArchiveModel(RuleBasedStateMachine):
    """Appends, archiving, restarts in any order, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = DuckDBStore(self.folder / "timeseries.duckdb")
        self.stored: dict[tuple[int, int], float] = {}
        self.count = 0

    @rule(rows=st.lists(st.tuples(points, times), min_size=1, max_size=6))
    def append(self, rows: list[tuple[int, int]]) -> None:
        values = [float(self.count + number) for number in range(len(rows))]
        self.count += len(rows)
        self.stored |= dict(zip(rows, values, strict=True))
        ids, at_ms = zip(*rows, strict=True)
        self.store.append(
            ReadingColumns(
                np.array(ids, np.int32), np.array(at_ms, np.int64), np.array(values), np.zeros(len(rows), np.uint8)
            )
        )

    @rule(before=times)
    def archive(self, before: int) -> None:
        archive_all(self.store, before)

    @rule(limits=st.dictionaries(points, times, min_size=1))
    def forget(self, limits: dict[int, int]) -> None:
        self.store.forget(limits)
        self.stored = {key: value for key, value in self.stored.items() if key[1] >= limits.get(key[0], 0)}

    @rule()
    def archive_one(self) -> None:
        self.store.archive(EVER)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = DuckDBStore(self.folder / "timeseries.duckdb")

    @invariant()
    def all_readings_are_there(self) -> None:
        found = self.store.read([1, 2, 3], 0, EVER)
        rows = zip(found.point_id.tolist(), found.at_ms.tolist(), found.value.tolist(), strict=True)
        assert [((point, at_ms), value) for point, at_ms, value in rows] == sorted(self.stored.items())

    @rule(point=points, at_ms=times, count=st.integers(1, 4))
    def neighbours_are_found(self, point: int, at_ms: int, count: int) -> None:
        own = sorted(at for number, at in self.stored if number == point)
        before = self.store.before([point], at_ms, count).at_ms.tolist()
        assert before == [at for at in own if at < at_ms][-count:]
        assert self.store.after([point], at_ms, count).at_ms.tolist() == [at for at in own if at >= at_ms][:count]

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestArchiveModel = ArchiveModel.TestCase
TestArchiveModel.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
