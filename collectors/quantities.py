"""The closed table of quantities: what a point can measure.

Sign convention: into the plant is positive. `energy_import` is what the plant takes from the grid, `energy_export`
what it gives; `power` is positive while the plant takes. Volumes and masses are positive in the direction of use.

Kinds (how a series of readings becomes an amount, see `gateway.carbon.usage`):
  counter  only differences mean anything
  gauge    integrated over time; the integral has the unit `integral_unit`, or None where integrating means nothing
  delta    each reading is an amount of its own; summed

A profile or registry that names a quantity outside this table does not load. To add one, add a line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "delta"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that can be measured."""

    name: str
    unit: str  # canonical unit: every value of this quantity, on the wire and in the store, is in it
    kind: Kind
    integral_unit: str | None = None  # gauges only: unit of value × hour
    description: str = ""

    @property
    def usage_unit(self) -> str | None:
        """Unit of an amount used: the counter's or delta's own unit, a gauge's integral; None if there is none."""
        return self.integral_unit if self.kind == "gauge" else self.unit


def _counter(name: str, unit: str, description: str) -> Quantity:
    return Quantity(name, unit, "counter", None, description)


def _gauge(name: str, unit: str, description: str, integral_unit: str | None = None) -> Quantity:
    return Quantity(name, unit, "gauge", integral_unit, description)


def _delta(name: str, unit: str, description: str) -> Quantity:
    return Quantity(name, unit, "delta", None, description)


_PHASES = ("l1", "l2", "l3")

_ALL = (
    _counter("energy_import", "kWh", "active energy taken from the grid, total"),
    _counter("energy_export", "kWh", "active energy given to the grid, total"),
    *(_counter(f"energy_import_{p}", "kWh", f"active energy taken, phase {p}") for p in _PHASES),
    *(_counter(f"energy_export_{p}", "kWh", f"active energy given, phase {p}") for p in _PHASES),
    _counter("reactive_energy_import", "kvarh", "reactive energy, inductive or taken"),
    _counter("reactive_energy_export", "kvarh", "reactive energy, capacitive or given"),
    _counter("apparent_energy", "kVAh", "apparent energy"),
    _gauge("power", "kW", "active power, total", "kWh"),
    *(_gauge(f"power_{p}", "kW", f"active power, phase {p}", "kWh") for p in _PHASES),
    _gauge("reactive_power", "kvar", "reactive power, total", "kvarh"),
    *(_gauge(f"reactive_power_{p}", "kvar", f"reactive power, phase {p}", "kvarh") for p in _PHASES),
    _gauge("apparent_power", "kVA", "apparent power, total", "kVAh"),
    *(_gauge(f"apparent_power_{p}", "kVA", f"apparent power, phase {p}", "kVAh") for p in _PHASES),
    _gauge("power_factor", "1", "total power factor, -1 to 1"),
    *(_gauge(f"power_factor_{p}", "1", f"power factor, phase {p}") for p in _PHASES),
    _gauge("voltage", "V", "voltage of a single-phase meter, or mean of the phases"),
    *(_gauge(f"voltage_{p}", "V", f"voltage phase {p} to neutral") for p in _PHASES),
    _gauge("voltage_l1_l2", "V", "voltage between phases 1 and 2"),
    _gauge("voltage_l2_l3", "V", "voltage between phases 2 and 3"),
    _gauge("voltage_l3_l1", "V", "voltage between phases 3 and 1"),
    _gauge("current", "A", "current of a single-phase meter, or sum of the phases"),
    *(_gauge(f"current_{p}", "A", f"current, phase {p}") for p in _PHASES),
    _gauge("current_n", "A", "current in the neutral"),
    _gauge("frequency", "Hz", "grid frequency"),
    _counter("gas_volume", "m3", "gas volume as counted, at the meter's conditions unless the registry says otherwise"),
    _counter("gas_volume_normal", "Nm3", "gas volume converted to 0 °C and 101.325 kPa by the instrument"),
    _gauge("gas_flow", "m3/h", "gas flow at the meter's conditions", "m3"),
    _gauge("gas_flow_normal", "Nm3/h", "gas flow at normal conditions", "Nm3"),
    _counter("water_volume", "m3", "water volume"),
    _gauge("water_flow", "m3/h", "water flow", "m3"),
    _counter("steam_mass", "t", "steam mass"),
    _gauge("steam_flow", "t/h", "steam mass flow", "t"),
    _counter("heat_energy", "GJ", "heat delivered to the plant"),
    _gauge("heat_flow", "GJ/h", "heat flow into the plant", "GJ"),
    _counter("fuel_mass_total", "t", "fuel mass as counted by a belt scale or flow meter"),
    _counter("fuel_volume", "m3", "volume of a liquid fuel"),
    _gauge("fuel_flow", "m3/h", "volume flow of a liquid fuel", "m3"),
    _delta("fuel_mass", "t", "fuel mass of one weighing"),
    _delta("product_mass", "t", "product mass of one weighing"),
    _delta("pulse_energy", "kWh", "energy of the pulses since the previous reading"),
    _counter("co2_mass", "kg", "CO2 mass emitted, accumulated by a continuous emission monitoring system (CEMS)"),
    _gauge("co2_mass_flow", "kg/h", "CO2 mass flow from a CEMS", "kg"),
    _gauge("co2_concentration", "g/m3", "CO2 concentration in the stack"),
    _gauge("flue_gas_flow", "m3/h", "flue gas flow in the stack", "m3"),
    _gauge("temperature", "degC", "temperature"),
    _gauge("temperature_inlet", "degC", "temperature, supply side"),
    _gauge("temperature_outlet", "degC", "temperature, return side"),
    _gauge("pressure", "kPa", "absolute pressure"),
    _gauge("velocity", "m/s", "velocity of flow"),
    _gauge("signal_quality", "1", "the instrument's own measure of its signal, in its own scale"),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}
