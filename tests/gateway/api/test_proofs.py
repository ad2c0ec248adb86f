"""Proofs, roots and the public key over HTTP: what they hold, who gets them, and what is said when there is none."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.store.ledger_repository import LedgerRepository
from tests.gateway.seeded_enterprises import STEEL
from tests.gateway.seeded_park import SeededPark


def test_a_proof_is_of_the_entry_that_was_asked_for(seeded_park: SeededPark) -> None:
    proof = seeded_park.get(f"/api/v1/entries/{STEEL}-3/proof", "enterprise").json
    entry = LedgerRepository(seeded_park.engine).entry(STEEL, 3)
    assert entry is not None
    assert hashlib.sha256(proof["entry"].encode()).hexdigest() == entry.hash
    assert json.loads(proof["span"])["enterprise"] == STEEL


def test_a_proof_shows_nothing_of_others(seeded_park: SeededPark) -> None:
    others = [one for one in LedgerRepository(seeded_park.engine).enterprises() if one != STEEL]
    text = seeded_park.get(f"/api/v1/entries/{STEEL}-3/proof", "enterprise").text
    assert others and not any(one in text for one in others)


def test_a_proof_under_a_later_root_is_given_when_asked_for(seeded_park: SeededPark) -> None:
    roots = seeded_park.get("/api/v1/roots", "enterprise").json["items"]
    proof = seeded_park.get(f"/api/v1/entries/{STEEL}-1/proof?root={roots[-1]['day']}", "enterprise").json
    assert (proof["root"], proof["signature"]) == (roots[-1]["root"], roots[-1]["signature"])


def test_an_entry_without_such_a_root_says_so(seeded_park: SeededPark) -> None:
    for day in ("2020-01-01", "2199-01-01"):
        response = seeded_park.get(f"/api/v1/entries/{STEEL}-1/proof?root={day}", "admin")
        assert response.status_code == 404 and response.json["type"].endswith("no-root-yet")
    for entry in (f"{STEEL}-99999", f"{STEEL}-x", f"{STEEL}-0"):
        response = seeded_park.get(f"/api/v1/entries/{entry}/proof", "admin")
        assert response.status_code == 404 and response.json["type"].endswith("unknown-entry")


def test_roots_come_page_by_page(seeded_park: SeededPark) -> None:
    whole = seeded_park.get("/api/v1/roots", "platform").json
    assert whole["next"] is None and len(whole["items"]) >= 2
    first = seeded_park.get("/api/v1/roots?limit=1", "platform").json
    assert (first["items"], first["next"]) == (whole["items"][:1], whole["items"][0]["day"])
    assert seeded_park.get(f"/api/v1/roots?after={first['next']}", "platform").json["items"] == whole["items"][1:]


def test_a_root_is_shown_to_have_grown_from_an_earlier_one(seeded_park: SeededPark) -> None:
    days = [item["day"] for item in seeded_park.get("/api/v1/roots", "park").json["items"]]
    growth = seeded_park.get(f"/api/v1/roots/{days[-1]}/growth?since={days[0]}", "park").json
    assert (growth["earlier"]["day"], growth["later"]["day"]) == (days[0], days[-1])
    for later, earlier in ((days[0], days[-1]), (days[0], "2020-01-01"), ("2199-01-01", days[0])):
        response = seeded_park.get(f"/api/v1/roots/{later}/growth?since={earlier}", "park")
        assert response.status_code == 404 and response.json["type"].endswith("unknown-root")


def test_a_closed_statement_is_checked_with_the_published_key_alone(seeded_park: SeededPark) -> None:
    path = f"/api/v1/enterprises/{STEEL}/account"
    key = load_pem_public_key(seeded_park.get("/.well-known/tanmai-signing-key.pem", None).data)
    signed = seeded_park.get(f"{path}/signed?period=2026-09", "platform").json
    header, payload, value = signed["jws"].split(".")
    assert isinstance(key, Ed25519PublicKey)
    key.verify(opened(value), f"{header}.{payload}".encode())  # raises if it is wrong
    served = seeded_park.get(f"{path}?period=2026-09", "platform").json
    assert hashlib.sha256(opened(payload)).hexdigest() == served["hash"]
    assert json.loads(opened(payload)) == {**served, "hash": "", "signature": ""}
    assert served["signature"] == f"{header}..{value}"


@pytest.mark.parametrize("query", ["period=2026-10", "period=2026-09&version=9", "period=2026"])
def test_what_is_not_closed_is_not_signed(seeded_park: SeededPark, query: str) -> None:
    response = seeded_park.get(f"/api/v1/enterprises/{STEEL}/account/signed?{query}", "platform")
    assert response.status_code == 404 and response.json["type"].endswith("not-closed")


def opened(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_public_key_is_for_everybody(seeded_park: SeededPark) -> None:
    response = seeded_park.get("/.well-known/tanmai-signing-key.pem", None)
    assert response.status_code == 200
    assert isinstance(load_pem_public_key(response.data), Ed25519PublicKey)
    assert "PRIVATE" not in response.text
