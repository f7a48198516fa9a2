"""Passive authentication of an electronic document (ICAO 9303-11, section 5.1), step by step.

1. EF.SOD, EF.DG1 and EF.DG2 are there, whole, and of a bounded size.
2. EF.SOD is signed data around the hashes of the data groups, by one signer.
3. The signer's certificate is in it.
4. The signer signed the attributes, and these name this content.
5. The certificate is one of a document signer: it signs, issues nothing, and is for no other use.
6. Whoever issued it (a State's CSCA) is on this counter's list.
7. That issuer signed the certificate.
8. Both certificates are valid at this time; each key was in use when it signed, as far as that is
   told; and the issuer did not take the signer's certificate back, as far as the counter's list
   tells.
9. EF.DG1 has the hash that was signed.
10. EF.DG2 has the hash that was signed.
11. EF.DG1 holds a machine-readable zone, whose number becomes the subject.
12. The issuing State in the zone is that of the issuer's certificate, and the document's code is
    one that the signer's certificate is for: no listed State speaks for another one, and no signer
    of cards for passports.

What that shows: the issuing State signed this number and this portrait together. It does not show
that the chip is the original one, because all of it can be copied, nor that the document was not
reported lost.

A step that fails ends it (``ChipRefused``). The one exception is step 6, and only where a counter's
policy says so: then 7, and 8 and 12 for the issuer, cannot be done, and the outcome says ``read``
and never ``chip-verified``. Everything else about the chip must hold all the same.

The document is what its data groups say. A second encoding of its EF.SOD, with other certificates
or another signature, is the same document.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from typing import Literal, TypeVar

from gateway.documents.chip.certificates import Certificate, CscaList
from gateway.documents.chip.elements import element, zone_of
from gateway.documents.chip.errors import ChipRefused, IssuerNotListed
from gateway.documents.chip.extensions import are_for
from gateway.documents.chip.security_object import SecurityObject
from gateway.documents.chip.signatures import NotSigned, digest_of
from gateway.documents.chip.states import is_of
from gateway.documents.mrz import parse
from gateway.documents.reading import Document, read_zone
from gateway.wire.number import UnusableNumber

WhereNotListed = Literal["refuse", "read"]
"""What a counter does with a chip whose issuer is not on its list."""


@dataclass(frozen=True)
class ChipFiles:
    """What was read from a chip, as a reader gives it."""

    sod: bytes = field(repr=False)
    dg1: bytes = field(repr=False)
    dg2: bytes = field(repr=False)


@dataclass(frozen=True)
class ReadChip:
    """A chip that passed. ``portrait`` is EF.DG2, still encoded."""

    document: Document
    portrait: bytes = field(repr=False)
    country: str
    """Two letters of the signer's certificate, or empty. For people."""

    @property
    def verified(self) -> bool:
        """Whether a listed issuer stands behind it; otherwise its hashes fit and nobody vouches."""
        return self.document.chip_verified


T = TypeVar("T")


def authenticate(
    files: ChipFiles,
    listed: CscaList,
    now: datetime.datetime,
    today: datetime.date,
    where_not_listed: WhereNotListed = "refuse",
    kind: str | None = None,
) -> ReadChip:
    """Authenticate a chip's files and read them.

    Args:
        now: with its time zone; certificates are held against it.
        today: of the counter's own time zone; the zone is held against it.
        kind: of document, as ``read_zone`` takes it.

    Raises:
        ChipRefused: names the step and what was found there.
        IssuerNotListed: of these, step 6.
    """
    sod, _ = _step(1, lambda: (element("EF.SOD", files.sod)[1], None))
    dg1, zone = _step(1, lambda: element("EF.DG1", files.dg1))
    dg2, _ = _step(1, lambda: element("EF.DG2", files.dg2))
    stated = _step(2, lambda: SecurityObject.parse(sod))
    signer = _step(3, stated.signed.signer)
    _step(4, lambda: stated.signed.require_signed_by(signer))
    _require_signer(signer)
    signed_at = _step(8, stated.signed.signed_at)
    issuer = _issuer(signer, signed_at, listed, now, where_not_listed)
    for step, number, whole in ((9, 1, dg1), (10, 2, dg2)):
        _require_hash(step, stated, number, whole)
    text = _step(11, lambda: zone_of(zone))
    document = _step(11, lambda: read_zone(text, today, kind))
    stated_zone = parse(text)
    if issuer is not None and not is_of(stated_zone.state, issuer.country):
        raise ChipRefused(12, "another State's authority issued them")
    if not are_for(_step(12, lambda: signer.document_types), stated_zone.code):
        raise ChipRefused(12, "the signer's is for documents with other codes")
    document = replace(document, chip_verified=issuer is not None)
    return ReadChip(document, dg2, signer.country)


def _step(step: int, do: Callable[[], T]) -> T:
    try:
        return do()
    except (ValueError, NotSigned, UnusableNumber) as error:
        raise ChipRefused(step, str(error)) from None


def _require_signer(signer: Certificate) -> None:
    if not signer.may_sign or signer.is_for_other_use:
        raise ChipRefused(5, "its key is for another use than signing documents")
    if signer.has_unknown_demand:
        raise ChipRefused(5, "it demands something that is not known here")


def _issuer(
    signer: Certificate,
    signed_at: datetime.datetime | None,
    listed: CscaList,
    now: datetime.datetime,
    unlisted: WhereNotListed,
) -> Certificate | None:
    """Steps 6 to 8. The listed issuer that stands behind the signer."""
    issuers = listed.issuers_of(signer)
    if not issuers and unlisted == "refuse":
        raise IssuerNotListed(6, "it is not, so nobody here can tell a genuine chip from a copy")
    if not signer.is_valid(now):
        raise ChipRefused(8, "the signer's certificate is not")
    _require_in_use(signer, signed_at, now)
    signed = [one for one in issuers if _signed(signer, one)]
    if issuers and not signed:
        raise ChipRefused(7, "a listed issuer is named, and its signature is not there")
    if listed.is_revoked(signer):
        raise ChipRefused(8, "the issuer took the signer's certificate back")
    if not issuers:
        return None
    valid = [one for one in signed if one.is_valid(now)]
    if not valid:
        raise ChipRefused(8, "the issuer's certificate is not")
    certified = signer.validity[0]
    in_use = _step(8, lambda: [one for one in valid if one.key_period.holds(certified)])
    if not in_use:
        raise ChipRefused(8, "the issuer's key was not in use when the certificate was made")
    return in_use[0]


def _require_in_use(
    signer: Certificate, signed_at: datetime.datetime | None, now: datetime.datetime
) -> None:
    """When a chip was signed is the signer's word. Without it, only the future is excluded."""
    period = _step(8, lambda: signer.key_period)
    if not period.begun(now):
        raise ChipRefused(8, "the signer's key is not in use yet")
    if signed_at is not None and not period.holds(signed_at):
        raise ChipRefused(8, "the signer's key was not in use when it signed")


def _signed(signer: Certificate, issuer: Certificate) -> bool:
    try:
        signer.require_signed_by(issuer)
    except NotSigned:
        return False
    return True


def _require_hash(step: int, stated: SecurityObject, number: int, whole: bytes) -> None:
    signed = stated.hashes.get(number)
    if signed is None:
        raise ChipRefused(step, "no hash of it was signed")
    found = _step(step, lambda: digest_of(stated.hash_name, whole))
    if not compare_digest(signed, found):
        raise ChipRefused(step, "it was changed")
