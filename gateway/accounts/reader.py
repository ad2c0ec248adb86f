"""The reading side of the accounts: the one door for API, pages and command line.

What stays true: the same question gets the same figures from all three, because they all ask here. Statements and
ratings of months, quarters and years come from what was booked and stored; a day, or what is not stored yet, is summed
from the ledger when asked for. Nothing here writes, and `now_ms` is always handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine

from collectors.profile import MeterProfile
from gateway.accounts import stored
from gateway.accounts.bulk import account_texts
from gateway.accounts.devices import HealthDocument, health_of
from gateway.accounts.documents import (
    EntryDocument,
    FindingDocument,
    SignedStatement,
    StatementDocument,
    statement_document,
)
from gateway.accounts.explaining import Archive, explanation_of
from gateway.accounts.footprints import FootprintDocument, FootprintSource, SignedFootprint, signed_footprint
from gateway.accounts.load import LoadDocument, load_of
from gateway.accounts.output import outputs_of
from gateway.accounts.pact import product_footprint
from gateway.accounts.parks import (
    IntensityDocument,
    ParkAccounts,
    ParkDocument,
    RankingItem,
    intensity_of,
    overview_of,
    ranking_of,
)
from gateway.accounts.periods import Period, month_of, moved
from gateway.accounts.proofs import Growth, Proof, RootDocument, growth_of, proof_of, roots_after
from gateway.accounts.rating_documents import Colour, RatingDocument, with_trend
from gateway.accounts.series import ReadingsDocument, UsageDocument, readings_of, usage_of
from gateway.accounts.stored import ChangeDocument, EntryFilter
from gateway.accounts.versions import VersionItem, versions_of
from gateway.carbon.calendar import local_day
from gateway.carbon.cbam import NO_DEFAULTS, Defaults
from gateway.carbon.factors import FactorBook
from gateway.carbon.footprint import Boundary
from gateway.carbon.statement import statement_of
from gateway.registry.model import Enterprise, Park, Point, Product, Registry
from gateway.store.findings_repository import FindingsRepository
from gateway.store.footprints_repository import FootprintsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import TimeSeriesStore

# How many months back lies what a rating is set beside: the period before, and the same one of the year before.
TREND_MONTHS: Mapping[str, tuple[int, ...]] = {"month": (1, 12), "quarter": (3, 12), "year": (12,)}


class AccountReader:
    """Questions about accounts. Ids of enterprises and parks are those of the registry; KeyError for others."""

    def __init__(
        self,
        engine: Engine,
        timeseries: TimeSeriesStore,
        registry: Callable[[], Registry],
        factors: FactorBook,
        profiles: Mapping[str, MeterProfile],
        goods: Defaults = NO_DEFAULTS,
    ) -> None:
        self._engine = engine
        self._timeseries = timeseries
        self._registry = registry
        self._factors = factors
        self._profiles = profiles
        self._footprints = FootprintSource(engine, factors, goods)

    # --- one enterprise ---------------------------------------------------------------------------------------------

    def statement(
        self, enterprise: str, period: Period, now_ms: int, *, version: int | None = None
    ) -> StatementDocument | None:
        """The statement of a period; None only for a version that is not there."""
        if period.kind != "day":
            kept = stored.statement_of_period(self._engine, enterprise, period.text, version)
            if kept is not None or version is not None:
                return kept
        return self._summed(enterprise, period, now_ms)

    def signed_statement(
        self, enterprise: str, period: Period, *, version: int | None = None
    ) -> SignedStatement | None:
        """A closed statement with its signature; None for a version that is not there or not closed."""
        return stored.signed_statement_of_period(self._engine, enterprise, period.text, version)

    def versions(self, enterprise: str, period: Period) -> list[VersionItem]:
        """Every version of the statement of a month, quarter or year, oldest first."""
        return versions_of(self._engine, enterprise, period.text)

    def rating(self, enterprise: str, period: Period, *, version: int | None = None) -> RatingDocument | None:
        """The rating of a month, quarter or year with its trend; None where there is none."""
        rating = stored.rating_of_period(self._engine, enterprise, period.text, version)
        if rating is None:
            return None
        earlier = [moved(period, -back).text for back in TREND_MONTHS[period.kind]]
        return with_trend(rating, stored.ratings_of_enterprise(self._engine, enterprise, earlier))

    def entries(
        self, enterprise: str, period: Period, *, source: str | None = None, after_seq: int = 0, limit: int = 100
    ) -> list[EntryDocument]:
        """Entries in the order of the chain."""
        wanted = EntryFilter(period.start, period.end, source)
        return stored.entries_after(self._engine, self._registry().enterprises[enterprise], wanted, after_seq, limit)

    def newest_entries(
        self, enterprise: str, period: Period, *, before_seq: int | None = None, limit: int = 50
    ) -> list[EntryDocument]:
        """Entries, newest first."""
        registered = self._registry().enterprises[enterprise]
        return stored.entries_before(self._engine, registered, EntryFilter(period.start, period.end), before_seq, limit)

    def findings(
        self,
        enterprise: str,
        period: Period | None,
        *,
        status: str | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> list[FindingDocument]:
        """Findings in the order they were first made."""
        return stored.findings_after(
            self._engine, enterprise, self._window(enterprise, period), status, after_id, limit
        )

    def open_findings(self, enterprise: str, period: Period | None, *, limit: int = 50) -> list[FindingDocument]:
        """Findings that are not resolved: the open ones, newest first, then the acknowledged ones."""
        return stored.newest_findings(self._engine, enterprise, self._window(enterprise, period), limit)

    def usage(
        self, enterprise: str, point: Point, window_ms: tuple[int, int], *, step: str, limit: int
    ) -> UsageDocument:
        """Usage of a point by hour or local day."""
        return usage_of(
            self._timeseries,
            enterprise,
            point,
            window_ms,
            step=step,
            timezone=self._zone(enterprise),
            limit=limit,
        )

    def readings(self, enterprise: str, point: Point, window_ms: tuple[int, int], *, limit: int) -> ReadingsDocument:
        """Readings of a point as they came."""
        return readings_of(self._timeseries, enterprise, point, window_ms, limit)

    def history(self, enterprise: str, months: Sequence[str]) -> dict[str, StatementDocument]:
        """The newest stored statement of each of these months."""
        return stored.statements_of_enterprise(self._engine, enterprise, months)

    def daily(self, enterprise: str, period: Period) -> list[tuple[str, int, int]]:
        """(day, scope, grams CO2e) of the days that have entries."""
        return stored.daily_sums(self._engine, enterprise, period.start, period.end)

    def booked_days(self, enterprise: str, start: date, end: date) -> dict[str, list[str]]:
        """Source -> its days that have an entry which stands, in order."""
        return stored.booked_days(self._engine, enterprise, start, end)

    def device_health(self, enterprise: str, now_ms: int) -> HealthDocument:
        """How instruments and agents are doing."""
        registered = self._registry().enterprises[enterprise]
        return health_of(self._engine, self._timeseries, registered, self._zone(enterprise), now_ms)

    def explain(self, enterprise: str, seq: int) -> dict[str, Any] | None:
        """From an entry back to the registers, as JSON values; None if there is no such entry."""
        archive = Archive(self._engine, self._timeseries, self._registry(), self._factors, self._profiles)
        explained = explanation_of(archive, enterprise, seq)
        if explained is None:
            return None
        document: dict[str, Any] = msgspec.to_builtins(explained)
        return document

    def proof(self, enterprise: str, seq: int, under: date | None = None) -> Proof | None:
        """That an entry stands under a signed root (None = that of its day); None if there is no such entry.

        Raises NoRootYet if it does not stand under that root.
        """
        return proof_of(self._engine, enterprise, seq, under)

    def roots(self, after: date, limit: int) -> list[RootDocument]:
        """Signed daily roots, oldest first."""
        return roots_after(self._engine, after, limit)

    def growth(self, earlier: date, later: date) -> Growth | None:
        """That a later root holds all that an earlier one held; None if there are no two such roots."""
        return growth_of(self._engine, earlier, later)

    # --- products ---------------------------------------------------------------------------------------------------

    def footprint(
        self, enterprise: Enterprise, product: Product, period: Period, boundary: Boundary, now_ms: int
    ) -> FootprintDocument:
        """A product's footprint as the ledger has it now; raises NotAllocable."""
        today = local_day(now_ms, self._zone(enterprise.id))
        return self._footprints.live(enterprise, product, period, boundary, today)

    def published_footprint(
        self, enterprise: Enterprise, product: Product, period: Period, boundary: Boundary, version: int | None = None
    ) -> SignedFootprint | None:
        """A published version, the newest unless one is named; None if there is none."""
        return signed_footprint(
            FootprintsRepository(self._engine).versions(enterprise.id, product.id, period.text, boundary), version
        )

    def exchanged_footprint(
        self, enterprise: Enterprise, product: Product, period: Period, boundary: Boundary
    ) -> dict[str, Any] | None:
        """The newest published version as PACT exchanges it; None if there is none; raises CannotExchange."""
        newest = self.published_footprint(enterprise, product, period, boundary)
        if newest is None:
            return None
        zone = self._zone(enterprise.id)
        return product_footprint(newest.footprint, enterprise, product, period, zone, self._factors)

    # --- many enterprises -------------------------------------------------------------------------------------------

    def stored_statements(self, enterprises: Iterable[str], period: Period) -> dict[str, StatementDocument]:
        """The newest stored statement of a month, quarter or year, of those that have one."""
        return stored.statements_of_period(self._engine, enterprises, period.text)

    def account_texts(
        self, enterprises: Sequence[str], period: Period
    ) -> tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw]]:
        """Newest statements and ratings of a period as JSON text, of those that have one: for handing on in bulk.

        `enterprises` in order.
        """
        return account_texts(self._engine, self._registry().ids, enterprises, period.text)

    def ratings(self, enterprises: Iterable[str], period: Period) -> dict[str, RatingDocument]:
        """The newest rating of a period, of those that have one."""
        return stored.ratings_of_period(self._engine, enterprises, period.text)

    def colours(self, enterprises: Sequence[Enterprise], period: Period | None, now_ms: int) -> dict[str, Colour]:
        """Each one's colour in a period (None = each one's current month); grey without a rating."""
        by_period: dict[str, list[str]] = {}
        for own in enterprises:
            text = period.text if period is not None else self.current_month(self._zone(own.id), now_ms).text
            by_period.setdefault(text, []).append(own.id)
        colours: dict[str, Colour] = {own.id: "grey" for own in enterprises}
        for text, ids in by_period.items():
            colours |= {key: own.colour for key, own in stored.ratings_of_period(self._engine, ids, text).items()}
        return colours

    def changes(self, enterprises: set[str] | None, after_seq: int, limit: int) -> list[ChangeDocument]:
        """The change feed."""
        return stored.changes_after(self._engine, enterprises, after_seq, limit)

    def months(self, enterprises: Iterable[str]) -> list[str]:
        """Months that have a statement, newest first."""
        return stored.months_with_statements(self._engine, enterprises)

    def first_shown_month(self, enterprises: Iterable[str], timezone: str, now_ms: int) -> str:
        """The month a page opens with: the newest that has a colour. In the first days of a month nobody has one."""
        ids = list(enterprises)
        months = self.months(ids)
        newest = months[0] if months else self.current_month(timezone, now_ms).text
        return stored.newest_rated_month(self._engine, ids) or newest

    @staticmethod
    def current_month(timezone: str, now_ms: int) -> Period:
        """The month that it is now in a zone."""
        return month_of(local_day(now_ms, timezone))

    # --- parks ------------------------------------------------------------------------------------------------------

    def park_overview(self, park: str, period: Period, now_ms: int) -> ParkDocument:
        """A park's sums."""
        return overview_of(self._park_accounts(park, period, now_ms))

    def intensity(self, park: str, period: Period, now_ms: int) -> IntensityDocument:
        """A park's intensity per output value, added value and area."""
        return intensity_of(self._park_accounts(park, period, now_ms))

    def ranking(self, park: str, period: Period, now_ms: int) -> list[RankingItem]:
        """A park's enterprises, worst first."""
        return ranking_of(self._park_accounts(park, period, now_ms))

    def board(self, enterprises: Sequence[Enterprise], period: Period, now_ms: int) -> list[RankingItem]:
        """Any enterprises, worst first."""
        if not enterprises:
            return []
        park = self._registry().park_of(enterprises[0].id)
        return ranking_of(self._accounts(park, tuple(enterprises), period, now_ms))

    def load(self, park: str, now_ms: int) -> LoadDocument:
        """The electric load of the last day."""
        registry = self._registry()
        return load_of(self._timeseries, registry, registry.parks[park], now_ms)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _park_accounts(self, park: str, period: Period, now_ms: int) -> ParkAccounts:
        registry = self._registry()
        members = tuple(own for _, own in sorted(registry.enterprises.items()) if own.park == park)
        return self._accounts(registry.parks[park], members, period, now_ms)

    def _accounts(self, park: Park, members: tuple[Enterprise, ...], period: Period, now_ms: int) -> ParkAccounts:
        ids = [own.id for own in members]
        statements = self.stored_statements(ids, period)
        ratings = self.ratings(ids, period)
        if period.kind != "month":  # nobody states a day, and a quarter or year may not have been summed yet
            summed = [self._summed(enterprise, period, now_ms) for enterprise in ids if enterprise not in statements]
            statements |= {own.enterprise: own for own in summed if own.last_seq and own.by_source}
        # Output of the days that are in the sums, so that a month half over is not divided by a whole month's output.
        days = max((own.days for own in statements.values()), default=0)
        summed_days = replace(period, end=min(period.end, period.start + timedelta(days=days)))
        return ParkAccounts(park, period, members, statements, ratings, outputs_of(self._engine, ids, summed_days))

    def _summed(self, enterprise: str, period: Period, now_ms: int) -> StatementDocument:
        """Summed from the ledger now; version 0 says so."""
        entries = LedgerRepository(self._engine).standing(enterprise, None, period.start, period.end)
        start_ms, end_ms = period.window_ms(self._zone(enterprise))
        findings = FindingsRepository(self._engine).open_count(enterprise, start_ms, end_ms)
        newest = LedgerRepository(self._engine).newest(enterprise)
        statement = statement_of(
            self._registry().enterprises[enterprise],
            period.text,
            entries,
            days=self._ended_days(enterprise, period, now_ms),
            findings_open=findings,
            last_seq=0 if newest is None else newest.seq,
        )
        return statement_document(statement, 0, "open")

    def _ended_days(self, enterprise: str, period: Period, now_ms: int) -> int:
        today: date = local_day(now_ms, self._zone(enterprise))
        return max(0, (min(period.end, today) - period.start).days)

    def _zone(self, enterprise: str) -> str:
        return self._registry().park_of(enterprise).timezone

    def _window(self, enterprise: str, period: Period | None) -> tuple[int, int] | None:
        return None if period is None else period.window_ms(self._zone(enterprise))
