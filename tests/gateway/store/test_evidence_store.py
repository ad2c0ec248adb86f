"""Promises of the evidence store: under the hash of its bytes, unchanged, and each one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from collectors.errors import StoreRefused
from gateway.store import evidence_store
from gateway.store.evidence_store import EvidenceRefused, EvidenceStore, sha256_of_bytes

PLANT, OTHER = "91350505M00000019R", "91350505M00000020X"


@pytest.fixture
def store(engine: Engine, tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(engine, tmp_path / "evidence")


def test_a_file_comes_back_byte_for_byte_and_the_same_again_changes_nothing(store: EvidenceStore) -> None:
    content = bytes(range(256)) * 10
    first = store.put(PLANT, content, "账单.pdf", 1, stated=sha256_of_bytes(content))
    assert store.put(PLANT, content, "other name.pdf", 2) == first
    assert store.read(PLANT, first.sha256) == (first, content)
    assert (first.name, first.size_bytes, first.received_at_ms) == ("账单.pdf", 2560, 1)


def test_a_file_that_is_not_what_its_hash_says_is_refused(store: EvidenceStore, tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused, match=sha256_of_bytes(b"changed")):
        store.put(PLANT, b"changed", "a", 1, stated=sha256_of_bytes(b"as it was"))
    assert store.all(PLANT) == {}
    assert not (tmp_path / "evidence").exists()


def test_an_enterprise_sees_only_what_it_sent(store: EvidenceStore) -> None:
    file = store.put(PLANT, b"a bill", "a", 1)
    assert store.read(OTHER, file.sha256) is None
    store.put(OTHER, b"a bill", "b", 2)
    assert store.all(OTHER)[file.sha256].name == "b"


def test_a_file_changed_or_gone_on_disk_is_said_so(store: EvidenceStore, tmp_path: Path) -> None:
    file = store.put(PLANT, b"a bill", "a", 1)
    (path,) = [one for one in (tmp_path / "evidence").rglob("*") if one.is_file()]
    path.write_bytes(b"A bill")
    with pytest.raises(StoreRefused, match="changed on disk"):
        store.read(PLANT, file.sha256)
    path.unlink()
    with pytest.raises(StoreRefused, match="not on this machine's disk"):
        store.read(PLANT, file.sha256)


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\bills\\a.pdf", "a\nb", ""])
def test_a_name_is_only_a_name(store: EvidenceStore, name: str) -> None:
    kept = store.put(PLANT, b"a bill", name, 1).name
    assert kept
    assert not set(kept) & set("/\\\n")


def test_empty_and_too_large_files_are_refused(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_store, "MAX_EVIDENCE_BYTES", 3)
    for content in (b"", b"four"):
        with pytest.raises(EvidenceRefused, match="1 byte to"):
            store.put(PLANT, content, "a", 1)
