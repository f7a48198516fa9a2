"""What issuer and device sign, and the submission that carries it (protocol, section 8)."""

from typing import Annotated

from pydantic import Field

from gateway.wire.evaluation import SealedDealingBytes
from gateway.wire.ids import (
    CommitmentField,
    DigestField,
    DocumentType,
    KeyIdField,
    ModelId,
    PartyId,
    Purpose,
    Salt,
    SessionIdField,
    SubjectInnerField,
    UnixTime,
)
from gateway.wire.liveness import EVIDENCE_BYTES
from gateway.wire.message import SMALL, Message
from gateway.wire.sealing import SEALED_PROBE_BYTES, SEALED_TEMPLATE_BYTES
from gateway.wire.session import ConsentTextVersion, SignedBytes


class TemplateAssertion(Message):
    """Signed by the issuer: this template ciphertext stands for this document."""

    session: SessionIdField
    key_id: KeyIdField
    issuer: PartyId
    template_digest: DigestField
    """SHA-256 of the canonical template ciphertext."""
    gateway_dealing_digest: DigestField
    authority_dealing_digest: DigestField
    """SHA-256 of what was dealt to each server for the decision, before it was sealed."""
    model_id: ModelId
    model_digest: DigestField
    """SHA-256 of the model pack's manifest: vectors of two models are never compared."""
    subject_inner: SubjectInnerField = Field(repr=False)
    """HMAC(site salt, subject). Goes to the authority; reaches no statement."""
    subject_commitment: CommitmentField
    document_type: DocumentType
    issued_at: UnixTime


class ConsentRecord(Message):
    """What the person agreed to, by the version of the text shown."""

    text_version: ConsentTextVersion
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    purpose: Purpose
    given_at: UnixTime
    salt: Salt = Field(repr=False)
    """The digest stands in the statement; without this it would tell language and second."""


class SubmissionAssertion(Message):
    """Signed by the device: these are the inputs that I captured, and what they are for."""

    session: SessionIdField
    key_id: KeyIdField
    device: PartyId
    probe_digest: DigestField
    template_assertion_digest: DigestField
    """SHA-256 of the signed template assertion."""
    model_digest: DigestField
    liveness_evidence_digest: DigestField | None
    """Null where no liveness check was performed."""
    consent_digest: DigestField
    activation_commitment: CommitmentField
    purpose: Purpose
    agent: PartyId
    """Pseudonym of the person at the counter."""
    outlet: PartyId
    """Pseudonym of the shop."""
    captured_at: UnixTime


class Submission(Message):
    """Client to gateway: what is sealed, both assertions, evidence and consent."""

    max_bytes = SEALED_TEMPLATE_BYTES + SEALED_PROBE_BYTES + 2 * SMALL + EVIDENCE_BYTES

    session: SessionIdField
    sealed_template: Annotated[
        bytes, Field(min_length=SEALED_TEMPLATE_BYTES, max_length=SEALED_TEMPLATE_BYTES, repr=False)
    ]
    """Template ciphertext and the gateway's dealing, to the gateway."""
    sealed_dealing: SealedDealingBytes
    """The authority's dealing, to the authority."""
    template_assertion: SignedBytes
    sealed_probe: Annotated[
        bytes, Field(min_length=SEALED_PROBE_BYTES, max_length=SEALED_PROBE_BYTES, repr=False)
    ]
    """Probe ciphertext, to the gateway."""
    submission_assertion: SignedBytes
    liveness_evidence: Annotated[bytes, Field(max_length=EVIDENCE_BYTES)] | None = Field(repr=False)
    """An encoded LivenessTranscript."""
    consent: ConsentRecord
