"""``sealmatch-gateway retention``: the schedule, what is due, its removal."""

import argparse
import datetime
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.host.cli import OperatorCommand, read_bytes
from gateway.host.clock import unix_time
from gateway.retention.adoption import adopt, in_force
from gateway.retention.erasure import DAY
from gateway.retention.reaper import Plan, Reaper
from gateway.retention.schedule import MAX_BYTES, BadSchedule, draft
from gateway.server import custody
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database as _database
from gateway.server.reaping import reaper_of
from gateway.store import retention
from gateway.store.database import Database
from gateway.wire import cose
from gateway.wire.errors import CallerMisuse
from gateway.wire.retention import RUN_KINDS, RetentionRun, RunKind

GUARD_BROKEN = 3
"""Exit status: more is due than a run may remove."""


def _draft(_: argparse.Namespace, settings: GatewaySettings) -> int:
    print(draft(settings.retention_days).decode(), end="")
    return 0


def _adopt(options: argparse.Namespace, settings: GatewaySettings) -> int:
    content = read_bytes(options.file, MAX_BYTES)
    signing, _ = custody.open_keys(settings)
    with _database(settings) as database:
        try:
            number, sooner = adopt(database, content, signing, unix_time())
        except BadSchedule as error:
            raise CallerMisuse(f"{options.file}: {error}") from None
    print(f"schedule {number} is in force; {sooner} records expire sooner", file=sys.stderr)
    return 0


def _show(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database, database.transaction() as connection:
        adopted = in_force(connection, settings.retention_days)
    origin = "built in, not adopted" if adopted.number is None else f"number {adopted.number}"
    print(f"schedule {origin}, digest {adopted.digest.hex()}", file=sys.stderr)
    print(adopted.content.decode(), end="")
    return 0


def _status(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with _reaper(settings) as (reaper, database):
        plan = reaper.plan()
        with database.transaction() as connection:
            last = retention.last_run(connection)
    report = None if last is None else cose.peek(last[1], RetentionRun)
    if options.json:
        print(json.dumps(_as_json(plan, report)))
    else:
        _print_plan(plan)
        print(f"last run: {'never' if report is None else _run_line(report)}")
    return GUARD_BROKEN if plan.stopped else 0


def _run(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with _reaper(settings) as (reaper, _):
        plan = reaper.plan()
        if options.dry_run:
            _print_plan(plan)
            return GUARD_BROKEN if plan.stopped else 0
        report = reaper.run(lift_guard=options.lift_guard, progress=_progress)
        if report is None and not reaper.elected():
            raise CallerMisuse("another process removes what is due at this moment")
        reaper.resign()
    if report is None:
        print("nothing is due", file=sys.stderr)
        return 0
    print(_run_line(report.message))
    for kind in plan.stopped if report.message.guard == "broken" else ():
        print(f"sealmatch-gateway: {_stopped(plan, kind)}", file=sys.stderr)
    return GUARD_BROKEN if report.message.guard == "broken" else 0


def _stopped(plan: Plan, kind: RunKind) -> str:
    one = plan.standing[kind]
    why = "more than a run may remove"
    if plan.comes_late:
        why = f"and the last run was {(plan.now - (plan.last_ended_at or 0)) // DAY} days ago"
    return (
        f"{one.due} of {one.kept} {kind} are due, {why}; nothing of this kind was removed. Look at "
        "the clock and the schedule, then run with --lift-guard"
    )


def _scrub(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with _reaper(settings) as (reaper, _database):
        scrubbed = reaper.scrub()
    for done in scrubbed.done:
        print(done)
    for left in scrubbed.left:
        print(f"sealmatch-gateway: {left}", file=sys.stderr)
    return 1 if scrubbed.left else 0


@contextmanager
def _reaper(settings: GatewaySettings) -> Iterator[tuple[Reaper, Database]]:
    held = custody.read_keys(settings)
    with _database(settings) as database:
        reaper = reaper_of(settings, database, held, unix_time)
        try:
            yield reaper, database
        finally:
            reaper.resign()


def _print_plan(plan: Plan) -> None:
    print("kind\tkept\tdue\theld\toldest due\tguard")
    for kind in RUN_KINDS:
        one = plan.standing[kind]
        guard = "allows" if plan.allows(kind) else "STOPS"
        print(f"{kind}\t{one.kept}\t{one.due}\t{one.held}\t{_day(one.oldest)}\t{guard}")


def _as_json(plan: Plan, report: RetentionRun | None) -> dict[str, object]:
    return {
        "schedule": {"number": plan.adopted.number, "digest": plan.adopted.digest.hex()},
        "kinds": {
            kind: {
                "kept": plan.standing[kind].kept,
                "due": plan.standing[kind].due,
                "held": plan.standing[kind].held,
                "oldestDue": plan.standing[kind].oldest,
                "guardAllows": plan.allows(kind),
            }
            for kind in RUN_KINDS
        },
        "lastRun": None
        if report is None
        else {
            "number": report.number,
            "endedAt": report.ended_at,
            "guard": report.guard,
            "removed": {line.kind: line.removed for line in report.lines},
        },
    }


def _run_line(report: RetentionRun) -> str:
    removed = ", ".join(f"{line.kind} {line.removed}" for line in report.lines if line.removed)
    ended = datetime.datetime.fromtimestamp(report.ended_at, datetime.UTC)
    what = removed or "nothing"
    return f"run {report.number}, {ended:%Y-%m-%d %H:%M:%S}, guard {report.guard}: removed {what}"


def _progress(kind: RunKind, done: int, due: int) -> None:
    print(f"\r{kind}: {done} of {due}", end="\n" if done >= due else "", file=sys.stderr)


def _day(time: int | None) -> str:
    if time is None:
        return "-"
    return f"{datetime.datetime.fromtimestamp(time, datetime.UTC):%Y-%m-%d}"


def add_retention(own: OperatorCommand[GatewaySettings]) -> None:
    """The verbs of ``retention``."""
    verbs = own.group("retention", "how long records are kept, and their removal")
    own.add("draft", _draft, "print a schedule to begin with; it is yours", verbs)
    adopting = "put a schedule in force; records that are there expire sooner, never later"
    own.add("adopt", _adopt, adopting, verbs).add_argument("file", type=Path)
    own.add("show", _show, "print the schedule in force", verbs)
    status = own.add("status", _status, "what is kept, due and held, and the last run", verbs)
    status.add_argument("--json", action="store_true", help="print one JSON object")
    run = own.add("run", _run, "remove what is due now", verbs)
    run.add_argument("--dry-run", action="store_true", help="count, and remove nothing")
    run.add_argument(
        "--lift-guard",
        action="store_true",
        help="remove also more than the schedule's guard allows",
    )
    scrub = "remove the bytes of deleted rows from the database's files; registrations wait"
    own.add("scrub", _scrub, scrub, verbs)
