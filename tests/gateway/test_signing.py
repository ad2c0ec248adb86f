"""Signatures are JWS that anybody's JOSE library can check, bound to one kind of text and one key."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from collectors.errors import ConfigurationError
from gateway.signing import KEY_FILE, Signer, attached

TEXT = '{"kg":1.5,"name":"泉州"}'


@pytest.fixture(scope="module")
def signer() -> Signer:
    # The key of RFC 8037, appendix A.1.
    private = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    return Signer(Ed25519PrivateKey.from_private_bytes(private))


def opened(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_key_id_is_the_known_thumbprint(signer: Signer) -> None:
    assert signer.key_id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037, appendix A.3


def test_a_signature_is_a_detached_jws(signer: Signer) -> None:
    header, payload, value = signer.sign("tanmai-statement", TEXT).split(".")
    assert payload == ""
    assert json.loads(opened(header)) == {"alg": "EdDSA", "kid": signer.key_id, "typ": "tanmai-statement"}
    assert len(opened(value)) == 64


def test_the_attached_form_is_checked_as_rfc_7515_says(signer: Signer) -> None:
    key = load_pem_public_key(signer.public_pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    jws = attached(TEXT, signer.sign("tanmai-statement", TEXT))
    header, payload, value = jws.split(".")
    assert opened(payload).decode() == TEXT
    key.verify(opened(value), f"{header}.{payload}".encode())  # raises if it is wrong


def test_only_the_signed_text_of_the_signed_kind_with_the_own_key_passes(signer: Signer) -> None:
    signature = signer.sign("tanmai-statement", TEXT)
    assert signer.signed("tanmai-statement", TEXT, signature)
    assert not signer.signed("tanmai-statement", TEXT + " ", signature)
    assert not signer.signed("tanmai-root", TEXT, signature)
    assert not Signer(Ed25519PrivateKey.generate()).signed("tanmai-statement", TEXT, signature)


@pytest.mark.parametrize("spoil", ["", "a", "a.b", "a..b", "..", "é..ü"])
def test_what_is_no_signature_is_none(signer: Signer, spoil: str) -> None:
    assert not signer.signed("tanmai-statement", TEXT, spoil)
    header = signer.sign("tanmai-statement", TEXT).partition("..")[0]
    assert not signer.signed("tanmai-statement", TEXT, f"{header}..{spoil}")


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = Signer.of(tmp_path)
    assert Signer.of(tmp_path).public_pem == first.public_pem
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    (tmp_path / KEY_FILE).write_text("no key", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="from a backup"):
        Signer.of(tmp_path)
