"""Meters that are not there: a real Modbus TCP server that answers from profiles.

Used by the demo and by tests. Values are asked for at the moment of the request, so a simulated meter is as live as
what stands behind `value_at`. The server runs in a thread of its own; faults can be switched on while it runs.

What stays true:
- A register nobody listed is answered with exception 2, or with 0 inside the meter's range if it `answers_gaps`. The
  identification register is listed.
- A unit that is not there is answered with exception 11, as a gateway does.
- `stop` returns when the port is free and the thread has ended.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from collectors.errors import ConfigurationError
from collectors.modbus.decode import encode
from collectors.profile import MeterProfile

ValueAt = Callable[[str], float | None]  # point -> value now, canonical unit; None = not available

_START_TIMEOUT_S = 10.0
_SETTLING_TURNS = 5  # of the event loop: accept, make the transport, tell the protocol; one to spare
_UNIT_AT = 6  # place of the unit in a Modbus TCP frame; the PDU follows


class Fault(Enum):
    """What can be wrong with a meter's replies."""

    NONE = "none"
    DEAD = "dead"  # no reply at all
    EXCEPTION = "exception"  # exception 4, device failure
    SHORT_REPLY = "short_reply"  # well-formed, but one register is missing
    OTHER_UNIT = "other_unit"
    WRONG_TRANSACTION = "wrong_transaction"


@dataclass
class SimulatedMeter:
    """One unit. `fault` may be set at any time and holds for the replies from then on."""

    profile: MeterProfile
    value_at: ValueAt
    fault: Fault = Fault.NONE
    answers_gaps: bool = True


class SimulatedMeters:
    """A Modbus TCP server with several units. A context manager; `port` is known after `start`."""

    def __init__(self, host: str, port: int, meters: Mapping[int, SimulatedMeter]) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # refusing a request is this server's daily work
        self.host = host
        self.port = port  # 0 = any free port, replaced by the real one
        self.meters = dict(meters)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> Self:
        """Listen; raises ConfigurationError if the port cannot be had."""
        self._thread = threading.Thread(target=self._run, name="simulated-meters", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S) or self._failure is not None:
            self.stop()
            reason = f"cannot listen on {self.host}:{self.port}; is another program using the port?"
            raise ConfigurationError(f"simulated meters {reason}") from self._failure
        return self

    def stop(self) -> None:
        """Close all connections and the port, and wait for the thread."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # handed over to the thread that waits in start()
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        devices = [_nobody(), *(_device(unit, meter) for unit, meter in self.meters.items())]
        server: Any = ModbusTcpServer(devices, address=(self.host, self.port), trace_packet=self._spoil)
        await server.serve_forever(background=True)
        listener = server.transport
        self.port = listener.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        # Accept nobody new, let those just accepted become connections, then close them all: asyncio leaks a
        # connection that is accepted while its server closes.
        for listening in listener.sockets:
            self._loop.remove_reader(listening.fileno())
        await _turns(_SETTLING_TURNS)
        await server.shutdown()
        await _turns(_SETTLING_TURNS)

    def _spoil(self, sending: bool, frame: bytes) -> bytes:
        """pymodbus shows every packet here; what is returned goes out."""
        if not sending or len(frame) <= _UNIT_AT:
            return frame
        meter = self.meters.get(frame[_UNIT_AT])
        return _SPOILERS[meter.fault](frame) if meter is not None else frame


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _device(unit: int, meter: SimulatedMeter) -> SimDevice:
    by_function = {
        code: sorted((s for s in meter.profile.registers if s.function_code == code), key=lambda s: s.address)
        for code in (3, 4)
    }

    async def answer(
        function_code: int, start: int, address: int, count: int, registers: list[int], written: list[Any] | None
    ) -> ExcCodes | None:
        if written is not None or function_code not in by_function:
            return ExcCodes.ILLEGAL_FUNCTION
        end = start + len(registers)
        for spec in by_function[function_code]:
            if spec.address < address + count and address < spec.end:
                offset = spec.address - start
                registers[offset : offset + spec.words] = encode(meter.value_at(spec.point), spec)
        identify = meter.profile.identify
        if identify is not None and identify.function_code == function_code and identify.address in range(start, end):
            registers[identify.address - start] = identify.is_one_of[0]
        return None

    holding, inputs = (_data(spans, meter.answers_gaps) for spans in _spans(meter.profile))
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(list(bits), list(bits), holding, inputs), action=answer)


def _spans(profile: MeterProfile) -> tuple[list[list[int]], list[list[int]]]:
    """First and after-last address of everything the meter has, as holding and as input registers."""
    spans: dict[int, list[list[int]]] = {3: [], 4: []}
    for spec in profile.registers:
        spans[spec.function_code].append([spec.address, spec.end])
    if profile.identify is not None:
        spans[profile.identify.function_code].append([profile.identify.address, profile.identify.address + 1])
    return sorted(spans[3]), sorted(spans[4])


def _data(spans: list[list[int]], answers_gaps: bool) -> list[SimData]:
    """The registers that exist; their values are filled in when they are asked for."""
    if not spans:
        return [SimData(0, datatype=DataType.INVALID)]
    runs: list[list[int]] = []
    for first, end in spans:
        if runs and (answers_gaps or first <= runs[-1][1]):
            runs[-1][1] = max(runs[-1][1], end)
        else:
            runs.append([first, end])
    return [SimData(start, values=[0] * (end - start), datatype=DataType.REGISTERS) for start, end in runs]


def _nobody() -> SimDevice:
    """pymodbus asks device 0 for every unit that is not there."""

    async def refuse(*_request: Any) -> ExcCodes:
        return ExcCodes.GATEWAY_NO_RESPONSE

    return SimDevice(0, simdata=[SimData(0, count=65536, datatype=DataType.REGISTERS)], action=refuse)


def _with_pdu(frame: bytes, pdu: bytes) -> bytes:
    return frame[:4] + (len(pdu) + 1).to_bytes(2, "big") + frame[_UNIT_AT : _UNIT_AT + 1] + pdu


def _short_reply(frame: bytes) -> bytes:
    function_code, byte_count = frame[7], frame[8]
    if function_code & 0x80 or byte_count < 2:
        return frame
    return _with_pdu(frame, bytes([function_code, byte_count - 2]) + frame[9:-2])


_SPOILERS: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.NONE: lambda frame: frame,
    Fault.DEAD: lambda frame: b"",
    Fault.EXCEPTION: lambda frame: _with_pdu(frame, bytes([frame[7] | 0x80, 4])),
    Fault.SHORT_REPLY: _short_reply,
    Fault.OTHER_UNIT: lambda frame: frame[:_UNIT_AT] + bytes([frame[_UNIT_AT] ^ 0x40]) + frame[_UNIT_AT + 1 :],
    Fault.WRONG_TRANSACTION: lambda frame: bytes([frame[0] ^ 0x40]) + frame[1:],
}
