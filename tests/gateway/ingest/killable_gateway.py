"""A gateway's ingest on real stores, run as a process of its own so that a test can kill it: DIRECTORY MQTT_URL|http.

Says "listening" once it listens; with `http` the address follows in the same line, and every caller is the agent.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, g
from prometheus_client import CollectorRegistry

from gateway.broker.address import BrokerAddress
from gateway.ingest.http_intake import http_intake
from gateway.ingest.intake import Intake
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats
from gateway.registry.model import Agent, Device, Enterprise, Name, Park, Point, Registry
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.batches_repository import BatchesRepository
from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore
from gateway.web_server import WebServer

OWN = "91350500M00000000Y"


@dataclass(frozen=True)
class TheAgent:
    role: str = "device"
    subject: str = f"{OWN}/edge-1"


def main(directory: Path, url: str) -> None:
    points = (Point(1, "incomer-1", "energy_import", "energy_import"), Point(2, "incomer-1", "power", "power"))
    name = Name("甲", "A")
    own = Enterprise(OWN, name, "park", "C3071", agents=(Agent("edge-1"),), devices=(Device("incomer-1", points),))
    registry = Registry(1, {"park": Park("park", name, "fujian", "Asia/Shanghai")}, {OWN: own})
    engine = open_database(f"sqlite:///{directory / 'tanmai.sqlite'}")
    store = DuckDBStore(directory / "readings.duckdb")
    intake = Intake(store, lambda: registry, BatchesRepository(engine), AgentStatusRepository(engine))
    where = serve(intake) if url == "http" else listen(intake, url)
    print("listening", where, flush=True)
    threading.Event().wait()


def listen(intake: Intake, url: str) -> str:
    listener = MqttListener(intake, BrokerAddress.of(url), IngestStats(CollectorRegistry()))
    listener.start()
    if not listener.wait_connected(30):
        sys.exit("not connected")
    return url


def serve(intake: Intake) -> str:
    app = Flask("killable")

    @app.before_request
    def identify() -> None:
        g.principal = TheAgent()

    app.register_blueprint(http_intake(intake, IngestStats(CollectorRegistry())))
    server = WebServer(app, "127.0.0.1", 0)
    server.start()
    return server.url


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
