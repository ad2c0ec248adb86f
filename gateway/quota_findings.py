"""Quotas as the settings say, and the finding `ingest.over_quota`: a sender was held off. One an hour of each."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreError
from gateway.carbon.model import Finding
from gateway.ingest.quotas import Held, OnExceeded, Quota, Quotas
from gateway.registry.model import Registry
from gateway.settings import Settings
from gateway.store.findings_repository import FindingsRepository

NAME = "ingest.over_quota"

# Each quota of gateway.ingest.quotas.NAMES -> what it limits, in Chinese and English.
_WORDS = {
    "enterprise_readings": ("全企业每秒 {limit:g} 条读数", "{limit:g} readings a second of the whole enterprise"),
    "enterprise_bytes": ("全企业每秒 {limit:g} 字节", "{limit:g} bytes a second of the whole enterprise"),
    "sender_readings": ("该发送端每秒 {limit:g} 条读数", "{limit:g} readings a second of this sender"),
    "sender_bytes": ("该发送端每秒 {limit:g} 字节", "{limit:g} bytes a second of this sender"),
}

log = structlog.get_logger(__name__)


def quotas_of(settings: Settings, engine: Engine, registry: Callable[[], Registry]) -> Quotas:
    """What the registry says of somebody comes before these; ingest asks it before each group."""
    return Quotas(
        Quota(settings.enterprise_readings_per_s, settings.enterprise_bytes_per_s),
        Quota(settings.quota_readings_per_s, settings.quota_bytes_per_s),
        tell_over_quota(engine, registry),
    )


def finding_of(enterprise: str, sender: str, hour_ms: int, held: Held) -> Finding:
    zh, en = (words.format(limit=held.limit_per_s) for words in _WORDS[held.quota])
    return Finding(
        NAME,
        enterprise,
        sender,
        hour_ms,
        "warning",
        {"sender": sender, "quota": held.quota, "limit_per_s": held.limit_per_s},
        f"{sender} 的上报超出配额（{zh}），网关已要求其稍后再发；数据保存在发送端，未丢失。",
        f"{sender} sent more than its quota ({en}) and is held off; what it could not deliver is kept and comes later.",
    )


def tell_over_quota(engine: Engine, registry: Callable[[], Registry]) -> OnExceeded:
    """What ingest calls when a sender is held off: logs it, and keeps a finding if the enterprise is registered."""

    def tell(enterprise: str, sender: str, hour_ms: int, held: Held) -> None:
        words = {"enterprise": enterprise, "sender": sender, "quota": held.quota, "limit_per_s": held.limit_per_s}
        log.warning("ingest.over_quota", **words, next="it is held off; nothing is lost")
        try:
            if enterprise not in registry().enterprises:
                return
            found = finding_of(enterprise, sender, hour_ms, held)
            span = hour_ms, hour_ms + HOUR_MS
            FindingsRepository(engine).replace(enterprise, sender, *span, [found], hour_ms, prefixes=("ingest.",))
        except StoreError as error:
            log.warning("ingest.finding_not_kept", enterprise=enterprise, sender=sender, error=str(error))

    return tell
