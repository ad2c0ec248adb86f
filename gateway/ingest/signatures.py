"""Whose signature a message carries, and whether that is enough: checked before the message is decoded.

What stays true:
- A signature that a registered key of the sender did not make (`bad_signature`) is never passed over. Otherwise, where
  the enterprise does not require signatures, every message is taken and what was found is kept with its batch; where
  it does, only `valid` ones are, also of simple telemetry, which nobody can sign.
- A key counts for messages that come before its `valid_until`, by the gateway's clock.
- What is set aside keeps its seal, so that it can be checked again when the registry knows its key.
- A message without a seal costs one comparison of four bytes; one with a seal one Ed25519 verification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collectors.seals import NoSeal, PublicKey, Signature, is_sealed, opened
from gateway.registry.model import Registry
from gateway.store.ingest_rows import BatchRow


@dataclass(frozen=True, slots=True)
class Signed:
    """What was found out about a message's signature."""

    verdict: str  # valid, or a reason out of SIGNATURE_CHECKS
    key_id: str = ""  # that it claims; "" = it claims none


UNSIGNED = Signed("unsigned")


def signed_as(batch: BatchRow | None) -> Signed:
    """What was found of a batch when it came; of one that is forgotten, or that nobody looked at, nothing is known."""
    return UNSIGNED if batch is None or not batch.signature else Signed(batch.signature, batch.key_id)


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """A verdict that sets a message aside: always, or where signatures are required."""

    reason: str
    always: bool
    sentence: Callable[[str, str], str]  # of the sender and the key id


SIGNATURE_CHECKS: tuple[SignatureCheck, ...] = (
    SignatureCheck(
        "unsigned", False, lambda sender, key: f"{sender} sends unsigned; set agent.signing_key_file where it runs"
    ),
    SignatureCheck(
        "unknown_key", False, lambda sender, key: f"key {key} is not registered for {sender}: add it to its public_keys"
    ),
    SignatureCheck(
        "expired_key", False, lambda sender, key: f"key {key} of {sender} had expired; register the one it should use"
    ),
    SignatureCheck(
        "bad_signature",
        True,
        lambda sender, key: f"key {key} of {sender} did not sign these bytes: look who sends them",
    ),
)
_CHECKS = {check.reason: check for check in SIGNATURE_CHECKS}


@dataclass(frozen=True, slots=True)
class _Key:
    public: PublicKey
    valid_until_ms: int | None


class Signers:
    """The keys of one registry snapshot."""

    def __init__(self, registry: Registry) -> None:
        self._required = frozenset(own.id for own in registry.enterprises.values() if own.require_signed_batches)
        self._keys: dict[tuple[str, str, bytes], _Key] = {}
        for enterprise in registry.enterprises.values():
            for agent in enterprise.agents:
                for key in agent.public_keys:
                    public = PublicKey.parse(key.key)
                    self._keys[enterprise.id, agent.id, public.raw_key_id] = _Key(public, key.valid_until_ms)

    def examine(self, enterprise: str, sender: str, message: bytes, at_ms: int) -> tuple[Signed, bytes]:
        """What the signature of a message that came at this time is worth, and the payload without its seal."""
        if not is_sealed(message):
            return UNSIGNED, message
        try:
            signature, payload = opened(message)
        except NoSeal:
            return Signed("bad_signature"), b""
        return Signed(self._verdict(enterprise, sender, signature, payload, at_ms), signature.key_id), payload

    def refusal(self, enterprise: str, sender: str, signed: Signed) -> tuple[str, str] | None:
        """(reason, sentence) if a message is to be set aside for its signature, or None."""
        check = _CHECKS.get(signed.verdict)
        if check is None or not (check.always or enterprise in self._required):
            return None
        return check.reason, check.sentence(sender, signed.key_id)

    def _verdict(self, enterprise: str, sender: str, signature: Signature, payload: bytes, at_ms: int) -> str:
        key = self._keys.get((enterprise, sender, signature.raw_key_id))
        if key is None:
            return "unknown_key"
        if not key.public.verifies(signature, "batch", enterprise, sender, payload):
            return "bad_signature"
        return "valid" if key.valid_until_ms is None or at_ms < key.valid_until_ms else "expired_key"
