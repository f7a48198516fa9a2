"""Audit by re-execution: messages between authority, gateway and auditor (protocol, section 10).

Order: blinded rows -> signed demand (authority to gateway) -> inputs and sealed seed (gateway to
auditor) -> signed report -> the same report (gateway to authority) -> signed decision.
"""

from typing import Annotated

from pydantic import Field

from gateway.wire.evaluation import Decision, EvaluationFacts, FreshBytes
from gateway.wire.ids import (
    DigestField,
    NonceField,
    PartyId,
    SessionIdField,
    UnixTime,
)
from gateway.wire.message import SMALL, Message
from gateway.wire.polynomials import FRESH_BYTES, PUBLIC_KEY_BYTES
from gateway.wire.sealing import SEALED_AUDIT_BYTES
from gateway.wire.session import PublicKeyBytes, SignedBytes


class Evaluated(EvaluationFacts):
    """What a decision says of the evaluation: all of it but the outcome."""

    @classmethod
    def of(cls, decision: Decision) -> "Evaluated":
        """The evaluation that a decision is about."""
        return cls(**decision.model_dump(exclude={"outcome"}))


class AuditDemand(Message):
    """Signed by the authority instead of a decision, which does not exist yet: have this repeated.

    It names everything that the decision will say but the outcome.
    """

    evaluated: Evaluated
    nonce: NonceField
    expires_at: UnixTime
    """After this the session is over, and the demand counts as unanswered."""


class AuditRequest(Message):
    """Gateway to auditor: the demand, and what one needs to repeat the evaluation."""

    max_bytes = PUBLIC_KEY_BYTES + 2 * FRESH_BYTES + SEALED_AUDIT_BYTES + 5 * SMALL

    demand: SignedBytes
    grant: SignedBytes
    public_key: PublicKeyBytes
    policy: Annotated[bytes, Field(min_length=1, max_length=2048)]
    """An encoded MatchPolicy."""
    template_assertion: SignedBytes
    submission_assertion: SignedBytes
    probe: FreshBytes
    encrypted_bits: FreshBytes
    sealed_secret: Annotated[
        bytes, Field(min_length=SEALED_AUDIT_BYTES, max_length=SEALED_AUDIT_BYTES, repr=False)
    ]
    """Template ciphertext and seed, sealed to the auditor for this demand."""


class AuditReport(Message):
    """Signed by the auditor: repeated from these inputs, every digest of the demand came out."""

    auditor: PartyId
    demand_digest: DigestField
    """SHA-256 of the signed demand."""
    evaluated_digest: DigestField
    """SHA-256 of the ``Evaluated`` in it, which anyone can make from the decision."""
    assertions_verified: bool
    """Whether the auditor knows issuer and device itself and has verified what they signed."""


class AuditResponse(Message):
    """Auditor to gateway: the signed report. There is none of an evaluation that differs."""

    report: SignedBytes


class AuditResult(Message):
    """Gateway to authority: the report that was demanded."""

    session: SessionIdField
    report: SignedBytes
