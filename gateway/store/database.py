"""Units of work and migrations. Every storage fault becomes ``Unavailable``.

Each unit of work is one transaction: it is committed whole or leaves no trace. A unit sees what
others have committed. If two of them conflict, a constraint or the condition of an UPDATE decides.
Neither can decide where a unit writes what a count allows. Such a unit uses ``writing`` and takes a
lock (``locks``).
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.host.metrics import count, stage
from gateway.store import sessions
from gateway.store.connecting import LOCK_SECONDS, make_engine
from gateway.wire.errors import SealmatchError, Unavailable

log = logging.getLogger("sealmatch.store")

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x5EA1_3A7C
"""Number of the advisory lock in PostgreSQL; any number that nobody else uses."""


UNFINISHED = "restore_unfinished"
"""A table that is there from the beginning of a restore to its end, and no other one is."""


class HalfRestored(SealmatchError):
    """A restore began here and did not end. Nothing is made of such a database but a restore."""


class Database:
    """One database, migrated to the present schema."""

    def __init__(self, url: str) -> None:
        """Prepare to connect. Raises as ``make_engine``."""
        self._engine = make_engine(url)
        self._turn = threading.Lock()
        """Of those in this process that write to SQLite."""

    def migrate(self) -> None:
        """Bring the schema up to date, completely or not at all. One process at a time does so.

        Raises:
            HalfRestored: a restore was interrupted here.
            Unavailable: the database does not answer or cannot be written.
        """
        with self.migrating() as connection:
            if sa.inspect(connection).has_table(UNFINISHED):
                raise HalfRestored("a restore was interrupted in this database: give it again")
            if version_of(connection) != newest_version():
                upgrade(connection, "head")

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """One unit of work that makes or changes tables, and no other one does meanwhile.

        Raises:
            Unavailable: as ``transaction``.
        """
        with self.writing() as connection:  # or SQLite's driver would commit each table by itself
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One unit of work.

        Raises:
            Unavailable: the storage failed; nothing of this unit was kept, unless the answer to
                the commit itself was lost.
        """
        with stage("transaction"), self._unavailable(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, OSError):  # a connection broke; others probably did too
                self._engine.dispose()
            log.error("storage: %s", _reason(error))
            count("database_failures_total")
            raise Unavailable("the storage does not answer; try again later") from None

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One unit of work whose writes depend on what it reads. See ``locks``.

        SQLite's driver begins a transaction only at the first change, when earlier reads may be out
        of date. This unit begins with its first statement, and no other one writes meanwhile.

        Raises:
            Unavailable: as ``transaction``.
        """
        if self.dialect != "sqlite":
            with self.transaction() as connection:
                yield connection
            return
        # SQLite lets whoever comes second sleep and try again. Here they wait for each other.
        if not self._turn.acquire(timeout=LOCK_SECONDS):
            raise Unavailable("the storage does not answer; try again later")
        try:
            with self.transaction() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        finally:
            self._turn.release()

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """One state of the database, for reading alone, while others go on writing.

        SQLite keeps it in its write-ahead log; no second copy of the database is made anywhere.

        Raises:
            Unavailable: the storage failed.
        """
        with self._unavailable(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # its driver would begin at the first change
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield connection

    def check(self) -> None:
        """Raise ``Unavailable`` unless what a registration writes could be written, durably."""
        with self.transaction() as connection:
            sessions.try_to_write(connection, 0)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def session(self) -> sa.Connection:
        """A separate connection, for locks that it holds. Each of its statements is a
        transaction."""
        session = self._engine.connect()
        session.connection.rollback()  # the pool's look whether it lives has begun a transaction
        return session.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        self._engine.dispose()


def newest_version() -> str:
    """The revision of the last migration: the number with which its file's name begins."""
    return max(known_versions())


def known_versions() -> frozenset[str]:
    """The revisions of all migrations."""
    return frozenset(path.name.partition("_")[0] for path in _MIGRATIONS.glob("versions/*.py"))


def version_of(connection: sa.Connection) -> str | None:
    """The revision that the database is at; None is an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql(
        "SELECT version_num FROM alembic_version"
    ).scalar()
    return found


def upgrade(connection: sa.Connection, revision: str) -> None:
    """Run the missing migrations up to a revision, in the caller's transaction. Loading Alembic
    costs a fifth of a server's start."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _reason(error: Exception) -> str:
    """The driver's error and code, for the operator's log. Its texts are left out: they repeat
    values."""
    cause = getattr(error, "orig", None) or error
    told = cause.args[0] if cause.args else None
    code = told.get("C", "") if isinstance(told, dict) else getattr(cause, "sqlite_errorname", "")
    return f"{type(cause).__name__} {code}".strip()
