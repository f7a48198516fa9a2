"""Locks that a transaction holds until it ends, so that what it reads is still true when it writes.

A count that is taken in one transaction says nothing about the next one. So a unit of work that
writes what a count allows takes a lock, counts, and writes, all in one ``Database.writing``:

- SQLite: nobody else writes at all, from the unit's first statement on. No further lock is needed.
- PostgreSQL: advisory locks that the server drops with the transaction. Each statement after the
  lock sees what the holder before had committed (READ COMMITTED).

Two units cannot deadlock: a unit takes either the register or subjects, and subjects in ascending
order. A subject has two handles while a pepper is replaced, and both are held. Parties' rows, and
rows that a constraint guards, come after these locks. Of rows the log's head comes first, then
records, then what names them (orders, consents, sessions).
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import SubjectHandle

_SUBJECT: Final = 0x5EA1_0001
_REGISTER: Final = 0x5EA1_0002
_SCHEDULE: Final = 0x5EA1_0003
"""Kinds of lock: PostgreSQL's first number. The numbers of ``database`` and ``election`` are in
another space, that of single 64-bit numbers."""

_NAME_BYTES: Final = 4
"""Bytes of a handle that name its lock. A handle is a MAC, so two subjects share a lock once in
2^32 pairs, and then only wait."""


def hold_subject(connection: sa.Connection, handles: Sequence[SubjectHandle]) -> None:
    """Keep everybody else from recording about the subject that has these handles.

    Raises:
        CallerMisuse: on SQLite, outside ``Database.writing``.
    """
    names = {int.from_bytes(one[:_NAME_BYTES], "big", signed=True) for one in handles}
    for name in sorted(names):
        _hold(connection, _SUBJECT, name)


def hold_register(connection: sa.Connection) -> None:
    """Keep other operators from changing the register. Raises as ``hold_subject``."""
    _hold(connection, _REGISTER, 0)


def hold_schedule(connection: sa.Connection) -> None:
    """Keep the retention schedule in force; others may hold it so as well. Raises as
    ``hold_subject``."""
    _hold(connection, _SCHEDULE, 0, "pg_advisory_xact_lock_shared")


def change_schedule(connection: sa.Connection) -> None:
    """Wait for those who hold the schedule, and keep others out. Raises as ``hold_subject``."""
    _hold(connection, _SCHEDULE, 0)


def _hold(
    connection: sa.Connection, kind: int, name: int, function: str = "pg_advisory_xact_lock"
) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(getattr(sa.func, function)(kind, name)))
    elif not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        raise CallerMisuse("what is read before a unit of work has begun may be old by its end")
