"""Signature algorithms of logs and witnesses: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204).

An algorithm is a row of a table. ML-DSA signs with an empty context, as C2SP ``tlog-cosignature``
specifies: the message separates the domains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from gateway.wire.errors import Refused

SEED_BYTES: Final = 32
"""Of either algorithm's private key."""


class PrivateKey(Protocol):
    """A private key, in memory or in a token."""

    def sign(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True)
class Algorithm:
    """A signature algorithm; sizes in bytes."""

    name: str
    public_bytes: int
    signature_bytes: int
    verify: Callable[[bytes, bytes, bytes], None]
    """Public key, signature, data; raises ``InvalidSignature`` or ``ValueError``."""
    from_seed: Callable[[bytes], tuple[PrivateKey, bytes]]
    """The private key that 32 bytes make, and its public key."""

    def check(self, public: bytes, signature: bytes, data: bytes) -> None:
        """Raise ``Refused`` unless the signature is this key's over ``data``."""
        try:
            self.verify(public, signature, data)
        except (InvalidSignature, ValueError):
            raise Refused(f"{self.name} signature does not verify") from None


def _ed25519_verify(public: bytes, signature: bytes, data: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(public).verify(signature, data)


def _ed25519_from_seed(seed: bytes) -> tuple[PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def _ml_dsa_44_verify(public: bytes, signature: bytes, data: bytes) -> None:
    MLDSA44PublicKey.from_public_bytes(public).verify(signature, data)


def _ml_dsa_44_from_seed(seed: bytes) -> tuple[PrivateKey, bytes]:
    private = MLDSA44PrivateKey.from_seed_bytes(seed)
    return private, private.public_key().public_bytes_raw()


ED25519: Final = Algorithm("Ed25519", 32, 64, _ed25519_verify, _ed25519_from_seed)
ML_DSA_44: Final = Algorithm("ML-DSA-44", 1312, 2420, _ml_dsa_44_verify, _ml_dsa_44_from_seed)
