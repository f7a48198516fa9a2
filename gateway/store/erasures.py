"""Removing records, and what is left of them. Each function works inside a transaction that its
caller opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.store.holds import keep_records
from gateway.store.log import append_all
from gateway.store.orders import forget_orders_about
from gateway.store.records import RecordRow
from gateway.store.schema import consents, erasures, holds, log_pending, records, sessions
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


def replace_records(
    connection: sa.Connection, leaving: Sequence[tuple[RecordId, ErasureRow]]
) -> None:
    """Delete records, their consents and sessions; keep what is left of each, and queue its entry.

    Raises:
        SessionConflict: one is held, or gone already. The caller's transaction must not commit.
    """
    ids = [record for record, _ in leaving]
    keep_records(connection, ids)
    held = sa.exists().where(holds.c.record_id == records.c.record_id)
    gone = records.delete().where(records.c.record_id.in_(ids), ~held)
    if connection.execute(gone).rowcount != len(ids):
        raise SessionConflict("the record is held, or gone already")
    connection.execute(consents.delete().where(consents.c.record_id.in_(ids)))
    forget_orders_about(connection, ids)
    # A session that still names its record would tell an erased one from one that expired.
    connection.execute(sessions.delete().where(sessions.c.record_id.in_(ids)))
    waiting = log_pending.update().where(log_pending.c.record_id.in_(ids))
    connection.execute(waiting.values(record_id=None))  # the entry stays, and is nobody's
    connection.execute(erasures.insert(), [vars(left) for _, left in leaving])
    entries = [(digest_of(left.erasure), left.erasure_id) for _, left in leaving]
    append_all(connection, "erasure", entries)


def find_erasure(connection: sa.Connection, tombstone: Digest) -> ErasureRow | None:
    """What is left of the record with this tombstone, or None."""
    row = connection.execute(erasures.select().where(erasures.c.tombstone == tombstone)).first()
    return None if row is None else ErasureRow(**row._mapping)


def expired_records(connection: sa.Connection, kind: str, now: int, limit: int) -> list[RecordRow]:
    """At most ``limit`` records of a kind that are due and not held, the oldest first.

    Rows that another transaction removes at this moment are passed over (PostgreSQL); in SQLite
    there is no other one.
    """
    held = sa.exists().where(holds.c.record_id == records.c.record_id)
    query = (
        records.select()
        .where(records.c.kind == kind, records.c.expires_at <= now, ~held)
        .order_by(records.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [RecordRow(**row._mapping) for row in connection.execute(query)]


def records_of(connection: sa.Connection, handles: Sequence[bytes]) -> list[RecordRow]:
    """Everything under a subject's handles, the next to expire first."""
    query = records.select().where(records.c.subject_handle.in_(list(handles)))
    return [RecordRow(**row._mapping) for row in connection.execute(query.order_by("expires_at"))]
