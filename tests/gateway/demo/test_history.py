"""History goes in once, resumes where it stopped, and joins the live registers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from collectors.wire import decode_batch
from gateway.demo.client import GatewayClient
from gateway.demo.history import STEP_MS, HistoryRefused, Slice, batch_of, send_history, slices
from gateway.demo.plant import DAY_MS, Plant, local, midnight_ms


class Gateway(GatewayClient):
    """Answers every batch with one status and keeps what came."""

    def __init__(self, status: str = "stored", set_aside: int = 0) -> None:
        super().__init__("http://gateway.invalid", threading.Event())
        object.__setattr__(self, "bodies", [])
        object.__setattr__(self, "answer", (status, set_aside))

    def post(self, path: str, token: str, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
        status, set_aside = self.answer  # type: ignore[attr-defined]
        self.bodies.append((path, token, body, content_type))  # type: ignore[attr-defined]
        batches = [decode_batch(line) for line in body.split(b"\n")]
        return {
            "receipts": [
                {"batch": b.batch_id, "status": status, "accepted": b.cells, "set_aside": set_aside} for b in batches
            ]
        }


@pytest.fixture
def todo(plant: Plant, noon_ms: int) -> list[Slice]:
    sites = {site.name: site for site in plant.scenario.sites[:2]}
    return slices(sites, dict.fromkeys(sites, noon_ms - 10 * DAY_MS), noon_ms)


def test_slices_are_local_days_oldest_first_without_gap(todo: list[Slice], noon_ms: int) -> None:
    starts = [one.start_ms for one in todo]
    assert starts == sorted(starts)
    for name in {one.site.name for one in todo}:
        own = [one for one in todo if one.site.name == name]
        assert own[0].start_ms == noon_ms - 10 * DAY_MS
        assert [one.end_ms for one in own[:-1]] == [one.start_ms for one in own[1:]]
        assert own[-1].end_ms == noon_ms
        assert all(local(one.start_ms).hour == 0 for one in own[1:])


def test_same_slice_gives_the_same_batch(plant: Plant, todo: list[Slice]) -> None:
    first, again = batch_of(plant, todo[3]), batch_of(plant, todo[3])
    assert (first.batch_id, first.sent_at_ms) == (again.batch_id, again.sent_at_ms)
    assert first.batch_id != batch_of(plant, todo[4]).batch_id


def test_whole_day_has_a_reading_every_quarter_of_an_hour_from_midnight(plant: Plant, todo: list[Slice]) -> None:
    day = next(one for one in todo if one.end_ms - one.start_ms == DAY_MS)
    for block in batch_of(plant, day).blocks:
        assert block.at_ms.tolist() == list(range(day.start_ms, day.end_ms, STEP_MS))
        assert block.values.shape == (96, len(block.points))


def test_history_shows_what_the_register_shows(plant: Plant, todo: list[Slice]) -> None:
    batch = batch_of(plant, todo[2])
    for device, block in zip(todo[2].site.devices, batch.blocks, strict=True):
        for column, plan in enumerate(device.points):
            assert block.values[5, column] == plant.shown_at(device, plan, int(block.at_ms[5]))


def test_every_slice_is_confirmed_once_with_its_own_token(plant: Plant, todo: list[Slice]) -> None:
    gateway, confirmed = Gateway(), list[Slice]()
    tokens = {one.site.name: f"token of {one.site.name}" for one in todo}
    accepted = send_history(plant, gateway, tokens, todo, confirmed.append)
    assert sorted(confirmed, key=_key) == sorted(todo, key=_key)
    sent = [decode_batch(line) for _, _, body, _ in gateway.bodies for line in body.split(b"\n")]  # type: ignore[attr-defined]
    assert accepted == sum(batch.cells for batch in sent)
    assert {token for _, token, _, _ in gateway.bodies} == set(tokens.values())  # type: ignore[attr-defined]


def test_progress_resumes_where_it_stopped(plant: Plant, noon_ms: int) -> None:
    site = plant.scenario.sites[0]
    until = midnight_ms(noon_ms)
    whole = slices({site.name: site}, {site.name: noon_ms - 5 * DAY_MS}, noon_ms)
    rest = slices({site.name: site}, {site.name: until}, noon_ms)
    assert rest == [one for one in whole if one.start_ms >= until]


@pytest.mark.parametrize("gateway", [lambda: Gateway(set_aside=1), lambda: Gateway(status="conflict")])
def test_readings_set_aside_are_an_error_not_a_footnote(
    plant: Plant, todo: list[Slice], gateway: Callable[[], Gateway]
) -> None:
    tokens = {one.site.name: "t" for one in todo}
    with pytest.raises(HistoryRefused, match="set_aside"):
        send_history(plant, gateway(), tokens, todo, lambda _: None)


def _key(one: Slice) -> tuple[str, int]:
    return one.site.name, one.start_ms
