"""What goes wrong, and when: drawn from the seed before the world starts, or while it runs.

A `Fuse` pulls the plug at the n-th dangerous place that is passed after it was lit: the parts of the world call `burn`
before and after every write that counts. What is on disk at that instant is copied first; the process then ends in a
`PowerCut`, which nothing in the product catches, as nothing catches a SIGKILL.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from collectors.errors import StoreUnavailable

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

Span = tuple[int, int]  # start_ms <= t < end_ms of true time


class PowerCut(BaseException):
    """The process is gone."""


class Fuse:
    """Unlit it does nothing."""

    def __init__(self, take_image: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._take_image = take_image
        self._tell = tell
        self._left = 0  # dangerous places until the plug is pulled; 0 = unlit

    @property
    def lit(self) -> bool:
        return self._left > 0

    def light(self, places: int) -> None:
        self._left = places

    def put_out(self) -> None:
        self._left = 0

    def burn(self, place: str) -> None:
        """A dangerous place is passed; raises PowerCut if it is the one."""
        if self._left == 0:
            return
        self._left -= 1
        if self._left == 0:
            self._tell(f"power cut {place}")
            self._take_image()
            raise PowerCut(place)


@dataclass(frozen=True, slots=True)
class Weather:
    """The faults of one world. Spans are of true time."""

    line_down: tuple[Span, ...] = ()
    meter_dead: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    disk_full: tuple[Span, ...] = ()  # the agent's
    gateway_full: tuple[Span, ...] = ()
    store_away: tuple[Span, ...] = ()
    clock_off: tuple[tuple[Span, int], ...] = ()  # span -> milliseconds that the agent's clock is ahead
    gateway_clock_off: tuple[tuple[Span, int], ...] = ()  # the same of the gateway's
    lost: float = 0.0  # share of messages, each way
    doubled: float = 0.0
    delayed: float = 0.0
    longest_delay_ms: int = MINUTE_MS
    slow_poll: float = 0.0  # share of polls
    failed_point: float = 0.0  # share of points in polls that otherwise succeed
    not_available: float = 0.0  # share of values
    agent_killed: float = 0.0  # chance per tick
    agent_stopped: float = 0.0  # in good order, per tick
    page_spoiled: float = 0.0  # of the agent's disk, per tick
    gateway_killed: float = 0.0
    store_flaky: float = 0.0  # chance per call of a store

    def clock_offset_ms(self, true_ms: int) -> int:
        return _offset_ms(true_ms, self.clock_off)

    def gateway_clock_offset_ms(self, true_ms: int) -> int:
        return _offset_ms(true_ms, self.gateway_clock_off)


def _offset_ms(true_ms: int, spans: tuple[tuple[Span, int], ...]) -> int:
    return next((offset for span, offset in spans if within(true_ms, (span,))), 0)


def within(at_ms: int, spans: tuple[Span, ...]) -> bool:
    return any(start <= at_ms < end for start, end in spans)


def fair(rng: random.Random, start_ms: int, end_ms: int, devices: list[str]) -> Weather:
    """Draw what goes wrong. Each kind of fault is left out of some worlds, so that others show by themselves."""

    def share(most: float, worlds: float = 0.6) -> float:
        return rng.uniform(0, most) if rng.random() < worlds else 0.0

    def spans(most: int, longest_ms: int, worlds: float = 0.6) -> tuple[Span, ...]:
        count = rng.randint(1, most) if rng.random() < worlds else 0
        starts = sorted(rng.randrange(start_ms, end_ms) for _ in range(count))
        return tuple((start, min(end_ms, start + rng.randrange(MINUTE_MS, longest_ms))) for start in starts)

    length_ms = end_ms - start_ms
    jumps = (-3 * HOUR_MS, -7 * MINUTE_MS, -4_000, 4_000, 7 * MINUTE_MS, 25 * MINUTE_MS, 30 * HOUR_MS)
    return Weather(
        line_down=spans(4, length_ms // 3),
        meter_dead={device: spans(3, length_ms // 6) for device in devices},
        disk_full=spans(2, length_ms // 12),
        gateway_full=spans(2, length_ms // 12, worlds=0.4),
        store_away=spans(3, length_ms // 10),
        clock_off=tuple((span, rng.choice(jumps)) for span in spans(2, length_ms // 8, worlds=0.3)),
        gateway_clock_off=tuple((span, rng.choice(jumps)) for span in spans(2, length_ms // 8, worlds=0.3)),
        lost=share(0.4),
        doubled=share(0.4),
        delayed=share(0.8),
        longest_delay_ms=rng.choice((5_000, 5 * MINUTE_MS, length_ms // 12)),
        slow_poll=share(0.5),
        failed_point=share(0.1),
        not_available=share(0.1),
        agent_killed=share(0.1),
        agent_stopped=share(0.04),
        page_spoiled=share(0.02, worlds=0.3),
        gateway_killed=share(0.06),
        store_flaky=share(0.1),
    )


class Burns(Protocol):
    """A fuse, or who has one."""

    def burn(self, place: str) -> None:
        """A dangerous place is passed."""


class Weathered:
    """A store behind its protocol: away at times, flaky at others, and the plug can be pulled around each call.

    A call can also fail after it did its work, as when the answer of a server is lost.
    """

    def __init__(
        self, store: object, fuse: Burns, rng: random.Random, away: Callable[[str], bool], flaky: Callable[[], float]
    ) -> None:
        self._store = store
        self._fuse = fuse
        self._rng = rng
        self._away = away
        self._flaky = flaky

    def __getattr__(self, name: str) -> Callable[..., object]:
        call: Callable[..., object] = getattr(self._store, name)
        if name == "close":
            return call

        def weathered(*arguments: object, **named: object) -> object:
            self._stumble(name)
            self._fuse.burn(f"before {name}")
            answer = call(*arguments, **named)
            self._fuse.burn(f"after {name}")
            self._stumble(name)
            return answer

        return weathered

    def _stumble(self, name: str) -> None:
        if self._away(name) or self._rng.random() < self._flaky() / 2:
            raise StoreUnavailable(f"{name}: no answer (simulated)")
