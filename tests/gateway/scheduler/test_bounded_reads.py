"""No part of a roll-up holds more rows than fit, and however it is cut the same is booked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scheduler import bounded_reads
from gateway.scheduler.bounded_reads import bounded
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import ReadingColumns
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, steady
from tests.plant_life.quick_store import QuickStore

MOST = 150  # a day of the plant's points has 96 rows each


class Counted(QuickStore):
    """A store that has so many rows of each point on each day, a day being as long as one number."""

    def __init__(self, rows: dict[tuple[int, int], int]) -> None:
        super().__init__()
        self.rows = rows

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        found = Counter[int]()
        for (point, day), rows in self.rows.items():
            if point in point_ids and start_ms <= day < end_ms:
                found[point] += rows
        return dict(found)


@given(rows=st.dictionaries(st.tuples(st.integers(1, 9), st.integers(0, 6)), st.integers(0, 400)))
def test_parts_cover_everything_once_and_hold_no_more_than_fits(rows: dict[tuple[int, int], int]) -> None:
    store = Counted(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_reads, "MOST_ROWS", MOST)
        patch.setattr(bounded_reads, "QUICKEST_PER_HOUR", MOST)
        parts = list(bounded(store, range(1, 10), range(8)))
    covered = [(point, day) for points, days in parts for point in points for day in days[:-1]]
    assert sorted(covered) == [(point, day) for point in range(1, 10) for day in range(7)]
    for point in range(1, 10):
        assert [day for own, day in covered if own == point] == list(range(7))
    for points, days in parts:
        assert sum(store.counts(points, days[0], days[-1]).values()) <= MOST or (len(points), len(days)) == (1, 2)


def booked(plant: Plant) -> list[tuple[str, str, int, str]]:
    return [
        (entry.draft.source, entry.draft.day.isoformat(), entry.draft.amount_u, entry.draft.digest)
        for name in (PLANT, SECOND)
        for entry in LedgerRepository(plant.house.engine).chain(name)
    ]


def put_days(plant: Plant) -> None:
    """Three days, a gap over midnight, and a late quarter of an hour."""
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 70, 10.0, 33.3))
    plant.put("incomer", "energy_import", steady("2026-10-04 05:00", 19, 3_000.0, 33.3))
    plant.put("gas", "volume", steady("2026-10-01 00:00", 96, 999_990.0, 0.5))
    plant.put("incomer", "energy_import", steady("2026-10-02 00:00", 72, 0.0, 5.0), SECOND)


def test_a_roll_up_holds_no_more_rows_than_fit_at_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    put_days(plant)
    plant.roll_up("2026-10-05 00:00")
    expected = booked(plant)
    largest: list[int] = []
    read = DuckDBStore.read

    def measured(store: DuckDBStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        found = read(store, point_ids, start_ms, end_ms)
        largest.append(len(found))
        return found

    monkeypatch.setattr(DuckDBStore, "read", measured)
    monkeypatch.setattr(bounded_reads, "MOST_ROWS", MOST)
    monkeypatch.setattr(bounded_reads, "QUICKEST_PER_HOUR", MOST)
    put_days(plant)  # sent again: all of it is computed again
    done = plant.roll_up("2026-10-05 00:01")
    assert done["usage"]["hours_due"] > 200
    assert booked(plant) == expected
    # Rows sent twice count twice, so a part is a day of one point; with the margin that is read around it.
    assert max(largest) <= 96 + 2 * 8 + 2 * 24
    assert plant.house.operations.call("verify")["ok"]


def test_a_day_that_was_sent_over_and_over_is_read_in_slices(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    put_days(plant)
    plant.roll_up("2026-10-05 00:00")
    expected = booked(plant)
    largest: list[int] = []
    read = DuckDBStore.read

    def measured(store: DuckDBStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        largest.append(sum(store.counts(point_ids, start_ms, end_ms).values()))
        return read(store, point_ids, start_ms, end_ms)

    monkeypatch.setattr(DuckDBStore, "read", measured)
    monkeypatch.setattr(bounded_reads, "MOST_ROWS", 4 * MOST)
    monkeypatch.setattr(bounded_reads, "SLICE_ROWS", MOST)
    monkeypatch.setattr(bounded_reads, "QUICKEST_PER_HOUR", MOST)
    for _ in range(6):
        put_days(plant)
    plant.roll_up("2026-10-05 00:01")
    assert booked(plant) == expected
    # A day's 96 quarters of an hour stand there seven times. Slices are equally long, whatever gaps there are.
    assert max(largest) <= 2 * MOST
