"""What the reader says of the seeded park, against figures summed here from the ledger itself."""

from __future__ import annotations

from sqlalchemy import func, select

from gateway.accounts.periods import parse_period
from gateway.store.schema import ledger_entries
from tests.gateway.seeded_enterprises import CEMENT, DYEING, FITTINGS, MEANS, NOW_MS, PARK, STEEL, TILES
from tests.gateway.seeded_park import SeededPark

OCTOBER = parse_period("2026-10")


def _grams(park: SeededPark, enterprise: str, start: str, end: str, scopes: tuple[int, ...]) -> int:
    table = ledger_entries.c
    query = select(func.sum(table.emission_g)).where(
        table.enterprise == enterprise, table.day >= start, table.day < end, table.scope.in_(scopes)
    )
    with park.engine.connect() as connection:
        return int(connection.execute(query).scalar_one() or 0)


def test_a_stored_month_and_the_ledger_say_the_same(seeded_park: SeededPark) -> None:
    for enterprise in MEANS:
        statement = seeded_park.reader.statement(enterprise, OCTOBER, NOW_MS)
        assert statement is not None
        assert statement.version == 1
        grams = _grams(seeded_park, enterprise, "2026-10-01", "2026-11-01", (1, 2))
        assert round(statement.compliance_kg * 1000) == grams


def test_a_quarter_is_summed_to_the_gram_from_its_days(seeded_park: SeededPark) -> None:
    quarter = seeded_park.reader.statement(STEEL, parse_period("2026-Q3"), NOW_MS)
    assert quarter is not None
    assert (quarter.version, quarter.status) == (0, "open")
    assert round(quarter.lifecycle_kg * 1000) == _grams(seeded_park, STEEL, "2026-07-01", "2026-10-01", (1, 2, 3))


def test_a_version_that_is_not_there_is_none_and_not_the_newest(seeded_park: SeededPark) -> None:
    assert seeded_park.reader.statement(STEEL, OCTOBER, NOW_MS, version=7) is None
    assert seeded_park.reader.rating(STEEL, OCTOBER, version=7) is None


def test_a_parks_total_is_the_sum_of_its_enterprises(seeded_park: SeededPark) -> None:
    overview = seeded_park.reader.park_overview(PARK, OCTOBER, NOW_MS)
    grams = sum(_grams(seeded_park, enterprise, "2026-10-01", "2026-11-01", (1, 2)) for enterprise in MEANS)
    assert round(overview.compliance_kg * 1000) == grams
    assert overview.enterprises == overview.reported == 5
    assert overview.colours == {"red": 1, "orange": 1, "yellow": 1, "green": 1, "grey": 1}


def test_an_intensity_leaves_out_who_states_no_output(seeded_park: SeededPark) -> None:
    intensity = seeded_park.reader.intensity(PARK, OCTOBER, NOW_MS)
    assert (intensity.with_output, intensity.enterprises) == (4, 5)
    stated = [enterprise for enterprise in MEANS if enterprise != TILES]
    grams = sum(_grams(seeded_park, enterprise, "2026-10-01", "2026-11-01", (1, 2)) for enterprise in stated)
    assert intensity.output_value_10k_cny is not None
    # 20 of October's 31 days have ended: the output of those days, not of the month
    assert abs(intensity.output_value_10k_cny - (98 + 42 + 31 + 55) * 20) < 1e-6
    assert intensity.kg_per_10k_cny is not None
    assert abs(intensity.kg_per_10k_cny - grams / 1000 / intensity.output_value_10k_cny) < 1e-9


def test_the_ranking_is_worst_first_with_the_unrated_last(seeded_park: SeededPark) -> None:
    ranking = seeded_park.reader.ranking(PARK, OCTOBER, NOW_MS)
    assert [row.enterprise for row in ranking] == [STEEL, DYEING, CEMENT, FITTINGS, TILES]
    assert [row.rank for row in ranking] == [1, 2, 3, 4, 5]
    assert "64.0%" in ranking[-1].reasons.en[0]


def test_a_sub_meter_behind_the_incomer_is_not_counted_twice_in_the_load(seeded_park: SeededPark) -> None:
    load = {own.enterprise: own.power_kw for own in seeded_park.reader.load(PARK, NOW_MS).series}
    powers = [power for power in load[FITTINGS] if power is not None]
    assert 400 < sum(powers) / len(powers) < 1_200  # the incomer's 820 kW, without the plating line's 330 kW again


def test_who_sells_power_is_below_zero_in_the_load(seeded_park: SeededPark) -> None:
    load = {own.enterprise: own.power_kw for own in seeded_park.reader.load(PARK, NOW_MS).series}
    assert all(power is None or power < 0 for power in load[DYEING])


def test_green_power_is_a_share_of_what_is_taken_in(seeded_park: SeededPark) -> None:
    share = seeded_park.reader.park_overview(PARK, OCTOBER, NOW_MS).green_share
    assert share is not None
    assert 0.03 < share < 0.08


def test_a_silent_device_comes_first_and_its_strip_shows_the_hole(seeded_park: SeededPark) -> None:
    health = seeded_park.reader.device_health(FITTINGS, NOW_MS)
    plating, incomer = health.devices
    assert (plating.device, plating.state, incomer.state) == ("plating-1", "silent", "live")
    assert len(plating.strip) == 168
    assert plating.strip[-1] == 0
    assert plating.coverage_today is not None
    assert incomer.coverage_today is not None
    assert plating.coverage_today < 0.5 < incomer.coverage_today


def test_an_entry_leads_back_to_its_readings_and_register(seeded_park: SeededPark) -> None:
    entries = seeded_park.reader.newest_entries(STEEL, OCTOBER, limit=10)
    entry = next(own for own in entries if own.source == "grid-power" and own.day == "2026-10-19")
    explained = seeded_park.reader.explain(STEEL, entry.seq)
    assert explained is not None
    point = explained["points"][0]
    assert (point["point"], len(point["hours"]), point["readings"]) == ("incomer-1.energy_import", 24, 96)
    assert point["first"]["value"] < point["last"]["value"]
    assert point["register"]["address"] == 801
    assert explained["factors"][0]["id"] == "grid.national.2023"
    assert explained["computed"].endswith(f"= {round(entry.emission_kg * 1000)} gCO2e")


def test_a_corrected_entry_names_its_reversal_and_an_entry_by_record_its_record(seeded_park: SeededPark) -> None:
    newest = seeded_park.reader.newest_entries(STEEL, OCTOBER, limit=3)
    corrected, reversal, original = newest
    assert reversal.reverses == original.id
    explained = seeded_park.reader.explain(STEEL, original.seq)
    assert explained is not None
    assert explained["reversed_by"] == reversal.id
    by_record = next(own for own in seeded_park.reader.entries(STEEL, OCTOBER) if own.source == "billets")
    explained = seeded_park.reader.explain(STEEL, by_record.seq)
    assert explained is not None
    assert [record["id"] for record in explained["records"]] == [f"billets-{by_record.day}"]
    assert corrected.reason == "late-data"


def test_scores_of_the_account_are_those_that_its_entries_show(seeded_park: SeededPark) -> None:
    statement = seeded_park.reader.statement(STEEL, OCTOBER, NOW_MS)
    entries = seeded_park.reader.entries(STEEL, OCTOBER, limit=1_000)
    taken_back = {own.reverses for own in entries}
    standing = [own for own in entries if own.reverses is None and own.id not in taken_back]
    assert statement is not None
    assert statement.quality is not None
    assert len({own.quality.activity_score for own in standing}) > 1  # by meters and by records
    total_kg = sum(abs(own.emission_kg) for own in standing)
    for name in ("activity_score", "factor_score"):
        mean = sum(getattr(own.quality, name) * abs(own.emission_kg) for own in standing) / total_kg
        assert abs(getattr(statement.quality, name) - mean) <= 0.005 + 1e-9  # two decimals are stated
    explained = seeded_park.reader.explain(STEEL, entries[0].seq)
    assert explained is not None
    assert explained["grades"]["activity"]["en"] == "measured continuously"


def test_a_number_of_both_sides_of_a_formula_is_explained_once(seeded_park: SeededPark) -> None:
    for entry in seeded_park.reader.entries(DYEING, OCTOBER, limit=3):
        explained = seeded_park.reader.explain(DYEING, entry.seq)
        assert explained is not None
        steps = [tuple(sorted(step.items())) for step in explained["factors"]]
        assert steps
        assert len(set(steps)) == len(steps)
