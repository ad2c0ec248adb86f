"""Modbus servers and serial slaves that can be told to misbehave, a foreign slave, registers to plan with."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
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


@pytest.fixture
def patient() -> TimingLimits:
    """Limits for a read that is answered, however busy the machine is."""
    return TimingLimits(timeout_s=10, max_registers=125, retries=0)


class RawSlave:
    """The far end of a pseudo-terminal: what arrives goes to `answer` whenever the line falls silent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def send(self, data: bytes) -> None:
        os.write(self._far, data)

    def _serve(self) -> None:
        heard = b""
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._far], [], [], 0.02)
            if ready:
                heard += os.read(self._far, 300)
            elif heard:
                self.requests.append(heard)
                reply, heard = self.answer(heard), b""
                if reply:
                    os.write(self._far, reply)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        os.close(self._far)
        os.close(self._near)


@pytest.fixture
def raw_slave() -> Iterator[Callable[[Answer], RawSlave]]:
    """Starts serial slaves that answer as the test says."""
    slaves: list[RawSlave] = []

    def start(answer: Answer) -> RawSlave:
        slaves.append(RawSlave(answer))
        return slaves[-1]

    yield start
    for slave in slaves:
        slave.close()


@pytest.fixture
def socat() -> Iterator[Callable[..., None]]:
    """A function that joins two addresses of socat(1), and returns when the given paths exist."""
    started: list[subprocess.Popen[bytes]] = []

    def join(one: str, other: str, *paths: Path) -> None:
        started.append(subprocess.Popen(["socat", one, other], stderr=subprocess.PIPE))
        deadline_s = time.monotonic() + 10
        while not all(path.exists() for path in paths):
            assert started[-1].poll() is None, started[-1].communicate()[1]
            assert time.monotonic() < deadline_s, "socat did not make its terminals in time"
            time.sleep(0.01)

    yield join
    for process in started:
        process.terminate()
        process.communicate(timeout=5)


class _Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_inputs", "start_inputs", "nb_registers", "start_registers")),
        *((name, ctypes.POINTER(ctypes.c_uint8)) for name in ("bits", "input_bits")),
        *((name, ctypes.POINTER(ctypes.c_uint16)) for name in ("inputs", "registers")),
    )


class LibmodbusSlave:
    """One RTU unit of libmodbus, which shares no code with our client. Registers are 0..999 of both kinds."""

    REGISTERS = 1000

    def __init__(self, path: Path, unit: int, baud: int) -> None:
        self._library = ctypes.CDLL("libmodbus.so.5")
        self._library.modbus_new_rtu.restype = ctypes.c_void_p
        self._library.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
        self._context = ctypes.c_void_p(
            self._library.modbus_new_rtu(str(path).encode(), baud, ctypes.c_char(b"N"), 8, 1)
        )
        self._mapping = self._library.modbus_mapping_new(0, 0, self.REGISTERS, self.REGISTERS)
        self.holding, self.inputs = self._mapping.contents.registers, self._mapping.contents.inputs
        self._library.modbus_set_slave(self._context, unit)
        assert self._library.modbus_connect(self._context) == 0
        self._library.modbus_set_indication_timeout(self._context, 0, 50_000)
        self._library.modbus_set_response_timeout(self._context, 0, 20_000)  # it waits so long before it refuses
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        query = (ctypes.c_uint8 * 260)()
        while not self._stopping.is_set():
            length = self._library.modbus_receive(self._context, query)
            if length > 0:
                self._library.modbus_reply(self._context, query, length, self._mapping)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._library.modbus_close(self._context)
        self._library.modbus_mapping_free(self._mapping)
        self._library.modbus_free(self._context)


class LibmodbusServer:
    """A TCP server of libmodbus with several units behind one address; a unit that is not there stays silent."""

    def __init__(self, port: int, units: Sequence[int]) -> None:
        self._library = library = ctypes.CDLL("libmodbus.so.5")
        library.modbus_new_tcp.restype = ctypes.c_void_p
        library.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
        self._context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", port))
        self.units = {unit: library.modbus_mapping_new(0, 0, 1000, 1000) for unit in units}
        self._listening = socket.socket(fileno=library.modbus_tcp_listen(self._context, 1))
        library.modbus_set_indication_timeout(self._context, 0, 50_000)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        query = (ctypes.c_uint8 * 260)()
        while not self._stopping.is_set():
            if not select.select([self._listening], [], [], 0.05)[0]:
                continue
            connection = ctypes.c_int(self._listening.fileno())
            with socket.socket(fileno=self._library.modbus_tcp_accept(self._context, ctypes.byref(connection))) as peer:
                self._answer(peer, query)

    def _answer(self, peer: socket.socket, query: Any) -> None:
        while not self._stopping.is_set():
            if not select.select([peer], [], [], 0.05)[0]:
                continue
            length = self._library.modbus_receive(self._context, query)
            if length < 0:
                return
            if query[6] in self.units:
                self._library.modbus_reply(self._context, query, length, self.units[query[6]])

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._listening.close()
        for mapping in self.units.values():
            self._library.modbus_mapping_free(mapping)
        self._library.modbus_free(self._context)


@pytest.fixture
def libmodbus_server() -> Iterator[Callable[..., LibmodbusServer]]:
    """Starts TCP servers of libmodbus."""
    servers: list[LibmodbusServer] = []

    def start(port: int, *units: int) -> LibmodbusServer:
        servers.append(LibmodbusServer(port, units))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def libmodbus_slave() -> Iterator[Callable[..., LibmodbusSlave]]:
    """Starts units of libmodbus on serial ports."""
    slaves: list[LibmodbusSlave] = []

    def start(path: Path, unit: int, baud: int = 9600) -> LibmodbusSlave:
        slaves.append(LibmodbusSlave(path, unit, baud))
        return slaves[-1]

    yield start
    for slave in slaves:
        slave.close()
