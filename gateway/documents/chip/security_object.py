"""The document security object, EF.SOD: hashes of the data groups, signed (ICAO 9303-10, 4.6.2).

77 > ContentInfo > SignedData (RFC 5652) > LDSSecurityObject. One signer, its certificate, signed
attributes. Signed is what stands there, byte for byte: nothing is encoded again. Nothing here is
the document's identity: the same document may have a security object in another encoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from asn1crypto import algos, cms, core

from gateway.documents.chip.certificates import Certificate
from gateway.documents.chip.elements import with_head
from gateway.documents.chip.signatures import NotSigned, digest_of, verify

CONTENT_TYPES: Final = frozenset({"2.23.136.1.1.1", "1.3.27.1.1.1"})
"""LDS security object, as ICAO 9303-10 names it, and as Belgian and French documents do (of the
technical report that came before)."""
MAX_CERTIFICATES: Final = 8
_SET: Final = 0x31


class _DataGroupHash(core.Sequence):  # type: ignore[misc]
    _fields = [("number", core.Integer), ("hash", core.OctetString)]  # noqa: RUF012


class _DataGroupHashes(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _DataGroupHash


class _LdsVersion(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("lds_version", core.PrintableString), ("unicode_version", core.PrintableString)
    ]  # fmt: skip


class _LdsSecurityObject(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("hash_algorithm", algos.DigestAlgorithm),
        ("hashes", _DataGroupHashes),
        ("lds_version", _LdsVersion, {"optional": True}),
    ]


@dataclass(frozen=True)
class SecurityObject:
    """What an EF.SOD states. Nothing of it is verified yet."""

    hash_name: str
    """Of the data groups' hashes."""
    hashes: Mapping[int, bytes]
    """By the number of the data group."""
    certificates: tuple[Certificate, ...]
    _signer: cms.SignerInfo = field(repr=False)
    _content_type: str
    _content: bytes = field(repr=False)

    @classmethod
    def parse(cls, content: bytes) -> "SecurityObject":
        """Parse the content of EF.SOD.

        Raises ``ValueError`` with a text that can be shown.
        """
        try:
            return cls._parsed(content)
        except _Unlike as error:
            raise ValueError(str(error)) from None
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("it is malformed") from None

    @classmethod
    def _parsed(cls, content: bytes) -> "SecurityObject":
        info = cms.ContentInfo.load(content, strict=True)
        if info["content_type"].native != "signed_data":
            raise _Unlike("it is not signed data")
        signed = info["content"]
        held = signed["encap_content_info"]
        content_type = held["content_type"].dotted
        if content_type not in CONTENT_TYPES:
            raise _Unlike("it holds something else than the hashes of data groups")
        if len(signed["signer_infos"]) != 1:
            raise _Unlike("it has not exactly one signer")
        stated = bytes(held["content"])
        lds = _LdsSecurityObject.load(stated, strict=True)
        numbers = [one["number"].native for one in lds["hashes"]]
        if len(set(numbers)) != len(numbers):
            raise _Unlike("it states two hashes of one data group")
        signer = signed["signer_infos"][0]
        _ = signer.native  # the parser is lazy
        return cls(
            lds["hash_algorithm"]["algorithm"].native,
            dict(zip(numbers, (one["hash"].native for one in lds["hashes"]), strict=True)),
            _certificates(signed["certificates"]),
            signer,
            content_type,
            stated,
        )

    def signer(self) -> Certificate:
        """The signer's certificate, which the signer's entry names. Raises ``ValueError``."""
        try:
            named = self._signer["sid"]
            found = [one for one in self.certificates if _is_named(one, named)]
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("the signer's name is malformed") from None
        if len(found) != 1:
            raise ValueError("no certificate is the signer's" if not found else "there are several")
        return found[0]

    def require_signed_by(self, certificate: Certificate) -> None:
        """The signer's signature over the attributes, and theirs over the content (RFC 5652, 5.4).

        Without signed attributes a signature over a content could be passed off as one over
        attributes, and the other way round; ICAO prescribes them.

        Raises ``NotSigned``.
        """
        try:
            self._require_signed_by(certificate)
        except NotSigned:
            raise
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise NotSigned("the signature is malformed") from None

    def _require_signed_by(self, certificate: Certificate) -> None:
        signer = self._signer
        if not isinstance(signer["signed_attrs"], cms.CMSAttributes):
            raise NotSigned("it has no signed attributes")
        attributes: dict[str, Any] = {}
        for one in signer["signed_attrs"]:
            if one["type"].dotted in attributes or len(one["values"]) != 1:
                raise NotSigned("a signed attribute stands there twice")
            attributes[one["type"].dotted] = one["values"][0]
        hash_name = signer["digest_algorithm"]["algorithm"].native
        if attributes[_CONTENT_TYPE].dotted != self._content_type:
            raise NotSigned("the attributes are about content of another kind")
        if attributes[_MESSAGE_DIGEST].native != digest_of(hash_name, self._content):
            raise NotSigned("the content is not the one that was signed")
        verify(
            certificate.key,
            signer["signature_algorithm"],
            signer["signature"].native,
            with_head(_SET, signer["signed_attrs"].contents),
            hash_name,
        )


_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"


class _Unlike(Exception):
    """Well-formed, and something else than an EF.SOD. The text can be shown."""


def _certificates(found: Any) -> tuple[Certificate, ...]:
    if not isinstance(found, cms.CertificateSet):
        return ()
    if len(found) > MAX_CERTIFICATES:
        raise _Unlike(f"it holds more than {MAX_CERTIFICATES} certificates")
    return tuple(Certificate.parse(one.chosen.dump()) for one in found if one.name == "certificate")


def _is_named(certificate: Certificate, named: cms.SignerIdentifier) -> bool:
    if named.name == "subject_key_identifier":
        return bool(named.chosen.native == certificate.key_identifier)
    issuer, serial = named.chosen["issuer"], named.chosen["serial_number"].native
    return bool(serial == certificate.serial and issuer == certificate.issuer)
