"""What is known of the readings behind a figure beside their values: signatures, what was dropped, where raw stands.

Signatures are kept per batch, not per reading: those are looked at that the enterprise's agents made from the first to
the last reading, by the time in their ids, or that came in that time where ids hold none. So with several agents all
of them are named; a device that sends by itself is a sender of its own. Batches are remembered for 100 days.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.wire import first_batch_id
from gateway.accounts.documents import Bilingual, instant
from gateway.carbon.day_proof import DayProof
from gateway.registry.model import Enterprise
from gateway.store.batches_repository import BatchesRepository, SignatureCount
from gateway.store.drops_repository import DropsRepository
from gateway.store.findings_repository import FindingsRepository
from gateway.store.timeseries import TimeSeriesStore

DROPPED = "agent.readings_dropped"
MADE_WITHIN_MS = 5 * 60_000  # of its last reading a batch is made
COME_WITHIN_MS = 24 * HOUR_MS  # a batch without a time in its id is looked for so long

_VERDICTS = {
    "valid": ("签名有效", "verified"),
    "unsigned": ("未签名", "unsigned"),
    "unknown_key": ("签名密钥未登记", "signed by a key that is not registered"),
    "expired_key": ("签名密钥已过期", "signed by a key that had expired"),
    "bad_signature": ("签名无效", "bad signature"),
    "": ("未查验", "not looked at"),
}

Place = Literal["kept", "archived", "removed"]


class SignatureStep(msgspec.Struct, frozen=True, kw_only=True):
    """Batches of one sender with the same verdict under the same key."""

    sender: str
    signature: str  # valid | unsigned | unknown_key | expired_key | bad_signature; "" = nobody looked
    key_id: str  # "" = none was claimed
    batches: int
    newest: str  # when the last of them came
    words: Bilingual


class DroppedStep(msgspec.Struct, frozen=True, kw_only=True):
    """Readings that an agent gave up before they were delivered, near the time of the figure."""

    agent: str
    readings: int
    first: str
    last: str
    words: Bilingual


class KeptProof(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a point's day whose raw readings were removed."""

    readings: int
    first: str | None
    last: str | None
    lowest: float | None
    highest: float | None
    digest: str
    drop: int  # number of the drop that holds it, in the chain of drops


class RawStep(msgspec.Struct, frozen=True, kw_only=True):
    """Where the raw readings of a point's day are."""

    place: Place
    words: Bilingual
    removed_at: str | None = None
    proof: KeptProof | None = None


def signatures_of(
    engine: Engine, enterprise: Enterprise, devices: list[str], span_ms: tuple[int, int]
) -> list[SignatureStep]:
    """Verdicts on the batches that the readings of a span of time came in."""
    repository, (start_ms, end_ms) = BatchesRepository(engine), span_ms
    steps = []
    for sender in (*(agent.id for agent in enterprise.agents), *sorted(set(devices))):
        ids = first_batch_id(max(start_ms, 0)), first_batch_id(end_ms + MADE_WITHIN_MS)
        found = repository.signatures_made(enterprise.id, sender, *ids)
        found = found or repository.signatures_come(enterprise.id, sender, start_ms, end_ms + COME_WITHIN_MS)
        steps += [_signature(sender, one) for one in found]
    return steps


def _signature(sender: str, found: SignatureCount) -> SignatureStep:
    zh, en = _VERDICTS.get(found.signature, (found.signature, found.signature))
    return SignatureStep(
        sender=sender,
        signature=found.signature,
        key_id=found.key_id,
        batches=found.batches,
        newest=instant(found.newest_ms),
        words=Bilingual(zh=zh, en=en),
    )


def dropped_of(engine: Engine, enterprise: str, span_ms: tuple[int, int]) -> list[DroppedStep]:
    """What agents dropped of this time, as the findings about it say."""
    steps = []
    for stored in FindingsRepository(engine).page(enterprise, 1_000, prefixes=(DROPPED,)):
        values, finding = stored.finding.values, stored.finding
        if values["first_ms"] < span_ms[1] and values["last_ms"] >= span_ms[0]:
            steps.append(
                DroppedStep(
                    agent=finding.subject,
                    readings=values["readings"],
                    first=instant(values["first_ms"]),
                    last=instant(values["last_ms"]),
                    words=Bilingual(zh=finding.zh, en=finding.en),
                )
            )
    return steps


def raw_of(
    engine: Engine, timeseries: TimeSeriesStore, enterprise: str, point_id: int, window_ms: tuple[int, int]
) -> RawStep:
    """Where a point's readings of a local day are: at hand, in archived files, or removed under retention."""
    repository = DropsRepository(engine)
    proof = repository.proof_of_day(point_id, window_ms[0])
    if proof is not None:
        drop = next(one for one in repository.drops(enterprise) if one.number == proof[1])
        return RawStep(place="removed", words=_REMOVED, removed_at=instant(drop.at_ms), proof=_kept(*proof))
    if timeseries.is_archived([point_id], *window_ms):
        return RawStep(place="archived", words=_ARCHIVED)
    return RawStep(place="kept", words=_KEPT)


def _kept(proof: DayProof, drop: int) -> KeptProof:
    return KeptProof(
        readings=proof.readings,
        first=None if proof.first_ms is None else instant(proof.first_ms),
        last=None if proof.last_ms is None else instant(proof.last_ms),
        lowest=proof.lowest,
        highest=proof.highest,
        digest=proof.digest,
        drop=drop,
    )


_KEPT = Bilingual(zh="原始读数在库", en="raw readings are at hand")
_ARCHIVED = Bilingual(
    zh="原始读数在归档月份的 Parquet 文件中，查询照常",
    en="raw readings stand in an archived month's Parquet files, and are read there",
)
_REMOVED = Bilingual(
    zh="原始读数已按保留期删除；留有当日证明：条数、首末时间、最低与最高值，以及记账时的摘要",
    en="raw readings were removed under retention; kept of the day: how many, first and last time, lowest and highest "
    "value, and the digest it was booked with",
)
