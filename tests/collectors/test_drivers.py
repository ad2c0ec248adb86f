"""The table of drivers."""

from __future__ import annotations

import pytest

from collectors.driver import ERROR_KINDS, Bus, PollError
from collectors.drivers import DRIVERS, open_driver
from collectors.errors import ConfigurationError, InstrumentError


def test_opening_a_bus_connects_to_nothing() -> None:
    for name in DRIVERS:
        open_driver(Bus("bus-1", name, "203.0.113.1", 502)).close()


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="bus bus-1: there is no driver 'modbus'; known are modbus-tcp"):
        open_driver(Bus("bus-1", "modbus"))


def test_every_instrument_error_is_counted_under_a_name() -> None:
    ours = {cls for cls in InstrumentError.__subclasses__() if cls.__module__ == "collectors.errors"}

    assert set(ERROR_KINDS) == ours
    assert PollError("meter", ("power",), InstrumentError("a defect")).kind == "instrument"
