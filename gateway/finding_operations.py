"""What an administrator does with findings; lines of the OPERATIONS table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from collectors.clock import now_ms
from gateway.accounts.findings import FindingRefused, decide, history_of
from gateway.control import OperationFailed
from gateway.store.findings_repository import Status

if TYPE_CHECKING:
    from gateway.wiring import House

STATUSES = ("open", "acknowledged", "resolved")
MAX_LISTED = 1_000


def list_findings(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Findings of an enterprise in the order they were first made; of one, its decisions too."""
    enterprise = _enterprise(house, arguments)
    status, after, limit = arguments.get("status"), arguments.get("after", 0), arguments.get("limit", 100)
    if status is not None and status not in STATUSES:
        raise OperationFailed(f"status must be {', '.join(STATUSES)}")
    if not isinstance(after, int) or not isinstance(limit, int) or not 1 <= limit <= MAX_LISTED:
        raise OperationFailed(f"after must be the id of the last finding seen, limit 1 to {MAX_LISTED}")
    items = house.reader.findings(enterprise, None, status=status, after_id=after, limit=limit)
    return {"items": [msgspec.to_builtins(item) for item in items]}


def show_finding(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One finding with all that was decided about it."""
    history = history_of(house.engine, _enterprise(house, arguments), _number(arguments))
    if history is None:
        raise OperationFailed(f"there is no finding {_number(arguments)} of this enterprise")
    answer: dict[str, Any] = msgspec.to_builtins(history)
    return answer


def acknowledge(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Take note of a finding, with a reason."""
    return _decided(house, arguments, "acknowledged")


def reopen(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Open an acknowledged finding again, with a reason."""
    return _decided(house, arguments, "open")


def _decided(house: House, arguments: Mapping[str, Any], status: Status) -> dict[str, Any]:
    by = str(arguments.get("by") or "").strip()
    try:
        history = decide(
            house.engine,
            house.registry(),
            _enterprise(house, arguments),
            _number(arguments),
            status,
            role="admin",
            by=f"admin {by}".strip(),
            why=str(arguments.get("reason") or ""),
            now_ms=now_ms(),
        )
    except FindingRefused as refused:
        raise OperationFailed(str(refused)) from refused
    answer: dict[str, Any] = msgspec.to_builtins(history)
    return answer


def _enterprise(house: House, arguments: Mapping[str, Any]) -> str:
    enterprise = str(arguments.get("enterprise") or "")
    if enterprise not in house.registry().enterprises:
        raise OperationFailed(
            f"enterprise {enterprise!r} is not registered; `tanmai registry show` lists those that are"
        )
    return enterprise


def _number(arguments: Mapping[str, Any]) -> int:
    number = arguments.get("id")
    if not isinstance(number, int) or not 0 < number < 2**31:
        raise OperationFailed("id must be the number of a finding, as `tanmai findings list` shows it")
    return number
