"""The ledger: entries chained by hash per enterprise, posted as differences. Append only.

What stays true:
- An entry is never changed. What no longer stands is taken back by a reversal (the same draft, amounts negated) and
  the new figure is a new entry, both with a reason.
- Posting what already stands posts nothing: `diff(standing, desired)` of equal drafts is empty.
- An entry's hash covers its whole content and its predecessor's hash, so one changed byte anywhere breaks the chain
  from there on, and `verify_chain` names the first entry that does not fit.

The hash is SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8). Its format stands in it: an entry of the first
(WHOLE) carries its calculation, one of the second (FRAMED) its figures and the hash of the calculation's frame
(`gateway.carbon.frames`). Both stand in one chain; what was booked keeps its format, text and hash for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date

from gateway.carbon.emission import SIDES, recomputed, side_recomputed
from gateway.carbon.evidence import canonical_json
from gateway.carbon.frames import MEMBERS, frame_hash, frame_text
from gateway.carbon.model import OPERATOR_BASIS, Draft, Entry, Reason

WHOLE, FRAMED = 1, 2  # formats of an entry
NO_HASH = "0" * 64  # what the first entry of a chain follows

SourceDay = tuple[str, date]

_DRAFT_FIELDS = tuple(field.name for field in fields(Draft))
_OUTSIDE_FRAME = tuple(name for name in _DRAFT_FIELDS if name not in (*MEMBERS, "calculation"))


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry to be: a reversal where `reverses` is given."""

    draft: Draft
    reason: Reason
    reverses: int | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold."""

    entry: str  # id
    seq: int
    zh: str
    en: str


def diff(
    standing: Sequence[Entry], desired: Sequence[Draft], reasons: Mapping[SourceDay, Reason] | Reason
) -> list[Posting]:
    """What to post so that exactly `desired` stands; `standing` and `desired` are of the same sources and days.

    A (source, day) that is booked for the first time has the reason `automatic`, or `operator` if an operator asked for
    it; later ones take theirs from `reasons`, where `automatic` becomes `late-data`, or `restated-factor` if only the
    factor differs.
    """
    wanted = {(draft.source, draft.day): draft for draft in desired}
    if len(wanted) != len(desired):
        raise ValueError("two drafts for one source and day: sum them before posting")
    postings: list[Posting] = []
    booked: set[SourceDay] = set()
    for entry in sorted(standing, key=lambda one: one.seq):
        key = entry.draft.source, entry.draft.day
        draft = wanted.get(key)
        if draft == entry.draft and key not in booked:
            booked.add(key)
            continue
        reason = _reason(entry.draft, draft, reasons if isinstance(reasons, str) else reasons.get(key, "automatic"))
        postings.append(Posting(reversal_of(entry.draft), reason, entry.seq))
        if draft is not None and key not in booked:
            postings.append(Posting(draft, reason))
        booked.add(key)
    fresh = sorted((draft for key, draft in wanted.items() if key not in booked), key=lambda d: (d.day, d.source))
    return postings + [Posting(draft, "operator" if draft.basis == OPERATOR_BASIS else "automatic") for draft in fresh]


def _reason(old: Draft, new: Draft | None, given: Reason) -> Reason:
    if given != "automatic":
        return given
    same_activity = new is not None and (old.amount_u, old.unit, old.digest) == (new.amount_u, new.unit, new.digest)
    return "restated-factor" if same_activity else "late-data"


def reversal_of(draft: Draft) -> Draft:
    """The draft that takes another one back: the same, with amounts negated."""
    return replace(draft, amount_u=-draft.amount_u, emission_g=-draft.emission_g, energy_gce=-draft.energy_gce)


def append(newest: Entry | None, postings: Iterable[Posting], booked_at_ms: int) -> list[Entry]:
    """Postings as entries that follow `newest` (None = an empty chain); all of one enterprise."""
    entries: list[Entry] = []
    seq, previous = (newest.seq, newest.hash) if newest else (0, NO_HASH)
    for posting in postings:
        if newest is not None and posting.draft.enterprise != newest.draft.enterprise:
            raise ValueError(f"{posting.draft.enterprise} cannot be booked in the chain of {newest.draft.enterprise}")
        frame = frame_text(posting.draft, posting.reverses)
        entry = Entry(
            posting.draft, seq + 1, posting.reason, posting.reverses, booked_at_ms, previous, "",
            WHOLE if frame is None else FRAMED,
        )  # fmt: skip
        entry = replace(entry, hash=hashlib.sha256(_text(entry, frame).encode()).hexdigest())
        entries.append(entry)
        seq, previous, newest = entry.seq, entry.hash, entry
    return entries


def hash_of(entry: Entry) -> str:
    """Hex SHA-256 over everything in an entry but its own hash."""
    return hashlib.sha256(text_of(entry).encode()).hexdigest()


def text_of(entry: Entry) -> str:
    """What an entry's hash covers, byte for byte: canonical JSON of everything in it but its own hash.

    Raises ValueError for an entry that says it has a frame and whose calculation has none.
    """
    frame = frame_text(entry.draft, entry.reverses) if entry.format == FRAMED else None
    if frame is None and entry.format != WHOLE:
        raise ValueError(f"{entry.id} is of format {entry.format}, and its content is not")
    return _text(entry, frame)


def _text(entry: Entry, frame: str | None) -> str:
    content = {
        **{name: getattr(entry.draft, name) for name in (_DRAFT_FIELDS if frame is None else _OUTSIDE_FRAME)},
        "day": entry.draft.day.isoformat(),
        "seq": entry.seq,
        "reason": entry.reason,
        "reverses": entry.reverses,
        "booked_at_ms": entry.booked_at_ms,
        "previous_hash": entry.previous_hash,
        "format": entry.format,
    }
    if frame is not None:
        content["frame"] = frame_hash(frame)
    return canonical_json(content)


def verify_chain(entries: Iterable[Entry]) -> Break | None:
    """The first entry that does not fit, or None. `entries` is a whole chain of one enterprise by seq.

    Checks numbering, hashes, that each figure follows from its own calculation, and that each reversal takes back
    exactly one earlier entry.
    """
    seq, previous = 0, NO_HASH
    open_entries: dict[int, Taken] = {}  # seq -> what a reversal of it would take back
    for entry in entries:
        wrong = _link(entry, seq, previous) or _figures(entry) or _reversal(entry, open_entries)
        if wrong is not None:
            return Break(entry.id, entry.seq, *wrong)
        if entry.reverses is None:
            open_entries[entry.seq] = _taken(entry.draft)
        seq, previous = entry.seq, entry.hash
    return None


Wrong = tuple[str, str] | None  # zh, en
Taken = tuple[str, date, int, int, int, str]


def _link(entry: Entry, seq: int, previous: str) -> Wrong:
    if entry.seq != seq + 1:
        return f"序号应为 {seq + 1}：有分录缺失", f"number {seq + 1} was expected: an entry is missing"
    if entry.previous_hash != previous:
        return "与前一分录的哈希不衔接", "does not follow the hash of the entry before it"
    try:
        fits = hash_of(entry) == entry.hash
    except ValueError:  # not even of its format
        fits = False
    if not fits:
        return "内容与其哈希不符：记账后被改动", "its content does not give its hash: it was changed after booking"
    return None


def _figures(entry: Entry) -> Wrong:
    sign = 1 if entry.reverses is None else -1
    try:
        calculation = entry.draft.calculation
        emission_g, energy_gce = recomputed(calculation)
        sides = [name for name in SIDES if name in calculation]
        sides_hold = all(str(side_recomputed(calculation, one)) == calculation[one]["emission_g"] for one in sides)
    except (KeyError, TypeError, ValueError) as error:
        return f"计算过程无法重算：{error}", f"its calculation cannot be done again: {error}"
    if sides_hold and (sign * emission_g, sign * energy_gce) == (entry.draft.emission_g, entry.draft.energy_gce):
        return None
    return "数额与其计算过程不符", "its figures do not follow from its own calculation"


def _reversal(entry: Entry, open_entries: dict[int, Taken]) -> Wrong:
    if entry.reverses is None:
        return None
    if open_entries.pop(entry.reverses, None) != _taken(reversal_of(entry.draft)):
        return (
            f"冲销的分录 {entry.reverses} 不存在、已冲销或内容不同",
            f"the entry {entry.reverses} that it takes back is missing, taken back already, or different",
        )
    return None


def _taken(draft: Draft) -> Taken:
    return draft.source, draft.day, draft.amount_u, draft.emission_g, draft.energy_gce, draft.digest
