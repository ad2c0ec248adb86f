"""A plant, a gateway and the way between them, out of one seed; everything that can go wrong does.

What stays true: time is simulated and nothing waits; all chance comes from one `random.Random(seed)` (batch ids are the
product's own, and nothing depends on them). After the bad weather everything heals, and `oracle.check` must hold.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from collectors.clock import from_ms
from collectors.profile import MeterProfile, load_profile, shipped_config_dir
from collectors.reading import Reading
from tests.simulation.archive import Archive
from tests.simulation.faults import HOUR_MS, MINUTE_MS, Weather, fair
from tests.simulation.gateway_side import ENTERPRISE, GatewaySide, StoreOf
from tests.simulation.line import Broker
from tests.simulation.meters import GAS_MODULUS, Counter, MeterDriver, Shown, make_registers
from tests.simulation.plant_side import BUSES, Key, PlantSide, WatchedBuffer

START_MS = int(datetime(2026, 10, 5, 15, tzinfo=UTC).timestamp() * 1000)  # 23:00 of the 5th in the park
# How often meters are read and how long a world lasts: two in three go through days, one is as dense as live polling.
PACES = ((600_000, 30 * HOUR_MS), (600_000, 30 * HOUR_MS), (40_000, 150 * MINUTE_MS))
LONGEST_HEALING_MS = 24 * HOUR_MS
DUCKDB_EVERY = 10  # one world in so many has the real store, which costs it three times as long

REGISTRY = """
parks:
- {{id: park, name: {{zh: 园区, en: Park}}, region: fujian, timezone: Asia/Shanghai}}
enterprises:
- id: {enterprise}
  name: {{zh: 厂, en: Plant}}
  park: park
  industry: C3130
  rating_policy: four-colour-demo
  agents: [{{id: edge-1}}, {{id: edge-2}}]
  devices:
  - id: incomer
    rated_power_kw: 1000
    points: [{{id: energy_import, quantity: energy_import}}, {{id: power, quantity: power}}]
  - {{id: tenant, points: [{{id: energy_import, quantity: energy_import}}]}}
  - {{id: gas, points: [{{id: volume, quantity: gas_volume_normal, modulus: {modulus}}}]}}
  - {{id: pulses, points: [{{id: pulse_energy, quantity: pulse_energy}}]}}
  sources:
  - id: grid
    activity: electricity.purchased
    scope: 2
    stage: production
    from: [incomer.energy_import, -tenant.energy_import]
  - {{id: press, activity: electricity.purchased, scope: 2, stage: production, from: [incomer.power]}}
  - {{id: hall, activity: electricity.purchased, scope: 2, stage: production, from: [pulses.pulse_energy]}}
  - {{id: burner, activity: fuel.natural_gas, scope: 1, stage: production, from: [gas.volume]}}
"""
REPLACEMENT = """  replacements:
  - {{device: incomer, at: {at}, final: {{energy_import: {final}}}, initial: {{energy_import: {initial}}}}}
"""


@cache
def _profile() -> MeterProfile:
    return load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")


class World:
    """`run`, then look at what came of it."""

    def __init__(
        self,
        seed: int,
        directory: Path,
        *,
        loud: bool = False,
        buffer_kind: type[WatchedBuffer] = WatchedBuffer,
        store_of: StoreOf = lambda store: store,
        with_duckdb: bool | None = None,  # None: as the seed has it
    ) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.now_ms = START_MS
        self.poll_ms, length_ms = rng.choice(PACES)
        self.end_ms = START_MS + rng.randrange(length_ms * 3 // 4, length_ms * 5 // 4)
        self.weather = fair(rng, START_MS, self.end_ms, sorted(BUSES))
        self._roll_up_chance = rng.choice((0.01, 0.01, 0.08))  # per tick: rare, or nearly as often as live
        self.clock_stepped = any(offset for _, offset in self.weather.clock_off)
        self.gateway_behind = any(offset < 0 for _, offset in self.weather.gateway_clock_off)
        self.story: list[str] = []
        self._loud = loud
        self.shown: defaultdict[Key, list[Shown]] = defaultdict(list)
        self.registers = make_registers(rng, START_MS, self.end_ms)
        driver = MeterDriver(self.registers, self._weather, rng, lambda: self.now_ms, self._note)
        self.broker = Broker(rng, self._weather)
        self.archive = Archive(rng, self.registers, START_MS, self.end_ms, self._note)
        self.plant = PlantSide(
            directory, rng, self._weather, self.broker, driver, _profile(), self.tell, self.poll_ms, buffer_kind
        )
        self.gateway = GatewaySide(
            directory,
            rng,
            self._weather,
            self.broker,
            self._registry(),
            self.tell,
            store_of,
            with_duckdb=seed % DUCKDB_EVERY == 0 if with_duckdb is None else with_duckdb,
        )
        self.tell(f"seed {seed}: {self.weather}")

    def run(self) -> None:
        """Bad weather, then healing, then the roll-up of all that ended."""
        self.plant.open(self.now_ms)
        self.gateway.open()
        while self.now_ms < self.end_ms:
            self._tick()
        self._heal()
        self.now_ms += 48 * HOUR_MS
        assert self.gateway.roll_up(self.now_ms) is not None
        self.tell(f"over: {len(self.plant.kept)} batches, {len(self.gateway.receipts)} receipts")

    def close(self) -> None:
        """Give back files, however the world ended."""
        self.plant.abandon()
        self.gateway.close()

    def tell(self, what: str) -> None:
        self.story.append(f"{from_ms(self.now_ms):%d %H:%M:%S} {what}")
        if self._loud:
            print(self.story[-1])

    def _tick(self) -> None:
        rng, weather = self.rng, self.weather
        self.now_ms += rng.randrange(5_000, 3 * self.poll_ms)
        if rng.random() < weather.agent_killed:
            self.plant.fuse.light(rng.randint(1, 12))
        if rng.random() < weather.gateway_killed:
            self.gateway.fuse.light(rng.randint(1, rng.choice((8, 50))))
        for _ in range(rng.randint(1, 3)):
            self.now_ms += rng.randrange(2_000)
            self.plant.step(self.now_ms)
        if rng.random() < weather.agent_stopped and not self.plant.fuse.lit:
            self.plant.stop_and_start(self.now_ms)
        if rng.random() < weather.page_spoiled and not self.plant.fuse.lit:
            self.plant.spoil_a_page(self.now_ms)
        self.archive.step(self.broker, self.now_ms)
        if rng.random() < 0.2:
            self.gateway.step(self.now_ms)
        if rng.random() < self._roll_up_chance:
            self.tell(f"roll-up: {self.gateway.roll_up(self.now_ms)}")

    def _heal(self) -> None:
        self.weather = Weather()
        self.plant.fuse.put_out()
        self.gateway.fuse.put_out()
        self.plant.line.refusing = 0.0
        self.tell("the weather clears up")
        healed_ms = self.now_ms
        while self.now_ms < healed_ms + 12 * self.poll_ms:
            self._tick()
        self.plant.stop_and_start(self.now_ms, polling=False)
        while not self._settled():
            assert self.now_ms < healed_ms + LONGEST_HEALING_MS, f"does not come to rest: {self.plant.buffer.stats()}"
            self.now_ms += self.rng.randrange(MINUTE_MS)
            self.plant.step(self.now_ms)
            self.archive.step(self.broker, self.now_ms)
            self.gateway.step(self.now_ms)
        self.plant.close()

    def _settled(self) -> bool:
        under_way = self.broker.to_gateway or any(self.broker.to_plant.values())
        return self.plant.buffer.stats().batches == 0 and self.archive.done and not under_way

    def _weather(self) -> Weather:
        return self.weather

    def _note(self, reading: Reading, shown: Shown) -> None:
        self.shown[reading.device, reading.point, reading.at_ms].append(shown)

    def _registry(self) -> str:
        text = REGISTRY.format(enterprise=ENTERPRISE, modulus=GAS_MODULUS)
        incomer = self.registers["incomer", "energy_import"]
        assert isinstance(incomer, Counter)
        if incomer.turn == "replacement":
            at = from_ms(incomer.turn_ms).isoformat()
            text += REPLACEMENT.format(at=at, final=incomer.final, initial=incomer.initial)
        return text
