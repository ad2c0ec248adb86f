"""Finding out which units answer on a line, and which product each of them probably is.

A unit that answers anything, even with a refusal, is there. What it is, is asked in three ways: by the identification
registers of the profiles and by SunSpec's marker, which is certain; else by reading voltage and frequency where each
profile has them, and keeping the profiles whose values could be those of a power grid, which is a proposal for a person
to check.

What stays true:
- Nothing is ever written, and one request is under way at a time, with a pause after it.
- A silent unit costs two requests; a unit that answers costs at most one request per distinct register looked at, and
  is left alone after MAX_UNANSWERED requests in a row without an answer.
- A line that cannot be opened ends the scan with `NoConnection`.

Limit: instruments that measure neither voltage nor frequency are found, but not proposed without identification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from collectors.errors import ExceptionReply, InstrumentError, Unreachable, WrongReply
from collectors.modbus.client import ModbusClient, NoConnection
from collectors.modbus.decode import decode
from collectors.modbus.driver import NOBODY_THERE
from collectors.modbus.plan import ReadBlock
from collectors.modbus.sunspec import SunSpecMeter, discover
from collectors.profile import FunctionCode, MeterProfile, RegisterSpec, TimingLimits

UNITS = range(1, 248)  # Serial Line V1.02, clause 2.2: individual addresses
MAX_UNANSWERED = 2
# What a register must read for its profile to be thought of. Wide: any public low-voltage grid, any phase voltage.
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "frequency": (45.0, 65.0),
    "voltage_l1": (80.0, 300.0),
    "voltage": (80.0, 500.0),
}


@dataclass(frozen=True, slots=True)
class ScannedUnit:
    """What was seen at one unit address."""

    unit: int
    answers: bool
    identified: str | None = None  # profile id, by an identification register
    fits: tuple[str, ...] = ()  # profile ids whose values are plausible; most values compared first
    disturbed: str = ""  # something came back that is no answer
    described: SunSpecMeter | None = None  # the meter described itself


def quick_limits(timeout_s: float, pause_s: float) -> TimingLimits:
    """For probing: short, once, with a pause."""
    return TimingLimits(timeout_s=timeout_s, max_registers=125, retries=0, pause_s=pause_s)


def scan(
    client: ModbusClient, units: Iterable[int], profiles: Mapping[str, MeterProfile], limits: TimingLimits
) -> Iterator[ScannedUnit]:
    """Looks at one unit after the other; raises NoConnection if the line cannot be opened."""
    for unit in units:
        seen = _probe(client, unit, limits)
        yield _recognise(client, unit, profiles, limits) if seen.answers else seen


def _probe(client: ModbusClient, unit: int, limits: TimingLimits) -> ScannedUnit:
    """Whether anybody is there: one register by each function, until something is answered."""
    disturbed = ""
    for function_code in (3, 4):
        try:
            client.read(unit, ReadBlock(function_code, 0, 1, ()), limits)
        except NoConnection:
            raise
        except ExceptionReply as error:
            if error.code in NOBODY_THERE:
                continue
        except WrongReply as error:
            disturbed = str(error)
            continue
        except Unreachable:
            continue
        return ScannedUnit(unit, True)
    return ScannedUnit(unit, False, disturbed=disturbed)


def _recognise(
    client: ModbusClient, unit: int, profiles: Mapping[str, MeterProfile], limits: TimingLimits
) -> ScannedUnit:
    reader = _UnitReader(client, unit, replace(limits, retries=1))
    for name, profile in profiles.items():
        identify = profile.identify
        if identify is not None:
            words = reader.read(identify.function_code, identify.address, 1)
            if words is not None and words[0] in identify.is_one_of:
                return ScannedUnit(unit, True, identified=name)
    described = discover(lambda address, count: reader.read(3, address, count))
    if described is not None:
        return ScannedUnit(unit, True, identified=described.profile, described=described)
    compared = {name: _compared(reader, profile) for name, profile in profiles.items()}
    fits = sorted((name for name, count in compared.items() if count), key=lambda name: (-compared[name], name))
    return ScannedUnit(unit, True, fits=tuple(fits))


def _compared(reader: _UnitReader, profile: MeterProfile) -> int:
    """How many values were compared and found plausible; 0 if one was not, or there is none to compare."""
    specs = [profile.by_point[point] for point in PLAUSIBLE if point in profile.by_point]
    for spec in specs:
        value = _value(reader, spec)
        least, most = PLAUSIBLE[spec.quantity]
        if value is None or not least <= value <= most:
            return 0
    return len(specs)


def _value(reader: _UnitReader, spec: RegisterSpec) -> float | None:
    words = reader.read(spec.function_code, spec.address, spec.words)
    if words is None:
        return None
    try:
        return decode(words, spec)
    except WrongReply:
        return None


class _UnitReader:
    """Reads of one unit, each asked once; None for what it does not give."""

    def __init__(self, client: ModbusClient, unit: int, limits: TimingLimits) -> None:
        self._client = client
        self._unit = unit
        self._limits = limits
        self._known: dict[tuple[int, int, int], list[int] | None] = {}
        self._unanswered = 0

    def read(self, function_code: FunctionCode, address: int, count: int) -> list[int] | None:
        key = function_code, address, count
        if key not in self._known:
            self._known[key] = self._ask(ReadBlock(function_code, address, count, ()))
        return self._known[key]

    def _ask(self, block: ReadBlock) -> list[int] | None:
        if self._unanswered >= MAX_UNANSWERED:
            return None
        try:
            words = self._client.read(self._unit, block, self._limits)
        except NoConnection:
            raise
        except InstrumentError as error:
            self._unanswered = self._unanswered + 1 if isinstance(error, Unreachable) else 0
            return None
        self._unanswered = 0
        return words
