"""Records of decisions, and the queries about them.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store.schema import consents, records
from gateway.wire.errors import Refused
from gateway.wire.ids import Commitment, Digest, RecordId, SubjectHandle


@dataclass(frozen=True)
class RecordRow:
    """A record as it is stored."""

    record_id: RecordId
    kind: str
    outcome: str
    policy_digest: Digest
    subject_handle: SubjectHandle | None = field(repr=False)
    activation_commitment: Commitment
    statement: bytes = field(repr=False)
    decided_at: int
    """As in the statement: cut to the minute."""
    expires_at: int
    log_index: int | None = None


def add_record(connection: sa.Connection, row: RecordRow) -> None:
    """Add a record. An activation has one; a second call waits until the first is committed or
    undone.

    Raises:
        Refused: its activation has a record.
    """
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    once = insert(records).on_conflict_do_nothing(index_elements=["activation_commitment"])
    if connection.execute(once.values(**vars(row))).rowcount != 1:
        raise Refused("this activation commitment was used before")


def set_end(connection: sa.Connection, row: RecordRow) -> None:
    """Let a record, and its consent, be due when this row says."""
    own = records.update().where(records.c.record_id == row.record_id)
    connection.execute(own.values(decided_at=row.decided_at, expires_at=row.expires_at))
    beside = consents.update().where(consents.c.record_id == row.record_id)
    connection.execute(beside.values(expires_at=row.expires_at))


def find_record(connection: sa.Connection, record_id: RecordId) -> RecordRow | None:
    row = connection.execute(records.select().where(records.c.record_id == record_id)).first()
    return None if row is None else RecordRow(**row._mapping)


def find_by_activation(connection: sa.Connection, commitment: Commitment) -> RecordRow | None:
    """The record of an activation."""
    query = records.select().where(records.c.activation_commitment == commitment)
    row = connection.execute(query).first()
    return None if row is None else RecordRow(**row._mapping)


def all_records(connection: sa.Connection) -> list[RecordRow]:
    return [RecordRow(**row._mapping) for row in connection.execute(records.select())]


def has_activation(connection: sa.Connection, commitment: Commitment) -> bool:
    """Whether a record for this activation exists."""
    query = sa.select(sa.exists().where(records.c.activation_commitment == commitment))
    return bool(connection.execute(query).scalar())


def require_room(
    connection: sa.Connection, handles: Sequence[SubjectHandle], limit: int, now: int
) -> None:
    """Check that a subject may have one more live activation.

    The answer can be out of date at once. A caller that acts on it holds the subject (``locks``).

    Raises:
        Refused: it has as many as it may.
    """
    if count_live_matches(connection, handles, now) >= limit:
        raise Refused("the subject has as many live activations as it may")


def count_live_matches(
    connection: sa.Connection, handles: Sequence[SubjectHandle], now: int
) -> int:
    """Unexpired matches of a subject, under any of its handles."""
    query = sa.select(sa.func.count()).where(
        records.c.subject_handle.in_(list(handles)),
        records.c.outcome == "MATCH",
        records.c.expires_at > now,
    )
    return int(connection.execute(query).scalar_one())
