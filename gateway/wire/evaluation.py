"""Between gateway and key authority: the messages of the private decision (protocol, section 6).

Order: attempt -> signed nonce; padded product -> masked values; values and shares -> signed
decision. An audit may come before the decision: ``gateway.wire.audit``.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.wire import cbor
from gateway.wire.ids import (
    CommitmentField,
    Digest,
    DigestField,
    KeyIdField,
    Nonce,
    NonceField,
    SessionIdField,
    SubjectHandleField,
    digest_of,
)
from gateway.wire.message import SMALL, MaybeSignedBytes, Message, SignedBytes
from gateway.wire.polynomials import PADDED_BYTES
from gateway.wire.profile import LANES, T
from gateway.wire.sealing import SEALED_DEALING_BYTES
from gateway.wire.session import PolicyBytes, SessionScope

PerLane = tuple[int, int]
"""One value per lane, the probe's first."""

LaneCount = Annotated[int, Field(ge=1, le=LANES)]
LaneValue = Annotated[int, Field(ge=0, lt=T)]
LaneBit = Annotated[int, Field(ge=0, le=1)]
LaneValues = Annotated[tuple[LaneValue, LaneValue], Field(strict=False)]
LaneBits = Annotated[tuple[LaneBit, LaneBit], Field(strict=False)]
SealedDealingBytes = Annotated[
    bytes, Field(min_length=SEALED_DEALING_BYTES, max_length=SEALED_DEALING_BYTES, repr=False)
]
_LABEL = "sealmatch/evaluation/2"

SubjectHandles = Annotated[
    tuple[SubjectHandleField, ...], Field(min_length=1, max_length=2, strict=False, repr=False)
]
"""A subject's handle under the present pepper, then under the former one during its overlap."""


class AttemptRequest(Message):
    """Gateway to authority: what entitles it to an answer, before any of it is evaluated.

    Everything on which the evaluation's randomness depends, except the nonce, is fixed here.
    """

    session: SessionIdField
    template_assertion: SignedBytes
    submission_assertion: SignedBytes
    policy: PolicyBytes
    """An encoded MatchPolicy: the intervals that the decision is about."""
    seed_commitment: CommitmentField
    """SHA-256("sealmatch/seed/1" || session || seed)."""
    sealed_dealing: SealedDealingBytes


class AttemptNonce(Message):
    """Signed by the authority when an attempt was counted: from here on, randomness is fixed."""

    session: SessionIdField
    request_digest: DigestField
    """Of the ``AttemptRequest``."""
    nonce: NonceField


class AttemptAnswer(Message):
    """Authority to gateway: the attempt is counted."""

    nonce: SignedBytes
    """A signed ``AttemptNonce``."""
    subject_handles: SubjectHandles
    """With these the gateway can check a subject's records against its limits before it goes on."""


class ProductRequest(Message):
    """Gateway to authority: the padded product, and what it is to be divided by."""

    max_bytes = PADDED_BYTES + SMALL

    session: SessionIdField
    padded_product: Annotated[
        bytes, Field(min_length=PADDED_BYTES, max_length=PADDED_BYTES, repr=False)
    ]
    omega: Annotated[int, Field(ge=1, lt=T, repr=False)]


class MaskedValues(Message):
    """Authority to gateway: per lane, the padded score plus the authority's half of r."""

    session: SessionIdField
    masked: LaneValues = Field(repr=False)


class SharesRequest(Message):
    """Gateway to authority: per lane m = v + r, and its share of the comparison."""

    session: SessionIdField
    values: LaneValues = Field(repr=False)
    shares: LaneBits = Field(repr=False)


Outcome = Literal["MATCH", "NO_MATCH"]


class EvaluationFacts(SessionScope):
    """Under which key and of which inputs an evaluation was made."""

    key_id: KeyIdField
    lanes: LaneCount
    probe_digest: DigestField
    template_digest: DigestField
    template_assertion_digest: DigestField
    submission_assertion_digest: DigestField
    policy_digest: DigestField
    model_digest: DigestField
    evaluation_digest: DigestField
    """Of everything that the servers told each other: ``evaluation_digest``."""
    seed_commitment: CommitmentField


class Decision(EvaluationFacts):
    """Signed by the authority: this bit came out for these inputs (protocol, section 10)."""

    outcome: Outcome


def evaluation_digest(
    nonce: Nonce, product: Digest, omega: int, masked: PerLane, values: PerLane, shares: PerLane
) -> Digest:
    """One digest over all that the servers exchanged for a decision.

    They are hashed together, never one by one: a digest of 27 bits alone is guessed in minutes. The
    nonce alone has 256 bits that no holder of a receipt knows.
    """
    numbers = [omega, list(masked), list(values), list(shares)]
    return digest_of(cbor.encode([_LABEL, nonce, product, *numbers]))


class DecisionResponse(Message):
    """Authority to gateway: the signed decision, or a demand to have the evaluation audited first.

    Exactly one of the two is there.
    """

    decision: MaybeSignedBytes = Field(repr=False)
    demand: MaybeSignedBytes = Field(repr=False)
    """A signed ``AuditDemand``."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.decision is None) == (self.demand is None):
            raise ValueError("either a decision or a demand")
        return self
