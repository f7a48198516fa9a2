"""Authentication of a mobile document (ISO/IEC 18013-5, 9.1 and 9.3), step by step.

1. Response and transcript are there, whole, of a bounded size, and of a session with a telephone
   here.
2. The telephone returned one document, a driving licence.
3. The issuer's signed object (MSO) is well-formed: digests, the telephone's key, a period.
4. The signer signed it, by the algorithm of its key.
5. The certificate is one of a signer of mobile documents: it signs, issues nothing, and says that
   it is for this.
6. Whoever issued it (an IACA) is on this counter's list.
7. That issuer signed the certificate.
8. Both certificates are valid at this time, and the issuer did not take the signer's back, as far
   as the counter's list tells.
9. What was signed is of the kind that was returned, was signed while the signer's certificate was
   valid and its key in use, as far as that is told, and holds at this time.
10. Every element of every name space has its own digest in what was signed, and stands there once.
11. The key to which it was issued signed this session; or made a MAC for it, where the reader left
    its key.
12. The elements hold a number, which becomes the subject, a date of expiry and a portrait.
13. The certificates, and the country and province that the elements name, are of one State.

What that shows: the issuing State signed this number and this portrait together for the key of one
telephone, and that key answered in a session whose transcript the reader wrote. It does not show
when: the transcript has no time in it, and whoever holds the reader's files can give them again. It
does not show that the telephone's owner held it, nor that the licence was not withdrawn since.

A step that fails ends it (``MobileRefused``). There is no lesser outcome: of an issuer that is not
listed nothing is read.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Final, TypeVar

from gateway.documents.chip.certificates import Certificate, CscaList
from gateway.documents.chip.signatures import NotSigned
from gateway.documents.mobile.elements import NAME_SPACE, document_of, portrait_of
from gateway.documents.mobile.encoding import decode
from gateway.documents.mobile.errors import IssuerNotListed, MobileRefused
from gateway.documents.mobile.response import IssuerSignedItem, ReturnedDocument
from gateway.documents.mobile.security_object import SecurityObject
from gateway.documents.mobile.signatures import CoseObject, key_of, mac_key
from gateway.documents.mobile.transcript import SessionTranscript, reader_private_key
from gateway.documents.reading import Document
from gateway.wire.number import UnusableNumber

MAX_BYTES: Final = {"response": 4 * 2**20, "transcript": 64 * 1024, "reader key": 4096}
"""Of each file."""
_SIGNS_MOBILE_DOCUMENTS: Final = "1.0.18013.5.1.2"
"""Extended key usage of a document signer (ISO/IEC 18013-5, B.1.4)."""


@dataclass(frozen=True)
class MobileFiles:
    """What a reader leaves of one session."""

    response: bytes = field(repr=False)
    transcript: bytes = field(repr=False)
    reader_key: bytes | None = field(default=None, repr=False)
    """Of the session alone; only a MAC needs it."""


@dataclass(frozen=True)
class ReadMobile:
    """A mobile document that passed. ``portrait`` is still encoded."""

    document: Document
    portrait: bytes = field(repr=False)
    country: str
    """Two letters of the signer's certificate, or empty. For people."""


T = TypeVar("T")


def authenticate(
    files: MobileFiles, listed: CscaList, now: datetime.datetime, today: datetime.date
) -> ReadMobile:
    """Authenticate what a reader left, and read it.

    Args:
        listed: authorities that issue signers' certificates (IACA), as the operator pins them.
        now: with its time zone; certificates and the MSO are held against it.
        today: of the counter's own time zone; the elements are held against it.

    Raises:
        MobileRefused: names the step and what was found there.
        IssuerNotListed: of these, step 6.
    """
    decoded, transcript = _whole(files)
    returned = _step(2, lambda: ReturnedDocument.parse(decoded))
    auth, payload, signer = _step(3, lambda: _issuer_auth(returned.issuer_auth))
    mso = _step(3, lambda: SecurityObject.parse(payload))
    _step(4, lambda: auth.require_signed_by(key_of(signer), payload))
    _require_signer(signer)
    issuer = _issuer(signer, listed, now)
    _require_valid(mso, returned, signer, now)
    items = _step(10, lambda: _items(returned, mso))
    _step(11, lambda: _require_device(returned, mso, transcript, files.reader_key))
    elements = {one.name: one.value for one in items.get(NAME_SPACE, ())}
    document = _step(12, lambda: document_of(elements, today))
    portrait = _step(12, lambda: portrait_of(elements))
    _require_one_state(elements, signer, issuer)
    return ReadMobile(document, portrait, signer.country)


def _step(step: int, do: Callable[[], T]) -> T:
    try:
        return do()
    except (ValueError, NotSigned, UnusableNumber) as error:
        raise MobileRefused(step, str(error)) from None


def _whole(files: MobileFiles) -> tuple[Any, SessionTranscript]:
    for name, content in (
        ("response", files.response),
        ("transcript", files.transcript),
        ("reader key", files.reader_key or b""),
    ):
        if len(content) > MAX_BYTES[name]:
            raise MobileRefused(1, f"the {name} has more than {MAX_BYTES[name]} bytes")
    return (
        _step(1, lambda: _named("response", lambda: decode(files.response))),
        _step(1, lambda: _named("transcript", lambda: SessionTranscript.parse(files.transcript))),
    )


def _named(name: str, do: Callable[[], T]) -> T:
    try:
        return do()
    except ValueError as error:
        raise ValueError(f"the {name}: {error}") from None


def _issuer_auth(value: Any) -> tuple[CoseObject, bytes, Certificate]:
    auth = CoseObject.parse(value)
    if auth.payload is None or not auth.certificates:
        raise ValueError("it holds nothing, or no signer's certificate")
    return auth, auth.payload, Certificate.parse(auth.certificates[0])


def _require_signer(signer: Certificate) -> None:
    if not signer.may_sign or _SIGNS_MOBILE_DOCUMENTS not in signer.purposes:
        raise MobileRefused(5, "its key is for another use than signing mobile documents")
    if signer.has_unknown_demand:
        raise MobileRefused(5, "it demands something that is not known here")


def _issuer(signer: Certificate, listed: CscaList, now: datetime.datetime) -> Certificate:
    """Steps 6 to 8. The listed issuer that stands behind the signer."""
    issuers = listed.issuers_of(signer)
    if not issuers:
        raise IssuerNotListed(6, "it is not, so nobody here can tell a genuine one from a copy")
    signed = [one for one in issuers if _signed(signer, one)]
    if not signed:
        raise MobileRefused(7, "a listed issuer is named, and its signature is not there")
    if not signer.is_valid(now):
        raise MobileRefused(8, "the signer's certificate is not")
    if listed.is_revoked(signer):
        raise MobileRefused(8, "the issuer took the signer's certificate back")
    valid = [one for one in signed if one.is_valid(now)]
    if not valid:
        raise MobileRefused(8, "the issuer's certificate is not")
    return valid[0]


def _signed(signer: Certificate, issuer: Certificate) -> bool:
    try:
        signer.require_signed_by(issuer)
    except NotSigned:
        return False
    return True


def _require_valid(
    mso: SecurityObject, returned: ReturnedDocument, signer: Certificate, now: datetime.datetime
) -> None:
    if mso.doc_type != returned.doc_type:
        raise MobileRefused(9, "another kind of document was signed")
    in_use = _step(9, lambda: signer.key_period.holds(mso.signed))
    if not signer.is_valid(mso.signed) or not in_use:
        raise MobileRefused(9, "it was signed when the signer's certificate was not valid")
    if now < max(mso.signed, mso.valid_from):
        raise MobileRefused(9, "it is not valid yet")
    if now > mso.valid_until:
        raise MobileRefused(9, "it is not valid any more: the telephone has to renew it")


def _items(returned: ReturnedDocument, mso: SecurityObject) -> dict[str, list[IssuerSignedItem]]:
    items = returned.items(mso.was_signed)
    for name_space, found in items.items():
        if len({one.number for one in found}) != len(found):
            raise ValueError("a digest's number stands there twice")
        if len({one.name for one in found}) != len(found):
            raise ValueError("an element stands there twice")
        for one in found:
            signed = mso.digest(name_space, one.number)
            if signed is None:
                raise ValueError("of one of them no digest was signed")
            if not compare_digest(signed, mso.digest_of(one.encoded)):
                raise ValueError("one of them was changed")
    return items


def _require_device(
    returned: ReturnedDocument,
    mso: SecurityObject,
    transcript: SessionTranscript,
    reader_key: bytes | None,
) -> None:
    answer, is_mac = returned.device_auth()
    payload = returned.device_authentication(transcript.encoded)
    if not is_mac:
        answer.require_signed_by(mso.device_key, payload)
        return
    if reader_key is None:
        raise NotSigned("it answered by a MAC, and the reader's key for the session is not there")
    private = reader_private_key(reader_key)
    if private.public_key() != transcript.reader_key():
        raise NotSigned("the reader's key is of another session")
    answer.require_mac(mac_key(private, mso.device_key, transcript.encoded), payload)


def _require_one_state(
    elements: Mapping[str, Any], signer: Certificate, issuer: Certificate
) -> None:
    if not signer.country or signer.country != issuer.country:
        raise MobileRefused(13, "another State's authority issued them")
    if elements.get("issuing_country", issuer.country) != issuer.country:
        raise MobileRefused(13, "the document names another country")
    if issuer.province and signer.province != issuer.province:
        raise MobileRefused(13, "another province's authority issued them")
    province = signer.province
    if province and elements.get("issuing_jurisdiction", province) != province:
        raise MobileRefused(13, "the document names another province")
