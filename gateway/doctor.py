"""`tanmai doctor`: what is configured, what answers, what is wrong, and what to do. Looks only; changes nothing."""

from __future__ import annotations

import shutil
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Literal

from collectors.errors import ConfigurationError, TanmaiError
from collectors.profile import load_profiles
from collectors.tls import advice_on, client_context
from gateway.broker.address import BrokerAddress
from gateway.broker.engines import choose_engine
from gateway.carbon.factors import FactorBook
from gateway.carbon.policy import load_policies
from gateway.control import PROBE_TIMEOUT_S, ControlFile
from gateway.settings import Settings, described, split_address

Row = tuple[Literal["ok", "warning", "error"], str, str]

LEAST_FREE_BYTES = 2 * 1024**3


def examine(settings: Settings) -> list[Row]:
    """(mark, subject, what was found and what to do), settings first."""
    rows: list[Row] = [
        ("ok", variable, f"{value or '(empty)'}: {text}") for variable, value, text in described(settings)
    ]
    for look in LOOKS:
        rows += look(settings)
    return rows


def _python(settings: Settings) -> Iterator[Row]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield ("ok", "Python", version) if sys.version_info >= (3, 11) else ("error", "Python", f"{version}: needs 3.11")


def _disk(settings: Settings) -> Iterator[Row]:
    place = settings.data_path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GiB free for {settings.data_path}"
    yield ("ok", "disk", text) if free >= LEAST_FREE_BYTES else ("warning", "disk", f"{text}: make room")


def _knowledge(settings: Settings) -> Iterator[Row]:
    loaders: tuple[tuple[str, Callable[[], int]], ...] = (
        ("meter profiles", lambda: len(load_profiles(*settings.profile_paths))),
        ("factors", lambda: len(FactorBook.load(settings.config_path).factors)),
        ("rating policies", lambda: len(load_policies(settings.config_path))),
    )
    for name, load in loaders:
        try:
            yield "ok", name, f"{load()} loaded"
        except ConfigurationError as error:
            yield "error", name, str(error)


def _server(settings: Settings) -> Iterator[Row]:
    """A running server answers for its stores; without one the stores are opened here."""
    control = ControlFile.read(settings.data_path)
    if control is not None and control.answers():
        try:
            with urllib.request.urlopen(f"{control.url}/readyz", timeout=PROBE_TIMEOUT_S):
                yield "ok", "server", f"runs at {control.url} and everything it needs answers"
                return
        except urllib.error.HTTPError as error:
            yield "error", "server", f"runs at {control.url} but is not ready: {error.read().decode(errors='replace')}"
            return
        except OSError as error:
            yield "error", "server", f"runs at {control.url} but does not say whether it is ready: {error}; see its log"
            return
    if control is not None:
        yield "warning", "server", "none runs, though control.json was left behind: it was killed; start it again"
    else:
        yield "ok", "server", "none runs on this data directory"
    yield from _stores(settings)


def _stores(settings: Settings) -> Iterator[Row]:
    if not settings.data_path.exists():
        yield "ok", "stores", f"{settings.data_path} is made by the first start"
        return
    from gateway.wiring import build  # opens databases: only when no server has them

    try:
        house = build(settings)
    except TanmaiError as error:
        yield "error", "stores", str(error)
        return
    try:
        for check in house.health():
            yield "ok" if check.ok else "error", check.name, check.detail
    finally:
        house.close()


def _broker(settings: Settings) -> Iterator[Row]:
    if settings.mqtt_url == "off":
        yield "ok", "MQTT", "off: readings come by HTTP only"
    elif settings.mqtt_url == "embedded":
        try:
            engine, program = choose_engine()
            yield "ok", "MQTT", f"embedded {engine.name} ({program})"
        except ConfigurationError as error:
            yield "error", "MQTT", str(error)
    else:
        address = BrokerAddress.of(settings.mqtt_url, settings.mqtt_tls)
        try:
            with socket.create_connection((address.host, address.port), PROBE_TIMEOUT_S) as connected:
                if address.tls:
                    client_context(address.files).wrap_socket(connected, server_hostname=address.host).close()
            yield "ok", "MQTT", f"{address!r} takes connections"
        except OSError as error:
            advice = advice_on(error) or f"{error}: start the broker or mend TANMAI_MQTT_URL"
            yield "error", "MQTT", f"{address!r} does not answer: {advice}"


def _exposure(settings: Settings) -> Iterator[Row]:
    for variable, text in (("TANMAI_HTTP", settings.http), ("TANMAI_MQTT_LISTEN", settings.mqtt_listen)):
        host, _ = split_address(text)
        if host not in ("127.0.0.1", "localhost", "::1"):
            yield "warning", variable, f"listens on {host}, not only on this machine: put TLS in front of it"


LOOKS: tuple[Callable[[Settings], Iterator[Row]], ...] = (_python, _disk, _knowledge, _broker, _exposure, _server)
