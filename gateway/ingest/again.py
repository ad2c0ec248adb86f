"""Accept what was set aside once more, after the registry was mended.

A device that is not in the registry yet, a point that was forgotten: its readings are set aside and its agent, which
has a receipt for them, forgets them. Here they come in after all, by the way of every other message.

What stays true:
- Only what has a chance is tried: its sender is registered by now, so is at least one of its points, and its signature
  is enough. What stays wrong is set aside anew with its reason.
- A signature is judged as of when the message first came; readings that were parted from their batch go by what was
  found of the whole, as far as that is remembered.
- The id of a message accepted again is made from that of its row, so a crash between accepting and removing the row
  costs a `duplicate`, and no reading is stored by halves or counted twice.

Limits: BATCHES rows at once; a message that no decoder takes stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from collectors.errors import WireError
from collectors.reading import Batch
from collectors.wire import decode_batch
from gateway.ingest.accept import accept_batches
from gateway.ingest.directory import Directory
from gateway.ingest.intake import Arrival, Form, Intake
from gateway.ingest.signatures import signed_as
from gateway.ingest.telemetry import decode_telemetry
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow

# What a change of the registry can mend.
MENDABLE = (
    *("unknown_enterprise", "unknown_agent", "unknown_device", "unknown_point"),
    *("unsigned", "unknown_key", "expired_key"),
)
# What also may be right by now, and is tried only when it is asked for: a store was mended or has room, a time came,
# a mistake of ours was put right, a quota was raised.
REPLAYABLE = (*MENDABLE, "store_refused", "in_future", "failed", "over_quota")
# Of readings: a batch without its seal.
PARTS = ("unknown_device", "unknown_point", "store_refused", "in_future", "over_quota")
BATCHES = 200


class Listed(Protocol):
    @property
    def id(self) -> int: ...


class SetAside(Protocol):
    """Rows by their id, in the order of their coming."""

    def page(
        self, *, enterprise: str | None = None, reason: str | None = None, after: int = 0, limit: int = 100
    ) -> Sequence[Listed]: ...

    def get(self, entry_id: int) -> SetAsideRow | None: ...

    def remove(self, ids: Sequence[int]) -> int: ...


@dataclass(frozen=True, slots=True)
class Again:
    """What came of it."""

    messages: int = 0  # rows that were accepted and are no longer set aside
    readings: int = 0  # stored out of them
    left: int = 0  # rows that had no chance and stay

    def __add__(self, other: Again) -> Again:
        return Again(self.messages + other.messages, self.readings + other.readings, self.left + other.left)


def accept_again(
    intake: Intake,
    aside: SetAside,
    enterprise: str | None,
    now_ms: int,
    reasons: Sequence[str] = MENDABLE,
    only: Sequence[int] = (),
) -> Again:
    """Try what was set aside for these reasons, or these rows; None = of all enterprises. Raises StoreUnavailable."""
    # Taken down first: what is set aside anew meanwhile is not tried again.
    ids = sorted(set(only)) or sorted(_ids(aside, enterprise, reasons))
    done = Again()
    for first in range(0, len(ids), BATCHES):
        done += _accept(intake, aside, ids[first : first + BATCHES], now_ms)
    return done


def _ids(aside: SetAside, enterprise: str | None, reasons: Sequence[str]) -> Iterator[int]:
    for reason in reasons:
        after = 0
        while page := aside.page(enterprise=enterprise, reason=reason, after=after, limit=BATCHES):
            yield from (row.id for row in page)
            after = page[-1].id


def _accept(intake: Intake, aside: SetAside, ids: Sequence[int], now_ms: int) -> Again:
    directory = intake.directory()
    found = ((number, aside.get(number)) for number in ids)
    rows = [(number, row) for number, row in found if row is not None and row.reason in REPLAYABLE]
    wholes = intake.batches.known([_key(row) for _, row in rows if row.reason in PARTS])
    tried: list[int] = []
    arrivals: list[Arrival] = []
    for number, row in rows:
        arrival = _arrival(number, row, wholes.get(_key(row)), directory)
        if arrival is not None:
            tried.append(number)
            arrivals.append(arrival)
    receipts = accept_batches(arrivals, intake, now_ms)
    if tried:
        aside.remove(tried)
    return Again(len(tried), sum(receipt.accepted for receipt in receipts), len(ids) - len(tried))


def _key(row: SetAsideRow) -> BatchKey:
    return row.enterprise, row.sender, row.batch_id


def _arrival(number: int, row: SetAsideRow, whole: BatchRow | None, directory: Directory) -> Arrival | None:
    """The row as a message, or None if it has no chance."""
    signed, payload = directory.signers.examine(row.enterprise, row.sender, row.payload, row.received_at_ms)
    form = _form(row, payload, directory)
    is_part = row.reason in PARTS and form == "batch"
    if is_part:
        signed = signed_as(whole)
    if form is None or directory.signers.refusal(row.enterprise, row.sender, signed) is not None:
        return None
    return Arrival(
        row.enterprise,
        row.sender,
        row.payload,
        form,
        again=f"again-{number}",
        came_ms=row.received_at_ms,
        part_of=signed if is_part else None,
    )


def _form(row: SetAsideRow, payload: bytes, directory: Directory) -> Form | None:
    """How the bytes are read, if their sender and any of their points are registered now."""
    is_agent = directory.has_agent(row.enterprise, row.sender)
    if not is_agent and not directory.has_device(row.enterprise, row.sender):
        return None
    for form, decode in _DECODERS:
        try:
            batch = decode(payload, row.sender)
        except WireError:
            continue
        known = (directory.point_ids(row.enterprise, block.device, block.points) >= 0 for block in batch.blocks)
        return form if any(ids.any() for ids in known) else None
    return None


# What was set aside of a telemetry message's readings is a batch; a whole message is as it came.
_DECODERS: tuple[tuple[Form, Callable[[bytes, str], Batch]], ...] = (
    ("batch", lambda payload, sender: decode_batch(payload)),
    ("telemetry", decode_telemetry),
)
