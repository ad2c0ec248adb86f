"""Asking Modbus units for registers: the only file on the asking side that knows pymodbus.

What stays true:
- One request at a time per bus, under one lock; on a serial line with 3.5 characters of silence before it.
- What is returned answers this very request: transaction (TCP) or checksum (RTU, ASCII), unit, function code and number
  of registers were checked. pymodbus has handed out the reply of another request before (its issue 1509), so it is not
  trusted with that.
- Every failure of pymodbus or the network comes out as `Unreachable`, `ExceptionReply` or `WrongReply`. After the first
  and the last of them the connection is closed, so that a late reply can never be taken for the next one. RTU and ASCII
  frames carry no transaction number: before another request to the same unit and function, one more timeout is waited.
- On a line without transaction numbers, the echo of our own request is told from a reply and passed over, whichever
  way the adapter is made.

Limit: on a serial line, a reply later than two timeouts could be taken for one to another block of the same length, and
a refusal for one of any other block.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from collectors.clock import monotonic_s
from collectors.errors import ExceptionReply, Unreachable, WrongReply
from collectors.modbus.framing import answers, silence_s, without_echo, without_noise
from collectors.modbus.line import Line, TcpLine, framing_of, on_line
from collectors.modbus.plan import ReadBlock, transmission_s
from collectors.profile import TimingLimits

# Modbus Application Protocol V1.1b3, clause 7.
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
_FRAMERS = {"socket": FramerType.SOCKET, "rtu": FramerType.RTU, "ascii": FramerType.ASCII}


class NoConnection(Unreachable):
    """The line itself cannot be opened: no unit on it can be asked."""


class _ConnectionLost(Unreachable):
    """The other side closed the connection."""


class ModbusClient:
    """One line: a meter, a gateway with units behind it, or a serial port with its units."""

    def __init__(self, line: Line, *, sleep: Callable[[float], None] = time.sleep) -> None:
        # Each error reaches our caller as one of our types; pymodbus would log it a second time, with frame dumps.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.line = line
        self._framing = framing_of(line)
        self._client: Any = _open(line, self._note_packet)
        self._lock = threading.Lock()
        self._sleep = sleep
        self._sent = b""
        self._received = b""
        self._asked = (0, 0)  # unit and function of the request under way
        self._last_end_s = -1e9
        self._last_pause_s = 0.0
        self._late: dict[tuple[int, int], _Late] = {}  # unit, function -> the last request without an answer
        self.answered_in_s = 0.0  # from the last request to the end of its reply

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        """The `block.count` register words of a unit.

        Raises Unreachable (no connection or no reply within `timeout_s`, also after `retries`), WrongReply (the same,
        with something else coming back), or ExceptionReply (at once: the meter refuses, asking again is no use).
        """
        limits = on_line(limits, self.line)
        with self._lock:
            tries = 1 + limits.retries
            while True:
                self._let_late_reply_pass(unit, block)
                reused = self._connect(unit, block, limits)
                try:
                    return self._ask(unit, block, limits)
                except (Unreachable, WrongReply) as error:
                    self._client.close()
                    self._expect_late_reply(unit, block, limits)
                    # A server may have closed an idle connection: that is no answer from the meter, so it is no try.
                    tries -= 0 if reused and isinstance(error, _ConnectionLost) else 1
                    if tries == 0:
                        raise

    def close(self) -> None:
        """Close the connection; the next read opens it again."""
        with self._lock:
            self._client.close()

    def _connect(self, unit: int, block: ReadBlock, limits: TimingLimits) -> bool:
        """Make sure of a connection; True if there was one already."""
        # The meter's time to answer starts when it has the request. The transaction layer keeps a copy of the
        # parameters that were given at construction.
        timeout_s = limits.timeout_s + (transmission_s(block.count, limits) if not self._framing.has_transaction else 0)
        self._client.comm_params.timeout_connect = timeout_s
        self._client.transaction.comm_params.timeout_connect = timeout_s
        if self._client.connected:
            return True
        if not self._client.connect():
            raise NoConnection(f"no connection to {self.line} for unit {unit}; {self.line.how_to_mend}")
        return False

    def _ask(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        self._keep_silence(limits)
        what = f"unit {unit} at {self.line}, {block}"
        self._sent = self._received = b""
        self._asked = unit, block.function_code
        asked_s = monotonic_s()
        ask = {3: self._client.read_holding_registers, 4: self._client.read_input_registers}[block.function_code]
        try:
            reply: ModbusPDU = ask(block.address, count=block.count, device_id=unit)
        except (ModbusException, OSError) as error:
            if self._received:
                raise WrongReply(f"{what}: {self._framing.flaw(self._sent, self._received, unit)}") from error
            if isinstance(error, (ConnectionException, OSError)):
                raise _ConnectionLost(f"{what}: the connection was closed without a reply") from error
            raise Unreachable(f"{what}: no reply within {limits.timeout_s:g} s") from error
        finally:
            self._last_end_s, self._last_pause_s = monotonic_s(), limits.pause_s
        self.answered_in_s = self._last_end_s - asked_s
        words = _checked(reply, unit, block, what)
        # pymodbus tolerates a length that does not fit; a right reply is known once its words are.
        pdu = bytes([block.function_code, 2 * block.count]) + b"".join(word.to_bytes(2, "big") for word in words)
        if not answers(self._framing, self._sent, self._received, unit, pdu):
            raise WrongReply(f"{what}: the reply's length does not fit ({self._received[:16].hex(' ')})")
        return words

    def _keep_silence(self, limits: TimingLimits) -> None:
        pause_s = max(self._last_pause_s, limits.pause_s, silence_s(self._framing, limits.baud))
        wait_s = self._last_end_s + pause_s - monotonic_s()
        if wait_s > 0:
            self._sleep(wait_s)

    def _expect_late_reply(self, unit: int, block: ReadBlock, limits: TimingLimits) -> None:
        """Without transaction numbers a reply or refusal that comes too late looks like that to the next request."""
        if not self._framing.has_transaction:
            until_s = monotonic_s() + limits.timeout_s
            self._late[unit, block.function_code] = _Late(block.address, block.count, until_s)

    def _let_late_reply_pass(self, unit: int, block: ReadBlock) -> None:
        """Wait where the reply to an unanswered request could still come and be taken for the one to this request."""
        late = self._late.get((unit, block.function_code))
        if late is None or (late.address, late.count) == (block.address, block.count):
            return  # asking the same again: whichever reply comes is right
        wait_s = late.until_s - monotonic_s()
        if wait_s > 0:
            self._sleep(wait_s)
        self._client.close()  # and with it what came meanwhile
        del self._late[unit, block.function_code]

    def _note_packet(self, sending: bool, packet: bytes) -> bytes:
        """pymodbus shows every packet here before it goes out and as it comes in."""
        if sending:
            self._sent = packet
            return packet
        heard = without_noise(self._framing, packet, *self._asked)
        self._received = without_noise(self._framing, without_echo(self._framing, self._sent, heard), *self._asked)
        return self._received


@dataclass(frozen=True, slots=True)
class _Late:
    """A request whose reply, or refusal, may still be on its way."""

    address: int
    count: int
    until_s: float


def _open(line: Line, note_packet: Callable[[bool, bytes], bytes]) -> Any:
    """The library's client for a line; it connects to nothing yet."""
    common: dict[str, Any] = {"framer": _FRAMERS[line.framing], "retries": 0, "trace_packet": note_packet}
    if isinstance(line, TcpLine):
        return ModbusTcpClient(line.host, port=line.port, **common)
    return ModbusSerialClient(
        line.path,
        baudrate=line.baud,
        parity=line.parity[0].upper(),
        stopbits=line.stopbits,
        bytesize=line.bytesize,
        **common,
    )


def _checked(reply: ModbusPDU, unit: int, block: ReadBlock, what: str) -> list[int]:
    """The words of a reply that fits the request."""
    if reply.dev_id != unit:
        raise WrongReply(f"{what}: the reply came from unit {reply.dev_id}")
    if reply.function_code == block.function_code | 0x80:
        code = reply.exception_code
        raise ExceptionReply(f"{what}: exception {code}, {EXCEPTIONS.get(code, 'unknown to the protocol')}", code)
    if reply.function_code != block.function_code:
        raise WrongReply(f"{what}: the reply is to function {reply.function_code & 0x7F}")
    if len(reply.registers) != block.count:
        raise WrongReply(f"{what}: the reply has {len(reply.registers)} registers in place of {block.count}")
    return list(reply.registers)
