"""From the setting TANMAI_TIMESERIES to a store."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from collectors.errors import ConfigurationError
from gateway.store.timeseries import PointDirectory, TimeSeriesStore


def open_timeseries(url: str, *, path: Path, directory: PointDirectory, engine: Engine | None) -> TimeSeriesStore:
    """The store that `url` names: `duckdb` (the file `path`) or `influx://…`, `influxs://…`.

    `engine` is the relational database, which keeps InfluxDB's dirty-hour log; DuckDB needs none. Raises
    ConfigurationError for another url, and StoreUnavailable if another process owns the DuckDB file. InfluxDB is not
    asked anything yet: the gateway starts, and says so in its health, while the server is away.
    """
    # Imported when asked for: each library costs start-up time that the other one's user need not pay.
    if url == "duckdb":
        from gateway.store.duckdb_store import DuckDBStore

        return DuckDBStore(path)
    if url.startswith(("influx:", "influxs:")):
        from gateway.store.dirty_log import DirtyLog
        from gateway.store.influx_protocol import InfluxServer, parse_influx_url
        from gateway.store.influx_store import InfluxStore

        if engine is None:
            raise ConfigurationError(
                "InfluxDB needs the relational database for its dirty-hour log: set TANMAI_DATABASE_URL"
            )
        return InfluxStore(InfluxServer(parse_influx_url(url)), directory, DirtyLog(engine))
    scheme = url.partition(":")[0]
    raise ConfigurationError(
        f"TANMAI_TIMESERIES begins with {scheme!r}: write duckdb, or influx://host:8086/?org=…&bucket=…&token=…"
    )
