"""Certificates that their issuers took back (CRL, RFC 5280, section 5; ICAO 9303-12, 7.1.4).

What is on a list stays refused, however old the list is: a document signer is never certified
again. That a certificate is on no list shows no more than that. Lists of parts, of changes, and of
other issuers' certificates say so in critical extensions, and are not taken.
"""

import datetime
from dataclasses import dataclass, field
from typing import Final

from asn1crypto import crl

from gateway.documents.chip.elements import first_inside
from gateway.documents.chip.names import name_key
from gateway.documents.chip.signatures import NotSigned, PublicKey, verify

MAX_BYTES: Final = 256 * 1024
"""Of one list: some 7,000 certificates. A State has a few signers' a year."""


@dataclass(frozen=True)
class RevocationList:
    """One issuer's list, parsed. Equal if its bytes are."""

    encoded: bytes
    issuer: str = field(compare=False)
    """Its name, as ``name_key`` has it."""
    updated: datetime.datetime = field(compare=False)
    """When it was made."""
    serials: frozenset[int] = field(repr=False, compare=False)
    _parsed: crl.CertificateList = field(repr=False, compare=False)

    @classmethod
    def parse(cls, encoded: bytes) -> "RevocationList":
        """Parse DER. Raises ``ValueError``: it is no list that is taken."""
        if len(encoded) > MAX_BYTES:
            raise ValueError("this list of revoked certificates is too long")
        try:
            return cls._of(encoded, crl.CertificateList.load(encoded, strict=True))
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("this is no list of revoked certificates that is taken") from None

    @classmethod
    def _of(cls, encoded: bytes, parsed: crl.CertificateList) -> "RevocationList":
        stated = parsed["tbs_cert_list"]
        if parsed["signature_algorithm"].dump() != stated["signature"].dump():
            raise ValueError("two algorithms")
        if parsed.critical_extensions:
            raise ValueError("a part of a list")
        revoked = stated["revoked_certificates"]
        found = [one["user_certificate"].native for one in revoked] if revoked.native else []
        updated = stated["this_update"].native
        if not (isinstance(updated, datetime.datetime) and updated.tzinfo):
            raise ValueError("no point in time")
        return cls(encoded, name_key(parsed.issuer), updated, frozenset(found), parsed)

    def require_signed_by(self, key: PublicKey) -> None:
        """Raises ``NotSigned``."""
        algorithm = self._parsed["signature_algorithm"]
        try:
            verify(key, algorithm, self._parsed["signature"].native, first_inside(self.encoded))
        except NotSigned:
            raise
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise NotSigned("its signature is malformed") from None
