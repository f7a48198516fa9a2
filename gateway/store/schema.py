"""The tables. Nothing else is stored: no ciphertext, vector, score or document number."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", LargeBinary(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("device", String(63), nullable=False),
    Column("issuer", String(63), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("consent_text_version", Integer, nullable=False),
    Column("policy_digest", LargeBinary(32), nullable=False),
    Column("challenge", LargeBinary(1024)),
    Column("submission_digest", LargeBinary(32)),
    Column("record_id", LargeBinary(16)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_sessions_expires_at", "expires_at"),
)
"""Of sessions whose submission was taken; open ones are in memory alone. Rows are removed when they
expire: after minutes, or after a day if a receipt was late. ``challenge`` is empty; earlier
releases stored it."""

records = Table(
    "records",
    metadata,
    Column("record_id", LargeBinary(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("policy_digest", LargeBinary(32), nullable=False),
    Column("subject_handle", LargeBinary(32)),
    Column("activation_commitment", LargeBinary(32), nullable=False, unique=True),
    Column("statement", LargeBinary, nullable=False),
    Column("log_index", BigInteger),
    Column("decided_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_records_subject_handle", "subject_handle"),
    Index("ix_records_expires_at", "expires_at"),
)
"""Keyed hashes and proofs, until ``expires_at``: ``decided_at``, which the statement has as well
(cut to the minute), and the days of the retention schedule. A registration without a face
(``fallback``) has no handle: it has no session with the authority."""

consents = Table(
    "consents",
    metadata,
    Column("consent_id", LargeBinary(16), primary_key=True),
    Column("record_id", LargeBinary(16), nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("text_version", Integer, nullable=False),
    Column("given_by", String(16), nullable=False),
    Column("given_on", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_consents_expires_at", "expires_at"),
)
"""That somebody agreed to a version of the texts, for which record, and whether ``subject`` or
``guardian`` did. ``digest`` is that of the salted consent record."""

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("withdrawal_id", LargeBinary(16), primary_key=True),
    Column("mark", LargeBinary(32), nullable=False, unique=True),
    Column("withdrawal", LargeBinary, nullable=False),
    Column("log_index", BigInteger),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_withdrawals_expires_at", "expires_at"),
)
"""Signed: a consent was withdrawn. Whose it was, only the holder of the receipt can say."""

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", LargeBinary(16), primary_key=True),
    Column("tombstone", LargeBinary(32), nullable=False, unique=True),
    Column("erasure", LargeBinary, nullable=False),
    Column("log_index", BigInteger),
)
"""Signed: a record is gone. Without the receipt nobody can say which one, or why. Kept as long as
the log."""

holds = Table(
    "holds",
    metadata,
    Column("hold_id", LargeBinary(16), primary_key=True),
    Column("record_id", LargeBinary(16), nullable=False, unique=True),
    Column("reason", String(40), nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("hold", LargeBinary, nullable=False),
)
"""Records that the law forbids to erase for now, each with its reason and end, signed."""

orders = Table(
    "orders",
    metadata,
    Column("order_id", LargeBinary(16), primary_key=True),
    Column("ordered", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""What one operator signed and a second one has not agreed to yet."""

retention_schedules = Table(
    "retention_schedules",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    Column("adopted_at", BigInteger, nullable=False),
)
"""Schedules that were adopted; the last one is in force."""

retention_runs = Table(
    "retention_runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("report", LargeBinary, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
)
"""Signed reports of the reaper: what it removed, held back and left."""

retention_totals = Table(
    "retention_totals",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("removed", BigInteger, nullable=False),
)
"""How many rows of each kind the reaper removed so far, counted where they are removed."""

match_policies = Table(
    "match_policies",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("approval", LargeBinary, nullable=False),
    Column("adopted_at", BigInteger, nullable=False),
)
"""Match policies that two operators approved, with both signatures; the last one is in force."""

fallback_counts = Table(
    "fallback_counts",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("party", String(63), nullable=False),
    Column("hour", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("kind", "party", "hour"),
    Index("ix_fallback_counts_hour", "hour"),
)
"""How many registrations without a face an agent, a supervisor or a device recorded in an hour
(since 1970-01-01); of an approval, or of a signed request that any process takes
(``party``: letters of its hash), that it was used. Apart from
the records, so that an erasure gives no room back, and the same signatures make no other record.
Rows go when the hour after theirs has passed."""

parties = Table(
    "parties",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("party", String(63), nullable=False),
    Column("public_key", LargeBinary(32)),
    Column("key_id", LargeBinary(32)),
    Column("state", String(16), nullable=False),
    PrimaryKeyConstraint("kind", "party"),
    Index("ix_parties_key_id", "key_id"),
)
"""Enrolled parties: devices, issuers, witnesses, auditors, supervisors and operators with their
public keys, agents with or without one, outlets by pseudonym."""

consent_texts = Table(
    "consent_texts",
    metadata,
    Column("text_version", Integer, nullable=False),
    Column("language", String(3), nullable=False),
    Column("text", String(4000), nullable=False),
    Column("without_face", String(1000)),
    PrimaryKeyConstraint("text_version", "language"),
)
"""What people were shown. A version never changes. ``without_face`` says how to register without
one."""

consent_versions = Table(
    "consent_versions",
    metadata,
    Column("text_version", Integer, primary_key=True, autoincrement=False),
    Column("retention_days", Integer),
    Column("state", String(16), nullable=False),
)
"""``active``, or ``retired``: no new session may name it. ``retention_days`` is what the texts'
readers are told; null for the first version, which does not say."""

admin_actions = Table(
    "admin_actions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("action", LargeBinary, nullable=False),
)
"""What operators did: signed, each with the digest of the one before."""

outcome_counters = Table(
    "outcome_counters",
    metadata,
    Column("day", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "outcome"),
)
"""Sessions per day (days since 1970-01-01) and outcome, also those that end without a decision."""

liveness_counters = Table(
    "liveness_counters",
    metadata,
    Column("day", Integer, nullable=False),
    Column("measure", String(24), nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "measure"),
)
"""Per day: liveness checks passed, attempts and seconds that they took, passive warnings, and why
attempts ended."""
Number = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key. In SQLite, only INTEGER becomes the row's own number."""

log_head = Table(
    "log_head",
    metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
    Column("epoch", BigInteger, nullable=False),
)
"""One row: the present tree, and ``epoch``, the number of elections so far. ``edge`` is the
frontier."""

log_pending = Table(
    "log_pending",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("entry", LargeBinary(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("record_id", LargeBinary(16)),
)
"""Entries that have no index yet. One transaction writes an entry and the object of which it is the
hash. Entries leave in milliseconds."""

log_entries = Table(
    "log_entries",
    metadata,
    Column("log_index", Number, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary(32), nullable=False),
    Column("kind", String(16), nullable=False),
)
"""Kept for ever: hashes of signed objects. A statement has 128 random bits, so its hash tells
nothing about it once it is erased."""

log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "number"),
)
"""Hashes of the tree, up to 256 to a row (C2SP ``tlog-tiles``)."""

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", Number, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary),
    Column("published", Boolean, nullable=False),
    Index("ix_log_checkpoints_published", "published", "size"),
)
"""The one root of each size that is ever signed. ``note`` is null until it is signed."""

log_halts = Table(
    "log_halts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("found_at", BigInteger, nullable=False),
    Column("backup", LargeBinary(32)),
    Column("backup_at", BigInteger),
    Column("erasures_size", BigInteger),
    Column("settled", String(16)),
    Column("settled_at", BigInteger),
)
"""Times at which this database was restored from a ``backup`` (its digest), or was found to be
older than what had been signed (null). ``erasures_size``: the log's size up to which erasures are
known. While ``settled`` is null, nothing is signed; then ``resumed`` or ``begun``."""

closed_logs = Table(
    "closed_logs",
    metadata,
    Column("origin", String(255), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("closed_at", BigInteger, nullable=False),
)
"""Logs that were closed for ever: the size from which the next log went on, their public keys (as
lines of a C2SP ``tlog-policy``), and the newest checkpoint that anybody showed; empty: none."""
