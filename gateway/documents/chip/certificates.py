"""X.509 certificates of document signers and of those who issue them (CSCA), and lists of these.

Parsed leniently in their names and extensions, because States write them in their own ways, and
strictly in what is decided from them. A certificate is signed as its bytes are: nothing is encoded
again.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from asn1crypto import pem, x509

from gateway.documents.chip.elements import first_inside
from gateway.documents.chip.extensions import KeyPeriod, document_types, key_period
from gateway.documents.chip.names import country_of, name_key
from gateway.documents.chip.revocation import RevocationList
from gateway.documents.chip.signatures import NotSigned, PublicKey, public_key, verify
from gateway.wire.errors import SealmatchError

MAX_LIST_BYTES: Final = 16 * 2**20
"""Of a list of certificates. The largest master lists have about 1 MiB."""
MAX_CERTIFICATES: Final = 4096
MAX_BYTES: Final = 32 * 1024
"""Of one certificate. Those of States have 1 to 4 KiB."""

_ANY_PURPOSE: Final = "2.5.29.37.0"
_ONE_ISSUE: Final = datetime.timedelta(days=1)
"""Lists of one authority's names that are made on one occasion are no further apart."""


class UnusableList(SealmatchError):
    """A list of certificates is not one. The text can be shown."""


@dataclass(frozen=True)
class Certificate:
    """One certificate, parsed. Equal if its bytes are."""

    encoded: bytes
    _parsed: x509.Certificate = field(repr=False, compare=False)

    @classmethod
    def parse(cls, encoded: bytes) -> "Certificate":
        """Parse DER. Raises ``ValueError``: it is no certificate, or longer than one is."""
        if len(encoded) > MAX_BYTES:
            raise ValueError("this is too long to be a certificate")
        try:
            made = cls(encoded, x509.Certificate.load(encoded, strict=True))
            made._touch()
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("this is no certificate") from None
        return made

    def _touch(self) -> None:
        """Look at all that is decided from: the parser is lazy."""
        _ = (self.country, self.serial, self.validity, self.key_identifier, self.issuer_key)
        _ = (self.may_issue, self.may_sign, self.has_unknown_demand, self.purposes)
        _ = (self.province, self.key_info)
        _ = self._signature_of()
        _ = (self.names, self.subject == self.issuer, self.links)

    @property
    def subject(self) -> x509.Name:
        return self._parsed.subject

    @property
    def issuer(self) -> x509.Name:
        return self._parsed.issuer

    @cached_property
    def links(self) -> bool:
        """Whether it gives an authority of the same State, of another name, this one."""
        new, old = self.names
        return new != old and bool(self.country) and self.country == country_of(self.issuer)

    @property
    def serial(self) -> int:
        return int(self._parsed.serial_number)

    @cached_property
    def country(self) -> str:
        """Two letters, or empty."""
        return country_of(self.subject)

    @cached_property
    def names(self) -> tuple[str, str]:
        """Of the subject and of the issuer, as ``name_key`` has them."""
        return name_key(self.subject), name_key(self.issuer)

    @property
    def province(self) -> str:
        """As the subject has it (stateOrProvinceName), or empty. Of several it is all of them,
        which is none that a document names."""
        told = self.subject.native.get("state_or_province_name", "")
        return told if isinstance(told, str) else "\x1f".join(map(str, told))

    @property
    def key_info(self) -> bytes:
        """Its public key with the key's kind (SubjectPublicKeyInfo), DER."""
        encoded: bytes = self._parsed.public_key.dump()
        return encoded

    @cached_property
    def validity(self) -> tuple[datetime.datetime, datetime.datetime]:
        """From and until, both included. Raises ``ValueError``: one has no time zone."""
        start, end = self._parsed.not_valid_before, self._parsed.not_valid_after
        if not all(isinstance(one, datetime.datetime) and one.tzinfo for one in (start, end)):
            raise ValueError("no point in time")
        return start, end

    @property
    def key_identifier(self) -> bytes | None:
        """Of its own key."""
        told: bytes | None = self._parsed.key_identifier
        return told

    @property
    def issuer_key(self) -> bytes | None:
        """The identifier of the key that signed it."""
        told: bytes | None = self._parsed.authority_key_identifier
        return told

    @cached_property
    def may_issue(self) -> bool:
        """Whether it is a certification authority's: its key signs certificates.

        Where that is stated, it is enough: Turkish roots and Belgian ones say besides that they are
        no authorities, or nothing. Whoever lists a certificate has decided that it is one.
        """
        basic, usage = self._parsed.basic_constraints_value, self._parsed.key_usage_value
        if usage is not None:
            return "key_cert_sign" in usage.native
        return basic is not None and bool(basic["ca"].native)

    @cached_property
    def may_sign(self) -> bool:
        """Whether it is a document signer's: its key signs, and issues nothing."""
        basic, usage = self._parsed.basic_constraints_value, self._parsed.key_usage_value
        issues = self.may_issue or (basic is not None and bool(basic["ca"].native))
        return not issues and usage is not None and "digital_signature" in usage.native

    @cached_property
    def purposes(self) -> frozenset[str]:
        """Extended key usages, as object identifiers."""
        stated = self._parsed.extended_key_usage_value
        return frozenset() if stated is None else frozenset(one.dotted for one in stated)

    @property
    def key_period(self) -> KeyPeriod:
        """When its key signs. Raises ``ValueError``."""
        return key_period(self._parsed)

    @property
    def document_types(self) -> frozenset[str] | None:
        """Codes of documents that its key signs; None: of all. Raises ``ValueError``."""
        return document_types(self._parsed)

    @property
    def is_for_other_use(self) -> bool:
        """Whether it names purposes. For signing documents there is none, so these are other ones:
        master lists, seals of visas, TLS (RFC 5280, 4.2.1.12)."""
        return bool(self.purposes) and _ANY_PURPOSE not in self.purposes

    @cached_property
    def has_unknown_demand(self) -> bool:
        """Whether an extension that is not known here is critical."""
        known = {"key_usage", "basic_constraints", "extended_key_usage", "private_key_usage_period"}
        return not self._parsed.critical_extensions <= known

    @cached_property
    def key(self) -> PublicKey:
        """Raises ``NotSigned``: of a kind that is not taken, or malformed."""
        try:
            return public_key(self._parsed.public_key)
        except NotSigned:
            raise
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise NotSigned("its key is malformed") from None

    def require_signed_by(self, issuer: "Certificate") -> None:
        """Raises ``NotSigned``."""
        algorithm, signature = self._signature_of()
        try:
            verify(issuer.key, algorithm, signature, first_inside(self.encoded))
        except NotSigned:
            raise
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise NotSigned("its signature is malformed") from None

    def is_valid(self, now: datetime.datetime) -> bool:
        """Whether ``now`` lies within its validity."""
        start, end = self.validity
        return start <= now <= end

    def _signature_of(self) -> tuple[x509.SignedDigestAlgorithm, bytes]:
        """Algorithm and signature. Raises ``ValueError``: it states two algorithms."""
        outer = self._parsed["signature_algorithm"]
        if outer.dump() != self._parsed["tbs_certificate"]["signature"].dump():
            raise ValueError("two algorithms")
        return outer, self._parsed["signature_value"].native


class CscaList:
    """Certificates of those who issue document signers' certificates, as an operator pins them, and
    what these took back."""

    def __init__(
        self,
        certificates: Iterable[Certificate] = (),
        revocations: Iterable[RevocationList] = (),
    ) -> None:
        """Raises ``UnusableList``: a list of revoked certificates is of nobody here."""
        self.certificates: tuple[Certificate, ...] = tuple(dict.fromkeys(certificates))
        self.revocations: tuple[RevocationList, ...] = tuple(dict.fromkeys(revocations))
        self._by_name: dict[str, list[Certificate]] = {}
        for one in self.certificates:
            self._by_name.setdefault(one.names[0], []).append(one)
        self._same: Mapping[str, frozenset[str]] = _renamed(self.certificates)
        for number, revoked in enumerate(self.revocations, 1):
            if not any(_signed(revoked, one) for one in self._of_authority(revoked.issuer)):
                raise UnusableList(f"list {number} of revoked certificates: no authority signed it")

    @classmethod
    def read(cls, content: bytes) -> "CscaList":
        """A file of certificates: PEM, one after the other, or one in DER. Among those in PEM there
        may be lists of revoked ones (X509 CRL).

        Raises:
            UnusableList: too long, empty, malformed, or one is no certification authority's.
        """
        found = read_certificates(content)
        if not 0 < len(found) <= MAX_CERTIFICATES:
            raise UnusableList(f"a list has 1 to {MAX_CERTIFICATES} certificates")
        return cls(found, read_revocations(content) if pem.detect(content) else ())

    def encode(self) -> bytes:
        """The file's content, in PEM."""
        blocks = [("CERTIFICATE", one.encoded) for one in self.certificates]
        blocks += [("X509 CRL", one.encoded) for one in self.revocations]
        return b"".join(pem.armor(kind, encoded) for kind, encoded in blocks)

    def is_revoked(self, certificate: Certificate) -> bool:
        """Whether its issuer took it back, by a list that is here.

        A list speaks for its issuer's name, whichever of its keys signed (RFC 5280, 5). An
        authority that changed its name goes on with one list, of its new name (ICAO 9303-12, 7.1).
        So a list also speaks for the authority's other names, as link certificates tell them,
        unless one of that very name is here which is no older: there are two lists then, and both
        may use one serial number for two certificates.
        """
        return any(
            certificate.serial in one.serials for one in self._speaking_for(certificate.names[1])
        )

    def is_covered(self, issuer: Certificate) -> bool:
        """Whether any list here speaks for the certificates of an authority."""
        return any(True for _ in self._speaking_for(issuer.names[0]))

    def _speaking_for(self, name: str) -> Iterator[RevocationList]:
        own = max((one.updated for one in self.revocations if one.issuer == name), default=None)
        for one in self.revocations:
            of_other_name = one.issuer in self._same.get(name, ())
            newer = own is None or one.updated - own > _ONE_ISSUE
            if one.issuer == name or (of_other_name and newer):
                yield one

    def _of_authority(self, name: str) -> Iterator[Certificate]:
        for each in self._same.get(name, {name}):
            yield from self._by_name.get(each, ())

    def issuers_of(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Those of the name that a certificate states as its issuer's, and of its key.

        A State's new key has the name of the old one. So where both certificates tell the key,
        another key is another issuer.
        """
        wanted = certificate.issuer_key
        return tuple(
            one
            for one in self._by_name.get(certificate.names[1], ())
            if wanted is None or one.key_identifier in (None, wanted)
        )


def read_certificates(content: bytes) -> list[Certificate]:
    """The authorities' certificates in a file. Raises ``UnusableList``."""
    found = []
    for number, encoded in enumerate(_encoded(content, "CERTIFICATE"), 1):
        try:
            one = Certificate.parse(encoded)
        except ValueError as error:
            raise UnusableList(f"certificate {number}: {error}") from None
        if not one.may_issue:
            raise UnusableList(f"certificate {number} is no certification authority's")
        found.append(one)
    return found


def read_revocations(content: bytes) -> list[RevocationList]:
    """The lists of revoked certificates in a file. Raises ``UnusableList``."""
    try:
        return [RevocationList.parse(encoded) for encoded in _encoded(content, "X509 CRL")]
    except ValueError as error:
        raise UnusableList(str(error)) from None


def _encoded(content: bytes, kind: str) -> Sequence[bytes]:
    """The blocks of a kind, of a file in PEM; otherwise the file."""
    if len(content) > MAX_LIST_BYTES:
        raise UnusableList(f"the list has more than {MAX_LIST_BYTES // 2**20} MiB")
    try:
        if not pem.detect(content):
            return [content]
        found = pem.unarmor(content, multiple=True)
        return [encoded for called, _, encoded in found if called == kind]
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise UnusableList("the list is no PEM") from None


def _renamed(certificates: Iterable[Certificate]) -> dict[str, frozenset[str]]:
    """All names of an authority by each of them, where it has several.

    A link certificate names the old one as its issuer. Between two countries it is none: no listed
    State speaks for another one.
    """
    found: dict[str, frozenset[str]] = {}
    for one in certificates:
        new, old = one.names
        if one.links:
            names = found.get(new, frozenset({new})) | found.get(old, frozenset({old}))
            found.update(dict.fromkeys(names, names))
    return found


def _signed(revoked: RevocationList, issuer: Certificate) -> bool:
    try:
        revoked.require_signed_by(issuer.key)
    except NotSigned:
        return False
    return True
