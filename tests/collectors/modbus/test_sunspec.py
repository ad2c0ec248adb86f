"""A meter that describes itself: found by its marker, and read by what it said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from collectors.errors import ExceptionReply
from collectors.modbus.plan import ReadBlock
from collectors.modbus.scan import quick_limits, scan
from collectors.modbus.sunspec import BASES, MAX_MODELS, ModelAt, discover, find_models
from collectors.profile import TimingLimits, load_profiles, read_profile, shipped_config_dir


def text_words(text: str, words: int) -> list[int]:
    raw = text.encode().ljust(2 * words, b"\0")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, 2 * words, 2)]


class Device:
    """Registers of a SunSpec device with the common model and model 203."""

    def __init__(self, base: int = 40_000) -> None:
        common = [1, 65, *text_words("ACME Meters", 16), *text_words("Wattson-3/75", 16), *[0] * 33]
        meter = [0x8000] * 107
        meter[0:2] = [203, 105]
        for offset, word in {16: 4998, 17: -2, 18: -125, 22: 1, 7: 2305, 15: -1, 33: -95, 37: 0, 54: 0}.items():
            meter[offset] = word & 0xFFFF
        meter[38:54] = [0] * 16
        meter[46:48] = [0x00BC, 0x614E]  # 12,345,678 Wh
        self.meter_at = base + 2 + len(common)
        words = [0x5375, 0x6E53, *common, *meter, 0xFFFF, 0]
        self.registers = {base + offset: word for offset, word in enumerate(words)}
        self.asked: list[tuple[int, int]] = []

    def read(self, address: int, count: int) -> list[int] | None:
        self.asked.append((address, count))
        wanted = range(address, address + count)
        return [self.registers[at] for at in wanted] if all(at in self.registers for at in wanted) else None


@pytest.mark.parametrize("base", BASES)
def test_the_chain_of_models_is_followed_from_each_base(base: int) -> None:
    device = Device(base)

    assert find_models(device.read) == [ModelAt(1, base + 2), ModelAt(203, device.meter_at)]


def test_a_found_meter_becomes_a_profile_with_its_own_scales() -> None:
    device = Device()
    found = discover(device.read)
    assert found is not None

    profile = read_profile(found.text, f"{found.profile}.yaml")

    assert (profile.id, profile.maker, profile.model) == (
        "sunspec-acme-meters-wattson-3-75",
        "ACME Meters",
        "Wattson-3/75",
    )
    specs = {spec.point: (spec.address - device.meter_at, spec.dtype, spec.scale) for spec in profile.registers}
    assert specs == {
        "frequency": (16, "int16", Decimal("0.01")),
        "power": (18, "int16", Decimal("0.01")),
        "voltage": (7, "int16", Decimal("0.1")),
        "power_factor": (33, "int16", Decimal("0.01")),
        "energy_export": (38, "uint32", Decimal("0.001")),  # still at 0, as on a new meter
        "energy_import": (46, "uint32", Decimal("0.001")),
    }
    assert profile.by_point["power"].not_available == (0x8000,)
    assert profile.by_point["energy_import"].not_available == (0,)


def test_what_is_no_sunspec_device_costs_one_request_per_base() -> None:
    device = Device()
    device.registers.clear()

    assert discover(device.read) is None
    assert device.asked == [(base, 2) for base in BASES]


def test_a_device_without_a_meter_and_an_endless_chain_end() -> None:
    device = Device()
    device.registers[device.meter_at] = 103  # an inverter
    assert discover(device.read) is None

    assert len(find_models(lambda address, count: [0x5375, 0x6E53] if address == 40_000 else [1, 0])) == MAX_MODELS


def test_a_name_that_is_no_yaml_is_made_one() -> None:
    device = Device()
    for offset, word in enumerate(text_words('A"\n: \\ {', 16)):
        device.registers[40_004 + offset] = word
    found = discover(device.read)
    assert found is not None

    assert read_profile(found.text).id == "sunspec-a-wattson-3-75"


def test_a_scan_finds_a_meter_that_describes_itself() -> None:
    device = Device()

    class Client:
        def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
            words = device.read(block.address, block.count) if block.function_code == 3 else None
            if words is None:
                raise ExceptionReply("illegal data address", 2)
            return words

    client: Any = Client()
    (one,) = scan(client, [1], load_profiles(shipped_config_dir()), quick_limits(0.1, 0))

    assert one.identified == "sunspec-acme-meters-wattson-3-75"
    assert one.described is not None
