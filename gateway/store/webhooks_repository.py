"""Where the change feed is brought to, and how far each receiver has come.

What stays true: `after_seq` moves on only after a receiver took everything up to it, so a crash brings the same
message again rather than leaving one out. A parked one is left alone until an operator resumes it; nothing is lost
meanwhile, because the feed keeps everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from gateway.store.database import Bind, reading, writing
from gateway.store.schema import webhooks as table


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver."""

    id: str
    platform: str  # whose consents decide what is brought
    url: str
    secret: str
    created_at_ms: int
    after_seq: int  # `last` of the newest message that was taken
    failures: int = 0  # in a row
    failing_since_ms: int | None = None
    next_at_ms: int = 0  # not before
    parked_at_ms: int | None = None
    last_error: str = ""


class WebhooksRepository:
    """Receivers in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, webhook: Webhook) -> None:
        """Keep a new receiver."""
        with writing(self._bind) as connection:
            connection.execute(table.insert(), {name: getattr(webhook, name) for name in Webhook.__dataclass_fields__})

    def all(self) -> list[Webhook]:
        """Every receiver, oldest first."""
        with reading(self._bind) as connection:
            rows = connection.execute(select(table).order_by(table.c.created_at_ms, table.c.id))
            return [Webhook(**row._mapping) for row in rows]

    def due(self, now_ms: int) -> list[Webhook]:
        """Those that may be tried now."""
        return [one for one in self.all() if one.parked_at_ms is None and one.next_at_ms <= now_ms]

    def remove(self, webhook_id: str) -> bool:
        """Forget a receiver; False if there is none."""
        with writing(self._bind) as connection:
            return connection.execute(table.delete().where(table.c.id == webhook_id)).rowcount == 1

    def taken(self, webhook_id: str, after_seq: int) -> None:
        """It took everything up to here: whatever was wrong is over."""
        self._set(
            webhook_id,
            after_seq=after_seq,
            failures=0,
            failing_since_ms=None,
            next_at_ms=0,
            parked_at_ms=None,
            last_error="",
        )

    def failed(self, webhook: Webhook, now_ms: int, next_at_ms: int, error: str, *, park: bool) -> None:
        """It did not take a message: when to try again, or that nobody will."""
        self._set(
            webhook.id,
            failures=webhook.failures + 1,
            failing_since_ms=now_ms if webhook.failing_since_ms is None else webhook.failing_since_ms,
            next_at_ms=next_at_ms,
            parked_at_ms=now_ms if park else None,
            last_error=error,
        )

    def resume(self, webhook_id: str) -> bool:
        """Try it again at once, from where it stopped; False if there is none."""
        return self._set(webhook_id, failures=0, failing_since_ms=None, next_at_ms=0, parked_at_ms=None)

    def _set(self, webhook_id: str, **values: object) -> bool:
        with writing(self._bind) as connection:
            return connection.execute(update(table).where(table.c.id == webhook_id).values(**values)).rowcount == 1
