"""The first schema, as it was: a copy of `gateway.store.schema` that later changes of that file leave alone."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

Table(
    "registry_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at_ms", BigInteger, nullable=False),
    Column("diff", Text, nullable=False),
)

Table(
    "registry_documents",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

Table(
    "points",
    metadata,
    Column("point_id", Integer, primary_key=True, autoincrement=True),
    Column("enterprise", String(18), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    Column("quantity", String(64), nullable=False),
    UniqueConstraint("enterprise", "device", "point"),
)

Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("subject", String(160), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("broker_hash", String(256), nullable=False, server_default=""),
)

Table(
    "batches",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("sender", String(64), primary_key=True),
    Column("batch_id", String(64), primary_key=True),
    Column("payload_hash", String(64), nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("set_aside", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
)

Table(
    "set_aside",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("enterprise", String(64), nullable=False),
    Column("sender", String(160), nullable=False),
    Column("batch_id", String(64), nullable=False),
    Column("reason", String(48), nullable=False),
    Column("detail", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index(None, "enterprise", "received_at_ms"),
    Index(None, "reason"),
)

Table(
    "dirty_hours",
    metadata,
    Column("point_id", Integer, primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("touched", BigInteger, nullable=False),
    Index(None, "touched"),
)

Table(
    "activity_records",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("record_id", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("start_day", String(10), nullable=False),
    Column("end_day", String(10), nullable=False),
    Column("amount_u", BigInteger, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Index(None, "enterprise", "subject", "start_day"),
)

Table(
    "dirty_days",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("reason", String(24), nullable=False),
    Column("touched", BigInteger, nullable=False),
    Index(None, "day"),
)

Table(
    "ledger_entries",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Column("day", String(10), nullable=False),
    Column("activity", String(64), nullable=False),
    Column("scope", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("category", Integer, nullable=False),
    Column("amount_u", BigInteger, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("factor", String(96), nullable=False),
    Column("edition", String(64), nullable=False),
    Column("basis", String(24), nullable=False),
    Column("gwp", String(8), nullable=False),
    Column("emission_g", BigInteger, nullable=False),
    Column("energy_gce", BigInteger, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("coverage_ppm", Integer, nullable=False),
    Column("estimated_ppm", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("calculation", Text, nullable=False),
    Column("reason", String(24), nullable=False),
    Column("reverses", Integer),
    Column("booked_at_ms", BigInteger, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("enterprise", "reverses"),
    Index(None, "enterprise", "day"),
    Index(None, "enterprise", "source", "day"),
)

Table(
    "statements",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", String(8), nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", Text, nullable=False, server_default=""),
    Column("predecessor", Integer),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index(None, "period", "enterprise"),
)

Table(
    "ratings",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("colour", String(8), nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)

Table(
    "findings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("enterprise", String(18), nullable=False),
    Column("name", String(64), nullable=False),
    Column("subject", String(130), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("values", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("resolved_at_ms", BigInteger),
    UniqueConstraint("enterprise", "name", "subject", "at_ms"),
)

Table(
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("enterprise", String(18), nullable=False),
    Column("period", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

Table(
    "job_runs",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("finished_at_ms", BigInteger, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("result", Text, nullable=False),
)

Table(
    "agent_status",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("document", Text, nullable=False),
)

Table(
    "settings_kept",
    metadata,
    Column("key", String(48), primary_key=True),
    Column("value", Text, nullable=False),
)


def upgrade() -> None:
    """Create every table."""
    metadata.create_all(op.get_bind(), checkfirst=False)
