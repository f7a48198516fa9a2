"""Signed data of the issuing States (CMS, RFC 5652): one signer, its certificate, its attributes.

What was signed is what stands there, byte for byte: nothing is encoded again, but for the tag of
the attributes, which the signature is over as a set (5.4).
"""

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from asn1crypto import cms

from gateway.documents.chip.certificates import Certificate
from gateway.documents.chip.elements import with_head
from gateway.documents.chip.names import name_key
from gateway.documents.chip.signatures import NotSigned, digest_of, verify

MAX_CERTIFICATES: Final = 8
_SET: Final = 0x31
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"


class Unlike(Exception):
    """Well-formed, and something else than what is expected. The text can be shown."""


@dataclass(frozen=True)
class SignedData:
    """What is signed, and by whom it says. Nothing of it is verified yet."""

    content: bytes = field(repr=False)
    certificates: tuple[Certificate, ...]
    content_type: str
    _signer: cms.SignerInfo = field(repr=False)

    @classmethod
    def parse(cls, encoded: bytes, content_types: Collection[str], other: str) -> "SignedData":
        """Parse a ContentInfo.

        Args:
            content_types: object identifiers, of which the content has one.
            other: what is said of content of another type.

        Raises ``ValueError`` with a text that can be shown.
        """
        try:
            return cls._parsed(encoded, content_types, other)
        except Unlike as error:
            raise ValueError(str(error)) from None
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("it is malformed") from None

    @classmethod
    def _parsed(cls, encoded: bytes, content_types: Collection[str], other: str) -> "SignedData":
        info = cms.ContentInfo.load(encoded, strict=True)
        if info["content_type"].native != "signed_data":
            raise Unlike("it is not signed data")
        signed = info["content"]
        held = signed["encap_content_info"]
        content_type = held["content_type"].dotted
        if content_type not in content_types:
            raise Unlike(other)
        if len(signed["signer_infos"]) != 1:
            raise Unlike("it has not exactly one signer")
        signer = signed["signer_infos"][0]
        _ = signer.native  # the parser is lazy
        content = bytes(held["content"])
        return cls(content, _certificates(signed["certificates"]), content_type, signer)

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

    def signed_at(self) -> datetime.datetime | None:
        """When it was signed, by the signer's word; None: it does not say.

        Raises ``ValueError``.
        """
        try:
            told = [
                one["values"][0].native
                for one in self._signer["signed_attrs"]
                if one["type"].dotted == _SIGNING_TIME
            ]
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("the time of signing is malformed") from None
        if any(not isinstance(one, datetime.datetime) or one.tzinfo is None for one in told):
            raise ValueError("the time of signing is malformed")
        return told[0] if told else None

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
        if attributes[_CONTENT_TYPE].dotted != self.content_type:
            raise NotSigned("the attributes are about content of another kind")
        if attributes[_MESSAGE_DIGEST].native != digest_of(hash_name, self.content):
            raise NotSigned("the content is not the one that was signed")
        verify(
            certificate.key,
            signer["signature_algorithm"],
            signer["signature"].native,
            with_head(_SET, signer["signed_attrs"].contents),
            hash_name,
        )


def _certificates(found: Any) -> tuple[Certificate, ...]:
    if not isinstance(found, cms.CertificateSet):
        return ()
    if len(found) > MAX_CERTIFICATES:
        raise Unlike(f"it holds more than {MAX_CERTIFICATES} certificates")
    return tuple(Certificate.parse(one.chosen.dump()) for one in found if one.name == "certificate")


def _is_named(certificate: Certificate, named: cms.SignerIdentifier) -> bool:
    if named.name == "subject_key_identifier":
        return bool(named.chosen.native == certificate.key_identifier)
    issuer, serial = named.chosen["issuer"], named.chosen["serial_number"].native
    return bool(serial == certificate.serial and name_key(issuer) == certificate.names[1])
