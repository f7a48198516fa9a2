"""Offline verification of the receipt of a registration without a face.

Such a receipt shows that two people signed, and nothing about a face: no reader may take it for a
match. The steps, in order; 1, 2 and 6 to 11 are those of a decision's receipt:

1.  The receipt is a valid encoding.
2.  The verifier pins the gateway that the statement names, and that gateway signed the statement.
3.  The agent signed the assertion, with the key that the gateway states.
4.  The supervisor signed the approval of exactly this assertion, and is another person with another
    key. If the verifier pins supervisors, this is one of them.
5.  Statement and assertion agree.
6.  to 9. The log.
10. With the subscriber's opening: the subject commitment opens to the given document.
11. With an opening: the activation commitment opens to the activated number or order.

Where no supervisor is pinned, the gateway's signature alone vouches for who the two are. A gateway
could state keys of its own. It cannot do so unseen: each key's enrolment is an entry of the log
(``sealmatch log check --actions``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from gateway.proofs.findings import Finding, State
from gateway.proofs.openings import OwnActivation
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import (
    STEPS,
    Done,
    ReceiptInvalid,
    VerifiedReceipt,
    check_activation,
    check_log,
    check_subject,
    step_named,
    verify_receipt,
)
from gateway.translog.verification import LoggedEntry
from gateway.wire import cose
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.wire.fallback import (
    FallbackApproval,
    FallbackAssertion,
    FallbackStatement,
    FallbackTerms,
)
from gateway.wire.proof import Opening, Receipt
from gateway.wire.subject import Subject

FALLBACK_STEPS: Final[dict[int, str]] = {
    **{step: STEPS[step] for step in (1, 2)},
    3: "assertion is signed by the agent",
    4: "approval is signed by another person, the supervisor",
    5: "statement and assertion agree",
    **{step: STEPS[step] for step in range(6, 12)},
}
OUTCOME: Final = "FALLBACK"


class FallbackInvalid(ReceiptInvalid):
    """A step failed. ``step`` is its number in ``FALLBACK_STEPS``."""

    steps: ClassVar[dict[int, str]] = FALLBACK_STEPS


@dataclass(frozen=True)
class VerifiedFallback:
    """The receipt of a registration without a face whose steps all passed."""

    statement: Signed[FallbackStatement]
    assertion: FallbackAssertion
    approval: FallbackApproval
    logged: LoggedEntry | None
    """Where the log holds it; None if the verifier pins no log."""
    notes: dict[int, Finding]
    """Steps that passed, by number, with what each found."""

    @property
    def log(self) -> State:
        """Whether the statement stands in a pinned log."""
        return State.NOT_CHECKED if self.logged is None else State.DONE

    @property
    def witnesses(self) -> State:
        """Whether a pinned witness cosigned the log."""
        return State.NOT_CHECKED if self.logged is None else self.notes[8].state

    @property
    def supervisor(self) -> State:
        """Whether the supervisor is one whom the verifier pins."""
        return self.notes[4].state


Verified = VerifiedReceipt | VerifiedFallback


def is_fallback(statement: bytes) -> bool:
    """Whether a signed statement says of itself that it is of a registration without a face.

    Nothing is checked, and bytes that are no signed object are no such statement.
    """
    try:
        return cose.claims_to_be(statement, FallbackStatement)
    except MalformedMessage:
        return False


def verify_any(
    encoded: bytes,
    trust: TrustFile,
    opening: Opening | None = None,
    subject: Subject | None = None,
    progress: Callable[[int, Finding], None] = lambda _step, _found: None,
    *,
    activation: OwnActivation | None = None,
    guardian: Subject | None = None,
) -> Verified:
    """Check a receipt of either kind. Arguments and errors are those of ``verify_receipt``."""
    if not _names_fallback(encoded):
        return verify_receipt(
            encoded, trust, opening, subject, progress, activation=activation, guardian=guardian
        )
    verified = verify_fallback(encoded, trust, opening, subject, progress, activation=activation)
    if guardian is not None:
        raise FallbackInvalid(10, "nobody consented to a face check, so no guardian did")
    return verified


def steps_of(encoded: bytes) -> dict[int, str]:
    """The steps by which this receipt is checked."""
    return FALLBACK_STEPS if _names_fallback(encoded) else STEPS


def verify_fallback(
    encoded: bytes,
    trust: TrustFile,
    opening: Opening | None = None,
    subject: Subject | None = None,
    progress: Callable[[int, Finding], None] = lambda _step, _found: None,
    *,
    activation: OwnActivation | None = None,
) -> VerifiedFallback:
    """Check the receipt of a registration without a face.

    Args:
        opening, subject, progress, activation: as ``verify_receipt``.

    Raises:
        FallbackInvalid: names the first step that fails.
    """
    notes: dict[int, Finding] = {}

    def done(step: int, found: str, state: State = State.DONE) -> None:
        notes[step] = Finding(found, state)
        progress(step, notes[step])

    try:
        signed, assertion, approval = _signatures(encoded, trust, done)
        stated = signed.message
        logged = check_log(Receipt.decode(encoded), trust.log, done)
        if opening is not None:
            check_subject(stated, opening, subject)
            done(10, "the receipt is about this document")
            activation = activation or OwnActivation(opening.activation_reference, opening)
        if activation is not None:
            check_activation(stated, activation, opening)
            done(11, "the receipt is about this activation")
    except ReceiptInvalid as error:
        raise FallbackInvalid(error.step, error.reason) from None
    return VerifiedFallback(signed, assertion, approval, logged, notes)


def _signatures(
    encoded: bytes, trust: TrustFile, done: Done
) -> tuple[Signed[FallbackStatement], FallbackAssertion, FallbackApproval]:
    """Steps 1 to 5."""
    with step_named(1):
        statement = Receipt.decode(encoded).statement
        stated = cose.peek(statement, FallbackStatement)
    done(1, f"record {stated.record_id.hex()}")
    with step_named(2):
        signed = cose.verify(statement, FallbackStatement, trust.gateway_key(stated.gateway))
    done(2, stated.gateway)
    with step_named(3):
        agent = VerifyKey(stated.agent, stated.agent_key)
        assertion = cose.verify(stated.assertion, FallbackAssertion, agent)
    done(3, stated.agent)
    approval = _approved(stated, assertion, trust)
    done(4, *_known(stated, trust))
    for name in FallbackTerms.model_fields:
        if getattr(stated, name) != getattr(assertion.message, name):
            raise ReceiptInvalid(5, f"they name another {name.replace('_', ' ')}")
    done(5, f"{stated.reason}: {', '.join(stated.means)}")
    return signed, assertion.message, approval


def _approved(
    stated: FallbackStatement, assertion: Signed[FallbackAssertion], trust: TrustFile
) -> FallbackApproval:
    """Step 4."""
    with step_named(4):
        if stated.agent == stated.supervisor or stated.agent_key == stated.supervisor_key:
            raise ReceiptInvalid(4, "agent and supervisor are one person")
        key = VerifyKey(stated.supervisor, stated.supervisor_key)
        if trust.supervisors:
            key = trust.supervisor_key(stated.supervisor)
            if stated.supervisor_key not in {one.raw for one in key.candidates}:
                raise ReceiptInvalid(4, "the supervisor's key is not the pinned one")
        approval = cose.verify(stated.approval, FallbackApproval, key).message
    if approval.assertion_digest != assertion.digest:
        raise ReceiptInvalid(4, "the supervisor approved another assertion")
    if (approval.supervisor, approval.gateway) != (stated.supervisor, stated.gateway):
        raise ReceiptInvalid(4, "the approval is another supervisor's, or for another gateway")
    return approval


def _known(stated: FallbackStatement, trust: TrustFile) -> tuple[str, State]:
    if trust.supervisors:
        return stated.supervisor, State.DONE
    told = f"{stated.supervisor}, enrolled by the gateway's word; no supervisor is pinned"
    return told, State.NOT_CHECKED


def _names_fallback(encoded: bytes) -> bool:
    try:
        return is_fallback(Receipt.decode(encoded).statement)
    except (MalformedMessage, BodyTooLarge):
        return False
