"""What remains of a verification: statement, receipt, opening (protocol, section 10)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.wire.erasure import erasure_secret
from gateway.wire.ids import (
    MINUTE,
    CommitmentField,
    ConsentTextVersion,
    DigestField,
    ModelId,
    PartyId,
    Purpose,
    RecordId,
    RecordIdField,
    Salt,
    UnixTime,
)
from gateway.wire.liveness import LivenessResult
from gateway.wire.message import (
    CLAIM_ISSUER,
    CLAIM_SUBJECT,
    SMALL,
    MaybeSignedBytes,
    Message,
    SignedBytes,
)
from gateway.wire.policy import PolicyAssurance
from gateway.wire.quality import FaceQuality
from gateway.wire.session import SessionScope
from gateway.wire.submission import ConsentRecord, PortraitSource


class Statement(SessionScope):
    """Signed by the gateway around the authority's decision; its digest is the log's entry."""

    record_id: RecordIdField
    kind: Literal["decision"]
    agent: PartyId
    outlet: PartyId
    decided_at_minute: Annotated[UnixTime, Field(multiple_of=MINUTE)]
    """Cut to the minute: exact times join records with other records."""
    purpose: Purpose
    policy_digest: DigestField
    policy_assurance: PolicyAssurance
    policy_approval: DigestField | None = None
    """Two operators' approval of the policy: SHA-256 of the second one's signed agreement. None:
    nobody signed the thresholds."""
    model_id: ModelId
    portrait_quality: FaceQuality
    """As the issuer signed it: outcome and measures, never a value."""
    portrait_source: PortraitSource
    """How the portrait was authenticated, as the issuer signed it."""
    live_quality: FaceQuality
    """As the device signed it."""
    liveness: LivenessResult
    consent_digest: DigestField
    consent_text_version: ConsentTextVersion
    subject_commitment: CommitmentField
    activation_commitment: CommitmentField
    erasure_commitment: CommitmentField
    """Who shows the secret behind it may have the record erased."""
    decision: SignedBytes
    audit: MaybeSignedBytes = Field(repr=False)
    """The auditor's signed report, where the authority demanded one."""

    @model_validator(mode="after")
    def _approved_if_signed(self) -> Self:
        if (self.policy_assurance == "signed") != (self.policy_approval is not None):
            raise ValueError("a signed policy has an approval, and another one has none")
        return self

    def claims(self) -> dict[int, str]:
        """Who states it, and of what: with these it is a signed statement of RFC 9943."""
        return {CLAIM_ISSUER: self.gateway, CLAIM_SUBJECT: self.record_id.hex()}


class Receipt(Message):
    """What the subscriber keeps and anyone may verify: no number, no opening, nothing biometric."""

    max_bytes = 4 * SMALL

    statement: SignedBytes
    log_proof: Annotated[bytes, Field(max_length=2 * SMALL)] | None = Field(repr=False)
    """A C2SP ``tlog-proof``; null while the deployment has no log."""


ActivationReference = Annotated[str, Field(min_length=1, max_length=128, repr=False)]


class ActivationOpening(Message):
    """Handed to the carrier's order system apart from the receipt; together they show for which
    number or order the receipt is. It opens no document."""

    record_id: RecordIdField
    """Of the receipt."""
    activation_salt: Salt = Field(repr=False)
    """What opens the activation commitment, with the reference."""
    activation_reference: ActivationReference
    """The number or order to be activated."""


class Opening(Message):
    """Handed to the subscriber apart from the receipt; together they show whose receipt it is."""

    subject_salt: Salt = Field(repr=False)
    activation_salt: Salt = Field(repr=False)
    activation_reference: ActivationReference
    consent: Annotated[bytes, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, repr=False
    )
    """An encoded ConsentRecord: what was agreed to, by whom, and when. The statement has its digest
    alone. Null where no face was to be shown."""

    @property
    def erasure_secret(self) -> bytes:
        """What the holder shows to have the record erased; it opens nothing."""
        return erasure_secret(self.subject_salt, self.activation_salt)

    @property
    def consented(self) -> ConsentRecord | None:
        """What was agreed to, if it is here. Raises ``MalformedMessage``."""
        return None if self.consent is None else ConsentRecord.decode(self.consent)

    def of_activation(self, record_id: RecordId) -> ActivationOpening:
        """The part that the carrier is given, once the receipt's record is known."""
        return ActivationOpening(
            record_id=record_id,
            activation_salt=self.activation_salt,
            activation_reference=self.activation_reference,
        )
