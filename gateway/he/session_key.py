"""The session key: half of it made by the authority, half by nobody (protocol, section 3.3).

The public key is (b, a). Only b travels. Each party expands a for itself from both nonces, which
are fixed before the authority is asked: whoever could choose a could hide a trapdoor in it.

Client and issuer each check the authority's grant with the authority key that they pin, before
they encrypt anything. So a gateway cannot slip in a key of its own.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gateway.he.randomness import uniform_words
from gateway.wire import cose
from gateway.wire.errors import Refused
from gateway.wire.freshness import is_coming_expiry
from gateway.wire.ids import KeyId, Nonce, PartyId
from gateway.wire.polynomials import SessionKeyHalf, Words
from gateway.wire.profile import KEY_PRIMES, PROFILE, SENT_PRIMES, N
from gateway.wire.session import SessionGrant, SessionKeyRequest

_LABEL = b"sealmatch/a/2"


class UniformHalf:
    """a, expanded from its seed: uniform modulo each of the four primes.

    The seed is SHAKE-256("sealmatch/a/2" || 0x00 || profile || 0x00 || session || client nonce ||
    gateway nonce), 32 bytes; the words of prime i are AES-256 in counter mode under
    SHAKE-256("sealmatch/a/2" || 0x01 || seed || i), by rejection (``gateway.he.randomness``).
    """

    def __init__(self, seed: bytes) -> None:
        self.seed = seed

    @classmethod
    def of(cls, named: SessionGrant | SessionKeyRequest) -> "UniformHalf":
        """The half that follows from the session and nonces of a request or grant."""
        nonces = named.session + named.client_nonce + named.gateway_nonce
        label = b"\0".join((_LABEL, PROFILE.encode(), nonces))
        return cls(hashlib.shake_256(label).digest(32))

    @cached_property
    def words(self) -> Words:
        """All of a, shape (4, 8192)."""
        return np.stack([self._modulo(i) for i in range(len(KEY_PRIMES))])

    @cached_property
    def sent_words(self) -> Words:
        """a modulo the primes of Q', shape (2, 8192)."""
        return np.stack([self._modulo(i) for i in range(len(SENT_PRIMES))])

    def _modulo(self, index: int) -> Words:
        key = hashlib.shake_256(_LABEL + b"\1" + self.seed + bytes((index,))).digest(32)
        return uniform_words(key, KEY_PRIMES[index], N)


@dataclass(frozen=True)
class SessionKey:
    """The public key of one session."""

    half: SessionKeyHalf
    uniform: UniformHalf

    @classmethod
    def of(cls, grant: SessionGrant, half: SessionKeyHalf) -> "SessionKey":
        """The key of a grant, whose b arrived beside it."""
        return cls(half, UniformHalf.of(grant))

    @cached_property
    def key_id(self) -> KeyId:
        """SHA-256 of a's seed and b's canonical bytes."""
        return KeyId(hashlib.sha256(self.uniform.seed + self.half.encoded).digest())

    @property
    def words(self) -> tuple[Words, Words]:
        """b and a, each of shape (4, 8192)."""
        return self.half.words[0], self.uniform.words


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
    public_key: SessionKey


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
    key = SessionKey.of(stated, SessionKeyHalf.decode(public_key))
    checks = {
        "profile": stated.profile == PROFILE,
        "authority": stated.authority == expected.authority_key.party,
        "gateway": stated.gateway == expected.gateway,
        "device": stated.device == expected.device,
        "issuer": stated.issuer == expected.issuer,
        "nonce": stated.client_nonce == expected.client_nonce,
        "key": stated.key_id == key.key_id,
        "expiry": is_coming_expiry(stated.expires_at, now),
    }
    for what, holds in checks.items():
        if not holds:
            raise Refused(f"session key: {what} is not the expected one")
    return VerifiedSessionKey(signed, key)
