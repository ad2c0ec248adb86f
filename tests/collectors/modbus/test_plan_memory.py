"""What meters taught is kept, forgotten in time, and never in the way."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.driver import PolledDevice
from collectors.modbus.plan_memory import KEEP_MS, MAX_CUTS, PlanMemory
from collectors.profile import MeterProfile, load_profile, shipped_config_dir

NOW_MS = 1_760_000_000_000


@pytest.fixture
def profile() -> MeterProfile:
    return load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")


@pytest.fixture
def device(profile: MeterProfile) -> PolledDevice:
    return PolledDevice("incomer-1", 1, profile, ("power",))


def test_cuts_and_latency_survive_a_restart_and_add_up(tmp_path: Path, device: PolledDevice) -> None:
    path = tmp_path / "plans.json"
    PlanMemory(path).learn_cuts(device, [(4, 30)], NOW_MS)
    PlanMemory(path).learn_cuts(device, [(4, 70), (3, 5)], NOW_MS + 1)
    PlanMemory(path).learn_latency(device, 0.123456, NOW_MS + 2)

    learned = PlanMemory(path).of(device, NOW_MS + 3)

    assert learned.cuts == ((3, 5), (4, 30), (4, 70))
    assert learned.latency_s == 0.1235
    assert learned.since_ms == NOW_MS


def test_another_meter_in_its_place_starts_from_nothing(device: PolledDevice, profile: MeterProfile) -> None:
    memory = PlanMemory()
    memory.learn_cuts(device, [(4, 30)], NOW_MS)

    assert memory.of(replace(device, unit=2), NOW_MS).cuts == ()
    assert memory.of(replace(device, profile=replace(profile, id="other")), NOW_MS).cuts == ()
    assert memory.of(replace(device, id="feeder-2"), NOW_MS).cuts == ()


@pytest.mark.parametrize("later_ms", [KEEP_MS, -1])
def test_what_is_too_old_or_from_the_future_is_forgotten(device: PolledDevice, later_ms: int) -> None:
    memory = PlanMemory()
    memory.learn_cuts(device, [(4, 30)], NOW_MS)

    assert memory.of(device, NOW_MS + later_ms).cuts == ()
    memory.learn_cuts(device, [(4, 70)], NOW_MS + later_ms)
    assert memory.of(device, NOW_MS + later_ms).cuts == ((4, 70),)


@pytest.mark.parametrize("content", [b"", b"no json", b'{"v":1}', b'{"v":2,"devices":{}}', b"\xff"])
def test_a_damaged_file_is_learned_again(tmp_path: Path, device: PolledDevice, content: bytes) -> None:
    path = tmp_path / "plans.json"
    path.write_bytes(content)

    memory = PlanMemory(path)
    assert memory.of(device, NOW_MS).cuts == ()
    memory.learn_cuts(device, [(4, 30)], NOW_MS)

    assert PlanMemory(path).of(device, NOW_MS).cuts == ((4, 30),)


def test_a_disk_that_takes_nothing_costs_nothing(tmp_path: Path, device: PolledDevice) -> None:
    memory = PlanMemory(tmp_path / "absent" / "plans.json")

    memory.learn_cuts(device, [(4, 30)], NOW_MS)

    assert memory.of(device, NOW_MS).cuts == ((4, 30),)


def test_the_number_of_cuts_is_bounded(device: PolledDevice) -> None:
    memory = PlanMemory()

    memory.learn_cuts(device, [(3, address) for address in range(MAX_CUTS + 50)], NOW_MS)

    assert len(memory.of(device, NOW_MS).cuts) == MAX_CUTS


def test_buses_learn_at_the_same_time(tmp_path: Path, device: PolledDevice) -> None:
    path = tmp_path / "plans.json"
    memory = PlanMemory(path)

    def learn(name: str) -> None:
        for address in range(20):
            memory.learn_cuts(replace(device, id=name), [(3, address)], NOW_MS)

    threads = [threading.Thread(target=learn, args=(f"meter-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    again = PlanMemory(path)
    assert all(len(again.of(replace(device, id=f"meter-{number}"), NOW_MS).cuts) == 20 for number in range(4))
