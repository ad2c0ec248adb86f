"""The relational tables, for SQLite and PostgreSQL alike. Alembic's migrations create them; a test compares the two.

What stays true: `ledger_entries`, `ledger_frames`, `changes`, `ledger_roots`, `ledger_spans`, `finding_decisions` and
`footprints` only grow. Operators' acts stand in `acts_schema`. Times are UTC epoch milliseconds. JSON columns hold
canonical text (sorted keys, no spaces) where a hash covers them.
"""

from __future__ import annotations

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

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# --- registry -------------------------------------------------------------------------------------------------------

registry_versions = Table(
    "registry_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … without gaps
    Column("applied_at_ms", BigInteger, nullable=False),
    Column("diff", Text, nullable=False),  # what changed, as it was printed
)

# Parks and enterprises are kept as one JSON document each: they are read whole, and the registry file is their form.
registry_documents = Table(
    "registry_documents",
    metadata,
    Column("kind", String(16), primary_key=True),  # park | enterprise
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

# The integer keys of the time series. A point keeps its number for good, even when it leaves the registry.
points = Table(
    "points",
    metadata,
    Column("point_id", Integer, primary_key=True, autoincrement=True),
    Column("enterprise", String(18), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    Column("quantity", String(64), nullable=False),
    UniqueConstraint("enterprise", "device", "point"),
)

# --- access ---------------------------------------------------------------------------------------------------------

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),  # random; the first part of the token, so that look-up needs no scan
    Column("role", String(16), nullable=False),  # device | enterprise | park | platform | admin
    Column("subject", String(160), nullable=False),  # enterprise/agent, enterprise, park, platform's name, ""
    Column("secret_hash", String(64), nullable=False),  # SHA-256 hex of 256 random bits; never the secret
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("broker_hash", String(256), nullable=False, server_default=""),  # device tokens: PBKDF2 for the broker
)

# --- ingest ---------------------------------------------------------------------------------------------------------

batches = Table(
    "batches",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("sender", String(64), primary_key=True),  # agent, or device for simple telemetry
    Column("batch_id", String(64), primary_key=True),
    Column("payload_hash", String(64), nullable=False),  # SHA-256 hex
    Column("received_at_ms", BigInteger, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("set_aside", Integer, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON list of {reason, count}
    Column("signature", String(16), nullable=False, server_default=""),  # verdict; "" = nobody looked
    Column("key_id", String(43), nullable=False, server_default=""),  # whose signature it claims to carry; "" = none
)

set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("enterprise", String(64), nullable=False),  # as claimed; may be unknown
    Column("sender", String(160), nullable=False),
    Column("batch_id", String(64), nullable=False),  # "" where it could not be read
    Column("reason", String(48), nullable=False),
    Column("detail", Text, nullable=False),  # a sentence: what, where, how to mend it
    Column("count", Integer, nullable=False),  # readings set aside; 1 for an undecodable message
    Column("payload", LargeBinary, nullable=False),  # the bytes as they came, or the JSON of the cells set aside
    Index(None, "enterprise", "received_at_ms"),
    Index(None, "reason"),
)

# Dirty hours when the time series are in an engine that cannot commit them with the readings (InfluxDB).
dirty_hours = Table(
    "dirty_hours",
    metadata,
    Column("point_id", Integer, primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("touched", BigInteger, nullable=False),  # grows with each touch; a claim clears only what it saw
    Index(None, "touched"),
)

activity_records = Table(
    "activity_records",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("record_id", String(80), primary_key=True),  # made by the client
    Column("kind", String(16), nullable=False),  # source | product | economic
    Column("subject", String(64), nullable=False),  # source id, product id, or output_value | added_value
    Column("start_day", String(10), nullable=False),  # local, inclusive
    Column("end_day", String(10), nullable=False),  # local, exclusive
    Column("amount_u", BigInteger, nullable=False),  # millionths of unit
    Column("unit", String(16), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("supersedes", String(80), nullable=False, server_default=""),  # the record that this one corrects
    Column("evidence", String(64), nullable=False, server_default=""),  # SHA-256 of a file in evidence_files
    Index(None, "enterprise", "subject", "start_day"),
    Index(None, "enterprise", "supersedes"),
)

# What backs records: the bytes stand under DATA_DIR/evidence by their SHA-256, who sent them stands here.
evidence_files = Table(
    "evidence_files",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("name", String(120), nullable=False),  # as it was called by its sender
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
)

# --- accounts -------------------------------------------------------------------------------------------------------

# Local days whose entries must be looked at again: written when usage changes, a record comes, or factors change.
dirty_days = Table(
    "dirty_days",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("reason", String(24), nullable=False),
    Column("touched", BigInteger, nullable=False),  # another random number with each mark: a claim clears what it saw
    Index(None, "day"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Column("day", String(10), nullable=False),
    Column("activity", String(64)),
    Column("scope", Integer, nullable=False),
    Column("stage", String(16)),
    Column("category", Integer),
    Column("amount_u", BigInteger, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("factor", String(96)),
    Column("edition", String(64)),
    Column("basis", String(24)),
    Column("gwp", String(8)),
    Column("emission_g", BigInteger, nullable=False),
    Column("energy_gce", BigInteger, nullable=False),
    Column("provisional", Boolean),
    Column("coverage_ppm", Integer, nullable=False),
    Column("estimated_ppm", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("calculation", Text),  # canonical JSON
    Column("reason", String(24), nullable=False),
    Column("reverses", Integer),
    Column("booked_at_ms", BigInteger, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("format", Integer, nullable=False, server_default="1"),  # 1: carries its calculation; 2: names its frame
    Column("frame", String(64)),  # of format 2; then what may be empty above stands there
    UniqueConstraint("enterprise", "reverses"),  # an entry is taken back at most once
    Index(None, "enterprise", "day"),
    Index(None, "enterprise", "source", "day"),
)

# What calculations of entries repeat, once each, under the SHA-256 of its text: decision record 0026.
ledger_frames = Table(
    "ledger_frames",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("body", Text, nullable=False),  # canonical JSON
)

# One signed root per ended UTC day over what was booked on it; docs/decisions/0009-daily-merkle-root.md.
ledger_roots = Table(
    "ledger_roots",
    metadata,
    Column("day", String(10), primary_key=True),  # UTC
    Column("body", Text, nullable=False),  # canonical JSON, as it is signed
    Column("signature", Text, nullable=False),  # JWS with detached payload
    Column("made_at_ms", BigInteger, nullable=False),
)

# The leaves of the days' trees: which entries of a chain stand under the root of which day.
ledger_spans = Table(
    "ledger_spans",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("last_seq", Integer, primary_key=True, autoincrement=False),
    Column("first_seq", Integer, nullable=False),
    Column("day", String(10), nullable=False),
    Column("leaf", String(64), nullable=False),  # hex hash of the leaf
    Index(None, "day"),
)

statements = Table(
    "statements",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),  # 2026-10, 2026-Q4 or 2026
    Column("version", Integer, primary_key=True),
    Column("status", String(8), nullable=False),  # open | closed
    Column("body", Text, nullable=False),  # canonical JSON of the statement as served
    Column("hash", String(64), nullable=False),
    Column("signature", Text, nullable=False, server_default=""),  # of a closed statement
    Column("predecessor", Integer),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index(None, "period", "enterprise"),
)

ratings = Table(
    "ratings",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("colour", String(8), nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)

# Quarters and years to be summed anew: marked in the transaction that writes one of their months.
due_sums = Table(
    "due_sums",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),  # 2026-Q4 or 2026
)

findings = Table(
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
    Column("status", String(12), nullable=False),  # open | acknowledged | resolved
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("resolved_at_ms", BigInteger),
    Column("acknowledged_at_ms", BigInteger),
    Column("acknowledged_by", String(200), nullable=False, server_default=""),
    Column("acknowledged_why", Text, nullable=False, server_default=""),
    UniqueConstraint("enterprise", "name", "subject", "at_ms"),
)

# What was decided about findings, by whom and why. A decision is never changed or deleted.
finding_decisions = Table(
    "finding_decisions",
    metadata,
    Column("finding_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … of this finding
    Column("at_ms", BigInteger, nullable=False),
    Column("status", String(12), nullable=False),  # what it became: acknowledged | open
    Column("by", String(200), nullable=False),  # role and subject of the token, or a person's name; "data" = new values
    Column("why", Text, nullable=False),
)

# The platform follows this feed; `seq` has no gaps because it is handed out under the writer's lock.
changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # statement | rating | reopening
    Column("enterprise", String(18), nullable=False),
    Column("period", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

# Published product footprints; they only grow.
footprints = Table(
    "footprints",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("product", String(64), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("boundary", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 …
    Column("id", String(36), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON, as it is signed
    Column("signature", Text, nullable=False),  # JWS with detached payload
    Column("published_at_ms", BigInteger, nullable=False),
)

# Where the change feed is brought to, and how far each receiver has come.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", String(64), nullable=False),  # needed to sign, so it cannot be a hash
    Column("created_at_ms", BigInteger, nullable=False),
    Column("after_seq", BigInteger, nullable=False),  # of `changes`: everything up to here was taken
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_since_ms", BigInteger),
    Column("next_at_ms", BigInteger, nullable=False),
    Column("parked_at_ms", BigInteger),
    Column("last_error", Text, nullable=False),
)

# --- scheduler ------------------------------------------------------------------------------------------------------

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),  # grows with each change of holder
    Column("expires_at_ms", BigInteger, nullable=False),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("finished_at_ms", BigInteger, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("result", Text, nullable=False),  # JSON: what it did, or the error
)

agent_status = Table(
    "agent_status",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("document", Text, nullable=False),  # the retained status message
)

# Configurations pushed to agents, and what became of each.
agent_configs = Table(
    "agent_configs",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # YAML as it was pushed; "" = the agent goes by its own file
    Column("sealed", LargeBinary, nullable=False),  # the message, signed
    Column("made_at_ms", BigInteger, nullable=False),
    Column("made_by", String(160), nullable=False),
    Column("outcome", String(16), nullable=False, server_default=""),  # as the agent said; "" = nothing yet
    Column("why", Text, nullable=False, server_default=""),
    Column("decided_at_ms", BigInteger),
)

settings_kept = Table(
    "settings_kept",
    metadata,
    Column("key", String(48), primary_key=True),  # such as the fingerprint of the factor files last booked with
    Column("value", Text, nullable=False),
)
