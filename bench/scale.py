"""How large each row is measured. FULL is `make bench`; TINY only shows that every row runs (the smoke test)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scale:
    runs: int = 3  # medians are taken over these
    batches: int = 20_000  # of 100 readings, over MQTT
    singles: int = 20_000  # messages of one reading, over MQTT
    posts: int = 100  # NDJSON bodies of 100 batches of 100 readings, over HTTP
    influx_batches: int = 5_000  # of 100 readings, into InfluxDB
    buffered: int = 500  # batches of 1,000 readings through the agent's buffer
    commits: int = 2_000  # single readings through the agent's buffer
    cycles: int = 20  # over Modbus TCP
    meters: int = 100  # behind one Modbus TCP address
    enterprises: int = 100  # of 10 points, one reading a minute for a day, rolled up
    accounts: int = 10_000  # enterprises whose statements are pulled, of 12 months each
    load_s: float = 20.0  # of load while memory is watched
    points: int = 10_000  # of one reading a minute for a day, made into usage
    year_days: int = 365  # of two enterprises, with a late reading near its beginning
    chains: int = 100  # of a year each, verified
    sizes: tuple[int, ...] = (10, 100, 1_000, 10_000)  # enterprises, rolled up one size after another


FULL = Scale()
TINY = Scale(1, 60, 100, 2, 20, 5, 20, 2, 3, 2, 20, 1.0, 20, 20, 2, (1, 2, 4))


@dataclass(frozen=True, slots=True)
class Bench:
    """What a row is given."""

    scale: Scale
    directory: Path  # empty, on the disk to be measured; removed afterwards

    def fresh(self, name: str) -> Path:
        """A new empty directory."""
        number = sum(1 for path in self.directory.iterdir() if path.name.startswith(f"{name}-"))
        path = self.directory / f"{name}-{number}"
        path.mkdir()
        return path
