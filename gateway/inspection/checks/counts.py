"""Whether records, entries, erasures and totals add up; whether each record is what was signed."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from gateway.inspection.checks.log import gateway_keys
from gateway.inspection.evidence import Evidence, Exhibit
from gateway.inspection.exhibits import (
    COUNTERS,
    ERASURES,
    PENDING,
    RUNS,
    WITHDRAWALS,
    actions,
    decoded,
    encoded,
    entries,
    signed_objects,
    table_rows,
)
from gateway.inspection.kept import first_bytes, kept
from gateway.inspection.lines import Basis, Check, Line, Progress, judged
from gateway.store import schema
from gateway.translog.tree import HASH_BYTES
from gateway.wire import cose
from gateway.wire.cose import peek
from gateway.wire.erasure import Erasure, Withdrawal
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import digest_of
from gateway.wire.message import Message
from gateway.wire.retention import RetentionRun

_KINDS: Final = ("decision", "fallback", "erasure", "withdrawal", "admin")


_COUNTED: Final = frozenset(
    {"MATCH", "NO_MATCH", "FAILED", "EXPIRED", "UNRECORDED", "FALLBACK", "FALLBACK_CAPPED"}
)
"""Outcomes that have a counter."""


def _rows(evidence: Evidence) -> bytes:
    """Rows of records by kind, and entries by the kind that the database gives them."""
    held = schema.records.c
    by_kind = sa.select(held.kind, sa.func.count().label("rows")).group_by(held.kind)
    found = {row.kind: int(row.rows) for row in table_rows(evidence, by_kind)}
    logged: Counter[str] = Counter()
    for table in (schema.log_entries, schema.log_pending):
        query = sa.select(table.c.kind, sa.func.count().label("rows")).group_by(table.c.kind)
        logged.update({row.kind: int(row.rows) for row in table_rows(evidence, query)})
    removed = schema.retention_totals.c
    gone = {
        row.kind: int(row.removed)
        for row in table_rows(evidence, sa.select(removed.kind, removed.removed))
    }
    return encoded({"records": found, "entries": dict(logged), "removed": gone})


ROWS: Final = Exhibit("rows.json", _rows, "how many records, and entries of each kind")


def _entries(evidence: Evidence, progress: Progress) -> Line:
    """Every entry is the hash of something that is there, or of something that was erased."""
    rows = decoded(evidence.read(ROWS))
    logged = Counter[bytes](entries(evidence))
    pending = evidence.read(PENDING)
    logged.update(pending[at : at + HASH_BYTES] for at in range(0, len(pending), HASH_BYTES))
    wrong: list[str] = []
    accounted = 0
    for name, signed in _signed(evidence).items():
        digests = [digest_of(one) for one in signed]
        missing = sum(not logged[one] for one in digests)
        accounted += len(digests)
        progress.at(len(digests), what=name)
        if missing:
            wrong.append(f"{missing:,} of {len(digests):,} {name} are no entry of the log")
    erased = len(signed_objects(evidence, ERASURES))
    records, gone = sum(rows["records"].values()), int(rows["removed"].get("withdrawals", 0))
    expected = accounted + gone + records + erased
    total = sum(logged.values())
    if total != expected:
        wrong.append(
            f"{total:,} entries, and {expected:,} things that they could be of: {records:,} "
            f"records, {erased:,} erased ones, {accounted + gone:,} erasures, withdrawals, actions"
        )
    wrong += _kinds_disagree(rows["entries"], evidence, records, erased, gone)
    return judged(
        ENTRIES,
        "entries of the log",
        total,
        wrong,
        limit="what is kept, and what was erased",
        repeat="count the rows of records, erasures, withdrawals and admin_actions",
        notes=(f"{records:,} records are kept, {erased:,} were erased or expired",),
    )


def _signed(evidence: Evidence) -> dict[str, list[bytes]]:
    return {
        "erasures": signed_objects(evidence, ERASURES),
        "withdrawals": signed_objects(evidence, WITHDRAWALS),
        "operators' actions": actions(evidence),
    }


def _kinds_disagree(
    logged: dict[str, int], evidence: Evidence, records: int, erased: int, gone: int
) -> Iterator[str]:
    """The database says of each entry which kind it is; that must add up as well."""
    expected = {
        "erasure": erased,
        "admin": len(actions(evidence)),
        "withdrawal": len(signed_objects(evidence, WITHDRAWALS)) + gone,
    }
    for kind, count in expected.items():
        if logged.get(kind, 0) != count:
            yield f"{logged.get(kind, 0):,} entries of the kind {kind}, and {count:,} such objects"
    statements = logged.get("decision", 0) + logged.get("fallback", 0)
    if statements != records + erased:
        yield (
            f"{statements:,} entries of statements; {records:,} records are kept, and {erased:,} "
            "were erased"
        )
    for kind in set(logged) - set(_KINDS):
        yield f"{logged[kind]:,} entries of a kind that does not exist"


def _records(evidence: Evidence, progress: Progress) -> Line:
    found = kept(evidence, progress)
    return judged(
        RECORDS,
        "records",
        found.records.total(),
        (f"{count:,} records {what}" for what, count in sorted(found.faults.items())),
        limit="the signed statement in each row, and the log",
        repeat="sealmatch receipt verify, for a receipt at hand",
    )


def _outcomes(evidence: Evidence, _: Progress) -> Line:
    """Totals of decisions against entries of decisions, unless old days' totals were removed."""
    counted = decoded(evidence.read(COUNTERS))["outcomes"]
    rows = decoded(evidence.read(ROWS))
    runs = [peek(run, RetentionRun) for run in signed_objects(evidence, RUNS)]
    removed = runs[-1].lines if runs else ()
    gone = sum(line.removed_in_all for line in removed if line.kind == "counters")
    pairs = {
        "decision": int(counted.get("MATCH", 0)) + int(counted.get("NO_MATCH", 0)),
        "fallback": int(counted.get("FALLBACK", 0)),
    }
    wrong = []
    for kind, total in pairs.items():
        there = int(rows["entries"].get(kind, 0))
        if total > there or (total < there and not gone):
            wrong.append(f"{total:,} outcomes of a {kind} were counted, {there:,} are logged")
    if unknown := counted.keys() - _COUNTED:
        wrong.append(f"{len(unknown)} outcomes were counted that do not exist")
    if any(int(total) < 0 for total in counted.values()):
        wrong.append("a total is below zero")
    return judged(
        OUTCOMES,
        "outcomes that were counted",
        max(sum(pairs.values()), 0),
        wrong,
        limit="the log's entries",
        repeat="sealmatch-gateway outcomes",
        notes=("totals of old days were removed, so fewer are counted",) if gone else (),
    )


def _erasures(evidence: Evidence, progress: Progress) -> Line:
    signed = signed_objects(evidence, ERASURES)
    wrong: list[str] = []
    said = [one for one in (_erasure(erasure) for erasure in signed) if one is not None]
    unsigned = len(signed) - len(said)
    keys = {one.party: one for one in gateway_keys(evidence).in_force}
    for place, (erasure, one) in enumerate(zip(signed, said, strict=False), 1):
        if place % 1000 == 0:
            progress.at(place, len(signed), "erasures")
        unsigned += not _by(erasure, one, keys)
    if unsigned:
        wrong.append(f"{unsigned:,} erasures are not signed by the pinned gateway")
    twice = len(said) - len({one.tombstone for one in said})
    if twice:
        wrong.append(f"{twice:,} tombstones stand in more than one erasure")
    future = sum(one.erased_on > evidence.now // 86400 for one in said)
    if future:
        wrong.append(f"{future:,} erasures are of a day that has not come")
    return judged(
        ERASED,
        "signed erasures",
        len(signed),
        wrong,
        limit="the pinned gateway's signature",
        repeat="sealmatch receipt erased RECEIPT, for a receipt at hand",
    )


def _not_kept(evidence: Evidence, progress: Progress) -> Line:
    erased = map(_erasure, signed_objects(evidence, ERASURES))
    said = [one for one in erased if one is not None]
    found = kept(evidence, progress)
    gone = np.array([first_bytes(one.tombstone) for one in said], dtype=np.uint64)
    both = int(np.isin(gone, np.frombuffer(found.tombstones, dtype=np.uint64)).sum())
    return judged(
        NOT_KEPT,
        "signed erasures",
        len(said),
        (f"{both:,} records have an erasure, and are still there",) if both else (),
        limit="the records that are kept",
        repeat="SHA-256 of the label, a zero byte and each statement is its tombstone",
    )


def _columns(evidence: Evidence, _: Progress) -> Line:
    """Each row of signed objects says what its object says, and has its index."""
    wrong: Counter[str] = Counter()
    logged, count = entries(evidence), 0
    for table, kind, column, stated in _SIGNED_ROWS:
        for row in table_rows(evidence, sa.select(table)):
            count += 1
            signed = bytes(getattr(row, column))
            index = getattr(row, "log_index", None)
            if index is not None and index < len(logged) and logged[index] != digest_of(signed):
                wrong[f"{table.name} are not the entry at their index of the log"] += 1
            try:
                said = peek(signed, kind)
            except SealmatchError:
                wrong[f"{table.name} hold another object"] += 1
                continue
            if any(getattr(row, one) != getattr(said, one) for one in stated):
                wrong[f"{table.name} say something else than their signed object"] += 1
    return judged(
        COLUMNS,
        "rows of erasures, withdrawals and reports",
        count,
        (f"{times:,} {what}" for what, times in sorted(wrong.items())),
        limit="the signed object in each row, and the log",
        repeat="sealmatch-gateway erasures export, and compare the columns",
    )


_SIGNED_ROWS: Final[tuple[tuple[sa.Table, type[Message], str, tuple[str, ...]], ...]] = (
    (schema.erasures, Erasure, "erasure", ("erasure_id", "tombstone")),
    (schema.withdrawals, Withdrawal, "withdrawal", ("withdrawal_id", "mark")),
    (schema.retention_runs, RetentionRun, "report", ("number", "ended_at")),
)


def _erasure(erasure: bytes) -> Erasure | None:
    try:
        return peek(erasure, Erasure)
    except SealmatchError:
        return None


def _by(erasure: bytes, said: Erasure, keys: dict[str, Any]) -> bool:
    try:
        cose.verify(erasure, Erasure, keys[said.gateway])
    except (SealmatchError, KeyError):
        return False
    return True


def _consents(evidence: Evidence, progress: Progress) -> Line:
    """Each record has the consent that its statement names, and there is none without a record."""
    found = kept(evidence, progress)
    agreed, held = schema.consents.c, schema.records.c
    alone = sa.select(sa.func.count().label("rows")).where(
        ~sa.exists().where(held.record_id == agreed.record_id)
    )
    query = alone.select_from(schema.consents)
    left = int(next(iter(table_rows(evidence, query))).rows)
    wrong = [f"{count:,} {what}" for what, count in sorted(found.consents.items())]
    if left:
        wrong.append(f"{left:,} consents have no record")
    withdrawn = [peek(one, Withdrawal) for one in signed_objects(evidence, WITHDRAWALS)]
    return judged(
        CONSENTS,
        "records with a consent",
        found.agreed,
        wrong,
        limit="the digest and version in the signed statement",
        repeat="compare consents.digest with consentDigest of the statement",
        notes=(f"{len(withdrawn):,} withdrawals of consent are kept",),
    )


ENTRIES: Final = Check(
    "counts.entries",
    "every entry of the log is of something that is kept, or was erased",
    _entries,
    Basis.PROVEN,
)
RECORDS: Final = Check(
    "counts.entries",
    "each record is what the gateway signed, and the entry at its index",
    _records,
    Basis.SEEN,
)
OUTCOMES: Final = Check(
    "counts.outcomes", "outcomes that were counted are in the log", _outcomes, Basis.PROVEN
)
ERASED: Final = Check(
    "counts.erasures", "every erasure is signed, and counts once", _erasures, Basis.PROVEN
)
NOT_KEPT: Final = Check(
    "counts.erasures", "no record that has an erasure is still there", _not_kept, Basis.SEEN
)
COLUMNS: Final = Check(
    "counts.erasures", "each row says what its signed object says", _columns, Basis.SEEN
)
CONSENTS: Final = Check(
    "consent.records", "each record has the consent that it names", _consents, Basis.SEEN
)

CHECKS: Final = (ENTRIES, RECORDS, OUTCOMES, ERASED, NOT_KEPT, COLUMNS, CONSENTS)
