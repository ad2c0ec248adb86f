"""The client against a server that misbehaves in every way we know."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from collectors.errors import ExceptionReply, InstrumentError, Unreachable, WrongReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.line import TcpLine
from collectors.modbus.plan import ReadBlock
from collectors.profile import TimingLimits

BLOCK = ReadBlock(3, 107, 3, ())
StartServer = Callable[[Callable[[bytes], bytes | None]], "RawServer"]


class RawServer:
    """What the fixture `raw_server` gives; named here for its types."""

    port: int
    requests: list[bytes]
    connections: int
    answer: Callable[[bytes], bytes | None]


def frame(request: bytes, pdu: bytes, *, unit: int | None = None, transaction: bytes | None = None) -> bytes:
    """A reply to a request; everything as it should be but for what the test changes."""
    head = (transaction or request[:2]) + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big")
    return head + bytes([request[6] if unit is None else unit]) + pdu


GOOD = bytes.fromhex("0306022B00000064")  # Modbus Application Protocol V1.1b3, clause 6.3: 555, 0, 100


@contextmanager
def client_of(server: RawServer) -> Iterator[ModbusClient]:
    client = ModbusClient(TcpLine("127.0.0.1", server.port))
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    ("block", "request_pdu", "response_pdu", "words"),
    [
        (ReadBlock(3, 0x6B, 3, ()), "03006B0003", "0306022B00000064", [555, 0, 100]),
        (ReadBlock(4, 8, 1, ()), "0400080001", "0402000A", [10]),
    ],
)
def test_the_examples_of_the_protocol_are_spoken_to_the_byte(
    raw_server: StartServer,
    patient: TimingLimits,
    block: ReadBlock,
    request_pdu: str,
    response_pdu: str,
    words: list[int],
) -> None:
    server = raw_server(lambda request: frame(request, bytes.fromhex(response_pdu)))

    with client_of(server) as client:
        assert client.read(17, block, patient) == words

    (request,) = server.requests
    assert request[2:7] == b"\0\0\0\x06\x11"
    assert request[7:].hex().upper() == request_pdu


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "other unit": (lambda r: frame(r, GOOD, unit=r[6] + 1), "came from unit 18"),
    "other transaction": (lambda r: frame(r, GOOD, transaction=b"\x12\x34"), "belongs to transaction 1234"),
    "transaction 0": (lambda r: frame(r, GOOD, transaction=b"\0\0"), "belongs to transaction 0000"),
    "other function": (lambda r: frame(r, b"\x04" + GOOD[1:]), "reply is to function 4"),
    "exception to another function": (lambda r: frame(r, b"\x84\x02"), "reply is to function 4"),
    "a register too few": (lambda r: frame(r, bytes.fromhex("0304022B0000")), "2 registers in place of 3"),
    "a register too many": (lambda r: frame(r, bytes.fromhex("0308022B000000640001")), "4 registers in place of 3"),
    "half a register": (lambda r: frame(r, bytes.fromhex("0305022B000000")), "2 registers in place of 3"),
    "half a register too many": (lambda r: frame(r, bytes.fromhex("0307022B0000006400")), "length does not fit"),
    "more bytes than counted": (lambda r: frame(r, GOOD + b"\0"), "length does not fit"),
    "fewer bytes than counted": (lambda r: frame(r, GOOD[:-2]), "cannot be read"),
    "unknown function": (lambda r: frame(r, b"\x6f\x00"), "cannot be read"),
    "broken off": (lambda r: frame(r, GOOD)[:11], "broke off after 11 bytes"),
    "a few bytes": (lambda r: b"\x01\x02\x03", "broke off after 3 bytes"),
    "no Modbus": (lambda r: b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke off"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_reply_that_is_no_answer_is_refused_in_words(
    raw_server: StartServer, patient: TimingLimits, name: str
) -> None:
    spoil, words = WRONG[name]
    server = raw_server(spoil)

    with client_of(server) as client, pytest.raises(WrongReply, match=words) as caught:
        client.read(17, BLOCK, replace(patient, timeout_s=1))

    assert "unit 17" in str(caught.value)
    assert "registers 107..109" in str(caught.value)


@pytest.mark.parametrize(("code", "words"), [(2, "illegal data address"), (11, "failed to respond"), (99, "unknown")])
def test_an_exception_reply_is_not_asked_again(
    raw_server: StartServer, patient: TimingLimits, code: int, words: str
) -> None:
    server = raw_server(lambda request: frame(request, bytes([0x83, code])))

    with client_of(server) as client, pytest.raises(ExceptionReply, match=words) as caught:
        client.read(17, BLOCK, replace(patient, retries=3))

    assert caught.value.code == code
    assert len(server.requests) == 1


def test_a_refused_connection_is_unreachable_at_once(patient: TimingLimits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = ModbusClient(TcpLine("127.0.0.1", port))

    started = time.monotonic()
    with pytest.raises(Unreachable, match=f"no connection to 127.0.0.1:{port}"):
        client.read(1, BLOCK, replace(patient, retries=3))
    assert time.monotonic() - started < patient.timeout_s


def test_silence_is_unreachable_after_the_retries(raw_server: StartServer, quick: TimingLimits) -> None:
    server = raw_server(lambda request: b"")

    with client_of(server) as client, pytest.raises(Unreachable, match=r"no reply within 0\.15 s"):
        client.read(17, BLOCK, replace(quick, retries=2))

    assert len(server.requests) == 3
    assert server.connections == 3  # a fresh one each time: no late reply can be taken for the next


def test_a_retry_that_is_answered_is_enough(raw_server: StartServer, quick: TimingLimits) -> None:
    server = raw_server(lambda request: b"")
    server.answer = lambda request: frame(request, GOOD) if len(server.requests) > 1 else b""

    with client_of(server) as client:
        assert client.read(17, BLOCK, replace(quick, timeout_s=1, retries=5)) == [555, 0, 100]


def test_a_late_reply_is_never_taken_for_the_next(
    raw_server: StartServer, quick: TimingLimits, patient: TimingLimits
) -> None:
    may_answer = threading.Event()
    stale = bytes.fromhex("0306FFFFFFFFFFFF")

    def answer(request: bytes) -> bytes:
        if len(server.requests) == 1:
            may_answer.wait(5)
            return frame(request, stale)
        may_answer.set()
        return frame(request, GOOD)

    server = raw_server(answer)

    with client_of(server) as client:
        with pytest.raises(Unreachable):
            client.read(17, BLOCK, quick)
        assert client.read(17, BLOCK, patient) == [555, 0, 100]


def test_an_idle_connection_that_was_closed_is_opened_again_without_costing_a_try(
    raw_server: StartServer, patient: TimingLimits
) -> None:
    answered: set[int] = set()

    def answer(request: bytes) -> bytes | None:
        if server.connections in answered:
            return None  # one answer per connection, as a server with a short idle timeout
        answered.add(server.connections)
        return frame(request, GOOD)

    server = raw_server(answer)

    with client_of(server) as client:
        for _ in range(3):
            assert client.read(17, BLOCK, patient) == [555, 0, 100]
    assert server.connections == 3


def test_a_server_that_always_closes_is_unreachable(raw_server: StartServer, patient: TimingLimits) -> None:
    server = raw_server(lambda request: None)

    with client_of(server) as client, pytest.raises(Unreachable, match="closed without a reply"):
        client.read(17, BLOCK, patient)

    assert len(server.requests) == 1


def test_the_bus_is_given_its_silence_between_requests(raw_server: StartServer, patient: TimingLimits) -> None:
    server = raw_server(lambda request: frame(request, GOOD))
    slept: list[float] = []
    client = ModbusClient(TcpLine("127.0.0.1", server.port), sleep=slept.append)

    client.read(17, BLOCK, replace(patient, pause_s=60))
    client.read(18, BLOCK, patient)  # a neighbour without demands of its own still waits for the first one's silence
    client.close()

    (wait_s,) = slept
    assert 59 < wait_s <= 60


def test_requests_of_several_threads_never_overlap(raw_server: StartServer, patient: TimingLimits) -> None:
    def answer(request: bytes) -> bytes:
        if len(request) != 12:
            return b""  # two requests at once
        return frame(request, b"\x03\x02\0" + request[6:7])

    server = raw_server(answer)
    problems: list[InstrumentError | AssertionError] = []

    def ask(unit: int) -> None:
        try:
            for _ in range(20):
                assert client.read(unit, ReadBlock(3, 0, 1, ()), patient) == [unit]
        except (InstrumentError, AssertionError) as error:
            problems.append(error)

    with client_of(server) as client:
        threads = [threading.Thread(target=ask, args=(unit,)) for unit in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert not problems
    assert len(server.requests) == 60
