"""Frames as the specification prints them, and what is said of frames that are none."""

from __future__ import annotations

import pytest

from collectors.modbus.framing import FRAMINGS, answers, crc16, lrc, silence_s

PDU = bytes.fromhex("0306022B00000064")  # Modbus Application Protocol V1.1b3, clause 6.3


def test_checksums_are_those_of_published_frames() -> None:
    # Serial Line V1.02, appendix B: the CRC of 02 07 is 0x1241, sent low byte first.
    assert crc16(bytes.fromhex("0207")) == bytes.fromhex("4112")
    # A reply of an energy meter, printed in drivers of the Tasmota family (see the golden cases of eastron-sdm630).
    assert crc16(bytes.fromhex("01040443663334")) == bytes.fromhex("1B38")
    assert lrc(bytes.fromhex("F7031389000A")) == 0x60  # printed in several PLC manuals as :F7031389000A60


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("socket", b"\x00\x07\0\0\0\x09\x11" + PDU),
        ("rtu", b"\x11" + PDU + crc16(b"\x11" + PDU)),
        ("ascii", b":110306022B0000006455\r\n"),
    ],
)
def test_exactly_one_reply_answers_a_request(name: str, frame: bytes) -> None:
    framing, sent = FRAMINGS[name], b"\x00\x07\0\0\0\x06\x11"  # type: ignore[index]

    assert framing.reply(sent, 0x11, PDU) == frame
    assert answers(framing, sent, b"\0" + frame + b"\xff", 0x11, PDU)
    assert not answers(framing, sent, frame, 0x12, PDU)
    assert not answers(framing, sent, frame[:-1], 0x11, PDU)


def test_small_letters_are_the_same_hexadecimal() -> None:
    assert answers(FRAMINGS["ascii"], b"", b":110306022b0000006455\r\n", 0x11, PDU)


FLAWS = {
    "rtu, too short": ("rtu", b"\x11\x03\x06\x02", "broke off after 4 bytes"),
    "rtu, nothing but noise": ("rtu", b"\xff\xff\xff\xff\xff\xff", "checksum is wrong"),
    "rtu, other unit": ("rtu", b"\x12" + PDU + crc16(b"\x12" + PDU), "came from unit 18"),
    "rtu, unknown function": ("rtu", b"\x11\xef\0" + crc16(b"\x11\xef\0"), "cannot be read"),
    "ascii, no end": ("ascii", b":110306", "broke off after 7 bytes"),
    "ascii, no hexadecimal": ("ascii", b":11zz\r\n", "cannot be read"),
    "ascii, wrong checksum": ("ascii", b":110306022B0000006456\r\n", "checksum is wrong"),
    "ascii, other unit": ("ascii", b":120306022B0000006454\r\n", "came from unit 18"),
    "ascii, unknown function": ("ascii", b":116F0080\r\n", "cannot be read"),
}


@pytest.mark.parametrize("name", FLAWS)
def test_what_is_wrong_with_a_frame_is_said_in_words(name: str) -> None:
    framing, received, words = FLAWS[name]

    assert words in FRAMINGS[framing].flaw(b"", received, 0x11)  # type: ignore[index]


def test_silence_between_frames_is_three_and_a_half_characters_and_fixed_on_fast_lines() -> None:
    rtu = FRAMINGS["rtu"]

    assert silence_s(rtu, 9600) == pytest.approx(0.00401, abs=1e-5)
    assert silence_s(rtu, 115_200) == 0.00175
    assert silence_s(rtu, 0) == silence_s(FRAMINGS["socket"], 9600) == silence_s(FRAMINGS["ascii"], 9600) == 0
