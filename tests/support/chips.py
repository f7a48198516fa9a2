"""Electronic documents of our own, with our own issuing State: Utopia, whose codes are UT and UTO.

Each part can be altered before it is signed, or after. No document of a person is used anywhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from asn1crypto import algos, cms, core, keys
from asn1crypto import x509 as ax509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.documents.chip.certificates import Certificate, CscaList
from gateway.documents.chip.curves import KNOWN
from gateway.documents.chip.passive import ChipFiles
from gateway.documents.chip.security_object import _LdsSecurityObject
from tests.support.portraits import dg2 as portrait_file
from tests.support.portraits import facial_record, tlv

NOW: Final = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)
TODAY: Final = NOW.date()
ZONE: Final = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F3204153ZE184226B<<<<<16"
)
CARD: Final = (
    "I<UTOD231458907<<<<<<<<<<<<<<<7408122F3204153UTO<<<<<<<<<<<2ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
)
PICTURE: Final = b"\xff\xd8\xff\xe0 no picture \xff\xd9"

_HASHES: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1, "sha224": hashes.SHA224, "sha256": hashes.SHA256,
    "sha384": hashes.SHA384, "sha512": hashes.SHA512,
}  # fmt: skip
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def key(kind: str = "secp256r1", number: int = 0) -> Key:
    """A key by curve or by ``rsaBITS``; one more for each number. RSA keys are few: they are
    slow."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    curves = {"secp192r1": ec.SECP192R1(), "secp256k1": ec.SECP256K1()}
    curves |= {one.curve.name: one.curve for one in KNOWN}
    return ec.generate_private_key(curves[kind])


@dataclass(frozen=True)
class Authority:
    """One who issues document signers' certificates."""

    name: x509.Name
    key: Key
    certificate: x509.Certificate | None = None

    @property
    def der(self) -> bytes:
        assert self.certificate is not None
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        assert self.certificate is not None
        return self.certificate.public_bytes(Encoding.PEM)


def name(country: str = "UT", common: str = "CSCA Utopia") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def authority(
    signing: Key | None = None,
    named: x509.Name | None = None,
    years: tuple[int, int] = (-3, 12),
    ca: bool = True,
    hashed: hashes.HashAlgorithm | None = None,
    in_use: InUse = (None, None),
    after: Authority | None = None,
) -> Authority:
    """An authority. ``after``: its certificate is a link, issued by the one that it was before."""
    signing, named = signing or key("secp384r1"), named or name()
    before = after or Authority(named, signing)
    made = _built(named, before.name, signing.public_key(), years, before.key.public_key(), ca)
    made = _used(made, in_use)
    return Authority(named, signing, made.sign(before.key, hashed or hashes.SHA384()))


InUse = tuple[int | None, int | None]
"""Years from now, from when until when a key signs."""


def _used(made: x509.CertificateBuilder, in_use: InUse) -> x509.CertificateBuilder:
    start, end = (None if one is None else NOW + datetime.timedelta(365 * one) for one in in_use)
    if start is None and end is None:
        return made
    return made.add_extension(x509.PrivateKeyUsagePeriod(start, end), critical=False)


@cache
def utopia() -> Authority:
    return authority()


def revocation_list(by: Authority, *serials: int, part: bool = False, days: int = 0) -> bytes:
    """A list of certificates that an authority took back, made so many days from now. ``part``: it
    says that it is no whole one."""
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.name)
        .last_update(NOW + datetime.timedelta(days))
        .next_update(NOW + datetime.timedelta(days=90))
    )
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
        made = made.add_revoked_certificate(one.build())
    if part:
        made = made.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return made.sign(by.key, hashes.SHA384()).public_bytes(Encoding.DER)


SIGNERS_SERIAL: Final = 4711
DOCUMENT_TYPES: Final = "2.23.136.1.1.6.2"


def document_types(*codes: str) -> bytes:
    """DocumentTypeList (ICAO 9303-12, 7.1.1)."""
    return tlv(
        0x30, b"\x02\x01\x00" + tlv(0x31, b"".join(tlv(0x13, one.encode()) for one in codes))
    )


def signer_certificate(
    by: Authority,
    public: Any,
    years: tuple[int, int] = (-1, 10),
    issuer: x509.Name | None = None,
    usage: bool = True,
    ca: bool = False,
    demand: bool = False,
    purpose: str | None = None,
    hashed: hashes.HashAlgorithm | None = None,
    pss: bool = False,
    country: str = "UT",
    types: bytes | None = None,
    in_use: InUse = (None, None),
    subject: x509.Name | None = None,
) -> x509.Certificate:
    """A document signer's. ``types``: the encoded list of document types."""
    named = subject or name(country, "Document Signer 7")
    made = _built(named, issuer or by.name, public, years, by.key.public_key(), ca, usage)
    if demand:
        demanded = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.136.1.1.99"), b"\x05\0")
        made = made.add_extension(demanded, critical=True)
    if purpose is not None:
        used = x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)])
        made = made.add_extension(used, critical=True)
    if types is not None:
        listed = x509.UnrecognizedExtension(x509.ObjectIdentifier(DOCUMENT_TYPES), types)
        made = made.add_extension(listed, critical=False)
    made = _used(made, in_use)
    signed_with = hashed or hashes.SHA384()
    if pss:
        return made.sign(
            by.key, signed_with, rsa_padding=padding.PSS(padding.MGF1(signed_with), 48)
        )
    return made.sign(by.key, signed_with)


def _built(
    subject: x509.Name,
    issuer: x509.Name,
    public: Any,
    years: tuple[int, int],
    issuing: Any,
    ca: bool,
    usage: bool = True,
) -> x509.CertificateBuilder:
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(SIGNERS_SERIAL)
        .not_valid_before(NOW + datetime.timedelta(days=365 * years[0]))
        .not_valid_after(NOW + datetime.timedelta(days=365 * years[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing), critical=False)
        .add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
    )
    used = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement",
         "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    used |= {"digital_signature": usage and not ca, "key_cert_sign": ca}
    return made.add_extension(
        x509.KeyUsage(key_encipherment=not usage and not ca, **used), critical=True
    )


@dataclass(frozen=True)
class Chip:
    """A document before it is personalised. ``files`` makes its chip's files."""

    zone: str = ZONE
    picture: bytes = PICTURE
    by: Authority = field(default_factory=utopia)
    key: Key = field(default_factory=key)
    hashed: str = "sha256"
    pss: bool = False
    content_type: str = "2.23.136.1.1.1"
    open_hash: bool = False
    """Whether the signature's algorithm leaves its hash to the signer's entry."""
    groups: Mapping[int, bytes] = field(default_factory=dict)
    """Hashes of data groups in the place of the right ones; an empty one is left out."""
    certificate: Callable[[Authority, Any], x509.Certificate | bytes] = signer_certificate
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Signed attributes in the place of the right ones; None leaves one out."""
    content: Callable[[bytes], bytes] = lambda lds: lds
    """Changes the hashes' encoding before they are signed."""

    def with_(self, **changes: Any) -> Chip:
        return replace(self, **changes)

    def dg1(self) -> bytes:
        return tlv(0x61, tlv(0x5F1F, self.zone.encode()))

    def dg2(self) -> bytes:
        return portrait_file(facial_record(self.picture))

    def files(self, alter: Callable[[cms.SignedData], None] = lambda _: None) -> ChipFiles:
        """The chip's files. ``alter`` changes the signed data after it was signed."""
        dg1, dg2 = self.dg1(), self.dg2()
        signed = self._signed(dg1, dg2)
        alter(signed)
        info = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        return ChipFiles(tlv(0x77, info.dump(force=True)), dg1, dg2)

    def _signed(self, dg1: bytes, dg2: bytes) -> cms.SignedData:
        hashed = _HASHES[self.hashed]
        right = {1: _digest(hashed, dg1), 2: _digest(hashed, dg2), 14: bytes(hashed().digest_size)}
        lds = _LdsSecurityObject(
            {
                "version": 0,
                "hash_algorithm": {"algorithm": self.hashed},
                "hashes": [
                    {"number": number, "hash": one}
                    for number, one in sorted((right | dict(self.groups)).items())
                    if one
                ],
            }
        ).dump()
        return self.signed_around(self.content(lds))

    def signed_around(self, content: bytes) -> cms.SignedData:
        """Any content, signed as this document's is."""
        hashed = _HASHES[self.hashed]
        certificate = self.certificate(self.by, self.key.public_key())
        encoded = (
            certificate
            if isinstance(certificate, bytes)
            else certificate.public_bytes(Encoding.DER)
        )
        parsed = ax509.Certificate.load(encoded)
        attributes = self._attributes(_digest(hashed, content))
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": self.hashed}],
                "encap_content_info": {
                    "content_type": self.content_type,
                    "content": core.ParsableOctetString(content),
                },
                "certificates": [cms.CertificateChoices("certificate", parsed)],
                "signer_infos": [
                    {
                        "version": "v1",
                        "sid": cms.SignerIdentifier(
                            "issuer_and_serial_number",
                            {"issuer": parsed.issuer, "serial_number": parsed.serial_number},
                        ),
                        "digest_algorithm": {"algorithm": self.hashed},
                        "signed_attrs": attributes,
                        "signature_algorithm": self._algorithm(),
                        "signature": self.sign(attributes.dump()),
                    }
                ],
            }
        )

    def _attributes(self, digest: bytes) -> cms.CMSAttributes:
        right = {"content_type": self.content_type, "message_digest": digest}
        right |= self.attributes
        return cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": kind, "values": [value]})
                for kind, value in right.items()
                if value is not None
            ]
        )

    def _algorithm(self) -> Any:
        if self.pss:
            hashed = {"algorithm": self.hashed}
            return algos.SignedDigestAlgorithm(
                {
                    "algorithm": "rsassa_pss",
                    "parameters": algos.RSASSAPSSParams(
                        {
                            "hash_algorithm": hashed,
                            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": hashed},
                            "salt_length": 32,
                        }
                    ),
                }
            )
        if isinstance(self.key, rsa.RSAPrivateKey):
            return {"algorithm": "rsassa_pkcs1v15" if self.open_hash else f"{self.hashed}_rsa"}
        return {"algorithm": f"{self.hashed}_ecdsa"}

    def sign(self, data: bytes) -> bytes:
        hashed = _HASHES[self.hashed]()
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(hashed))
        if self.pss:
            return self.key.sign(data, padding.PSS(padding.MGF1(hashed), 32), hashed)
        return self.key.sign(data, padding.PKCS1v15(), hashed)


def _digest(hashed: Callable[[], hashes.HashAlgorithm], data: bytes) -> bytes:
    running = hashes.Hash(hashed())
    running.update(data)
    return running.finalize()


def signed_on(day: datetime.datetime) -> dict[str, Any]:
    """Signed attributes with a time of signing."""
    return {"signing_time": cms.Time("utc_time", core.UTCTime(day))}


def lay(
    folder: Path, files: ChipFiles, names: tuple[str, ...] = ("EF.SOD", "EF.DG1", "EF.DG2")
) -> Path:
    """A reader's folder with the chip's files, under these names."""
    folder.mkdir(exist_ok=True)
    for called, content in zip(names, (files.sod, files.dg1, files.dg2), strict=True):
        (folder / called).write_bytes(content)
    return folder


def listed(*authorities: Authority) -> CscaList:
    """A counter's list."""
    return CscaList(Certificate.parse(one.der) for one in authorities)


def with_explicit_curve(
    by: Authority, public: ec.EllipticCurvePublicKey, compressed: bool = False, **changes: Any
) -> bytes:
    """A signer's certificate whose curve stands there number by number, as ICAO asks for it.

    Args:
        changes: numbers in the place of the curve's: prime, a, b, order, cofactor; base as bytes.
    """
    encoded = signer_certificate(by, public).public_bytes(Encoding.DER)
    certificate = ax509.Certificate.load(encoded)
    known = next(one for one in KNOWN if one.curve.name == public.curve.name)
    size = (known.prime.bit_length() + 7) // 8
    told = {"prime": known.prime, "a": known.a, "b": known.b, "order": known.order, "cofactor": 1}
    told |= {"base": known.generators()[compressed]} | changes
    domain = keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": core.Integer(told["prime"])},
            "curve": {n: core.OctetString(told[n].to_bytes(size, "big")).contents for n in "ab"},
            "base": keys.ECPoint(told["base"]),
            "order": told["order"],
            "cofactor": told["cofactor"],
        }
    )
    info = certificate["tbs_certificate"]["subject_public_key_info"]
    info["algorithm"]["parameters"] = keys.ECDomainParameters("specified", domain)
    return resigned(certificate, by)


def resigned(certificate: ax509.Certificate, by: Authority) -> bytes:
    """A certificate that was changed, signed again."""
    tbs = certificate["tbs_certificate"].dump(force=True)
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    certificate["signature_value"] = by.key.sign(tbs, ec.ECDSA(hashes.SHA384()))
    return certificate.dump(force=True)


def master_list(content: bytes, **changes: Any) -> bytes:
    """A State's signed list around an encoded CscaMasterList. ``changes``: as of a ``Chip``."""
    signer = {
        "content_type": "2.23.136.1.1.2",
        "certificate": lambda by, public: signer_certificate(by, public, purpose="2.23.136.1.1.3"),
    }
    signed = Chip().with_(**(signer | changes)).signed_around(content)
    return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


def certificates_of(*encoded: bytes) -> bytes:
    """CscaMasterList around these certificates."""
    return tlv(0x30, b"\x02\x01\x00" + tlv(0x31, b"".join(encoded)))
