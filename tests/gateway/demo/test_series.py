"""Recorded figures are whole, sourced, and loop without losing anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import ConfigurationError
from gateway.demo.scenario import Scenario
from gateway.demo.series import HEADER_KEYS, MINUTE_MS, RecordedSeries, load_series

HEADER = "".join(f"# {key}: {'15' if key == 'step_min' else 'x'}\n" for key in HEADER_KEYS)


def series_of(*amounts: float) -> RecordedSeries:
    return RecordedSeries("s", {}, 15 * MINUTE_MS, amounts)


def test_shipped_series_are_the_recorded_figures(scenario: Scenario) -> None:
    """Counts and sums as they can be recomputed from the published sets."""
    found = {name: (len(one.amounts), round(one.total, 2), one.unit) for name, one in scenario.series.items()}
    assert found == {
        "steel-energy": (5376, 150345.19, "kWh"),
        "steel-reactive": (5376, 63716.80, "kvarh"),
        "turbine-energy": (1344, 196477.94, "MWh"),
        "stack-load": (72, 94010.0, "MWh"),
        "stack-co2": (72, 90341.1, "short_ton"),
    }


def test_turbine_energy_lies_in_the_published_range(scenario: Scenario) -> None:
    """Turbine energy yield is published as 100.02 to 179.50 MWh; 9.85 to 15.16 would be the compressor's pressure."""
    amounts = scenario.series["turbine-energy"].amounts
    assert amounts[0] == 134.67
    assert min(amounts) >= 100.02
    assert max(amounts) <= 179.50


def test_every_shipped_series_names_source_licence_and_attribution(scenario: Scenario) -> None:
    for one in scenario.series.values():
        assert all(one.header[key] for key in HEADER_KEYS)
        assert "CC BY 4.0" in one.header["licence"] or "public domain" in one.header["licence"]


@given(
    amounts=st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    at=st.integers(-(10**9), 10**12),
    later=st.integers(0, 10**10),
)
def test_running_total_never_falls(amounts: list[float], at: int, later: int) -> None:
    one = series_of(*amounts)
    slack = 1e-9 * max(1.0, abs(one.total_until(at + later)))
    assert one.total_until(at + later) >= one.total_until(at) - slack


def test_a_loop_adds_exactly_the_sum() -> None:
    one = series_of(1.5, 0.0, 2.5)
    assert one.total_until(one.loop_ms) == 4.0
    assert one.total_until(3 * one.loop_ms + one.step_ms // 2) == 12.75
    assert one.total_until(-one.loop_ms) == -4.0


def test_rate_is_the_amount_of_the_interval_per_hour() -> None:
    assert series_of(1.5, 3.0).rate_per_hour(15 * MINUTE_MS) == 12.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("# licence: x\n", "") + "1,2\n", "licence"),
        (HEADER + "1,-2\n", "cannot run backwards"),
        (HEADER + "1,nan\n", "no amount"),
        (HEADER + "1,two\n", "two"),
        (HEADER, "holds no figures"),
        (HEADER.replace("step_min: 15", "step_min: 0") + "1\n", "whole minutes"),
    ],
)
def test_a_spoiled_series_does_not_load_and_says_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "spoiled.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        load_series(tmp_path)


def test_a_directory_without_series_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no series"):
        load_series(tmp_path)
