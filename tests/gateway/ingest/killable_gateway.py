"""A gateway's ingest on real stores, run as a process of its own so that a test can kill it: DIRECTORY MQTT_URL."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.broker.address import BrokerAddress
from gateway.ingest.intake import Intake
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats
from gateway.registry.model import Agent, Device, Enterprise, Name, Park, Point, Registry
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.batches_repository import BatchesRepository
from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore

OWN = "91350500M00000000Y"


def main(directory: Path, url: str) -> None:
    points = (Point(1, "incomer-1", "energy_import", "energy_import"), Point(2, "incomer-1", "power", "power"))
    name = Name("甲", "A")
    own = Enterprise(OWN, name, "park", "C3071", agents=(Agent("edge-1"),), devices=(Device("incomer-1", points),))
    registry = Registry(1, {"park": Park("park", name, "fujian", "Asia/Shanghai")}, {OWN: own})
    engine = open_database(f"sqlite:///{directory / 'tanmai.sqlite'}")
    store = DuckDBStore(directory / "readings.duckdb")
    intake = Intake(store, lambda: registry, BatchesRepository(engine), AgentStatusRepository(engine))
    listener = MqttListener(intake, BrokerAddress.of(url), IngestStats(CollectorRegistry()))
    listener.start()
    if not listener.wait_connected(30):
        sys.exit("not connected")
    print("listening", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
