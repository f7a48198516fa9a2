"""Attempt caps (protocol, sections 8 and 9): how often one may ask, kept across restarts.

Accept or reject alone reconstructs a template if one may ask often enough. So the number of
decisions is bounded per subject handle and per device. The caps live here because the gateway may
be the attacker. An attempt is on disk before its first answer leaves, so neither a crash nor a
message that never follows gives it back. If the storage fails, the attempt is refused.

Attempts may be under way at once. Caps count them from the moment they are admitted. The lock
cannot: it needs outcomes. So it is asked for again when an outcome is noted, in that transaction.
A decision of a subject that was locked meanwhile does not leave, and its outcome is noted nowhere.

What is stored for one day: a keyed handle, the device's name, a time, an outcome.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.host import crash
from gateway.host.ledger import Ledger
from gateway.wire.errors import Refused
from gateway.wire.ids import PartyId, SubjectHandle

HOUR = 3600
DAY = 24 * HOUR

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    handle BLOB NOT NULL,
    device TEXT NOT NULL,
    at INTEGER NOT NULL,
    matched INTEGER
);
CREATE INDEX IF NOT EXISTS attempts_handle ON attempts (handle, at);
CREATE INDEX IF NOT EXISTS attempts_device ON attempts (device, at);
"""


@dataclass(frozen=True)
class CountedAttempt:
    """An attempt that was admitted."""

    number: int
    handles: tuple[SubjectHandle, ...] = field(repr=False)
    """All of the subject's."""


@dataclass(frozen=True)
class CapLimits:
    """What the operator allows. Windows slide."""

    subject_decisions: int = 5
    """Per subject handle in 24 hours."""
    device_decisions: int = 60
    """Per device in an hour."""
    failures_to_lock: int = 3
    """Mismatches in a row that lock a subject ..."""
    lock_seconds: int = HOUR
    """... for this long after the last."""


class AttemptCaps:
    """The counters, in a database of their own. Thread-safe."""

    def __init__(self, path: Path, limits: CapLimits, clock: Callable[[], int]) -> None:
        """Open or create the database.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._limits = limits
        self._clock = clock
        self._ledger = Ledger.create(path, _SCHEMA, "the file of attempt counters")

    def admit(self, handles: Sequence[SubjectHandle], device: PartyId) -> CountedAttempt:
        """Count one attempt, durably, or refuse it.

        Args:
            handles: the subject's handles, the present one first; attempts under any of them
                count, so a rotation resets nothing.

        Raises:
            Refused: a cap is reached or the subject is locked; nothing is counted.
            Unavailable: the storage failed; nothing may be answered.
        """
        now = self._clock()
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE at <= ?", (now - DAY,))
            self._check_device(connection, device, now)
            self._check_subject(connection, handles, now)
            added = connection.execute(
                "INSERT INTO attempts (handle, device, at) VALUES (?, ?, ?)",
                (handles[0], device, now),
            )
            crash.reach("authority-attempt-written")
            return CountedAttempt(int(added.lastrowid or 0), tuple(handles))

    def conclude(self, attempt: CountedAttempt, *, matched: bool) -> None:
        """Note an attempt's outcome, for the lock.

        Raises:
            Refused: others that were under way have locked the subject. The decision must not
                leave; nothing is noted.
            Unavailable: the storage failed; the decision must not leave.
        """
        with self._ledger.transaction() as connection:
            self._check_lock(_attempts(connection, attempt.handles), self._clock())
            connection.execute(
                "UPDATE attempts SET matched = ? WHERE id = ?", (int(matched), attempt.number)
            )
            crash.reach("authority-outcome-written")

    def check(self) -> None:
        """Raise ``Unavailable`` if no attempt could be counted now."""
        self._ledger.check()

    def close(self) -> None:
        self._ledger.close()

    def _check_device(self, connection: sqlite3.Connection, device: PartyId, now: int) -> None:
        query = "SELECT count(*) FROM attempts WHERE device = ? AND at > ?"
        (count,) = connection.execute(query, (device, now - HOUR)).fetchone()
        if count >= self._limits.device_decisions:
            raise Refused("cap of the device reached")

    def _check_subject(
        self, connection: sqlite3.Connection, handles: Sequence[SubjectHandle], now: int
    ) -> None:
        rows = _attempts(connection, handles)
        if len(rows) >= self._limits.subject_decisions:
            raise Refused("cap of the subject reached")
        self._check_lock(rows, now)

    def _check_lock(self, rows: Sequence[tuple[int, int | None]], now: int) -> None:
        decided = [(at, matched) for at, matched in rows if matched is not None]
        recent = decided[: self._limits.failures_to_lock]
        locked = len(recent) == self._limits.failures_to_lock and not any(m for _, m in recent)
        if locked and now < recent[0][0] + self._limits.lock_seconds:
            raise Refused("subject locked after repeated mismatches")


def _attempts(
    connection: sqlite3.Connection, handles: Sequence[SubjectHandle]
) -> list[tuple[int, int | None]]:
    """A subject's attempts, newest first: when, and whether it matched, as far as is known."""
    marks = ",".join("?" * len(handles))
    return connection.execute(
        f"SELECT at, matched FROM attempts WHERE handle IN ({marks}) ORDER BY id DESC",  # noqa: S608  question marks only
        tuple(handles),
    ).fetchall()
