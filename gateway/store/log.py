"""The log's queries. Each works inside a transaction that its caller opened.

Rules:
- An entry is a hash of a signed object. The transaction that writes the object also writes the
  entry into ``log_pending``, where it waits.
- Only the elected sequencer moves entries on. Each of its transactions begins with ``lock_head``
  and its epoch. So if two sequencers believe that they are elected, one of them fails.
- The root of a size is written once, before it is signed, and never changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store.halts import require_none
from gateway.store.schema import (
    erasures,
    log_checkpoints,
    log_entries,
    log_head,
    log_pending,
    log_tiles,
    records,
    withdrawals,
)
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import Digest, RecordId

EntryKind = Literal["decision", "fallback", "erasure", "withdrawal", "admin"]

_INDEXED: Final[dict[str, sa.Column[bytes]]] = {
    "decision": records.c.record_id,
    "fallback": records.c.record_id,
    "erasure": erasures.c.erasure_id,
    "withdrawal": withdrawals.c.withdrawal_id,
}
"""The rows that are told the index of their entry, by its kind."""
_LOG: Final = 1
"""The one row of ``log_head``."""


class Deposed(SealmatchError):
    """Another sequencer was elected meanwhile; this one has written nothing."""


class OtherLog(SealmatchError):
    """The database holds a log of another origin than the settings name."""


@dataclass(frozen=True)
class Head:
    """The tree as it is stored."""

    size: int
    edge: bytes


@dataclass(frozen=True)
class Pending:
    """An entry that has no index yet."""

    number: int
    entry: Digest


@dataclass(frozen=True)
class StoredCheckpoint:
    """A size with its root; ``note`` is the signed checkpoint, None until it is signed."""

    size: int
    root: bytes
    note: bytes | None
    published: bool


def append(
    connection: sa.Connection, kind: EntryKind, entry: Digest, record: RecordId | None = None
) -> None:
    """Queue an entry, in the transaction that writes the signed object of which it is the hash.

    ``record``: the row that is told its index, of the table in ``_INDEXED``.
    """
    connection.execute(log_pending.insert().values(entry=entry, kind=kind, record_id=record))


def append_all(
    connection: sa.Connection, kind: EntryKind, entries: Sequence[tuple[Digest, RecordId]]
) -> None:
    """Queue several entries, each with the row that is told its index. As ``append``."""
    rows = [{"entry": entry, "kind": kind, "record_id": row} for entry, row in entries]
    connection.execute(log_pending.insert(), rows)


def elect(connection: sa.Connection, origin: str) -> int:
    """Become the sequencer; return the new epoch.

    Raises:
        OtherLog: this database's log has another origin.
    """
    row = connection.execute(
        log_head.update()
        .where(log_head.c.log == _LOG, log_head.c.origin.in_(["", origin]))
        .values(origin=origin, epoch=log_head.c.epoch + 1)
        .returning(log_head.c.epoch)
    ).first()
    if row is None:
        raise OtherLog("the database holds a log of another origin; see the setting log_origin")
    return int(row.epoch)


def lock_head(connection: sa.Connection, epoch: int) -> Head:
    """Keep all other sequencers out until this transaction ends; return the tree.

    Raises:
        Deposed: another one was elected after ``epoch``.
        InDoubt: an operator must settle first whether this database may be continued.
    """
    mine = sa.and_(log_head.c.log == _LOG, log_head.c.epoch == epoch)
    if connection.execute(log_head.update().where(mine).values(epoch=epoch)).rowcount != 1:
        raise Deposed("another sequencer was elected")
    require_none(connection)
    return head(connection)


def hold_head(connection: sa.Connection) -> None:
    """Keep sequencers out until this transaction ends, without being elected. Whoever writes many
    rows that have an index does it first: both would lock the same rows, each in its own order."""
    connection.execute(sa.select(log_head.c.epoch).with_for_update())


def origin(connection: sa.Connection) -> str:
    """The log's name; empty before the first election."""
    return str(connection.execute(sa.select(log_head.c.origin)).scalar_one())


def head(connection: sa.Connection) -> Head:
    row = connection.execute(sa.select(log_head.c.size, log_head.c.edge)).one()
    return Head(int(row.size), bytes(row.edge))


def has_pending(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(log_pending.c.number).limit(1)).first() is not None


def count_pending(connection: sa.Connection) -> int:
    """How many entries have no index yet."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(log_pending)).scalar_one())


def pending(connection: sa.Connection, limit: int) -> list[Pending]:
    """The oldest entries without an index, at most ``limit``."""
    columns = sa.select(log_pending.c.number, log_pending.c.entry)
    rows = connection.execute(columns.order_by(log_pending.c.number).limit(limit))
    return [Pending(int(row.number), Digest(bytes(row.entry))) for row in rows]


def give_indexes(connection: sa.Connection, first: int, batch: Sequence[Pending]) -> None:
    """Move entries from the queue into the log, in this order, from index ``first`` on."""
    indexes = {one.number: first + place for place, one in enumerate(batch)}
    queued = log_pending.c.number.in_(list(indexes))
    place = sa.func.row_number().over(order_by=log_pending.c.number) - 1 + first
    connection.execute(
        log_entries.insert().from_select(
            ["log_index", "entry", "kind"],
            sa.select(place, log_pending.c.entry, log_pending.c.kind).where(queued),
        )
    )
    rows = connection.execute(
        sa.select(log_pending.c.number, log_pending.c.kind, log_pending.c.record_id).where(
            queued, log_pending.c.record_id.is_not(None)
        )
    ).all()
    for row in rows:
        key = _INDEXED[row.kind]
        connection.execute(
            key.table.update().where(key == row.record_id).values(log_index=indexes[row.number])
        )
    connection.execute(log_pending.delete().where(queued))


def write_head(connection: sa.Connection, size: int, edge: bytes) -> None:
    connection.execute(log_head.update().where(log_head.c.log == _LOG).values(size=size, edge=edge))


def tile(connection: sa.Connection, level: int, number: int) -> bytes:
    """The hashes that a tile has so far; empty if it has none."""
    at = sa.and_(log_tiles.c.level == level, log_tiles.c.number == number)
    row = connection.execute(sa.select(log_tiles.c.hashes).where(at)).first()
    return b"" if row is None else bytes(row.hashes)


def write_tiles(connection: sa.Connection, tiles: Mapping[tuple[int, int], bytes]) -> None:
    """Write whole tiles, by level and number."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(log_tiles)
    grown = statement.on_conflict_do_update(
        index_elements=["level", "number"], set_={"hashes": statement.excluded.hashes}
    )
    rows = [{"level": at[0], "number": at[1], "hashes": held} for at, held in tiles.items()]
    connection.execute(grown, rows)


def entries(connection: sa.Connection, first: int, count: int) -> list[bytes]:
    """At most ``count`` entries, from the index ``first`` on."""
    columns = sa.select(log_entries.c.entry)
    span = log_entries.c.log_index.between(first, first + count - 1)
    rows = connection.execute(columns.where(span).order_by(log_entries.c.log_index))
    return [bytes(row.entry) for row in rows]


def fix_checkpoint(connection: sa.Connection, size: int, root: bytes) -> None:
    """Fix the root of this size, before anything is signed about it."""
    values = {"size": size, "root": root, "note": None, "published": False}
    connection.execute(log_checkpoints.insert().values(values))


def root_of(connection: sa.Connection, size: int) -> bytes | None:
    """The root that was fixed for a size, or None."""
    query = sa.select(log_checkpoints.c.root).where(log_checkpoints.c.size == size)
    row = connection.execute(query).first()
    return None if row is None else bytes(row.root)


def unsigned(connection: sa.Connection) -> list[StoredCheckpoint]:
    """Checkpoints that were fixed and not signed: of the last batch, or of a sequencer that died.
    At most 16 of them, the smallest first."""
    where = log_checkpoints.c.note.is_(None)
    return list(_checkpoints(connection, where, log_checkpoints.c.size))


def store_signature(connection: sa.Connection, size: int, note: bytes, *, published: bool) -> bool:
    """Keep a signed checkpoint, unless there is one already; return whether it was kept."""
    where = sa.and_(log_checkpoints.c.size == size, log_checkpoints.c.note.is_(None))
    change = log_checkpoints.update().where(where).values(note=note, published=published)
    return connection.execute(change).rowcount == 1


def publish(connection: sa.Connection, size: int, note: bytes) -> bool:
    """Make a signed checkpoint visible, with its cosignatures; False if it was visible already."""
    where = sa.and_(log_checkpoints.c.size == size, log_checkpoints.c.published.is_(False))
    change = log_checkpoints.update().where(where).values(note=note, published=True)
    return connection.execute(change).rowcount == 1


def newest(connection: sa.Connection) -> StoredCheckpoint | None:
    """The newest signed checkpoint, published or not."""
    where = log_checkpoints.c.note.is_not(None)
    return next(_checkpoints(connection, where, log_checkpoints.c.size.desc()), None)


def newest_published(connection: sa.Connection) -> StoredCheckpoint | None:
    where = log_checkpoints.c.published.is_(True)
    return next(_checkpoints(connection, where, log_checkpoints.c.size.desc()), None)


def published_over(connection: sa.Connection, index: int) -> StoredCheckpoint | None:
    """The first published checkpoint under which the entry ``index`` stands."""
    where = sa.and_(log_checkpoints.c.published.is_(True), log_checkpoints.c.size > index)
    return next(_checkpoints(connection, where, log_checkpoints.c.size), None)


def is_published(connection: sa.Connection, row: RecordId, kind: EntryKind = "decision") -> bool:
    """Whether the entry of a row stands under a published checkpoint.

    ``kind``: of the entry; it says in which table the row is (``_INDEXED``).
    """
    key = _INDEXED[kind]
    over = sa.exists().where(
        log_checkpoints.c.published.is_(True), log_checkpoints.c.size > key.table.c.log_index
    )
    query = sa.select(sa.exists().where(key == row, over))
    return bool(connection.execute(query).scalar())


def _checkpoints(
    connection: sa.Connection, where: sa.ColumnElement[bool], order: sa.ColumnElement[int]
) -> Iterator[StoredCheckpoint]:
    query = log_checkpoints.select().where(where).order_by(order).limit(16)
    for row in connection.execute(query).all():
        note = None if row.note is None else bytes(row.note)
        yield StoredCheckpoint(int(row.size), bytes(row.root), note, bool(row.published))
