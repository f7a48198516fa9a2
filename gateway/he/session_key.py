"""The session key, verified by whoever encrypts under it (protocol, section 3.3).

Client and issuer each check the authority's grant with the authority key that they pin, before
they encrypt anything: a gateway cannot slip in a key of its own.
"""

from dataclasses import dataclass

from gateway.wire import cose
from gateway.wire.errors import Refused
from gateway.wire.ids import Nonce, PartyId
from gateway.wire.polynomials import SessionPublicKey
from gateway.wire.profile import PROFILE
from gateway.wire.session import SessionGrant

MAX_LIFETIME = 15 * 60
"""Seconds. A grant that outlives this is not a session key."""

CLOCK_SKEW = 60
"""Seconds by which clocks of honest parties may differ."""


@dataclass(frozen=True)
class ExpectedSession:
    """What this party asked for and whom it pins."""

    authority_key: cose.VerifyKey
    gateway: PartyId
    device: PartyId
    issuer: PartyId
    client_nonce: Nonce


@dataclass(frozen=True)
class VerifiedSessionKey:
    """A public key that the pinned authority granted for the expected session."""

    grant: cose.Signed[SessionGrant]
    public_key: SessionPublicKey


def verify_session_key(
    grant: bytes, public_key: bytes, expected: ExpectedSession, now: int
) -> VerifiedSessionKey:
    """Check a grant and its key.

    Raises:
        MalformedMessage: grant or key is not a valid encoding.
        Refused: signed by another key, for other parties, another nonce, profile or key, or not
            valid now. Nothing must be encrypted or sent then.
    """
    signed = cose.verify(grant, SessionGrant, expected.authority_key)
    stated = signed.message
    key = SessionPublicKey.decode(public_key)
    checks = {
        "profile": stated.profile == PROFILE,
        "authority": stated.authority == expected.authority_key.party,
        "gateway": stated.gateway == expected.gateway,
        "device": stated.device == expected.device,
        "issuer": stated.issuer == expected.issuer,
        "nonce": stated.client_nonce == expected.client_nonce,
        "key": stated.key_id == key.key_id,
        "expiry": now - CLOCK_SKEW < stated.expires_at <= now + MAX_LIFETIME + CLOCK_SKEW,
    }
    for what, holds in checks.items():
        if not holds:
            raise Refused(f"session key: {what} is not the expected one")
    return VerifiedSessionKey(signed, key)
