"""Each shipped profile against raw words and the values they mean: tests/cases/modbus/<profile>.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from collectors import strict_yaml
from collectors.modbus.decode import decode, encode
from collectors.profile import MeterProfile, RegisterSpec, load_profiles, shipped_config_dir

CASES_DIR = Path(__file__).parents[2] / "cases" / "modbus"


@dataclass(frozen=True)
class Case:
    point: str
    words: tuple[int, ...]
    value: float | None
    basis: Literal["published", "in_service", "computed"]
    source: str = ""
    decimals: int | None = None  # the value is given rounded to so many decimals; None = exact


@dataclass(frozen=True)
class CaseFile:
    profile: str
    cases: tuple[Case, ...]


@pytest.fixture(scope="module")
def profiles() -> dict[str, MeterProfile]:
    return load_profiles(shipped_config_dir())


FILES = {path.stem: strict_yaml.load(path, CaseFile) for path in sorted(CASES_DIR.glob("*.yaml"))}
ALL = [
    pytest.param(name, case, id=f"{name}-{i}-{case.point}")
    for name, f in FILES.items()
    for i, case in enumerate(f.cases)
]


@pytest.mark.parametrize(("profile", "case"), ALL)
def test_words_mean_the_value(profiles: dict[str, MeterProfile], profile: str, case: Case) -> None:
    value = decode(case.words, profiles[profile].by_point[case.point])

    if case.value is None or value is None:
        assert value == case.value
    elif case.decimals is not None:
        assert round(value, case.decimals) == case.value
    else:
        assert value == case.value


@pytest.mark.parametrize(("profile", "case"), [p for p in ALL if p.values[1].value is not None])  # type: ignore[union-attr]
def test_a_meter_shows_again_what_it_showed(profiles: dict[str, MeterProfile], profile: str, case: Case) -> None:
    spec = profiles[profile].by_point[case.point]
    value = decode(case.words, spec)

    assert decode(encode(value, spec), spec) == value


def test_every_profile_has_a_case_for_each_way_it_writes_numbers(profiles: dict[str, MeterProfile]) -> None:
    def way(spec: RegisterSpec) -> tuple[object, ...]:
        return spec.dtype, spec.word_order, spec.scale, spec.offset

    assert FILES.keys() == profiles.keys()
    for name, profile in profiles.items():
        assert FILES[name].profile == name
        shown = {way(profile.by_point[case.point]) for case in FILES[name].cases}
        assert shown == {way(spec) for spec in profile.registers}, name


def test_every_pattern_for_not_available_has_a_case(profiles: dict[str, MeterProfile]) -> None:
    seen = 0
    for name, profile in profiles.items():
        empty = {profile.by_point[case.point].dtype for case in FILES[name].cases if case.value is None}
        wanted = {spec.dtype for spec in profile.registers if spec.not_available}
        assert wanted <= empty, name
        seen += len(wanted)
    assert seen


def test_only_computed_cases_go_without_a_source() -> None:
    cases = [case for file in FILES.values() for case in file.cases]

    assert all(case.source for case in cases if case.basis != "computed")
    assert sum(case.basis == "published" for case in cases) >= 4
