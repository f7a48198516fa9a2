"""A session's liveness challenge; daily totals of the liveness check."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("challenge", sa.LargeBinary(1024)))
    op.create_table(
        "liveness_counters",
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("measure", sa.String(24), nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "measure"),
    )


def downgrade() -> None:
    op.drop_table("liveness_counters")
    op.drop_column("sessions", "challenge")
