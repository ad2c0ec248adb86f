"""The gateway's real MQTT ingest on real stores, in a process of its own. Arguments: DATA_DIR PORT COUNT.

Prints {"ready": true} once it is subscribed, and {"at_s": …, "cpu_s": …, "readings": …} when COUNT readings are
committed: the time is that of the last commit on the monotonic clock, the CPU seconds are those of the whole process
in between, the number is what the store then gives when it is asked for all.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from bench.plant import DAY_MS, open_house
from bench.processes import used_cpu_s
from collectors.clock import monotonic_s
from gateway.broker.address import BrokerAddress
from gateway.ingest.intake import Batches
from gateway.ingest.mqtt_listener import MqttListener
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow

FAR_MS = DAY_MS + 10**12


class CountedBatches:
    """The batches repository, which also notes when enough readings are committed."""

    def __init__(self, batches: Batches, wanted: int) -> None:
        self._batches = batches
        self._missing = wanted
        self.at_s = 0.0
        self.cpu_s = 0.0
        self.complete = threading.Event()

    def known(self, keys: Sequence[BatchKey]) -> Mapping[BatchKey, BatchRow]:
        return self._batches.known(keys)

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> Mapping[BatchKey, BatchRow]:
        rows = list(batches)
        overtaken = self._batches.record(rows, set_aside)
        if overtaken:
            return overtaken
        self._missing -= sum(row.accepted for row in rows)
        if self._missing <= 0 and not self.complete.is_set():
            self.at_s = monotonic_s()
            self.cpu_s = used_cpu_s()
            self.complete.set()
        return {}


def main(data_dir: Path, port: int, count: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    house = open_house(data_dir)
    counted = CountedBatches(house.intake.batches, count)
    listener = MqttListener(
        replace(house.intake, batches=counted), BrokerAddress.of(f"mqtt://127.0.0.1:{port}"), house.ingest_stats
    )
    listener.start()
    if not listener.wait_connected(30):
        sys.exit(listener.state().detail)
    print(json.dumps({"ready": True}), flush=True)
    before_s = used_cpu_s()
    counted.complete.wait()
    points = list(house.registry().refs_by_id)
    stored = len(house.timeseries.read(points, 0, FAR_MS))
    listener.stop()
    house.close()
    print(json.dumps({"at_s": counted.at_s, "cpu_s": counted.cpu_s - before_s, "readings": stored}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
