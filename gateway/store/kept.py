"""Every row that is kept about some records, column by column: what a subject gets a copy of.

The columns come from the schema, so a new one is in the copy without anybody's doing. Each function
works inside a transaction that its caller opened.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import sqlalchemy as sa

from gateway.store.records import RecordRow
from gateway.store.schema import consents, holds, records, sessions, withdrawals
from gateway.wire.erasure import withdrawal_mark
from gateway.wire.ids import RecordId

Named = Literal["records", "consents", "holds", "withdrawals", "sessions"]
Row = tuple[Named, Mapping[str, object]]

_ABOUT: Final[tuple[tuple[Named, sa.Table], ...]] = (
    ("records", records),
    ("consents", consents),
    ("holds", holds),
    ("sessions", sessions),
)
"""Tables that name a record by its id."""


def rows_about(connection: sa.Connection, record: RecordRow) -> Iterator[Row]:
    """All rows about one record, its own first."""
    for name, table in _ABOUT:
        for row in connection.execute(table.select().where(table.c.record_id == record.record_id)):
            yield name, dict(row._mapping)
    mark = withdrawal_mark(record.statement)
    for row in connection.execute(withdrawals.select().where(withdrawals.c.mark == mark)):
        yield "withdrawals", dict(row._mapping)


def expire_now(connection: sa.Connection, record: RecordId, now: int) -> None:
    """Let a record be due at once: it counts for nothing any more, and goes when its hold ends."""
    for table in (records, consents):
        later = sa.and_(table.c.record_id == record, table.c.expires_at > now)
        connection.execute(table.update().where(later).values(expires_at=now))
