"""What ingest leaves in the relational store, as values: batches, what was set aside, agents' status."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from collectors.wire import ReasonCount

BatchKey = tuple[str, str, str]  # enterprise, sender, batch id


class BatchRow(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a batch, so that a repeated one gets the same answer."""

    enterprise: str
    sender: str
    batch_id: str
    payload_hash: str  # collectors.wire.content_hash
    received_at_ms: int
    accepted: int
    set_aside: int
    reasons: tuple[ReasonCount, ...]
    signature: str = ""  # a verdict of gateway.ingest.signatures; "" = nobody looked
    key_id: str = ""  # that the signature claims; "" = none

    @property
    def key(self) -> BatchKey:
        return self.enterprise, self.sender, self.batch_id


@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """Something that was not stored, with its bytes and the reason."""

    received_at_ms: int
    enterprise: str  # as claimed; may be unknown
    sender: str
    batch_id: str  # "" where it could not be read
    reason: str  # a name out of collectors.wire.REASONS
    detail: str  # what, where, how to mend it
    count: int  # readings; 1 for a message that could not be read
    payload: bytes  # the bytes as they came, or a batch of the readings set aside


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The newest word of an agent about itself."""

    enterprise: str
    agent: str
    received_at_ms: int
    online: bool
    document: str  # JSON as it came
