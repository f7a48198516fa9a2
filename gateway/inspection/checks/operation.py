"""How the deployment works: outcomes, attempts, fallbacks, audits, and activations."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.activations import read_list
from gateway.inspection.catalogs import ask
from gateway.inspection.checks.parties import authority_list
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import (
    COUNTERS,
    ERASURES,
    decoded,
    signed_objects,
    table_rows,
    trust,
)
from gateway.inspection.found_schema import reading
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.inspection.reconcile import Deviation, Discrepancy, reconcile
from gateway.inspection.small_counts import (
    LEAST,
    rounded,
    sentence,
    shown,
    shown_together,
)
from gateway.inspection.statements import FALLBACK, Statements, statements
from gateway.store import schema
from gateway.wire.admin import AdminAction
from gateway.wire.cose import peek
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import RecordId

_SMALL: Final = f"counts below {LEAST} are not shown"
_MOST_OUTLETS: Final = 15
"""Of which a line tells the counts; the others are added up."""


_WITHOUT_A_MATCH: Final = ("NO_MATCH", "FAILED", "EXPIRED", "UNRECORDED")
"""How a session with a face check ends where the counter names the other way."""


# Outcomes


def _totals(evidence: Evidence, progress: Progress) -> Line:
    """By outlet, of the records that are kept now."""
    found = statements(evidence, progress)
    return judged(
        TOTALS,
        "records",
        found.records,
        (f"{found.unreadable:,} records hold no statement that can be read",)
        if found.unreadable
        else (),
        limit=_SMALL,
        repeat="sealmatch-gateway outcomes, for the totals; statements name the outlet",
        notes=(
            f"all outlets: {sentence(_outcomes(evidence, progress)[0])}",
            *_by_portrait(found),
            *_by_outlet(found),
        )
        if found.records
        else (),
    )


def _by_portrait(found: Statements) -> Iterator[str]:
    """Rounded: a count that the outcomes hide must not follow from these."""
    if found.by_portrait:
        counts = rounded(found.by_portrait)
        yield f"portraits, rounded down to {LEAST}: {sentence(counts)}"


def _by_outlet(found: Any) -> Iterator[str]:
    """Each outcome is a row whose total is known; so small counts are hidden across its outlets."""
    outcomes, outlets = sorted(found.outcomes()), found.outlets
    rows = {
        outcome: rounded({outlet: found.by_outlet[outlet, outcome] for outlet in outlets})
        for outcome in outcomes
    }
    for outlet in outlets[:_MOST_OUTLETS]:
        told = {outcome: rows[outcome][outlet] for outcome in outcomes}
        yield f"outlet {shown_name(outlet)}, rounded down to {LEAST}: {sentence(told)}"
    if len(outlets) > _MOST_OUTLETS:
        yield f"and {len(outlets) - _MOST_OUTLETS} more outlets"


def _attempts(evidence: Evidence, _: Progress) -> Line:
    """Attempts to success, over the whole deployment: the totals name no outlet."""
    totals = decoded(evidence.read(COUNTERS))["liveness"]
    checks, attempts = int(totals.get("passed", 0)), int(totals.get("attempts", 0))
    seconds = int(totals.get("seconds", 0))
    wrong = []
    if attempts < checks:
        wrong.append("fewer attempts were counted than checks that passed")
    if any(int(total) < 0 for total in totals.values()):
        wrong.append("a total is below zero")
    notes = []
    if checks >= LEAST:
        notes.append(
            f"{attempts / checks:.2f} attempts and {seconds / checks:.0f} seconds to a "
            "liveness check that passed, on average"
        )
    reasons = {n: int(c) for n, c in totals.items() if n not in ("passed", "attempts", "seconds")}
    if reasons:
        notes.append(f"why attempts ended otherwise: {sentence(shown(reasons))}")
    return judged(
        ATTEMPTS,
        "liveness checks that passed",
        max(checks, 0),
        wrong,
        limit="",
        repeat="sealmatch-gateway attempts",
        notes=notes,
    )


def _fallbacks(evidence: Evidence, progress: Progress) -> Line:
    """Registrations without a face beside those with one, by outlet."""
    found = statements(evidence, progress)
    kept, counted = _outcomes(evidence, progress)
    used = {one: found.by_outlet[one, FALLBACK] for one in found.outlets}
    notes = [f"sessions with a face check, over all days: {sentence(counted)}"]
    if not sum(used.values()):
        notes.append("no registration without a face is kept: ask how it is offered")
    elif (total := kept[FALLBACK]) is not None:
        notes.append(f"{total:,} registrations without a face are kept")
        notes += [
            f"outlet {shown_name(one)}: {count:,} without a face, rounded down to {LEAST}"
            for one, count in sorted(rounded(used).items())[:_MOST_OUTLETS]
            if count
        ]
        notes.append(f"why: {sentence(shown(found.by_reason))}")
    offered = sum(counted.get(one) or 0 for one in _WITHOUT_A_MATCH)
    notes.append(
        f"the other way was named to at least {offered:,} people: the counter does so wherever a "
        "face check ends without a match, and the consent text does before it"
    )
    return judged(
        FALLBACKS,
        "records",
        found.records,
        (),
        limit=_SMALL,
        repeat="sealmatch-gateway outcomes",
        notes=notes,
    )


def _outcomes(
    evidence: Evidence, progress: Progress
) -> tuple[dict[str, int | None], dict[str, int | None]]:
    """Outcomes of the records that are kept, and of all sessions ever: neither shows what the other
    hides."""
    counted = {k: int(v) for k, v in decoded(evidence.read(COUNTERS))["outcomes"].items()}
    kept, ever = shown_together(statements(evidence, progress).outcomes(), counted)
    return kept, ever


# Audits


def _audits_answered(evidence: Evidence, _: Progress) -> Line:
    """Demands that the authority made and nobody answered in time, by gateway."""
    file = evidence.authority / "audits.sqlite3"
    if not file.is_file():
        raise NoAccess(
            "the authority's directory has no audits.sqlite3; if it keeps its counters in "
            "PostgreSQL (database_url), its operator shows: sealmatch-authority audits list"
        )
    with reading(file) as ledger:
        rows = ask(ledger, "SELECT gateway, due FROM demands")
    overdue = Counter(gateway for gateway, due in rows if due <= evidence.now)
    return judged(
        AUDITS_ANSWERED,
        "ledgers of demands",
        1,
        (
            f"gateway {shown_name(str(gateway))} left {count:,} demands for audits unanswered"
            for gateway, count in sorted(overdue.items())
        ),
        limit="the time that the authority sets",
        repeat="sealmatch-authority audits; select gateway, due from demands",
        notes=[
            f"{len(rows) - sum(overdue.values()):,} demands await their report",
            *_cleared(evidence),
        ],
    )


def _cleared(evidence: Evidence) -> Iterator[str]:
    """How often the operator forgot unanswered demands: each stands in the signed history."""
    try:
        _, history = authority_list(evidence)
        cleared = sum(peek(one, AdminAction).verb == "clear-audits" for one in history)
    except SealmatchError:
        return
    yield f"the operator cleared unanswered demands {cleared} times"


def _audits_done(evidence: Evidence, progress: Progress) -> Line:
    """Decisions that an auditor countersigned. One that disagrees gives no record."""
    found = statements(evidence, progress)
    failed = sentence({"FAILED": _outcomes(evidence, progress)[1].get("FAILED", 0)})
    return judged(
        AUDITS_DONE,
        "records with an auditor's report",
        found.audited,
        (),
        limit="",
        repeat="sealmatch receipt verify names the auditor's report of a receipt",
        notes=(
            f"{found.audited:,} of {found.records:,} records",
            f"sessions that ended as {failed}: a report that disagrees is one of the reasons, and "
            "the operators' logs have them",
        ),
    )


# Activations


def _activations(evidence: Evidence, progress: Progress) -> Line:
    """The carrier's list against the records, both ways."""
    listed = read_list(evidence.activations)
    found = reconcile(listed, _records(evidence, progress), trust(evidence))
    counted = Counter(one.finding for one in found)
    gone, erased = counted[Discrepancy.NO_RECEIPT], _erased(evidence)
    explained = min(gone, erased)
    return judged(
        RECONCILED,
        "activations",
        len(listed),
        _deviations(found, counted, explained),
        limit="one valid receipt to each activation, and the other way round",
        repeat="sealmatch reconcile --activations FILE --trust FILE --database URL",
        notes=(
            f"{explained:,} activations have no record any more; {erased:,} records were erased or "
            "expired, and nobody can say which",
        )
        if explained
        else (),
    )


def _deviations(
    found: list[Deviation], counted: Counter[Discrepancy], explained: int
) -> Iterator[str]:
    for finding, count in counted.items():
        left = count - explained if finding is Discrepancy.NO_RECEIPT else count
        if left > 0:
            lines = [str(one.line) for one in found if one.finding is finding and one.line]
            where = f", lines {', '.join(lines[:10])}" if lines else ""
            yield f"{left:,} times: {finding}{where}"


def _erased(evidence: Evidence) -> int:
    try:
        return len(signed_objects(evidence, ERASURES))
    except SealmatchError:
        return 0


def _records(evidence: Evidence, progress: Progress) -> Iterator[tuple[RecordId, bytes]]:
    held = schema.records.c
    query = sa.select(held.record_id, held.statement).where(held.kind == "decision")
    for number, row in enumerate(table_rows(evidence, query)):
        if number % 1000 == 0:
            progress.at(number, what="records")
        yield RecordId(bytes(row.record_id)), bytes(row.statement)


TOTALS: Final = Check(
    "outcomes.totals", "Every record says at which outlet it was made", _totals, Basis.SEEN
)
ATTEMPTS: Final = Check(
    "outcomes.attempts", "Attempts to success are counted", _attempts, Basis.PROVEN
)
FALLBACKS: Final = Check(
    "outcomes.fallbacks",
    "Registrations without a face are counted beside those with one",
    _fallbacks,
    Basis.SEEN,
)
AUDITS_ANSWERED: Final = Check(
    "audits.done", "No demand for an audit was left unanswered", _audits_answered, Basis.SEEN
)
AUDITS_DONE: Final = Check(
    "audits.done",
    "Auditors' reports are in the records that they are about",
    _audits_done,
    Basis.SEEN,
)
RECONCILED: Final = Check(
    "activations.reconciled",
    "Every activation has one valid receipt, and every match one activation",
    _activations,
    Basis.SEEN,
)

CHECKS: Final = (AUDITS_ANSWERED, AUDITS_DONE, RECONCILED, TOTALS, ATTEMPTS, FALLBACKS)
