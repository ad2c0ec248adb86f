"""Loading meter profiles: strict, all problems at once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from collectors.profile import DTYPES, MeterProfile, load_profiles, read_profile, shipped_config_dir
from collectors.profile_check import check_profiles
from collectors.quantities import QUANTITIES

GOOD = """
id: acme-m1
maker: Acme
model: M1
source: {document: manual}
timing: {timeout_s: 1, max_registers: 10}
defaults: {dtype: uint32}
registers:
- {quantity: energy_import, address: 0, unit: kWh, scale: 0.01}
- {quantity: power, address: 2, unit: kW, dtype: float32}
"""


def problems_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_profile(text, "acme-m1.yaml")
    return "\n".join(str(problem) for problem in caught.value.problems)


@pytest.fixture(scope="module")
def shipped() -> dict[str, MeterProfile]:
    return load_profiles(shipped_config_dir())


def test_the_shipped_profiles_are_the_promised_ones(shipped: dict[str, MeterProfile]) -> None:
    assert shipped.keys() >= {
        "abb-b23",
        "acrel-adl400",
        "chint-dtsu666",
        "eastron-sdm120",
        "eastron-sdm630",
        "schneider-iem3000",
        "siemens-pac2200",
        "tuf-2000m",
    }


def test_every_shipped_profile_counts_something_and_says_where_it_comes_from(shipped: dict[str, MeterProfile]) -> None:
    for profile in shipped.values():
        assert any(QUANTITIES[spec.quantity].kind == "counter" for spec in profile.registers), profile.id
        assert profile.source.document
        assert profile.notes
        assert set(profile.points) == {spec.quantity for spec in profile.registers}


def test_every_shipped_profile_passes_its_check_and_owns_up_to_a_single_source() -> None:
    checks = check_profiles([shipped_config_dir() / "meter_profiles"])

    assert len(checks) >= 20
    for check in checks:
        assert check.ok, check.problems
        assert check.profile is not None
        single = any("A single source" in note for note in check.profile.notes)
        assert check.remarks == (("rests on a single source (source.confirmed_by is empty)",) if single else ())
        assert 0 < check.cycle_s < 1.5


IDENTIFY = "\nidentify: {address: 64514, is_one_of: [112, 121], document: the manual}\n"


def test_an_identification_register_is_read_and_checked() -> None:
    identify = read_profile(GOOD + IDENTIFY).identify
    assert identify is not None
    assert (identify.function_code, identify.address, identify.is_one_of) == (3, 64514, (112, 121))

    for spoiled in ("[]", "[65536]", "[-1]"):
        with pytest.raises(ConfigurationError, match="is_one_of must hold"):
            read_profile(GOOD + IDENTIFY.replace("[112, 121]", spoiled))
    with pytest.raises(ConfigurationError, match="address must be"):
        read_profile(GOOD + IDENTIFY.replace("64514", "65536"))


def test_no_two_shipped_profiles_claim_the_same_identification(shipped: dict[str, MeterProfile]) -> None:
    claims = [
        (profile.identify.function_code, profile.identify.address, word)
        for profile in shipped.values()
        if profile.identify is not None
        for word in profile.identify.is_one_of
    ]
    assert len(claims) > 5
    assert len(claims) == len(set(claims))


def test_a_check_reports_a_bad_file_beside_the_good_ones(tmp_path: Path) -> None:
    (tmp_path / "acme-m1.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("unit: kW,", "unit: W,").replace("acme-m1", "bad"))

    good, bad = check_profiles([tmp_path])

    assert good.ok
    assert good.remarks == (
        "rests on a single source (source.confirmed_by is empty)",
        "has no notes: say what conflicts between sources, or that nothing does",
    )
    assert not bad.ok
    assert "must be kW" in str(bad.problems[0])


def test_defaults_fill_in_what_a_register_leaves_out() -> None:
    profile = read_profile(GOOD)

    energy, power = profile.registers
    assert (energy.dtype, energy.function_code, energy.word_order, energy.scale) == (
        "uint32",
        3,
        "big",
        Decimal("0.01"),
    )
    assert (power.dtype, power.scale, power.words) == ("float32", 1, 2)
    assert profile.select(["power"]) == (power,)
    with pytest.raises(KeyError):
        profile.select(["voltage_l1"])


def test_a_counter_knows_where_it_starts_again() -> None:
    assert read_profile(GOOD).modulus_of("energy_import") == 42949672.96
    assert read_profile(GOOD).modulus_of("power") is None
    bcd = GOOD.replace("scale: 0.01}", "scale: 0.01, dtype: bcd32}")
    assert read_profile(bcd).modulus_of("energy_import") == 1_000_000
    signed = GOOD.replace("scale: 0.01}", "scale: 0.01, dtype: int32}")
    assert read_profile(signed).modulus_of("energy_import") is None
    display = GOOD.replace("scale: 0.01}", "scale: 0.01, modulus: 999999}")
    assert read_profile(display).modulus_of("energy_import") == 999999


def test_not_available_is_given_by_dtype_or_by_register() -> None:
    text = GOOD.replace("\nregisters:", "\nnot_available: {uint32: [0xFFFFFFFF], float32: [0xFF800000]}\nregisters:")

    energy, power = read_profile(text.replace("dtype: float32}", "dtype: float32, not_available: []}")).registers

    assert energy.not_available == (0xFFFFFFFF,)
    assert power.not_available == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("quantity: power", "quantity: powr", "unknown quantity powr (did you mean power?)"),
        ("unit: kW,", "unit: W,", "must be kW, the unit of power, not W: convert with scale"),
        ("quantity: power, address: 2, unit: kW", "quantity: energy_import, address: 2, unit: kWh", "has 2 registers"),
        ("dtype: float32", "dtype: float", "float is unknown (did you mean float32 or float64?); known are int16"),
        ("defaults: {dtype: uint32}", "", "registers[0].dtype: nothing is unknown"),
        ("scale: 0.01", "scale: 0", "must not be 0"),
        ("address: 2", "address: 65535", "must be 0..65534"),
        ("address: 2", "address: -1", "must be 0..65534"),
        ("address: 2", "address: 1", "registers 1..2 of function 3 would be read for energy_import too"),
        ("dtype: float32}", "dtype: float32, not_available: [0x100000000]}", "0x100000000 is no pattern of 32 bits"),
        ("dtype: float32}", "dtype: float32, modulus: 10}", "only counters have one"),
        ("dtype: float32}", "dtype: float32, function_code: 6}", "must be one of 3, 4"),
        ("dtype: float32}", "dtype: float32, word_order: mixed}", "must be one of big, little"),
        ("max_registers: 10", "max_registers: 1", "uint32 needs 2 registers"),
        ("max_registers: 10", "max_registers: 126", "max_registers must be 1..125"),
        ("timeout_s: 1", "timeout_s: 0, baud: 5", "timeout_s must be above 0; baud must be 0 or at least 300"),
        ("id: acme-m1", "id: Acme_M1", "lower case letters, digits and hyphens"),
        ("source: {document: manual}", "", "source: is missing"),
        ("\nregisters:", "\nnot_available: {int12: [1]}\nregisters:", "unknown dtype"),
        ("\nregisters:", "\ncolour: red\nregisters:", "colour: unknown key"),
    ],
)
def test_a_wrong_profile_is_refused_in_words(old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message in problems_of(GOOD.replace(old, new))


def test_every_problem_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    directory, extra = tmp_path / "meter_profiles", tmp_path / "extra"
    directory.mkdir()
    extra.mkdir()
    (directory / "acme-m1.yaml").write_text(GOOD)
    (directory / "acme-m2.yaml").write_text(GOOD.replace("scale: 0.01", "scale: 0").replace("kW,", "W,"))
    (directory / "acme-m3.yaml").write_text(GOOD)
    (extra / "acme-m1.yaml").write_text(GOOD)

    with pytest.raises(ConfigurationError) as caught:
        load_profiles(tmp_path, extra, tmp_path / "nowhere")
    lines = [str(problem) for problem in caught.value.problems]

    assert len(lines) == 5
    assert "acme-m2.yaml:9: registers[0].scale: must not be 0" in lines[0]
    assert "acme-m2.yaml:10: registers[1].unit: must be kW" in lines[1]
    assert "acme-m3.yaml: id: a profile's file is named after its id: acme-m1.yaml" in lines[2]
    assert "acme-m1 exists already" in lines[3]
    assert "nowhere: is no directory" in lines[4]


def test_profiles_of_a_further_directory_join_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "acme-m1.yaml").write_text(GOOD)

    profiles = load_profiles(shipped_config_dir(), tmp_path)

    assert profiles["acme-m1"].maker == "Acme"
    assert len(profiles) >= 9


def test_the_table_of_dtypes_agrees_with_the_names() -> None:
    for name, dtype in DTYPES.items():
        bits = int("".join(filter(str.isdigit, name)))
        assert dtype.words * 16 == bits
