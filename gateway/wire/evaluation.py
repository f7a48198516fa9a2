"""Between gateway and key authority: the messages of the private decision (protocol, section 6).

Order: masked product -> encrypted bits -> blinded rows -> signed decision. An audit may come before
the decision: ``gateway.wire.audit``.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.wire.ids import (
    CommitmentField,
    DigestField,
    KeyIdField,
    SessionIdField,
    SubjectHandleField,
)
from gateway.wire.message import SMALL, Message
from gateway.wire.polynomials import FRESH_BYTES, PRODUCT_BYTES
from gateway.wire.profile import MAX_LANES
from gateway.wire.session import MaybeSignedBytes, SessionScope, SignedBytes

LaneCount = Annotated[int, Field(ge=1, le=MAX_LANES)]
FreshBytes = Annotated[bytes, Field(min_length=FRESH_BYTES, max_length=FRESH_BYTES, repr=False)]
ProductBytes = Annotated[
    bytes, Field(min_length=PRODUCT_BYTES, max_length=PRODUCT_BYTES, repr=False)
]


SubjectHandles = Annotated[
    tuple[SubjectHandleField, ...], Field(min_length=1, max_length=2, strict=False, repr=False)
]
"""A subject's handle under the present pepper, then under the former one during its overlap."""


class MaskedProduct(Message):
    """Gateway to authority: the masked score, with what entitles it to an answer."""

    max_bytes = PRODUCT_BYTES + 3 * SMALL

    session: SessionIdField
    template_assertion: SignedBytes
    submission_assertion: SignedBytes
    lanes: LaneCount
    policy_digest: DigestField
    seed_commitment: CommitmentField
    """SHA-256("sealmatch/seed/1" || session || seed)."""
    masked_product: ProductBytes


class EncryptedBits(Message):
    """Authority to gateway: the bits of each lane's masked value, encrypted."""

    max_bytes = FRESH_BYTES + SMALL

    session: SessionIdField
    encrypted_bits: FreshBytes
    subject_handles: SubjectHandles
    """So that the gateway can hold a subject's records against its limits before it goes on."""


class BlindedRows(Message):
    """Gateway to authority: the comparison rows, permuted, scaled and blinded."""

    max_bytes = FRESH_BYTES + SMALL

    session: SessionIdField
    blinded_rows: FreshBytes


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
    masked_product_digest: DigestField
    encrypted_bits_digest: DigestField
    blinded_rows_digest: DigestField
    seed_commitment: CommitmentField


class Decision(EvaluationFacts):
    """Signed by the authority: this bit came out for these inputs (protocol, section 10)."""

    outcome: Outcome


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
