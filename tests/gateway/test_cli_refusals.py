"""Commands, files and settings that are wrong: named with what to do next, exit code 2, and never a traceback."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.profile import shipped_config_dir
from gateway.control import ControlFile
from tests.gateway.commands import NOBODY, PLANT, REGISTRY, Tanmai, applied, data_dir, park, tanmai

__all__ = ["applied", "data_dir", "park", "tanmai"]

DRAFT = shipped_config_dir() / "rating_policies" / "four-colour-demo.yaml"

# arguments -> what the answer must say; all of them end with exit code 2 and change nothing
REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown command": (["acount"], "Did you mean “account”?"),
    "unknown option": (["verify", "--everything"], "No such option"),
    "enterprise not registered": (["account", NOBODY, "2026-10"], "is not registered; `tanmai registry show`"),
    "no month of the calendar": (["account", PLANT, "2026-13"], "no month of the calendar"),
    "no period": (["account", PLANT, "october"], "write a day 2026-10-05, a month 2026-10"),
    "year out of range": (["account", PLANT, "0001-01"], "outside the years"),
    "no entry": (["explain", f"{PLANT}-1"], "there is no entry"),
    "no id of an entry": (["explain", "seventeen"], "an id looks like"),
    "number beyond the database": (["explain", f"{PLANT}-{10**30}"], "there is no entry"),
    "proof of no entry": (["proof", f"{PLANT}-1"], "there is no entry"),
    "proof of no id of an entry": (["proof", "seventeen"], "an id looks like"),
    "proof under no day": (["proof", f"{PLANT}-1", "--root", "today"], "write it as 2026-10-05"),
    "verify of nobody": (["verify", "--enterprise", NOBODY], "is not registered"),
    "verify of no period": (["verify", "--period", "soon"], "is no period"),
    "rollup until no time": (["rollup", "--until", "soon"], "write one with its zone"),
    "rollup until a time without zone": (["rollup", "--until", "2026-11-01T00:10:00"], "write one with its zone"),
    "closing a day": (["close", "2026-10-05"], "months, quarters and years are closed"),
    "closing a month to come": (["close", "2099-12"], "has not ended yet"),
    "closing for nobody": (["close", "2026-10", "--enterprise", NOBODY], "is not registered"),
    "rebuild without days": (["rebuild"], "Missing option '--from'"),
    "rebuild of no day": (["rebuild", "--from", "soon", "--to", "2026-10-05"], "write it as 2026-10-05"),
    "rebuild backwards": (["rebuild", "--from", "2026-10-06", "--to", "2026-10-05"], "write the earlier day first"),
    "rebuild of days to come": (["rebuild", "--from", "2026-10-06", "--to", "2099-10-05"], "has not ended yet for"),
    "rebuild of long ago": (["rebuild", "--from", "1970-01-01", "--to", "2026-10-05"], "nothing was metered before"),
    "rebuild for nobody": (
        ["rebuild", "--from", "2026-10-01", "--to", "2026-10-05", "--enterprise", NOBODY],
        "is not registered",
    ),
    "unknown role": (["token", "create", "manager", "x"], "is not one of 'device', 'enterprise', 'park'"),
    "device that is not registered": (["token", "create", "device", f"{PLANT}/edge-9"], "has edge-1, incomer-1"),
    "device without an enterprise": (["token", "create", "device", "edge-1"], "write ENTERPRISE/AGENT"),
    "enterprise without a subject": (["token", "create", "enterprise"], "is not registered"),
    "park that is not registered": (["token", "create", "park", "east"], "there are park"),
    "platform without a name": (["token", "create", "platform"], "name the platform"),
    "admin with a subject": (["token", "create", "admin", "me"], "is empty, not 'me'"),
    "token that is not there": (["token", "revoke", "abc"], "`tanmai token list` shows all"),
    "nothing set aside": (["ingest", "set-aside", "show", "4"], "nothing is set aside under 4"),
    "reason that stays wrong": (["ingest", "set-aside", "replay", "--reason", "undecodable"], "stays wrong"),
    "file that is not there": (["registry", "apply", "no.yaml"], "does not exist"),
    "records for nobody": (
        ["records", "import", __file__, "--enterprise", PLANT],
        "must end in one of .json, .csv, .xlsx",
    ),
    "unknown edition": (["factors", "diff", "ipcc-ar5", "ipcc-ar7"], "did you mean ipcc-ar6?"),
    "edition beside itself": (["factors", "diff", "ipcc-ar5", "ipcc-ar5"], "is compared with itself"),
    "editions of different things": (["factors", "diff", "ipcc-ar5", "mee-nbs-grid-2023"], "no value in common"),
    "draft that is no text": (["policies", "try", sys.executable, PLANT, "2026-10"], "is no UTF-8 text"),
    "draft for a month without account": (["policies", "try", str(DRAFT), PLANT, "2020-01"], "no account of 2020-01"),
    "draft for nobody": (["policies", "try", str(DRAFT), "moon", "2026-10"], "`tanmai registry show` lists both"),
    "footprint for nobody": (["footprint", NOBODY, "plate", "2026-10"], "`tanmai registry show` lists"),
    "footprint of no product": (["footprint", PLANT, "moon", "2026-10"], "it has plate"),
    "profile that is not there": (["profiles", "show", "nope"], "`tanmai profiles list` shows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_command_says_what_to_do_and_exits_with_2(tanmai: Tanmai, park: Path, case: str) -> None:
    arguments, sentence = REFUSED[case]
    said = tanmai(*arguments)
    assert said.code == 2, said
    assert sentence in said.err
    assert said.out == ""


def test_a_registry_with_many_mistakes_reports_all_with_line_and_key_and_changes_nothing(
    tanmai: Tanmai, park: Path, tmp_path: Path
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(
        REGISTRY.replace("timezone: Asia/Shanghai", "timezone: Mars/Base, area: 2")
        .replace(PLANT, "91350505M00000019X")
        .replace("unit: t}]", "unit: furlong}]")
        .replace("profile: eastron-sdm630", "profile: eastron-sdm999")
        .replace("scope: 3", "scope: 4")
    )
    said = tanmai("registry", "apply", file)
    assert said.code == 2
    for place in (
        f"{file}:3: parks[0].timezone",
        f"{file}:3: parks[0].area",
        f"{file}:5: enterprises[0].id",
        f"{file}:10: enterprises[0].devices[0].profile",
        f"{file}:13: enterprises[0].sources[1].scope",
    ):
        assert place in said.err
    assert "eastron-sdm630" in tanmai("registry", "show").out
    assert "nothing to change" in tanmai("registry", "apply", park).out


def test_bad_records_are_all_named_and_none_is_imported(tanmai: Tanmai, park: Path, tmp_path: Path) -> None:
    good = {"id": "p1", "product": "plate", "from": "2026-10-01", "to": "2026-11-01", "amount": 1, "unit": "t"}
    file = tmp_path / "records.json"
    file.write_text(json.dumps([good, {**good, "id": "p2", "unit": "kg", "to": "2026-10-01", "colour": 1}, 7]))
    said = tanmai("records", "import", file, "--enterprise", PLANT)
    assert said.code == 2
    lines = said.err.splitlines()
    assert lines[0] == "nothing was imported:"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "record 2 p2 colour", "record 2 p2 to", "record 2 p2 unit", "record 3",
    ]  # fmt: skip
    file.write_text(json.dumps([good]))
    assert "1 records added" in tanmai("records", "import", file, "--enterprise", PLANT).out


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("cut.json", '[{"id": "a"', "cut.json: is not JSON of records"),
        ("text.json", '"records"', "text.json: must be a list of records"),
        ("twice.json", '[{"id": "a", "id": "b"}]', "twice.json: is not JSON of records: id stands twice in one object"),
        ("nan.json", '[{"id": "a", "amount": NaN}]', "nan.json: is not JSON of records: NaN is no number"),
        ("cells.csv", "id,amount\na,1,2\nb\n", "row 2: has 3 cells, the header 2"),
        ("names.csv", "id,quantity\na,1\n", "names.csv: header: unknown column 'quantity'"),
        ("amount.csv", "id,amount\na,much\n", "row 2 a amount: must be a number"),
        ("double.csv", "id,id\na,b\n", "double.csv: header: id stands twice"),
        ("empty.csv", "", "empty.csv: is empty"),
    ],
)
def test_a_records_file_that_is_none_is_named_with_its_line(
    tanmai: Tanmai, park: Path, tmp_path: Path, name: str, text: str, place: str
) -> None:
    (tmp_path / name).write_text(text)
    said = tanmai("records", "import", tmp_path / name, "--enterprise", PLANT)
    assert said.code == 2
    assert place in said.err


def test_wrong_settings_are_all_named_and_nothing_is_made(tanmai: Tanmai, data_dir: Path, tmp_path: Path) -> None:
    said = tanmai(
        "serve",
        TANMAI_HTPP="127.0.0.1:1",
        TANMAI_HTTP="8080",
        TANMAI_SETTLE_S="soon",
        TANMAI_CLOSE_DAY="31",
        TANMAI_MQTT_URL="http://x",
        TANMAI_CONFIG_DIR=str(tmp_path / "nowhere"),
    )
    assert said.code == 2
    named = ("HTPP", "HTTP", "SETTLE_S", "CLOSE_DAY", "MQTT_URL", "CONFIG_DIR")
    assert all(f"TANMAI_{name}: " in said.err for name in named)
    assert not data_dir.exists()


def test_broken_knowledge_of_every_kind_is_named_at_once_and_nothing_is_made(
    tanmai: Tanmai, data_dir: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    for directory, name in (
        ("meter_profiles", "one.yaml"),
        ("emission_factors", "two.yaml"),
        ("rating_policies", "three.yaml"),
    ):
        (config / directory).mkdir(parents=True)
        (config / directory / name).write_text("surprise: 1\n")
    said = tanmai("serve", TANMAI_CONFIG_DIR=str(config))
    assert said.code == 2
    assert all(f"{name}.yaml:1: surprise" in said.err for name in ("one", "two", "three"))
    assert not data_dir.exists()


def test_a_settings_file_is_read_and_its_slips_are_named(tanmai: Tanmai, park: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('TANMAI_CLOSE_DAY = 9\nTANMAI_MQTT_URL = "off"\n')
    assert "9: day of the next month" in tanmai("doctor", TANMAI_SETTINGS=str(settings)).out
    settings.write_text("TANMAI_CLOSE = 9\n")
    said = tanmai("doctor", TANMAI_SETTINGS=str(settings))
    assert said.code == 2
    assert f"{settings}: TANMAI_CLOSE: no such setting" in said.err


@pytest.mark.parametrize(
    "settings",
    [
        {"TANMAI_DATABASE_URL": "postgresql+psycopg://me:s3cret@127.0.0.1:1/x"},
        {"TANMAI_TIMESERIES": "influx://127.0.0.1:1/?org=o&bucket=b&token=s3cret"},
    ],
)
def test_a_store_that_is_away_is_named_without_its_secret(tanmai: Tanmai, park: Path, settings: dict[str, str]) -> None:
    said = tanmai("rollup", **settings)
    assert said.code == 1
    assert "127.0.0.1" in said.err
    assert "s3cret" not in said.err


def test_a_data_directory_that_cannot_be_is_refused(tanmai: Tanmai, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        said = tanmai("token", "list", TANMAI_DATA_DIR=str(place))
        assert said.code == 2
        assert "name a directory that can" in said.err


def test_a_left_over_control_file_is_ignored_and_doctor_says_so(
    tanmai: Tanmai, park: Path, data_dir: Path, free_port: Callable[[], int]
) -> None:
    ControlFile(f"http://127.0.0.1:{free_port()}", "token of a killed server").write(data_dir)
    assert PLANT in tanmai("registry", "show").out
    assert "it was killed" in tanmai("doctor").out
    (data_dir / "control.json").write_text("{")
    assert PLANT in tanmai("registry", "show").out
