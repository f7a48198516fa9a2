"""Removes the bytes of what was deleted from the database's files.

A deleted row is gone for every query, but not yet for a thief of the disk. What stays where:

- SQLite overwrites a deleted cell (``secure_delete``). Copies that it made when it split or merged
  pages stay in their gaps, and old pages stay in the write-ahead log. ``VACUUM`` writes every page
  anew, and a checkpoint that truncates empties the log.
- PostgreSQL leaves deleted rows in their pages, also after ``VACUUM``, and in its write-ahead log.
  ``VACUUM FULL`` writes a table anew. A checkpoint and a new log segment let the server drop the
  old segments; it does so only if it does not recycle them (``wal_recycle = off``).

Not reached from here: blocks that a file system has freed, copies that a disk keeps of its own,
backups, archived segments, replicas. DEPLOYMENT says what to do about each.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.host import crash
from gateway.store.database import Database
from gateway.store.schema import (
    consents,
    holds,
    log_pending,
    orders,
    records,
    retention_runs,
    sessions,
    withdrawals,
)
from gateway.wire.errors import Unavailable

_TABLES: Final = (
    records,
    consents,
    withdrawals,
    holds,
    orders,
    sessions,
    log_pending,
    retention_runs,
)
"""From which rows about people, or about what was done with them, are deleted."""
_LOCK_SECONDS: Final = 30
_INSUFFICIENT_PRIVILEGE: Final = "42501"


@dataclass(frozen=True)
class Scrubbed:
    """What was done, and what could not be, as sentences for the operator."""

    done: tuple[str, ...]
    left: tuple[str, ...] = ()


def scrub(database: Database) -> Scrubbed:
    """Remove the bytes of deleted rows from the database's files. While it runs, registrations
    wait: seconds for 100,000 records (FIGURES).

    Raises:
        Unavailable: the database does not answer, is in use for too long, or its disk is full.
            Nothing is lost; try again.
    """
    try:
        with database.session() as session:
            if session.dialect.name == "sqlite":
                return _sqlite(session)
            return _postgresql(session)
    except (DBAPIError, OSError):
        raise Unavailable(
            "the bytes of deleted rows could not be removed: the database does not answer, is in "
            "use, or its disk is full"
        ) from None


def truncate_log(database: Database) -> bool:
    """Empty SQLite's write-ahead log, where old pages are. Whether that was done: a reader may
    keep it, and the next call tries again. PostgreSQL: nothing is done."""
    if database.dialect != "sqlite":
        return False
    try:
        with database.session() as session:
            return _checkpoint(session)
    except (SQLAlchemyError, OSError):  # also none of the pool's connections was free
        return False


def _sqlite(session: sa.Connection) -> Scrubbed:
    session.exec_driver_sql(f"PRAGMA busy_timeout = {_LOCK_SECONDS * 1000}")
    session.exec_driver_sql("VACUUM")
    crash.reach("scrub-pages-written")
    done = ["every page was written anew (VACUUM)"]
    if _checkpoint(session):
        return Scrubbed((*done, "the write-ahead log was emptied"))
    return Scrubbed(tuple(done), ("a reader keeps the write-ahead log; try again",))


def _checkpoint(session: sa.Connection) -> bool:
    row = session.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return int(row[0]) == 0


def _postgresql(session: sa.Connection) -> Scrubbed:
    session.exec_driver_sql("SET statement_timeout = 0")
    session.exec_driver_sql(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
    done, left = [], []
    try:
        for table in _TABLES:
            session.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table.name}")
        crash.reach("scrub-tables-written")
        done.append("every table with deleted rows was written anew (VACUUM FULL)")
        for statement, what, right in _LOG_STEPS:
            if _allowed(session, statement):
                done.append(what)
            else:
                left.append(f"not done, the role lacks {right}: {what}")
        if _setting(session, "wal_recycle") != "off":
            left.append(
                "wal_recycle is on: old segments of the write-ahead log are kept for later use, "
                "with what is in them"
            )
    finally:
        session.invalidate()  # its settings are not those of the pool
    return Scrubbed(tuple(done), tuple(left))


_LOG_STEPS: Final = (
    ("CHECKPOINT", "a checkpoint was written", "pg_checkpoint"),
    ("SELECT pg_switch_wal()", "a new segment of the log was begun", "EXECUTE on pg_switch_wal()"),
    ("CHECKPOINT", "old segments of the log were dropped", "pg_checkpoint"),
)


def _allowed(session: sa.Connection, statement: str) -> bool:
    try:
        session.exec_driver_sql(statement)
    except DBAPIError as error:
        told = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if isinstance(told, dict) and told.get("C") == _INSUFFICIENT_PRIVILEGE:
            return False
        raise
    return True


def _setting(session: sa.Connection, name: str) -> str:
    return str(session.exec_driver_sql(f"SHOW {name}").scalar_one())
