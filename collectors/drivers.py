"""The drivers there are: the name in the agent's configuration -> how a bus is opened.

To add a protocol, write its folder and add a line to `DRIVERS`. Nothing connects before the first poll.
"""

from __future__ import annotations

from collections.abc import Callable

from collectors.driver import Bus, Driver
from collectors.errors import ConfigurationError
from collectors.modbus.client import ModbusClient
from collectors.modbus.driver import ModbusDriver


def _modbus_tcp(bus: Bus) -> Driver:
    return ModbusDriver(ModbusClient(bus.host, bus.port))


DRIVERS: dict[str, Callable[[Bus], Driver]] = {
    "modbus-tcp": _modbus_tcp,
}


def open_driver(bus: Bus) -> Driver:
    """The driver of a bus; raises ConfigurationError for a name that is not in `DRIVERS`."""
    factory = DRIVERS.get(bus.driver)
    if factory is None:
        raise ConfigurationError(f"bus {bus.id}: there is no driver {bus.driver!r}; known are {', '.join(DRIVERS)}")
    return factory(bus)
