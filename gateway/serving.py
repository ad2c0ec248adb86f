"""`tanmai serve`: starts the parts a role needs in order, says when everything answers, and stops them in reverse.

What stays true: nothing listens before the stores are open; on SIGTERM or Ctrl-C jobs and intake end first and drain,
then the pages, then the stores close. A start that fails half-way stops what it had started.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import signal
import sys
import threading
from types import FrameType
from typing import TextIO

import structlog
from rich.console import Console

from collectors import clock
from collectors.errors import ConfigurationError
from gateway import create_app
from gateway.broker.address import BrokerAddress
from gateway.control import ControlFile, write_private
from gateway.heap import keep_little
from gateway.points_findings import keep_standing
from gateway.settings import Settings, split_address
from gateway.web_server import WebServer
from gateway.wiring import House, build

STDERR = 2  # the descriptor: `sys.stderr` may be something that has none
MQTT_TIMEOUT_S = 15.0
FIRST_START = "first-start"  # a file in the data directory until a start was whole
BROKER_LOOK_S = 2.0  # how often a dead embedded broker is noticed

# Which parts run in which role. Every role answers health and metrics.
PARTS: dict[str, frozenset[str]] = {
    "all": frozenset({"intake", "scheduler"}),
    "ingest": frozenset({"intake"}),
    "web": frozenset(),
    "scheduler": frozenset({"scheduler"}),
    "rollup": frozenset({"rollup"}),
}

log = structlog.get_logger(__name__)


def run(settings: Settings, role: str) -> None:
    """Serve until a signal comes. Raises ConfigurationError if it cannot start."""
    configure_logging(settings.log_level, sys.stderr)
    keep_little()
    faulthandler.enable(STDERR)  # a crash in native code then leaves the stacks of all threads in the log
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    _refuse_second(settings)
    is_new = not settings.data_path.is_dir() or not any(settings.data_path.iterdir())
    with contextlib.ExitStack() as started:
        house = build(settings)
        started.callback(house.close)
        if is_new:
            (settings.data_path / FIRST_START).touch()
        (settings.data_path / "ready.json").unlink(missing_ok=True)  # of a former start: nothing is ready yet
        keep_standing(house.engine, house.registry(), settings.enterprise_points, clock.now_ms())
        url = _start_web(house, role, started)
        address = _start_intake(house, started) if "intake" in PARTS[role] else None
        if "scheduler" in PARTS[role]:
            runner = house.runner()
            runner.start()
            started.callback(runner.stop)
        if "rollup" in PARTS[role]:
            sharer = house.sharer()
            sharer.start()
            started.callback(sharer.stop)
        _say_ready(house, url, address, started)
        while not stop.wait(BROKER_LOOK_S):
            _look_after_broker(house)
        log.info("stopping", role=role)


def _look_after_broker(house: House) -> None:
    """Start an embedded broker that died again. If that fails, pages and HTTP intake go on, and the next look tries."""
    try:
        if house.broker is not None:
            house.broker.revive()
    except (ConfigurationError, OSError) as error:
        log.error("broker_not_revived", why=str(error), next="trying again; agents keep their readings meanwhile")


def _refuse_second(settings: Settings) -> None:
    control = ControlFile.read(settings.data_path)
    if control is not None and control.answers():
        raise ConfigurationError(
            f"a gateway already runs on {settings.data_path} at {control.url}; stop it first, or give this one a "
            "TANMAI_DATA_DIR of its own"
        )


def configure_logging(level: str, stream: TextIO) -> None:
    """Structured lines on standard error: for people on a terminal, JSON otherwise."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


def _start_web(house: House, role: str, started: contextlib.ExitStack) -> str:
    """Pages and API in threads of their own; gives their address."""
    host, port = split_address(house.settings.http)
    app = create_app(house.parts(takes_readings="intake" in PARTS[role]))
    try:
        server = WebServer(app, host, port)
    except OSError as error:
        raise ConfigurationError(
            f"TANMAI_HTTP={house.settings.http}: {error.strerror}; stop what listens there or choose another port"
        ) from error
    server.start()
    started.callback(server.stop)
    return server.url


def _start_intake(house: House, started: contextlib.ExitStack) -> BrokerAddress | None:
    """Broker and listener as the settings say; None if MQTT is off."""
    chosen = house.settings.mqtt_url
    if chosen == "off":
        return None
    external = None if chosen == "embedded" else BrokerAddress.of(chosen, house.settings.mqtt_tls)
    address = external or house.start_broker(started)
    house.start_listener(address, started)
    if house.listener is not None and not house.listener.wait_connected(MQTT_TIMEOUT_S):
        log.warning("broker_away", why=house.listener.state().detail, next="connecting again in the background")
    return address


def _say_ready(house: House, url: str, address: BrokerAddress | None, started: contextlib.ExitStack) -> None:
    """Write control.json and ready.json and print the ready line; the first whole start makes an admin token."""
    data_path = house.settings.data_path
    first_start = (data_path / FIRST_START).exists()
    ControlFile(url, house.control_token).write(data_path)
    started.callback((data_path / "control.json").unlink, missing_ok=True)
    tokens: dict[str, str] = {}
    if first_start:
        tokens["admin"] = house.operations.call("token_create", role="admin", subject="")["token"]
    mqtt = "" if address is None else repr(address)
    write_private(data_path / "ready.json", json.dumps({"url": url, "mqtt": mqtt, "tokens": tokens}))
    (data_path / FIRST_START).unlink(missing_ok=True)
    out = Console(soft_wrap=True)  # addresses and paths stay whole however narrow the terminal is
    out.print(f"Tanmai is ready at {url}" + (f", MQTT at {mqtt}" if mqtt else ""), markup=False, highlight=False)
    if first_start:
        out.print(
            f"An admin token is in {data_path / 'ready.json'}; keep it and delete it there.",
            markup=False,
            highlight=False,
        )
