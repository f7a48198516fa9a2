"""Retention: the schedule in force, how old the oldest rows are, and whether the reaper runs.

Holds are in ``checks.holds``, erased bytes in ``checks.erased``.
"""

import datetime
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence, Exhibit
from gateway.inspection.exhibits import (
    RUNS,
    actions,
    decoded,
    encoded,
    schedules,
    signed_objects,
    table_rows,
)
from gateway.inspection.kept import kept
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.retention.reaper import days_of
from gateway.retention.schedule import BadSchedule, RetentionSchedule
from gateway.store import retention, schema
from gateway.wire.admin import AdminAction
from gateway.wire.cose import peek
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import KeyId, digest_of
from gateway.wire.retention import RUN_KINDS, RetentionRun

DAY: Final = 24 * 3600
LATE_DAYS: Final = 2
"""A run is late after so long. The reaper runs every hour, and reports every day."""
_DATED: Final = ("runs", "counters")
"""Kinds whose rows do not say when they are due: that is the schedule's to say."""
_FOR_EVER: Final = 10**5
"""Days."""
_SESSION_SECONDS: Final = 3600
"""Sessions are removed every 15 seconds; after an hour something is wrong."""
_SESSION_DAYS: Final = 2
"""The latest end of a session is a day after its receipt was last asked for."""


# The schedule


def _schedule(evidence: Evidence, _: Progress) -> Line:
    adopted = schedules(evidence)
    signed = {
        (action.party, action.key_id): action.at
        for action in _actions(evidence)
        if (action.verb, action.kind) == ("adopt", "retention")
    }
    wrong, notes = [], []
    for place, one in enumerate(adopted, 1):
        number, content = one["number"], one["content"]
        if number != place:
            wrong.append(f"schedule {place} is missing, or out of order")
        adopted_at = signed.get((str(number), KeyId(digest_of(content))))
        if adopted_at is None:
            wrong.append(f"schedule {number} is not one whose adoption an operator signed")
        elif adopted_at != one["adoptedAt"]:
            wrong.append(f"schedule {number} was adopted at another time than an operator signed")
        try:
            RetentionSchedule.decode(content)
        except BadSchedule as error:
            wrong.append(f"schedule {number}: {error}")
    if len(signed) > len(adopted):
        wrong.append(f"{len(signed)} adoptions were signed, and {len(adopted)} schedules are there")
    if not adopted:
        notes.append(
            "no schedule was adopted: the built-in one holds (sealmatch-gateway retention)"
        )
    else:
        notes += _periods(adopted[-1]["content"])
    return judged(
        SCHEDULE,
        "adopted schedules",
        len(adopted),
        wrong,
        limit="the operators' signed history",
        repeat="sealmatch-gateway retention show, and history",
        notes=notes,
    )


def _periods(content: bytes) -> Iterator[str]:
    try:
        schedule = RetentionSchedule.decode(content)
    except BadSchedule:
        return
    for name, rule in schedule:
        if (days := getattr(rule, "days", None)) is not None:
            yield f"{name}: {days} days, for: {rule.purpose}; basis: {rule.legal_basis}"


# How old what is kept is


def _ages(evidence: Evidence) -> bytes:
    """How each kind of row stands against its limit."""
    schedule, found = _in_force(evidence), {}
    for kind in RUN_KINDS:
        for table in retention.tables_of(kind):
            table_rows(evidence, sa.select(table))  # NoAccess where it is missing
        days = _FOR_EVER if schedule is None and kind in _DATED else 0
        if schedule is not None:
            days = days_of(schedule, kind)
        connection = evidence.database.connection
        now = retention.standing(connection, kind, days, evidence.now)
        late = retention.standing(connection, kind, days, evidence.now - DAY)
        found[kind] = {
            "kept": now.kept,
            "due": now.due,
            "overdue": late.due,
            "held": now.held,
            "oldestDue": None if days == _FOR_EVER else now.oldest,
            "days": getattr(getattr(schedule, kind, None), "days", None),
        }
    return encoded({"kinds": found, "sessions": _sessions(evidence), "hours": _hours(evidence)})


def _sessions(evidence: Evidence) -> dict[str, int]:
    held = schema.sessions.c
    late = sa.func.count().filter(held.expires_at <= evidence.now - _SESSION_SECONDS)
    far = sa.func.count().filter(held.expires_at > evidence.now + _SESSION_DAYS * DAY)
    query = sa.select(sa.func.count().label("kept"), late.label("overdue"), far.label("far"))
    row = next(iter(table_rows(evidence, query.select_from(schema.sessions))))  # type: ignore[arg-type]
    return {"kept": int(row.kept), "overdue": int(row.overdue), "far": int(row.far)}


def _hours(evidence: Evidence) -> int:
    """Counts of registrations without a face whose hour is long over, or has not come."""
    held, now = schema.fallback_counts.c, evidence.now // 3600
    query = sa.select(held.hour).where((held.hour < now - 24) | (held.hour > now + 1))
    return sum(1 for _ in table_rows(evidence, query))


def _in_force(evidence: Evidence) -> RetentionSchedule | None:
    adopted = schedules(evidence)
    return RetentionSchedule.decode(adopted[-1]["content"]) if adopted else None


def _totals(evidence: Evidence) -> bytes:
    held = schema.retention_totals.c
    rows = table_rows(evidence, sa.select(held.kind, held.removed))
    return encoded({row.kind: int(row.removed) for row in rows})


TOTALS: Final = Exhibit("removed.json", _totals, "how many rows of each kind were removed so far")
AGES: Final = Exhibit("ages.json", _ages, "how many rows of each kind, and when the oldest is due")


def _oldest(evidence: Evidence, _: Progress) -> Line:
    ages = decoded(evidence.read(AGES))
    wrong = [
        f"{one['overdue']:,} {kind} are overdue by more than a day, and not held"
        for kind, one in ages["kinds"].items()
        if one["overdue"]
    ]
    if overdue := ages["sessions"]["overdue"]:
        wrong.append(f"{overdue:,} sessions ended more than an hour ago, and are still there")
    if far := ages["sessions"]["far"]:
        wrong.append(f"{far:,} sessions end later than a session may")
    if hours := ages["hours"]:
        wrong.append(f"{hours:,} counts of an hour without a face are a day old, or of the future")
    return judged(
        OLDEST,
        "rows of records and of all else that expires",
        sum(one["kept"] for one in ages["kinds"].values()) + ages["sessions"]["kept"],
        wrong,
        limit="the schedule's days; sessions an hour",
        repeat="sealmatch-gateway retention status",
        notes=[_age(kind, one, evidence.now) for kind, one in ages["kinds"].items()],
    )


def _age(kind: str, one: dict[str, Any], now: int) -> str:
    limit = "each row's own end" if one["days"] is None else f"{one['days']} days"
    told = f"{kind}: {one['kept']:,} kept, limit {limit}"
    if one["oldestDue"] is not None:
        ahead = one["oldestDue"] - now
        told += f", the oldest is due {_days(ahead)}"
    return told + (f", {one['held']:,} held by law" if one["held"] else "")


def _days(ahead: int) -> str:
    return f"in {ahead // DAY} days" if ahead > 0 else f"since {-ahead // DAY} days"


def _expiries(evidence: Evidence, progress: Progress) -> Line:
    found = kept(evidence, progress)
    notes = []
    if not schedules(evidence):
        notes.append("no schedule was adopted: expiries were compared with the consent texts alone")
    return judged(
        EXPIRIES,
        "records",
        found.records.total(),
        (f"{count:,} records {what}" for what, count in sorted(found.expiries.items())),
        limit="the time in the signed statement, and the schedules in force since",
        repeat="decidedAtMinute of each statement plus the schedule's days is expires_at",
        notes=notes,
    )


# The reaper


def _reaper(evidence: Evidence, _: Progress) -> Line:
    runs, done = signed_objects(evidence, RUNS), _actions(evidence)
    wrong = list(_run_faults(runs, done))
    read = [one for one in map(_read, runs) if one is not None]
    wrong += _total_faults(read[-1] if read else None, decoded(evidence.read(TOTALS)))
    notes = []
    if read:
        last = read[-1]
        notes.append(f"run {last.number} ended {_when(last.ended_at)}")
        removed = ", ".join(
            f"{line.kind} {line.removed_in_all:,}" for line in last.lines if line.removed_in_all
        )
        notes.append(f"removed so far: {removed or 'nothing'}")
        if last.ended_at < evidence.now - LATE_DAYS * DAY:
            wrong.append(f"the reaper ran {(evidence.now - last.ended_at) // DAY} days ago")
    elif done and done[0].at < evidence.now - LATE_DAYS * DAY:
        wrong.append("the reaper never ran")
    return judged(
        REAPER,
        "signed reports of runs",
        len(runs),
        wrong,
        limit=f"a run every day; late after {LATE_DAYS}",
        repeat="sealmatch-gateway retention status",
        notes=notes,
    )


def _total_faults(last: RetentionRun | None, totals: dict[str, int]) -> Iterator[str]:
    """The running totals of what was removed go on from the last report. They may be ahead of it
    while a run is at work."""
    for kind in sorted(totals.keys() - set(RUN_KINDS)):
        yield f"rows of a kind that does not exist ({shown_name(kind)}) were removed"
    for line in last.lines if last is not None else ():
        if totals.get(line.kind, 0) < line.removed_in_all:
            yield f"fewer {line.kind} are counted as removed than the last report says"


def _run_faults(runs: list[bytes], done: list[AdminAction]) -> Iterator[str]:
    """Each report is in the signed history, by its digest, and goes on from the one before it."""
    signed = {
        action.party: action.key_id
        for action in done
        if (action.verb, action.kind) == ("reap", "retention")
    }
    before: RetentionRun | None = None
    for run in runs:
        said = _read(run)
        if said is None:
            yield "a report cannot be read"
            continue
        if signed.get(str(said.number)) != KeyId(digest_of(run)):
            yield f"the report of run {said.number} is not the one in the operators' history"
        if before is not None:
            yield from _gaps(before, said)
        before = said
    if before is not None and signed and max(map(int, signed)) != before.number:
        yield f"run {max(map(int, signed))} is in the history, and its report is missing"
    if before is None and signed:
        yield "runs are in the history, and no report is there"


def _gaps(before: RetentionRun, after: RetentionRun) -> Iterator[str]:
    if after.number != before.number + 1:
        yield f"reports of runs {before.number + 1} to {after.number - 1} are missing"
    apart = after.began_at - before.ended_at
    if apart > LATE_DAYS * DAY:
        yield f"no run for {apart // DAY} days after run {before.number}"
    for was, now in zip(before.lines, after.lines, strict=True):
        if now.removed_in_all < was.removed_in_all + now.removed:
            yield f"run {after.number} counts fewer {now.kind} removed than there were"


def _guard(evidence: Evidence, _: Progress) -> Line:
    runs = [one for one in map(_read, signed_objects(evidence, RUNS)) if one is not None]
    wrong = []
    if runs and runs[-1].guard == "broken":
        stopped = ", ".join(line.kind for line in runs[-1].lines if line.overdue)
        wrong.append(f"the last run was stopped by the guard: {stopped} are overdue")
    lifted = [f"run {run.number}, {_when(run.ended_at)}" for run in runs if run.guard == "lifted"]
    return judged(
        GUARD,
        "signed reports of runs",
        len(runs),
        wrong,
        limit="the schedule's guard",
        repeat="sealmatch-gateway retention status",
        notes=(f"the guard was lifted by an operator: {', '.join(lifted)}",) if lifted else (),
    )


def _read(run: bytes) -> RetentionRun | None:
    try:
        return peek(run, RetentionRun)
    except SealmatchError:
        return None


def _actions(evidence: Evidence) -> list[AdminAction]:
    """What operators did; the chain itself is another line's matter."""
    return [peek(one, AdminAction) for one in actions(evidence)]


def _when(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M} UTC"


SCHEDULE: Final = Check(
    "retention.schedule",
    "every retention schedule was adopted by an operator, and is readable",
    _schedule,
    Basis.PROVEN,
)
OLDEST: Final = Check("retention.oldest", "nothing is kept beyond its time", _oldest, Basis.PROVEN)
EXPIRIES: Final = Check(
    "retention.expiries",
    "each record expires when its signed time and the schedule say",
    _expiries,
    Basis.SEEN,
)
REAPER: Final = Check("retention.reaper", "what is due is removed every day", _reaper, Basis.PROVEN)
GUARD: Final = Check(
    "retention.guard",
    "no run was stopped because more was due than expected",
    _guard,
    Basis.PROVEN,
)

CHECKS: Final = (SCHEDULE, OLDEST, EXPIRIES, REAPER, GUARD)
