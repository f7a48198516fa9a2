"""The log's queries. Each works inside a transaction that its caller opened.

Rules:
- An entry is a hash of a signed object. The transaction that writes the object also writes the
  entry into ``log_pending``, where it waits.
- Only the elected sequencer moves entries on. Each of its transactions begins with ``lock_head``
  and its epoch. So if two sequencers believe that they are elected, one of them fails.
- The root of a size is written once, before it is signed, and never changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from gateway.store.halts import require_none
from gateway.store.prepared import PreparedInsert
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


_QUEUE: Final = log_pending.insert()
_ANY_PENDING: Final = sa.select(log_pending.c.number).limit(1)
_PENDING: Final = log_pending.select().order_by(log_pending.c.number).limit(sa.bindparam("limit"))
_UNQUEUE: Final = log_pending.delete().where(
    log_pending.c.number.in_(sa.bindparam("numbers", expanding=True))
)
_ENTER: Final = log_entries.insert()
_TELL: Final = {
    kind: key.table.update()
    .where(key == sa.bindparam("row"))
    .values(log_index=sa.bindparam("index"))
    for kind, key in _INDEXED.items()
}
_LOCK: Final = (
    log_head.update()
    .where(log_head.c.log == _LOG, log_head.c.epoch == sa.bindparam("mine"))
    .values(epoch=log_head.c.epoch)
    .returning(log_head.c.size, log_head.c.edge)
)
_GROW: Final = (
    log_head.update()
    .where(log_head.c.log == _LOG)
    .values(size=sa.bindparam("new_size"), edge=sa.bindparam("new_edge"))
)
_TILE: Final = sa.select(log_tiles.c.hashes).where(
    log_tiles.c.level == sa.bindparam("level"), log_tiles.c.number == sa.bindparam("number")
)
_WRITE_TILE: Final = PreparedInsert(
    log_tiles,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["level", "number"], set_={"hashes": insert.excluded.hashes}
    ),
)
_FIX: Final = log_checkpoints.insert()
_ROOT: Final = sa.select(log_checkpoints.c.root).where(
    log_checkpoints.c.size == sa.bindparam("size")
)
_IN_FORCE: Final = log_checkpoints.c.published.is_(True)
_UP, _DOWN = log_checkpoints.c.size, log_checkpoints.c.size.desc()
_UNSIGNED: Final = (
    log_checkpoints.select().where(log_checkpoints.c.note.is_(None)).order_by(_UP).limit(16)
)
_NEWEST: Final = (
    log_checkpoints.select().where(log_checkpoints.c.note.is_not(None)).order_by(_DOWN).limit(1)
)
_NEWEST_PUBLISHED: Final = log_checkpoints.select().where(_IN_FORCE).order_by(_DOWN).limit(1)
_PUBLISHED_SIZE: Final = sa.select(log_checkpoints.c.size).where(_IN_FORCE).order_by(_DOWN).limit(1)
_PUBLISHED_OVER: Final = (
    log_checkpoints.select()
    .where(_IN_FORCE, log_checkpoints.c.size > sa.bindparam("index"))
    .order_by(_UP)
    .limit(1)
)
_SIGN: Final = (
    log_checkpoints.update()
    .where(log_checkpoints.c.size == sa.bindparam("at"), log_checkpoints.c.note.is_(None))
    .values(note=sa.bindparam("new_note"), published=sa.bindparam("new_published"))
)
_IS_PUBLISHED: Final = {
    kind: sa.select(key).where(
        key == sa.bindparam("row"),
        sa.exists().where(_IN_FORCE, log_checkpoints.c.size > key.table.c.log_index),
    )
    for kind, key in _INDEXED.items()
}


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
    kind: str
    row: RecordId | None
    """What is told its index."""


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
    connection.execute(_QUEUE, {"entry": entry, "kind": kind, "record_id": record})


def append_all(
    connection: sa.Connection, kind: EntryKind, entries: Sequence[tuple[Digest, RecordId]]
) -> None:
    """Queue several entries, each with the row that is told its index. As ``append``."""
    rows = [{"entry": entry, "kind": kind, "record_id": row} for entry, row in entries]
    connection.execute(_QUEUE, rows)


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
    row = connection.execute(_LOCK, {"mine": epoch}).first()
    if row is None:
        raise Deposed("another sequencer was elected")
    require_none(connection)
    return Head(int(row.size), bytes(row.edge))


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
    return connection.execute(_ANY_PENDING).first() is not None


def count_pending(connection: sa.Connection) -> int:
    """How many entries have no index yet."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(log_pending)).scalar_one())


def pending(connection: sa.Connection, limit: int) -> list[Pending]:
    """The oldest entries without an index, at most ``limit``."""
    return [
        Pending(
            int(row.number),
            Digest(bytes(row.entry)),
            row.kind,
            None if row.record_id is None else RecordId(bytes(row.record_id)),
        )
        for row in connection.execute(_PENDING, {"limit": limit})
    ]


def give_indexes(connection: sa.Connection, first: int, batch: Sequence[Pending]) -> None:
    """Move entries from the queue into the log, in this order, from index ``first`` on."""
    entries = [
        {"log_index": place, "entry": one.entry, "kind": one.kind}
        for place, one in enumerate(batch, first)
    ]
    told: dict[str, list[dict[str, object]]] = {}
    for place, one in enumerate(batch, first):
        if one.row is not None:
            told.setdefault(one.kind, []).append({"row": one.row, "index": place})
    connection.execute(_ENTER, entries)
    for kind, rows in sorted(told.items()):
        connection.execute(_TELL[kind], rows)
    connection.execute(_UNQUEUE, {"numbers": [one.number for one in batch]})


def write_head(connection: sa.Connection, size: int, edge: bytes) -> None:
    connection.execute(_GROW, {"new_size": size, "new_edge": edge})


def tile(connection: sa.Connection, level: int, number: int) -> bytes:
    """The hashes that a tile has so far; empty if it has none."""
    row = connection.execute(_TILE, {"level": level, "number": number}).first()
    return b"" if row is None else bytes(row.hashes)


def write_tiles(connection: sa.Connection, tiles: Mapping[tuple[int, int], bytes]) -> None:
    """Write whole tiles, by level and number."""
    _WRITE_TILE.execute(
        connection,
        [{"level": at[0], "number": at[1], "hashes": held} for at, held in tiles.items()],
    )


def entries(connection: sa.Connection, first: int, count: int) -> list[bytes]:
    """At most ``count`` entries, from the index ``first`` on."""
    columns = sa.select(log_entries.c.entry)
    span = log_entries.c.log_index.between(first, first + count - 1)
    rows = connection.execute(columns.where(span).order_by(log_entries.c.log_index))
    return [bytes(row.entry) for row in rows]


def fix_checkpoint(connection: sa.Connection, size: int, root: bytes) -> None:
    """Fix the root of this size, before anything is signed about it."""
    values = {"size": size, "root": root, "note": None, "published": False}
    connection.execute(_FIX, values)


def root_of(connection: sa.Connection, size: int) -> bytes | None:
    """The root that was fixed for a size, or None."""
    row = connection.execute(_ROOT, {"size": size}).first()
    return None if row is None else bytes(row.root)


def unsigned(connection: sa.Connection) -> list[StoredCheckpoint]:
    """Checkpoints that were fixed and not signed: of the last batch, or of a sequencer that died.
    At most 16 of them, the smallest first."""
    return _read(connection, _UNSIGNED)


def store_signature(connection: sa.Connection, size: int, note: bytes, *, published: bool) -> bool:
    """Keep a signed checkpoint, unless there is one already; return whether it was kept."""
    values = {"at": size, "new_note": note, "new_published": published}
    return connection.execute(_SIGN, values).rowcount == 1


def publish(connection: sa.Connection, size: int, note: bytes) -> bool:
    """Make a signed checkpoint visible, with its cosignatures; False if it was visible already."""
    where = sa.and_(log_checkpoints.c.size == size, log_checkpoints.c.published.is_(False))
    change = log_checkpoints.update().where(where).values(note=note, published=True)
    return connection.execute(change).rowcount == 1


def newest(connection: sa.Connection) -> StoredCheckpoint | None:
    """The newest signed checkpoint, published or not."""
    return next(iter(_read(connection, _NEWEST)), None)


def newest_published(connection: sa.Connection) -> StoredCheckpoint | None:
    return next(iter(_read(connection, _NEWEST_PUBLISHED)), None)


def published_size(connection: sa.Connection) -> int:
    """Size of the newest published checkpoint; 0: none is."""
    return int(connection.execute(_PUBLISHED_SIZE).scalar() or 0)


def published_over(connection: sa.Connection, index: int) -> StoredCheckpoint | None:
    """The first published checkpoint under which the entry ``index`` stands."""
    return next(iter(_read(connection, _PUBLISHED_OVER, {"index": index})), None)


def is_published(connection: sa.Connection, row: RecordId, kind: EntryKind = "decision") -> bool:
    """Whether the entry of a row stands under a published checkpoint.

    ``kind``: of the entry; it says in which table the row is (``_INDEXED``).
    """
    return connection.execute(_IS_PUBLISHED[kind], {"row": row}).first() is not None


def _read(
    connection: sa.Connection, query: sa.Select[Any], values: dict[str, object] | None = None
) -> list[StoredCheckpoint]:
    return [
        StoredCheckpoint(
            int(row.size),
            bytes(row.root),
            None if row.note is None else bytes(row.note),
            bool(row.published),
        )
        for row in connection.execute(query, values or {})
    ]
