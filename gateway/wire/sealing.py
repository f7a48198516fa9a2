"""What travels sealed: template, probe and dealings to the servers, audited secrets to the auditor.

Sealing is HPKE (RFC 9180) in base mode: X-Wing's ML-KEM-768 + X25519, HKDF-SHA-256, AES-256-GCM.
``info`` names what is sealed, for whom, session, key and the order of lanes. So nothing opens in
another session or another role (protocol, sections 6 and 8).

The template goes to the gateway, with its dealing. So the device that carries them can neither copy
the template as its probe nor learn r. The probe goes to the gateway sealed as well. It is encrypted
under the authority's key, so an authority that reads the traffic must not find it. The other
dealing goes to the authority. Ciphertexts and seed of an audited session are sealed to the auditor,
with an ``info`` that binds the authority's demand (section 10).
"""

from dataclasses import dataclass, field
from enum import Enum

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

from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, KeyId, SessionId
from gateway.wire.profile import FRESH_BYTES, SEED_BYTES

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ENCAPSULATION_BYTES = 1120
_TAG_BYTES = 16
_AUDIT_LABEL = b"sealmatch/sealed-audit/2"
_LANE_ORDER = b"probe,actions"


class Sealed(Enum):
    """What is sealed for a session, and to whom; the value is the label in ``info``."""

    TEMPLATE = b"sealmatch/sealed-template/2/gateway"
    """Template ciphertext, then the gateway's dealing."""
    PROBE = b"sealmatch/sealed-probe/2/gateway"
    """Probe ciphertext."""
    DEALING = b"sealmatch/sealed-dealing/2/authority"
    """The authority's dealing."""


_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32
PRIVATE_BYTES = _MLKEM_SEED_BYTES + 32

_OVERHEAD = _ENCAPSULATION_BYTES + _TAG_BYTES
SEALED_TEMPLATE_BYTES = _OVERHEAD + FRESH_BYTES + DEALING_BYTES
SEALED_PROBE_BYTES = _OVERHEAD + FRESH_BYTES
SEALED_DEALING_BYTES = _OVERHEAD + DEALING_BYTES
AUDIT_SECRET_BYTES = 2 * FRESH_BYTES + DEALING_BYTES + SEED_BYTES
"""Template and probe ciphertext, the gateway's dealing, the seed."""
SEALED_AUDIT_BYTES = _OVERHEAD + AUDIT_SECRET_BYTES


@dataclass(frozen=True)
class SealingPublicKey:
    """A public sealing key: a server's, which issuer and device pin, or an auditor's.

    ``raw`` is the ML-KEM-768 encapsulation key (1184 bytes), then the X25519 key (32 bytes).
    """

    raw: bytes

    def seal(self, what: Sealed, plain: bytes, session: SessionId, key_id: KeyId) -> bytes:
        """Seal for one session, key and role."""
        return self._seal(plain, _info(what, session, key_id))

    def seal_for_audit(self, secret: bytearray, demand: Digest) -> bytes:
        """Seal an audited session's secret for one signed demand, named by its digest."""
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

    def open(self, what: Sealed, sealed: bytes, session: SessionId, key_id: KeyId) -> bytes:
        """Open what was sealed for this session, key and role.

        Raises:
            Refused: sealed to another key, for something else, or altered.
        """
        return self._open(sealed, _info(what, session, key_id), what.name.lower())

    def open_for_audit(self, sealed: bytes, demand: Digest) -> bytes:
        """Open an audited session's secret.

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


def _info(what: Sealed, session: SessionId, key_id: KeyId) -> bytes:
    return b"\0".join((what.value, _LANE_ORDER, session + key_id))


def _audit_info(demand: Digest) -> bytes:
    return _AUDIT_LABEL + b"\0" + demand
