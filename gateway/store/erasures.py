"""Removing records, and what is left of them. Each function works inside a transaction that its
caller opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.store.log import append
from gateway.store.records import RecordRow
from gateway.store.schema import consents, erasures, holds, records
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import Digest, RecordId, digest_of


@dataclass(frozen=True)
class ErasureRow:
    """What is left of one record."""

    erasure_id: RecordId
    tombstone: Digest
    erasure: bytes = field(repr=False)
    """A signed ``Erasure``."""
    log_index: int | None = None


def replace_record(connection: sa.Connection, record: RecordId, left: ErasureRow) -> None:
    """Delete a record and its consent; keep what is left, and queue its entry.

    Raises:
        SessionConflict: it is held, or gone already. Nothing may be kept then.
    """
    held = sa.exists().where(holds.c.record_id == record)
    gone = records.delete().where(records.c.record_id == record, ~held)
    if connection.execute(gone).rowcount != 1:
        raise SessionConflict("the record is held, or gone already")
    connection.execute(consents.delete().where(consents.c.record_id == record))
    connection.execute(erasures.insert().values(**vars(left)))
    append(connection, "erasure", digest_of(left.erasure), left.erasure_id)


def find_erasure(connection: sa.Connection, tombstone: Digest) -> ErasureRow | None:
    """What is left of the record with this tombstone, or None."""
    row = connection.execute(erasures.select().where(erasures.c.tombstone == tombstone)).first()
    return None if row is None else ErasureRow(**row._mapping)


def expired_records(connection: sa.Connection, now: int, limit: int) -> list[RecordRow]:
    """At most ``limit`` records that are due and not held, the oldest first.

    Rows that another transaction removes at this moment are passed over (PostgreSQL); in SQLite
    there is no other one.
    """
    held = sa.exists().where(holds.c.record_id == records.c.record_id)
    query = (
        records.select()
        .where(records.c.expires_at <= now, ~held)
        .order_by(records.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [RecordRow(**row._mapping) for row in connection.execute(query)]


def records_of(connection: sa.Connection, handles: Sequence[bytes]) -> list[RecordRow]:
    """Everything under a subject's handles, the next to expire first."""
    query = records.select().where(records.c.subject_handle.in_(list(handles)))
    return [RecordRow(**row._mapping) for row in connection.execute(query.order_by("expires_at"))]
