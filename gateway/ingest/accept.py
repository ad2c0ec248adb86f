"""Accept batches: check, store, remember, and only then give receipts.

What stays true:
- The order of commits is: readings (time series), then batches and what was set aside (one relational transaction),
  then receipts. A crash in between means that the sender sends again; storing twice is harmless because the last of two
  equal readings is the one that is read.
- Whatever fails a check is set aside with its bytes and reason; the rest of its batch is stored.
- The same batch again gets the same figures with the status `duplicate`; the same id with other content is `conflict`.
- Several processes and threads may accept at once: whoever records a batch first has answered it, and another one that
  stored it at the same moment gives `duplicate` or `conflict` in its turn, and keeps nothing aside twice.
- `StoreUnavailable` leaves here: then nothing of the group is receipted, and the caller tries again later.
- Columns all the way: no object per reading, one append per group of batches.

Limits: a group is at most `IngestLimits.group_batches` messages and `group_bytes` of payload, whichever comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import structlog

from collectors.errors import StoreRefused, StoreUnavailable, WireError
from collectors.reading import Batch, UInt8s
from collectors.wire import REASONS, ReasonCount, Receipt, content_hash, decode_batch, encode_batch, find_batch_id
from gateway.ingest.checks import NOT_AVAILABLE, READING_CHECKS, Marks, check_message, check_readings, marks_of
from gateway.ingest.columns import Cells, Mask, cells_of
from gateway.ingest.device_quotas import OVER_QUOTA_ADVICE, Weighed
from gateway.ingest.directory import Directory
from gateway.ingest.intake import Arrival, IngestLimits, Intake
from gateway.ingest.isolate import append_isolating
from gateway.ingest.signatures import UNSIGNED, Signed
from gateway.ingest.telemetry import decode_telemetry
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow

# Kept of a message that is larger than any message may be: enough to see whose it is.
KEPT_OF_OVERSIZED = 64 * 1024

# Says nothing against the message: it must come again, and a receipt would make its sender forget it.
PASSING = (StoreUnavailable, MemoryError)

_STORE_REFUSED = len(READING_CHECKS) + 1
_OVER_QUOTA = _STORE_REFUSED + 1
_REASONS = (*(check.reason for check in READING_CHECKS), "store_refused", "over_quota")

log = structlog.get_logger()


class _Case(msgspec.Struct, gc=False):
    """One arrival on its way to a receipt."""

    arrival: Arrival
    key: BatchKey
    hash: str = ""
    signed: Signed = UNSIGNED
    receipt: Receipt | None = None  # made early for what needs no storing
    first: _Case | None = None  # the same batch, earlier in the same group
    accepted: int = 0
    set_aside: list[SetAsideRow] = []

    @property
    def batch_id(self) -> str:
        return self.key[2]

    def put_aside(self, now_ms: int, reason: str, detail: str, count: int, payload: bytes) -> None:
        self.set_aside.append(SetAsideRow(now_ms, *self.key, reason, detail, count, payload))

    def row(self, now_ms: int, set_aside: int, reasons: tuple[ReasonCount, ...]) -> BatchRow:
        """What is remembered of it."""
        signed = self.signed
        return BatchRow(*self.key, self.hash, now_ms, self.accepted, set_aside, reasons, signed.verdict, signed.key_id)

    def reasons(self) -> tuple[ReasonCount, ...]:
        """How much was set aside for what."""
        if not self.set_aside:
            return ()
        by_reason: Counter[str] = Counter()
        for row in self.set_aside:
            by_reason[row.reason] += row.count
        return tuple(ReasonCount(reason, count) for reason, count in sorted(by_reason.items()))


class Opened(msgspec.Struct, frozen=True):
    """Messages that are decoded and checked, on their way into one commit."""

    cases: list[_Case]
    decoded: list[tuple[_Case, Batch]]  # without those that were rejected
    directory: Directory  # that they were checked with
    now_ms: int
    size: int  # bytes of payload

    @classmethod
    def joined(cls, parts: Sequence[Opened]) -> Opened:
        """All of them in one commit, by the newest registry and time among them."""
        return cls(
            [case for part in parts for case in part.cases],
            [one for part in parts for one in part.decoded],
            max((part.directory for part in parts), key=lambda directory: directory.registry.version),
            max(part.now_ms for part in parts),
            sum(part.size for part in parts),
        )


def accept_batches(arrivals: Sequence[Arrival], intake: Intake, now_ms: int) -> list[Receipt]:
    """One receipt per arrival, in order, each after its commit. Raises StoreUnavailable: then try all of them again."""
    receipts: list[Receipt] = []
    for group in groups_of(arrivals, intake.limits):
        try:
            receipts += commit(open_messages(group, intake.directory(), now_ms), intake)
        except PASSING:
            raise
        except Exception as error:
            # A message that the database refuses, or that a mistake of ours trips over, holds nobody else up.
            log.exception("ingest.group_failed", messages=len(group), exc_info=error)
            receipts += [_accept_alone(arrival, intake, now_ms) for arrival in group]
    return receipts


def groups_of(arrivals: Sequence[Arrival], limits: IngestLimits) -> Iterator[list[Arrival]]:
    """Arrivals in order, as many as go into one commit."""
    group: list[Arrival] = []
    held = 0
    for arrival in arrivals:
        if group and (len(group) >= limits.group_batches or held + len(arrival.payload) > limits.group_bytes):
            yield group
            group, held = [], 0
        group.append(arrival)
        held += len(arrival.payload)
    if group:
        yield group


def _accept_alone(arrival: Arrival, intake: Intake, now_ms: int) -> Receipt:
    try:
        return commit(open_messages([arrival], intake.directory(), now_ms), intake)[0]
    except PASSING:
        raise
    except Exception as error:
        log.exception("ingest.message_failed", enterprise=arrival.enterprise, sender=arrival.sender, exc_info=error)
        case = _Case(arrival, _key_of(arrival, find_batch_id(arrival.payload)))
        reason = "store_refused" if isinstance(error, StoreRefused) else "failed"
        _reject(case, now_ms, reason, f"{REASONS[reason]}: {error}")
        intake.batches.record([], case.set_aside)
        return _receipt(case)


def open_messages(group: Sequence[Arrival], directory: Directory, now_ms: int) -> Opened:
    """Decode and check messages; asks no store."""
    cases: list[_Case] = []
    decoded: list[tuple[_Case, Batch]] = []
    passed: set[Marks] = set()
    for arrival in group:
        case, batch = _open(arrival, directory, passed, now_ms)
        cases.append(case)
        if batch is not None:
            decoded.append((case, batch))
    return Opened(cases, decoded, directory, now_ms, sum([len(arrival.payload) for arrival in group]))


def commit(opened: Opened, intake: Intake) -> list[Receipt]:
    """Store and remember what was opened, once: what fails must be opened anew. A receipt for each, in order."""
    now_ms = opened.now_ms
    fresh = _without_repeated(opened.decoded, intake, now_ms)
    weighed = _store(fresh, intake, opened.directory, now_ms)
    _record(fresh, opened.cases, intake, now_ms)
    if weighed is not None:
        intake.device_quotas.count(weighed, now_ms)
    return [_receipt(case) for case in opened.cases]


def _record(fresh: list[tuple[_Case, Batch]], cases: list[_Case], intake: Intake, now_ms: int) -> None:
    """Remember the batches of a group. What somebody else recorded since we looked is answered as he answered it."""
    while True:
        rows = []
        for case, _ in fresh:
            reasons = case.reasons()
            set_aside = sum([one.count for one in reasons]) if reasons else 0
            case.receipt = Receipt(case.batch_id, "stored", case.accepted, set_aside, reasons)
            rows.append(case.row(now_ms, set_aside, reasons))
        overtaken = intake.batches.record(rows, [row for case in cases for row in case.set_aside])
        if not overtaken:
            return
        for case, batch in fresh:
            if case.key in overtaken:
                case.set_aside.clear()
                _answer_known(case, batch, overtaken[case.key], now_ms)
        fresh = [(case, batch) for case, batch in fresh if case.key not in overtaken]


def _receipt(case: _Case) -> Receipt:
    if case.receipt is None and case.first is not None:
        first = _receipt(case.first)
        return msgspec.structs.replace(first, status="duplicate" if first.status == "stored" else first.status)
    if case.receipt is None:
        raise AssertionError(f"no receipt was made for a message of {case.arrival.sender}")
    return case.receipt


def _open(arrival: Arrival, directory: Directory, passed: set[Marks], now_ms: int) -> tuple[_Case, Batch | None]:
    """Check the message and decode it; what fails is rejected as a whole. `passed`: what others of its group were."""
    marks = marks_of(arrival)
    failed = None if marks in passed else check_message(arrival, directory)
    signed, payload = UNSIGNED, b""
    if failed is None:
        passed.add(marks)
        signed, payload = _unsealed(arrival, directory, now_ms)
        failed = directory.signers.refusal(arrival.enterprise, arrival.sender, signed)
    if failed is None:
        try:
            batch = decode_telemetry(payload, arrival.sender) if arrival.form == "telemetry" else decode_batch(payload)
            if arrival.again:
                batch = msgspec.structs.replace(batch, batch_id=arrival.again)
            return _Case(arrival, _key_of(arrival, batch.batch_id), content_hash(batch), signed), batch
        except WireError as error:
            failed = error.reason, str(error)
    case = _Case(arrival, _key_of(arrival, find_batch_id(payload or arrival.payload)))
    _reject(case, now_ms, *failed)
    return case, None


def _unsealed(arrival: Arrival, directory: Directory, now_ms: int) -> tuple[Signed, bytes]:
    """What the message's signature is worth, and its payload."""
    if arrival.part_of is not None:
        return arrival.part_of, arrival.payload
    came_ms = now_ms if arrival.came_ms is None else arrival.came_ms
    return directory.signers.examine(arrival.enterprise, arrival.sender, arrival.payload, came_ms)


def _key_of(arrival: Arrival, batch_id: str) -> BatchKey:
    return arrival.enterprise, arrival.sender, batch_id


def _reject(case: _Case, now_ms: int, reason: str, sentence: str) -> None:
    payload = case.arrival.payload if reason != "too_large" else case.arrival.payload[:KEPT_OF_OVERSIZED]
    case.put_aside(now_ms, reason, sentence, 1, payload)
    case.receipt = Receipt(case.batch_id, "rejected", 0, 1, (ReasonCount(reason, 1),))


def _without_repeated(decoded: list[tuple[_Case, Batch]], intake: Intake, now_ms: int) -> list[tuple[_Case, Batch]]:
    """Give receipts to batches that came before, in this group or an earlier one; the others are given back."""
    known = intake.batches.known([case.key for case, _ in decoded]) if decoded else {}
    first: dict[BatchKey, _Case] = {}
    fresh = []
    for case, batch in decoded:
        row, earlier = known.get(case.key), first.get(case.key)
        if row is None and earlier is None:
            first[case.key] = case
            fresh.append((case, batch))
        elif row is not None:
            _answer_known(case, batch, row, now_ms)
        elif earlier is not None and earlier.hash == case.hash:
            case.first = earlier
        else:
            _conflict(case, batch, now_ms)
    return fresh


def _answer_known(case: _Case, batch: Batch, row: BatchRow, now_ms: int) -> None:
    if row.payload_hash == case.hash:
        case.receipt = Receipt(case.batch_id, "duplicate", row.accepted, row.set_aside, row.reasons)
    else:
        _conflict(case, batch, now_ms)


def _conflict(case: _Case, batch: Batch, now_ms: int) -> None:
    detail = f"batch {case.batch_id} came before with other content: give each batch its own id"
    case.put_aside(now_ms, "conflict", detail, batch.cells, case.arrival.payload)
    case.receipt = Receipt(case.batch_id, "conflict", 0, batch.cells, case.reasons())


def _store(fresh: list[tuple[_Case, Batch]], intake: Intake, directory: Directory, now_ms: int) -> Weighed | None:
    """Append the good readings of all cases in one go; set the others aside. Gives what is to be counted."""
    for case, batch in fresh:
        if batch.spoiled:
            _put_aside_spoiled(case, batch, now_ms)
    cells = cells_of([(case.arrival.enterprise, batch) for case, batch in fresh], directory)
    verdict = check_readings(cells, intake.limits, now_ms)
    weighed = _weighed(fresh, cells, verdict == 0, intake, directory)
    if weighed is not None:
        verdict[weighed.beyond] = _OVER_QUOTA
    good = verdict == 0
    refused, words = append_isolating(intake.timeseries.append, cells.chosen(good))
    if refused.any():
        verdict[np.flatnonzero(good)[refused]] = _STORE_REFUSED
        good = verdict == 0
    counts: list[int] = np.bincount(cells.batch[good], minlength=len(fresh)).tolist()
    for (case, _), accepted in zip(fresh, counts, strict=True):
        case.accepted = accepted
    if bool(((verdict != 0) & (verdict != NOT_AVAILABLE)).any()):
        advice = [check.advice(intake.limits) for check in READING_CHECKS]
        advice.append(f"the time-series store refuses it: {words}")
        advice.append(OVER_QUOTA_ADVICE)
        _put_aside_readings([case for case, _ in fresh], cells, verdict, advice, now_ms)
    return weighed


def _weighed(
    fresh: list[tuple[_Case, Batch]], cells: Cells, good: Mask, intake: Intake, directory: Directory
) -> Weighed | None:
    """The good readings held against the quotas of their devices; what is taken in again is an operator's will."""
    if not intake.device_quotas.follow(directory.registry):
        return None
    first_time = np.array([not case.arrival.again for case, _ in fresh], dtype=np.bool_)
    enterprises = [case.arrival.enterprise for case, _ in fresh]
    return intake.device_quotas.weigh(cells, enterprises, good & first_time[cells.batch])


def _put_aside_spoiled(case: _Case, batch: Batch, now_ms: int) -> None:
    """Cells that are no readings: one row per reason, with the cells as they came."""
    for reason in dict.fromkeys(cell.reason for cell in batch.spoiled):
        spoiled = [cell for cell in batch.spoiled if cell.reason == reason]
        first = spoiled[0]
        where = f"{first.device}{'.' + first.point if first.point else ''} at {first.at_ms}"
        detail = f"{REASONS[reason]}; the first is {where}: {first.raw}"
        case.put_aside(now_ms, reason, detail, len(spoiled), msgspec.json.encode(spoiled))


def _put_aside_readings(cases: list[_Case], cells: Cells, verdict: UInt8s, advice: list[str], now_ms: int) -> None:
    """Readings that failed: one row per batch and reason, holding them as a batch that can be sent again."""
    bad = np.flatnonzero((verdict != 0) & (verdict != NOT_AVAILABLE))
    # Sorted by batch and reason, each pair is one run.
    order = np.lexsort((bad, verdict[bad], cells.batch[bad]))
    bad = bad[order]
    marks = cells.batch[bad].astype(np.int64) * 256 + verdict[bad]
    for run in np.split(bad, np.flatnonzero(np.diff(marks)) + 1):
        case, code = cases[int(cells.batch[run[0]])], int(verdict[run[0]])
        parts = cells.parts(run)
        first = parts[0]
        detail = f"{first.device}.{first.points[0]} at {first.at_ms[0]}: {advice[code - 1]}"
        payload = encode_batch(Batch(case.batch_id, now_ms, parts))
        case.put_aside(now_ms, _REASONS[code - 1], detail, int(run.size), payload)
