"""docs/auditing.md is followed literally: each call is answered, and the sums and hashes it promises are there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.gateway.seeded_enterprises import STEEL
from tests.gateway.seeded_park import SeededPark

ROOT = Path(__file__).resolve().parents[3]
CALL = re.compile(r'^ *ask "(/[^"]+)"', re.MULTILINE)


@pytest.fixture
def page() -> str:
    return (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")


def test_a_bank_walks_a_figure_back_by_the_calls_of_the_page(page: str, seeded_park: SeededPark) -> None:
    given = {"ENTERPRISE": STEEL, "PERIOD": "2026-10"}
    answers: dict[str, Any] = {}
    calls = CALL.findall(page)
    for call in calls:
        path = Template(call).substitute(given)
        response = seeded_park.get(path, "platform")
        assert response.status_code == 200, (path, response.text)
        answers[call.partition("?")[0].rpartition("/")[2]] = response.json
        given |= _told_by(response.json)
    assert len(calls) == 7
    lines = {line["source"]: line["emission_kg"] for line in answers["account"]["by_source"]}
    for source, emission_kg in lines.items():
        own = [entry["emission_kg"] for entry in answers["entries"]["items"] if entry["source"] == source]
        assert sum(own) == pytest.approx(emission_kg, abs=1e-6)
    assert answers["readings"]["items"]


def _told_by(answer: dict[str, Any]) -> dict[str, str]:
    """What the next calls ask for: a metered entry, and then a measured point with the bounds of its day."""
    if "computed" in answer:
        point = next(one for one in answer["points"] + answer["inputs"] if one["register"])
        return {"POINT": point["point"], "FROM": point["first"]["at"], "TO": point["last"]["at"]}
    metered = [one for one in answer.get("items", ()) if one.get("unit") == "kWh" and "reverses" in one]
    return {"ENTRY": metered[-1]["id"]} if metered else {}


def test_the_proof_that_the_page_asks_for_holds(tmp_path: Path, seeded_park: SeededPark) -> None:
    (tmp_path / "proof.json").write_text(seeded_park.get(f"/api/v1/entries/{STEEL}-3/proof", "platform").text)
    (tmp_path / "key.pem").write_bytes(seeded_park.get("/.well-known/tanmai-signing-key.pem", None).data)
    checked = _check(tmp_path, "proof.json")
    assert (checked.returncode, checked.stdout[:6]) == (0, "HOLDS:"), checked.stderr


def test_a_saved_refusal_is_called_what_it_is(tmp_path: Path, seeded_park: SeededPark) -> None:
    """Who saves the gateway's "no root yet" as a proof reads that, not which members it lacks."""
    refusal = seeded_park.get(f"/api/v1/entries/{STEEL}-3/proof?root=2199-01-01", "platform")
    assert refusal.status_code == 404
    (tmp_path / "proof.json").write_text(refusal.text)
    (tmp_path / "key.pem").write_bytes(seeded_park.get("/.well-known/tanmai-signing-key.pem", None).data)
    checked = _check(tmp_path, "proof.json")
    assert checked.returncode == 2
    assert json.loads(refusal.text)["detail"] in checked.stderr


def _check(folder: Path, proof: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "check_proof.py"), proof, "key.pem"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
