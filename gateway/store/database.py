"""Units of work and migrations. Every storage fault becomes ``Unavailable``, nothing half done.

Each unit of work is one transaction: it is committed whole or leaves no trace. A unit sees what
others have committed. Where two of them meet, a constraint or the condition of an UPDATE decides;
where neither can, because a unit writes what it has counted, it is ``writing`` and takes a lock
(``locks``).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.connecting import make_engine
from gateway.wire.errors import Unavailable

log = logging.getLogger("sealmatch.store")

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x5EA1_3A7C
"""Name of the lock that PostgreSQL keeps for us; any number that nobody else uses."""


class Database:
    """One database, migrated to the present schema."""

    def __init__(self, url: str) -> None:
        """Prepare to connect. Raises as ``make_engine``."""
        self._engine = make_engine(url)

    def migrate(self) -> None:
        """Bring the schema up to date: all of it, or nothing; one process at a time.

        Raises:
            Unavailable: the database does not answer or cannot be written.
        """
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.writing() as connection:  # or SQLite's driver would commit each table by itself
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One unit of work.

        Raises:
            Unavailable: the storage failed; nothing of this unit was kept, unless the answer to
                the commit itself was lost.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, OSError):  # a connection broke under the driver; others did too
                self._engine.dispose()
            log.error("storage: %s", _reason(error))
            raise Unavailable("the storage does not answer; try again later") from None

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One unit of work that writes what it decides by what it reads. See ``locks``.

        SQLite's driver begins a transaction at the first change, and what was read before may be
        old by then. This unit begins with its first statement, and is the only one that writes.

        Raises:
            Unavailable: as ``transaction``.
        """
        with self.transaction() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def session(self) -> sa.Connection:
        """A connection of one's own, each statement a transaction; for locks that it holds."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        self._engine.dispose()


def _reason(error: Exception) -> str:
    """What the operator's log may hold: the driver's error and code; texts repeat values."""
    cause = getattr(error, "orig", None) or error
    told = cause.args[0] if cause.args else None
    code = told.get("C", "") if isinstance(told, dict) else getattr(cause, "sqlite_errorname", "")
    return f"{type(cause).__name__} {code}".strip()
