"""Access tokens as they are kept: who may do what, and hashes. No secret ever comes here; see `gateway.access`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from gateway.store.database import Bind, reading, writing
from gateway.store.schema import tokens as table

# Put together once: it is asked with every request.
_BY_ID = select(table).where(table.c.id == bindparam("token_id"))


@dataclass(frozen=True, slots=True)
class StoredToken:
    """One token, without its secret."""

    id: str
    role: str
    subject: str
    secret_hash: str  # SHA-256 hex
    created_at_ms: int
    revoked_at_ms: int | None = None
    broker_hash: str = ""  # device tokens: the password's hash in the broker's own form


class TokenRepository:
    """Tokens in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, token: StoredToken) -> None:
        """Keep a new token."""
        row = {name: getattr(token, name) for name in StoredToken.__dataclass_fields__}
        with writing(self._bind) as connection:
            connection.execute(table.insert(), row)

    def get(self, token_id: str) -> StoredToken | None:
        """A token by its id, revoked or not."""
        with reading(self._bind) as connection:
            row = connection.execute(_BY_ID, {"token_id": token_id}).one_or_none()
        return None if row is None else StoredToken(**row._mapping)

    def tokens(self, role: str | None = None, *, revoked: bool = True) -> list[StoredToken]:
        """Tokens, oldest first; of one role only, or without the revoked ones."""
        query = select(table).order_by(table.c.created_at_ms, table.c.id)
        if role is not None:
            query = query.where(table.c.role == role)
        if not revoked:
            query = query.where(table.c.revoked_at_ms.is_(None))
        with reading(self._bind) as connection:
            return [StoredToken(**row._mapping) for row in connection.execute(query)]

    def revoke(self, token_id: str, now_ms: int) -> bool:
        """Revoke a token at once; False if none with this id is in force."""
        own = update(table).where(table.c.id == token_id, table.c.revoked_at_ms.is_(None))
        with writing(self._bind) as connection:
            return connection.execute(own.values(revoked_at_ms=now_ms)).rowcount == 1
