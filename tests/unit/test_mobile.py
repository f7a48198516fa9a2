"""A mobile document is believed step by step: each hostile one fails at the step that should find
it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.documents.chip.certificates import Certificate, CscaList
from gateway.documents.chip.revocation import RevocationList
from gateway.documents.mobile.authentication import MobileFiles, ReadMobile, authenticate
from gateway.documents.mobile.encoding import MAX_DEPTH, MAX_ITEMS, decode
from gateway.documents.mobile.errors import STEPS, IssuerNotListed, MobileRefused
from gateway.wire.subject import Subject
from tests.support.chips import (
    NOW,
    PICTURE,
    SIGNERS_SERIAL,
    TODAY,
    Authority,
    authority,
    key,
    listed,
    name,
    revocation_list,
)
from tests.support.mobiles import (
    DAY,
    NUMBER,
    Mobile,
    cose_key,
    edwards,
    elements,
    embed,
    iaca,
    mobile_signer,
    time,
    transcript,
)

MAIN = "org.iso.18013.5.1"
OTHER = authority(key("secp384r1", 25), name("UT", "IACA Utopia"))


def read(files: MobileFiles, *authorities: Authority, **more: Any) -> ReadMobile:
    given = {"now": NOW, "today": TODAY} | more
    return authenticate(files, listed(*(authorities or (iaca(),))), **given)


def curve(name_: str, algorithm: int) -> dict[str, Any]:
    return {"key": key(name_, 21), "algorithm": algorithm}


@pytest.mark.parametrize(
    "mobile",
    [
        Mobile(),
        Mobile(mac=True),
        Mobile(transcript=transcript(handover=[b"chosen", b"asked"])),
        Mobile(transcript=transcript(handover=[b"chosen", None])),
        Mobile(transcript=cbor2.dumps(embed(transcript()))),
        Mobile(**curve("secp384r1", -35), hashed="SHA-384"),
        Mobile(**curve("secp521r1", -36), hashed="SHA-512"),
        Mobile(**curve("brainpoolP256r1", -7)),
        Mobile(key=edwards(), algorithm=-8, device=edwards(1), device_algorithm=-8),
        Mobile(device=key("secp521r1", 22), device_algorithm=-36),
        Mobile(others={"org.iso.18013.5.1.UT": {"height": 1.75, "organ_donor": [None, {"a": 1}]}}),
        Mobile(elements=elements(expiry_date=time(NOW + 99 * DAY), issuing_country=None)),
    ],
    ids=["plain", "mac", "NFC", "NFC-static", "encoded-once-more", "P-384", "P-521", "brainpool",
         "EdDSA", "device-P-521", "two-name-spaces", "less-asked"],
)  # fmt: skip
def test_a_genuine_licence_gives_its_number_and_its_portrait(mobile: Mobile) -> None:
    found = read(mobile.files())
    assert found.document.mobile_verified
    assert not found.document.chip_verified
    assert found.document.subject == Subject.of("driving-licence", NUMBER)
    assert (found.document.kind, found.country) == ("driving-licence", "UT")
    assert found.portrait == PICTURE
    assert NUMBER not in repr(found)
    assert "UT47110815" not in repr(found)


def test_the_zone_less_licence_tells_how_old_its_holder_is_at_least() -> None:
    for told, age in (
        ({"age_over_18": True}, 18),
        ({"age_over_18": False, "age_over_16": True}, 16),
        ({"age_over_18": False}, 0),
        ({"age_over_18": None}, None),
        ({"birth_date": datetime.date(2008, 11, 27)}, 18),
        ({"birth_date": datetime.date(2008, 11, 28)}, 17),
    ):
        found = read(Mobile(elements=elements(**told)).files())
        assert found.document.age == age, told
        assert found.document.expires == datetime.date(2032, 4, 15)


# --- what hostile ones fail at -------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def signed(response: dict[str, Any]) -> dict[str, Any]:
    return response["documents"][0]["issuerSigned"]


def item(response: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    """Alter the first element of a response."""
    first = signed(response)["nameSpaces"][MAIN]
    told = decode(first[0].value)
    change(told)
    first[0] = embed(told)


def auth(response: dict[str, Any], part: int, value: Any) -> None:
    signed(response)["issuerAuth"][part] = value


def answer(response: dict[str, Any], value: Any) -> None:
    response["documents"][0]["deviceSigned"]["deviceAuth"] = value


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def after(change: Change, **made: Any) -> MobileFiles:
    return Mobile(**made).files(change)


def before(change: Change, **made: Any) -> MobileFiles:
    return Mobile(**made).files(before=change)


def certified(**changes: Any) -> MobileFiles:
    return Mobile(certificate=lambda by, public: mobile_signer(by, public, **changes)).files()


def renumbered(digests: dict[int, bytes], numbers: dict[int, int]) -> None:
    digests |= {numbers[one]: digests.pop(one) for one in tuple(numbers)}


def twice(mapping: bytes) -> bytes:
    """A map of less than 23 members, its first written once more."""
    value = cbor2.loads(mapping)
    first = next(iter(value))
    again = cbor2.dumps({first: value[first]})[1:]
    return bytes([mapping[0] + 1]) + again + mapping[1:]


def nested(levels: int) -> bytes:
    return b"\x81" * levels + b"\x00"


GENUINE = Mobile().files()
NS = {MAIN: {"portrait": PICTURE}}
ANSWER = Mobile().response()["documents"][0]["deviceSigned"]["deviceAuth"]["deviceSignature"]
HOSTILE: dict[str, tuple[int, Callable[[], MobileFiles]]] = {
    # 1. whole
    "cut": (1, lambda: replace(GENUINE, response=GENUINE.response[:-1])),
    "behind": (1, lambda: replace(GENUINE, response=GENUINE.response + b"\0")),
    "empty": (1, lambda: replace(GENUINE, response=b"")),
    "too-long": (1, lambda: replace(GENUINE, response=bytes(4 * 2**20 + 1))),
    "said-twice": (1, lambda: replace(GENUINE, response=twice(GENUINE.response))),
    "too-deep": (1, lambda: replace(GENUINE, response=nested(MAX_DEPTH))),
    "no-transcript": (1, lambda: replace(GENUINE, transcript=cbor2.dumps([]))),
    "over-the-internet": (1, lambda: Mobile(transcript=transcript(engagement=None)).files()),
    "met-in-a-browser": (1, lambda: Mobile(
        transcript=transcript(handover=["OpenID4VPDCAPIHandover", bytes(32)])).files()),
    "met-by-a-link": (1, lambda: Mobile(transcript=transcript(handover=embed({}))).files()),
    "met-by-half": (1, lambda: Mobile(transcript=transcript(handover=[None, b"asked"])).files()),
    # 2. one licence
    "no-document": (2, lambda: after(lambda r: r.update(documents=[]))),
    "two-documents": (2, lambda: after(lambda r: r.update(documents=r["documents"] * 2))),
    "status": (2, lambda: after(lambda r: r.update(status=10))),
    "version": (2, lambda: after(lambda r: r.update(version="2.0"))),
    "a-pid": (2, lambda: Mobile(doc_type="eu.europa.ec.eudi.pid.1").files()),
    # 3. form
    "no-certificate": (3, lambda: after(lambda r: auth(r, 1, {}))),
    "no-payload": (3, lambda: after(lambda r: auth(r, 2, None))),
    "no-algorithm": (3, lambda: after(lambda r: auth(r, 0, b"\xa0"))),
    "algorithm-unprotected": (3, lambda: after(
        lambda r: signed(r)["issuerAuth"][1].update({1: -7}))),
    "critical-header": (3, lambda: after(lambda r: auth(r, 0, cbor2.dumps({1: -7, 2: [9]})))),
    "mso-version": (3, lambda: before(lambda m: m.update(version="9"))),
    "mso-hash": (3, lambda: before(lambda m: m.update(digestAlgorithm="SHA-1"))),
    "mso-key": (3, lambda: before(lambda m: m.update(deviceKeyInfo={"deviceKey": {1: 2, -1: 8}}))),
    "mso-curve": (3, lambda: before(lambda m: m["deviceKeyInfo"]["deviceKey"].update({-1: []}))),
    "mso-time": (3, lambda: before(lambda m: m["validityInfo"].update(signed="2026-11-01"))),
    # 4. signature
    "altered-mso": (4, lambda: after(
        lambda r: auth(r, 2, signed(r)["issuerAuth"][2].replace(bytes(32), b"\1" * 32)))),
    "altered-signature": (4, lambda: after(lambda r: auth(r, 3, flip(signed(r)["issuerAuth"][3])))),
    "other-algorithm": (4, lambda: Mobile(algorithm=-35).files()),
    "eddsa-for-p256": (4, lambda: Mobile(algorithm=-8).files()),
    "rsa": (4, lambda: after(lambda r: auth(r, 1, {33: rsa_certificate()}))),
    # 5. certificate
    "no-purpose": (5, lambda: certified(purpose=None)),
    "other-purpose": (5, lambda: certified(purpose="1.0.18013.5.1.6")),
    "any-purpose": (5, lambda: certified(purpose="2.5.29.37.0")),
    "an-authority": (5, lambda: certified(ca=True)),
    "demand": (5, lambda: certified(demand=True)),
    # 6, 7. issuer
    "foreign": (6, lambda: Mobile(by=authority(key("secp384r1", 26), name("UT", "Else"))).files()),
    "same-name": (6, lambda: Mobile(by=OTHER).files()),
    "forged-certificate": (7, lambda: Mobile(certificate=forged).files()),
    # 8. today
    "expired-signer": (8, lambda: certified(years=(-3, -1))),
    "signer-not-yet": (8, lambda: certified(years=(1, 2))),
    # 9. what was signed
    "other-kind-signed": (9, lambda: before(lambda m: m.update(docType="org.example"))),
    "signed-too-early": (9, lambda: Mobile(validity={"signed": time(NOW - 900 * DAY)}).files()),
    "key-out-of-use": (9, lambda: certified(in_use=(0, 1))),
    "not-yet": (9, lambda: Mobile(validity={"validFrom": time(NOW + DAY)}).files()),
    "signed-tomorrow": (9, lambda: Mobile(validity={"signed": time(NOW + DAY)}).files()),
    "no-more": (9, lambda: Mobile(validity={"validUntil": time(NOW - DAY)}).files()),
    # 10. elements
    "altered-value": (10, lambda: after(lambda r: item(r, lambda i: i.update(elementValue="X9")))),
    "altered-random": (10, lambda: after(lambda r: item(r, lambda i: i.update(random=bytes(32))))),
    "altered-digest": (10, lambda: before(
        lambda m: m["valueDigests"][MAIN].update({0: bytes(32)}))),
    "digests-swapped": (10, lambda: before(
        lambda m: renumbered(m["valueDigests"][MAIN], {0: 7, 7: 0}))),
    "digest-of-another-number": (10, lambda: before(
        lambda m: renumbered(m["valueDigests"][MAIN], {0: 5}))),
    "unknown-number": (10, lambda: after(lambda r: item(r, lambda i: i.update(digestID=5)))),
    "number-twice": (10, lambda: after(lambda r: item(r, lambda i: i.update(digestID=7)))),
    "name-twice": (10, lambda: after(
        lambda r: item(r, lambda i: i.update(elementIdentifier="portrait")))),
    "name-signed-twice": (10, lambda: Mobile(names={"issuing_country": "portrait"}).files()),
    "element-twice": (10, lambda: after(
        lambda r: signed(r)["nameSpaces"].update({MAIN: signed(r)["nameSpaces"][MAIN] * 2}))),
    "undigested-name-space": (10, lambda: before(
        lambda m: m["valueDigests"].pop("x"), others={"x": {"portrait": PICTURE}})),
    "moved-to-another-name-space": (10, lambda: after(
        lambda r: signed(r)["nameSpaces"].update(x=signed(r)["nameSpaces"][MAIN][:1]))),
    "more-in-an-element": (10, lambda: after(lambda r: item(r, lambda i: i.update(more=1)))),
    "unencoded-element": (10, lambda: after(
        lambda r: signed(r)["nameSpaces"].update(x=[{"portrait": PICTURE}]))),
    "numbered-name-space": (10, lambda: after(
        lambda r: signed(r)["nameSpaces"].update({7: signed(r)["nameSpaces"][MAIN]}))),
    "no-elements": (10, lambda: after(lambda r: signed(r).pop("nameSpaces"))),
    # 11. the telephone
    "other-session": (11, lambda: replace(GENUINE, transcript=transcript(b"another session"))),
    "other-telephone": (11, lambda: after(lambda r: answer(r, {"deviceSignature": ANSWER}),
                                          device=key("secp256r1", 27))),
    "altered-answer": (11, lambda: after(
        lambda r: answer(r, {"deviceSignature": [*ANSWER[:3], flip(ANSWER[3])]}))),
    "answer-to-something": (11, lambda: after(
        lambda r: answer(r, {"deviceSignature": [*ANSWER[:2], b"x", ANSWER[3]]}))),
    "no-answer": (11, lambda: after(lambda r: answer(r, {}))),
    "two-answers": (11, lambda: after(
        lambda r: answer(r, {"deviceSignature": ANSWER, "deviceMac": ANSWER}))),
    "words-of-its-own": (11, lambda: after(
        lambda r: r["documents"][0]["deviceSigned"].update(nameSpaces=embed(NS)))),
    "mac-without-key": (11, lambda: replace(Mobile(mac=True).files(), reader_key=None)),
    "mac-of-another-reader": (11, lambda: replace(Mobile(mac=True).files(), reader_key=stranger())),
    "mac-for-another-key": (11, lambda: Mobile(
        mac=True, transcript=transcript(reader=embed(cose_key(key().public_key())))).files()),
    "mac-altered": (11, lambda: after(lambda r: r["documents"][0]["deviceSigned"]["deviceAuth"]
        ["deviceMac"].__setitem__(3, bytes(32)), mac=True)),
    "mac-of-another-session": (11, lambda: replace(
        Mobile(mac=True).files(), transcript=transcript(b"another session"))),
    # 12. elements
    "no-number": (12, lambda: Mobile(elements=elements(document_number=None)).files()),
    "a-word": (12, lambda: Mobile(elements=elements(document_number="unknown")).files()),
    "no-portrait": (12, lambda: Mobile(elements=elements(portrait=None)).files()),
    "no-picture": (12, lambda: Mobile(elements=elements(portrait=b"BM" + bytes(99))).files()),
    "no-expiry": (12, lambda: Mobile(elements=elements(expiry_date=None)).files()),
    "expiry-in-words": (12, lambda: Mobile(elements=elements(expiry_date="2032-04-15")).files()),
    "portrait-elsewhere": (12, lambda: Mobile(
        elements=elements(portrait=None), others={"x": {"portrait": PICTURE}}).files()),
    # 13. one State
    "other-country": (13, lambda: Mobile(elements=elements(issuing_country="DE")).files()),
    "country-twice-letters": (13, lambda: Mobile(elements=elements(issuing_country=7)).files()),
}  # fmt: skip


def forged(by: Authority, public: Any) -> bytes:
    """A certificate that was altered after it was signed."""
    return flip(mobile_signer(by, public).public_bytes(Encoding.DER))


def rsa_certificate() -> bytes:
    public = rsa.RSAPublicNumbers(65537, 2**2047 + 1).public_key()
    return mobile_signer(iaca(), public).public_bytes(Encoding.DER)


def stranger() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(("step", "made"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_one_fails_at_its_step(step: int, made: Callable[[], MobileFiles]) -> None:
    with pytest.raises(MobileRefused) as found:
        read(made())
    assert found.value.step == step, found.value.detail
    assert f"step {step}, {STEPS[step]}: " in found.value.detail
    for secret in (NUMBER, "UT47110815", "2032"):
        assert secret not in found.value.detail


def test_what_the_issuer_did_not_sign_is_not_even_decoded() -> None:
    def added(inner: bytes) -> Change:
        return lambda r: signed(r)["nameSpaces"].update(more=[embed(inner)])

    for inner in (b"\xff", nested(MAX_DEPTH), cbor2.dumps({"digestID": 1})):
        with pytest.raises(MobileRefused) as found:
            read(after(added(inner)))
        assert found.value.detail.endswith("one of them was changed")


def test_every_step_can_fail() -> None:
    assert {step for step, _ in HOSTILE.values()} == set(STEPS)


def test_an_issuer_counts_while_it_is_listed_signs_is_valid_and_did_not_take_back() -> None:
    assert read(GENUINE).country == "UT"
    with pytest.raises(IssuerNotListed):
        authenticate(GENUINE, CscaList(), NOW, TODAY)
    with pytest.raises(IssuerNotListed):  # a passport's authority is no licence's
        read(GENUINE, authority(key("secp384r1", 28)))
    old = authority(iaca().key, iaca().name, (-12, -1))
    with pytest.raises(MobileRefused) as found:
        read(GENUINE, old)
    assert found.value.step == 8
    assert read(GENUINE, old, iaca()).country == "UT", "renewed"
    taken = [RevocationList.parse(revocation_list(iaca(), SIGNERS_SERIAL))]
    known = [Certificate.parse(iaca().der)]
    with pytest.raises(MobileRefused) as found:
        authenticate(GENUINE, CscaList(known, taken), NOW, TODAY)
    assert "took the signer's certificate back" in found.value.detail
    others = [RevocationList.parse(revocation_list(iaca(), SIGNERS_SERIAL + 1))]
    assert authenticate(GENUINE, CscaList(known, others), NOW, TODAY).country == "UT"


def province(*told: str, of: str = "UT") -> x509.Name:
    more = [x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, one) for one in told]
    return x509.Name([*name(of, "Some office"), *more])


@pytest.mark.parametrize(
    ("of_issuer", "of_signer", "told", "passes"),
    [
        ("UT-A", province("UT-A"), "UT-A", True),
        ("UT-A", province("UT-A"), None, True),
        ("UT-A", province("UT-A"), "UT-B", False),
        ("UT-A", province("UT-B"), None, False),
        ("UT-A", province(), None, False),
        ("UT-A UT-B", province("UT-C"), "UT-C", False),
        ("UT-A UT-B", province(), None, False),
        (None, province("UT-A", "UT-B"), "UT-C", False),
        (None, province(), "UT-A", True),
        (None, province(of="DE"), None, False),
    ],
)
def test_no_province_and_no_country_speaks_for_another(
    of_issuer: str | None, of_signer: x509.Name, told: str | None, passes: bool
) -> None:
    by = authority(key("secp384r1", 31), province(*(of_issuer or "").split()))
    mobile = Mobile(
        by=by,
        elements=elements(issuing_jurisdiction=told),
        certificate=lambda by, public: mobile_signer(by, public, subject=of_signer),
    )
    if passes:
        assert read(mobile.files(), by).document.mobile_verified
        return
    with pytest.raises(MobileRefused) as found:
        read(mobile.files(), by)
    assert found.value.step == 13


# --- encoding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"\x9f\x01\xff", "definite"),
        (b"\x5f\x41a\xff", "definite"),
        (b"\x18\x17", "longer"),
        (b"\x59\x00\x01a", "longer"),
        (b"\xd8\x20\x61a", "unknown kind"),  # a URI
        (b"\xd8\x1c\x80", "unknown kind"),  # a shared value
        (b"\xf7", "unknown kind"),
        (b"\xf8\xff", "unknown kind"),
        (b"\xff", "unknown kind"),
        (b"\x9b" + b"\xff" * 8, "too large"),
        (b"\x82\x01", "cut off"),
        (b"\x42a", "cut off"),
        (b"\x19\x01", "cut off"),
        (b"\xa2\x01\x02\x01\x03", "twice"),
        (b"\xa2\x61a\x02\x61a\x02", "twice"),
        (b"\x61\xff", "malformed"),
        (b"\xc0\x61x", "malformed"),
        (b"\xc0\x01", "malformed"),
        (b"\xd9\x03\xec\x6a2026-02-30", "malformed"),
        (b"\x80" + b"\x00", "behind"),
        (nested(MAX_DEPTH), "too deep"),
        (b"\x99\x20\x00" + bytes(MAX_ITEMS), "too large"),
    ],
)
def test_what_no_issuer_writes_is_not_read(encoded: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(encoded)


def test_what_issuers_write_is_read() -> None:
    assert decode(b"\x99\x1f\xff" + bytes(MAX_ITEMS - 1)) == [0] * (MAX_ITEMS - 1)
    assert decode(nested(MAX_DEPTH - 1)) is not None
    assert decode(b"\xa2\x20\xf9\x3c\x00\x61a\xfb" + bytes(8)) == {-1: 1.0, "a": 0.0}
    assert decode(b"\x1b" + b"\xff" * 8) == 2**64 - 1
    assert decode(b"\xd9\x03\xec\x6a2026-11-27") == TODAY
