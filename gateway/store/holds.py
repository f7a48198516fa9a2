"""Legal holds as they are stored. Each function works inside a transaction that its caller
opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.store.schema import holds, records
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import RecordId


@dataclass(frozen=True)
class HoldRow:
    """A hold as it is stored."""

    hold_id: RecordId
    record_id: RecordId
    reason: str
    until: int
    hold: bytes = field(repr=False)
    """A signed ``Hold``, which says the same."""


def keep_records(connection: sa.Connection, wanted: Sequence[RecordId]) -> int:
    """Keep others from removing records until this transaction ends; how many there are.

    Whoever removes one at this moment is waited for, and then there is none.
    """
    query = sa.select(records.c.record_id).where(records.c.record_id.in_(wanted))
    return len(connection.execute(query.order_by("record_id").with_for_update()).all())


def add_hold(connection: sa.Connection, row: HoldRow) -> None:
    connection.execute(holds.insert().values(**vars(row)))


def find_hold(connection: sa.Connection, hold_id: RecordId) -> HoldRow | None:
    return _one(connection, holds.c.hold_id == hold_id)


def hold_of(connection: sa.Connection, record_id: RecordId) -> HoldRow | None:
    """What holds a record, ended or not."""
    return _one(connection, holds.c.record_id == record_id)


def list_holds(connection: sa.Connection) -> list[HoldRow]:
    """All holds, the next to end first."""
    return _all(connection, holds.select())


def ended_holds(connection: sa.Connection, now: int, limit: int) -> list[HoldRow]:
    """At most ``limit`` holds whose end has passed, the earliest first."""
    return _all(connection, holds.select().where(holds.c.until <= now).limit(limit))


def set_end(connection: sa.Connection, hold_id: RecordId, until: int) -> None:
    """Let a hold end at this time."""
    connection.execute(holds.update().where(holds.c.hold_id == hold_id).values(until=until))


def remove_hold(connection: sa.Connection, hold_id: RecordId) -> None:
    """Remove a hold. Raises ``SessionConflict`` if it is gone."""
    if connection.execute(holds.delete().where(holds.c.hold_id == hold_id)).rowcount != 1:
        raise SessionConflict("the hold is gone: it was released, extended, or has ended")


def _one(connection: sa.Connection, where: sa.ColumnElement[bool]) -> HoldRow | None:
    row = connection.execute(holds.select().where(where)).first()
    return None if row is None else HoldRow(**row._mapping)


def _all(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[HoldRow]:
    rows = connection.execute(query.order_by(holds.c.until, holds.c.hold_id))
    return [HoldRow(**row._mapping) for row in rows]
