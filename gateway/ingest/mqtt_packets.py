"""The two packets of MQTT 3.1.1 that come and go by the ten thousand, as bytes: PUBLISH and PUBACK. Pure.

What stays true: whatever is not a PUBLISH of QoS 0 or 1, or a PUBACK, is handed on untouched as `other`, in its order.
A packet is taken only when it is there as a whole.
Source: OASIS MQTT Version 3.1.1, sections 2.2 (fixed header), 3.3 (PUBLISH) and 3.4 (PUBACK).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

PUBLISH = 0x30
PUBACK = 0x40
_QOS = 0x06
_QOS_1 = 0x02
_QOS_2 = 0x04
_LENGTH_BYTES = 4  # of the remaining length, at most

_acknowledgement = struct.Struct("!BBH").pack
_head_of_two = struct.Struct("!BBBH").pack  # type, remaining length in two bytes, length of the topic
_number = struct.Struct("!H")

Published = Callable[[bytes, int, int, bytes], None]  # topic, qos, packet id (0 at QoS 0), payload
Acknowledged = Callable[[int], bool]  # packet id; False = not one of ours


class MalformedPacket(Exception):
    """The other side does not speak MQTT; there is no way on but a new connection."""


def take_packets(stream: bytearray, published: Published, acknowledged: Acknowledged) -> bytes:
    """Take every whole packet off the front of the stream; gives the bytes of those that were not ours to take."""
    others: list[bytes] = []
    size, start = len(stream), 0
    while start + 2 <= size:
        head = stream[start]
        length, body = stream[start + 1], start + 2
        if length & 0x80:
            length, body = _long_length(stream, start + 1)
        end = body + length
        if not body or end > size:
            break
        kind = head & 0xF0
        if kind == PUBLISH and not head & _QOS_2:
            _take_published(stream, head & _QOS, body, end, published)
        elif kind != PUBACK or length < 2 or not acknowledged(stream[body] << 8 | stream[body + 1]):
            others.append(bytes(stream[start:end]))
        start = end
    del stream[:start]
    return b"".join(others)


def _long_length(stream: bytearray, at: int) -> tuple[int, int]:
    """(remaining length, where the body begins), or (0, 0) while not all of its bytes are there."""
    length = 0
    for place in range(_LENGTH_BYTES):
        if at + place >= len(stream):
            return 0, 0
        byte = stream[at + place]
        length |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return length, at + place + 1
    raise MalformedPacket("a remaining length of more than four bytes")


def _take_published(stream: bytearray, qos: int, body: int, end: int, published: Published) -> None:
    topic = body + 2
    payload = mid = topic + (stream[body] << 8 | stream[body + 1]) if topic <= end else end + 1
    if qos:
        payload += 2
    if payload > end:
        raise MalformedPacket("a PUBLISH that is shorter than its own topic")
    number = stream[mid] << 8 | stream[mid + 1] if qos else 0
    published(bytes(stream[topic:mid]), 1 if qos else 0, number, bytes(stream[payload:end]))


def acknowledgements(mids: Iterable[int]) -> bytes:
    """One PUBACK after the other."""
    return b"".join([_acknowledgement(PUBACK, 2, mid) for mid in mids])


def publication(topic: bytes, mid: int, payload: bytes) -> bytes:
    """A PUBLISH of QoS 1."""
    length = 4 + len(topic) + len(payload)
    if 0x7F < length < 1 << 14:  # as nearly every receipt has
        head = _head_of_two(PUBLISH | _QOS_1, length & 0x7F | 0x80, length >> 7, len(topic))
    else:
        head = bytes([PUBLISH | _QOS_1]) + _remaining_length(length) + _number.pack(len(topic))
    return b"".join((head, topic, _number.pack(mid), payload))


def _remaining_length(length: int) -> bytes:
    digits = bytearray()
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits)
