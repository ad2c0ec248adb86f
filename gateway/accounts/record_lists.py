"""Activity records as they are shown: with what corrected them and what they correct."""

from __future__ import annotations

from typing import Any

from gateway.accounts.documents import instant
from gateway.store.records_repository import StoredRecord


def record_document(stored: StoredRecord) -> dict[str, Any]:
    """A record as JSON values, in the words in which it was sent; `superseded_by` is empty while it counts."""
    record = stored.record
    return {
        "id": record.record_id,
        record.kind: record.subject,
        "from": record.start_day.isoformat(),
        "to": record.end_day.isoformat(),
        "amount": record.amount_u / 1_000_000,
        "unit": record.unit,
        "note": record.note,
        "supersedes": record.supersedes,
        "superseded_by": stored.superseded_by,
        "evidence": record.evidence,
        "received_at": instant(stored.received_at_ms),
        "content_hash": record.content_hash,
    }
