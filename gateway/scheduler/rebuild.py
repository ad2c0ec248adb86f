"""`tanmai rebuild`: usage, entries, statements and ratings of some days computed again from the raw readings.

It is done in pieces of at most PIECE_POINT_DAYS. Of each piece hourly usage is replaced by what the readings give, the
days are marked in one transaction with the note of how far the rebuild has come, and the ordinary roll-up books them:
only differences are posted.

What stays true:
- Stopped at any instant and started again it goes on where it was; what was half done is done once more, which
  changes nothing.
- Where the raw readings of a day are gone nothing is touched: days of an enterprise before `whole_from` stay as they
  are and are named. They are gone where hourly usage is stored from before the first reading that is left; the first
  CONTEXT readings that are left serve only to judge those after them.
- Findings and the change feed are those of a roll-up at the same instant: what was stored wrongly and never booked
  leaves no trace; what was booked is taken back, told as one more change, and its findings are resolved. A month that
  fits into a piece is not divided, so it is stated, and if it is closed signed, once.
- Limit: readings that were removed from the middle are not missed here but by `tanmai verify`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from gateway.carbon.calendar import ONE_DAY, day_start_ms, days_between, local_day
from gateway.carbon.usage import CONTEXT
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.changed_rules import LONG_AGO_MS
from gateway.scheduler.days import WHOLE, first_open_day, month_days, month_of
from gateway.scheduler.pipeline import AccountsFailed, Pipeline
from gateway.scheduler.turns import Part
from gateway.scheduler.usage_stage import PASSING
from gateway.scheduler.windows import MAX_POINTS, Window
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.rebuilds_repository import Asked, RebuildRow, RebuildsRepository
from gateway.store.timeseries import TimeSeriesStore, UsageColumns

log = structlog.get_logger(__name__)

PIECE_POINT_DAYS = 2_000  # of one piece, points × days: 3 million readings if there is one a minute
ENTRIES_PER_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Days of an enterprise that a rebuild did not touch."""

    enterprise: str
    first_day: date
    last_day: date
    why: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Days of one enterprise that are done together: first_day <= day < end_day."""

    enterprise: str
    first_day: date
    end_day: date


@dataclass(frozen=True, slots=True)
class RebuildStep:
    """What one piece of work did, and how far the rebuild is."""

    days_done: int  # enterprise-days, since the beginning
    days_total: int
    begun_at_ms: int
    entries_posted: int = 0
    entries_reversed: int = 0
    left_alone: tuple[LeftAlone, ...] = ()
    waiting: str = ""  # why some of these days could not be booked: they stay due

    @property
    def is_finished(self) -> bool:
        return self.days_done >= self.days_total


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Works rebuilds off, piece by piece."""

    engine: Engine
    timeseries: TimeSeriesStore
    pipeline: Pipeline

    def not_ended(self, enterprises: Sequence[str], day: date, now_ms: int) -> str | None:
        """The first of these enterprises for which a day has not ended, or None."""
        registry = self.pipeline.registry()
        settle_s = self.pipeline.settle_s
        return next(
            (one for one in enterprises if first_open_day(now_ms, settle_s, registry.park_of(one).timezone) <= day),
            None,
        )

    def begin(self, asked: Asked, enterprises: Sequence[str], now_ms: int, *, anew: bool) -> RebuildStep:
        """Put a rebuild on the list, or find how far the same one had come; `anew` forgets that."""
        rebuilds = RebuildsRepository(self.engine)
        if anew:
            rebuilds.forget(asked)
        if not rebuilds.rows(asked):
            rebuilds.begin(asked, enterprises, now_ms)
        return _so_far(asked, rebuilds.rows(asked))

    def step(self, asked: Asked, now_ms: int) -> RebuildStep:
        """Do the next piece. A rebuild that is done is taken off the list by the step that finishes it."""
        rebuilds, book = RebuildsRepository(self.engine), LedgerRepository(self.engine)
        left_alone: list[LeftAlone] = []
        with self.pipeline.lock, self.pipeline.turns.begin():
            registry = self.pipeline.registry()
            pieces = _pieces(registry, asked, rebuilds.rows(asked))
            heads = book.last_seqs([piece.enterprise for piece in pieces])

            def prepare(part: Part) -> None:
                own = [piece for piece in pieces if part.has(piece.enterprise)]
                left_alone.extend(self._prepare(registry, asked, own, now_ms))

            self.pipeline.turns.each({piece.enterprise for piece in pieces}, prepare)
        waiting = self._booked(pieces, now_ms)
        rows = rebuilds.rows(asked)
        done = _so_far(asked, rows)
        if done.is_finished:
            rebuilds.forget(asked)
        posted, taken_back = self._posted(pieces, heads)
        return RebuildStep(
            done.days_done, done.days_total, done.begun_at_ms, posted, taken_back, tuple(left_alone), waiting
        )

    def _prepare(self, registry: Registry, asked: Asked, pieces: Sequence[Piece], now_ms: int) -> Iterator[LeftAlone]:
        """Make the usage of the pieces anew, then mark their days and note how far it has come."""
        marks: set[SourceDay] = set()
        for piece in pieces:
            enterprise = registry.enterprises.get(piece.enterprise)
            if enterprise is None:
                why = "it is no longer registered: its account stays as it stands"
                yield LeftAlone(piece.enterprise, piece.first_day, piece.end_day - ONE_DAY, why)
                continue
            first = max(piece.first_day, self.whole_from(registry, enterprise, piece))
            if first > piece.first_day:
                last = min(first, piece.end_day) - ONE_DAY
                yield LeftAlone(piece.enterprise, piece.first_day, last, "raw readings of these days are gone")
            if first < piece.end_day:
                try:
                    marks |= self._renew(registry, enterprise, first, piece.end_day, now_ms)
                except PASSING:
                    raise
                except Exception as error:
                    log.exception("rebuild_failed", enterprise=enterprise.id, first=first.isoformat())
                    why = f"their usage cannot be computed: {error!r}"
                    yield LeftAlone(piece.enterprise, first, piece.end_day - ONE_DAY, why)
        with writing(self.engine) as connection:
            DirtyDaysRepository(connection).mark(marks, "automatic")
            RebuildsRepository(connection).advance(asked, [(piece.enterprise, piece.end_day) for piece in pieces])

    def whole_from(self, registry: Registry, enterprise: Enterprise, piece: Piece) -> date:
        """The first day whose usage can be made anew from what is left of the raw readings."""
        timezone = registry.park_of(enterprise.id).timezone
        start_ms, end_ms = day_start_ms(piece.first_day, timezone), day_start_ms(piece.end_day, timezone)
        points = sorted(point.point_id for point in enterprise.points())
        left = self.timeseries.after(points, LONG_AGO_MS, CONTEXT)
        settled = set(left.point_id[left.at_ms < start_ms].tolist())
        doubtful = [one for one in points if one not in settled or (left.at_ms[left.point_id == one] >= start_ms).any()]
        used = used_points(self.timeseries.usage(doubtful, start_ms, end_ms))
        whole = date.min
        for point_id in [one for one in doubtful if one in used]:
            own = left.at_ms[left.point_id == point_id]
            if not own.size:
                return date.max
            first_hour_ms = int(own[0]) // HOUR_MS * HOUR_MS
            if used_points(self.timeseries.usage([point_id], LONG_AGO_MS, first_hour_ms)):
                whole = max(whole, local_day(int(own[-1]), timezone) + ONE_DAY)
        return whole

    def _renew(self, registry: Registry, enterprise: Enterprise, first: date, end: date, now_ms: int) -> set[SourceDay]:
        """Replace the hourly usage of an enterprise's days; gives all that must be booked on them."""
        timezone = registry.park_of(enterprise.id).timezone
        start_ms, end_ms = day_start_ms(first, timezone), day_start_ms(end, timezone)
        usage = self.pipeline.usage
        for some in _slices(sorted(point.point_id for point in enterprise.points())):
            usage.replace(registry, Window(some, start_ms, end_ms), now_ms)
        for some in _slices(sorted(point.point_id for point in enterprise.derived_points())):
            usage.recompute_derived(registry, Window(some, start_ms, end_ms))
        standing = LedgerRepository(self.engine).standing(enterprise.id, None, first, end)
        days = days_between(first, end)
        sources = {WHOLE, *(source.id for source in enterprise.sources)}
        marks = {(enterprise.id, source, day) for source in sources for day in days}
        # Also what is booked under a name that is no source: lines of adjustments, sources that were taken away.
        return marks | {(enterprise.id, entry.draft.source, entry.draft.day) for entry in standing}

    def _booked(self, pieces: Sequence[Piece], now_ms: int) -> str:
        """Let the roll-up do its work; gives why days of these pieces are still due, if they are."""
        try:
            self.pipeline.run(now_ms, {piece.enterprise for piece in pieces})
        except AccountsFailed as error:
            marks = DirtyDaysRepository(self.engine)
            due = {(mark.enterprise, mark.day) for mark in marks.claim(marks.count(), date.max)}
            for piece in pieces:
                if any(name == piece.enterprise and piece.first_day <= day < piece.end_day for name, day in due):
                    return str(error)
        return ""

    def _posted(self, pieces: Sequence[Piece], heads: dict[str, int]) -> tuple[int, int]:
        """Entries and reversals that were booked on the days of these pieces since their chains had these heads."""
        posted = taken_back = 0
        for piece in pieces:
            after = heads.get(piece.enterprise, 0)
            while True:
                page = LedgerRepository(self.engine).entries(
                    piece.enterprise, piece.first_day, piece.end_day, after, ENTRIES_PER_PAGE
                )
                reversals = sum(entry.reverses is not None for entry in page)
                posted, taken_back = posted + len(page) - reversals, taken_back + reversals
                if len(page) < ENTRIES_PER_PAGE:
                    break
                after = page[-1].seq
        return posted, taken_back


def used_points(usage: UsageColumns) -> set[int]:
    """Points with hours that say anything."""
    used = (usage.amount_u != 0) | (usage.covered_ms != 0)
    return set(np.unique(usage.point_id[used]).tolist())


def _pieces(registry: Registry, asked: Asked, rows: Sequence[RebuildRow]) -> list[Piece]:
    """The next days of as many enterprises as PIECE_POINT_DAYS allow, one at least."""
    pieces: list[Piece] = []
    held = 0
    for row in rows:
        left = (asked.last_day - row.next_day).days + 1
        if left <= 0:
            continue
        enterprise = registry.enterprises.get(row.enterprise)
        if enterprise is not None:
            weight = max(len(enterprise.points()), 1)
            of_month = (month_days(month_of(row.next_day))[1] - row.next_day).days
            left = min(left, of_month, max(PIECE_POINT_DAYS // weight, 1))
            held += left * weight
        if pieces and held > PIECE_POINT_DAYS:
            break
        pieces.append(Piece(row.enterprise, row.next_day, row.next_day + left * ONE_DAY))
    return pieces


def _so_far(asked: Asked, rows: Sequence[RebuildRow]) -> RebuildStep:
    days = (asked.last_day - asked.first_day).days + 1
    done = sum((row.next_day - asked.first_day).days for row in rows)
    return RebuildStep(done, days * len(rows), min((row.begun_at_ms for row in rows), default=0))


def _slices(point_ids: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for first in range(0, len(point_ids), MAX_POINTS):
        yield tuple(point_ids[first : first + MAX_POINTS])
