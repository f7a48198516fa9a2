"""Connections and migrations. Every storage fault becomes ``Unavailable``, with nothing half done.

Each unit of work is one transaction: it is committed whole or leaves no trace.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.wire.errors import Unavailable

log = logging.getLogger("sealmatch.store")

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS = 5000


class Database:
    """One database, migrated to the present schema."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, hide_parameters=True)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _configure_sqlite)

    def migrate(self) -> None:
        """Bring the schema up to date.

        Raises:
            Unavailable: the database does not answer or cannot be written.
        """
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.transaction() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One unit of work.

        Raises:
            Unavailable: the storage failed; nothing of this unit was kept.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            # The statement's parameters stay out of the log; the driver's reason is kept.
            reason = getattr(error, "orig", None)
            log.error("storage: %s", type(reason or error).__name__)
            raise Unavailable("the storage does not answer; try again later") from None

    def close(self) -> None:
        self._engine.dispose()


def _configure_sqlite(
    connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry
) -> None:
    """Durable commits; deleted content is overwritten, not merely unlinked."""
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
