"""The drivers there are: the name in the agent's configuration -> what a bus needs and how it is opened.

To add a protocol, write its folder and add a line to `DRIVERS`. Nothing connects before the first poll.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collectors.driver import Bus, Driver
from collectors.errors import ConfigurationError
from collectors.modbus.client import ModbusClient
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.line import USUAL_BAUD, Line, SerialLine, TcpLine
from collectors.modbus.plan_memory import PlanMemory


@dataclass(frozen=True, slots=True)
class DriverKind:
    """One way to reach instruments."""

    line: Callable[[Bus], Line]
    needs: frozenset[str]  # keys that a bus of this kind must have, beside id and driver
    takes: frozenset[str]  # further keys that mean something to it


def _modbus_tcp(bus: Bus) -> Line:
    return TcpLine(bus.host, bus.port, "socket", bus.baud)


def _modbus_rtu_over_tcp(bus: Bus) -> Line:
    return TcpLine(bus.host, bus.port, "rtu", bus.baud)


def _modbus_rtu(bus: Bus) -> Line:
    parity, stopbits = bus.parity or "none", bus.stopbits or 1
    return SerialLine(bus.path, "rtu", bus.baud or USUAL_BAUD, parity, stopbits, bus.bytesize or 8)


def _modbus_ascii(bus: Bus) -> Line:
    parity, stopbits = bus.parity or "even", bus.stopbits or 1
    return SerialLine(bus.path, "ascii", bus.baud or USUAL_BAUD, parity, stopbits, bus.bytesize or 7)


_NETWORK = frozenset({"host", "port", "baud"})
_SERIAL = frozenset({"baud", "parity", "stopbits", "bytesize"})

DRIVERS: dict[str, DriverKind] = {
    "modbus-tcp": DriverKind(_modbus_tcp, frozenset(), _NETWORK),
    "modbus-rtu-over-tcp": DriverKind(_modbus_rtu_over_tcp, frozenset(), _NETWORK),
    "modbus-rtu": DriverKind(_modbus_rtu, frozenset({"path"}), _SERIAL),
    "modbus-ascii": DriverKind(_modbus_ascii, frozenset({"path"}), _SERIAL),
}


def line_of(bus: Bus) -> Line:
    """Where a bus leads; raises ConfigurationError for a driver that is not in `DRIVERS`."""
    kind = DRIVERS.get(bus.driver)
    if kind is None:
        raise ConfigurationError(f"bus {bus.id}: there is no driver {bus.driver!r}; known are {', '.join(DRIVERS)}")
    return kind.line(bus)


def open_driver(bus: Bus, memory: PlanMemory | None = None) -> Driver:
    """The driver of a bus, with what was learned before; raises ConfigurationError for an unknown driver."""
    return ModbusDriver(ModbusClient(line_of(bus)), memory)
