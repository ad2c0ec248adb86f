"""What the plants of a world look like; how much passes through them is drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

from tests.plant_life.instruments import MINUTE_MS, Counter, Flow, Gauge, Kind, Point, Pulses
from tests.plant_life.plants import Feed, NormalVolume, Plant, PointKey, Source, SumPoint

METHODS = ("gbt32150-national", "gbt32150-provincial", "ghg-protocol-market", "ghg-protocol-location")
POLICIES = ("four-colour-k", "four-colour-demo")  # both by the ratio K to a mean, with the same cuts and gates
FAR_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Urumqi")
GAS_MODULUS = 1_000_000  # m3
PACES_MS = (15 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS, 60 * MINUTE_MS)

GRID, BURNER = "electricity.purchased", "fuel.natural_gas"


class Draw:
    """Draws points with instruments."""

    def __init__(self, rng: random.Random, start_ms: int, end_ms: int) -> None:
        self.rng, self.start_ms, self.end_ms = rng, start_ms, end_ms
        self.points: dict[PointKey, Point] = {}

    def counter(self, device: str, quantity: str, most: int, *, rated: int | None = None, modulus: int = 0) -> PointKey:
        base = self.rng.randrange(1_000_000, 80_000_000)
        meter = Counter(self._flow(most), base, modulus=modulus * 100)
        return self._point(device, quantity, "counter", meter, rated)

    def gauge(self, device: str, quantity: str, most: int) -> PointKey:
        return self._point(device, quantity, "gauge", Gauge(self._flow(most)))

    def pulses(self, device: str, quantity: str, most: int) -> PointKey:
        return self._point(device, quantity, "delta", Pulses(self._flow(most), self.start_ms))

    def _flow(self, most: int) -> Flow:
        return Flow(self.rng, self.start_ms, self.end_ms, most * 100)

    def _point(
        self, device: str, quantity: str, kind: Kind, meter: Counter | Gauge | Pulses, rated: int | None = None
    ) -> PointKey:
        point = Point(device, quantity, quantity, kind, meter, self.rng.choice(PACES_MS), rated)
        self.points[point.key] = point
        return point.key


def _plant(
    draw: Draw, id_: str, name: str, place: tuple[str, str, str], sources: tuple[Source, ...], **more: object
) -> Plant:
    park, zone, region = place
    return Plant(
        id_, name, park, zone, region, "C3130", draw.rng.choice(METHODS), draw.rng.choice(POLICIES),
        draw.points, sources, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def mill(rng: random.Random, start_ms: int, end_ms: int) -> Plant:
    """A rolling mill near the sea: everything that can be measured directly, and purchases."""
    draw = Draw(rng, start_ms, end_ms)
    incomer = draw.counter("incomer", "energy_import", 900, rated=1000)
    tenant = draw.counter("tenant", "energy_import", 90)
    furnace = draw.counter("furnace", "gas_volume_normal", 400, modulus=GAS_MODULUS)
    press = draw.gauge("press", "power", 60)
    hall = draw.pulses("hall", "pulse_energy", 50)
    roof = draw.counter("roof", "energy_import", 120, rated=400)
    sources = (
        Source("grid", GRID, 2, "production", "kWh", (Feed(incomer), Feed(tenant, Fraction(-1)))),
        Source("press", GRID, 2, "production", "kWh", (Feed(press, Fraction(3, 4)),)),
        Source("hall", GRID, 2, "production", "kWh", (Feed(hall),)),
        Source("green", "electricity.green", 2, "production", "kWh", (Feed(roof),)),
        Source("burner", BURNER, 1, "production", "Nm3", (Feed(furnace),)),
        Source("billets", "material.steel_semi_finished", 3, "raw_material", "t"),
        Source("trucks", "mobile.diesel", 1, "production", "t"),
    )
    return _plant(
        draw, "91350505M00000019R", "Mill", ("coast", "Asia/Shanghai", "fujian"), sources,
        balance=(incomer, (tenant, roof)),
    )  # fmt: skip


def foundry(rng: random.Random, start_ms: int, end_ms: int) -> Plant:
    """A foundry in another time zone, whose account stands on derived points."""
    draw = Draw(rng, start_ms, end_ms)
    incomer = draw.counter("incomer", "energy_import", 600)
    tenant = draw.counter("tenant", "energy_import", 150, rated=200)
    sold = draw.counter("feeder", "energy_export", 80)
    furnace = draw.counter("furnace", "gas_volume", 300, rated=500)
    derived = (
        SumPoint("own", (Feed(incomer), Feed(tenant, Fraction(-37, 100)))),
        NormalVolume("gas", furnace, Fraction(131), Fraction(18)),
    )
    sources = (
        Source("grid", GRID, 2, "production", "kWh", (Feed(("derived", "own")),)),
        Source("sold", "electricity.exported", 2, "production", "kWh", (Feed(sold),)),
        Source("burner", BURNER, 1, "production", "Nm3", (Feed(("derived", "gas")),)),
        Source("billets", "material.steel_semi_finished", 3, "raw_material", "t"),
    )
    place = ("abroad", rng.choice(FAR_ZONES), "shandong")
    return _plant(draw, "91350583M00000035E", "Foundry", place, sources, derived=derived)


def workshop(rng: random.Random, start_ms: int, end_ms: int) -> Plant:
    """A small one that joins later, with gas in m3 as its meter counts it."""
    draw = Draw(rng, start_ms, end_ms)
    incomer = draw.counter("incomer", "energy_import", 70)
    stove = draw.counter("stove", "gas_volume", 30)
    sources = (
        Source("grid", GRID, 2, "production", "kWh", (Feed(incomer),)),
        Source("stove", BURNER, 1, "production", "m3", (Feed(stove),)),
    )
    return _plant(draw, "91350582M000000275", "Workshop", ("coast", "Asia/Shanghai", "fujian"), sources)


LAYOUTS: tuple[Callable[[random.Random, int, int], Plant], ...] = (mill, foundry, workshop)
