"""Promises of the roll-up: exact, idempotent, late data restated, any interruption harmless."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from collectors.clock import HOUR_MS
from collectors.errors import StoreUnavailable
from collectors.reading import Quality
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.pipeline import AccountsFailed
from gateway.scheduler.statements_stage import StatementsStage
from gateway.scheduler.usage_stage import UsageDone, UsageStage, recomputed_usage
from gateway.scheduler.windows import Window
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.statements_repository import StatementsRepository, Written
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

GRID_2023_KG_PER_KWH = Decimal("0.5306")  # MEE+NBS notice 2025 no. 47; what 2026 is provisionally booked with


def grid_g(kwh: str) -> int:
    return int(Decimal(kwh) * GRID_2023_KG_PER_KWH * 1000)


def test_ended_days_are_booked_to_the_gram_and_the_running_day_is_not(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 30, 1000.0, 100.0))
    plant.roll_up("2026-10-06 06:00")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}


def test_a_day_is_not_booked_before_it_has_settled(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 100.0))
    plant.roll_up("2026-10-06 00:05")
    assert plant.standing() == {}
    plant.roll_up("2026-10-06 00:10")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}


def test_running_again_changes_nothing(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 72, 0.0, 77.7))
    plant.roll_up("2026-10-09 00:00")
    length = plant.chain_length()
    again = plant.roll_up("2026-10-09 00:00")
    assert again["usage"] == {"hours_due": 0, "hours_changed": 0}
    assert again["entries"] == {"days_due": 0, "entries_posted": 0, "entries_reversed": 0}
    assert plant.chain_length() == length


def test_sending_everything_twice_changes_no_figure(plant: Plant) -> None:
    readings = steady("2026-10-05 00:00", 48, 0.0, 50.0)
    plant.put("incomer", "energy_import", readings)
    plant.roll_up("2026-10-08 00:00")
    before, length = plant.standing(), plant.chain_length()
    plant.put("incomer", "energy_import", list(reversed(readings)))
    plant.roll_up("2026-10-08 00:01")
    assert plant.standing() == before
    assert plant.chain_length() == length


def test_an_outage_whose_counter_survived_loses_nothing_over_midnight(plant: Plant) -> None:
    readings = steady("2026-10-05 00:00", 48, 0.0, 300.0)
    silent = [one for one in readings if not at("2026-10-05 20:00") < one[0] < at("2026-10-06 04:00")]
    plant.put("incomer", "energy_import", silent)
    plant.roll_up("2026-10-07 01:00")
    assert plant.standing() == {
        ("grid", "2026-10-05"): grid_g("7200"),
        ("grid", "2026-10-06"): grid_g("7200"),
    }


def test_late_readings_restate_their_days_only_and_say_why(plant: Plant) -> None:
    """The counter is read at noon of the 6th again after a night without; later the agent sends what it had kept."""
    fast = steady("2026-10-05 00:00", 12, 0.0, 200.0)
    slow = steady("2026-10-05 12:00", 48, 2400.0, 50.0)
    kept_back = [one for one in slow if at("2026-10-05 13:00") <= one[0] <= at("2026-10-06 11:00")]
    plant.put("incomer", "energy_import", steady("2026-10-03 00:00", 48, -0.0, 0.0))
    plant.put("incomer", "energy_import", [one for one in fast + slow if one not in kept_back])
    plant.roll_up("2026-10-09 00:00")
    untouched = plant.standing()[("grid", "2026-10-03")]
    length = plant.chain_length()
    plant.put("incomer", "energy_import", kept_back)
    done = plant.roll_up("2026-10-09 00:10")
    assert done["entries"]["entries_posted"] == done["entries"]["entries_reversed"] == 2
    assert plant.standing()[("grid", "2026-10-03")] == untouched
    assert plant.standing()[("grid", "2026-10-05")] == grid_g(str(2400 + 600))
    late = [entry for entry in LedgerRepository(plant.house.engine).chain(PLANT) if entry.seq > length]
    assert {entry.reason for entry in late} == {"late-data"}


def test_any_order_of_arrival_and_roll_up_gives_the_same_account(open_plant: Callable[[], Plant]) -> None:
    plant = open_plant()
    readings = steady("2026-09-29 00:00", 72, 0.0, 123.4)
    plant.put("incomer", "energy_import", readings[1::2])
    plant.roll_up("2026-09-30 08:00")
    plant.roll_up("2026-10-03 00:00")
    plant.put("incomer", "energy_import", readings[::2])
    plant.roll_up("2026-10-03 01:00")
    assert plant.standing() == {
        ("grid", f"2026-{day}"): round(Decimal("123.4") * 24 * GRID_2023_KG_PER_KWH * 1000)
        for day in ("09-29", "09-30", "10-01")
    }


def test_rolling_up_minute_by_minute_gives_what_one_pass_over_everything_gives(plant: Plant) -> None:
    """A reading reaches into the hour before; that hour is replaced out of all its readings, not the nearest only."""
    readings = steady("2026-10-05 09:00", 3, 1000.0, 100.0, every_min=1)
    for first in range(0, len(readings), 7):
        plant.put("incomer", "energy_import", readings[first : first + 7])
        plant.house.pipeline.run(readings[first][0])
    point_id = plant.house.registry().points_by_name[PLANT, "incomer", "energy_import"].point_id
    span = at("2026-10-05 09:00"), at("2026-10-05 12:00")
    stored = plant.house.timeseries.usage([point_id], *span)
    assert stored.amount_u.tolist() == [100_000_000] * 3
    assert stored.covered_ms.tolist() == [HOUR_MS] * 3
    whole = recomputed_usage(plant.house.timeseries, plant.house.registry(), [point_id], *span)
    assert stored.amount_u.tolist() == whole.amount_u.tolist()


def test_hours_of_readings_marked_bad_are_bridged_and_stop_nothing(plant: Plant) -> None:
    """More of them in a row than a pass looks back by: the good readings on both sides are still neighbours."""
    readings = steady("2026-10-05 00:00", 30, 1000.0, 100.0)
    first, last = at("2026-10-05 02:30"), at("2026-10-05 07:30")
    for start in range(0, len(readings), 4):
        part = readings[start : start + 4]
        plant.put("incomer", "energy_import", [one for one in part if not first < one[0] < last])
        plant.put("incomer", "energy_import", [one for one in part if first < one[0] < last], quality=Quality.BAD)
        plant.house.pipeline.run(part[-1][0])
    plant.put("gas", "volume", readings, quality=Quality.BAD)
    plant.roll_up("2026-10-06 06:00")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}


def test_downtime_over_a_month_edge_is_caught_up(open_plant: Callable[[], Plant]) -> None:
    plant = open_plant()
    plant.put("incomer", "energy_import", steady("2026-09-25 00:00", 24 * 10, 0.0, 10.0))
    plant.roll_up("2026-09-27 12:00")
    plant = open_plant()
    plant.roll_up("2026-10-05 12:00")
    months = {month: StatementsRepository(plant.house.engine).newest(PLANT, month) for month in ("2026-09", "2026-10")}
    sums = {month: msgspec.json.decode(own.body)["compliance_kg"] for month, own in months.items() if own}
    assert sums == {"2026-09": grid_g("1440") / 1000, "2026-10": grid_g("960") / 1000}


@pytest.mark.parametrize("broken", ["put_usage", "clear_dirty"])
def test_a_crash_in_the_usage_stage_repeats_work_and_loses_none(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 100.0))
    with monkeypatch.context() as patch:
        patch.setattr(type(plant.house.timeseries), broken, _fails)
        with pytest.raises(StoreUnavailable):
            plant.roll_up("2026-10-06 01:00")
    plant.roll_up("2026-10-06 01:00")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}


def test_a_crash_between_entries_and_statements_is_mended_by_the_next_run(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 100.0))
    with monkeypatch.context() as patch:
        patch.setattr(StatementsStage, "run", _fails)
        with pytest.raises(StoreUnavailable):
            plant.roll_up("2026-10-06 01:00")
    assert plant.standing() and StatementsRepository(plant.house.engine).newest(PLANT, "2026-10") is None
    plant.roll_up("2026-10-06 01:00")
    newest = StatementsRepository(plant.house.engine).newest(PLANT, "2026-10")
    assert newest is not None and msgspec.json.decode(newest.body)["compliance_kg"] == grid_g("2400") / 1000
    assert plant.chain_length() == 1


def test_an_enterprise_whose_account_cannot_be_made_is_named_and_holds_up_nobody(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for enterprise in (PLANT, SECOND):
        plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 100.0), enterprise)
    with monkeypatch.context() as patch:
        make = StatementsStage.due

        def due(stage: StatementsStage, registry: Registry, enterprise: Enterprise, *more: Any) -> Written:
            if enterprise.id == PLANT:
                raise KeyError("a policy that is gone")
            return make(stage, registry, enterprise, *more)

        patch.setattr(StatementsStage, "due", due)
        with pytest.raises(AccountsFailed, match=f"{PLANT}: .*a policy that is gone"):
            plant.roll_up("2026-10-06 01:00")
    statements = StatementsRepository(plant.house.engine)
    assert (statements.newest(PLANT, "2026-10"), bool(statements.newest(SECOND, "2026-10"))) == (None, True)
    plant.roll_up("2026-10-06 01:01")
    assert statements.newest(PLANT, "2026-10") is not None


def test_an_enterprise_whose_usage_cannot_be_made_is_named_and_holds_up_nobody(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.roll_up("2026-10-04 01:00")  # the rules are known
    for enterprise in (PLANT, SECOND):
        plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 100.0), enterprise)
    bad = {point.point_id for point in plant.house.registry().enterprises[PLANT].points()}
    with monkeypatch.context() as patch:
        make = UsageStage.recompute

        def recompute(stage: UsageStage, registry: Registry, window: Window, *more: Any) -> UsageDone:
            if bad & set(window.point_ids):
                raise ZeroDivisionError("a rule that makes no sense")
            return make(stage, registry, window, *more)

        patch.setattr(UsageStage, "recompute", recompute)
        with pytest.raises(AccountsFailed, match=f"{PLANT}: .*a rule that makes no sense"):
            plant.roll_up("2026-10-06 01:00")
    assert (plant.standing(), plant.standing(SECOND)) == ({}, {("grid", "2026-10-05"): grid_g("2400")})
    plant.roll_up("2026-10-06 01:01")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}


def _fails(*_arguments: object, **_named: object) -> None:
    raise StoreUnavailable("planted")


def test_a_silent_enterprise_loses_coverage_day_by_day(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 24, 0.0, 10.0), SECOND)
    plant.roll_up("2026-10-02 01:00")
    covered = []
    for day in ("02", "03", "05"):
        plant.roll_up(f"2026-10-{day} 02:00")
        newest = StatementsRepository(plant.house.engine).newest(SECOND, "2026-10")
        assert newest is not None
        covered.append(round(msgspec.json.decode(newest.body)["coverage"], 6))
    assert covered == [1.0, 0.5, 0.25]


def test_records_are_booked_day_by_day_and_sum_to_the_record(plant: Plant) -> None:
    record = {"id": "b1", "source": "billets", "from": "2026-10-01", "to": "2026-10-04", "amount": 100, "unit": "t"}
    plant.house.operations.call("records_import", enterprise=PLANT, records=[record])
    plant.roll_up("2026-10-10 00:00")
    entries = LedgerRepository(plant.house.engine).chain(PLANT)
    assert sum(entry.draft.amount_u for entry in entries) == 100_000_000
    assert {day for source, day in plant.standing() if source == "billets"} == {
        "2026-10-01",
        "2026-10-02",
        "2026-10-03",
    }


def test_records_of_one_day_in_tonnes_and_kilograms_are_summed_as_what_they_are(plant: Plant) -> None:
    base = {"source": "billets", "from": "2026-10-01", "to": "2026-10-03"}
    records = [
        base | {"id": "a", "amount": 100, "unit": "t"},
        base | {"id": "b", "amount": 500, "unit": "kg", "parallel": True},
    ]
    plant.house.operations.call("records_import", enterprise=PLANT, records=records)
    plant.roll_up("2026-10-10 00:00")
    booked = [entry.draft for entry in LedgerRepository(plant.house.engine).chain(PLANT)]
    assert [(draft.amount_u, draft.unit) for draft in booked] == [(50_250_000_000, "kg")] * 2


def test_a_correction_takes_back_what_the_corrected_record_gave(plant: Plant) -> None:
    base = {"source": "billets", "from": "2026-10-01", "to": "2026-10-03", "unit": "t"}
    call = plant.house.operations.call
    call("records_import", enterprise=PLANT, records=[base | {"id": "a", "amount": 100}])
    plant.roll_up("2026-10-10 00:00")
    call("records_import", enterprise=PLANT, records=[base | {"id": "b", "amount": 60, "supersedes": "a"}])
    plant.roll_up("2026-10-10 01:00")
    chain = list(LedgerRepository(plant.house.engine).chain(PLANT))
    assert [entry.reason for entry in chain] == ["automatic"] * 2 + ["operator"] * 4
    assert [entry.reverses for entry in chain] == [None, None, 1, None, 2, None]
    assert sum(entry.draft.amount_u for entry in chain) == 60_000_000
    assert call("verify")["ok"]


def test_a_counter_that_rolls_over_is_booked_through_and_named(plant: Plant) -> None:
    readings = [(one[0], one[1] % 1_000_000) for one in steady("2026-10-05 00:00", 24, 999_000.0, 100.0)]
    plant.put("gas", "volume", readings)
    plant.roll_up("2026-10-06 01:00")
    entries = list(LedgerRepository(plant.house.engine).chain(PLANT))
    assert [entry.draft.amount_u for entry in entries] == [2_400_000_000]
    found = FindingsRepository(plant.house.engine).page(PLANT, 10)
    assert [one.finding.name for one in found] == ["counter.rollover"]


def test_a_bad_zero_costs_nothing_and_its_finding_goes_when_the_day_is_mended(plant: Plant) -> None:
    readings = steady("2026-10-05 00:00", 24, 5000.0, 100.0)
    bad = [*readings[:40], (readings[40][0], 0.0), *readings[41:]]
    plant.put("incomer", "energy_import", bad)
    plant.roll_up("2026-10-06 01:00")
    assert plant.standing() == {("grid", "2026-10-05"): grid_g("2400")}
    findings = FindingsRepository(plant.house.engine)
    assert [one.finding.name for one in findings.page(PLANT, 10, status="open")] == ["counter.glitch"]
    plant.put("incomer", "energy_import", [readings[40]])
    plant.roll_up("2026-10-06 02:00")
    assert findings.page(PLANT, 10, status="open") == []


def test_a_changed_rule_recomputes_what_it_concerns(plant: Plant) -> None:
    """The registry learns the modulus only after the counter rolled over."""
    text = plant.house.operations.call("registry_show")["text"]
    without = text.replace("modulus: 1000000.0", "modulus: 5000000.0").replace("modulus: 1000000", "modulus: 5000000")
    assert without != text
    plant.house.operations.call("registry_apply", text=without)
    readings = [(one[0], one[1] % 1_000_000) for one in steady("2026-10-05 00:00", 24, 999_000.0, 100.0)]
    plant.put("gas", "volume", readings)
    plant.roll_up("2026-10-06 01:00")
    wrong = plant.standing()
    plant.house.operations.call("registry_apply", text=text)
    plant.roll_up("2026-10-06 02:00")
    entries = LedgerRepository(plant.house.engine).chain(PLANT)
    assert sum(entry.draft.amount_u for entry in entries) == 2_400_000_000
    assert plant.standing() != wrong


def test_a_new_edition_restates_the_days_it_is_for_by_itself(plant: Plant) -> None:
    """The 2023 grid factor was published on 2025-12-31; until then 2023 is booked with that of 2022."""
    plant.put("incomer", "energy_import", steady("2023-06-01 00:00", 24, 0.0, 100.0))
    plant.roll_up("2025-01-05 00:00")
    plant.roll_up("2025-12-30 00:00")
    assert plant.chain_length() == 1
    plant.roll_up("2026-01-01 12:00")
    entries = list(LedgerRepository(plant.house.engine).chain(PLANT))
    assert [entry.reason for entry in entries] == ["automatic", "restated-factor", "restated-factor"]
    assert [entry.draft.edition for entry in entries][::2] == ["mee-nbs-grid-2022", "mee-nbs-grid-2023"]
    assert entries[0].draft.provisional and not entries[2].draft.provisional
    plant.roll_up("2026-01-02 12:00")
    assert plant.chain_length() == 3
