"""The standalone checker accepts what the gateway proves and refuses every copy in which anything was changed."""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Engine

from collectors.clock import EPOCH
from gateway.accounts.proofs import growth_of, proof_of, roots_after
from gateway.carbon.emission import decimal_text
from gateway.carbon.ledger import Posting, append
from gateway.carbon.model import Draft
from gateway.scheduler.daily_roots import DailyRoots
from gateway.signing import Signer
from gateway.store.database import open_database
from gateway.store.ledger_repository import LedgerRepository

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "check_proof.py"
PLANTS = ("91350505M00000019R", "91350583M00000035E", "91350582M00000027J")
DAY_MS = 86_400_000
START_MS = 20_731 * DAY_MS  # 2026-10-05


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.of(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Iterator[Engine]:
    """Three chains, four days with up to five entries each, and a fifth day without; each day's first two are whole."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'tanmai.sqlite'}")
    day = EPOCH.date().replace(2026, 10, 4)
    for place, plant in enumerate(PLANTS):
        head = None
        for step in range(4):
            drafts = [
                Draft(
                    plant, f"源-{number}", day, "electricity.purchased", 2, "production", 2, 7 * number, "kWh", "grid",
                    "edition", "exact", "ar5", number, number, False, 1_000_000, 0, "d" * 64,
                    {"share": 0.1} if number < 2 else framed(7 * number, number),
                )
                for number in range(3 + place)
            ]  # fmt: skip
            entries = append(head, [Posting(draft, "automatic") for draft in drafts], START_MS + step * DAY_MS)
            LedgerRepository(engine).append(entries)
            head = entries[-1]
    DailyRoots(engine, signer).make(START_MS + 5 * DAY_MS)
    yield engine
    engine.dispose()


def framed(amount_u: int, emission_g: int) -> dict[str, Any]:
    """A calculation that has a frame."""
    return {"amount": decimal_text(amount_u), "emission_g": str(emission_g), "share": 0.1}


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    """The script as a module, for the many cases; the promises of the command are tested as a command."""
    spec = importlib.util.spec_from_file_location("check_proof", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def proof(ledger: Engine, seq: int = 6, plant: str = PLANTS[1], under: int | None = None) -> dict[str, Any]:
    day = None if under is None else EPOCH.date().replace(2026, 10, under)
    document: dict[str, Any] = msgspec.to_builtins(proof_of(ledger, plant, seq, day))
    return document


def growth(ledger: Engine, earlier: int, later: int) -> dict[str, Any]:
    days = [EPOCH.date().replace(2026, 10, day) for day in (earlier, later)]
    document: dict[str, Any] = msgspec.to_builtins(growth_of(ledger, *days))
    return document


def run(tmp_path: Path, document: Any, pem: str, *more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "proof.json").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "key.pem").write_text(pem, encoding="utf-8")
    # -I: neither the checkout nor anything in the environment is on the script's path.
    command = [sys.executable, "-I", str(SCRIPT), "proof.json", "key.pem", *more]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value like this one with one thing in it changed, and where."""
    if isinstance(value, dict):
        for name, own in value.items():
            yield f".{name} gone", {other: kept for other, kept in value.items() if other != name}
            for where, spoilt in changed(own):
                yield f".{name}{where}", {**value, name: spoilt}
    elif isinstance(value, list):
        yield " longer", [*value, "0" * 64]
        for place, own in enumerate(value):
            yield f"[{place}] gone", [*value[:place], *value[place + 1 :]]
            for where, spoilt in changed(own):
                yield f"[{place}]{where}", [*value[:place], spoilt, *value[place + 1 :]]
    elif isinstance(value, str) and value.startswith("{"):
        for where, spoilt in changed(json.loads(value)):
            text = json.dumps(spoilt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            yield f" text{where}", text
        yield " with a space", value.replace(",", ", ", 1)
    elif isinstance(value, str):
        yield " other", value[:-1] + ("0" if value[-1:] != "0" else "1")
        yield " empty", "" if value else "x"
    elif isinstance(value, bool) or value is None:
        yield " other", 7
    else:
        yield " more", value + 1
        yield " less", value - 1


def test_it_imports_nothing_of_tanmai() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_the_command_accepts_ours_and_refuses_a_changed_copy(tmp_path: Path, ledger: Engine, signer: Signer) -> None:
    accepted = run(tmp_path, proof(ledger), signer.public_pem)
    assert accepted.returncode == 0 and accepted.stdout.startswith(f"HOLDS: entry {PLANTS[1]}-6"), accepted.stderr
    forged = proof(ledger)
    forged["entry"] = forged["entry"].replace('"emission_g":1', '"emission_g":2')
    refused = run(tmp_path, forged, signer.public_pem)
    assert refused.returncode == 1 and refused.stderr.startswith("REFUSED: the entry does not lead to its span")


def test_the_command_refuses_another_key_and_files_it_cannot_read(tmp_path: Path, ledger: Engine) -> None:
    refused = run(tmp_path, proof(ledger), Signer.of(tmp_path).public_pem)
    assert refused.returncode == 1 and "another key" in refused.stderr
    unreadable = run(tmp_path, proof(ledger), "no key")
    assert unreadable.returncode == 2 and "key.pem: cannot be read" in unreadable.stderr


def test_the_command_holds_a_proof_against_a_kept_root(tmp_path: Path, ledger: Engine, signer: Signer) -> None:
    (kept,) = [root for root in roots_after(ledger, EPOCH.date(), 9) if root.day == "2026-10-08"]
    (tmp_path / "kept.json").write_text(json.dumps(msgspec.to_builtins(kept)), encoding="utf-8")
    assert run(tmp_path, proof(ledger, under=8), signer.public_pem, "--kept", "kept.json").returncode == 0
    other = run(tmp_path, proof(ledger, under=9), signer.public_pem, "--kept", "kept.json")
    assert other.returncode == 1 and "not under the root you kept" in other.stderr
    assert run(tmp_path, growth(ledger, 8, 9), signer.public_pem, "--kept", "kept.json").returncode == 0


def test_every_entry_is_proven_under_every_later_root(checker: ModuleType, ledger: Engine, signer: Signer) -> None:
    key = load_pem_public_key(signer.public_pem.encode())
    held = 0
    for plant in PLANTS:
        for entry in LedgerRepository(ledger).chain(plant):
            for under in (None, *range(5 + (entry.booked_at_ms - START_MS) // DAY_MS, 10)):
                shown = checker.check(proof(ledger, entry.seq, plant, under), key)
                assert f"entry {entry.id} (hash {entry.hash})" in shown
                held += 1
    assert held == (3 + 4 + 5) * (4 + 5 + 4 + 3 + 2)


# In the middle of its span whole and framed, and the head of the chain at that time.
@pytest.mark.parametrize("seq", [6, 7, 8])
def test_whatever_is_changed_in_a_proof_is_refused(
    checker: ModuleType, ledger: Engine, signer: Signer, seq: int
) -> None:
    key, true = load_pem_public_key(signer.public_pem.encode()), proof(ledger, seq, under=8)
    assert checker.check(true, key)
    assert ("frame" in true) == (seq != 6)
    tried = set()
    for where, spoilt in changed(true):
        tried.add(where.split(".")[1].split(" ")[0].split("[")[0])
        with pytest.raises(checker.Refused):
            checker.check(spoilt, key)
            pytest.fail(f"accepted with{where}")
    assert tried == true.keys()


def test_whatever_is_changed_in_a_growth_is_refused(checker: ModuleType, ledger: Engine, signer: Signer) -> None:
    key = load_pem_public_key(signer.public_pem.encode())
    for earlier, later in ((5, 5), (5, 9), (6, 8), (7, 9), (8, 9)):
        true = growth(ledger, earlier, later)
        assert f"2026-10-{later:02} holds all that the root of 2026-10-{earlier:02}" in checker.check(true, key)
        for where, spoilt in changed(true):
            with pytest.raises(checker.Refused):
                checker.check(spoilt, key)
                pytest.fail(f"accepted with{where}")


def test_a_format_of_entries_that_is_not_known_is_refused(checker: ModuleType, ledger: Engine, signer: Signer) -> None:
    newer = proof(ledger, 7)
    newer["entry"] = newer["entry"].replace('"format":2', '"format":3')
    with pytest.raises(checker.Refused, match="newer than this script"):
        checker.check(newer, load_pem_public_key(signer.public_pem.encode()))


@pytest.mark.parametrize("first", [6, 7])
def test_a_proof_put_together_of_two_true_ones_is_refused(
    checker: ModuleType, ledger: Engine, signer: Signer, first: int
) -> None:
    key = load_pem_public_key(signer.public_pem.encode())
    one, two = proof(ledger, first, under=9), proof(ledger, 10, PLANTS[2], under=9)
    for name in one.keys() - {"root", "signature", "history_path", "day_number", "day"}:
        if name in two and one[name] != two[name]:
            mixed = copy.deepcopy(one)
            mixed[name] = two[name]
            with pytest.raises(checker.Refused):
                checker.check(mixed, key)


def test_a_history_that_was_signed_anew_does_not_grow_from_a_kept_root(
    checker: ModuleType, ledger: Engine, signer: Signer, tmp_path: Path
) -> None:
    """Whoever has the key can sign another history, but not one that holds the root that a bank kept."""
    forged = open_database(f"sqlite:///{tmp_path / 'forged.sqlite'}")
    (entry,) = append(None, [Posting(next(LedgerRepository(ledger).chain(PLANTS[0])).draft, "automatic")], START_MS)
    LedgerRepository(forged).append([entry])
    DailyRoots(forged, signer).make(START_MS + 5 * DAY_MS)
    mixed = growth(forged, 6, 9)
    forged.dispose()
    key = load_pem_public_key(signer.public_pem.encode())
    assert checker.check(mixed, key)
    mixed["earlier"] = growth(ledger, 6, 9)["earlier"]
    with pytest.raises(checker.Refused, match="did not grow"):
        checker.check(mixed, key)
