"""Legal holds: each with its reason and end, signed by an operator, and known to the history.

A hold keeps a record beyond its time. So whoever can write the database might keep one for ever, or
take a hold away so that the reaper removes what a court wants to see. The history says which holds
there are: those that were placed and not released. A hold is named here by its place among the
rows, ordered by id.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.checks.log import gateway_keys
from gateway.inspection.checks.parties import rows as register
from gateway.inspection.evidence import Evidence, Exhibit
from gateway.inspection.exhibits import actions, decoded, encoded, table_rows, trust
from gateway.inspection.lines import Basis, Check, Line, Progress, judged
from gateway.store import schema
from gateway.wire import cose
from gateway.wire.admin import AdminAction, verify_chain
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.ids import PartyId, digest_of
from gateway.wire.orders import HOLD_REASONS, MOST_HOLD_SECONDS, Enrolled, Hold, verify_hold

DAY: Final = 24 * 3600
LATE_SECONDS: Final = DAY
"""After so long something is wrong: the reaper runs every hour."""

Listed = list[tuple[str, str, int, str]]
"""Id, reason, end and digest of each hold."""


def history(evidence: Evidence) -> tuple[AdminAction, ...]:
    """What operators did, checked. Raises ``Refused``, ``NoAccess``."""
    return verify_chain(actions(evidence), gateway_keys(evidence)).actions


def operators(evidence: Evidence, done: Sequence[AdminAction]) -> Enrolled:
    """The keys of operators whose enrolment was signed, suspended ones as well."""
    signed = {
        (one.party, one.key_id) for one in done if (one.verb, one.kind) == ("enrol", "operator")
    }
    held = {
        one.party: VerifyKey(one.party, bytes.fromhex(one.public_key))
        for one in register(evidence)
        if one.kind == "operator" and one.public_key is not None
    }

    def enrolled(name: PartyId) -> VerifyKey:
        key = held.get(name)
        if key is None or (name, key.key_id) not in signed:
            raise Refused("no operator whose enrolment was signed")
        return key

    return enrolled


# What the history knows


def _holds(evidence: Evidence) -> bytes:
    held = schema.holds.c
    query = sa.select(held.hold_id, held.reason, held.until, held.hold).order_by(held.hold_id)
    return encoded(
        [
            [bytes(row.hold_id).hex(), row.reason, row.until, digest_of(bytes(row.hold)).hex()]
            for row in table_rows(evidence, query)
        ]
    )


HOLDS: Final = Exhibit(
    "holds.json", _holds, "legal holds by id, reason, end and digest, without their records"
)


def _listed(evidence: Evidence) -> Listed:
    try:
        return [
            (str(hold), str(reason), int(until), str(digest))
            for hold, reason, until, digest in decoded(evidence.read(HOLDS))
        ]
    except (TypeError, ValueError):
        raise MalformedMessage("the holds of the bundle are malformed") from None


def _known(evidence: Evidence, _: Progress) -> Line:
    held = _listed(evidence)
    try:
        done = [one for one in history(evidence) if one.kind == "legal-hold"]
        wrong = list(_against(held, done, evidence.now))
    except Refused as error:
        done, wrong = [], [f"nothing follows from operators' history: {error.detail}"]
    placed = sum(one.verb == "hold" for one in done)
    return judged(
        KNOWN,
        "holds, and actions about holds",
        len(held) + len(done),
        wrong,
        limit="operators' signed actions; two years",
        repeat="sealmatch-gateway hold list; sealmatch-gateway history",
        notes=(f"{placed} were placed so far, and {len(held)} are there",) if done else (),
    )


def _against(held: Listed, done: Sequence[AdminAction], now: int) -> Iterator[str]:
    standing: dict[str, AdminAction] = {}
    for one in done:
        if one.verb == "hold":
            standing[one.party] = one
        else:
            standing.pop(one.party, None)
    ever = {one.party for one in done}
    for number, (hold, reason, until, digest) in enumerate(held, 1):
        placed = standing.pop(hold, None)
        if placed is None:
            how = "was released in the history" if hold in ever else "is unknown to the history"
            yield f"hold {number} {how}"
        elif placed.key_id is None or placed.key_id.hex() != digest:
            yield f"hold {number} is not the one whose placing was signed"
        elif until > placed.at + MOST_HOLD_SECONDS:
            yield f"hold {number} ends later than a hold may"
        if reason not in HOLD_REASONS:
            yield f"hold {number} has no reason of the list"
        if until <= now - LATE_SECONDS:
            yield f"the end of hold {number} passed {(now - until) // DAY} days ago"
    if standing:
        yield f"{len(standing)} holds were placed, and are gone without a signed action"


# What the rows say


def _signed(evidence: Evidence, progress: Progress) -> Line:
    done, gateway = history(evidence), trust(evidence).gateways[0].party
    enrolled = operators(evidence, done)
    there = sa.exists().where(schema.records.c.record_id == schema.holds.c.record_id)
    query = sa.select(*schema.holds.c, there.label("there")).order_by(schema.holds.c.hold_id)
    wrong: list[str] = []
    count = 0
    for count, row in enumerate(table_rows(evidence, query), 1):
        wrong += _row_faults(count, row, gateway, enrolled)
        progress.at(count, what="holds")
    return judged(
        SIGNED,
        "holds",
        count,
        wrong,
        limit="the operator's signature on each hold",
        repeat="sealmatch-gateway hold list; hold of each row is a COSE_Sign1 of its operator",
    )


def _row_faults(
    number: int, row: sa.Row[Any], gateway: PartyId, enrolled: Enrolled
) -> Iterator[str]:
    said = bytes(row.hold)
    try:
        key = enrolled(cose.peek(said, Hold).operator)
        hold = verify_hold(said, gateway, key).message
    except SealmatchError:
        yield f"hold {number} is not signed by an enrolled operator"
        return
    for name, stored, signed in (
        ("id", bytes(row.hold_id), hold.hold_id),
        ("record", bytes(row.record_id), hold.record_id),
        ("reason", row.reason, hold.reason),
        ("end", row.until, hold.until),
    ):
        if stored != signed:
            yield f"hold {number} has another {name} than the operator signed"
    if not row.there:
        yield f"hold {number} is of no record"


KNOWN: Final = Check(
    "retention.holds",
    "Every legal hold has a reason and an end, and the history knows it; none is overdue or gone",
    _known,
    Basis.PROVEN,
)
SIGNED: Final = Check(
    "retention.holds",
    "Every legal hold is of a record, and says what an enrolled operator signed",
    _signed,
    Basis.SEEN,
)

CHECKS: Final = (KNOWN, SIGNED)
