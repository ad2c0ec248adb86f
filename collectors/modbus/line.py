"""Where Modbus units are reached: a TCP address, or a serial port with its settings.

A line also knows what it does to the time a request takes: `on_line` puts its speed in place of the speed that a
profile assumes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from collectors.modbus.framing import BITS_PER_CHARACTER, FRAMINGS, Framing
from collectors.profile import TimingLimits

Parity = Literal["none", "even", "odd"]

ASCII_BITS_PER_CHARACTER = 10  # start, 7 data, parity or second stop, stop: Serial Line V1.02, clause 2.5.2
USUAL_BAUD = 9600


@dataclass(frozen=True, slots=True)
class TcpLine:
    """A meter with a network port, or a gateway with a serial line behind it."""

    host: str
    port: int = 502
    framing: Literal["socket", "rtu"] = "socket"  # rtu: the gateway passes bytes through as they are
    baud: int | None = None  # of the serial line behind the gateway; None = what the profiles say

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def how_to_mend(self) -> str:
        """What to do when it cannot be opened."""
        return "check host, port and cabling"


@dataclass(frozen=True, slots=True)
class SerialLine:
    """A serial port of this machine."""

    path: str
    framing: Literal["rtu", "ascii"] = "rtu"
    baud: int = USUAL_BAUD
    parity: Parity = "none"
    stopbits: int = 1
    bytesize: int = 8

    def __str__(self) -> str:
        settings = f"{self.baud} baud, {self.bytesize}{self.parity[0].upper()}{self.stopbits}"
        return f"{self.path} ({settings})"

    @property
    def how_to_mend(self) -> str:
        """What to do when it cannot be opened."""
        if not Path(self.path).exists():
            return "there is no such port: is the adapter plugged in? /dev/serial/by-id holds names that stay"
        return "another program may hold it, or this user may not open it: add the user to the port's group (dialout)"


Line = TcpLine | SerialLine


def framing_of(line: Line) -> Framing:
    return FRAMINGS[line.framing]


def on_line(limits: TimingLimits, line: Line) -> TimingLimits:
    """A profile's limits with the speed of this line, in characters of the RTU framing."""
    if line.baud is None:
        return limits
    if framing_of(line).is_text:  # each byte is two characters of ten bits: as slow as RTU at 11/20 of the speed
        return replace(limits, baud=line.baud * BITS_PER_CHARACTER // (2 * ASCII_BITS_PER_CHARACTER))
    return replace(limits, baud=line.baud)
