"""Planning reads: complete, within limits, and as cheap as can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.modbus.plan import ReadBlock, break_even_gap, cycle_s, plan_reads, request_s, split_block
from collectors.profile import DTYPES, RegisterSpec, TimingLimits, load_profiles, shipped_config_dir

MakeSpec = Callable[..., RegisterSpec]


def spec(function_code: int, address: int, dtype: str) -> RegisterSpec:
    name = f"r{function_code}-{address}-{dtype}"
    return RegisterSpec(name, name, address, function_code, dtype, "big", Decimal(1), Decimal(0), (), "", None)  # type: ignore[arg-type]


SPECS = st.lists(
    st.builds(spec, st.sampled_from([3, 4]), st.integers(0, 300), st.sampled_from(["uint16", "float32", "uint64"])),
    min_size=1,
    max_size=25,
    unique=True,
)
LIMITS = st.builds(
    TimingLimits,
    timeout_s=st.just(1.0),
    max_registers=st.integers(4, 125),
    max_gap=st.integers(0, 125),
    latency_s=st.sampled_from([0.0, 0.01, 0.1]),
    pause_s=st.sampled_from([0.0, 0.05]),
    baud=st.sampled_from([0, 1200, 9600, 115200]),
)


def unlisted_run(block: ReadBlock) -> int:
    """The longest run of registers in the block that nobody listed."""
    listed = {address for s in block.specs for address in range(s.address, s.end)}
    longest = run = 0
    for address in range(block.address, block.address + block.count):
        run = 0 if address in listed else run + 1
        longest = max(longest, run)
    return longest


@given(SPECS, LIMITS)
def test_every_wanted_register_lies_whole_in_exactly_one_block(specs: list[RegisterSpec], limits: TimingLimits) -> None:
    blocks = plan_reads(specs, limits)

    assert sorted(s.point for block in blocks for s in block.specs) == sorted(s.point for s in specs)
    for block in blocks:
        for s in block.specs:
            assert block.address <= s.address
            assert s.end <= block.address + block.count
            assert s.function_code == block.function_code


@given(SPECS, LIMITS)
def test_no_block_breaks_a_limit(specs: list[RegisterSpec], limits: TimingLimits) -> None:
    for block in plan_reads(specs, limits):
        assert 1 <= block.count <= limits.max_registers
        assert unlisted_run(block) <= limits.max_gap


@given(SPECS, LIMITS, st.data())
def test_no_block_leads_over_a_cut_and_nothing_is_lost_by_it(
    specs: list[RegisterSpec], limits: TimingLimits, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.sampled_from([(s.function_code, s.address) for s in specs])))

    blocks = plan_reads(specs, limits, cuts)

    assert sorted(s.point for block in blocks for s in block.specs) == sorted(s.point for s in specs)
    for block in blocks:
        assert not any((block.function_code, s.address) in cuts for s in block.specs[1:])


@given(SPECS, LIMITS, st.randoms())
def test_the_order_of_the_profile_does_not_matter(
    specs: list[RegisterSpec], limits: TimingLimits, random: object
) -> None:
    shuffled = list(specs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert plan_reads(shuffled, limits) == plan_reads(specs, limits)


def ways_to_cut(items: Sequence[RegisterSpec]) -> Iterator[list[Sequence[RegisterSpec]]]:
    """Every way to cut a sequence into runs."""
    if not items:
        yield []
        return
    for first in range(1, len(items) + 1):
        for rest in ways_to_cut(items[first:]):
            yield [items[:first], *rest]


def time_of(runs: list[Sequence[RegisterSpec]], limits: TimingLimits) -> float:
    total = 0.0
    for run in runs:
        address, end = run[0].address, max(s.end for s in run)
        block = ReadBlock(run[0].function_code, address, end - address, tuple(run))
        if block.count > limits.max_registers or unlisted_run(block) > limits.max_gap:
            return math.inf
        total += request_s(block.count, limits)
    return total


@given(SPECS.map(lambda specs: [s for s in specs if s.function_code == 3][:8]).filter(bool), LIMITS)
def test_no_other_way_to_cut_is_cheaper(specs: list[RegisterSpec], limits: TimingLimits) -> None:
    ordered = sorted(specs, key=lambda s: (s.address, s.end))
    optimum = min(time_of(runs, limits) for runs in ways_to_cut(ordered))

    assert cycle_s(plan_reads(specs, limits), limits) == pytest.approx(optimum)


def test_a_gap_is_bridged_up_to_the_break_even_and_not_beyond() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125, latency_s=0.02, pause_s=0.0, baud=9600)
    worth = math.floor(break_even_gap(limits))

    near = plan_reads([spec(3, 0, "uint16"), spec(3, 1 + worth, "uint16")], limits)
    far = plan_reads([spec(3, 0, "uint16"), spec(3, 2 + worth, "uint16")], limits)

    assert worth == 18  # (20 ms + 20 characters of 11 bits) / (2 characters of 11 bits) at 9600 baud
    assert [block.count for block in near] == [2 + worth]
    assert [block.count for block in far] == [1, 1]


def test_without_a_serial_line_every_gap_is_worth_bridging() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125, latency_s=0.001, baud=0)

    assert math.isinf(break_even_gap(limits))
    assert [b.count for b in plan_reads([spec(3, 0, "uint16"), spec(3, 124, "uint16")], limits)] == [125]


def test_function_codes_are_never_mixed() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125)

    blocks = plan_reads([spec(4, 0, "uint16"), spec(3, 1, "uint16"), spec(4, 2, "uint16")], limits)

    assert [(b.function_code, b.address, b.count) for b in blocks] == [(3, 1, 1), (4, 0, 3)]


def test_registers_that_overlap_are_read_once() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125)

    blocks = plan_reads([spec(3, 10, "uint64"), spec(3, 11, "uint16"), spec(3, 14, "uint16")], limits)

    assert [(b.address, b.count) for b in blocks] == [(10, 5)]


def test_a_refused_block_is_cut_at_its_widest_gap() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125, baud=0)
    (block,) = plan_reads([spec(3, 0, "uint16"), spec(3, 3, "uint16"), spec(3, 30, "uint16")], limits)

    parts = split_block(block)

    assert parts is not None
    assert [(p.address, p.count) for p in parts] == [(0, 4), (30, 1)]


def test_a_refused_block_without_gaps_is_halved_down_to_single_registers() -> None:
    limits = TimingLimits(timeout_s=1, max_registers=125)
    (block,) = plan_reads([spec(3, address, "uint16") for address in range(5)], limits)
    waiting, single = [block], []
    while waiting:
        parts = split_block(waiting.pop())
        if parts is None:
            single.append(parts)
        else:
            waiting.extend(parts)

    assert len(single) == 5


def test_shipped_profiles_need_few_requests() -> None:
    profiles = load_profiles(shipped_config_dir())
    assert len(profiles) >= 20
    for profile in profiles.values():
        least = math.ceil(sum(spec.words for spec in profile.registers) / profile.timing.max_registers)
        assert len(plan_reads(profile, profile.timing)) <= max(5, 1.5 * least), profile.id
    assert set(DTYPES) >= {"uint16", "float32", "uint64"}
