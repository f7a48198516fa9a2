"""What a client compares before it believes what others say of its registration.

Signatures show who says something, and not that it is true. A gateway can sign a statement of its
own invention around an honest decision, and nobody but the counter can tell: it alone knows what
was asked for, read and sent. So it compares, at each point where somebody else's word comes in:

``require_excluded``  the offer's challenge: what the person asked to be spared
``require_issued``    the issuer's assertion: the session, and the document that was read
``require_expected``  statement and decision: everything below
``require_about``     the gateway's answer and its receipt: outcome, record, submission

``ExpectedStatement`` is made before a submission leaves, and holds whatever the receipt will say
that is known by then. It is kept where the receipt comes later. All of it will stand in the receipt
itself: names, codes, digests, commitments under salts. Nothing of it shows a face.

    field                                  whose word it is              in
    profile, session, gateway, authority,
      device, issuer, key_id               the authority's grant         statement, decision
    policy_digest, policy_assurance        the gateway's offer, pinned   statement, decision
    model_id, portrait_quality,
      portrait_source, subject_commitment  the issuer's assertion        statement
    template_digest,
      template_assertion_digest            the issuer's assertion        decision
    agent, outlet, purpose, live_quality,
      activation_commitment,
      erasure_commitment                   the device's assertion        statement
    probe_digest, model_digest,
      submission_assertion_digest          the device's assertion        decision
    consent_digest, consent_text_version   the device's consent record   statement
    liveness                               the offer's challenge and
                                           the device's evidence         statement

Of what is left, time is compared with this counter's clock and with the time of the capture,
however late a receipt comes; outcome and record with the answer. Approval and audit are the word of
operators and auditor, whom ``verify_receipt`` checks as far as they are pinned. ``lanes`` it checks
as well. What the decision says of the evaluation (digest and seed's commitment) an auditor alone
can compare. Number and kind of the document, the number of attempts, order and guardian stand in no
statement: they are behind ``subject_commitment``, the digest of the evidence,
``activation_commitment`` and ``consent_digest``. For how long the record is kept, the text of
``consent_text_version`` says.
"""

from collections.abc import Sequence
from typing import Final, Self

from gateway.client.gateway_client import Verification
from gateway.proofs.verify import VerifiedReceipt
from gateway.wire import cose
from gateway.wire.cose import Signed
from gateway.wire.errors import Refused
from gateway.wire.evaluation import Decision
from gateway.wire.freshness import CLOCK_SKEW, MAX_AGE
from gateway.wire.ids import (
    MINUTE,
    CommitmentField,
    ConsentTextVersion,
    Digest,
    DigestField,
    KeyIdField,
    ModelId,
    PartyId,
    Purpose,
    UnixTime,
    digest_of,
)
from gateway.wire.liveness import Challenge, Exclusion, LivenessResult, result_of
from gateway.wire.message import Message
from gateway.wire.policy import MatchPolicy, PolicyAssurance
from gateway.wire.proof import Statement
from gateway.wire.quality import FaceQuality
from gateway.wire.session import SessionGrant, SessionOffer, SessionScope
from gateway.wire.subject import Subject
from gateway.wire.submission import (
    ConsentRecord,
    PortraitSource,
    SubmissionAssertion,
    TemplateAssertion,
)


class SaysOtherwise(Refused):
    """Somebody's word is not what this counter asked for, read or sent. ``field`` names it."""

    said_by: str

    def __init__(self, field: str) -> None:
        super().__init__(f"{self.said_by} says otherwise than this counter: {_words(field)}")
        self.field = field


class ChallengeDiffers(SaysOtherwise):
    """The challenge leaves out other actions than the person asked for; no camera was opened."""

    said_by = "the gateway's challenge"


class IssuerDiffers(SaysOtherwise):
    """The issuer's assertion is not about this session, or the document that was read."""

    said_by = "the issuer's assertion"


class StatementDiffers(SaysOtherwise):
    """The gateway's statement says something else than what was sent to it."""

    said_by = "the gateway's statement"


class DecisionDiffers(SaysOtherwise):
    """The authority's decision is about something else than what was sent."""

    said_by = "the authority's decision"


def _words(field: str) -> str:
    return field.replace("_", " ")


def require_excluded(challenge: Challenge | None, asked: Sequence[Exclusion]) -> None:
    """Raise ``ChallengeDiffers`` unless a challenge leaves out what was asked for, as it was asked.

    The statement will repeat what the challenge says. So one that leaves out more is refused, too.
    """
    if challenge is not None and challenge.excluded != tuple(asked):
        raise ChallengeDiffers("excluded")


def require_issued(
    assertion: bytes,
    subject_salt: bytes,
    grant: SessionGrant,
    model_digest: Digest,
    subject: Subject,
    source: PortraitSource,
) -> TemplateAssertion:
    """What the issuer signed, if it is about this session and the document that was read.

    Args:
        subject_salt: the issuer's opening of the document, which the subscriber gets.
        subject: the document, by its kind and number.
        source: how its portrait was authenticated.

    Raises:
        IssuerDiffers: it is about something else.
        MalformedMessage: it is no template assertion.
    """
    stated = cose.peek(assertion, TemplateAssertion)
    expected = {
        "session": grant.session,
        "key_id": grant.key_id,
        "issuer": grant.issuer,
        "model_digest": model_digest,
        "portrait_source": source,
        "document_type": subject.document_type,
        "subject_commitment": subject.commitment(subject_salt),
    }
    for field, value in expected.items():
        if getattr(stated, field) != value:
            raise IssuerDiffers(field)
    return stated


class ExpectedStatement(SessionScope):
    """What statement and decision will say of one submission, as far as it is known before."""

    key_id: KeyIdField
    policy_digest: DigestField
    policy_assurance: PolicyAssurance
    model_id: ModelId
    portrait_quality: FaceQuality
    portrait_source: PortraitSource
    subject_commitment: CommitmentField
    template_digest: DigestField
    template_assertion_digest: DigestField
    agent: PartyId
    outlet: PartyId
    purpose: Purpose
    live_quality: FaceQuality
    activation_commitment: CommitmentField
    erasure_commitment: CommitmentField
    probe_digest: DigestField
    model_digest: DigestField
    submission_assertion_digest: DigestField
    consent_digest: DigestField
    consent_text_version: ConsentTextVersion
    liveness: LivenessResult
    captured_at: UnixTime
    """By this counter's clock. No decision comes before."""

    @classmethod
    def of(
        cls,
        grant: SessionGrant,
        offer: SessionOffer,
        challenge: Challenge | None,
        issued: TemplateAssertion,
        signed: Signed[SubmissionAssertion],
        consent: ConsentRecord,
    ) -> Self:
        """From the checked offer, the issuer's checked assertion, and what the device signed."""
        own = signed.message
        return cls(
            **grant.scope,
            key_id=grant.key_id,
            policy_digest=digest_of(offer.policy),
            policy_assurance=MatchPolicy.decode(offer.policy).assurance,
            model_id=issued.model_id,
            portrait_quality=issued.quality,
            portrait_source=issued.portrait_source,
            subject_commitment=issued.subject_commitment,
            template_digest=issued.template_digest,
            template_assertion_digest=own.template_assertion_digest,
            agent=own.agent,
            outlet=own.outlet,
            purpose=own.purpose,
            live_quality=own.quality,
            activation_commitment=own.activation_commitment,
            erasure_commitment=own.erasure_commitment,
            probe_digest=own.probe_digest,
            model_digest=own.model_digest,
            submission_assertion_digest=signed.digest,
            consent_digest=own.consent_digest,
            consent_text_version=consent.text_version,
            liveness=result_of(challenge, own.liveness_evidence_digest),
            captured_at=own.captured_at,
        )


_COMPARED: Final = ExpectedStatement.model_fields.keys() - {"version", "captured_at"}
IN_STATEMENT: Final = tuple(one for one in Statement.model_fields if one in _COMPARED)
"""Fields of a statement that the client can tell beforehand, in their order."""
IN_DECISION: Final = tuple(one for one in Decision.model_fields if one in _COMPARED)
"""Those of a decision."""

LONGEST_DECISION: Final = 2 * MAX_AGE
"""Seconds from a capture to its decision. The gateway takes no assertion that is older than
``MAX_AGE``, and a session in which an evaluation began has ended long before as much again."""


def require_expected(expected: ExpectedStatement, verified: VerifiedReceipt, now: int) -> None:
    """Compare a verified receipt with what was known before the submission left.

    Args:
        now: seconds since 1970, by this counter's clock.

    Raises:
        StatementDiffers, DecisionDiffers: the first field that says something else.
    """
    stated, decided = verified.statement.message, verified.decision.message
    for field in IN_STATEMENT:
        if getattr(stated, field) != getattr(expected, field):
            raise StatementDiffers(_within(field, stated, expected))
    for field in IN_DECISION:
        if getattr(decided, field) != getattr(expected, field):
            raise DecisionDiffers(field)
    latest = min(now, expected.captured_at + LONGEST_DECISION)
    require_time(stated.decided_at_minute, expected.captured_at, latest)


def require_time(minute: int, since: int, until: int) -> None:
    """Raise ``StatementDiffers`` unless a stated time, cut to the minute, lies between two times.

    The gateway takes no request of a counter whose clock is further from its own than is allowed
    for here.
    """
    if not since - CLOCK_SKEW - MINUTE < minute <= until + CLOCK_SKEW:
        raise StatementDiffers("time")


def require_about(assertion: Digest, answer: Verification, verified: VerifiedReceipt) -> None:
    """Raise ``Refused`` unless a verified receipt agrees with the gateway's answer and is about the
    submission that the device signed in this assertion."""
    decision, statement = verified.decision.message, verified.statement.message
    about_this = (
        decision.submission_assertion_digest == assertion
        and decision.outcome == answer.outcome
        and statement.record_id == answer.record_id
    )
    if not about_this:
        raise Refused("the receipt is about another submission or outcome")


def _within(field: str, stated: Message, expected: Message) -> str:
    """The field, or the one within it that differs."""
    one, other = getattr(stated, field), getattr(expected, field)
    if not isinstance(one, Message):
        return field
    inner = (name for name in type(one).model_fields if getattr(one, name) != getattr(other, name))
    return f"{field} {next(inner)}"
