"""Serial lines over pseudo-terminals: RTU, ASCII and RTU through a TCP gateway, with slaves that are not ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.driver import Bus, PolledDevice
from collectors.drivers import open_driver
from collectors.errors import ExceptionReply, Unreachable, WrongReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import encode
from collectors.modbus.framing import crc16, lrc
from collectors.modbus.line import SerialLine
from collectors.modbus.plan import ReadBlock
from collectors.modbus.scan import quick_limits, scan
from collectors.profile import MeterProfile, TimingLimits, load_profile, shipped_config_dir

NOW_MS = 1_760_000_000_000
BLOCK = ReadBlock(3, 107, 3, ())
GOOD = bytes.fromhex("0306022B00000064")  # Modbus Application Protocol V1.1b3, clause 6.3: 555, 0, 100
UNIT = 17
BAUD = 115_200
LIMITS = TimingLimits(timeout_s=10, max_registers=125, retries=0)
QUICK = replace(LIMITS, timeout_s=0.3)  # for what is never answered: a busy machine answers later than that

StartSlave = Callable[[Callable[[bytes], bytes | None]], Any]


def rtu(pdu: bytes, unit: int = UNIT) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + crc16(frame)


def ascii_frame(pdu: bytes, unit: int = UNIT) -> bytes:
    frame = bytes([unit]) + pdu
    return f":{(frame + bytes([lrc(frame)])).hex().upper()}\r\n".encode()


@pytest.fixture
def meter() -> MeterProfile:
    return load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")


def fill(slave: Any, profile: MeterProfile, values: dict[str, float]) -> None:
    for point, value in values.items():
        spec = profile.by_point[point]
        table = slave.holding if spec.function_code == 3 else slave.inputs
        for offset, word in enumerate(encode(value, spec)):
            table[spec.address + offset] = word


VALUES = {"voltage_l1": 230.5, "power": -12.25, "energy_import": 12345.0, "energy_import_l3": 4096.5}


@pytest.mark.real("socat", "libmodbus")
@pytest.mark.parametrize("baud", [9600, BAUD])
def test_a_slave_of_libmodbus_is_polled_over_a_serial_line(
    socat: Any, libmodbus_slave: Any, meter: MeterProfile, tmp_path: Path, baud: int
) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    socat(f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}", near, far)
    fill(libmodbus_slave(far, UNIT, baud), meter, VALUES)

    hasty = replace(meter, timing=replace(meter.timing, timeout_s=1, retries=0))
    with closing(open_driver(Bus("bus-1", "modbus-rtu", path=str(near), baud=baud))) as driver:
        result = driver.poll(PolledDevice("meter", UNIT, meter, tuple(VALUES)), NOW_MS)
        nobody = driver.poll(PolledDevice("nobody", UNIT + 1, hasty, ("power",)), NOW_MS)
        again = driver.poll(PolledDevice("meter", UNIT, meter, ("power",)), NOW_MS)

    assert result.errors == ()
    assert {reading.point: reading.value for reading in result.readings} == VALUES
    assert [error.kind for error in nobody.errors] == ["unreachable"]
    assert [reading.value for reading in again.readings] == [-12.25]


@pytest.mark.real("socat", "libmodbus")
def test_a_gateway_that_passes_bytes_through_is_polled_over_tcp(
    socat: Any, libmodbus_slave: Any, meter: MeterProfile, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    near, far, port = tmp_path / "near", tmp_path / "far", free_port()
    socat(f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}", near, far)
    socat(f"tcp-listen:{port},bind=127.0.0.1,reuseaddr,fork", f"{near},raw,echo=0")
    fill(libmodbus_slave(far, UNIT), meter, VALUES)
    bus = Bus("bus-1", "modbus-rtu-over-tcp", "127.0.0.1", port)

    with closing(open_driver(bus)) as driver:
        deadline_s = time.monotonic() + 10
        while (result := driver.poll(PolledDevice("meter", UNIT, meter, tuple(VALUES)), NOW_MS)).errors:
            assert time.monotonic() < deadline_s, result.errors

    assert {reading.point: reading.value for reading in result.readings} == VALUES


@pytest.mark.real("socat", "libmodbus")
def test_a_slave_of_libmodbus_is_found_by_a_scan(
    socat: Any, libmodbus_slave: Any, meter: MeterProfile, tmp_path: Path
) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    socat(f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}", near, far)
    fill(libmodbus_slave(far, UNIT, BAUD), meter, {"frequency": 50.0, "voltage_l1": 231.0, "voltage": 230.0})

    with closing(ModbusClient(SerialLine(str(near), baud=BAUD))) as client:
        before, unit = scan(client, (UNIT - 1, UNIT), {meter.id: meter}, quick_limits(1.0, 0.0))

    assert not before.answers
    assert unit.fits == (meter.id,)


@pytest.mark.real("socat", "libmodbus")
def test_a_range_that_libmodbus_refuses_comes_out_as_its_exception(
    socat: Any, libmodbus_slave: Any, tmp_path: Path
) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    socat(f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}", near, far)
    slave = libmodbus_slave(far, UNIT, BAUD)

    with closing(ModbusClient(SerialLine(str(near), baud=BAUD))) as client, pytest.raises(ExceptionReply) as caught:
        client.read(UNIT, ReadBlock(3, slave.REGISTERS, 1, ()), LIMITS)

    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("framing", "wrap", "request_frame"),
    [("rtu", rtu, rtu(bytes.fromhex("03006B0003"))), ("ascii", ascii_frame, b":1103006B00037E\r\n")],
)
def test_the_example_of_the_protocol_is_spoken_to_the_byte(
    raw_slave: StartSlave, framing: Any, wrap: Callable[[bytes], bytes], request_frame: bytes
) -> None:
    slave = raw_slave(lambda request: wrap(GOOD))

    with closing(ModbusClient(SerialLine(slave.path, framing, BAUD))) as client:
        assert client.read(UNIT, BLOCK, LIMITS) == [555, 0, 100]

    assert slave.requests == [request_frame]


WRONG: dict[str, tuple[bytes, type[Exception], str]] = {
    "silence": (b"", Unreachable, "no reply within"),
    "noise": (b"\xff\x13\x00\xff\xff\xff\xff", WrongReply, "checksum is wrong"),
    "broken off": (rtu(GOOD)[:6], WrongReply, "broke off after 6 bytes"),
    "a spoiled byte": (rtu(GOOD)[:5] + b"\x55" + rtu(GOOD)[6:], WrongReply, "checksum is wrong"),
    "other unit": (rtu(GOOD, UNIT + 1), WrongReply, "came from unit 18"),
    "other function": (rtu(b"\x04" + GOOD[1:]), WrongReply, "reply is to function 4"),
    "a register too few": (rtu(bytes.fromhex("0304022B0000")), WrongReply, "2 registers in place of 3"),
    "exception": (rtu(bytes.fromhex("8302")), ExceptionReply, "illegal data address"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_serial_reply_that_is_no_answer_is_refused_in_words(raw_slave: StartSlave, name: str) -> None:
    reply, kind, words = WRONG[name]
    slave = raw_slave(lambda request: reply)

    with closing(ModbusClient(SerialLine(slave.path, baud=BAUD))) as client, pytest.raises(kind, match=words) as caught:
        client.read(UNIT, BLOCK, replace(LIMITS, timeout_s=1))

    assert f"unit 17 at {slave.path}" in str(caught.value)


def test_noise_before_and_after_a_right_frame_costs_nothing(raw_slave: StartSlave) -> None:
    slave = raw_slave(lambda request: b"\0" + rtu(GOOD) + b"\xff")

    with closing(ModbusClient(SerialLine(slave.path, baud=BAUD))) as client:
        assert client.read(UNIT, BLOCK, LIMITS) == [555, 0, 100]


@pytest.mark.parametrize("pieces", [(300,), (8, 300), (1, 2, 5, 300), (11, 300)])
@pytest.mark.parametrize(("framing", "wrap"), [("rtu", rtu), ("ascii", ascii_frame)])
@pytest.mark.parametrize("noise", [b"", b"\0"])
def test_an_adapter_that_hands_back_the_request_costs_nothing(
    raw_slave: StartSlave, framing: Any, wrap: Callable[[bytes], bytes], pieces: tuple[int, ...], noise: bytes
) -> None:
    def echo_and_reply(request: bytes) -> bytes:
        rest = noise + request + wrap(GOOD)
        for length in pieces:
            slave.send(rest[:length])
            time.sleep(0.03)
            rest = rest[length:]
        return b""

    slave = raw_slave(echo_and_reply)

    with closing(ModbusClient(SerialLine(slave.path, framing, BAUD))) as client:
        assert client.read(UNIT, BLOCK, LIMITS) == [555, 0, 100]


@pytest.mark.parametrize("part", [1, 2, 8])
def test_an_echo_alone_is_no_reply(raw_slave: StartSlave, part: int) -> None:
    slave = raw_slave(lambda request: request[:part])

    with (
        closing(ModbusClient(SerialLine(slave.path, baud=BAUD))) as client,
        pytest.raises(Unreachable, match="no reply within"),
    ):
        client.read(UNIT, BLOCK, QUICK)


@pytest.mark.parametrize("late", ["0306FFFFFFFFFFFF", "8302"])
@pytest.mark.parametrize("other", [replace(BLOCK, address=200), ReadBlock(3, 200, 2, ())])
def test_a_late_reply_or_refusal_is_never_taken_for_that_of_another_block(
    raw_slave: StartSlave, late: str, other: ReadBlock
) -> None:
    answers = {3: GOOD, 2: bytes.fromhex("0304022B0000")}
    slept: list[float] = []

    def late_reply_comes_while_waiting(seconds: float) -> None:
        slept.append(seconds)
        if seconds > 0.05:  # not the silence between frames
            slave.send(rtu(bytes.fromhex(late)))

    slave = raw_slave(lambda request: rtu(answers[request[5]]) if len(slave.requests) > 1 else b"")

    with closing(ModbusClient(SerialLine(slave.path, baud=BAUD), sleep=late_reply_comes_while_waiting)) as client:
        with pytest.raises(Unreachable):
            client.read(UNIT, BLOCK, QUICK)
        assert client.read(UNIT, other, LIMITS) == [555, 0, 100][: other.count]
        assert client.read(UNIT, BLOCK, LIMITS) == [555, 0, 100]

    assert [seconds for seconds in slept if seconds > 0.05] != []


def test_the_line_is_given_its_silence_between_two_frames(raw_slave: StartSlave) -> None:
    slave = raw_slave(lambda request: rtu(GOOD))
    slept: list[float] = []

    with closing(ModbusClient(SerialLine(slave.path, baud=300), sleep=slept.append)) as client:
        for _ in range(2):
            client.read(UNIT, BLOCK, LIMITS)

    (wait_s,) = slept
    assert 0.05 < wait_s <= 3.5 * 11 / 300


def test_a_long_reply_on_a_slow_line_is_waited_for(raw_slave: StartSlave) -> None:
    words = 100
    body = rtu(bytes([3, 2 * words]) + bytes(2 * words))

    def in_pieces(request: bytes) -> bytes:
        for start in range(0, len(body), 50):
            slave.send(body[start : start + 50])
            time.sleep(0.4)
        return b""

    slave = raw_slave(in_pieces)

    with closing(ModbusClient(SerialLine(slave.path, baud=1200))) as client:
        assert client.read(UNIT, ReadBlock(3, 0, words, ()), replace(LIMITS, timeout_s=1)) == [0] * words


def test_a_port_that_is_not_there_is_unreachable_with_what_to_do(tmp_path: Path) -> None:
    line = SerialLine(str(tmp_path / "ttyUSB0"))

    with closing(ModbusClient(line)) as client, pytest.raises(Unreachable, match="is the adapter plugged in"):
        client.read(UNIT, BLOCK, LIMITS)


def test_a_port_that_another_program_holds_is_said(raw_slave: StartSlave) -> None:
    slave = raw_slave(lambda request: rtu(GOOD))
    line = SerialLine(slave.path, baud=BAUD)

    with closing(ModbusClient(line)) as first, closing(ModbusClient(line)) as second:
        first.read(UNIT, BLOCK, LIMITS)
        with pytest.raises(Unreachable, match="another program may hold it"):
            second.read(UNIT, BLOCK, LIMITS)


def test_an_adapter_that_was_pulled_and_plugged_in_is_used_again(raw_slave: StartSlave, tmp_path: Path) -> None:
    first, second = (raw_slave(lambda request: rtu(GOOD)) for _ in range(2))
    port = tmp_path / "port"
    port.symlink_to(first.path)

    with closing(ModbusClient(SerialLine(str(port), baud=BAUD))) as client:
        client.read(UNIT, BLOCK, LIMITS)
        first.answer = lambda request: b""
        with pytest.raises(Unreachable):
            client.read(UNIT, BLOCK, QUICK)
        port.unlink()
        port.symlink_to(second.path)
        assert client.read(UNIT, BLOCK, LIMITS) == [555, 0, 100]
