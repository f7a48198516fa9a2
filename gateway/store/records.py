"""Records of decisions, and the queries about them.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from gateway.store.prepared import PreparedInsert
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


_ADD: Final = PreparedInsert(
    records, lambda insert: insert.on_conflict_do_nothing(index_elements=["activation_commitment"])
)
_FIND: Final = records.select().where(records.c.record_id == sa.bindparam("record"))
_ACTIVATED: Final = sa.select(records.c.record_id).where(
    records.c.activation_commitment == sa.bindparam("commitment")
)
_LIVE_MATCHES: Final = sa.select(sa.func.count()).where(
    records.c.subject_handle.in_(sa.bindparam("handles", expanding=True)),
    records.c.outcome == "MATCH",
    records.c.expires_at > sa.bindparam("now"),
)


def add_record(connection: sa.Connection, row: RecordRow) -> None:
    """Add a record. An activation has one; a second call waits until the first is committed or
    undone.

    Raises:
        Refused: its activation has a record.
    """
    if _ADD.execute(connection, vars(row)) != 1:
        raise Refused("this activation commitment was used before")


def set_end(connection: sa.Connection, row: RecordRow) -> None:
    """Let a record, and its consent, be due when this row says."""
    own = records.update().where(records.c.record_id == row.record_id)
    connection.execute(own.values(decided_at=row.decided_at, expires_at=row.expires_at))
    beside = consents.update().where(consents.c.record_id == row.record_id)
    connection.execute(beside.values(expires_at=row.expires_at))


def find_record(connection: sa.Connection, record_id: RecordId) -> RecordRow | None:
    row = connection.execute(_FIND, {"record": record_id}).first()
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
    return connection.execute(_ACTIVATED, {"commitment": commitment}).first() is not None


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
    of = {"handles": list(handles), "now": now}
    return int(connection.execute(_LIVE_MATCHES, of).scalar_one())
