"""What an administrator does with webhooks; lines of the OPERATIONS table."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from collectors.clock import now_ms
from gateway.access import SUBJECTS
from gateway.accounts.documents import instant
from gateway.control import OperationFailed
from gateway.store.webhooks_repository import Webhook, WebhooksRepository
from gateway.webhooks.signature import new_secret

if TYPE_CHECKING:
    from gateway.wiring import House


def create(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A new receiver; the answer holds its secret, which is shown once."""
    platform, url, after = arguments.get("platform"), arguments.get("url"), arguments.get("after", 0)
    if not isinstance(platform, str) or not SUBJECTS["platform"].pattern.match(platform):
        raise OperationFailed("platform must be the name of the platform, as in its token: letters, digits, _ and -")
    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after < 2**63:
        raise OperationFailed("after must be the `seq` of the last change that the receiver has, or 0 for all")
    webhook = Webhook(
        id=f"wh_{secrets.token_hex(6)}",
        platform=platform,
        url=_checked_url(url),
        secret=new_secret(),
        created_at_ms=now_ms(),
        after_seq=after,
    )
    WebhooksRepository(house.engine).add(webhook)
    return {"id": webhook.id, "secret": webhook.secret}


def show_all(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Receivers and how they are doing; secrets are not shown again."""
    return {"items": [_document(one) for one in WebhooksRepository(house.engine).all()]}


def resume(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Try a parked or waiting receiver again at once."""
    return _known(arguments, WebhooksRepository(house.engine).resume(str(arguments.get("id"))), "resumed")


def delete(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Bring nothing there any more."""
    return _known(arguments, WebhooksRepository(house.engine).remove(str(arguments.get("id"))), "deleted")


def _known(arguments: Mapping[str, Any], found: bool, done: str) -> dict[str, Any]:
    if not found:
        raise OperationFailed(f"there is no webhook {arguments.get('id')!r}; `tanmai webhooks list` shows all")
    return {done: arguments["id"]}


def _document(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "platform": webhook.platform,
        "url": webhook.url,
        "after": webhook.after_seq,
        "state": "parked" if webhook.parked_at_ms is not None else "failing" if webhook.failures else "fine",
        "failures": webhook.failures,
        "failing_since": None if webhook.failing_since_ms is None else instant(webhook.failing_since_ms),
        "next_at": instant(webhook.next_at_ms) if webhook.failures and webhook.parked_at_ms is None else None,
        "last_error": webhook.last_error,
    }


def _checked_url(url: object) -> str:
    """An address of a receiver: https, or http on this machine. Raises OperationFailed."""
    if not isinstance(url, str) or len(url) > 2000:
        raise OperationFailed("url is missing: it must be text such as https://platform.example/tanmai")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise OperationFailed(f"{url!r} is no address: {error}") from error
    if not host or parts.username is not None or parts.password is not None:
        raise OperationFailed(f"{url!r}: write https://host/path, without a user name or password in it")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(host)):
        return url
    raise OperationFailed(f"{url!r}: accounts go out over https only (http is for receivers on this machine)")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
