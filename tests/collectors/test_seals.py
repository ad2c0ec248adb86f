"""Seals: what was signed, by whom, for what, and nothing else passes."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import ConfigurationError
from collectors.seals import (
    SEAL_BYTES,
    NoSeal,
    PublicKey,
    Signature,
    SigningKey,
    is_sealed,
    opened,
    seal,
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.make(tmp_path_factory.mktemp("keys") / "agent.pem")


def test_what_was_sealed_opens_to_the_byte_and_verifies(key: SigningKey) -> None:
    payload = b'{"v":1}'
    sealed = seal(payload, key.sign("batch", "acme", "edge-1", payload))
    signature, inner = opened(sealed)
    assert (inner, len(sealed), signature.key_id) == (payload, SEAL_BYTES + len(payload), key.public.key_id)
    assert key.public.verifies(signature, "batch", "acme", "edge-1", inner)


def test_seal_for_another_purpose_agent_enterprise_or_payload_is_none(key: SigningKey) -> None:
    signature = key.sign("batch", "acme", "edge-1", b"payload")
    assert not key.public.verifies(signature, "config", "acme", "edge-1", b"payload")
    assert not key.public.verifies(signature, "batch", "acme", "edge-2", b"payload")
    assert not key.public.verifies(signature, "batch", "other", "edge-1", b"payload")
    assert not key.public.verifies(signature, "batch", "acme", "edge-1", b"payloaD")


@given(position=st.integers(0, SEAL_BYTES + 6), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(key: SigningKey, position: int, bit: int) -> None:
    payload = b"payload"
    sealed = bytearray(seal(payload, key.sign("batch", "acme", "edge-1", payload)))
    sealed[position] ^= 1 << bit
    if not is_sealed(bytes(sealed)):
        return
    signature, inner = opened(bytes(sealed))
    known = signature.key_id == key.public.key_id
    assert not (known and key.public.verifies(signature, "batch", "acme", "edge-1", inner))


@given(data=st.binary(max_size=SEAL_BYTES + 8))
def test_bytes_that_are_no_seal_are_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        signature, inner = opened(data)
    except NoSeal:
        return
    assert seal(inner, signature) == data


def test_no_json_text_and_no_compressed_stream_begins_like_a_seal() -> None:
    for start in (b"{", b"[", b" ", b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"\x78\x9c"):
        assert not is_sealed(start + b"x" * 200)
    with pytest.raises(UnicodeDecodeError):
        seal(b"", Signature(bytes(32), bytes(64))).decode()


def test_text_of_a_signature_reads_back_and_any_other_spelling_is_refused(key: SigningKey) -> None:
    signature = key.sign("batch", "acme", "edge-1", b"payload")
    assert Signature.parse(signature.text) == signature
    for wrong in ("", "a.b", signature.text + "=", signature.text[:-1], signature.text.replace(".", ""), "é.é"):
        with pytest.raises(NoSeal):
            Signature.parse(wrong)


def test_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3: the thumbprint of the key of appendix A.2."""
    public = PublicKey.parse("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert public.key_id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert PublicKey.parse(public.text) == public


def test_text_that_is_no_public_key_says_what_one_looks_like() -> None:
    for wrong in ("", "ed25519:", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "ed25519:abc", "rsa:abc"):
        with pytest.raises(ValueError, match="tanmai edge keygen"):
            PublicKey.parse(wrong)


def test_key_file_is_its_owners_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "agent.pem"
    made = SigningKey.make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load(path).public == made.public
    assert json.dumps(repr(made)).count("PRIVATE") == 0
    with pytest.raises(FileExistsError):
        SigningKey.make(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        SigningKey.load(path)
    path.write_text("no key")
    with pytest.raises(ConfigurationError, match="no readable private key"):
        SigningKey.load(path)
