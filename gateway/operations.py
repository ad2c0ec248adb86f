"""What an administrator can ask of a gateway: one table of operations, JSON in, JSON out.

The command line calls them, through a running server or directly; `POST /api/v1/operations/<name>` calls the same
functions. An operation that refuses raises OperationFailed with a message for the person who asked. To add one, add a
function and a line to OPERATIONS.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from collectors.clock import now_ms, to_ms
from collectors.errors import ConfigurationError, StoreUnavailable
from gateway import finding_operations, ledger_operations, rebuild_operations, record_operations
from gateway import footprint_operations as footprints
from gateway.accounts.documents import instant
from gateway.accounts.periods import Period, months_after, parse_period
from gateway.accounts.proofs import NoRootYet
from gateway.agent_configs import operations as agent_configs
from gateway.carbon.calendar import local_day
from gateway.control import OperationFailed
from gateway.ingest.again import MENDABLE, REPLAYABLE, accept_again
from gateway.points_findings import keep_refused, keep_standing
from gateway.policy_operations import try_draft
from gateway.registry.dumping import dump_registry
from gateway.registry.loading import read_registry
from gateway.registry.model import Enterprise
from gateway.scheduler.book_workers import MAX_WORKERS
from gateway.store.ingest_rows import SetAsideRow
from gateway.store.set_aside_repository import SetAsideEntry
from gateway.webhooks import operations as webhooks

if TYPE_CHECKING:
    from gateway.wiring import House

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise OperationFailed(f"{name} is missing: it must be text")
    return value


def _optional(arguments: Arguments, name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise OperationFailed(f"{name} must be text")
    return value or None


def _enterprise(house: House, name: str) -> Enterprise:
    found = house.registry().enterprises.get(name)
    if found is None:
        raise OperationFailed(f"enterprise {name!r} is not registered; `tanmai registry show` lists those that are")
    return found


def _registry_apply(house: House, arguments: Arguments) -> Answer:
    """Apply a registry file. ConfigurationError carries all problems in it."""
    dry_run = bool(arguments.get("dry_run"))
    stored = house.registry()
    text, name = _text(arguments, "text"), str(arguments.get("file") or "registry")
    try:
        file = read_registry(text, name, house.knowledge, stored)
    except ConfigurationError as error:
        if not dry_run:
            keep_refused(house.engine, stored, error.problems, now_ms())
        raise
    diff = house.registry_repository.apply(file, now_ms(), dry_run=dry_run)
    if not dry_run:
        usual_limit = house.settings.enterprise_points
        keep_standing(house.engine, house.registry(), usual_limit, now_ms(), file.enterprises)
    return {"diff": list(diff.lines), "version": diff.version, "dry_run": dry_run}


def _registry_show(house: House, arguments: Arguments) -> Answer:
    only = _optional(arguments, "enterprise")
    wanted = None if only is None else [_enterprise(house, only).id]
    return {"text": dump_registry(house.registry(), house.knowledge, wanted)}


def _token_create(house: House, arguments: Arguments) -> Answer:
    role, subject = _text(arguments, "role"), str(arguments.get("subject") or "")
    _check_subject(house, role, subject)
    token = house.access.issue(role, subject, now_ms())
    if role == "device":
        try:
            house.admit_at_broker(subject, token)
        except StoreUnavailable as error:  # a token that the broker does not know is of no use to an agent
            house.access.revoke(token.split("_")[1], now_ms())
            raise OperationFailed(f"no token was made: the broker did not take the account: {error}") from error
    return {"token": token}


def _check_subject(house: House, role: str, subject: str) -> None:
    """A token for somebody who is not registered is nearly always a slip."""
    registry = house.registry()
    if role == "device":
        enterprise, _, sender = subject.partition("/")
        known = registry.enterprises.get(enterprise)
        senders = [agent.id for agent in known.agents] + [device.id for device in known.devices] if known else []
        if sender not in senders:
            raise OperationFailed(
                f"{subject!r} is no registered agent or device: write ENTERPRISE/AGENT"
                + (f"; {enterprise} has {', '.join(senders)}" if senders else "")
            )
    elif role == "enterprise":
        _enterprise(house, subject)
    elif role == "park" and subject not in registry.parks:
        raise OperationFailed(f"park {subject!r} is not registered; there are {', '.join(registry.parks) or 'none'}")
    elif role == "platform" and not subject:
        raise OperationFailed("name the platform, such as: tanmai token create platform quanzhou-finance")


def _token_list(house: House, arguments: Arguments) -> Answer:
    items = [
        {
            "id": one.id,
            "role": one.role,
            "subject": one.subject,
            "created_at": instant(one.created_at_ms),
            "revoked_at": None if one.revoked_at_ms is None else instant(one.revoked_at_ms),
        }
        for one in house.access.tokens()
    ]
    return {"items": items}


def _token_revoke(house: House, arguments: Arguments) -> Answer:
    token_id = _text(arguments, "id")
    if not house.access.revoke(token_id, now_ms()):
        raise OperationFailed(f"there is no token {token_id!r} in force; `tanmai token list` shows all")
    try:
        house.dismiss_at_broker(token_id)
    except StoreUnavailable as error:
        raise OperationFailed(
            f"{token_id} is revoked here, but the broker still lets its agent in: {error}. Revoke it there, or make "
            "the agent a new token once the broker answers"
        ) from error
    return {"revoked": token_id}


def _rollup(house: House, arguments: Arguments) -> Answer:
    until = _optional(arguments, "until")
    return {"stages": house.pipeline.run(now_ms() if until is None else _instant_ms(until))}


def _instant_ms(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return to_ms(at)
    except (ValueError, OverflowError):
        pass  # the same answer as to a time without zone
    raise OperationFailed(f"{text!r} is no time: write one with its zone, such as 2026-11-01T00:10:00+08:00")


def _close(house: House, arguments: Arguments) -> Answer:
    period, only = _text(arguments, "period"), _optional(arguments, "enterprise")
    wanted = _period(period)
    if wanted.kind == "day":
        raise OperationFailed(f"{period!r}: months, quarters and years are closed, such as 2026-10, 2026-Q4 or 2026")
    registry, now = house.registry(), now_ms()
    named = registry.enterprises if only is None else [_enterprise(house, only).id]
    zones = {registry.park_of(enterprise).timezone for enterprise in named}
    first_end = months_after(wanted.start, 1)  # of a quarter or year the months that have ended are closed
    if zones and all(local_day(now, zone) < first_end for zone in zones):
        raise OperationFailed(f"{period} has not ended yet: a month is closed once its last day is over")
    closed, refused = house.pipeline.close(period, only, now)
    return {
        "period": period,
        "closed": [{"enterprise": one, "period": own, "version": version} for one, own, version in closed],
        "refused": [{"enterprise": one, "period": own, "why": why} for one, own, why in refused],
    }


def _period(text: str) -> Period:
    try:
        return parse_period(text)
    except ValueError as error:
        raise OperationFailed(str(error)) from error


def _account(house: House, arguments: Arguments) -> Answer:
    enterprise = _enterprise(house, _text(arguments, "enterprise")).id
    period = _period(_text(arguments, "period"))
    statement = house.reader.statement(enterprise, period, now_ms())
    rating = house.reader.rating(enterprise, period)
    if statement is None:
        raise OperationFailed(f"there is no statement of {enterprise} for {period.text} yet: run `tanmai rollup`")
    return {
        "statement": msgspec.to_builtins(statement),
        "rating": None if rating is None else msgspec.to_builtins(rating),
    }


def _explain(house: House, arguments: Arguments) -> Answer:
    entry = _text(arguments, "entry")
    enterprise, _, seq = entry.rpartition("-")
    is_number = seq.isascii() and seq.isdigit() and len(seq) < 10
    explained = house.reader.explain(enterprise, int(seq)) if is_number else None
    if explained is None:
        raise OperationFailed(f"there is no entry {entry!r}; an id looks like 91350500M00000000L-12")
    return explained


def _proof(house: House, arguments: Arguments) -> Answer:
    entry, under = _text(arguments, "entry"), _optional(arguments, "root")
    enterprise, _, seq = entry.rpartition("-")
    is_number = seq.isascii() and seq.isdigit() and len(seq) < 10
    try:
        proof = house.reader.proof(enterprise, int(seq), _day(under)) if is_number else None
    except NoRootYet as none:
        raise OperationFailed(str(none)) from none
    if proof is None:
        raise OperationFailed(f"there is no entry {entry!r}; an id looks like 91350500M00000000L-12")
    answer: Answer = msgspec.to_builtins(proof)
    return answer


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise OperationFailed(f"{text!r} is no day: write it as 2026-10-05") from error


def _verify(house: House, arguments: Arguments) -> Answer:
    only, period = _optional(arguments, "enterprise"), _optional(arguments, "period")
    if only is not None:
        _enterprise(house, only)
    workers = arguments.get("workers")
    if workers is not None and (not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS):
        raise OperationFailed(f"workers must be a whole number from 1 to {MAX_WORKERS}")
    return house.verifier.run(house.registry(), only, None if period is None else _period(period), workers)


def _verify_progress(house: House, arguments: Arguments) -> Answer:
    """How far the verification is that was begun last, in enterprises; nothing of nothing where none runs."""
    newest = house.verifier.running[-1:]
    return {"done": newest[0].done, "total": newest[0].total} if newest else {"done": 0, "total": 0}


def _set_aside_list(house: House, arguments: Arguments) -> Answer:
    limit = arguments.get("limit", 50)
    if not isinstance(limit, int) or not 1 <= limit <= 1000:
        raise OperationFailed("limit must be a whole number from 1 to 1000")
    after = arguments.get("after", 0)
    if not isinstance(after, int):
        raise OperationFailed("after must be the id of the last row seen")
    enterprise, reason = _optional(arguments, "enterprise"), _optional(arguments, "reason")
    rows = house.set_aside.page(enterprise=enterprise, reason=reason, after=after, limit=limit)
    return {"items": [{"id": row.id, **_about_set_aside(row)} for row in rows]}


def _about_set_aside(row: SetAsideEntry | SetAsideRow) -> Answer:
    return {
        "received_at": instant(row.received_at_ms),
        "enterprise": row.enterprise,
        "sender": row.sender,
        "batch": row.batch_id,
        "reason": row.reason,
        "detail": row.detail,
        "count": row.count,
    }


def _set_aside_show(house: House, arguments: Arguments) -> Answer:
    number = arguments.get("id")
    row = house.set_aside.get(number) if isinstance(number, int) else None
    if row is None:
        raise OperationFailed(f"nothing is set aside under {number!r}")
    about = _about_set_aside(row)
    try:
        return {**about, "payload": row.payload.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        return {**about, "payload": base64.b64encode(row.payload).decode(), "encoding": "base64"}


def _set_aside_accept(house: House, arguments: Arguments) -> Answer:
    """Take in what was set aside for want of a registration that is there now, for one reason, or by id."""
    only, reason, ids = _optional(arguments, "enterprise"), _optional(arguments, "reason"), arguments.get("ids") or []
    wanted = None if only is None else _enterprise(house, only).id
    if reason not in (None, *REPLAYABLE):
        raise OperationFailed(f"what was set aside as {reason!r} stays wrong; taken in again: {', '.join(REPLAYABLE)}")
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        raise OperationFailed("ids must be a list of ids")
    reasons = MENDABLE if reason is None else (reason,)
    return asdict(accept_again(house.intake, house.set_aside, wanted, now_ms(), reasons, ids))


OPERATIONS: dict[str, Callable[[House, Arguments], Answer]] = {
    "registry_apply": _registry_apply,
    "registry_show": _registry_show,
    "token_create": _token_create,
    "token_list": _token_list,
    "token_revoke": _token_revoke,
    "records_import": record_operations.import_records,
    "records_list": record_operations.list_records,
    "records_template": record_operations.template,
    "evidence_put": record_operations.put_evidence,
    "evidence_get": record_operations.get_evidence,
    "rollup": _rollup,
    "rebuild": rebuild_operations.rebuild,
    "close": _close,
    "reopen": ledger_operations.reopen,
    "adjustment_request": ledger_operations.request_adjustment,
    "adjustment_approve": ledger_operations.approve_adjustment,
    "adjustment_withdraw": ledger_operations.withdraw_adjustment,
    "adjustment_list": ledger_operations.list_adjustments,
    "account": _account,
    "explain": _explain,
    "proof": _proof,
    "verify": _verify,
    "verify_progress": _verify_progress,
    "set_aside_list": _set_aside_list,
    "set_aside_show": _set_aside_show,
    "set_aside_accept": _set_aside_accept,
    "ingest_signatures": agent_configs.signatures,
    "agent_config_key": agent_configs.key,
    "agent_config_push": agent_configs.push,
    "agent_config_show": agent_configs.show,
    "agent_config_history": agent_configs.history,
    "policy_try": try_draft,
    "footprint": footprints.show,
    "footprint_publish": footprints.publish,
    "footprint_pact": footprints.exchange,
    "finding_list": finding_operations.list_findings,
    "finding_show": finding_operations.show_finding,
    "finding_acknowledge": finding_operations.acknowledge,
    "finding_reopen": finding_operations.reopen,
    "webhook_create": webhooks.create,
    "webhook_list": webhooks.show_all,
    "webhook_resume": webhooks.resume,
    "webhook_delete": webhooks.delete,
}
