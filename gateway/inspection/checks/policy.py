"""The match policy: whether two operators signed the thresholds, and decisions were made by them.

Who is an operator is the register's to say, and the signed history's. A trust file that pins
operators says it better: then two of them must have signed.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.calibration.proposal import lines
from gateway.inspection.checks.holds import history, operators
from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import policies, trust
from gateway.inspection.kept import kept
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.proofs.approval import Approval, approval_digest, verify_approval
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.store.policies import PolicyRow
from gateway.wire.admin import AdminAction
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.ids import KeyId, PartyId
from gateway.wire.orders import NO_APPROVAL, Enrolled

UNSIGNED: Final = (
    "no match policy is signed: thresholds are those of the settings, the default ones rest on LFW"
)


def _signed(evidence: Evidence, _: Progress) -> Line:
    rows, pinned = policies(evidence), trust(evidence)
    wrong: list[str] = []
    found: list[Approval] = []
    try:
        done = history(evidence)
    except Refused as error:
        wrong.append(f"nothing follows from operators' history: {error.detail}")
    else:
        wrong += _against(rows, done)
        enrolled = operators(evidence, done)
        gateway = pinned.gateways[0].party
        for row in rows:
            try:
                found.append(verify_approval(row.approval, gateway, _both(enrolled, pinned)))
            except SealmatchError as error:
                wrong.append(f"policy {row.number}: {_reason(error)}")
    if len(found) == len(rows):
        wrong += _out_of_place(found)
    return judged(
        SIGNED,
        "match policies that two operators signed",
        len(rows),
        wrong,
        limit="two operators' signatures, and the signed history",
        repeat="sealmatch-gateway policy show; sealmatch-gateway history",
        notes=_told(found[-1]) if found else (UNSIGNED,),
    )


def _against(rows: Sequence[PolicyRow], done: Sequence[AdminAction]) -> Iterator[str]:
    """Rows and signed adoptions, one by one."""
    signed = {
        one.party: (one.key_id, one.at)
        for one in done
        if (one.verb, one.kind) == ("adopt", "match-policy")
    }
    for row in rows:
        key_id, at = signed.pop(str(row.number), (None, None))
        try:
            if key_id != KeyId(approval_digest(row.approval)):
                yield f"policy {row.number} is not one whose adoption was signed"
            elif at != row.adopted_at:
                yield f"policy {row.number} was adopted at another time than was signed"
        except MalformedMessage:
            yield f"policy {row.number} is no approval"
    if signed:
        yield f"{len(signed)} adopted policies are gone: another one may be in force"


def _out_of_place(found: Sequence[Approval]) -> Iterator[str]:
    before = NO_APPROVAL
    for number, one in enumerate(found, 1):
        if (one.order.number, one.order.previous) != (number, before):
            yield f"policy {number} does not follow the one before it"
        before = one.digest


def _both(enrolled: Enrolled, pinned: TrustFile) -> Enrolled:
    """The keys of operators who are enrolled and, where the trust file pins any, pinned."""

    def known(name: PartyId) -> VerifyKey:
        key = enrolled(name)
        if not pinned.operators:
            return key
        try:
            own = pinned.operator_key(name)
        except UnusableTrustFile:
            raise Refused("signed by an operator whom the trust file does not pin") from None
        if own.key_id != key.key_id:
            raise Refused("an operator is enrolled with another key than the trust file pins")
        return own

    return known


def _told(approval: Approval) -> Iterator[str]:
    at = datetime.datetime.fromtimestamp(approval.agreed_at, datetime.UTC)
    first, second = map(shown_name, approval.operators)
    yield f"number {approval.order.number}, signed by {first} and {second}, {at:%Y-%m-%d}"
    yield from lines(approval.order.proposal)


def _reason(error: SealmatchError) -> str:
    return error.detail if isinstance(error, Refused) else str(error)


def _followed(evidence: Evidence, progress: Progress) -> Line:
    found = kept(evidence, progress)
    return judged(
        FOLLOWED,
        "decisions",
        found.records["decision"],
        (f"{count:,} records {what}" for what, count in sorted(found.policies.items())),
        limit="the approvals that the database holds, and when they were adopted",
        repeat="sealmatch receipt verify --policy FILE",
        notes=("some were made under a signed policy",) if found.under_signed else (),
    )


SIGNED: Final = Check(
    "policy.signed",
    "the thresholds in force were signed by two operators, and every change is in the log",
    _signed,
    Basis.PROVEN,
)
FOLLOWED: Final = Check(
    "policy.signed",
    "every decision names the match policy that was in force",
    _followed,
    Basis.SEEN,
)

CHECKS: Final = (SIGNED, FOLLOWED)
