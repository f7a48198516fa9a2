"""A registration without a face: two people sign that somebody was identified by other means.

The *agent* at the counter asserts it, and a *supervisor*, who is another person with another key,
approves exactly this assertion. The gateway records both in a statement of its own. So a dishonest
agent alone, a supervisor alone, the counter's device, or the gateway alone makes no valid one.

What may be said is a closed list. A reason names no state of health, no belief and no part of a
body. So ``not-possible`` is wide on purpose: light, pictures, movements or the person. Nobody says
which. Times are cut to the minute, since they stand in the receipt.
"""

from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from gateway.wire.ids import (
    MINUTE,
    CommitmentField,
    ConsentTextVersion,
    DigestField,
    PartyId,
    Purpose,
    RecordIdField,
    UnixTime,
)
from gateway.wire.message import CLAIM_ISSUER, CLAIM_SUBJECT, Message, SignedBytes

FallbackReason = Literal[
    "declined", "not-possible", "equipment", "no-match", "locked", "unavailable", "no-portrait"
]
"""Why no face was checked. ``declined``: the person did not want it, and is not asked why.
``not-possible``: it could not be done or completed. ``equipment``: the counter's did not work.
``no-match``: it was done, and no match came. ``locked``: no further attempt is allowed now.
``unavailable``: the servers were away or refused. ``no-portrait``: the document shows none that
can be read."""
REASONS: Final[tuple[FallbackReason, ...]] = get_args(FallbackReason)

FallbackMeans = Literal[
    "document-in-person",
    "second-document",
    "existing-account",
    "mobile-document",
    "electronic-identity",
    "notary",
]
"""By what the person was identified instead. ``document-in-person``: the agent held the document
and looked at the person. ``existing-account``: one with the carrier whose holder was identified
before. ``mobile-document``: shown from a phone and verified (ISO/IEC 18013-5).
``electronic-identity``: a state's or bank's."""
MEANS: Final[tuple[FallbackMeans, ...]] = get_args(FallbackMeans)
MOST_MEANS: Final = 3

PersonKey = Annotated[bytes, Field(min_length=32, max_length=32)]
"""Ed25519 public key of an agent or a supervisor."""
Minute = Annotated[UnixTime, Field(multiple_of=MINUTE)]


class FallbackTerms(Message):
    """What assertion and statement say alike."""

    gateway: PartyId
    """Where it is to be recorded."""
    device: PartyId
    """The counter's device, by the name of its enrolment."""
    agent: PartyId
    """Pseudonym of the person at the counter."""
    supervisor: PartyId
    """Pseudonym of the other person."""
    outlet: PartyId
    """Pseudonym of the shop."""
    purpose: Purpose
    """What the registration is for, e.g. `sim-activation`."""
    reason: FallbackReason
    """Why no face was checked."""
    means: Annotated[
        tuple[FallbackMeans, ...], Field(min_length=1, max_length=MOST_MEANS, strict=False)
    ]
    """By what the person was identified; each once, in the order of the list."""
    consent_text_version: ConsentTextVersion
    """Which of the registered texts told the person of this way."""
    subject_commitment: CommitmentField
    """Commitment to the document; the subscriber gets its opening."""
    activation_commitment: CommitmentField
    """Commitment to what is activated. One serves for one record."""
    erasure_commitment: CommitmentField
    """Hash of what only the opening's holder can show, to have the record erased."""

    @model_validator(mode="after")
    def _means_in_order(self) -> Self:
        places = [MEANS.index(one) for one in self.means]
        if places != sorted(set(places)):
            raise ValueError("each once, in the order of the list")
        return self

    @property
    def terms(self) -> dict[str, object]:
        """These fields, for what repeats them."""
        return {
            name: getattr(self, name) for name in FallbackTerms.model_fields if name != "version"
        }


class FallbackAssertion(FallbackTerms):
    """Signed by the agent: I identified the person by these means."""

    assertion_id: RecordIdField
    """128 random bits."""
    asserted_at_minute: Minute
    """When the agent signed."""


class FallbackApproval(Message):
    """Signed by the supervisor: I have reviewed this assertion and agree."""

    gateway: PartyId
    """Where it is to be recorded."""
    supervisor: PartyId
    """Who signs."""
    assertion_digest: DigestField
    """SHA-256 of the signed assertion."""
    approved_at_minute: Minute
    """When the supervisor signed."""


class FallbackRequest(Message):
    """Counter to gateway: record this registration without a face."""

    assertion: SignedBytes
    """What the agent signed."""
    approval: SignedBytes
    """What the supervisor signed."""


class FallbackStatement(FallbackTerms):
    """Signed by the gateway: both signed, and it is recorded; its digest is the log's entry.

    It is no decision about a face, and no receipt of one.
    """

    record_id: RecordIdField
    """128 random bits."""
    kind: Literal["fallback"]
    recorded_at_minute: Minute
    """Cut to the minute, like a decision's."""
    agent_key: PersonKey
    """The agent's key, as the gateway has it enrolled."""
    supervisor_key: PersonKey
    """The supervisor's."""
    assertion: SignedBytes
    """What the agent signed."""
    approval: SignedBytes
    """What the supervisor signed."""

    def claims(self) -> dict[int, str]:
        """As of a decision's statement."""
        return {CLAIM_ISSUER: self.gateway, CLAIM_SUBJECT: self.record_id.hex()}
