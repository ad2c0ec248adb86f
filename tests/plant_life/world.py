"""Months of plants, a gateway and its operators, out of one seed; everything that can go wrong does.

What stays true: time is simulated and nothing waits; all chance comes from one `random.Random(seed)` (keys and tokens
are the product's own, and nothing depends on them). At the end everything that was held back arrives and the clocks
are right, and `oracle.check` must hold.
"""

from __future__ import annotations

import base64
import heapq
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gateway.store.timeseries import ReadingColumns
from tests.plant_life.books import Books, Month
from tests.plant_life.calendar import local_day, next_month, told
from tests.plant_life.deliveries import Parcel
from tests.plant_life.instruments import DAY_MS, HOUR_MS
from tests.plant_life.knowledge import LATER, SHIPPED, GridFactor, later_config_dir
from tests.plant_life.machine import Machine, StoreOf
from tests.plant_life.papers import Paper
from tests.plant_life.plants import Plant, registry_text
from tests.plant_life.process import SCHEDULERS
from tests.plant_life.receivers import Platforms, Receiver
from tests.plant_life.script import Script, life_of
from tests.plant_life.terms import Terms

DECLARED_IN_TIME_MS = 8 * DAY_MS  # before its readings can go: an outage may lie around a replacement
LIES_AT_MOST_MS = DAY_MS  # so long readings wait for a tick; then they are stored without one
REST_DAYS = 4  # at the end, until the last entry is under a root
HELD_BACK_MS = 4 * DAY_MS  # how long after its last parcel a world goes on


@dataclass
class Adjusted:
    """What an operator asked for, and what became of it."""

    plant: str
    number: int
    source: str
    day: date
    emission_g: int
    energy_gce: int
    status: str = "pending"


class World:
    """`run`, then look at what came of it."""

    def __init__(
        self,
        seed: int,
        directory: Path,
        *,
        loud: bool = False,
        store_of: StoreOf = lambda store: store,
        terms: Terms | None = None,  # None: as the seed has it
        postgresql: str = "",  # address of an empty database, for a world that has it
        days: int | None = None,  # how long the plants live; None: as the seed has it
    ) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.platforms_rng = random.Random(f"platforms of {seed}")
        self.start_ms, length = life_of(rng, seed)
        self.end_ms = self.start_ms + (days or length) * DAY_MS
        self.now_ms = self.start_ms
        self.story: list[str] = []
        self._loud = loud
        self._timeline: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._waiting: list[Parcel] = []
        self.plants: list[Plant] = []
        self.papers: dict[str, list[Paper]] = {}
        self.factors: list[GridFactor] = list(SHIPPED)
        self.adjusted: list[Adjusted] = []
        self.reopened: set[Month] = set()  # months that an operator opened and nobody closed again
        self.switches = 0  # between gateways that worked side by side
        self.undeclared: list[tuple[Plant, str, int]] = []  # devices that were replaced, and when
        self.platforms = Platforms(lambda: self.now_ms)
        self.unseen_up_to: dict[str, int] = {}  # plant -> changes that were there when it was away and others were told
        self._around = ExitStack()
        self._around.enter_context(self.platforms.reached())
        self.terms = terms or Terms.of(seed)
        assert bool(postgresql) == self.terms.postgresql, "a world has PostgreSQL if its terms say so"
        self.machine = Machine(directory, rng, self.tell, self.terms, store_of, postgresql)
        self.books = Books(lambda: self.machine.database_url)
        self.script = Script(self)

    def run(self) -> None:
        """The life of the plants, then what was held back, then peace."""
        self.machine.open()
        self.script.write()
        self.apply_registry("the plants are registered")
        while self._timeline:
            self.now_ms, _, act = heapq.heappop(self._timeline)
            act()
        self._come_to_rest()

    def close(self) -> None:
        """Give back files, however the world ended."""
        self.machine.close()
        self._around.close()

    def tell(self, what: str) -> None:
        self.story.append(f"{told(self.now_ms)} {what}")
        if self._loud:
            print(self.story[-1])

    def at(self, at_ms: int, act: Callable[[], None]) -> None:
        """Something will happen."""
        heapq.heappush(self._timeline, (max(at_ms, self.now_ms), next(self._order), act))

    # --- what people do ---------------------------------------------------------------------------------------------

    def apply_registry(self, why: str) -> None:
        answer = self.machine.ask("registry_apply", self.now_ms, text=registry_text(self.plants), file="registry.yaml")
        self.tell(f"{why}: {answer['diff']}")

    def declare(self, plant: Plant, device: str) -> None:
        if device not in plant.declared:
            plant.declared.append(device)
            self.apply_registry(f"{plant.name} declares that the meter {device} was replaced")

    def leave(self, plant: Plant) -> None:
        plant.registered, plant.left = False, True
        self.apply_registry(f"{plant.name} leaves")

    def redraw(self, plant: Plant, verb: str, what: str, change: Callable[[], None]) -> None:
        if len(plant.sources) > 2 or verb != "drops":
            change()
        self.apply_registry(f"{plant.name} {verb} {what}")

    def later_editions(self) -> None:
        self.tell("the gateway is started anew with later editions of the grid's factors")
        self.factors += LATER
        self.machine.open(later_config_dir())

    def import_paper(self, plant: Plant, paper: Paper) -> None:
        if not plant.registered:
            self.at(self.now_ms + DAY_MS, partial(self.import_paper, plant, paper))
            return
        if paper.kind == "source" and all(source.id != paper.subject for source in plant.sources):
            return
        if paper.supersedes and all(other.id != paper.supersedes for other in self.papers[plant.id]):
            self.at(self.now_ms + DAY_MS, partial(self.import_paper, plant, paper))  # what it corrects waits itself
            return
        self.machine.ask("records_import", self.now_ms, enterprise=plant.id, records=[paper.text()])
        for other in self.papers[plant.id]:
            other.standing &= other.id != paper.supersedes
        paper.standing = True
        self.papers[plant.id].append(paper)
        self.tell(f"{plant.name} sends the record {paper.id}")

    def adjust(self, plant: Plant, source: str, day: date, emission_g: int, energy_gce: int) -> Adjusted:
        answer = self.machine.ask(
            "adjustment_request", self.now_ms, enterprise=plant.id, source=source, day=day.isoformat(), by="li.na",
            emission_kg=_kilo(emission_g), energy_kgce=_kilo(energy_gce), reason="the laboratory says so",
            name="report.txt", content=base64.b64encode(b"a report").decode(),
        )  # fmt: skip
        one = Adjusted(plant.id, answer["number"], source, day, emission_g, energy_gce)
        self.adjusted.append(one)
        self.tell(f"{plant.name}: adjustment {one.number} of {source} on {day} is asked for: {_kilo(emission_g)} kg")
        return one

    def decide(self, one: Adjusted, verb: Literal["approve", "withdraw"]) -> None:
        if any(plant.id == one.plant and plant.left for plant in self.plants):
            self.at(self.now_ms + DAY_MS, partial(self.decide, one, verb))
            return
        named = {"enterprise": one.plant, "number": one.number, "by": "wang.fang", "reason": "looked at"}
        one.status = self.machine.ask(f"adjustment_{verb}", self.now_ms, **named)["status"]
        self.tell(f"adjustment {one.number} of {one.plant}: {one.status}")

    def reopen(self, plant: Plant, close_after_ms: int) -> None:
        """Reopen one of the plant's closed months, if it has any, and close it again later (0 = never)."""
        newest = {one.period: one for one in self.books.versions() if one.enterprise == plant.id}
        closed = sorted(period for period, one in newest.items() if one.status == "closed")
        if not closed or not plant.registered:
            return
        period = self.rng.choice(closed)
        named = {"enterprise": plant.id, "period": period}
        answer = self.machine.ask("reopen", self.now_ms, **named, by="li.na", reason="a bill came back")
        self.reopened.add((plant.id, period))
        self.tell(f"{plant.name}: {period} is opened again as version {answer['version']}")
        if close_after_ms:
            self.at(self.now_ms + close_after_ms, partial(self.close_by_hand, plant, period))

    def close_early(self, plant: Plant) -> None:
        """Close the plant's newest month by hand, if it has ended and is open."""
        own = [one for one in self.books.versions("WHERE status = 'open'") if one.enterprise == plant.id]
        if own and plant.registered and local_day(self.now_ms, plant.zone) >= next_month(_first_day(own[0].period)):
            self.close_by_hand(plant, own[0].period)

    def close_by_hand(self, plant: Plant, period: str) -> None:
        if not plant.registered:
            self.at(self.now_ms + DAY_MS, partial(self.close_by_hand, plant, period))
            return
        answer = self.machine.ask("close", self.now_ms, enterprise=plant.id, period=period)
        if answer["closed"]:
            self.reopened.discard((plant.id, period))
        self.books.watch()
        self.tell(f"{plant.name}: {period} is to be closed by hand: {answer}")

    def subscribe(self, receiver: Receiver) -> None:
        named = {"platform": receiver.platform, "url": receiver.url, "after": receiver.after}
        self.platforms.add(receiver)
        receiver.registered(self.machine.ask("webhook_create", self.now_ms, **named))
        self.tell(f"changes after {receiver.after} are to be brought to the platform {receiver.platform}")

    def resume_platforms(self) -> None:
        for receiver in self.platforms.receivers.values():
            self.machine.ask("webhook_resume", self.now_ms, id=receiver.id)
        self.tell("platforms that were given up are tried again")

    # --- what happens -----------------------------------------------------------------------------------------------

    def arrive(self, parcel: Parcel) -> None:
        """It lies with the gateway until it is stored at the next tick, together with others, or after a day."""
        self._waiting.append(parcel)
        if self._waiting[0].due_ms < self.now_ms - LIES_AT_MOST_MS:
            self._store()

    def tick(self, scheduler: str, ahead_ms: int, jobs: tuple[str, ...], crash_after: int) -> None:
        """Store what arrived, then run jobs as one scheduler, whose clock may be off; 0 = no crash."""
        self._declare_in_time(ahead_ms)
        if crash_after:
            self.machine.fuse.light(crash_after)
        self._store()
        for job in jobs:
            if job == "webhooks":
                self._note_unseen()
            done = self.machine.job(job, scheduler, self.now_ms + ahead_ms)
            if done is not None:
                self.tell(f"{job} by {scheduler}{f', clock {ahead_ms / HOUR_MS:+.1f} h' if ahead_ms else ''}: {done}")
        self.machine.fuse.put_out()
        self.books.watch()

    def race(self) -> None:
        """Two gateways on one database do all jobs at once, and the lease changes hands in the middle."""
        self._declare_in_time(0)
        self._store()
        self._note_unseen()
        done, switches = self.machine.race(self.script.jobs, self.now_ms)
        self.switches += switches
        for one in done:
            self.tell(f"side by side: {one}")
        self.books.watch()

    def rebuild(self, plant: Plant | None, first: date, last: date, pieces: int) -> None:
        """Compute days again from raw readings, of one plant or of all; stopped after some pieces it goes on later."""
        living = [own for own in self.plants if own.registered] if plant is None else [plant]
        if not living or not living[0].registered:
            return
        named = {"from": str(first), "to": str(last), **({"enterprise": plant.id} if plant else {})}
        answer = self.machine.ask("rebuild", self.now_ms, **named, begin=True)
        while not answer["finished"] and pieces:
            answer = self.machine.ask("rebuild", self.now_ms, **named)
            pieces -= 1
        self.tell(f"{plant.name if plant else 'everybody'} is rebuilt from {first} to {last}: {answer}")
        if not answer["finished"]:
            self.at(self.now_ms + 2 * DAY_MS, partial(self.rebuild, plant, first, last, -1))
        self.books.watch()

    def _declare_in_time(self, ahead_ms: int) -> None:
        """Whoever declares late does it at last while the readings around the replacement are still there."""
        oldest_ms = self.now_ms + max(0, ahead_ms) - self.terms.raw_retention_days * DAY_MS
        for plant, device, turn_ms in self.undeclared:
            if self.terms.raw_retention_days and plant.registered and turn_ms < oldest_ms + DECLARED_IN_TIME_MS:
                self.declare(plant, device)

    def _note_unseen(self) -> None:
        """Nobody is told of plants that are away."""
        known = self.books.ask("SELECT count(*) FROM changes")[0][0]
        self.unseen_up_to |= {plant.id: known for plant in self.plants if not plant.registered}

    def _store(self) -> None:
        away = {plant.id for plant in self.plants if not plant.registered}
        parcels = [one for one in self._waiting if one.plant not in away]
        self._waiting = [one for one in self._waiting if one.plant in away]
        if parcels:
            self.machine.put(lambda: self._columns(parcels))

    def _columns(self, parcels: list[Parcel]) -> ReadingColumns:
        numbers = {key: point.point_id for key, point in self.machine.house.registry().points_by_name.items()}
        rows = [(numbers[one.plant, *one.point], *row) for one in parcels for row in one.rows]
        point, at_ms, value, quality = (np.array(column) for column in zip(*rows, strict=True))
        return ReadingColumns(point.astype(np.int32), at_ms, value.astype(float), quality.astype(np.uint8))

    def _come_to_rest(self) -> None:
        """The clocks are right, and one scheduler does what is left to do."""
        self.now_ms = max(self.now_ms, self.end_ms) + HELD_BACK_MS
        while any(0 <= (one.published_on - local_day(self.now_ms, "UTC")).days <= REST_DAYS for one in LATER):
            self.now_ms += DAY_MS  # nothing new is published while they rest
        self.tell("peace")
        self._store()
        steps = (
            ("rollup", 0), ("close_months", HOUR_MS), ("rollup", DAY_MS), ("daily_roots", DAY_MS), ("rollup", 0),
            ("retention", 0), ("archive", 0),
        )  # fmt: skip
        for job, after_ms in steps:
            self.now_ms += after_ms
            self.tell(f"{job}: {self.led(job)}")
        self.books.watch()
        self._bring_the_rest()

    def _bring_the_rest(self) -> None:
        """All platforms are well, and are tried again until there is nothing more to bring."""
        for receiver in self.platforms.receivers.values():
            receiver.healed = True
        self.resume_platforms()
        self._note_unseen()
        while (done := self.led("webhooks"))["messages"]:
            self.tell(f"webhooks: {done}")

    def led(self, job: str) -> dict[str, Any]:
        """What a job did, by whoever leads now."""
        while True:
            for name in SCHEDULERS:
                if (done := self.machine.job(job, name, self.now_ms)) is not None:
                    return done
            self.now_ms += HOUR_MS


def _first_day(period: str) -> date:
    return date.fromisoformat(f"{period}-01")


def _kilo(grams: int) -> str:
    """Grams as decimal text in kilograms."""
    return f"{'-' if grams < 0 else ''}{abs(grams) // 1000}.{abs(grams) % 1000:03d}"
