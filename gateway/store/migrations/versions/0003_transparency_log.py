"""The transparency log. Records and actions from before become its first entries."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    heads = op.create_table(
        "log_head",
        sa.Column("log", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("edge", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(heads, [{"log": 1, "origin": "", "size": 0, "edge": b"", "epoch": 0}])
    pending = op.create_table(
        "log_pending",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("entry", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("record_id", sa.LargeBinary(16)),
    )
    op.create_table(
        "log_entries",
        sa.Column("log_index", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "number"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.LargeBinary),
        sa.Column("published", sa.Boolean, nullable=False),
    )
    op.create_index("ix_log_checkpoints_published", "log_checkpoints", ["published", "size"])
    if not op.get_context().as_sql:
        _enter_what_is_there(op.get_bind(), pending)


def _enter_what_is_there(connection: sa.Connection, pending: sa.Table) -> None:
    actions = connection.execute(sa.text("SELECT action FROM admin_actions ORDER BY number"))
    records = connection.execute(sa.text("SELECT kind, record_id, statement FROM records"))
    entries: list[tuple[str, bytes | None, bytes]] = []
    entries += [("admin", None, row.action) for row in actions]
    entries += [(row.kind, bytes(row.record_id), row.statement) for row in records]
    for kind, record, signed in entries:
        entry = hashlib.sha256(bytes(signed)).digest()
        connection.execute(pending.insert().values(entry=entry, kind=kind, record_id=record))


def downgrade() -> None:
    for table in ("log_checkpoints", "log_tiles", "log_entries", "log_pending", "log_head"):
        op.drop_table(table)
