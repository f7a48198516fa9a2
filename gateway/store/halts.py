"""When the log was in doubt, and which logs were closed. Each function works inside a transaction
that its caller opened.

A *halt* is open while nobody has shown whether something newer was signed than this database knows.
While one is open nothing is signed (``require_none``). It ends in one of two ways: the same log is
resumed, or it is closed and another one begun.
"""

from dataclasses import dataclass
from typing import Final, Literal

import sqlalchemy as sa

from gateway.store.schema import closed_logs, log_checkpoints, log_halts, log_head
from gateway.wire.errors import SealmatchError

Ending = Literal["resumed", "begun"]

_LOG: Final = 1
_FIND_OUT: Final = (
    "Find out whether something newer was signed: sealmatch-gateway log resume; if it was, or if "
    "nobody can tell: sealmatch-gateway log begin"
)


_OPEN: Final = (
    log_halts.select()
    .where(log_halts.c.settled.is_(None))
    .order_by(log_halts.c.number.desc())
    .limit(1)
)


class InDoubt(SealmatchError):
    """Nothing is signed until an operator has settled an open halt."""


@dataclass(frozen=True)
class Halt:
    """One doubt, open or settled."""

    number: int
    found_at: int
    backup: bytes | None
    """Digest of the backup that was restored; None: the database was found to be old."""
    backup_at: int | None
    erasures_size: int | None
    """The log's size up to which erasures are known. None: as far as this database goes."""
    settled: str | None = None
    settled_at: int | None = None

    def __str__(self) -> str:
        what = (
            "the database is older than what was signed"
            if self.backup is None
            else "the database was restored from a backup"
        )
        return f"{what}, and nothing is signed. {_FIND_OUT}"


@dataclass(frozen=True)
class ClosedLog:
    """A log that nothing is added to any more."""

    origin: str
    size: int
    """Entries with which the next log went on."""
    keys: bytes
    """Its public keys, as lines of a C2SP ``tlog-policy``."""
    checkpoint: bytes
    """The newest that anybody showed; empty: none."""
    closed_at: int


def halts(connection: sa.Connection) -> list[Halt]:
    """All of them, oldest first."""
    rows = connection.execute(log_halts.select().order_by(log_halts.c.number))
    return [Halt(**row._mapping) for row in rows]


def open_halt(connection: sa.Connection) -> Halt | None:
    """The newest one that is not settled."""
    row = connection.execute(_OPEN).first()
    return None if row is None else Halt(**row._mapping)


def require_none(connection: sa.Connection) -> None:
    """Raise ``InDoubt`` if a halt is open."""
    if (found := open_halt(connection)) is not None:
        raise InDoubt(str(found))


def halt(
    connection: sa.Connection,
    now: int,
    backup: bytes | None = None,
    backup_at: int | None = None,
    erasures_size: int | None = None,
) -> Halt:
    """Open a halt, and depose whoever sequences: it finds the halt before it is elected again."""
    depose(connection)
    number = connection.execute(sa.select(sa.func.max(log_halts.c.number))).scalar() or 0
    opened = Halt(number + 1, now, backup, backup_at, erasures_size)
    connection.execute(log_halts.insert().values(vars(opened)))
    return opened


def settle(connection: sa.Connection, ending: Ending, now: int) -> None:
    """End all open halts."""
    depose(connection)
    change = log_halts.update().where(log_halts.c.settled.is_(None))
    connection.execute(change.values(settled=ending, settled_at=now))


def depose(connection: sa.Connection) -> None:
    """Keep every sequencer out until this transaction ends, and have all be elected anew."""
    change = log_head.update().where(log_head.c.log == _LOG)
    connection.execute(change.values(epoch=log_head.c.epoch + 1))


def closed(connection: sa.Connection) -> list[ClosedLog]:
    """Logs that were closed, in the order in which they followed each other."""
    order = (closed_logs.c.size, closed_logs.c.closed_at)
    rows = connection.execute(closed_logs.select().order_by(*order))
    return [ClosedLog(**row._mapping) for row in rows]


def close(connection: sa.Connection, log: ClosedLog, successor: str) -> None:
    """Close the log and put another one in its place, which begins with the same tree.

    What the old log had signed and not published is unsigned again: its successor signs it.
    """
    depose(connection)
    connection.execute(closed_logs.insert().values(vars(log)))
    unpublished = log_checkpoints.update().where(log_checkpoints.c.published.is_(False))
    connection.execute(unpublished.values(note=None))
    connection.execute(log_head.update().where(log_head.c.log == _LOG).values(origin=successor))
