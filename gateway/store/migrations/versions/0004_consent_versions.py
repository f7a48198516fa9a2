"""Versions of consent texts: for how long a record is kept, whether a version is still shown; and
for each text the way without a face. The first version has neither period nor way."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    versions = op.create_table(
        "consent_versions",
        sa.Column("text_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("retention_days", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.bulk_insert(versions, [{"text_version": 1, "retention_days": None, "state": "active"}])
    op.add_column("consent_texts", sa.Column("without_face", sa.String(1000)))


def downgrade() -> None:
    op.drop_column("consent_texts", "without_face")
    op.drop_table("consent_versions")
