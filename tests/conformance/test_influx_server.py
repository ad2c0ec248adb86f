"""InfluxDB as servers behave: away, killed, locked, choosy; and the v2 write path into a real VictoriaMetrics."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreRefused, StoreUnavailable
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import PointDirectory, PointRef, ReadingColumns, TimeSeriesStore, UsageColumns

T0_MS = 1_760_000_400_000 // HOUR_MS * HOUR_MS


def readings(point: int, start_ms: int, values: list[float], step_ms: int = 1000) -> ReadingColumns:
    count = len(values)
    return ReadingColumns(
        np.full(count, point, np.int32),
        start_ms + step_ms * np.arange(count, dtype=np.int64),
        np.array(values, float),
        np.zeros(count, np.uint8),
    )


def values_of(store: TimeSeriesStore, point: int = 1) -> list[float]:
    return store.read([point], 0, 2 * T0_MS).value.tolist()


@pytest.mark.real("influxdb")
def test_a_stopped_server_is_unavailable_notes_nothing_and_works_again_when_back(
    own_influxd: Any, open_influx: Callable[[Any], TimeSeriesStore]
) -> None:
    store = open_influx(own_influxd)
    store.append(readings(1, T0_MS, [1.0]))
    own_influxd.end()
    hour = np.array([T0_MS], np.int64)
    attempts: list[Callable[[], object]] = [
        lambda: store.append(readings(1, T0_MS + HOUR_MS, [2.0])),
        lambda: store.read([1], 0, 2 * T0_MS),
        lambda: store.latest([1]),
        lambda: store.put_usage(UsageColumns(np.array([1], np.int32), hour, hour, hour, hour)),
        store.ping,
    ]
    for attempt in attempts:
        with pytest.raises(StoreUnavailable, match=rf"127\.0\.0\.1:{own_influxd.port}.*connection refused"):
            attempt()
    assert store.dirty_count() == 1  # only what was stored before
    own_influxd.start()
    store.append(readings(1, T0_MS + HOUR_MS, [2.0]))
    assert values_of(store) == [1.0, 2.0]
    assert store.dirty_count() == 2


@pytest.mark.real("influxdb")
def test_every_append_that_returned_survives_a_killed_server(
    own_influxd: Any, open_influx: Callable[[Any], TimeSeriesStore]
) -> None:
    store = open_influx(own_influxd)
    for n in range(20):
        store.append(readings(1, T0_MS + n * HOUR_MS, [float(n)] * 50))
    own_influxd.end(signal.SIGKILL)
    own_influxd.start()
    assert values_of(store) == [float(n) for n in range(20) for _ in range(50)]
    assert store.dirty_count() == 20


@pytest.mark.real("influxdb")
def test_a_partial_write_names_what_was_refused_and_notes_what_was_kept(
    influxd: Any, relational: Engine, directory: PointDirectory, tmp_path: Path
) -> None:
    bucket = f"test-{uuid.uuid4()}"
    store = open_timeseries(
        f"influx://127.0.0.1:{influxd.port}/?bucket={bucket}", path=tmp_path, directory=directory, engine=relational
    )
    store.append(readings(2, T0_MS + 50 * HOUR_MS, [0.0]))
    # Another program has written integers into one shard of our measurement: readings of that week are refused.
    # InfluxDB checks field types per shard, and a shard of the default policy is a week.
    week_later_ms = T0_MS + 14 * 24 * HOUR_MS
    foreign = f"reading,enterprise=other value=1i,quality=0i {week_later_ms}"
    parameters = f"db={bucket}&precision=ms"
    assert urllib3.request("POST", f"{influxd.base}/write?{parameters}", body=foreign).status == 204
    mixed = ReadingColumns.concatenate([readings(1, T0_MS, [1.0, 2.0]), readings(1, week_later_ms, [3.0])])
    with pytest.raises(StoreRefused, match=r"refuses these lines \(HTTP 400\): partial write: field type conflict"):
        store.append(mixed)
    assert values_of(store) == [1.0, 2.0]
    claimed = store.claim_dirty(10)
    assert (1, T0_MS) in zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True)
    store.close()


@pytest.mark.real("influxdb")
def test_points_beyond_the_retention_are_refused_by_name(
    influxd: Any, relational: Engine, directory: PointDirectory, tmp_path: Path
) -> None:
    bucket = f"test-{uuid.uuid4()}"
    statement = f'CREATE DATABASE "{bucket}" WITH DURATION 1d NAME "short"'
    urllib3.request("POST", f"{influxd.base}/query", fields={"q": statement})
    url = f"influx://127.0.0.1:{influxd.port}/?bucket={bucket}/short"
    store = open_timeseries(url, path=tmp_path, directory=directory, engine=relational)
    with pytest.raises(StoreRefused, match=r"points beyond retention policy dropped=2"):
        store.append(readings(1, T0_MS - 10 * 365 * 24 * HOUR_MS, [1.0, 2.0]))
    store.close()


@pytest.mark.real("influxdb")
def test_rows_that_another_program_wrote_without_all_fields_are_left_out(
    influxd: Any, relational: Engine, directory: PointDirectory, tmp_path: Path
) -> None:
    bucket = f"test-{uuid.uuid4()}"
    plain = lambda point_id: PointRef(point_id, "E", "meter", f"p{point_id}", "power")  # noqa: E731
    url = f"influx://127.0.0.1:{influxd.port}/?bucket={bucket}"
    store = open_timeseries(url, path=tmp_path, directory=plain, engine=relational)
    store.append(readings(1, T0_MS, [1.0, 2.0]))
    foreign = f"reading,enterprise=E,device=meter,point=p1 value=9.5 {T0_MS + 1}"
    urllib3.request("POST", f"{influxd.base}/write?db={bucket}&precision=ms", body=foreign)
    assert values_of(store) == [1.0, 2.0]
    store.close()


@pytest.mark.real("influxdb")
def test_a_locked_server_takes_the_password_and_a_wrong_one_is_a_matter_of_settings(
    own_influxd: Any, relational: Engine, directory: PointDirectory, tmp_path: Path
) -> None:
    for statement in (
        "CREATE USER admin WITH PASSWORD 'other' WITH ALL PRIVILEGES",
        "CREATE DATABASE locked",
        "CREATE USER park WITH PASSWORD 'right horse'",
        "GRANT ALL ON locked TO park",
    ):
        urllib3.request("POST", f"{own_influxd.base}/query", fields={"q": statement})
    own_influxd.end()
    config = own_influxd.log.parent / "influxdb.conf"
    config.write_text(config.read_text().replace("[http]", "[http]\nauth-enabled = true"))
    own_influxd.start()

    def opened(login: str, parameters: str = "") -> TimeSeriesStore:
        url = f"influx://{login}127.0.0.1:{own_influxd.port}/?bucket=locked{parameters}"
        return open_timeseries(url, path=tmp_path, directory=directory, engine=relational)

    for store in (opened("park:wrong%20horse@"), opened("", "&user=park&password=wrong%20horse"), opened("")):
        with pytest.raises(StoreUnavailable, match=r"HTTP 401 .*check TANMAI_TIMESERIES") as caught:
            store.append(readings(1, T0_MS, [1.0]))
        assert "horse" not in str(caught.value)
        store.close()
    for store in (opened("park:right%20horse@"), opened("", "&user=park&password=right%20horse")):
        store.append(readings(1, T0_MS, [1.0]))
        assert values_of(store) == [1.0]
        store.close()


@pytest.mark.real("victoria-metrics")
def test_v2_writes_arrive_with_tags_times_and_values(
    victoria_metrics: Any, open_influx: Callable[[Any], TimeSeriesStore], directory: PointDirectory
) -> None:
    store = open_influx(victoria_metrics)
    assert store.ping().startswith("InfluxDB 1.8")  # as VictoriaMetrics calls itself: a server with /api/v2/write
    values = [0.3, -1.5, 12345678.9]  # VictoriaMetrics keeps 15 decimal digits, unlike InfluxDB
    for point in (1, 2):
        store.append(readings(point, T0_MS, [value * point for value in values]))
    hour = np.array([T0_MS], np.int64)
    store.put_usage(UsageColumns(np.array([1], np.int32), hour, hour * 0 + 1_500_000, hour * 0, hour * 0 + HOUR_MS))
    urllib3.request("GET", f"{victoria_metrics.base}/internal/force_flush")
    for point in (1, 2):
        assert exported(victoria_metrics, "reading_value", directory(point)) == (
            [T0_MS, T0_MS + 1000, T0_MS + 2000],
            [value * point for value in values],
        )
    assert exported(victoria_metrics, "reading_quality", directory(1))[1] == [0, 0, 0]
    assert exported(victoria_metrics, "usage_hourly_amount_u", directory(1)) == ([T0_MS], [1_500_000])
    assert store.dirty_count() == 2


def exported(server: Any, metric: str, ref: PointRef) -> tuple[list[int], list[float]]:
    """Times and values of the one series with these tags."""
    span = {"start": str(T0_MS / 1000 - 10), "end": str(T0_MS / 1000 + 10)}
    answer = urllib3.request("GET", f"{server.base}/api/v1/export", fields={"match[]": metric, **span})
    series = [json.loads(line) for line in answer.data.splitlines()]
    tags = {"enterprise": ref.enterprise, "device": ref.device, "point": ref.point}
    (own,) = [one for one in series if tags.items() <= one["metric"].items()]
    return own["timestamps"], own["values"]
