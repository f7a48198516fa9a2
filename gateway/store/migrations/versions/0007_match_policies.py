"""Match policies that two operators approved."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "match_policies",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("approval", sa.LargeBinary, nullable=False),
        sa.Column("adopted_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("match_policies")
