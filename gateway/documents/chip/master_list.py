"""Master lists: certificates of issuing authorities (CSCA), put together and signed by a State.

ICAO 9303-12, section 9: SignedData around CscaMasterList. A list is worth what its signer is worth:
the signer's certificate must be signed by an authority that the operator has from elsewhere. Who
takes a list without that takes anybody's authorities.
"""

import datetime
from dataclasses import dataclass
from typing import Final

from asn1crypto import core, x509

from gateway.documents.chip.certificates import (
    MAX_CERTIFICATES,
    MAX_LIST_BYTES,
    Certificate,
    CscaList,
    UnusableList,
)
from gateway.documents.chip.signatures import NotSigned
from gateway.documents.chip.signed_data import SignedData

_CONTENT_TYPE: Final = "2.23.136.1.1.2"
SIGNER_USAGE: Final = "2.23.136.1.1.3"
"""Extended key usage of a signer of master lists."""


class _Certificates(core.SetOf):  # type: ignore[misc]
    _child_spec = x509.Certificate


class _MasterList(core.Sequence):  # type: ignore[misc]
    _fields = [("version", core.Integer), ("certificates", _Certificates)]  # noqa: RUF012


@dataclass(frozen=True)
class MasterList:
    """What a list gave."""

    certificates: tuple[Certificate, ...]
    left_out: int
    """How many of it are no authority's, or cannot be read."""
    signed_by: str
    """Two letters of the signer's State, or empty."""


def read_master_list(encoded: bytes, under: CscaList, now: datetime.datetime) -> MasterList:
    """Verify and read a master list.

    Args:
        under: authorities that the operator has from elsewhere, of which one issued the signer's
            certificate.

    Raises:
        UnusableList: too long, malformed, or not signed by one whom ``under`` stands behind.
    """
    if len(encoded) > MAX_LIST_BYTES:
        raise UnusableList(f"the list has more than {MAX_LIST_BYTES // 2**20} MiB")
    try:
        signed = SignedData.parse(encoded, {_CONTENT_TYPE}, "it is no master list")
        signer = signed.signer()
        signed.require_signed_by(signer)
    except (ValueError, NotSigned) as error:
        raise UnusableList(f"the master list: {error}") from None
    _require_issued(signer, under, now)
    found, left_out = _authorities(signed.content)
    return MasterList(found, left_out, signer.country)


def _require_issued(signer: Certificate, under: CscaList, now: datetime.datetime) -> None:
    if not signer.may_sign or SIGNER_USAGE not in signer.purposes:
        raise UnusableList("the master list is signed with a key for another use")
    for issuer in under.issuers_of(signer):
        try:
            signer.require_signed_by(issuer)
        except NotSigned:
            continue
        if not (signer.is_valid(now) and issuer.is_valid(now)):
            raise UnusableList("the certificates of the master list's signer are not valid today")
        if under.is_revoked(signer):
            raise UnusableList("its issuer took the certificate of the master list's signer back")
        return
    raise UnusableList("nobody of --signed-under issued the certificate of the list's signer")


def _authorities(content: bytes) -> tuple[tuple[Certificate, ...], int]:
    try:
        encoded = [one.dump() for one in _MasterList.load(content, strict=True)["certificates"]]
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise UnusableList("the master list: it is malformed") from None
    if len(encoded) > MAX_CERTIFICATES:
        raise UnusableList(f"a list has 1 to {MAX_CERTIFICATES} certificates")
    found = []
    for one in encoded:
        try:
            parsed = Certificate.parse(one)
        except ValueError:
            continue
        if parsed.may_issue:
            found.append(parsed)
    return tuple(found), len(encoded) - len(found)
