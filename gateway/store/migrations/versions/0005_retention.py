"""Retention, erasure and registrations without a face: consents and withdrawals as records, what
erased records leave, legal holds, operators' orders, retention schedules and runs."""

import sqlalchemy as sa
from alembic import op

from gateway.wire import cbor

revision = "0005"
down_revision = "0004"


def _read_times() -> None:
    """When each record was decided stands in its signed statement."""
    records = sa.table(
        "records", sa.column("record_id"), sa.column("statement"), sa.column("decided_at")
    )
    connection = op.get_bind()
    if op.get_context().as_sql:
        return  # only the statements are written: there are no rows to read
    rows = connection.execute(sa.select(records.c.record_id, records.c.statement)).all()
    for row in rows:
        stated = cbor.decode(cbor.decode(bytes(row.statement)[1:])[2])
        connection.execute(
            records.update()
            .where(records.c.record_id == row.record_id)
            .values(decided_at=stated["decidedAtMinute"])
        )


_UNSAMPLED = {
    "records": (
        "record_id",
        "subject_handle",
        "activation_commitment",
        "statement",
        "log_index",
    ),
    "sessions": ("session_id", "challenge", "submission_digest", "record_id"),
    "consents": ("consent_id", "record_id", "digest"),
    "withdrawals": ("withdrawal_id", "mark", "withdrawal"),
    "holds": ("hold_id", "record_id", "hold"),
    "orders": ("order_id", "ordered"),
    "log_pending": ("entry", "record_id"),
}
"""What PostgreSQL takes no samples of for its planner: they would outlive the rows."""


def _take_no_samples() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for table, columns in _UNSAMPLED.items():
        for column in columns:
            changing = f"ALTER TABLE {table} ALTER COLUMN {column}"
            op.execute(f"{changing} SET STATISTICS 0")
            op.execute(f"{changing} SET (n_distinct = -1)")


def upgrade() -> None:
    op.add_column("records", sa.Column("decided_at", sa.BigInteger))
    _read_times()
    with op.batch_alter_table("records") as batch:
        batch.alter_column("subject_handle", existing_type=sa.LargeBinary(32), nullable=True)
        batch.alter_column("decided_at", existing_type=sa.BigInteger, nullable=False)
    op.create_table(
        "consents",
        sa.Column("consent_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("record_id", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("text_version", sa.Integer, nullable=False),
        sa.Column("given_by", sa.String(16), nullable=False),
        sa.Column("given_on", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_consents_expires_at", "consents", ["expires_at"])
    op.create_table(
        "withdrawals",
        sa.Column("withdrawal_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("mark", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("withdrawal", sa.LargeBinary, nullable=False),
        sa.Column("log_index", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_withdrawals_expires_at", "withdrawals", ["expires_at"])
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("tombstone", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("erasure", sa.LargeBinary, nullable=False),
        sa.Column("log_index", sa.BigInteger),
    )
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("record_id", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("hold", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("ordered", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "fallback_counts",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("party", sa.String(63), nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("kind", "party", "hour"),
    )
    op.create_index("ix_fallback_counts_hour", "fallback_counts", ["hour"])
    op.create_table(
        "retention_schedules",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("adopted_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "retention_runs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "retention_totals",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("removed", sa.BigInteger, nullable=False),
    )
    _take_no_samples()


def downgrade() -> None:
    for table in (
        "retention_totals",
        "retention_runs",
        "retention_schedules",
        "orders",
        "holds",
        "erasures",
        "withdrawals",
        "consents",
    ):
        op.drop_table(table)
    op.execute("DELETE FROM records WHERE subject_handle IS NULL")
    with op.batch_alter_table("records") as batch:
        batch.alter_column("subject_handle", existing_type=sa.LargeBinary(32), nullable=False)
        batch.drop_column("decided_at")
