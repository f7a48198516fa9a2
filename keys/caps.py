"""Attempt caps (protocol, sections 8 and 9): how often one may ask, kept across restarts.

Accept or reject alone reconstructs a template if one may ask often enough. So the number of
decisions is bounded per subject handle and per device. The caps live here because the gateway may
be the attacker. An attempt is on disk before its first answer leaves, so neither a crash nor a
message that never follows gives it back. If the storage fails, the attempt is refused.

Attempts may be under way at once. Caps count them from the moment they are admitted. The lock
cannot: it needs outcomes. So it is asked for again when an outcome is noted, in that transaction.
A decision of a subject that was locked meanwhile does not leave, and its outcome is noted nowhere.

What is stored for one day: a keyed handle, the device's name, a time, an outcome. ``sweep`` removes
it when the day is over, whether anybody asks or not.

The file is made with the authority's keys and never again by itself (``caps_mark``). Counters that
may miss attempts are *closed*: every attempt is refused as at a reached cap, until what they may
miss is a day old.
"""

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway.host import crash
from gateway.host.keyfile import sync_directory
from gateway.host.ledger import Ledger, connect
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import PartyId, SubjectHandle
from keys.caps_mark import ID_BYTES, MINUTE, CapsLost, CapsMark, mark_of

log = logging.getLogger("sealmatch.authority")

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
CREATE TABLE IF NOT EXISTS standing (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    counters BLOB NOT NULL,
    counted_until INTEGER NOT NULL,
    closed_until INTEGER NOT NULL
);
"""
_NAME = "the file of attempt counters"
_LOST = (
    "the counters of attempts are lost: {}. Bring caps.sqlite3 and caps.mark back as they were, or "
    "restore a backup (sealmatch-authority restore), or start once with --caps-lost, which refuses "
    "every attempt for 24 hours"
)


class Standing(NamedTuple):
    """Which counters these are, and how far they go."""

    counters: bytes
    """Their id, as in the mark."""
    counted_until: int
    """No attempt was counted after this time."""
    closed_until: int
    """Every attempt is refused before this time; 0: they were never closed."""


class StoredAttempt(NamedTuple):
    """An attempt as a backup has it."""

    handle: bytes
    device: str
    at: int
    matched: int | None


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
        """Open the counters that were made by ``create_caps``. What is a day old goes at once.

        Raises:
            CapsLost: they are missing, or are not those of the mark beside them.
            Unavailable: they cannot be opened.
        """
        self._limits = limits
        self._clock = clock
        self._mark = mark_of(path)
        self._marking = threading.Lock()
        if not path.exists():
            raise CapsLost(_LOST.format(f"{path.name} is missing"))
        older = of_older_version(path)
        self._ledger = Ledger.create(path, _SCHEMA, _NAME)
        try:
            self._standing = self._checked(older=older)
            self.sweep()
        except BaseException:
            self._ledger.close()
            raise
        if self._standing.closed_until > clock():
            log.warning("the counters of attempts are closed until %d", self.closed_until)

    @property
    def closed_until(self) -> int:
        """Every attempt is refused before this time, in seconds since 1970."""
        return self._standing.closed_until

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
        if self.closed_until and now < self.closed_until:
            raise Refused(f"the counters of attempts are closed until {self.closed_until}")
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE at <= ?", (now - DAY,))
            self._check_device(connection, device, now)
            self._check_subject(connection, handles, now)
            added = connection.execute(
                "INSERT INTO attempts (handle, device, at) VALUES (?, ?, ?)",
                (handles[0], device, now),
            )
            ahead = self._ahead(connection, now)
            crash.reach("authority-attempt-written")
        if ahead is not None:
            self._keep(ahead)
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

    def sweep(self) -> None:
        """Remove what is a day old; the bytes go with it. Raises ``Unavailable``."""
        old = self._clock() - DAY
        with self._ledger.reading() as connection:
            query = "SELECT 1 FROM attempts WHERE at <= ? LIMIT 1"
            if connection.execute(query, (old,)).fetchone() is None:
                return
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE at <= ?", (old,))

    def check(self) -> None:
        """Raise ``Unavailable`` if no attempt could be counted now."""
        self._ledger.check()

    def close(self) -> None:
        self._ledger.close()

    def _checked(self, *, older: bool) -> Standing:
        """What the counters and their mark say of each other, by the rules of ``caps_mark``.

        Args:
            older: the file was written by a version that had no mark.
        """
        try:
            mark = CapsMark.read(self._mark)
        except CapsLost as error:
            raise CapsLost(_LOST.format(error)) from None
        with self._ledger.transaction() as connection:
            own = _standing(connection)
            if own is None and mark is None and older:
                own = Standing(secrets.token_bytes(ID_BYTES), self._clock(), 0)
                _set_standing(connection, own)
            elif own is None or mark is None or mark.counters != own.counters:
                raise CapsLost(_LOST.format(f"{self._mark.name} is missing, or of other counters"))
            elif own.counted_until < mark.until:
                log.warning("the counters of attempts are older than their mark: closed for a day")
                now = self._clock()  # who put older counters back may have put back the mark, too
                own = Standing(own.counters, max(now, mark.until), now + DAY)
                _set_standing(connection, own)
        if mark is None or mark.until != own.counted_until:
            CapsMark(own.counters, own.counted_until).write(self._mark)
        return own

    def _ahead(self, connection: sqlite3.Connection, now: int) -> Standing | None:
        """Note, once a minute, until when these counters may have counted."""
        if now < self._standing.counted_until:
            return None
        until = now // MINUTE * MINUTE + MINUTE
        ahead = self._standing._replace(counted_until=until)
        _set_standing(connection, ahead)
        return ahead

    def _keep(self, ahead: Standing) -> None:
        """The mark follows the counters: never the other way, or a crash would look like loss."""
        with self._marking:
            if self._standing.counted_until < ahead.counted_until:
                CapsMark(ahead.counters, ahead.counted_until).write(self._mark)
                self._standing = ahead

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


def create_caps(
    path: Path,
    now: int,
    closed_until: int = 0,
    attempts: Iterable[StoredAttempt] = (),
) -> None:
    """Make counters, with their mark. Old ones that are there are replaced, in one step.

    Args:
        now: no attempt that is not among ``attempts`` was counted after this time.
        closed_until: every attempt is refused before this time.

    Raises:
        Unavailable: they cannot be made; old ones stay.
    """
    beside = path.with_name(f".{path.name}.part")
    for left in (beside, Path(f"{beside}-journal")):
        left.unlink(missing_ok=True)
    own = Standing(secrets.token_bytes(ID_BYTES), now, closed_until)
    ledger = Ledger.create(beside, _SCHEMA, _NAME)
    try:
        with ledger.transaction() as connection:
            _set_standing(connection, own)
            connection.executemany(
                "INSERT INTO attempts (handle, device, at, matched) VALUES (?, ?, ?, ?)", attempts
            )
    finally:
        ledger.close()
    CapsMark(own.counters, now).write(mark_of(path))
    crash.reach("caps-made")
    try:
        Path(f"{beside}-journal").unlink(missing_ok=True)
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise Unavailable(f"{_NAME} cannot be made: {error.strerror}") from None


def forget_caps(path: Path) -> None:
    """Remove counters that were just made, whole or in part, before they counted anything."""
    for made in (path, mark_of(path)):
        beside = made.with_name(f".{made.name}.part")
        for one in (made, Path(f"{made}-journal"), beside, Path(f"{beside}-journal")):
            one.unlink(missing_ok=True)


def still_closed(path: Path, now: int) -> bool:
    """Whether counters are there and refuse every attempt, so that others may take their place.
    Raises ``Unavailable``."""
    own = stored_standing(path) if path.exists() else None
    return own is not None and now < own.closed_until


def stored_attempts(path: Path) -> list[StoredAttempt]:
    """All attempts, oldest first, of counters that may be in use. Raises ``Unavailable``."""
    with read_caps(path) as connection:
        query = "SELECT handle, device, at, matched FROM attempts ORDER BY id"
        return [StoredAttempt(*row) for row in connection.execute(query)]


def stored_standing(path: Path) -> Standing | None:
    """What counters say of themselves; None: they are of an older version. Raises
    ``Unavailable``."""
    with read_caps(path) as connection:
        try:
            return _standing(connection)
        except sqlite3.OperationalError:
            return None


def of_older_version(path: Path) -> bool:
    """Whether a file has attempts, and no place for what counters say of themselves. One that was
    emptied has neither: it counted nothing, and is no counter. Raises ``Unavailable``."""
    with read_caps(path) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in connection.execute(query)} & {"attempts", "standing"} == {
            "attempts"
        }


@contextmanager
def read_caps(path: Path) -> Iterator[sqlite3.Connection]:
    """Counters for reading. Raises ``Unavailable``."""
    try:
        with closing(connect(path, "rw")) as connection:
            yield connection
    except (sqlite3.Error, OSError):
        raise Unavailable(f"{_NAME} cannot be read") from None


def _standing(connection: sqlite3.Connection) -> Standing | None:
    query = "SELECT counters, counted_until, closed_until FROM standing"
    row = connection.execute(query).fetchone()
    return None if row is None else Standing(*row)


def _set_standing(connection: sqlite3.Connection, own: Standing) -> None:
    connection.execute("INSERT OR REPLACE INTO standing VALUES (1, ?, ?, ?)", own)
