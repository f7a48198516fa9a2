"""The first schema: sessions, records, parties, consent texts, counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

CONSENT_TEXT_1 = (
    "Your photograph and the portrait on your document are compared to check that you are the "
    "document's holder. Both are turned into encrypted numbers on this device; the photographs "
    "are not sent and not kept. What is kept is the outcome, with codes that do not show your "
    "face or your document number, for the retention period stated here."
)


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("device", sa.String(63), nullable=False),
        sa.Column("issuer", sa.String(63), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("consent_text_version", sa.Integer, nullable=False),
        sa.Column("policy_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("submission_digest", sa.LargeBinary(32)),
        sa.Column("record_id", sa.LargeBinary(16)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "records",
        sa.Column("record_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("policy_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("subject_handle", sa.LargeBinary(32), nullable=False),
        sa.Column("activation_commitment", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("log_index", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_records_subject_handle", "records", ["subject_handle"])
    op.create_index("ix_records_expires_at", "records", ["expires_at"])
    op.create_table(
        "parties",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("party", sa.String(63), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32)),
        sa.Column("key_id", sa.LargeBinary(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("kind", "party"),
    )
    op.create_index("ix_parties_key_id", "parties", ["key_id"])
    texts = op.create_table(
        "consent_texts",
        sa.Column("text_version", sa.Integer, nullable=False),
        sa.Column("language", sa.String(3), nullable=False),
        sa.Column("text", sa.String(4000), nullable=False),
        sa.PrimaryKeyConstraint("text_version", "language"),
    )
    op.bulk_insert(texts, [{"text_version": 1, "language": "en", "text": CONSENT_TEXT_1}])
    op.create_table(
        "admin_actions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "outcome_counters",
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "outcome"),
    )


def downgrade() -> None:
    for table in (
        "admin_actions",
        "outcome_counters",
        "consent_texts",
        "parties",
        "records",
        "sessions",
    ):
        op.drop_table(table)
