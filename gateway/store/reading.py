"""Reads a database and changes no byte of it, on a live deployment as well as on a stopped one.

SQLite: a file that is in use has its index of the write-ahead log (``-shm``) beside it. It is read
with that index, which is opened for reading too. A file that nobody uses is read as one that
does not change, since SQLite would make its two files beside it otherwise; ``unchanged`` says
afterwards whether that held. PostgreSQL: transactions that read only, in one snapshot.

The snapshot stands until the reader closes. While it stands, SQLite cannot shorten its write-ahead
log, nor PostgreSQL remove what was deleted meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.host.settings import BadConfiguration
from gateway.store.connecting import LOCK_SECONDS, make_engine
from gateway.wire.errors import Unavailable

BATCH: Final = 1000
"""Rows that are in memory at a time."""

UNREADABLE: Final = "the database does not answer, or does not let this account read that"

_POSTGRESQL_SETTINGS: Final = (
    "SET default_transaction_read_only = on",
    "SET default_transaction_isolation = 'repeatable read'",
    "SET statement_timeout = '10min'",
    "SET idle_in_transaction_session_timeout = '6h'",
)
"""An inspection counts, sorts and searches files meanwhile: it needs longer than a registration."""

_Stamp = tuple[int, int, int]


class ReadingDatabase:
    """One snapshot of a database."""

    def __init__(self, url: str) -> None:
        """Open it.

        Raises:
            BadConfiguration, KeyFileError, TlsMisconfigured, NotInstalled: as ``make_engine``.
            Unavailable: there is no such database, or it cannot be read without writing.
        """
        self.file = sqlite_file(url)
        """SQLite's file; None: PostgreSQL."""
        self._stamp: _Stamp | None = None
        self._engine = _postgresql(url) if self.file is None else self._sqlite(self.file)
        try:
            self.connection = self._engine.connect()
            self._begin()
        except (SQLAlchemyError, OSError):
            self._engine.dispose()
            raise Unavailable("the database cannot be opened for reading") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def rows(self, query: sa.Select[Any] | sa.TextClause) -> Iterator[sa.Row[Any]]:
        """Rows of a query in batches, with bounded memory.

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            yield from self.connection.execute(query.execution_options(yield_per=BATCH))
        except (SQLAlchemyError, OSError):
            self.again()
            raise Unavailable(UNREADABLE) from None

    def unchanged(self) -> bool:
        """Whether a file that was read as one that does not change did not change."""
        return self._stamp is None or self.file is None or self._stamp == _stamp(self.file)

    def again(self) -> None:
        """Begin another snapshot: after an error PostgreSQL answers nothing in the present one. A
        database that is gone stays gone."""
        with suppress(SQLAlchemyError, OSError):
            self.connection.rollback()
            self._begin()

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()

    def _begin(self) -> None:
        """The snapshot is taken with the first page that is read."""
        if self.file is None:
            self.connection.exec_driver_sql("SELECT 1")
        else:
            self.connection.exec_driver_sql("BEGIN")
            self.connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")

    def _sqlite(self, file: Path) -> sa.Engine:
        if not file.is_file():
            raise Unavailable(f"{file.name}: there is no such database")
        index, journal = Path(f"{file}-shm"), Path(f"{file}-wal")
        if index.exists():
            options = "mode=ro&readonly_shm=1"
        elif not journal.exists() or not journal.stat().st_size:
            options, self._stamp = "mode=ro&immutable=1", _stamp(file)
        else:
            raise Unavailable(f"{file.name} has a write-ahead log and no index of it (-shm)")
        return reading_engine(file, options)


def reading_engine(file: Path, options: str = "mode=ro") -> sa.Engine:
    """An engine that opens a SQLite file with these options of its URI."""
    uri = f"{file.absolute().as_uri()}?{options}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None)

    return sa.create_engine("sqlite://", creator=connect, hide_parameters=True)


def sqlite_file(url: str) -> Path | None:
    """The file that a SQLite URL names; None: another kind of database.

    Raises:
        BadConfiguration: not a URL, or one of SQLite's memory.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise BadConfiguration("the database's URL cannot be read") from None
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise BadConfiguration("the database's URL names no file")
    return Path(parsed.database)


def _postgresql(url: str) -> sa.Engine:
    engine = make_engine(url)
    event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for statement in _POSTGRESQL_SETTINGS:
        cursor.execute(statement)
    cursor.close()
    connection.commit()


def _stamp(file: Path) -> _Stamp:
    found = file.stat()
    journal = Path(f"{file}-wal")
    return found.st_mtime_ns, found.st_size, journal.stat().st_size if journal.exists() else 0
