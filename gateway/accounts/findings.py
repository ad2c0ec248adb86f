"""A finding's life: open, acknowledged with a reason, resolved by the data; who decided what, and when.

Acknowledging says "seen, and this is why"; it changes no figure. A finding is resolved by the data alone: it is not
found again. An enterprise may take note of what concerns its own data, but not of an error: that is for the park's
operator or an administrator, because others rely on the account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import FindingDocument, instant
from gateway.accounts.stored import finding_document
from gateway.carbon.calendar import local_day
from gateway.registry.model import Registry
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.findings_repository import Decision, FindingsRepository, Status

MAX_WHY = 500  # characters
ERRORS_ARE_FOR = ("park", "admin")


class DecisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    status: str  # what the finding became
    by: str  # role and subject of the token, or a person's name; `data`: its values became others
    why: str


class FindingHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A finding and all that was decided about it, oldest first."""

    finding: FindingDocument
    decisions: list[DecisionDocument]


@dataclass(frozen=True, slots=True)
class FindingRun:
    """The same said of the same subject again and again, such as a factor that is missing every day of a month."""

    newest: FindingDocument
    earlier: tuple[FindingDocument, ...]  # each with a life of its own

    @property
    def since(self) -> str:
        return min(one.at for one in (self.newest, *self.earlier))


def runs_of(findings: Iterable[FindingDocument]) -> list[FindingRun]:
    """Findings of one name, subject and status together; in the order in which each is met first."""
    together: dict[tuple[str, str, str], list[FindingDocument]] = {}
    for one in findings:
        together.setdefault((one.name, one.subject, one.status), []).append(one)
    return [FindingRun(own[0], tuple(own[1:])) for own in together.values()]


class FindingRefused(Exception):
    """The decision cannot be taken; the message says why. `code` is that of the API's problem."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def history_of(engine: Engine, enterprise: str, finding_id: int) -> FindingHistory | None:
    """A finding with its decisions; None if the enterprise has no such one."""
    findings = FindingsRepository(engine)
    stored = findings.get(enterprise, finding_id)
    if stored is None:
        return None
    decisions = [
        DecisionDocument(at=instant(one.at_ms), status=one.status, by=one.by, why=one.why)
        for one in findings.decisions(finding_id)
    ]
    return FindingHistory(finding=finding_document(stored), decisions=decisions)


def decide(
    engine: Engine,
    registry: Registry,
    enterprise: str,
    finding_id: int,
    status: Status,
    *,
    role: str,
    by: str,
    why: str,
    now_ms: int,
) -> FindingHistory:
    """Acknowledge or reopen a finding, and let its month's statement count anew what is open."""
    why = why.strip()
    if not why or len(why) > MAX_WHY:
        raise FindingRefused(422, "no-reason", f"Say why, in 1 to {MAX_WHY} characters.")
    with writing(engine) as connection:
        findings = FindingsRepository(connection)
        stored = findings.get(enterprise, finding_id)
        if stored is None:
            raise FindingRefused(404, "unknown-finding", f"There is no finding {finding_id} of this enterprise.")
        if stored.status == "resolved":
            raise FindingRefused(
                409, "resolved-finding", f"Finding {finding_id} is resolved: it is not found any more."
            )
        if stored.finding.severity == "error" and role not in ERRORS_ARE_FOR:
            raise FindingRefused(
                403, "error-needs-the-park", "An error is acknowledged or reopened by the park's operator or an admin."
            )
        findings.decide(enterprise, finding_id, Decision(now_ms, status, by, why))
        day = local_day(stored.finding.at_ms, registry.park_of(enterprise).timezone)
        # The empty source stands for the whole enterprise: its statement is due, whatever its sources did.
        DirtyDaysRepository(connection).mark([(enterprise, "", day)], "operator")
    decided = history_of(engine, enterprise, finding_id)
    if decided is None:
        raise RuntimeError(f"finding {finding_id} is gone, and findings are never deleted")
    return decided
