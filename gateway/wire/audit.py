"""Audit by re-execution: messages between authority, gateway and auditor (protocol, section 10).

Order: shares -> signed demand (authority to gateway) -> inputs, sealed ciphertexts and seed
(gateway to auditor) -> signed report -> the same report (gateway to authority) -> signed decision.
"""

from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import Field

from gateway.wire.errors import MalformedMessage
from gateway.wire.evaluation import Decision, EvaluationFacts, LaneValues
from gateway.wire.ids import (
    DigestField,
    NonceField,
    PartyId,
    SessionIdField,
    UnixTime,
)
from gateway.wire.message import SMALL, Message, SignedBytes
from gateway.wire.polynomials import FRESH_BYTES, PUBLIC_KEY_BYTES
from gateway.wire.profile import SEED_BYTES
from gateway.wire.sealing import AUDIT_SECRET_BYTES, SEALED_AUDIT_BYTES
from gateway.wire.session import PolicyBytes, PublicKeyBytes


class Evaluated(EvaluationFacts):
    """What a decision says of the evaluation: everything except the outcome."""

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

    max_bytes = PUBLIC_KEY_BYTES + SEALED_AUDIT_BYTES + 6 * SMALL

    demand: SignedBytes
    grant: SignedBytes
    public_key: PublicKeyBytes
    policy: PolicyBytes
    template_assertion: SignedBytes
    submission_assertion: SignedBytes
    nonce: SignedBytes
    """The authority's signed ``AttemptNonce``."""
    masked: LaneValues = Field(repr=False)
    """What the authority answered to the product."""
    sealed_secret: Annotated[
        bytes, Field(min_length=SEALED_AUDIT_BYTES, max_length=SEALED_AUDIT_BYTES, repr=False)
    ]
    """Both ciphertexts, the gateway's dealing and the seed, sealed to the auditor for this demand.
    Nobody else can read them, above all not the authority."""


class AuditReport(Message):
    """Signed by the auditor: it repeated the evaluation from these inputs and got every digest of
    the demand."""

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


@dataclass(frozen=True)
class AuditSecret:
    """What is sealed to an auditor for one demand. Nothing of it shows in a ``repr``."""

    template: bytes = field(repr=False)
    probe: bytes = field(repr=False)
    """Canonical ciphertexts."""
    dealing: bytes = field(repr=False)
    """The gateway's."""
    seed: bytearray = field(repr=False)

    def joined(self) -> bytearray:
        """One buffer, which the caller overwrites."""
        return bytearray().join((self.template, self.probe, self.dealing, self.seed))

    @classmethod
    def split(cls, secret: bytes) -> Self:
        """The parts of an opened secret. The caller overwrites the seed.

        Raises:
            MalformedMessage: another length.
        """
        if len(secret) != AUDIT_SECRET_BYTES:
            raise MalformedMessage("not the secret of an audit")
        view, ends = memoryview(secret), (FRESH_BYTES, 2 * FRESH_BYTES, -SEED_BYTES)
        template, probe, dealing = (
            bytes(view[a:b]) for a, b in zip((0, *ends), ends, strict=False)
        )
        return cls(template, probe, dealing, bytearray(view[-SEED_BYTES:]))
