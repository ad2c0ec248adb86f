"""The only place where the gateway's parts meet: settings in, a `House` out. Nothing happens at import.

What stays true: stores are opened before anything can arrive, and closed after everything else has stopped. Parts get
what they need handed in; none of them knows this module.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from collectors.errors import ConfigurationError, StoreError
from collectors.profile import MeterProfile
from gateway.access import Access
from gateway.accounts.reader import AccountReader
from gateway.agent_configs.configs import AgentConfigs
from gateway.broker.accounts import (
    GATEWAY_USER,
    BrokerAccount,
    agent_account,
    gateway_account,
    password_hash,
)
from gateway.broker.address import BrokerAddress
from gateway.broker.dynamic_security import DynamicSecurity
from gateway.broker.embedded import EmbeddedBroker
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.calendar import check_zone
from gateway.carbon.cbam import load_defaults
from gateway.carbon.factors import FactorBook
from gateway.carbon.methods import MethodFile
from gateway.carbon.own_values import problem_of
from gateway.carbon.policy import Policy
from gateway.control import kept_secret
from gateway.drop_findings import WatchedStatuses
from gateway.ingest.http_intake import http_intake
from gateway.ingest.intake import IngestLimits, Intake
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.portion import Portion
from gateway.ingest.stats import IngestStats
from gateway.knowledge_files import load_knowledge
from gateway.operations import OPERATIONS
from gateway.parts import HealthCheck, Operation, Parts
from gateway.quota_findings import device_quotas_of, quotas_of
from gateway.registry.knowledge import Knowledge
from gateway.registry.model import Registry
from gateway.registry.repository import RegistryRepository
from gateway.scheduler.activities import ActivitySource
from gateway.scheduler.changed_rules import ChangedRules
from gateway.scheduler.checks_stage import ChecksStage
from gateway.scheduler.daily_roots import DailyRoots
from gateway.scheduler.derived_stage import DerivedStage
from gateway.scheduler.entries_stage import EntriesStage
from gateway.scheduler.jobs import JobContext
from gateway.scheduler.pipeline import Pipeline
from gateway.scheduler.runner import JobStats, Runner
from gateway.scheduler.series import SeriesSource
from gateway.scheduler.sharer import Sharer
from gateway.scheduler.sharing import process_name, turns_of
from gateway.scheduler.statements_stage import StatementsStage
from gateway.scheduler.sums_stage import SumsStage
from gateway.scheduler.usage_stage import UsageStage
from gateway.scheduler.verification import Verifier
from gateway.settings import Settings, split_address
from gateway.signing import Signer
from gateway.store.batches_repository import BatchesRepository
from gateway.store.canonical_json import sha256_of
from gateway.store.database import open_database, read_only
from gateway.store.drops_repository import DropsRepository
from gateway.store.evidence_store import EvidenceStore
from gateway.store.job_runs_repository import JobRunsRepository
from gateway.store.lease_repository import LeaseRepository
from gateway.store.opening import open_timeseries
from gateway.store.records_repository import RecordsRepository
from gateway.store.set_aside_repository import SetAsideRepository
from gateway.store.timeseries import TimeSeriesStore
from gateway.store.token_repository import TokenRepository
from gateway.webhooks.delivery import Deliveries


@dataclass
class House:
    """A gateway put together. Operations and roles take what they need from here."""

    settings: Settings
    engine: Engine
    timeseries: TimeSeriesStore
    registry_repository: RegistryRepository
    profiles: Mapping[str, MeterProfile]
    knowledge: Knowledge
    factors: FactorBook
    access: Access
    reader: AccountReader
    pipeline: Pipeline
    roots: DailyRoots
    verifier: Verifier
    signer: Signer
    set_aside: SetAsideRepository
    evidence: EvidenceStore
    intake: Intake
    ingest_stats: IngestStats
    metrics: CollectorRegistry
    broker_address: BrokerAddress | None = None  # of the embedded broker, once it runs
    broker: EmbeddedBroker | None = None
    listener: MqttListener | None = None
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def registry(self) -> Registry:
        return self.registry_repository.snapshot()

    @property
    def operations(self) -> Operations:
        return Operations(self)

    def close(self) -> None:
        self.timeseries.close()
        self.engine.dispose()

    # --- broker and listener ----------------------------------------------------------------------------------------

    def start_broker(self, started: contextlib.ExitStack) -> BrokerAddress:
        """Start the embedded broker with an account per agent; gives the gateway's own address at it."""
        host, port = split_address(self.settings.mqtt_listen)
        broker = EmbeddedBroker(self.settings.data_path / "broker", host=host, port=port)
        url = broker.start(self._accounts())
        started.callback(broker.stop)
        self.broker = broker
        parts = urlsplit(url)
        address = BrokerAddress(host, parts.port or port, username=GATEWAY_USER, password=self._broker_password())
        self.broker_address = address
        return address

    def known_broker(self) -> BrokerAddress | None:
        """Where messages can be published from this process; None = nowhere, MQTT is off or its server not here."""
        if self.settings.mqtt_url in ("embedded", "off"):
            return self.broker_address
        return BrokerAddress.of(self.settings.mqtt_url, self.settings.mqtt_tls)

    @cached_property
    def agent_configs(self) -> AgentConfigs:
        return AgentConfigs(self.engine, self.settings.data_path, self.known_broker)

    def start_listener(self, address: BrokerAddress, started: contextlib.ExitStack) -> None:
        """Listen at the broker; a broker that is away is waited for in the background."""
        client_id = f"tanmai-gateway-{socket.gethostname()}-{sha256_of(str(self.settings.data_path))[:8]}"
        portion = Portion.of(self.settings.ingest_share, self.settings.ingest_shard)
        listener = MqttListener(self.intake, address, self.ingest_stats, client_id=client_id, portion=portion)
        listener.start()
        started.callback(listener.stop)
        self.listener = listener

    def admit_at_broker(self, subject: str, token: str) -> None:
        """Let an agent in with its new token; StoreUnavailable if an external broker does not answer."""
        if self.settings.broker_admin_url:
            enterprise, _, agent = subject.partition("/")
            self._broker_administrator().put_agent(enterprise, agent, token)
        elif self.broker is not None:
            self.broker.reload(self._accounts())

    def dismiss_at_broker(self, token_id: str) -> None:
        """Let a revoked token's agent in no longer, unless a newer token of its is in force."""
        if self.broker is not None:
            self.broker.reload(self._accounts())
        elif self.settings.broker_admin_url:
            devices = [token for token in self.access.tokens() if token.role == "device"]
            subjects = [token.subject for token in devices if token.id == token_id]
            for subject in subjects:
                newest = [token for token in devices if token.subject == subject][-1]
                if newest.revoked_at_ms is not None:
                    self._broker_administrator().remove(subject)

    def _broker_administrator(self) -> DynamicSecurity:
        return DynamicSecurity(BrokerAddress.of(self.settings.broker_admin_url, self.settings.mqtt_tls))

    def _accounts(self) -> list[BrokerAccount]:
        """The gateway's account and one per agent with a token in force; the newest token is the password."""
        newest: dict[str, str] = {}
        for token in self.access.tokens():
            if token.role == "device" and token.revoked_at_ms is None and token.broker_hash:
                newest[token.subject] = token.broker_hash
        agents = []
        for subject, hashed in sorted(newest.items()):
            enterprise, _, agent = subject.partition("/")
            agents.append(agent_account(enterprise, agent, hashed))
        return [self._own_account, *agents]

    @cached_property
    def _own_account(self) -> BrokerAccount:
        """Made once: a new salt at each reload would look like another password and cost the gateway its connection."""
        return gateway_account(password_hash(self._broker_password()))

    def _broker_password(self) -> str:
        return kept_secret(self.settings.data_path / "keys" / "broker")

    # --- scheduler and web ------------------------------------------------------------------------------------------

    def runner(self) -> Runner:
        context = JobContext(
            self.settings,
            self.pipeline,
            self.roots,
            BatchesRepository(self.engine),
            self.set_aside,
            Deliveries(self.engine, self.registry),
            self.agent_configs,
        )
        runs, stats = JobRunsRepository(self.engine), JobStats(self.metrics)
        return Runner.create(context, LeaseRepository(self.engine), runs, stats, process_name())

    def sharer(self) -> Sharer:
        return Sharer.of(self.pipeline, self.settings.rollup_every_s, JobStats(self.metrics))

    def parts(self, *, takes_readings: bool) -> Parts:
        """What the web side is made of."""
        return Parts(
            engine=self.engine,
            timeseries=self.timeseries,
            registry=self.registry,
            factors=self.factors,
            reader=self.reader,
            evidence=self.evidence,
            authenticate=self.access.authenticate,
            operations=self.operations.table(),
            health=self.health,
            config_dir=self.settings.config_path,
            secret_key=kept_secret(self.settings.data_path / "keys" / "sessions"),
            signing_key_pem=self.signer.public_pem,
            is_control_token=lambda token: secrets.compare_digest(token.encode(), self.control_token.encode()),
            metrics=self.metrics,
            intake_blueprint=http_intake(self.intake, self.ingest_stats) if takes_readings else None,
        )

    def health(self) -> list[HealthCheck]:
        """Does everything answer that this process needs?"""
        checks = [_answers("timeseries", self.timeseries.ping), _answers("database", self._ask_database)]
        if self.broker is not None:
            detail = f"{self.broker.engine} at {self.broker.url}" if self.broker.alive else "the embedded broker died"
            checks.append(HealthCheck("broker", self.broker.alive, detail))
        if self.listener is not None:
            state = self.listener.state()
            checks.append(HealthCheck("mqtt", state.connected, state.detail))
        return checks

    def _ask_database(self) -> str:
        return f"{self.engine.dialect.name}, registry version {self.registry().version}"


@dataclass(frozen=True, slots=True)
class Operations:
    """The OPERATIONS table bound to a house."""

    house: House

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        return OPERATIONS[name](self.house, arguments)

    def table(self) -> dict[str, Operation]:
        return {name: partial(operation, self.house) for name, operation in OPERATIONS.items()}


def build(settings: Settings) -> House:
    """Put a gateway together; raises ConfigurationError for what is wrong, StoreError for a store that is not there."""
    profiles, factors, policies, methods = load_knowledge(settings)
    _make_data_directory(settings)
    with contextlib.ExitStack() as opened:  # what was opened is closed again if a later step fails
        engine = open_database(settings.relational_url)
        opened.callback(engine.dispose)
        repository = RegistryRepository(engine)
        timeseries = open_timeseries(
            settings.timeseries,
            path=settings.data_path / "timeseries.duckdb",
            directory=repository.ref,
            engine=engine,
        )
        opened.callback(timeseries.close)
        house = _house(settings, engine, timeseries, repository, profiles, factors, policies, methods)
        opened.pop_all()
    return house


def _house(
    settings: Settings,
    engine: Engine,
    timeseries: TimeSeriesStore,
    repository: RegistryRepository,
    profiles: Mapping[str, MeterProfile],
    factors: FactorBook,
    policies: Mapping[str, Policy],
    methods: Mapping[str, MethodFile],
) -> House:
    signer = Signer.of(settings.data_path)
    derived = DerivedStage(timeseries, factors.steam)
    goods = load_defaults(settings.config_path)
    metrics = CollectorRegistry()
    return House(
        settings=settings,
        engine=engine,
        timeseries=timeseries,
        registry_repository=repository,
        profiles=profiles,
        knowledge=Knowledge(
            profiles,
            ACTIVITIES,
            policies=frozenset(policies),
            regions=frozenset(factor.region for factor in factors.factors.values()),
            fuel_sets=factors.fuel_sets,
            factors=factors.factors.keys(),
            zone_problem=check_zone,
            methods={name: file.method for name, file in methods.items()},
            own_value_problem=problem_of,
            steam_problem=factors.steam.conditions_problem,
            limits=_limit_units(policies),
            goods=frozenset(goods.goods),
            points_limit=settings.enterprise_points,
        ),
        factors=factors,
        access=Access(TokenRepository(engine), password_hash),
        reader=AccountReader(read_only(engine), timeseries, repository.snapshot, factors, profiles, goods),
        pipeline=_pipeline(settings, engine, timeseries, repository, factors, policies, signer, derived, metrics),
        roots=DailyRoots(engine, signer),
        verifier=Verifier(engine, timeseries, signer, derived, settings.data_path),
        signer=signer,
        set_aside=SetAsideRepository(engine),
        evidence=EvidenceStore(engine, settings.data_path / "evidence"),
        intake=Intake(
            timeseries,
            repository.snapshot,
            BatchesRepository(engine),
            WatchedStatuses(engine, repository.snapshot),
            IngestLimits.keeping(settings.raw_retention_days, DropsRepository(engine).horizons().values()),
            quotas=quotas_of(settings, engine, repository.snapshot),
            device_quotas=device_quotas_of(settings, engine, repository.snapshot),
        ),
        ingest_stats=IngestStats(metrics),
        metrics=metrics,
    )


def _limit_units(policies: Mapping[str, Policy]) -> dict[str, str]:
    """Every row of the energy-limit files; each policy holds all of them."""
    return {limit.id: limit.unit for policy in policies.values() for limit in policy.limits.values()}


def _pipeline(
    settings: Settings,
    engine: Engine,
    timeseries: TimeSeriesStore,
    repository: RegistryRepository,
    factors: FactorBook,
    policies: Mapping[str, Policy],
    signer: Signer,
    derived: DerivedStage,
    metrics: CollectorRegistry,
) -> Pipeline:
    drops = DropsRepository(engine)
    usage = UsageStage(engine, timeseries, derived, drops.horizons)
    series = SeriesSource(timeseries, timeseries.usage, kept_of=drops.digests, at_hand=usage.digests.known)
    activities = ActivitySource(RecordsRepository(engine), series)
    return Pipeline(
        engine=engine,
        timeseries=timeseries,
        registry=repository.snapshot,
        changed_rules=ChangedRules(engine, timeseries, usage, factors),
        usage=usage,
        checks=ChecksStage(engine, timeseries, settings.settle_s),
        entries=EntriesStage(engine, activities, factors, usage.reached),
        statements=StatementsStage(engine, policies, signer, settings.settle_s),
        sums=SumsStage(engine, policies, signer),
        settle_s=settings.settle_s,
        turns=turns_of(settings.timeseries, engine, metrics),
    )


def _make_data_directory(settings: Settings) -> None:
    try:
        settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"TANMAI_DATA_DIR={settings.data_dir}: cannot be made ({error.strerror}); name a directory that can"
        ) from error


def _answers(name: str, ask: Callable[[], str]) -> HealthCheck:
    try:
        return HealthCheck(name, True, ask())
    except StoreError as error:
        return HealthCheck(name, False, str(error))
