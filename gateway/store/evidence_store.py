"""The files that back activity records: bytes on disk by their SHA-256, and who sent them in the database.

What stays true: a file is stored whole or not at all, under the hash of its bytes, and never changed; what is read is
checked against its hash again. One content is kept once, whoever sends it; an enterprise sees only what it sent itself.
Of several gateways that share a database each needs the same directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from collectors.errors import StoreRefused
from gateway.store.database import Bind, insert, reading, writing
from gateway.store.schema import evidence_files as table

MAX_EVIDENCE_BYTES = 20 * 1024 * 1024
MAX_NAME = 120
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file of an enterprise."""

    sha256: str
    name: str
    size_bytes: int
    received_at_ms: int


class EvidenceRefused(ValueError):
    """A file that is not what it is said to be. The message says why."""


class EvidenceStore:
    """Evidence in and out. Safe to share between threads and processes."""

    def __init__(self, bind: Bind, folder: Path) -> None:
        self.bind = bind
        self._folder = folder

    def put(
        self, enterprise: str, content: bytes, name: str, now_ms: int, *, stated: str | None = None
    ) -> EvidenceFile:
        """Keep a file; EvidenceRefused if it is empty, too large, or not what the stated hash says."""
        digest = sha256_of_bytes(content)
        if stated is not None and stated != digest:
            raise EvidenceRefused(
                f"the file's SHA-256 is {digest}, not {stated}: it was changed on its way, or is another file"
            )
        if not 0 < len(content) <= MAX_EVIDENCE_BYTES:
            raise EvidenceRefused(f"a file of evidence has 1 byte to {MAX_EVIDENCE_BYTES // 2**20} MiB")
        self._write(digest, content)
        row = {
            "enterprise": enterprise,
            "sha256": digest,
            "name": _plain(name) or digest[:16],
            "size_bytes": len(content),
            "received_at_ms": now_ms,
        }
        with writing(self.bind) as connection:
            connection.execute(insert(connection, table).values(row).on_conflict_do_nothing())
        return self.all(enterprise, [digest])[digest]

    def read(self, enterprise: str, digest: str) -> tuple[EvidenceFile, bytes] | None:
        """A file of an enterprise with its bytes; StoreRefused if the disk no longer has what was stored."""
        file = self.all(enterprise, [digest]).get(digest)
        if file is None:
            return None
        try:
            content = self._path(digest).read_bytes()
        except OSError as error:
            raise StoreRefused(f"the evidence {digest} is not on this machine's disk: {error}") from error
        if sha256_of_bytes(content) != digest:
            raise StoreRefused(f"the evidence {digest} was changed on disk: bring it back from a backup")
        return file, content

    def fault(self, enterprise: str, digest: str) -> str:
        """What is wrong with a file that should be kept, or nothing. It is read in pieces, whatever its size."""
        if digest not in self.all(enterprise, [digest]):
            return f"{enterprise} never sent"
        try:
            with self._path(digest).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"is not on this machine's disk: {error.strerror}; bring it back from a backup"
        return "" if found == digest else "was changed on disk: bring it back from a backup"

    def all(self, enterprise: str, digests: Iterable[str] | None = None) -> dict[str, EvidenceFile]:
        """The files of an enterprise by hash; only these of them, if some are named."""
        query = select(table).where(table.c.enterprise == enterprise)
        if digests is not None:
            query = query.where(table.c.sha256.in_(sorted(set(digests))))
        with reading(self.bind) as connection:
            return {
                row.sha256: EvidenceFile(row.sha256, row.name, row.size_bytes, row.received_at_ms)
                for row in connection.execute(query.order_by(table.c.received_at_ms, table.c.sha256))
            }

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _write(self, digest: str, content: bytes) -> None:
        """Durable before the database says that it is there."""
        path = self._path(digest)
        if path.exists() and path.stat().st_size == len(content):
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_name(f"{digest}.{secrets.token_hex(4)}.partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def sha256_of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _plain(name: str) -> str:
    """A file's own name without directories or control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable())[:MAX_NAME].strip()
