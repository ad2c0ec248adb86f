"""What an operator does to the books by hand, always with a name and a reason; lines of the OPERATIONS table."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from collectors.clock import now_ms
from gateway.accounts.adjusting import AdjustmentRefused, Asked, ask_for, decide, listed
from gateway.accounts.periods import parse_period
from gateway.carbon.adjustments import Decided
from gateway.carbon.calendar import local_day
from gateway.control import OperationFailed

if TYPE_CHECKING:
    from gateway.wiring import House

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

MAX_NAME = 200
MAX_REASON = 2_000


def reopen(house: House, arguments: Arguments) -> Answer:
    """Open a closed month again as its next version; it follows the ledger until `tanmai close`."""
    enterprise = registered(house, arguments)
    by, why = named(arguments), reason(arguments)
    try:
        period = parse_period(str(arguments.get("period") or ""))
    except ValueError as error:
        raise OperationFailed(str(error)) from error
    if period.kind != "month":
        raise OperationFailed(
            f"{period.text!r}: only months are reopened, such as 2026-10; their quarter and year follow them"
        )
    version = house.pipeline.reopen(period.text, enterprise, by, why, now_ms())
    if version is None:
        raise OperationFailed(f"{enterprise} has no closed statement of {period.text}: there is nothing to reopen")
    return {"enterprise": enterprise, "period": period.text, "version": version, "predecessor": version - 1}


def request_adjustment(house: House, arguments: Arguments) -> Answer:
    """Ask for an adjustment of a day; `evidence` is the SHA-256 of a kept file, or `content` with its `name`."""
    enterprise = house.registry().enterprises[registered(house, arguments)]
    today = local_day(now_ms(), house.registry().park_of(enterprise.id).timezone)
    asked = Asked(
        source=str(arguments.get("source") or ""),
        day=_day(arguments),
        emission_kg=str(arguments.get("emission_kg") or "0"),
        energy_kgce=str(arguments.get("energy_kgce") or "0"),
        author=named(arguments),
        why=reason(arguments),
        evidence=_evidence(house, enterprise.id, arguments),
    )
    try:
        document = ask_for(house.engine, enterprise, asked, house.settings.adjustment_approval_kg, today, now_ms())
    except AdjustmentRefused as refused:
        raise OperationFailed(f"nothing was adjusted: {refused}") from refused
    answer: Answer = msgspec.to_builtins(document)
    return answer


def approve_adjustment(house: House, arguments: Arguments) -> Answer:
    """Approve an adjustment as its second person."""
    return _decided(house, arguments, "approved")


def withdraw_adjustment(house: House, arguments: Arguments) -> Answer:
    """Withdraw an adjustment; what was booked for it is taken back."""
    return _decided(house, arguments, "withdrawn")


def list_adjustments(house: House, arguments: Arguments) -> Answer:
    """An enterprise's adjustments by number."""
    return {"items": [msgspec.to_builtins(one) for one in listed(house.engine, registered(house, arguments))]}


def _decided(house: House, arguments: Arguments, decided: Decided) -> Answer:
    number = arguments.get("number")
    if not isinstance(number, int) or not 0 < number < 2**31:
        raise OperationFailed("number must be that of an adjustment, as `tanmai adjustments list` shows it")
    enterprise, by, why = registered(house, arguments), named(arguments), reason(arguments)
    try:
        document = decide(house.engine, enterprise, number, decided, by, why, now_ms())
    except AdjustmentRefused as refused:
        raise OperationFailed(str(refused)) from refused
    answer: Answer = msgspec.to_builtins(document)
    return answer


def _day(arguments: Arguments) -> date:
    text = str(arguments.get("day") or "")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise OperationFailed(f"{text!r} is no day: write it as 2026-10-05") from error


def _evidence(house: House, enterprise: str, arguments: Arguments) -> str:
    """SHA-256 of what backs an adjustment: a file that is sent along, or one that is kept already."""
    content, digest = arguments.get("content"), str(arguments.get("evidence") or "")
    if content is not None:
        try:
            file = base64.b64decode(str(content), validate=True)
            return house.evidence.put(enterprise, file, str(arguments.get("name") or ""), now_ms()).sha256
        except ValueError as error:  # no base64, or refused
            raise OperationFailed(f"nothing was adjusted: the evidence cannot be kept: {error}") from error
    if digest not in house.evidence.all(enterprise, [digest]):
        raise OperationFailed(
            "nothing was adjusted: it needs evidence, a file or the SHA-256 of one that "
            f"{enterprise} has sent; {digest[:64]!r} is none"
        )
    return digest


def registered(house: House, arguments: Arguments) -> str:
    """The id of the enterprise that was named."""
    enterprise = str(arguments.get("enterprise") or "")
    if enterprise not in house.registry().enterprises:
        raise OperationFailed(
            f"enterprise {enterprise!r} is not registered; `tanmai registry show` lists those that are"
        )
    return enterprise


def named(arguments: Arguments) -> str:
    """Who acts: a person's name."""
    by = str(arguments.get("by") or "").strip()
    if not 0 < len(by) <= MAX_NAME:
        raise OperationFailed(f"say who does it (--by): a name of 1 to {MAX_NAME} characters")
    return by


def reason(arguments: Arguments) -> str:
    """Why somebody acts: text."""
    why = str(arguments.get("reason") or "").strip()
    if not 0 < len(why) <= MAX_REASON:
        raise OperationFailed(f"give a reason (--reason) of 1 to {MAX_REASON} characters: it is kept for good")
    return why
