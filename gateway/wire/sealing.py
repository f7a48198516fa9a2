"""The template ciphertext sealed to the gateway, and an audit's secrets to the auditor.

HPKE (RFC 9180) in base mode: X-Wing's ML-KEM-768 + X25519, HKDF-SHA-256, AES-256-GCM. The device
carries the sealed template but cannot open it, so it cannot hand in the template as its probe.
``info`` binds session and key: a sealed template opens in no other session (protocol, section 8).

Template and seed of an audited session are sealed to the auditor, with an ``info`` that binds the
authority's demand (section 10): whoever reads along between gateway and auditor, the authority
above all, must not get them, and that shall not rest on TLS.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, KeyId, SessionId
from gateway.wire.polynomials import FRESH_BYTES
from gateway.wire.profile import SEED_BYTES

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ENCAPSULATION_BYTES = 1120
_TAG_BYTES = 16
_LABEL = b"sealmatch/sealed-template/1"
_AUDIT_LABEL = b"sealmatch/sealed-audit/1"

_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32
PRIVATE_BYTES = _MLKEM_SEED_BYTES + 32

SEALED_BYTES = _ENCAPSULATION_BYTES + FRESH_BYTES + _TAG_BYTES
SEALED_AUDIT_BYTES = SEALED_BYTES + SEED_BYTES


@dataclass(frozen=True)
class SealingPublicKey:
    """A public sealing key: the gateway's, which the issuer pins, or an auditor's.

    ``raw`` is the ML-KEM-768 encapsulation key (1184 bytes), then the X25519 key (32 bytes).
    """

    raw: bytes

    def seal(self, template: bytes, session: SessionId, key_id: KeyId) -> bytes:
        """Seal canonical template bytes for one session and key."""
        return self._seal(template, _info(session, key_id))

    def seal_for_audit(self, secret: bytearray, demand: Digest) -> bytes:
        """Seal template ciphertext and seed for one signed demand, named by its digest."""
        return self._seal(secret, _audit_info(demand))

    def _seal(self, plain: bytes | bytearray, info: bytes) -> bytes:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:]),
        )
        return _SUITE.encrypt(plain, key, info=info)


@dataclass(frozen=True)
class SealingPrivateKey:
    """A private sealing key. The parts never show in a ``repr``."""

    mlkem: MLKEM768PrivateKey = field(repr=False)
    x25519: X25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "SealingPrivateKey":
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_raw(cls, raw: bytes) -> "SealingPrivateKey":
        """Load the 64-byte ML-KEM seed and the 32-byte X25519 key that ``raw`` returns."""
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED_BYTES:]),
        )

    @property
    def raw(self) -> bytes:
        return self.mlkem.private_bytes_raw() + self.x25519.private_bytes_raw()

    @property
    def public(self) -> SealingPublicKey:
        return SealingPublicKey(
            self.mlkem.public_key().public_bytes_raw() + self.x25519.public_key().public_bytes_raw()
        )

    def open(self, sealed: bytes, session: SessionId, key_id: KeyId) -> bytes:
        """Open a sealed template.

        Raises:
            Refused: sealed to another key, for another session, or altered.
        """
        return self._open(sealed, _info(session, key_id), "template")

    def open_for_audit(self, sealed: bytes, demand: Digest) -> bytes:
        """Open template ciphertext and seed of an audited session, one after the other.

        Raises:
            Refused: sealed to another key, for another demand, or altered.
        """
        return self._open(sealed, _audit_info(demand), "audit")

    def _open(self, sealed: bytes, info: bytes, what: str) -> bytes:
        key = MLKEM768X25519PrivateKey(self.mlkem, self.x25519)
        try:
            return bytes(_SUITE.decrypt(sealed, key, info=info))
        except (InvalidTag, ValueError):
            raise Refused(f"the sealed {what} does not open") from None


def _info(session: SessionId, key_id: KeyId) -> bytes:
    return _LABEL + b"\0" + session + key_id


def _audit_info(demand: Digest) -> bytes:
    return _AUDIT_LABEL + b"\0" + demand
