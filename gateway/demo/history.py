"""The past of the park's meters, sent like any late data: batches over POST /api/v1/readings with the agents' tokens.

What stays true:
- A batch holds one local day of one agent, and its id follows from its content: sent twice, it is a duplicate.
- Batches go out in the order of time, several in one request; a site's progress is what its receipts confirmed.
- The values are what the meters' registers would have shown, every `STEP_MS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from collectors.errors import TanmaiError
from collectors.reading import Batch, DeviceBlock
from collectors.wire import content_hash, encode_batch
from gateway.demo.client import GatewayClient
from gateway.demo.plant import DAY_MS, Plant, midnight_ms
from gateway.demo.scenario import DevicePlan, SitePlan

STEP_MS = 15 * 60_000
DAYS_PER_REQUEST = 8


class HistoryRefused(TanmaiError):
    """The gateway took a batch but set readings of it aside: registry and scenario do not fit."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Readings of one site with start_ms <= at < end_ms."""

    site: SitePlan
    start_ms: int
    end_ms: int


def slices(sites: dict[str, SitePlan], from_ms: dict[str, int], until_ms: int) -> list[Slice]:
    """What is still to be sent, cut at local midnights, oldest first."""
    found = []
    for name, site in sites.items():
        start_ms = from_ms[name]
        while start_ms < until_ms:
            end_ms = min(midnight_ms(start_ms) + DAY_MS, until_ms)
            found.append(Slice(site, start_ms, end_ms))
            start_ms = end_ms
    return sorted(found, key=lambda one: (one.start_ms, one.site.name))


def batch_of(plant: Plant, wanted: Slice) -> Batch:
    """The slice as a batch; the same slice always gives the same bytes."""
    times = np.arange(_aligned(wanted.start_ms), wanted.end_ms, STEP_MS, dtype=np.int64)
    blocks = tuple(_block(plant, device, times) for device in wanted.site.devices)
    nameless = Batch("", wanted.end_ms, blocks)
    digest = hashlib.sha256(f"{wanted.site.name} {content_hash(nameless)}".encode()).hexdigest()
    return Batch(f"history-{digest[:32]}", wanted.end_ms, blocks)


def send_history(
    plant: Plant,
    client: GatewayClient,
    tokens: dict[str, str],
    todo: list[Slice],
    confirmed: Callable[[Slice], None],
) -> int:
    """Send all slices and report each that is confirmed; gives the number of readings the gateway has now."""
    accepted = 0
    for request in _requests(todo):
        site = request[0].site
        body = b"\n".join(encode_batch(batch_of(plant, one)) for one in request)
        answer = client.post("/api/v1/readings", tokens[site.name], body, "application/x-ndjson")
        for one, receipt in zip(request, answer["receipts"], strict=True):
            if receipt["set_aside"] or receipt["status"] not in ("stored", "duplicate"):
                raise HistoryRefused(f"{site.name}: the gateway answered {receipt} to its history")
            accepted += receipt["accepted"]
            confirmed(one)
    return accepted


def _requests(todo: list[Slice]) -> Iterator[list[Slice]]:
    """Slices of one site together, up to `DAYS_PER_REQUEST`; the oldest request first."""
    waiting: dict[str, list[Slice]] = {}
    for one in todo:
        own = waiting.setdefault(one.site.name, [])
        own.append(one)
        if len(own) == DAYS_PER_REQUEST:
            yield waiting.pop(one.site.name)
    yield from waiting.values()


def _block(plant: Plant, device: DevicePlan, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> DeviceBlock:
    shown = [[plant.shown_at(device, plan, at_ms) for plan in device.points] for at_ms in times.tolist()]
    values = np.array(shown, dtype=np.float64).reshape(len(times), len(device.points))
    return DeviceBlock.of(device.device, tuple(plan.point for plan in device.points), times, values)


def _aligned(at_ms: int) -> int:
    """The first step at or after an instant."""
    return -(-at_ms // STEP_MS) * STEP_MS
