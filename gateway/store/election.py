"""Which of several gateway processes does a task that one does for all: the database, or its file,
decides. Tasks are sequencing the log, and removing what expired.

PostgreSQL: a session-level advisory lock, held by a connection of its own, and gone with it. So it
needs a connection to the server itself, not to a pool that shares sessions out by transaction.
SQLite: a lock on a file beside the database, gone with the process. Both end with the process that
holds them, at once and without clocks. Safety relies on neither. If a process was elected to
sequence and does not know that it no longer is, the head's epoch stops it (``log.lock_head``).
Records are removed under conditions that hold once only.
"""

import fcntl
import os
from enum import Enum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.database import Database
from gateway.wire.errors import Unavailable


class Task(Enum):
    """A task, with the names of its lock: a number in PostgreSQL, a file beside SQLite."""

    SEQUENCING = 0x5EA1_106, "log.lock"
    REAPING = 0x5EA1_107, "retention.lock"

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def file(self) -> str:
        return self.value[1]


class FileElection:
    """Elects, of the processes on one machine, the one that holds a file's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def won(self) -> bool:
        """Whether this process holds the lock; takes it if it is free. Raises ``Unavailable``."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            raise Unavailable("the log's lock file cannot be opened") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def resign(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DatabaseElection:
    """Elects, of the processes on one PostgreSQL database, the one whose session holds the lock."""

    def __init__(self, database: Database, task: Task = Task.SEQUENCING) -> None:
        self._database = database
        self._task = task
        self._session: sa.Connection | None = None

    def won(self) -> bool:
        """Whether this process holds the lock; takes it if it is free. Raises ``Unavailable``."""
        try:
            if self._session is not None:
                self._session.execute(sa.select(1))  # a session that broke has lost the lock
                return True
            session = self._database.session()
            if session.execute(
                sa.select(sa.func.pg_try_advisory_lock(self._task.number))
            ).scalar_one():
                self._session = session
                return True
            session.close()
        except (SQLAlchemyError, OSError):
            self.resign()
            raise Unavailable("the storage does not answer; try again later") from None
        return False

    def resign(self) -> None:
        """End the session itself: in a pool it would keep the lock."""
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()


def election_of(
    database: Database, directory: Path, task: Task = Task.SEQUENCING
) -> FileElection | DatabaseElection:
    """How one process is elected for a task; ``directory`` is that of a SQLite database."""
    if database.dialect == "sqlite":
        return FileElection(directory / task.file)
    return DatabaseElection(database, task)
