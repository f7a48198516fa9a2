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

Several instances of one authority may share the counters (``places``). Who asks about a subject or
for a device waits for whoever else does, in any instance. So two cannot admit one attempt too many.

Counters are made with the authority's keys and never again by themselves (``caps_mark``). Counters
that may miss attempts are *closed*: every attempt is refused as at a reached cap, until what they
may miss is a day old.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.host import crash
from gateway.host.ledger import Unit
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import PartyId, SubjectHandle
from keys.caps_mark import ID_BYTES, MINUTE, CapsLost, CapsMark
from keys.caps_store import (
    Standing,
    are_there,
    mark_beside,
    of_older_version,
    open_caps,
    set_standing,
    standing_of,
)
from keys.places import Place, name_of

log = logging.getLogger("sealmatch.authority")

HOUR: Final = 3600
DAY: Final = 24 * HOUR

_LOST: Final = (
    "the counters of attempts are lost: {}. Bring the counters and caps.mark back as they were, or "
    "restore a backup (sealmatch-authority restore), or start once with --caps-lost, which refuses "
    "every attempt for 24 hours"
)


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
    """The counters, in a database of their own or a shared one. Thread-safe."""

    def __init__(self, place: Place, limits: CapLimits, clock: Callable[[], int]) -> None:
        """Open the counters that were made by ``create_caps``. What is a day old goes at once.

        Raises:
            CapsLost: they are missing, or are not those of the mark beside them.
            Unavailable: they cannot be opened.
        """
        self._limits = limits
        self._clock = clock
        self._mark = mark_beside(place)
        self._marking = threading.Lock()
        if not are_there(place):
            raise CapsLost(_LOST.format(f"{name_of(place)} is missing"))
        older = of_older_version(place)
        self._ledger = open_caps(place)
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
        now, number = self._clock(), 0
        known = self._standing.counted_until  # of what was committed before this unit begins
        with self._ledger.writing(*_alone(handles), b"device/" + device.encode()) as unit:
            own = self._present_standing(unit, known, now)
            if not own.closed_until or now >= own.closed_until:
                self._check_device(unit, device, now)
                self._check_subject(unit, handles, now)
                number = _add(unit, handles[0], device, now)
                own = _ahead(unit, own, now)
                crash.reach("authority-attempt-written")
        self._keep(own)
        if not number:
            raise Refused(f"the counters of attempts are closed until {own.closed_until}")
        return CountedAttempt(number, tuple(handles))

    def conclude(self, attempt: CountedAttempt, *, matched: bool) -> None:
        """Note an attempt's outcome, for the lock.

        A match that is lost locks a subject earlier, never later. So a database need not wait for
        its disk.

        Raises:
            Refused: others that were under way have locked the subject. The decision must not
                leave; nothing is noted.
            Unavailable: the storage failed, or no longer has the attempt; the decision must not
                leave.
        """
        now = self._clock()
        with self._ledger.writing(*_alone(attempt.handles), durable=not matched) as unit:
            self._check_lock(_attempts(unit, attempt.handles, now), now)
            noted = unit.run(
                # In a database that was set back, another attempt may have its number.
                "UPDATE attempts SET matched = :matched "
                "WHERE id = :number AND handle = :handle AND matched IS NULL RETURNING id",
                matched=int(matched),
                number=attempt.number,
                handle=attempt.handles[0],
            )
            if not noted:
                raise Unavailable("the counters no longer have this attempt")
            crash.reach("authority-outcome-written")

    def sweep(self) -> None:
        """Remove what is a day old; from a file, the bytes go with it. Raises ``Unavailable``.

        Looks how far the counters go, too: an instance that a gateway asks for nothing would else
        take a database that was set back for the present one, and count on in it.
        """
        old = self._clock() - DAY
        with self._ledger.looking() as unit:
            found = standing_of(unit)
            is_old = unit.run("SELECT 1 FROM attempts WHERE at <= :old LIMIT 1", old=old)
        if found is not None and found.counters == self._standing.counters:
            self._keep(found)
        if not is_old:
            return
        with self._ledger.writing() as unit:
            unit.run("DELETE FROM attempts WHERE at <= :old", old=old)

    def check(self) -> None:
        """Raise ``Unavailable`` if no attempt could be counted now."""
        self._ledger.check()
        with self._ledger.looking() as unit:
            self._require_own(standing_of(unit))

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
        with self._ledger.writing(_STANDING) as unit:
            own = standing_of(unit)
            if own is None and mark is None and older:
                own = Standing(secrets.token_bytes(ID_BYTES), self._clock(), 0)
                set_standing(unit, own)
            elif own is None or mark is None or mark.counters != own.counters:
                raise CapsLost(_LOST.format(f"{self._mark.name} is missing, or of other counters"))
            elif own.counted_until < mark.until:
                own = _closed(unit, own, mark.until, self._clock())
        if mark is None or mark.until != own.counted_until:
            CapsMark(own.counters, own.counted_until).write(self._mark)
        return own

    def _present_standing(self, unit: Unit, known: int, now: int) -> Standing:
        """What the counters say of themselves now: another instance may have closed them, and a
        database may have been set back while this one ran."""
        own = self._require_own(standing_of(unit))
        return _closed(unit, own, known, now) if own.counted_until < known else own

    def _require_own(self, found: Standing | None) -> Standing:
        if found is None or found.counters != self._standing.counters:
            raise Unavailable("other counters have taken the place of these: start again")
        return found

    def _keep(self, present: Standing) -> None:
        """The mark follows the counters: never the other way, or a crash would look like loss."""
        with self._marking:
            if self._standing.counted_until < present.counted_until:
                CapsMark(present.counters, present.counted_until).write(self._mark)
            if self._standing.counted_until <= present.counted_until:
                self._standing = present

    def _check_device(self, unit: Unit, device: PartyId, now: int) -> None:
        query = "SELECT count(*) FROM attempts WHERE device = :device AND at > :since"
        [(count,)] = unit.run(query, device=device, since=now - HOUR)
        if count >= self._limits.device_decisions:
            raise Refused("cap of the device reached")

    def _check_subject(self, unit: Unit, handles: Sequence[SubjectHandle], now: int) -> None:
        rows = _attempts(unit, handles, now)
        if len(rows) >= self._limits.subject_decisions:
            raise Refused("cap of the subject reached")
        self._check_lock(rows, now)

    def _check_lock(self, rows: Sequence[tuple[int, int | None]], now: int) -> None:
        decided = [(at, matched) for at, matched in rows if matched is not None]
        recent = decided[: self._limits.failures_to_lock]
        locked = len(recent) == self._limits.failures_to_lock and not any(m for _, m in recent)
        if locked and now < recent[0][0] + self._limits.lock_seconds:
            raise Refused("subject locked after repeated mismatches")


_STANDING: Final = b"standing"


def _alone(handles: Sequence[SubjectHandle]) -> list[bytes]:
    """Names of a subject for ``Storage.writing``: of each of its handles."""
    return [b"subject/" + handle for handle in handles]


def _attempts(
    unit: Unit, handles: Sequence[SubjectHandle], now: int
) -> list[tuple[int, int | None]]:
    """A subject's attempts of a day, newest first: when, and whether it matched, as far as is
    known."""
    rows = unit.run(
        "SELECT at, matched FROM attempts WHERE handle IN (:present, :former) AND at > :old "
        "ORDER BY id DESC",
        present=handles[0],
        former=handles[-1],
        old=now - DAY,
    )
    return [(at, matched) for at, matched in rows]


def _add(unit: Unit, handle: SubjectHandle, device: PartyId, now: int) -> int:
    """Count an attempt; returns its number."""
    adding = "INSERT INTO attempts (handle, device, at) VALUES (:handle, :device, :at) RETURNING id"
    [(number,)] = unit.run(adding, handle=handle, device=device, at=now)
    return int(number)


def _ahead(unit: Unit, own: Standing, now: int) -> Standing:
    """Note, once a minute, until when these counters may have counted."""
    if now < own.counted_until:
        return own
    ahead = own._replace(counted_until=now // MINUTE * MINUTE + MINUTE)
    unit.run(
        "UPDATE standing SET counted_until = :until WHERE counted_until < :until",
        until=ahead.counted_until,
    )
    return ahead


def _closed(unit: Unit, own: Standing, until: int, now: int) -> Standing:
    """Close counters that have counted for less long than this. Who put older ones back may have
    put back the mark, too: so the day begins now."""
    log.warning("the counters of attempts are older than their mark: closed for a day")
    closed = Standing(own.counters, max(now, until), now + DAY)
    set_standing(unit, closed)
    return closed
