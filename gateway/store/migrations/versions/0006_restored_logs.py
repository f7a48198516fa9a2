"""Restored databases: when the log was in doubt and how that ended, and logs that were closed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "log_halts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("backup", sa.LargeBinary(32)),
        sa.Column("backup_at", sa.BigInteger),
        sa.Column("erasures_size", sa.BigInteger),
        sa.Column("settled", sa.String(16)),
        sa.Column("settled_at", sa.BigInteger),
    )
    op.create_table(
        "closed_logs",
        sa.Column("origin", sa.String(255), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("keys", sa.LargeBinary, nullable=False),
        sa.Column("checkpoint", sa.LargeBinary, nullable=False),
        sa.Column("closed_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("closed_logs")
    op.drop_table("log_halts")
