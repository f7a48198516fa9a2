"""What a witness has cosigned: the latest checkpoint of each log, in SQLite.

Rule: nobody learns of a cosignature before the checkpoint under it is on disk. So whatever a crash
interrupts, every cosignature that was given out is remembered, and nothing that contradicts it is
signed later. The old checkpoint is read and the new one written in one transaction, which also
keeps out a second process on the same file.

If the memory is missing, a server does not start: it never makes one silently. A memory that came
back from a backup may have forgotten what was signed. The witness's keys must then not be used any
more.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from gateway.host import crash
from gateway.host.ledger import Ledger, connect
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.witnessing import NOTHING, Remembered
from gateway.wire.errors import Unavailable

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
    """Make an empty memory. An existing one stays as it is.

    Raises:
        Unavailable: it cannot be made.
    """
    try:
        connection = _connect(path, "rwc")
        try:
            connection.execute(_SCHEMA)
        finally:
            connection.close()
    except (sqlite3.Error, OSError):
        raise Unavailable("the witness's memory cannot be made") from None


def forget_memory(path: Path) -> None:
    """Remove a memory that was just made, before it remembered anything."""
    for one in (path, Path(f"{path}-journal")):
        one.unlink(missing_ok=True)


class WitnessMemory:
    """The memory of a running witness. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            Unavailable: it is missing or cannot be opened.
        """
        try:
            connection = _connect(path, "rw")
            connection.execute("SELECT origin, size, root, at, checkpoint FROM cosigned")
        except (sqlite3.Error, OSError):
            raise Unavailable(
                "the witness's memory is missing or damaged; without it, it must not cosign"
            ) from None
        self._ledger = Ledger(connection, "the witness's memory")

    def advance(
        self, origin: str, sign: Callable[[Remembered], tuple[SignedCheckpoint, int]]
    ) -> SignedCheckpoint:
        """Replace the remembered checkpoint of a log by the one that ``sign`` makes from it.

        Args:
            sign: checks against what is remembered, and signs. It returns the signed checkpoint and
                the time of its cosignatures (seconds since 1970). If it raises, nothing changes.

        Returns:
            The signed checkpoint, which is on disk.

        Raises:
            Unavailable: the storage failed; the cosignature must not leave.
        """
        with self._ledger.transaction() as connection:
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
        with self._ledger.reading() as connection:
            rows = connection.execute("SELECT origin, checkpoint FROM cosigned")
            return [(str(origin), bytes(checkpoint)) for origin, checkpoint in rows]

    def latest_time(self) -> int:
        """The latest time of a cosignature; 0 before the first. Raises ``Unavailable``."""
        with self._ledger.reading() as connection:
            (at,) = connection.execute("SELECT coalesce(max(at), 0) FROM cosigned").fetchone()
            return int(at)

    def check(self) -> None:
        """Raise ``Unavailable`` if nothing could be remembered now, and so nothing cosigned."""
        self._ledger.check()

    def close(self) -> None:
        self._ledger.close()


def _connect(path: Path, mode: Literal["rw", "rwc"]) -> sqlite3.Connection:
    # EXTRA also makes the end of the journal durable, which is what commits.
    return connect(path, mode, "synchronous=EXTRA")


def _remembered(connection: sqlite3.Connection, origin: str) -> Remembered:
    query = "SELECT size, root, at FROM cosigned WHERE origin = ?"
    row = connection.execute(query, (origin,)).fetchone()
    return NOTHING if row is None else Remembered(*row)
