"""How a request and its reply are wrapped on the way: three framings, and what is wrong with a frame. Pure.

| framing | where | wrapped as |
|---|---|---|
| `socket` | Modbus TCP | transaction, protocol, length, unit, PDU (Messaging on TCP/IP V1.0b, 3.1.3) |
| `rtu` | serial line, or its bytes over TCP | unit, PDU, CRC; silence between frames (Serial Line V1.02, 2.5.1) |
| `ascii` | serial line | colon, the same in hexadecimal with LRC, CR LF (same, 2.5.2) |

What stays true: `answers` accepts exactly one reply to a request, so that nothing rests on a library's opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FramingName = Literal["socket", "rtu", "ascii"]

BITS_PER_CHARACTER = 11  # start, 8 data, parity or second stop, stop: Serial Line V1.02, clause 2.5.1
SILENT_CHARACTERS = 3.5  # before each frame, clause 2.5.1.1
FAST_BAUD = 19_200  # above this the silence is fixed, same clause
FAST_SILENCE_S = 0.00175
_MBAP_BYTES = 7  # transaction 2, protocol 2, length 2, unit 1
_SHOWN_BYTES = 16
_NOISE_BYTES = 3  # most that a line without bias resistors puts before a frame


@dataclass(frozen=True, slots=True)
class Framing:
    """One way to wrap."""

    reply: Callable[[bytes, int, bytes], bytes]  # (request frame, unit, PDU) -> the frame that answers it
    flaw: Callable[[bytes, bytes, int], str]  # (request frame, bytes received, unit) -> why that is no answer
    has_transaction: bool  # a late reply can be told from the next one
    is_parted_by_silence: bool
    is_text: bool  # two hexadecimal characters for each byte


def answers(framing: Framing, sent: bytes, received: bytes, unit: int, pdu: bytes) -> bool:
    """Whether the bytes received hold the frame that answers the request with this PDU; noise around it is allowed."""
    return framing.reply(sent, unit, pdu) in (received.upper() if framing.is_text else received)


def without_noise(framing: Framing, received: bytes, unit: int, function_code: int) -> bytes:
    """The bytes from the start of the reply on; a line that changes direction often begins with a stray byte."""
    if framing.is_parted_by_silence:
        for start in range(min(_NOISE_BYTES, len(received) - 2) + 1):
            if received[start] == unit and received[start + 1] & 0x7F == function_code:
                return received[start:]
    return received[max(received.find(b":"), 0) :] if framing.is_text else received


def without_echo(framing: Framing, sent: bytes, received: bytes) -> bytes:
    """The bytes after our own request, which some two-wire adapters hear and hand back; b"" while it still comes in.

    No reply to a read begins so: it would have to hold the request's checksum in just the right place.
    """
    if framing.has_transaction:
        return received
    return b"" if sent.startswith(received) else received.removeprefix(sent)


def silence_s(framing: Framing, baud: int) -> float:
    """Silence that parts two frames on a line; 0 where frames are told apart by themselves or there is no line."""
    if not framing.is_parted_by_silence or not baud:
        return 0.0
    return SILENT_CHARACTERS * BITS_PER_CHARACTER / baud if baud <= FAST_BAUD else FAST_SILENCE_S


def crc16(data: bytes) -> bytes:
    """The check bytes of an RTU frame, low byte first: Serial Line V1.02, clause 6.2.2."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def lrc(data: bytes) -> int:
    """The check byte of an ASCII frame: clause 6.2.1."""
    return -sum(data) & 0xFF


def _socket_reply(sent: bytes, unit: int, pdu: bytes) -> bytes:
    return sent[:4] + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


def _socket_flaw(sent: bytes, received: bytes, unit: int) -> str:
    if len(received) <= _MBAP_BYTES or len(received) < 6 + int.from_bytes(received[4:6], "big"):
        return _broken_off(received)
    if received[6] != unit:
        return f"the reply came from unit {received[6]}"
    if received[:2] != sent[:2]:
        return f"the reply belongs to transaction {received[:2].hex()}, not {sent[:2].hex()}"
    return _unreadable(received)


def _rtu_reply(_sent: bytes, unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + crc16(frame)


def _rtu_flaw(_sent: bytes, received: bytes, unit: int) -> str:
    length = 5 if len(received) < 3 or received[1] & 0x80 else 5 + received[2]
    if len(received) < length:
        return _broken_off(received)
    if crc16(received[: length - 2]) != received[length - 2 : length]:
        return f"the checksum is wrong: noise, other line settings, or two units with one address ({_shown(received)})"
    return f"the reply came from unit {received[0]}" if received[0] != unit else _unreadable(received)


def _ascii_reply(_sent: bytes, unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return b":" + (frame + bytes([lrc(frame)])).hex().upper().encode() + b"\r\n"


def _ascii_flaw(_sent: bytes, received: bytes, unit: int) -> str:
    start, end = received.find(b":"), received.find(b"\r\n")
    if start < 0 or end < start:
        return _broken_off(received)
    try:
        frame = bytes.fromhex(received[start + 1 : end].decode("ascii"))
    except ValueError:
        return _unreadable(received)
    if len(frame) < 3 or lrc(frame):
        return f"the checksum is wrong: noise, other line settings, or two units with one address ({_shown(received)})"
    return f"the reply came from unit {frame[0]}" if frame[0] != unit else _unreadable(received)


def _broken_off(received: bytes) -> str:
    return f"the reply broke off after {len(received)} bytes ({_shown(received)})"


def _unreadable(received: bytes) -> str:
    return f"the reply cannot be read ({_shown(received)})"


def _shown(received: bytes) -> str:
    return received[:_SHOWN_BYTES].hex(" ")


FRAMINGS: dict[FramingName, Framing] = {
    "socket": Framing(_socket_reply, _socket_flaw, True, False, False),
    "rtu": Framing(_rtu_reply, _rtu_flaw, False, True, False),
    "ascii": Framing(_ascii_reply, _ascii_flaw, False, False, True),
}
