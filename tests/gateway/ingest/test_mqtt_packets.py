"""Packets on the lane: taken whole, in order, however the stream is cut, and nothing of paho's touched."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import MQTTv311

from gateway.ingest.mqtt_packets import MalformedPacket, acknowledgements, publication, take_packets

TOPIC = b"tanmai/v1/91350500M00000000Y/edge-1/readings"
PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x05\x00\x01\x01\x01\x01"


class Taken:
    def __init__(self, ours: set[int] | None = None) -> None:
        self.published: list[tuple[bytes, int, int, bytes]] = []
        self.acknowledged: list[int] = []
        self.others = b""
        self._ours = ours
        self._stream = bytearray()

    def feed(self, piece: bytes) -> Taken:
        self._stream += piece
        self.others += take_packets(self._stream, lambda *packet: self.published.append(packet), self._acknowledge)
        return self

    @property
    def left(self) -> bytes:
        return bytes(self._stream)

    def _acknowledge(self, mid: int) -> bool:
        if self._ours is not None and mid not in self._ours:
            return False
        self.acknowledged.append(mid)
        return True


def of_qos_0(topic: bytes, payload: bytes) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + payload
    assert len(body) < 128
    return bytes([0x30, len(body)]) + body


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=6),
    cuts=st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=8),
)
def test_every_cut_of_the_stream_gives_the_same_packets(payloads: list[bytes], cuts: list[int]) -> None:
    stream, others = b"", b""
    for number, payload in enumerate(payloads):
        other = (PINGRESP, SUBACK)[number % 2]
        stream += publication(TOPIC, number + 1, payload) + acknowledgements([2000 + number]) + other
        others += other
    taken = Taken()
    at = turn = 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        taken.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert taken.published == [(TOPIC, 1, number + 1, payload) for number, payload in enumerate(payloads)]
    assert taken.acknowledged == [2000 + number for number in range(len(payloads))]
    assert taken.others == others
    assert taken.left == b""


@given(payload=st.binary(max_size=40_000), mid=st.integers(min_value=1, max_value=0xFFFF))
def test_paho_reads_what_we_write(payload: bytes, mid: int) -> None:
    from paho.mqtt import _packet

    packet = publication(TOPIC, mid, payload)
    body = len(packet) - (2 + len(TOPIC) + 2 + len(payload))
    read = _packet.decode_publish(packet[0], packet[body:], MQTTv311)
    assert (read.topic, read.qos, read.mid, read.payload) == (TOPIC, 1, mid, payload)


def test_qos_0_and_a_repeated_or_retained_message_are_taken() -> None:
    again = bytearray(publication(TOPIC, 7, b"x"))
    again[0] |= 0x09  # DUP and RETAIN
    taken = Taken().feed(of_qos_0(b"a/b", b"y") + bytes(again))
    assert taken.published == [(b"a/b", 0, 0, b"y"), (TOPIC, 1, 7, b"x")]


def test_qos_2_and_the_answer_to_a_strange_id_are_left_to_paho() -> None:
    of_qos_2 = bytearray(publication(TOPIC, 7, b"x"))
    of_qos_2[0] = 0x34
    taken = Taken(ours={9}).feed(bytes(of_qos_2) + acknowledgements([8, 9]))
    assert taken.others == bytes(of_qos_2) + acknowledgements([8])
    assert taken.acknowledged == [9]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x32\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x32\x03\x00\x09a",  # a topic longer than its packet
        b"\x32\x04\x00\x01ab",  # no room for a packet id
        b"\x32\x01\x00",  # no room for a topic's length
    ],
)
def test_what_is_no_mqtt_is_said(stream: bytes) -> None:
    with pytest.raises(MalformedPacket):
        Taken().feed(stream)
