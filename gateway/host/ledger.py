"""A small SQLite file of a server's own, for what must be on disk before an answer leaves.

One connection, one unit of work at a time, each of which is durable or did not happen. A truncated
journal keeps nothing of what was deleted; a write-ahead log would.

``Storage`` is what a file and a database have in common (``shared_ledger``).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from gateway.host.directories import private_file
from gateway.wire.errors import Unavailable

BUSY_SECONDS = 5
"""Time to wait for another process that uses the file."""


def connect(path: Path, mode: Literal["rw", "rwc"], *pragmas: str) -> sqlite3.Connection:
    """Open a file; its transactions begin and end where the caller says.

    Args:
        mode: ``rwc`` makes the file if it is missing, its owner's alone from the first moment.
        pragmas: besides the truncated journal.

    Raises:
        sqlite3.Error, OSError: it cannot be opened.
    """
    if mode == "rwc" or path.exists():
        private_file(path)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in ("journal_mode=TRUNCATE", *pragmas):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Unit(Protocol):
    """What runs statements within a unit of work."""

    def run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement with its ``:named`` values; returns its rows."""


class Storage(Protocol):
    """A ledger, wherever it is."""

    def writing(self, *alone: bytes, durable: bool = True) -> AbstractContextManager[Unit]: ...

    def looking(self) -> AbstractContextManager[Unit]: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


class FileUnit:
    """A connection to a file, as a ``Unit``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()


class Ledger:
    """Units of work on one connection. Thread-safe."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        """``name``: what the file is, for messages."""
        self._connection = connection
        self._name = name
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, schema: str, name: str) -> "Ledger":
        """Open the file, mode 0600, or make it.

        Raises:
            Unavailable: it cannot be opened.
        """
        try:
            connection = connect(path, "rwc", "synchronous=FULL", "secure_delete=ON")
            connection.executescript(schema)
        except (sqlite3.Error, OSError):
            raise Unavailable(f"{name} cannot be opened") from None
        return cls(connection, name)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One unit of work: durable when the block ends, undone when it raises.

        Raises:
            Unavailable: the storage failed; nothing may be answered.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise Unavailable(f"{self._name} cannot be written") from None
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def writing(self, *_alone: bytes, durable: bool = True) -> Iterator[Unit]:  # noqa: ARG002
        """As ``transaction``. No other unit runs meanwhile, whomever it concerns, and each is
        durable."""
        with self.transaction() as connection:
            yield FileUnit(connection)

    @contextmanager
    def looking(self) -> Iterator[Unit]:
        """As ``reading``."""
        with self.reading() as connection:
            yield FileUnit(connection)

    def check(self) -> None:
        """Write something that changes nothing, durably. Raises ``Unavailable``."""
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {int(version)}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One query outside any unit of work. Raises ``Unavailable``."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error:
                raise Unavailable(f"{self._name} cannot be read") from None

    def close(self) -> None:
        self._connection.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # a closed or broken connection has nothing to undo
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
