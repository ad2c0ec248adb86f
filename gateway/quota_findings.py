"""Quotas as the settings say, and what is found when one is hit: one finding an hour of each sender and device.

`ingest.over_quota`: a sender was held off. `ingest.device_over_quota`: readings of a device were set aside.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreError
from gateway.carbon.model import Finding
from gateway.ingest.device_quotas import DeviceQuotas
from gateway.ingest.quotas import DEVICE, Held, OnExceeded, Quota, Quotas
from gateway.registry.model import Registry
from gateway.settings import Settings
from gateway.store.findings_repository import FindingsRepository

NAME = "ingest.over_quota"
DEVICE_NAME = "ingest.device_over_quota"

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


def device_quotas_of(settings: Settings, engine: Engine, registry: Callable[[], Registry]) -> DeviceQuotas:
    return DeviceQuotas(settings.device_readings_per_s, tell_over_quota(engine, registry))


def finding_of(enterprise: str, subject: str, hour_ms: int, held: Held) -> Finding:
    """`subject` is the sender, or the device where it is a device's quota."""
    if held.quota == DEVICE:
        return _of_device(enterprise, subject, hour_ms, held.limit_per_s)
    zh, en = (words.format(limit=held.limit_per_s) for words in _WORDS[held.quota])
    return Finding(
        NAME,
        enterprise,
        subject,
        hour_ms,
        "warning",
        {"sender": subject, "quota": held.quota, "limit_per_s": held.limit_per_s},
        f"{subject} 的上报超出配额（{zh}），网关已要求其稍后再发；数据保存在发送端，未丢失。",
        f"{subject} sent more than its quota ({en}) and is held off; what it could not deliver is kept there and comes "
        "later.",
    )


def _of_device(enterprise: str, device: str, hour_ms: int, limit: float) -> Finding:
    return Finding(
        DEVICE_NAME,
        enterprise,
        device,
        hour_ms,
        "warning",
        {"device": device, "quota": DEVICE, "limit_per_s": limit},
        f"设备 {device} 的读数超出其配额（每秒 {limit:g} 条），超出部分已另存，未入账；"
        "请降低采集频率或提高配额，另存的读数可以重新接收。",
        f"Device {device} brought more readings than its quota of {limit:g} a second; those beyond are set aside and "
        "not booked. Have it polled less often or raise the quota; what was set aside can be taken in again.",
    )


def tell_over_quota(engine: Engine, registry: Callable[[], Registry]) -> OnExceeded:
    """What ingest calls when a quota is hit: logs it, and keeps a finding if the enterprise is registered."""

    def tell(enterprise: str, subject: str, hour_ms: int, held: Held) -> None:
        found = finding_of(enterprise, subject, hour_ms, held)
        log.warning(found.name, enterprise=enterprise, **found.values, next="nothing is lost; the finding says more")
        try:
            if enterprise not in registry().enterprises:
                return
            span = hour_ms, hour_ms + HOUR_MS
            FindingsRepository(engine).replace(enterprise, subject, *span, [found], hour_ms, prefixes=(found.name,))
        except StoreError as error:
            log.warning("ingest.finding_not_kept", enterprise=enterprise, subject=subject, error=str(error))

    return tell
