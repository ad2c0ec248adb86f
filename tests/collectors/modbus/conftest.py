"""A Modbus TCP server that can be told to misbehave, and registers to plan and decode with."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from collectors.profile import RegisterSpec, TimingLimits

Answer = Callable[[bytes], bytes | None]  # request frame -> reply bytes; b"" = silence; None = close the connection


class RawServer:
    """Accepts connections one after the other and answers every request frame with `answer`."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while request := connection.recv(300):
                self.requests.append(request)
                reply = self.answer(request)
                if reply is None:
                    return
                connection.sendall(reply)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def raw_server() -> Iterator[Callable[[Answer], RawServer]]:
    """Starts servers that answer as the test says."""
    servers: list[RawServer] = []

    def start(answer: Answer) -> RawServer:
        servers.append(RawServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def make_spec() -> Callable[..., RegisterSpec]:
    """A register with everything ordinary but what the test names."""

    def make(**changes: Any) -> RegisterSpec:
        ordinary: dict[str, Any] = {
            "quantity": "power",
            "point": "power",
            "address": 0,
            "function_code": 3,
            "dtype": "uint16",
            "word_order": "big",
            "scale": Decimal(1),
            "offset": Decimal(0),
            "not_available": (),
            "unit": "kW",
            "modulus": None,
        }
        return RegisterSpec(**{**ordinary, **changes})

    return make


@pytest.fixture
def quick() -> TimingLimits:
    """Limits that keep tests of silence short."""
    return TimingLimits(timeout_s=0.15, max_registers=125, retries=0)
