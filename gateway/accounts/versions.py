"""The history of a period's statement in one list: every version, what it stated, why the next one came.

What stays true: nothing is worked out here; each line is what the stored version says of itself. Limit: bodies of all
versions are read, a few kilobytes each.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import ReopeningDocument, instant, statement_from
from gateway.store.statements_repository import StatementsRepository, StoredStatement


class VersionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the statement of a month, quarter or year."""

    version: int
    status: Literal["open", "closed"]
    changed_at: str  # of a closed version: when it was closed; of an open one: when it changed last
    hash: str  # SHA-256 over its stored text
    predecessor: int | None  # the version that this one corrects
    compliance_kg: float
    lifecycle_kg: float
    energy_kgce: float
    reasons: tuple[str, ...]  # of the entries that it corrects its predecessor by
    corrected_sources: tuple[str, ...]
    reopened: ReopeningDocument | None  # the operator's act by which it came to follow a closed one


def versions_of(engine: Engine, enterprise: str, period: str) -> list[VersionItem]:
    """All versions, oldest first; none of a period that has no statement yet."""
    return [_item(stored) for stored in StatementsRepository(engine).versions(enterprise, period)]


def _item(stored: StoredStatement) -> VersionItem:
    document = statement_from(stored.body)
    return VersionItem(
        version=stored.version,
        status=stored.status,
        changed_at=instant(stored.updated_at_ms),
        hash=stored.hash,
        predecessor=stored.predecessor,
        compliance_kg=document.compliance_kg,
        lifecycle_kg=document.lifecycle_kg,
        energy_kgce=document.energy_kgce,
        reasons=tuple(sorted({reason for one in document.corrections for reason in one.reasons})),
        corrected_sources=tuple(sorted({one.source for one in document.corrections})),
        reopened=document.reopened,
    )
