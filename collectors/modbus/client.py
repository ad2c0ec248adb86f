"""Asking a Modbus TCP server for registers: the only file on the asking side that knows pymodbus.

What stays true:
- One request at a time per bus, under one lock.
- What is returned answers this very request: transaction, unit, function code and number of registers were checked.
  pymodbus has handed out the reply of another request before (its issue 1509), so it is not trusted with that.
- Every failure of pymodbus or the network comes out as `Unreachable`, `ExceptionReply` or `WrongReply`. After the first
  and the last of them the connection is closed, so that a late reply can never be taken for the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from collectors.clock import monotonic_s
from collectors.errors import ExceptionReply, Unreachable, WrongReply
from collectors.modbus.plan import ReadBlock
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
_MBAP_BYTES = 7  # transaction 2, protocol 2, length 2, unit 1


class _ConnectionLost(Unreachable):
    """The other side closed the connection."""


class ModbusClient:
    """One Modbus TCP server: a meter, or a gateway with the units of a serial line behind it."""

    def __init__(self, host: str, port: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        # Each error reaches our caller as one of our types; pymodbus would log it a second time, with frame dumps.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self._address = f"{host}:{port}"
        self._client: Any = ModbusTcpClient(host, port=port, retries=0, trace_packet=self._note_packet)
        self._lock = threading.Lock()
        self._sleep = sleep
        self._sent = b""
        self._received = b""
        self._last_end_s = -1e9
        self._last_pause_s = 0.0

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        """The `block.count` register words of a unit.

        Raises Unreachable (no connection or no reply within `timeout_s`, also after `retries`), WrongReply (the same,
        with something else coming back), or ExceptionReply (at once: the meter refuses, asking again is no use).
        """
        with self._lock:
            tries = 1 + limits.retries
            while True:
                reused = self._connect(limits)
                try:
                    return self._ask(unit, block, limits)
                except (Unreachable, WrongReply) as error:
                    self._client.close()
                    # A server may have closed an idle connection: that is no answer from the meter, so it is no try.
                    tries -= 0 if reused and isinstance(error, _ConnectionLost) else 1
                    if tries == 0:
                        raise

    def close(self) -> None:
        """Close the connection; the next read opens it again."""
        with self._lock:
            self._client.close()

    def _connect(self, limits: TimingLimits) -> bool:
        """Make sure of a connection; True if there was one already."""
        # The transaction layer keeps a copy of the parameters that were given at construction.
        self._client.comm_params.timeout_connect = limits.timeout_s
        self._client.transaction.comm_params.timeout_connect = limits.timeout_s
        if self._client.connected:
            return True
        if not self._client.connect():
            raise Unreachable(f"no connection to {self._address}; check host, port and cabling")
        return False

    def _ask(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        self._keep_silence(limits)
        what = f"unit {unit} at {self._address}, {block}"
        self._sent = self._received = b""
        ask = {3: self._client.read_holding_registers, 4: self._client.read_input_registers}[block.function_code]
        try:
            reply: ModbusPDU = ask(block.address, count=block.count, device_id=unit)
        except (ModbusException, OSError) as error:
            if self._received:
                raise WrongReply(f"{what}: {self._what_came(unit)}") from error
            if isinstance(error, (ConnectionException, OSError)):
                raise _ConnectionLost(f"{what}: the connection was closed without a reply") from error
            raise Unreachable(f"{what}: no reply within {limits.timeout_s:g} s") from error
        finally:
            self._last_end_s, self._last_pause_s = monotonic_s(), limits.pause_s
        words = _checked(reply, unit, block, what)
        # pymodbus tolerates a length that does not fit; the first nine bytes of a right reply are known beforehand.
        size = 2 * block.count
        header = self._sent[:4] + (size + 3).to_bytes(2, "big") + bytes([unit, block.function_code, size])
        if header not in self._received:
            raise WrongReply(f"{what}: the reply's length does not fit ({self._received[:16].hex(' ')})")
        return words

    def _keep_silence(self, limits: TimingLimits) -> None:
        wait_s = self._last_end_s + max(self._last_pause_s, limits.pause_s) - monotonic_s()
        if wait_s > 0:
            self._sleep(wait_s)

    def _note_packet(self, sending: bool, packet: bytes) -> bytes:
        """pymodbus shows every packet here before it goes out and as it comes in."""
        if sending:
            self._sent = packet
        else:
            self._received = packet
        return packet

    def _what_came(self, unit: int) -> str:
        """In words, why the bytes received were no answer to the request sent."""
        sent, received = self._sent, self._received
        if len(received) <= _MBAP_BYTES or len(received) < 6 + int.from_bytes(received[4:6], "big"):
            return f"the reply broke off after {len(received)} bytes ({received[:16].hex(' ')})"
        if received[6] != unit:
            return f"the reply came from unit {received[6]}"
        if received[:2] != sent[:2]:
            return f"the reply belongs to transaction {received[:2].hex()}, not {sent[:2].hex()}"
        return f"the reply cannot be read ({received[:16].hex(' ')})"


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
