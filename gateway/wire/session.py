"""Opening a session: request, the authority's signed grant, the gateway's offer.

The authority signs a fresh public key for one session between named parties (protocol, 3.3).
Client and issuer each verify that with the key they pin; ``gateway.he.session_key`` does it.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gateway.wire.ids import (
    ConsentTextVersion,
    KeyIdField,
    NonceField,
    PartyId,
    ProfileName,
    Purpose,
    SessionIdField,
    UnixTime,
)
from gateway.wire.liveness import Exclusions, require_distinct
from gateway.wire.message import SMALL, Message, SignedBytes
from gateway.wire.polynomials import PUBLIC_KEY_BYTES

PublicKeyBytes = Annotated[
    bytes, Field(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES, repr=False)
]
PolicyBytes = Annotated[bytes, Field(min_length=1, max_length=2048)]
"""An encoded MatchPolicy."""


class SessionRequest(Message):
    """Client to gateway: open a session for this device and issuer."""

    profile: ProfileName
    """The homomorphic encryption profile that the client speaks."""
    gateway: PartyId
    """Whom the device means: no other gateway opens a session with this request."""
    device: PartyId
    """Who signs the request, by the name of its enrolment."""
    issuer: PartyId
    """Who will sign the template assertion, by the name of its enrolment."""
    client_nonce: NonceField
    """32 random bytes; half of the session's key follows from them."""
    purpose: Purpose
    """What the verification is for, e.g. `sim-activation`."""
    consent_text_version: ConsentTextVersion
    """Which of the registered consent texts the person will be shown."""
    exclusions: Exclusions
    """Kinds of action that the person is not to be asked for."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_distinct(one.kind for one in self.exclusions)
        return self


class SessionKeyRequest(Message):
    """Gateway to authority: make a key for this session."""

    profile: ProfileName
    session: SessionIdField
    gateway: PartyId
    device: PartyId
    issuer: PartyId
    client_nonce: NonceField
    gateway_nonce: NonceField
    """Fixed before the authority is asked: half of the key follows from both nonces."""


class SessionScope(Message):
    """Of which session something is, and between whom: grant, decision and statement repeat it."""

    profile: ProfileName
    """The homomorphic encryption profile."""
    session: SessionIdField
    """The session's id."""
    gateway: PartyId
    """The gateway's name."""
    authority: PartyId
    """The key authority's name."""
    device: PartyId
    """The device's name."""
    issuer: PartyId
    """The issuer's name."""

    @property
    def scope(self) -> dict[str, Any]:
        """These fields, for what repeats them."""
        return self.model_dump(include=SessionScope.model_fields.keys() - {"version"})


class SessionGrant(SessionScope):
    """Signed by the authority: this key serves this session between these parties, until then."""

    client_nonce: NonceField
    """As the client sent it."""
    gateway_nonce: NonceField
    """The gateway's part."""
    key_id: KeyIdField
    """Digest of the session's public key."""
    expires_at: UnixTime
    """When the authority destroys the key."""


class SessionKeyResponse(Message):
    """Authority to gateway: the signed grant and b, the authority's half of the public key."""

    max_bytes = PUBLIC_KEY_BYTES + SMALL

    grant: SignedBytes
    public_key: PublicKeyBytes


class SessionOffer(Message):
    """Gateway to client: grant, half of the public key, match policy, liveness challenge."""

    max_bytes = PUBLIC_KEY_BYTES + SMALL

    grant: SignedBytes
    """The authority's signed grant: whose key this is, and until when."""
    public_key: PublicKeyBytes
    """Half of the session's public key; the other half follows from both nonces."""
    policy: PolicyBytes
    """The encoded match policy. Its digest enters decision and statement."""
    challenge: Annotated[bytes, Field(max_length=2048)] | None
    """An encoded Challenge; null where this gateway makes no liveness check."""
