"""The finding `ingest.over_quota`: a sender was held off because it sent more than its quota. One an hour."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreError
from gateway.carbon.model import Finding
from gateway.store.findings_repository import FindingsRepository

NAME = "ingest.over_quota"

log = structlog.get_logger(__name__)


def tell_over_quota(engine: Engine, known: Callable[[str], bool]) -> Callable[[str, str, int], None]:
    """What ingest calls when a sender is held off: logs it, and keeps a finding if the enterprise is registered."""

    def tell(enterprise: str, sender: str, hour_ms: int) -> None:
        log.warning("ingest.over_quota", enterprise=enterprise, sender=sender, next="it is held off; nothing is lost")
        if not known(enterprise):
            return
        zh = f"{sender} 的上报超出配额,网关已要求其稍后再发;数据保存在发送端,未丢失。"
        en = f"{sender} sent more than its quota and is held off; what it could not deliver is kept and comes later."
        found = Finding(NAME, enterprise, sender, hour_ms, "warning", {"sender": sender}, zh, en)
        start, end = hour_ms, hour_ms + HOUR_MS
        try:
            FindingsRepository(engine).replace(enterprise, sender, start, end, [found], hour_ms, prefixes=("ingest.",))
        except StoreError as error:
            log.warning("ingest.finding_not_kept", enterprise=enterprise, sender=sender, error=str(error))

    return tell
