"""The reaper: removes what is due, in batches, and signs what it did.

Rules:

1. One process reaps at a time (``store.election``). Safety does not rest on it: a row is removed
   under the condition that it is due and not held, in the transaction that writes what is left.
2. A batch is one transaction. A run that is killed leaves whole batches, and the next run goes on.
3. The guard: a run that would remove more than the schedule allows removes nothing of that kind,
   and one that comes long after the last one nothing at all. A wrong clock, or a wrong schedule, is
   then noticed before anything is gone.
4. A schedule that no signed action adopted stops every run. A record whose expiry was moved goes at
   its own time (``expiries``). So whoever only writes the database has nothing removed early.
5. Every run that removed something, or was stopped by the guard, and at least one run a day, leaves
   a signed report, whose digest is an operators' action (``reap``) and an entry of the log.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import sqlalchemy as sa

from gateway.host import crash
from gateway.retention.adoption import in_force, require_signed
from gateway.retention.erasure import DAY, erase_all
from gateway.retention.expiries import leaving
from gateway.retention.holds import remove_ended
from gateway.retention.schedule import Adopted, RetentionSchedule
from gateway.retention.scrub import Scrubbed, scrub
from gateway.store import erasures, retention
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.store.parties import record_action
from gateway.store.records import RecordRow
from gateway.store.retention import Standing
from gateway.wire import cose
from gateway.wire.admin import ChainKeys, Concerned
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import digest_of
from gateway.wire.retention import RUN_KINDS, RetentionRun, RunKind, RunLine

log = logging.getLogger("sealmatch.retention")

BATCH: Final = 50
"""Rows of one transaction: some 50 ms, in which SQLite lets nobody else write."""

Progress = Callable[[RunKind, int, int], None]
"""Called with a kind, the rows removed so far, and the rows to remove."""

_RECORD_KINDS: Final[dict[RunKind, str]] = {"records": "decision", "fallbacks": "fallback"}


class Election(Protocol):
    """Who reaps, among the processes that share a database."""

    def won(self) -> bool:
        """Whether this process is elected. Raises ``Unavailable``."""
        ...

    def resign(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What a run would do now."""

    adopted: Adopted
    now: int
    standing: dict[RunKind, Standing]
    last_ended_at: int | None = None
    """When the last run ended that left a report and was not stopped."""

    @property
    def comes_late(self) -> bool:
        """Whether so much time has passed since the last run that the clock may be wrong."""
        gap = self.adopted.schedule.guard.gap_days * DAY
        return self.last_ended_at is not None and self.now > self.last_ended_at + gap

    def allows(self, kind: RunKind) -> bool:
        """Whether the guard lets a run remove what is due of a kind."""
        one, guard = self.standing[kind], self.adopted.schedule.guard
        return one.due == 0 or (guard.allows(one.due, one.kept) and not self.comes_late)

    @property
    def stopped(self) -> tuple[RunKind, ...]:
        """Kinds of which the guard lets nothing be removed."""
        return tuple(kind for kind in RUN_KINDS if not self.allows(kind))


class Reaper:
    """Removes what is due."""

    def __init__(
        self,
        database: Database,
        election: Election,
        key: SigningKey,
        default_days: int,
        clock: Callable[[], int],
        batch: int = BATCH,
        keys: ChainKeys | None = None,
    ) -> None:
        """Prepare.

        Args:
            key: the gateway's, which signs erasures and reports.
            default_days: for how long records are kept while no schedule was adopted.
            keys: the gateway's, with which schedules and expiries are held against what it signed;
                None: the database is believed, as measurements do.
        """
        self._database = database
        self._election = election
        self._key = key
        self._default_days = default_days
        self._clock = clock
        self._batch = batch
        self._keys = keys

    def plan(self) -> Plan:
        """Count what is due, and touch nothing.

        Raises:
            Unavailable: the storage does not answer.
            BadSchedule: the schedule in force cannot be read.
        """
        now = self._clock()
        with self._database.transaction() as connection:
            retention.be_patient(connection)
            if self._keys is not None:
                require_signed(connection, self._keys)
            adopted = in_force(connection, self._default_days)
            standing = {
                kind: retention.standing(connection, kind, days_of(adopted.schedule, kind), now)
                for kind in RUN_KINDS
            }
            last_ended_at = _last_unbroken(connection)
        return Plan(adopted, now, standing, last_ended_at)

    def run(
        self,
        *,
        lift_guard: bool = False,
        progress: Progress = lambda _kind, _done, _of: None,
        going: Callable[[], bool] = lambda: True,
    ) -> Signed[RetentionRun] | None:
        """Remove what is due now.

        Args:
            lift_guard: an operator has looked, and allows it.
            going: asked after each batch; if it says no, the rest is left to the next run.

        Returns:
            The report; None if another process reaps, or if there was nothing to report.

        Raises:
            As ``plan``. Whole batches are gone then, each with its entry; the next run goes on.
        """
        if not self._election.won():
            return None
        plan = self.plan()
        guard: Literal["kept", "broken", "lifted"] = "kept"
        if plan.stopped:
            guard = "lifted" if lift_guard else "broken"
        removed = {
            kind: self._remove(kind, plan, progress, going)
            for kind in RUN_KINDS
            if lift_guard or plan.allows(kind)
        }
        if guard == "broken":
            log.error("retention: more is due than a run may remove: %s", ", ".join(plan.stopped))
        return self._report(plan, removed, guard)

    def scrub(self) -> Scrubbed:
        """Remove the bytes of deleted rows from the database's files, and sign that.

        Raises:
            Unavailable: as ``scrub.scrub``.
        """
        scrubbed, now = scrub(self._database), self._clock()
        told = "\n".join((*scrubbed.done, *scrubbed.left)).encode()
        about = Concerned.object("retention", str(now // DAY), digest_of(told))
        with self._database.writing() as connection:
            hold_register(connection)
            record_action(connection, "scrub", about, self._key, now)
        return scrubbed

    def elected(self) -> bool:
        """Whether this process reaps. Raises ``Unavailable``."""
        return self._election.won()

    def resign(self) -> None:
        """Let another process reap."""
        self._election.resign()

    def _remove(
        self, kind: RunKind, plan: Plan, progress: Progress, going: Callable[[], bool]
    ) -> int:
        """Remove what the plan counted, in batches; what became due meanwhile stays."""
        done, due = 0, plan.standing[kind].due
        while done < due and going():
            try:
                found, removed = self._remove_batch(kind, plan, min(self._batch, due - done))
            except SessionConflict:  # one of the batch is held since; the next run goes on
                break
            if found == 0:  # held meanwhile, or erased at somebody's request
                break
            done += removed
            progress(kind, done, due)
        return done

    def _remove_batch(self, kind: RunKind, plan: Plan, limit: int) -> tuple[int, int]:
        """How many were found, and how many of these were removed."""
        now = plan.now
        with self._database.writing() as connection:
            if kind in _RECORD_KINDS:
                due = erasures.expired_records(connection, _RECORD_KINDS[kind], now, limit)
                going = self._leaving(connection, due, now)
                if going:
                    erase_all(connection, going, self._key, now)
                found, removed = len(due), len(going)
            elif kind == "holds":
                hold_register(connection)  # each end is an action of the history
                found = removed = remove_ended(connection, self._key, now, limit)
            else:
                days = days_of(plan.adopted.schedule, kind)
                found = removed = retention.remove_due(connection, kind, days, now, limit)
            if removed:
                retention.count_removed(connection, kind, removed)
            crash.reach("reaper-batch-written")
        crash.reach("reaper-batch-committed")
        return found, removed

    def _leaving(
        self, connection: sa.Connection, due: list[RecordRow], now: int
    ) -> list[RecordRow]:
        if self._keys is None:
            return due
        return leaving(connection, due, self._keys, now)

    def _report(
        self, plan: Plan, removed: dict[RunKind, int], guard: Literal["kept", "broken", "lifted"]
    ) -> Signed[RetentionRun] | None:
        with self._database.transaction() as connection:
            last = retention.last_run(connection)
        # One of a time to come is of a clock that was ahead, and must not silence the next ones.
        lately = last is not None and last[2] <= plan.now < last[2] + DAY
        broken_before = lately and guard == "broken" and _was_broken(last)
        if lately and not any(removed.values()) and (guard == "kept" or broken_before):
            return None
        left = self.plan()
        with self._database.writing() as connection:
            hold_register(connection)
            last = retention.last_run(connection)
            in_all = retention.removed_in_all(connection)
            report = RetentionRun(
                gateway=self._key.party,
                number=1 if last is None else last[0] + 1,
                schedule_digest=plan.adopted.digest,
                began_at=plan.now,
                ended_at=max(plan.now, self._clock()),
                guard=guard,
                lines=tuple(
                    _line(kind, removed.get(kind, 0), in_all.get(kind, 0), left.standing[kind])
                    for kind in RUN_KINDS
                ),
            )
            signed = cose.sign(report, self._key)
            retention.add_run(connection, report.number, signed.encoded, report.ended_at)
            about = Concerned.object("retention", str(report.number), digest_of(signed.encoded))
            record_action(connection, "reap", about, self._key, report.ended_at)
            crash.reach("reaper-report-written")
        return signed


def days_of(schedule: RetentionSchedule, kind: RunKind) -> int:
    """Days that the schedule gives a kind whose rows do not say themselves when they are due."""
    return {"runs": schedule.runs.days, "counters": schedule.counters.days}.get(kind, 0)


def _line(kind: RunKind, removed: int, in_all: int, left: Standing) -> RunLine:
    return RunLine(
        kind=kind,
        removed=removed,
        removed_in_all=in_all,
        held=left.held,
        overdue=left.due,
        kept=left.kept,
        oldest=None if left.oldest is None else max(0, left.oldest),
    )


def _last_unbroken(connection: sa.Connection) -> int | None:
    """A run that was stopped says nothing about the clock."""
    for _, report, ended_at in retention.newest_runs(connection):
        if cose.peek(report, RetentionRun).guard != "broken":
            return ended_at
    return None


def _was_broken(last: tuple[int, bytes, int] | None) -> bool:
    return last is not None and cose.peek(last[1], RetentionRun).guard == "broken"
