"""Against the last visit: what was there must be there still.

The earlier bundle gives one exhibit, ``since.json``: its checkpoint, digests of what operators and
reaper had signed, and its totals. So the later bundle alone shows that everything goes on from it.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.inspection.checks.log import grown, policy_of
from gateway.inspection.evidence import Evidence, Exhibit
from gateway.inspection.exhibits import (
    ACTIONS,
    CHECKPOINT,
    COUNTERS,
    ERASURES,
    decoded,
    encoded,
    entries,
    signed_objects,
)
from gateway.inspection.lines import Basis, Check, Line, Progress, judged
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.wire.admin import from_lines
from gateway.wire.errors import MalformedMessage, SealmatchError
from gateway.wire.ids import digest_of

_KEPT_FOR_EVER: Final = (ERASURES,)
"""Signed objects that never leave: erasures live as long as the log."""


def _since(evidence: Evidence) -> bytes:
    visit = evidence.since
    lists = {
        one.name: [digest_of(signed).hex() for signed in from_lines(content)]
        for one in (ACTIONS, *_KEPT_FOR_EVER)
        if (content := visit.read(one.name)) is not None
    }
    checkpoint, counters = visit.read(CHECKPOINT.name), visit.read(COUNTERS.name)
    return encoded(
        {
            "bundle": visit.manifest_digest.hex(),
            "madeAt": visit.made_at,
            "checkpoint": None if checkpoint is None else base64.b64encode(checkpoint).decode(),
            "counters": None if counters is None else decoded(counters),
            "signed": lists,
        }
    )


SINCE: Final = Exhibit("since.json", _since, "what the bundle of the last visit held, by digests")


def _log_grew(evidence: Evidence, progress: Progress) -> Line:
    seen = _seen(evidence)
    wrong: list[str] = []
    notes: list[str] = []
    before = None if seen["checkpoint"] is None else base64.b64decode(seen["checkpoint"])
    if before is not None:
        old = SignedCheckpoint.parse(before)
        wrong += _log_faults(evidence, old, progress)
        new = SignedCheckpoint.parse(evidence.read(CHECKPOINT)).checkpoint
        notes.append(f"{old.checkpoint.size:,} entries then, {new.size:,} now")
    notes.append(f"the last visit's manifest has SHA-256 {str(seen['bundle'])[:64]}")
    return judged(
        LOG_GREW,
        "entries that the last visit saw",
        0 if before is None else SignedCheckpoint.parse(before).checkpoint.size,
        wrong,
        limit="the last visit",
        repeat="sealmatch log check --state FILE, with the FILE of the last visit",
        notes=notes,
    )


def _log_faults(evidence: Evidence, old: SignedCheckpoint, progress: Progress) -> Iterator[str]:
    before: Checkpoint = old.checkpoint
    now = SignedCheckpoint.parse(evidence.read(CHECKPOINT)).checkpoint
    try:
        signed = any(check_signed(old, key) for key in policy_of(evidence).keys_of(before.origin))
    except SealmatchError:
        signed = False
    if not signed:
        yield "the last visit's checkpoint is not signed by a pinned key of the log"
    if now.origin != before.origin:
        yield "the last visit saw a log of another origin"
    elif now.size < before.size:
        yield f"the log had {before.size:,} entries, and has {now.size:,}: it was rolled back"
    elif grown(entries(evidence), before.size, progress).root != before.root:
        yield f"the first {before.size:,} entries are not those that the last visit saw"


def _history_goes_on(evidence: Evidence, _: Progress) -> Line:
    before = _signed_then(evidence, ACTIONS)
    now = [digest_of(one).hex() for one in signed_objects(evidence, ACTIONS)]
    kept = now[: len(before)] == before
    return judged(
        HISTORY,
        "operators' actions that the last visit saw",
        len(before),
        () if kept else ("operators' history does not begin with what the last visit saw",),
        limit="the last visit",
        repeat="compare sealmatch-gateway history --signed with evidence/actions of both bundles",
        notes=(f"{len(now) - len(before):,} new actions",) if kept else (),
    )


def _nothing_vanished(evidence: Evidence, _: Progress) -> Line:
    wrong, count = [], 0
    for exhibit in _KEPT_FOR_EVER:
        before = _signed_then(evidence, exhibit)
        count += len(before)
        now = {digest_of(one).hex() for one in signed_objects(evidence, exhibit)}
        if gone := sum(one not in now for one in before):
            wrong.append(f"{gone:,} {exhibit.name} that the last visit saw are gone")
    return judged(
        ERASURES_STAY,
        "signed erasures that the last visit saw",
        count,
        wrong,
        limit="the last visit",
        repeat="compare evidence/erasures of both bundles",
    )


def _counters_rise(evidence: Evidence, _: Progress) -> Line:
    before: Mapping[str, Any] = _seen(evidence)["counters"] or {}
    now = decoded(evidence.read(COUNTERS))
    fallen = [
        f"the total {name} fell"
        for group, totals in before.items()
        for name, total in totals.items()
        if int(now.get(group, {}).get(name, 0)) < int(total)
    ]
    return judged(
        COUNTERS_RISE,
        "totals that the last visit saw",
        sum(map(len, before.values())),
        fallen,
        limit="the last visit",
        repeat="compare evidence/counters.json of both bundles",
    )


def _seen(evidence: Evidence) -> dict[str, Any]:
    seen = decoded(evidence.read(SINCE))
    if not isinstance(seen, dict) or seen.keys() != _MEMBERS:
        raise MalformedMessage("the last visit's summary is malformed")
    return seen


_MEMBERS: Final = {"bundle", "madeAt", "checkpoint", "counters", "signed"}


def _signed_then(evidence: Evidence, exhibit: Exhibit) -> list[str]:
    found = _seen(evidence)["signed"].get(exhibit.name, [])
    return [str(one) for one in found]


_ID: Final = "log.visit"
LOG_GREW: Final = Check(_ID, "The log only grew since the last visit", _log_grew, Basis.PROVEN)
HISTORY: Final = Check(
    _ID, "Operators' history goes on from the last visit", _history_goes_on, Basis.PROVEN
)
ERASURES_STAY: Final = Check(
    _ID, "No erasure vanished since the last visit", _nothing_vanished, Basis.PROVEN
)
COUNTERS_RISE: Final = Check(
    _ID, "No total fell since the last visit", _counters_rise, Basis.PROVEN
)

CHECKS: Final = (LOG_GREW, HISTORY, ERASURES_STAY, COUNTERS_RISE)
