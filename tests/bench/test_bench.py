"""Every row of the bench runs, on a size that measures nothing, and prints what the contract asks for. No timing."""

from __future__ import annotations

import json

import pytest

from bench.exhaustive_plan import least_s
from bench.figure import Target, figure_of, percentile
from bench.run import ROWS, main
from collectors.modbus.plan import cycle_s, plan_reads
from collectors.profile import load_profiles, shipped_config_dir

KEYS = {"name", "figure", "unit", "limits", "ratio", "target", "met"}
BROKER = pytest.mark.real("mosquitto", "mosquitto-clients")
NEEDS = {"ingest_influx": pytest.mark.real("influxdb"), "ingest_mqtt": BROKER, "memory": BROKER}


@pytest.mark.parametrize("row", [pytest.param(row, marks=NEEDS.get(row, ())) for row in ROWS])
def test_row_runs_and_prints_one_json_line_per_figure(row: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tiny", "--only", row]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert line.keys() == KEYS
        assert line["name"].startswith(row)
        assert line["figure"] > 0
        assert all(limit > 0 for limit in line["limits"].values())
        assert (line["ratio"] is None) == (not line["limits"])
        assert (line["met"] is None) == (line["target"] is None)


def test_a_target_judges_the_ratio_or_the_figure() -> None:
    assert figure_of("x", 4.0, "s", {"limit": 8.0}, Target(0.5, "least")).met is True
    assert figure_of("x", 4.0, "s", {"limit": 8.0}, Target(0.4, "most")).met is False
    assert figure_of("x", 4.0, "s", {"limit": 8.0}, Target(5.0, "most", "figure")).met is True
    with pytest.raises(ValueError, match="needs a limit"):
        figure_of("x", 4.0, "s", {}, Target(0.5, "least"))


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([3.0], 99)) == (50.0, 99.0, 3.0)


def test_no_plan_of_a_shipped_profile_costs_more_than_the_best_of_all_plans() -> None:
    profiles = load_profiles(shipped_config_dir())
    assert len(profiles) >= 8
    for profile in profiles.values():
        best_s = least_s(profile.registers, profile.timing)
        assert cycle_s(plan_reads(profile, profile.timing), profile.timing) <= best_s * 1.0001
