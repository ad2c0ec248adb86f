"""The gateway's commands as a person types them: exit codes, and answers of a line or of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.clock import to_ms
from collectors.profile import load_profiles, shipped_config_dir
from gateway import doctor, rebuild_operations
from gateway.operations import OPERATIONS
from gateway.settings import Settings
from gateway.wiring import build
from tests.gateway.commands import PLANT, REGISTRY, Tanmai, applied, data_dir, park, tanmai

__all__ = ["applied", "data_dir", "park", "tanmai"]


def test_registry_apply_prints_a_diff_once_and_a_dry_run_changes_nothing(tanmai: Tanmai, tmp_path: Path) -> None:
    file = tmp_path / "park.yaml"
    file.write_text(REGISTRY)
    dry = tanmai("registry", "apply", file, "--dry-run")
    assert f"+ enterprises.{PLANT}" in dry.out
    assert "nothing was changed" in dry.out
    assert PLANT not in tanmai("registry", "show").out
    applied = tanmai("registry", "apply", file)
    assert f"+ enterprises.{PLANT}" in applied.out
    assert tanmai("registry", "apply", file).out == "nothing to change; the registry is at version 1\n"


def test_what_registry_show_prints_can_be_applied(tanmai: Tanmai, park: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    shown.write_text(tanmai("registry", "show").out)
    assert "nothing to change" in tanmai("registry", "apply", shown).out


def test_a_token_is_shown_once_and_listed_without_its_secret(tanmai: Tanmai, park: Path) -> None:
    token = tanmai("token", "create", "device", f"{PLANT}/edge-1").out.strip()
    _, token_id, secret = token.split("_")
    listed = tanmai("token", "list").out
    assert token_id in listed
    assert secret not in listed
    assert tanmai("token", "revoke", token_id).code == 0
    assert tanmai("token", "revoke", token_id).code == 2


def test_records_come_in_from_json_and_csv_and_a_second_time_change_nothing(
    tanmai: Tanmai, park: Path, tmp_path: Path
) -> None:
    record = {"id": "p1", "product": "plate", "from": "2026-10-01", "to": "2026-11-01", "amount": 12.5, "unit": "t"}
    (tmp_path / "records.json").write_text(json.dumps({"records": [record]}), encoding="utf-8-sig")
    (tmp_path / "records.CSV").write_bytes(
        "id,source,from,to,amount,unit,note\r\nb1,billets,2026-10-01,2026-11-01,13,t,送货单\r\n".encode("utf-8-sig")
    )
    for name in ("records.json", "records.CSV"):
        said = [tanmai("records", "import", tmp_path / name, "--enterprise", PLANT).out for _ in range(2)]
        assert said == [
            "1 records added, 0 were there already\n",
            "0 records added, 1 were there already\n",
        ]


def test_rollup_and_account_and_verify_answer_on_an_empty_book(tanmai: Tanmai, park: Path) -> None:
    assert tanmai("rollup").code == 0
    assert json.loads(tanmai("account", PLANT, "2026-10", "--json").out)["statement"]["compliance_kg"] == 0
    assert "proven unchanged" in tanmai("verify").out


def test_proof_is_refused_until_the_day_has_its_root_and_then_given(
    tanmai: Tanmai, park: Path, data_dir: Path, tmp_path: Path
) -> None:
    record = {"id": "b1", "source": "billets", "from": "2026-10-01", "to": "2026-10-02", "amount": 9, "unit": "t"}
    (tmp_path / "records.json").write_text(json.dumps([record]), encoding="utf-8")
    tanmai("records", "import", tmp_path / "records.json", "--enterprise", PLANT)
    tanmai("rollup", "--until", "2026-10-05T12:00:00+08:00")
    early = tanmai("proof", f"{PLANT}-1")
    assert early.code == 2 and "under no root yet" in early.err
    house = build(replace(Settings(), data_dir=str(data_dir), mqtt_url="off"))
    house.roots.make(to_ms(datetime(2026, 10, 7, tzinfo=UTC)))
    house.close()
    assert f"entry {PLANT}-1" in tanmai("proof", f"{PLANT}-1").out
    proof = json.loads(tanmai("proof", f"{PLANT}-1", "--root", "2026-10-06", "--json").out)
    assert json.loads(proof["root"])["day"] == "2026-10-06"
    assert "2 roots" in tanmai("verify").out


def test_profiles_of_ones_own_are_listed_shown_and_checked(tanmai: Tanmai, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "own-meter.yaml").write_text(
        "{id: own-meter, maker: Own, model: meter, source: {document: its manual},\n"
        "timing: {timeout_s: 1, max_registers: 9},\n"
        "registers: [{quantity: power, address: 5, function_code: 3, dtype: int16, word_order: big, unit: kW}]}\n"
    )
    assert "own-meter" in tanmai("profiles", "list", "own", TANMAI_PROFILES_DIR=str(own)).out
    shown = tanmai("profiles", "show", "own-meter", TANMAI_PROFILES_DIR=str(own)).out
    assert "register 5, function 3" in shown
    assert "function 3, registers 5..5" in shown and "for all requests" in shown
    assert tanmai("profiles", "check", TANMAI_PROFILES_DIR=str(own)).code == 0
    shipped = len(load_profiles(shipped_config_dir()))
    assert f"{shipped + 1} loaded" in tanmai("doctor", TANMAI_PROFILES_DIR=str(own)).out
    (own / "own-meter.yaml").write_text("{id: own-meter, maker: Own}\n")
    broken = tanmai("profiles", "check", TANMAI_PROFILES_DIR=str(own))
    assert broken.code == 1
    assert "own-meter.yaml:1: registers: is missing" in broken.out


@pytest.mark.parametrize(
    ("folder", "right", "slip", "wrong"),
    [
        ("refrigerant_blends", "blends with 45 GWPs", ("hfc-32: 50, hfc-125: 50", "hfc-32: 50, hfc-125: 40"), "not 90"),
        ("grid_regions", "29 provinces in 7 grids", ("fujian]", "fukian]"), "grid.provincial for fukian"),
        ("gwp", "15 values", ("unit: kgCO2e/kg", "unit: kWh"), "is no unit of"),
        (
            "energy_factors",
            " values",
            ("id: coal_equivalent.raw_coal", "id: coal_equivalent.coke"),
            "stands already in",
        ),
    ],
)
def test_what_goes_with_factors_is_checked_as_what_it_is(
    tanmai: Tanmai, tmp_path: Path, folder: str, right: str, slip: tuple[str, str], wrong: str
) -> None:
    shipped = sorted((shipped_config_dir() / folder).glob("*.yaml"))[0]
    assert right in tanmai("factors", "check", shipped).out
    broken = tmp_path / shipped.name
    broken.write_text(shipped.read_text(encoding="utf-8").replace(*slip, 1), encoding="utf-8")
    said = tanmai("factors", "check", broken)
    assert (said.code, wrong in said.out.replace("\n", " ")) == (1, True), said.out


def test_a_draft_of_a_policy_is_checked_wherever_it_stands(tanmai: Tanmai, tmp_path: Path) -> None:
    text = (shipped_config_dir() / "rating_policies" / "four-colour-demo.yaml").read_text(encoding="utf-8")
    draft = tmp_path / "four-colour-demo.yaml"
    draft.write_text(text, encoding="utf-8")
    assert "right; 15 benchmarks" in tanmai("policies", "check", draft).out
    draft.write_text(text.replace("combination: worst", "combination: wurst"), encoding="utf-8")
    said = tanmai("policies", "check", draft)
    assert (said.code, "did you mean worst?" in said.out) == (1, True), said.out
    elsewhere = tmp_path / "draft.yaml"
    elsewhere.write_text(text, encoding="utf-8")
    assert "must be the file's name, draft" in tanmai("policies", "check", elsewhere).out


def test_doctor_hides_secrets_and_says_what_does_not_answer(tanmai: Tanmai, park: Path) -> None:
    said = tanmai(
        "doctor",
        TANMAI_MQTT_URL="mqtt://gateway:s3cret@127.0.0.1:1",
        TANMAI_TIMESERIES="influx://127.0.0.1:1/?org=o&bucket=b&token=t0ken",
    )
    assert said.code == 1
    assert "s3cret" not in said.out + said.err
    assert "t0ken" not in said.out + said.err
    assert "start the broker or mend TANMAI_MQTT_URL" in said.out
    assert "does not answer" in said.out


def test_rebuild_says_what_it_found_and_goes_on_after_ctrl_c(
    tanmai: Tanmai, park: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ["--from", "2026-01-01", "--to", "2026-03-01"]
    assert tanmai("rebuild", *days).out == "60 days computed again: nothing differed\n"
    with monkeypatch.context() as patched:
        asked: list[str] = []

        def interrupting(house: object, arguments: dict[str, object]) -> dict[str, object]:
            asked.append("once more")
            if len(asked) == 3:
                raise KeyboardInterrupt
            return rebuild_operations.rebuild(house, arguments)  # type: ignore[arg-type]

        patched.setitem(OPERATIONS, "rebuild", interrupting)
        stopped = tanmai("rebuild", *days)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    again = tanmai("rebuild", *days, "--json")
    assert "31 of 60 days are done" in again.err
    assert json.loads(again.out) == {
        "days": 60, "entries_posted": 0, "entries_reversed": 0, "left_alone": [], "waiting": []
    }  # fmt: skip


def test_every_look_of_the_doctor_is_in_its_table() -> None:
    looks = {name for name, value in vars(doctor).items() if callable(value) and "settings" in annotations(value)}
    assert {look.__name__ for look in doctor.LOOKS} | {"examine", "_stores"} == looks - {"described"}


def annotations(value: object) -> dict[str, object]:
    return dict(getattr(value, "__annotations__", {}))
