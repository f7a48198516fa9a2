"""Records: what a decision leaves behind, and the questions that are asked of them.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.store.schema import records
from gateway.wire.ids import Commitment, Digest, RecordId, SubjectHandle


@dataclass(frozen=True)
class RecordRow:
    """A record as it is stored."""

    record_id: RecordId
    kind: str
    outcome: str
    policy_digest: Digest
    subject_handle: SubjectHandle = field(repr=False)
    activation_commitment: Commitment
    statement: bytes = field(repr=False)
    expires_at: int
    log_index: int | None = None


def add_record(connection: sa.Connection, row: RecordRow) -> None:
    connection.execute(records.insert().values(**vars(row)))


def find_record(connection: sa.Connection, record_id: RecordId) -> RecordRow | None:
    row = connection.execute(records.select().where(records.c.record_id == record_id)).first()
    return None if row is None else RecordRow(**row._mapping)


def all_records(connection: sa.Connection) -> list[RecordRow]:
    return [RecordRow(**row._mapping) for row in connection.execute(records.select())]


def has_activation(connection: sa.Connection, commitment: Commitment) -> bool:
    """Whether a record for this activation exists."""
    query = sa.select(sa.exists().where(records.c.activation_commitment == commitment))
    return bool(connection.execute(query).scalar())


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
