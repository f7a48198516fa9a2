"""Mobile documents of our own, with Utopia's authority for driving licences (IACA).

Each part can be altered before it is signed, or after. No document of a person is used anywhere.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.documents.mobile.authentication import MobileFiles
from tests.support.chips import NOW, PICTURE, Authority, authority, key, name, signer_certificate

SIGNS_MOBILE: Final = "1.0.18013.5.1.2"
LICENCE: Final = "org.iso.18013.5.1.mDL"
NUMBER: Final = "UT4711-0815"
DAY: Final = datetime.timedelta(days=1)
_HASHES: Final = {-7: hashes.SHA256(), -35: hashes.SHA384(), -36: hashes.SHA512()}
_CURVES: Final = {"secp256r1": 1, "secp384r1": 2, "secp521r1": 3, "brainpoolP256r1": 256}
PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey


@cache
def iaca() -> Authority:
    return authority(key("secp384r1", 20), name("UT", "IACA Utopia"))


@cache
def edwards(number: int = 0) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def mobile_signer(by: Authority, public: Any, **changes: Any) -> x509.Certificate:
    """A document signer's certificate of ISO/IEC 18013-5."""
    return signer_certificate(by, public, **({"purpose": SIGNS_MOBILE} | changes))


def elements(**changes: Any) -> dict[str, Any]:
    """What this counter asks for. None leaves one out."""
    told = {
        "document_number": NUMBER,
        "expiry_date": datetime.date(2032, 4, 15),
        "issuing_country": "UT",
        "age_over_18": True,
        "portrait": PICTURE,
    } | changes
    return {one: value for one, value in told.items() if value is not None}


def embed(value: Any) -> cbor2.CBORTag:
    """Encoded CBOR (tag 24); bytes are taken as they are."""
    return cbor2.CBORTag(24, value if isinstance(value, bytes) else cbor2.dumps(value))


def cose_key(public: Any) -> dict[int, Any]:
    if isinstance(public, ec.EllipticCurvePublicKey):
        size = (public.key_size + 7) // 8
        x, y = (getattr(public.public_numbers(), one).to_bytes(size, "big") for one in "xy")
        return {1: 2, -1: _CURVES[public.curve.name], -2: x, -3: y}
    return {1: 1, -1: 6, -2: public.public_bytes_raw()}


def cose_sign(
    signing: PrivateKey, payload: bytes, protected: Mapping[int, Any], context: str = "Signature1"
) -> tuple[bytes, bytes]:
    """Protected header and signature (RFC 9052, 4.4), by the algorithm that the header names."""
    header = cbor2.dumps(dict(protected))
    covered = cbor2.dumps([context, header, b"", payload])
    if isinstance(signing, Ed25519PrivateKey):
        return header, signing.sign(covered)
    hashed = _HASHES.get(protected.get(1), hashes.SHA256())
    r, s = decode_dss_signature(signing.sign(covered, ec.ECDSA(hashed)))
    size = (signing.key_size + 7) // 8
    return header, r.to_bytes(size, "big") + s.to_bytes(size, "big")


@cache
def reader_key() -> ec.EllipticCurvePrivateKey:
    """The reader's key of the session."""
    return ec.generate_private_key(ec.SECP256R1())


def transcript(nonce: bytes = b"one session", **changes: Any) -> bytes:
    """A session by QR code."""
    engagement = {0: "1.0", 1: [1, embed(cose_key(key("secp256r1", 30).public_key()))], 9: nonce}
    told = {
        "engagement": embed(engagement),
        "reader": embed(cose_key(reader_key().public_key())),
        "handover": None,
    } | changes
    return cbor2.dumps(list(told.values()))


@dataclass(frozen=True)
class Mobile:
    """A mobile document before it is issued. ``files`` is what a reader leaves of one session."""

    elements: Mapping[str, Any] = field(default_factory=elements)
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """More name spaces."""
    by: Authority = field(default_factory=iaca)
    key: PrivateKey = field(default_factory=lambda: key("secp256r1", 21))
    algorithm: int = -7
    device: PrivateKey = field(default_factory=lambda: key("secp256r1", 22))
    device_algorithm: int = -7
    certificate: Callable[[Authority, Any], x509.Certificate | bytes] = mobile_signer
    mso: Mapping[str, Any] = field(default_factory=dict)
    """Members of the MSO in the place of the right ones; None leaves one out."""
    validity: Mapping[str, Any] = field(default_factory=dict)
    doc_type: str = LICENCE
    hashed: str = "SHA-256"
    transcript: bytes = field(default_factory=transcript)
    names: Mapping[str, str] = field(default_factory=dict)
    """Elements that are signed under another name than their own."""
    mac: bool = False
    """Whether the telephone answers by a MAC."""

    def with_(self, **changes: Any) -> Mobile:
        return replace(self, **changes)

    def files(
        self,
        alter: Callable[[dict[str, Any]], None] = lambda _: None,
        before: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> MobileFiles:
        """``alter`` changes the response after it was signed; ``before`` the MSO, before it is."""
        response = self.response(before)
        alter(response)
        private = reader_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return MobileFiles(cbor2.dumps(response), self.transcript, private if self.mac else None)

    def response(self, before: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        spaces = {"org.iso.18013.5.1": self.elements, **self.others}
        items = {one: self._items(held) for one, held in spaces.items()}
        own = embed({})
        document = {
            "docType": self.doc_type,
            "issuerSigned": {"nameSpaces": items, "issuerAuth": self._issuer_auth(items, before)},
            "deviceSigned": {"nameSpaces": own, "deviceAuth": self._device_auth(own)},
        }
        return {"version": "1.0", "documents": [document], "status": 0}

    def _items(self, held: Mapping[str, Any]) -> list[cbor2.CBORTag]:
        return [
            embed(
                {
                    "digestID": 7 * number,
                    "random": hashlib.sha256(one.encode()).digest(),
                    "elementIdentifier": self.names.get(one, one),
                    "elementValue": _dated(value),
                }
            )
            for number, (one, value) in enumerate(held.items())
        ]

    def _issuer_auth(
        self, items: Mapping[str, list[cbor2.CBORTag]], before: Callable[[dict[str, Any]], None]
    ) -> list[Any]:
        mso = self._mso(items)
        before(mso)
        payload = cbor2.dumps(embed(mso))
        protected, signature = cose_sign(self.key, payload, {1: self.algorithm})
        made = self.certificate(self.by, self.key.public_key())
        encoded = made if isinstance(made, bytes) else made.public_bytes(Encoding.DER)
        return [protected, {33: encoded}, payload, signature]

    def _mso(self, items: Mapping[str, list[cbor2.CBORTag]]) -> dict[str, Any]:
        hashed = {"SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384, "SHA-512": hashlib.sha512}
        digest = hashed.get(self.hashed, hashlib.sha256)
        told = {
            "version": "1.0",
            "digestAlgorithm": self.hashed,
            "valueDigests": {
                space: {7 * n: digest(cbor2.dumps(one)).digest() for n, one in enumerate(held)}
                | {999: bytes(32)}
                for space, held in items.items()
            },
            "deviceKeyInfo": {"deviceKey": cose_key(self.device.public_key())},
            "docType": self.doc_type,
            "validityInfo": {
                "signed": time(NOW - 20 * DAY),
                "validFrom": time(NOW - 20 * DAY),
                "validUntil": time(NOW + 10 * DAY),
            }
            | dict(self.validity),
        } | dict(self.mso)
        return {one: value for one, value in told.items() if value is not None}

    def _device_auth(self, own: cbor2.CBORTag) -> dict[str, Any]:
        session = cbor2.loads(self.transcript)
        session = cbor2.loads(session.value) if isinstance(session, cbor2.CBORTag) else session
        payload = cbor2.dumps(embed(["DeviceAuthentication", session, self.doc_type, own]))
        if not self.mac:
            told, signature = cose_sign(self.device, payload, {1: self.device_algorithm})
            return {"deviceSignature": [told, {}, None, signature]}
        assert isinstance(self.device, ec.EllipticCurvePrivateKey)
        shared = self.device.exchange(ec.ECDH(), reader_key().public_key())
        salt = hashlib.sha256(cbor2.dumps(embed(self.transcript))).digest()
        running = hmac.HMAC(
            HKDF(hashes.SHA256(), 32, salt, b"EMacKey").derive(shared), hashes.SHA256()
        )
        told = cbor2.dumps({1: 5})
        running.update(cbor2.dumps(["MAC0", told, b"", payload]))
        return {"deviceMac": [told, {}, None, running.finalize()]}


def time(when: datetime.datetime) -> cbor2.CBORTag:
    return cbor2.CBORTag(0, f"{when:%Y-%m-%dT%H:%M:%SZ}")


def _dated(value: Any) -> Any:
    """Days as a full-date, which cbor2 writes otherwise."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return cbor2.CBORTag(1004, value.isoformat())
    return value


def lay(folder: Path, files: MobileFiles) -> Path:
    """A reader's folder with what it left of one session."""
    folder.mkdir(exist_ok=True)
    (folder / "device-response.cbor").write_bytes(files.response)
    (folder / "session-transcript.cbor").write_bytes(files.transcript)
    if files.reader_key is not None:
        (folder / "reader-key.pem").write_bytes(files.reader_key)
    return folder
