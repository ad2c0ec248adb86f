"""Meter profiles: what a product's registers mean, as data.

One YAML file per product in `config/meter_profiles/<maker>-<model>.yaml`. A profile knows the product; where a meter is
installed and what it feeds is the registry's knowledge. `docs/adding-a-meter.md` shows how to write one.

What stays true:
- A profile has at most one register per quantity, and the point is named after the quantity.
- Values come in the quantity's canonical unit: `scale` and `offset` convert (Wh to kWh: 0.001), and the file must
  repeat the canonical unit, so that a slip of W and kW does not load.
- `scale` is kept as the decimal in the file; 0.01 is exactly one hundredth.
- A file with any problem does not load, and every problem is reported at once with line and key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.quantities import QUANTITIES
from collectors.spelling import meant
from collectors.strict_yaml import Document, KeyPath, build, file_text, parse

FunctionCode = Literal[3, 4]  # 3 = read holding registers, 4 = read input registers
WordOrder = Literal["big", "little"]  # little: least significant word first; bytes in a word are always big-endian

MAX_REGISTERS = 125  # of one request: Modbus Application Protocol V1.1b3, clauses 6.3 and 6.4
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class DType:
    """How the words of a register are read as a raw number."""

    words: int
    kind: Literal["unsigned", "signed", "float", "bcd", "low_byte"]

    @property
    def capacity(self) -> int | None:
        """The raw count at which a counter of this type starts again from 0; None where the type does not say."""
        if self.kind == "bcd":
            return int(10 ** (4 * self.words))
        return 1 << (16 * self.words) if self.kind == "unsigned" else None


DTYPES: dict[str, DType] = {
    "int16": DType(1, "signed"),
    "uint16": DType(1, "unsigned"),
    "int32": DType(2, "signed"),
    "uint32": DType(2, "unsigned"),
    "int64": DType(4, "signed"),
    "uint64": DType(4, "unsigned"),
    "float32": DType(2, "float"),
    "float64": DType(4, "float"),
    "bcd16": DType(1, "bcd"),  # packed, four digits a word
    "bcd32": DType(2, "bcd"),
    "bcd64": DType(4, "bcd"),
    "uint16_low_byte": DType(1, "low_byte"),  # the high byte means something else and is dropped
}


@dataclass(frozen=True, slots=True)
class RegisterSpec:
    """One quantity in the registers of a meter: value = raw × scale + offset."""

    quantity: str  # key of collectors.quantities.QUANTITIES
    point: str  # id of the point; the quantity's name
    address: int  # 0-based, as it stands in the request
    function_code: FunctionCode
    dtype: str  # key of DTYPES
    word_order: WordOrder
    scale: Decimal
    offset: Decimal
    not_available: tuple[int, ...]  # unsigned bit patterns, words in significance order, that mean "no value"
    unit: str  # canonical unit of the quantity
    modulus: Decimal | None  # of a counter: it starts again from 0 here, canonical unit

    @property
    def words(self) -> int:
        return DTYPES[self.dtype].words

    @property
    def end(self) -> int:
        """The address after the last word."""
        return self.address + self.words


@dataclass(frozen=True, slots=True)
class TimingLimits:
    """What a product stands, and what the planner reckons with."""

    timeout_s: float  # no reply within this = unreachable
    max_registers: int  # of one request
    retries: int = 1  # after a timeout or a wrong reply
    pause_s: float = 0.0  # silence between two requests on the bus
    max_gap: int = MAX_REGISTERS  # most unlisted registers in a row that a request may run over
    latency_s: float = 0.05  # from the end of a request to the start of its reply
    baud: int = 9600  # of the serial line, also behind a TCP gateway; 0 = none, a meter with its own network port

    def __post_init__(self) -> None:
        bounds = {
            "timeout_s must be above 0": self.timeout_s > 0,
            f"max_registers must be 1..{MAX_REGISTERS}": 1 <= self.max_registers <= MAX_REGISTERS,
            "retries must be 0..10": 0 <= self.retries <= 10,
            "pause_s must not be negative": self.pause_s >= 0,
            f"max_gap must be 0..{MAX_REGISTERS}": 0 <= self.max_gap <= MAX_REGISTERS,
            "latency_s must not be negative": self.latency_s >= 0,
            "baud must be 0 or at least 300": self.baud == 0 or self.baud >= 300,
        }
        wrong = [message for message, holds in bounds.items() if not holds]
        if wrong:
            raise ValueError("; ".join(wrong))


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """Where the register table comes from."""

    document: str
    confirmed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identification:
    """A register that tells this product from others: `tanmai edge scan` asks for it."""

    address: int  # 0-based, one register
    is_one_of: tuple[int, ...]  # what it holds in the models that the profile is for
    document: str  # where that is written
    function_code: FunctionCode = 3

    def __post_init__(self) -> None:
        if not 0 <= self.address <= 65535:
            raise ValueError("address must be 0..65535: 0-based, as it stands in the request")
        if not self.is_one_of or not all(0 <= word <= 65535 for word in self.is_one_of):
            raise ValueError("is_one_of must hold at least one number of 0..65535")


@dataclass(frozen=True)
class MeterProfile:
    """A product."""

    id: str
    maker: str
    model: str
    source: ProfileSource
    timing: TimingLimits
    registers: tuple[RegisterSpec, ...]
    notes: tuple[str, ...] = ()
    identify: Identification | None = None

    @cached_property
    def by_point(self) -> dict[str, RegisterSpec]:
        return {spec.point: spec for spec in self.registers}

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(spec.point for spec in self.registers)

    def select(self, points: Iterable[str]) -> tuple[RegisterSpec, ...]:
        """The registers of these points, in the profile's order; raises KeyError for a point it does not have."""
        wanted = {self.by_point[point] for point in points}
        return tuple(spec for spec in self.registers if spec in wanted)

    def modulus_of(self, point: str) -> float | None:
        """Where the counter behind a point starts again from 0, in its canonical unit; None = not known."""
        modulus = self.by_point[point].modulus
        return None if modulus is None else float(modulus)


def shipped_config_dir() -> Path:
    """The `config` directory that comes with this package."""
    return Path(__file__).resolve().parent.parent / "config"


def load_profiles(config_dir: Path, *extra_dirs: Path) -> dict[str, MeterProfile]:
    """Profiles of `config_dir`/meter_profiles and of further directories, by id.

    Raises ConfigurationError with every problem of every file.
    """
    profiles: dict[str, MeterProfile] = {}
    problems: list[Problem] = []
    for directory in (config_dir / "meter_profiles", *extra_dirs):
        if not directory.is_dir():
            problems.append(Problem("is no directory: expected meter profiles here", str(directory)))
            continue
        for path in sorted(directory.glob("*.yaml")):
            try:
                profile = load_profile(path)
            except ConfigurationError as error:
                problems.extend(error.problems)
                continue
            if profile.id in profiles:
                problems.append(Problem(f"{profile.id} exists already in another directory", str(path), key="id"))
            profiles[profile.id] = profile
    if problems:
        raise ConfigurationError(problems)
    return profiles


def load_profile(path: Path) -> MeterProfile:
    """One profile file; raises ConfigurationError with every problem in it."""
    profile = read_profile(file_text(path), str(path))
    if path.stem != profile.id:
        problem = Problem(f"a profile's file is named after its id: {profile.id}.yaml", str(path), key="id")
        raise ConfigurationError([problem])
    return profile


def read_profile(text: str, file: str = "") -> MeterProfile:
    """The text of a profile -> MeterProfile; raises ConfigurationError with every problem in it."""
    document = parse(text, file)
    problems: list[Problem] = []
    shape = build(document, _ProfileShape, problems)
    if shape is None:
        raise ConfigurationError(problems)
    if not _ID.match(shape.id):
        problems.append(document.problem(("id",), "must be lower case letters, digits and hyphens: <maker>-<model>"))
    problems.extend(
        document.problem(("not_available", dtype), f"unknown dtype; known are {', '.join(DTYPES)}")
        for dtype in shape.not_available.keys() - DTYPES.keys()
    )
    if not shape.registers:
        problems.append(document.problem(("registers",), "a profile needs at least one register"))
    seen = Counter(register.quantity for register in shape.registers)
    for index, register in enumerate(shape.registers):
        problems.extend(_problems_of(register, shape, seen, ("registers", index), document))
    problems = problems or _overlaps(shape, document)
    if problems:
        raise ConfigurationError(problems)
    registers = tuple(_spec(register, shape) for register in shape.registers)
    return MeterProfile(
        shape.id, shape.maker, shape.model, shape.source, shape.timing, registers, shape.notes, shape.identify
    )


# --- the shape of the file ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Defaults:
    function_code: FunctionCode = 3
    dtype: str = ""
    word_order: WordOrder = "big"


@dataclass(frozen=True)
class _RegisterShape:
    quantity: str
    address: int
    unit: str
    function_code: FunctionCode | None = None
    dtype: str | None = None
    word_order: WordOrder | None = None
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    not_available: tuple[int, ...] | None = None
    modulus: Decimal | None = None


@dataclass(frozen=True)
class _ProfileShape:
    id: str
    maker: str
    model: str
    source: ProfileSource
    timing: TimingLimits
    registers: tuple[_RegisterShape, ...]
    defaults: _Defaults = _Defaults()
    not_available: dict[str, tuple[int, ...]] = field(default_factory=dict)  # dtype -> patterns
    notes: tuple[str, ...] = ()
    identify: Identification | None = None


def _problems_of(
    register: _RegisterShape, profile: _ProfileShape, seen: Counter[str], path: KeyPath, document: Document
) -> list[Problem]:
    """Everything wrong with one register beyond its types."""

    def problem(key: str, message: str) -> Problem:
        return document.problem((*path, key), message)

    problems = []
    quantity = QUANTITIES.get(register.quantity)
    if quantity is None:
        likely = meant(register.quantity, QUANTITIES)
        unknown = f"unknown quantity {register.quantity}{likely}; the table in docs/glossary.md has all that there are"
        problems.append(problem("quantity", unknown))
    elif register.unit != quantity.unit:
        message = f"must be {quantity.unit}, the unit of {quantity.name}, not {register.unit}: convert with scale"
        problems.append(problem("unit", message))
    elif register.modulus is not None and (quantity.kind != "counter" or register.modulus <= 0):
        problems.append(problem("modulus", "is a positive number, and only counters have one"))
    if seen[register.quantity] > 1:
        problems.append(problem("quantity", f"{register.quantity} has {seen[register.quantity]} registers; keep one"))
    if register.scale == 0:
        problems.append(problem("scale", "must not be 0"))
    name = register.dtype or profile.defaults.dtype
    dtype = DTYPES.get(name)
    if dtype is None:
        return [
            *problems,
            problem(
                "dtype", f"{name or 'nothing'} is unknown{meant(name or '', DTYPES)}; known are {', '.join(DTYPES)}"
            ),
        ]
    if not 0 <= register.address <= 65536 - dtype.words:
        problems.append(problem("address", f"must be 0..{65536 - dtype.words}: 0-based, as it stands in the request"))
    if dtype.words > profile.timing.max_registers:
        problems.append(problem("dtype", f"{name} needs {dtype.words} registers; timing.max_registers is less"))
    problems.extend(
        problem("not_available", f"{pattern:#x} is no pattern of {16 * dtype.words} bits")
        for pattern in _patterns(register, profile, name)
        if not 0 <= pattern < 1 << (16 * dtype.words)
    )
    return problems


def _overlaps(profile: _ProfileShape, document: Document) -> list[Problem]:
    """Registers that stand where another one does: an address counted from 1, or a type that is too wide."""
    problems: list[Problem] = []
    owners: dict[tuple[int, int], str] = {}  # function code, address -> quantity
    for index, register in enumerate(profile.registers):
        code = register.function_code or profile.defaults.function_code
        dtype = DTYPES[register.dtype or profile.defaults.dtype]
        places = [(code, register.address + word) for word in range(dtype.words)]
        taken = next((owners[place] for place in places if place in owners), None)
        if taken is not None:
            last = register.address + dtype.words - 1
            span = f"register {last}" if last == register.address else f"registers {register.address}..{last}"
            message = (
                f"{span} of function {code} would be read for {taken} too: check address (0-based) and dtype of both"
            )
            problems.append(document.problem(("registers", index, "address"), message))
        owners.update(dict.fromkeys(places, register.quantity))
    return problems


def _patterns(register: _RegisterShape, profile: _ProfileShape, dtype: str) -> tuple[int, ...]:
    own = register.not_available
    return own if own is not None else profile.not_available.get(dtype, ())


def _spec(register: _RegisterShape, profile: _ProfileShape) -> RegisterSpec:
    name = register.dtype or profile.defaults.dtype
    capacity = DTYPES[name].capacity
    modulus = register.modulus
    counts = QUANTITIES[register.quantity].kind == "counter" and register.scale > 0
    if modulus is None and capacity is not None and counts:
        modulus = capacity * register.scale
    return RegisterSpec(
        quantity=register.quantity,
        point=register.quantity,
        address=register.address,
        function_code=register.function_code or profile.defaults.function_code,
        dtype=name,
        word_order=register.word_order or profile.defaults.word_order,
        scale=register.scale,
        offset=register.offset,
        not_available=_patterns(register, profile, name),
        unit=register.unit,
        modulus=modulus,
    )
