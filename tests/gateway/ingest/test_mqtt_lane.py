"""The lane between paho and its socket: what it takes, what it hands on, and that nothing it writes is lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.ingest.mqtt_lane import FIRST_MID, LAST_MID, MAX_RECEIPTS, Lane
from gateway.ingest.mqtt_packets import acknowledgements, publication, take_packets

PINGRESP = b"\xd0\x00"


class Ends:
    """A lane, and the broker's end of its connection."""

    def __init__(self) -> None:
        ours, self.broker = socket.socketpair()
        ours.setblocking(False)
        self.published: list[tuple[bytes, int, int, bytes]] = []
        self.lane = Lane(ours, lambda *packet: self.published.append(packet))

    def receive(self, size: int) -> bytes:
        """So many bytes at the broker, flushing the lane meanwhile."""
        got = bytearray()
        while len(got) < size:
            self.lane.flush()
            got += self.broker.recv(65536)
        return bytes(got)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.lane.close()
    made.broker.close()


def test_readings_go_to_us_and_the_rest_to_paho(ends: Ends) -> None:
    ends.broker.sendall(PINGRESP + publication(b"a", 1, b"x") + PINGRESP)
    assert ends.lane.read()
    assert ends.published == [(b"a", 1, 1, b"x")]
    assert ends.lane.recv(1) == PINGRESP[:1]
    assert ends.lane.recv(100) == PINGRESP[1:] + PINGRESP
    with pytest.raises(BlockingIOError):
        ends.lane.recv(1)
    assert not ends.lane.read()


def test_end_of_the_connection_is_left_to_paho_after_everything_else(ends: Ends) -> None:
    ends.broker.sendall(PINGRESP)
    ends.broker.close()
    while ends.lane.read():
        pass
    assert ends.lane.for_paho
    assert ends.lane.recv(100) == PINGRESP
    assert ends.lane.for_paho
    assert ends.lane.recv(1) == b""


def test_stream_that_is_no_mqtt_ends_the_connection(ends: Ends) -> None:
    ends.broker.sendall(b"\x32\x01\x00")
    ends.lane.read()
    with pytest.raises(ConnectionError):
        ends.lane.recv(1)
    assert not ends.lane.read()


def test_all_that_is_written_arrives_in_order_though_the_socket_is_full(ends: Ends) -> None:
    payload = b"r" * 5000
    expected = b""
    for number in range(200):
        ends.lane.acknowledge([number + 1])
        assert ends.lane.publish(b"a", payload)
        expected += acknowledgements([number + 1]) + publication(b"a", FIRST_MID + number, payload)
        ends.lane.flush()
    assert ends.lane.send(PINGRESP) == len(PINGRESP)
    expected += PINGRESP
    assert ends.lane.unsent > 0
    assert ends.receive(len(expected)) == expected
    assert ends.lane.unsent == 0


def test_receipts_on_their_way_are_bounded_and_each_has_its_own_id(ends: Ends) -> None:
    for _ in range(MAX_RECEIPTS):
        assert ends.lane.publish(b"a", b"")
    assert not ends.lane.publish(b"a", b"")
    ends.broker.sendall(acknowledgements([FIRST_MID + 5]))
    ends.lane.read()
    assert ends.lane.publish(b"a", b"")
    assert not ends.lane.publish(b"a", b"")


def test_packet_ids_come_round_without_meeting_one_under_way_or_one_of_pahos(ends: Ends) -> None:
    mids: list[int] = []
    stream = bytearray()
    for number in range(LAST_MID + 10):
        assert ends.lane.publish(b"a", b"")
        stream += ends.receive(len(publication(b"a", FIRST_MID, b"")))
        take_packets(stream, lambda _topic, _qos, mid, _payload: mids.append(mid), lambda _mid: False)
        if number:  # the first one is never acknowledged
            ends.broker.sendall(acknowledgements([mids[-1]]))
            ends.lane.read()
    assert mids[0] == FIRST_MID
    assert FIRST_MID not in mids[1:]
    assert min(mids) >= FIRST_MID
    assert max(mids) == LAST_MID
    assert not ends.lane.for_paho
