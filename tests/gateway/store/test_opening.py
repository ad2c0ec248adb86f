"""From the setting to the store: what is wrong is said without repeating the secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from collectors.errors import ConfigurationError, StoreUnavailable
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.influx_store import InfluxStore
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import PointRef, TimeSeriesStore


def directory(point_id: int) -> PointRef:
    return PointRef(point_id, "E", "meter", "power", "power")


def opened(url: str, path: Path) -> TimeSeriesStore:
    return open_timeseries(url, path=path, directory=directory, engine=create_engine("sqlite://"))


def test_duckdb_makes_its_file_and_folder(tmp_path: Path) -> None:
    store = opened("duckdb", tmp_path / "new" / "timeseries.duckdb")
    assert isinstance(store, DuckDBStore)
    store.close()
    assert (tmp_path / "new" / "timeseries.duckdb").exists()


def test_influx_is_opened_while_the_server_is_away(tmp_path: Path) -> None:
    store = opened("influx://127.0.0.1:1/?bucket=b&token=hidden-token", tmp_path)
    assert isinstance(store, InfluxStore)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1.*connection refused") as caught:
        store.ping()
    assert "hidden" not in str(caught.value)
    store.close()


def test_influx_without_a_relational_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TANMAI_DATABASE_URL"):
        open_timeseries("influx://h/?bucket=b", path=tmp_path, directory=directory, engine=None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres://h/", "begins with 'postgres'"),
        ("", "write duckdb"),
        ("influx:///?bucket=b&token=hidden", "a host"),
        ("influx://h:port/?bucket=b&token=hidden", "not an address"),
        ("influx://h/?token=hidden", "lacks bucket="),
        ("influx://h/?bucket=b&tocken=hidden", "does not know tocken"),
    ],
)
def test_wrong_settings_are_named_without_their_secret(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        opened(url, tmp_path)
    assert "hidden" not in str(caught.value)
