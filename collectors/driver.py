"""What the edge asks of any instrument protocol.

A `Driver` is one bus: a serial line, a TCP gateway, or a meter with its own network port. It answers one question:
what do the points of this device read now? What could not be read is said per group of points, so that one bad
register or one broken request never costs the other readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from collectors.errors import ExceptionReply, InstrumentError, Unreachable, WrongReply
from collectors.profile import MeterProfile
from collectors.reading import Reading

# Names under which errors are counted in the agent's status.
ERROR_KINDS: dict[type[InstrumentError], str] = {
    Unreachable: "unreachable",
    ExceptionReply: "exception",
    WrongReply: "wrong_reply",
}

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 502  # registered for Modbus TCP


@dataclass(frozen=True, slots=True)
class Bus:
    """Where instruments are reached, as the agent's file says it. Which keys mean something is the driver's matter."""

    id: str
    driver: str  # key of collectors.drivers.DRIVERS
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    path: str = ""  # of a serial port
    baud: int | None = None  # of the serial line; None = the usual speed, behind a gateway what profiles say
    parity: Literal["none", "even", "odd"] | None = None  # None = the driver's usual one, as the next two
    stopbits: int | None = None
    bytesize: int | None = None


@dataclass(frozen=True, slots=True)
class PolledDevice:
    """A device on a bus and the points wanted from it."""

    id: str
    unit: int  # address on the bus
    profile: MeterProfile
    points: tuple[str, ...]  # point ids of the profile


@dataclass(frozen=True, slots=True)
class PollError:
    """Points that could not be read, and why."""

    device: str
    points: tuple[str, ...]
    error: InstrumentError

    @property
    def kind(self) -> str:
        """The name under which the error is counted; `instrument` for a failure no protocol accounts for."""
        return next((kind for error, kind in ERROR_KINDS.items() if isinstance(self.error, error)), "instrument")

    def __str__(self) -> str:
        return f"{self.device}: {', '.join(self.points)}: {self.error}"


@dataclass(frozen=True, slots=True)
class PollResult:
    """One poll of one device: every wanted point is either in `readings` or in one of the `errors`."""

    readings: tuple[Reading, ...]
    errors: tuple[PollError, ...]


class Driver(Protocol):
    """One bus. Calls may come from several threads; requests go out one at a time."""

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        """Read the device's points, all stamped `now_ms`. Instrument errors are in the result, never raised."""

    def close(self) -> None:
        """Give back the connection. A later poll opens it again."""
