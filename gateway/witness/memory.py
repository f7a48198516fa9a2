"""What a witness has cosigned: the latest checkpoint of each log, in SQLite.

Rule: nobody learns of a cosignature before the checkpoint under it is on disk. So whatever a crash
interrupts, what was ever given out is remembered, and nothing that contradicts it is signed later.
Reading what is remembered and writing what is new happen in one transaction, which also keeps out
a second process on the same file.

A memory is never made by the way: a server whose memory is missing does not start. One that came
back from a backup may have forgotten what it signed; its keys must not be used any more.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.witnessing import NOTHING, Remembered
from gateway.wire.errors import Unavailable
from gateway.wire.host import crash

_BUSY_SECONDS: Final = 5
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cosigned (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    at INTEGER NOT NULL,
    checkpoint BLOB NOT NULL
) STRICT
"""


def create_memory(path: Path) -> None:
    """Make a memory without any log; one that is there stays as it is.

    Raises:
        Unavailable: it cannot be made.
    """
    try:
        connection = _connect(path, "rwc")
        try:
            path.chmod(0o600)
            connection.execute(_SCHEMA)
        finally:
            connection.close()
    except (sqlite3.Error, OSError):
        raise Unavailable("the witness's memory cannot be made") from None


class WitnessMemory:
    """The memory of a running witness. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            Unavailable: it is missing or cannot be opened.
        """
        self._lock = threading.Lock()
        try:
            self._connection = _connect(path, "rw")
            self._connection.execute("SELECT origin, size, root, at, checkpoint FROM cosigned")
        except sqlite3.Error:
            raise Unavailable(
                "the witness's memory is missing or damaged; without it, it must not cosign"
            ) from None

    def advance(
        self, origin: str, sign: Callable[[Remembered], tuple[SignedCheckpoint, int]]
    ) -> SignedCheckpoint:
        """Replace what is remembered of a log by what ``sign`` makes of it.

        Args:
            sign: checks against what is remembered, and signs; gives the signed checkpoint and
                the time of its cosignatures, or raises, and then nothing changes.

        Returns:
            The signed checkpoint, which is on disk.

        Raises:
            Unavailable: the storage failed; the cosignature must not leave.
        """
        with self._transaction() as connection:
            signed, time = sign(_remembered(connection, origin))
            crash.reach("witness-signed")
            new = signed.checkpoint
            connection.execute(
                "INSERT INTO cosigned VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET "
                "size = excluded.size, root = excluded.root, at = excluded.at, "
                "checkpoint = excluded.checkpoint",
                (origin, new.size, new.root, time, bytes(signed)),
            )
            crash.reach("witness-written")
        crash.reach("witness-committed")
        return signed

    def checkpoints(self) -> list[tuple[str, bytes]]:
        """Origin and latest cosigned checkpoint of every log. Raises ``Unavailable``."""
        with self._lock:
            try:
                rows = self._connection.execute("SELECT origin, checkpoint FROM cosigned")
                return [(str(origin), bytes(checkpoint)) for origin, checkpoint in rows]
            except sqlite3.Error:
                raise Unavailable("the witness's memory cannot be read") from None

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise Unavailable("the witness's memory cannot be written") from None
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # a closed or broken connection has nothing to undo
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # EXTRA also makes the end of the journal durable, which is what commits.
    for pragma in ("journal_mode=TRUNCATE", "synchronous=EXTRA"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _remembered(connection: sqlite3.Connection, origin: str) -> Remembered:
    query = "SELECT size, root, at FROM cosigned WHERE origin = ?"
    row = connection.execute(query, (origin,)).fetchone()
    return NOTHING if row is None else Remembered(*row)
