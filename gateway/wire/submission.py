"""What issuer and device sign, and the submission that carries it (protocol, section 8)."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from gateway.wire.evaluation import SealedDealingBytes
from gateway.wire.ids import (
    CommitmentField,
    ConsentTextVersion,
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
from gateway.wire.message import SMALL, Message, SignedBytes
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import SEALED_PROBE_BYTES, SEALED_TEMPLATE_BYTES

PortraitSource = Literal["chip-verified", "mobile-verified", "read", "photographed"]
"""How the document's portrait came to its reader, by the word of an enrolled issuer.

``chip-verified``: out of the document's chip, with the signature of an issuing State that the
counter lists. ``mobile-verified``: out of a mobile document, with such a signature and that of the
telephone for which it was issued. ``read``: as data, which nobody vouches for: a chip whose issuer
is not listed, or a reader that does not say how it reads. ``photographed``: with a camera or
scanner.
"""

STATE_SIGNED: Final[frozenset[PortraitSource]] = frozenset({"chip-verified", "mobile-verified"})
"""Where a State that the counter lists signed number and portrait together."""


class TemplateAssertion(Message):
    """Signed by the issuer: this template ciphertext stands for this document."""

    session: SessionIdField
    """The session's id."""
    key_id: KeyIdField
    """The session key under which the template is encrypted, as in the grant."""
    issuer: PartyId
    """Who signs."""
    template_digest: DigestField
    """SHA-256 of the canonical template ciphertext."""
    gateway_dealing_digest: DigestField
    """SHA-256 of what was dealt to the gateway for the decision, before it was sealed."""
    authority_dealing_digest: DigestField
    """SHA-256 of what was dealt to the authority, likewise."""
    model_id: ModelId
    """The face model that made the template."""
    model_digest: DigestField
    """SHA-256 of the model pack's manifest: vectors of two models are never compared."""
    quality: FaceQuality
    """What the quality gate found in the portrait."""
    portrait_source: PortraitSource
    """How the portrait was authenticated."""
    subject_inner: SubjectInnerField = Field(repr=False)
    """HMAC(site salt, subject). Goes to the authority; reaches no statement."""
    subject_commitment: CommitmentField
    """Commitment to the subject; the subscriber gets its opening."""
    document_type: DocumentType
    """Which kind of document was read."""
    issued_at: UnixTime
    """When it was signed."""


GivenBy = Literal["subject", "guardian"]


class ConsentRecord(Message):
    """What the person agreed to, by the version of the text shown."""

    text_version: ConsentTextVersion
    """Which of the registered texts, as in the session request."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$", max_length=3)]
    """In which language it was shown (ISO 639)."""
    purpose: Purpose
    """As in the session request."""
    given_at: UnixTime
    """When the person agreed."""
    salt: Salt = Field(repr=False)
    """Random. The record's digest stands in the statement; without the salt it would tell language
    and second."""
    given_by: GivenBy = "subject"
    """Who agreed: the person, or a guardian for a minor."""
    guardian_commitment: CommitmentField | None = None
    """Commitment to the guardian's document; null where the person agreed."""

    @model_validator(mode="after")
    def _of_guardian(self) -> Self:
        if (self.given_by == "guardian") != (self.guardian_commitment is not None):
            raise ValueError("a guardian is committed to, and nobody else")
        return self


class SubmissionAssertion(Message):
    """Signed by the device: these are the inputs that I captured, and what they are for."""

    session: SessionIdField
    """The session's id."""
    key_id: KeyIdField
    """The session key under which the probe is encrypted, as in the grant."""
    device: PartyId
    """Who signs."""
    probe_digest: DigestField
    """SHA-256 of the canonical probe ciphertext."""
    template_assertion_digest: DigestField
    """SHA-256 of the signed template assertion."""
    model_digest: DigestField
    """The model pack that made the probe."""
    quality: FaceQuality
    """What the quality gate found in every live picture that was embedded."""
    liveness_evidence_digest: DigestField | None
    """SHA-256 of the liveness evidence; null where no liveness check was performed."""
    consent_digest: DigestField
    """SHA-256 of the consent record."""
    activation_commitment: CommitmentField
    """Commitment to what is activated. One serves for one record."""
    erasure_commitment: CommitmentField
    """Hash of what only the opening's holder can show, to have the record erased."""
    purpose: Purpose
    """As in the session request."""
    agent: PartyId
    """Pseudonym of the person at the counter."""
    outlet: PartyId
    """Pseudonym of the shop."""
    captured_at: UnixTime
    """When the face was captured."""


class Submission(Message):
    """Client to gateway: what is sealed, both assertions, evidence and consent."""

    max_bytes = SEALED_TEMPLATE_BYTES + SEALED_PROBE_BYTES + 2 * SMALL + EVIDENCE_BYTES

    session: SessionIdField
    """The session's id, as in the path."""
    sealed_template: Annotated[
        bytes, Field(min_length=SEALED_TEMPLATE_BYTES, max_length=SEALED_TEMPLATE_BYTES, repr=False)
    ]
    """Template ciphertext and the gateway's dealing, to the gateway."""
    sealed_dealing: SealedDealingBytes
    """The authority's dealing, to the authority."""
    template_assertion: SignedBytes
    """What the issuer signed."""
    sealed_probe: Annotated[
        bytes, Field(min_length=SEALED_PROBE_BYTES, max_length=SEALED_PROBE_BYTES, repr=False)
    ]
    """Probe ciphertext, to the gateway."""
    submission_assertion: SignedBytes
    """What the device signed."""
    liveness_evidence: Annotated[bytes, Field(max_length=EVIDENCE_BYTES)] | None = Field(repr=False)
    """An encoded LivenessTranscript that answers the offer's challenge; null where none is made."""
    consent: ConsentRecord
    """What the person agreed to."""
