"""A registration without a face, from the counter's side: the agent asserts, a supervisor approves,
and the counter's device has the gateway record both.

1. The agent signs an assertion and holds its opening. The document's number is in neither.
2. The supervisor, here or elsewhere, signs an approval of exactly this assertion.
3. The device sends both. The same assertion sent again gets the same record. So a request whose
   answer was lost is simply sent again, and so is one whose receipt was late.
4. The receipt is verified as any stranger would. It is about this very assertion, under the key of
   this very supervisor, and of a time that can be.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field

from gateway.client.agreement import StatementDiffers, require_time
from gateway.client.gateway_client import (
    RECOVERY_PAUSE_SECONDS,
    FallbackAnswer,
    GatewayClient,
    NoDecision,
    OutcomeUnknown,
)
from gateway.proofs.fallback import VerifiedFallback, verify_fallback
from gateway.proofs.trust import TrustFile
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey, VerifyKey
from gateway.wire.erasure import erasure_commitment
from gateway.wire.errors import Refused, SealmatchError, Unavailable
from gateway.wire.fallback import (
    FallbackApproval,
    FallbackAssertion,
    FallbackMeans,
    FallbackReason,
    FallbackRequest,
)
from gateway.wire.freshness import CLOCK_SKEW
from gateway.wire.ids import MINUTE, PartyId, Purpose, digest_of, new_record_id
from gateway.wire.message import SMALL, Message, SignedBytes
from gateway.wire.proof import Opening
from gateway.wire.subject import Subject, activation_commitment, new_salt

ATTEMPTS: Final = 5
"""How often a request is sent, while no answer comes or its receipt is late."""


class FallbackRefused(NoDecision, Refused):
    """The gateway refuses to record it, and has not."""


class FallbackPending(Unavailable):
    """It is recorded; its receipt can be had later, with the same request."""

    def __init__(self) -> None:
        super().__init__("the registration is recorded, its receipt is not there yet")


@dataclass(frozen=True)
class Counter:
    """Between whom a registration without a face is."""

    gateway: PartyId
    device: PartyId
    outlet: PartyId
    supervisor: PartyId


@dataclass(frozen=True)
class Case:
    """What the agent asserts."""

    subject: Subject = field(repr=False)
    activation_reference: str = field(repr=False)
    reason: FallbackReason
    means: tuple[FallbackMeans, ...]
    purpose: Purpose
    consent_text_version: int


@dataclass(frozen=True)
class Asserted:
    """A signed assertion, and what the subscriber will need."""

    assertion: Signed[FallbackAssertion]
    opening: Opening = field(repr=False)


class PendingFallback(Message):
    """Kept by the counter alone until the receipt is there: the request, to be sent again."""

    max_bytes = 4 * SMALL

    request: SignedBytes
    """An encoded ``FallbackRequest``."""
    opening: SignedBytes = Field(repr=False)
    """The subscriber's encoded ``Opening``."""


def make_assertion(case: Case, counter: Counter, agent: SigningKey, now: int) -> Asserted:
    """Sign in the agent's name, with fresh salts.

    Raises:
        UnusableNumber: the activation's reference is empty or too long.
    """
    opening = Opening(
        subject_salt=new_salt(),
        activation_salt=new_salt(),
        activation_reference=case.activation_reference,
    )
    assertion = FallbackAssertion(
        gateway=counter.gateway,
        device=counter.device,
        agent=agent.party,
        supervisor=counter.supervisor,
        outlet=counter.outlet,
        purpose=case.purpose,
        reason=case.reason,
        means=case.means,
        consent_text_version=case.consent_text_version,
        subject_commitment=case.subject.commitment(opening.subject_salt),
        activation_commitment=activation_commitment(
            case.activation_reference, opening.activation_salt
        ),
        erasure_commitment=erasure_commitment(opening.erasure_secret),
        assertion_id=new_record_id(),
        asserted_at_minute=now - now % MINUTE,
    )
    return Asserted(cose.sign(assertion, agent), opening)


def approve(assertion: bytes, supervisor: SigningKey, now: int) -> FallbackRequest:
    """Sign in the supervisor's name.

    Raises:
        MalformedMessage: it is no signed assertion.
        Refused: it names another supervisor.
    """
    asserted = cose.peek(assertion, FallbackAssertion)
    if asserted.supervisor != supervisor.party:
        raise Refused(f"the request is to {asserted.supervisor}, and this is {supervisor.party}")
    approval = FallbackApproval(
        gateway=asserted.gateway,
        supervisor=supervisor.party,
        assertion_digest=digest_of(assertion),
        approved_at_minute=now - now % MINUTE,
    )
    return FallbackRequest(assertion=assertion, approval=cose.sign(approval, supervisor).encoded)


def record(gateway: GatewayClient, request: FallbackRequest) -> bytes:
    """Have the gateway record it, and return the receipt, which is not verified yet.

    A refusal is asked about once more: a proxy that sends a request twice causes one, and the
    first of the two may have been recorded.

    Raises:
        FallbackRefused: refused, and not recorded.
        FallbackPending: recorded, without a receipt so far.
        OutcomeUnknown: nobody answers; it may be recorded.
        GatewayError, MalformedMessage: another answer than is documented.
    """
    refused, found, silent = 0, None, None
    for number in range(ATTEMPTS):
        if number:
            time.sleep(RECOVERY_PAUSE_SECONDS)
        try:
            found = gateway.record_fallback(request.encode())
        except Refused as error:
            refused += 1
            if refused > 1 or type(error) is not Refused:
                raise FallbackRefused(error.detail) from None
        except Unavailable as error:
            silent = error
        else:
            if found.receipt is not None:
                return found.receipt
    raise _unfinished(found, silent)


def _unfinished(found: FallbackAnswer | None, silent: Unavailable | None) -> SealmatchError:
    if found is not None:
        return FallbackPending()
    return OutcomeUnknown(f"nobody says whether it is recorded ({silent}); send it again")


def require_own(
    receipt: bytes, request: FallbackRequest, trust: TrustFile, now: int
) -> VerifiedFallback:
    """Verify a receipt, and compare it with what was sent.

    The statement repeats the assertion, and ``verify_fallback`` compares the two. So if it is the
    assertion that was sent, every word of it was. What the gateway adds is who the two people are,
    and when: the agent's key is named in the assertion; a supervisor whom nobody pins must have
    signed, with the key that is stated, the approval that was sent. It need not be the approval
    that is stated: the same assertion may have been approved and recorded before.

    Args:
        now: seconds since 1970, by this counter's clock.

    Raises:
        ReceiptInvalid: it does not verify.
        Refused: it is about another assertion; or says another time or supervisor's key
            (``StatementDiffers``).
    """
    verified = verify_fallback(receipt, trust)
    stated = verified.statement.message
    if stated.assertion != request.assertion:
        raise Refused("the receipt is about another registration")
    try:
        key = VerifyKey(stated.supervisor, stated.supervisor_key)
        cose.verify(request.approval, FallbackApproval, key)
    except Refused:
        raise StatementDiffers("supervisor_key") from None
    # The agent's clock and the supervisor's may each be ahead.
    require_time(stated.recorded_at_minute, verified.assertion.asserted_at_minute - CLOCK_SKEW, now)
    return verified
