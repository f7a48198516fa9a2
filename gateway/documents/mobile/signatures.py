"""COSE of mobile documents (RFC 9052, RFC 9053): signatures, MACs, and the keys that are taken.

An algorithm counts for its own keys alone (ISO/IEC 18013-5, tables 21 and 22): ES256 on P-256 and
brainpoolP256r1, ES384 on P-384, brainpoolP320r1 and brainpoolP384r1, ES512 on P-521 and
brainpoolP512r1, EdDSA on Ed25519 and Ed448. A MAC is HMAC 256/256 under a key that reader and
telephone derive for their session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.documents.chip.certificates import Certificate
from gateway.documents.chip.signatures import NotSigned
from gateway.documents.mobile.encoding import decode, encode, wrapped

VerifyKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

_ALG: Final = 1
_CRIT: Final = 2
_X5CHAIN: Final = 33
_EDDSA: Final = -8
_HMAC_256: Final = 5
_PARTS: Final = 4
_MAX_CERTIFICATES: Final = 4

_ECDSA: Final[dict[int, tuple[hashes.HashAlgorithm, tuple[str, ...]]]] = {
    -7: (hashes.SHA256(), ("secp256r1", "brainpoolP256r1")),
    -35: (hashes.SHA384(), ("secp384r1", "brainpoolP320r1", "brainpoolP384r1")),
    -36: (hashes.SHA512(), ("secp521r1", "brainpoolP512r1")),
}
"""Hash and curves."""
_KTY_OKP, _KTY_EC2 = 1, 2
_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    1: ec.SECP256R1(),
    2: ec.SECP384R1(),
    3: ec.SECP521R1(),
    256: ec.BrainpoolP256R1(),
    258: ec.BrainpoolP384R1(),
    259: ec.BrainpoolP512R1(),
}
_ED25519, _ED448 = 6, 7
"""Of the registry of COSE elliptic curves. cryptography has no brainpoolP320r1."""


@dataclass(frozen=True)
class CoseObject:
    """COSE_Sign1 or COSE_Mac0. Nothing of it is verified yet."""

    protected: bytes = field(repr=False)
    algorithm: int
    certificates: tuple[bytes, ...] = field(repr=False)
    """The signer's first (RFC 9360)."""
    payload: bytes | None = field(repr=False)
    authenticator: bytes = field(repr=False)
    """Signature or MAC."""

    @classmethod
    def parse(cls, value: Any) -> "CoseObject":
        """From the array of its four parts. Raises ``ValueError`` with a text that can be shown."""
        if not isinstance(value, list) or len(value) != _PARTS:
            raise ValueError("it is no COSE object")
        protected, unprotected, payload, authenticator = value
        if type(protected) is not bytes or type(authenticator) is not bytes:
            raise ValueError("it is no COSE object")
        if payload is not None and type(payload) is not bytes:
            raise ValueError("it is no COSE object")
        header = decode(protected)
        if not isinstance(header, dict) or not isinstance(unprotected, dict):
            raise ValueError("its headers are none")
        if header.keys() & unprotected.keys() or _CRIT in header or _ALG in unprotected:
            raise ValueError("its headers contradict each other, or demand what is not known here")
        if type(header.get(_ALG)) is not int:
            raise ValueError("its algorithm is not told")
        chain = _chain(header | unprotected)
        return cls(protected, header[_ALG], chain, payload, authenticator)

    def require_signed_by(self, key: VerifyKey, payload: bytes) -> None:
        """A signature over ``payload``. Raises ``NotSigned``."""
        try:
            _verify(key, self.algorithm, self.authenticator, self._covered("Signature1", payload))
        except InvalidSignature:
            raise NotSigned("the signature does not verify") from None

    def require_mac(self, key: bytes, payload: bytes) -> None:
        """A MAC over ``payload``. Raises ``NotSigned``."""
        if self.algorithm != _HMAC_256:
            raise NotSigned("its MAC is of a kind that is not accepted")
        running = hmac.HMAC(key, hashes.SHA256())
        running.update(self._covered("MAC0", payload))
        try:
            running.verify(self.authenticator)
        except InvalidSignature:
            raise NotSigned("the MAC does not verify") from None

    def _covered(self, context: str, payload: bytes) -> bytes:
        """RFC 9052, sections 4.4 and 6.3."""
        return encode([context, self.protected, b"", payload])


def _chain(header: Mapping[Any, Any]) -> tuple[bytes, ...]:
    told = header.get(_X5CHAIN, [])
    chain = [told] if type(told) is bytes else told
    if not isinstance(chain, list) or not all(type(one) is bytes for one in chain):
        raise ValueError("its certificates are none")
    if len(chain) > _MAX_CERTIFICATES:
        raise ValueError(f"it holds more than {_MAX_CERTIFICATES} certificates")
    return tuple(chain)


def _verify(key: VerifyKey, algorithm: int, signature: bytes, data: bytes) -> None:
    if algorithm == _EDDSA and isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        key.verify(signature, data)
        return
    hashed, curves = _ECDSA.get(algorithm, (None, ()))
    if hashed is None or not isinstance(key, ec.EllipticCurvePublicKey):
        raise NotSigned("the signature is of another kind than the key, or of none that is taken")
    if key.curve.name not in curves:
        raise NotSigned("the signature is of another kind than the key")
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise InvalidSignature
    r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashed))


def key_of(certificate: Certificate) -> VerifyKey:
    """A signer's key. Raises ``NotSigned``: of a kind that is not taken, or malformed."""
    try:
        key = load_der_public_key(certificate.key_info)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        return key
    found = certificate.key  # curves by name, or by all of their parameters
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise NotSigned("its key is of a kind that is not accepted")
    return found


def device_key(value: Any) -> VerifyKey:
    """A COSE_Key's public key (RFC 9053, section 7). Raises ``ValueError``."""
    if not isinstance(value, dict):
        raise ValueError("the telephone's key is malformed")
    kind, curve, x, y = (value.get(label) for label in (1, -1, -2, -3))
    if type(kind) is not int or type(curve) is not int or type(x) is not bytes:
        raise ValueError("the telephone's key is malformed")
    try:
        if kind == _KTY_EC2 and curve in _CURVES:
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], _point(x, y))
        if kind == _KTY_OKP and curve == _ED25519:
            return Ed25519PublicKey.from_public_bytes(x)
        if kind == _KTY_OKP and curve == _ED448:
            return Ed448PublicKey.from_public_bytes(x)
    except ValueError:
        raise ValueError("the telephone's key is malformed") from None
    raise ValueError("the telephone's key is of a kind that is not accepted")


def _point(x: bytes, y: Any) -> bytes:
    """SEC 1, 2.3.3: of a point that is given by its sign, too."""
    if type(y) is bool:
        return bytes([2 + y]) + x
    if type(y) is not bytes or len(x) != len(y):
        raise ValueError("no point")
    return b"\x04" + x + y


def mac_key(reader: ec.EllipticCurvePrivateKey, device: VerifyKey, transcript: bytes) -> bytes:
    """EMacKey, 32 bytes (ISO/IEC 18013-5, 9.1.3.5). Raises ``NotSigned``: keys of two kinds."""
    if not isinstance(device, ec.EllipticCurvePublicKey) or device.curve.name != reader.curve.name:
        raise NotSigned("the reader's key and the telephone's are on different curves")
    shared = reader.exchange(ec.ECDH(), device)
    salted = hashes.Hash(hashes.SHA256())
    salted.update(wrapped(transcript))
    return HKDF(hashes.SHA256(), 32, salted.finalize(), b"EMacKey").derive(shared)
