"""A chip is believed step by step: each hostile document fails at the step that should find it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as ax509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.documents.chip.certificates import Certificate, CscaList, UnusableList
from gateway.documents.chip.curves import KNOWN
from gateway.documents.chip.errors import STEPS, ChipRefused, IssuerNotListed
from gateway.documents.chip.master_list import SIGNER_USAGE
from gateway.documents.chip.passive import ChipFiles, ReadChip, authenticate
from gateway.issuer.caps import group_of
from gateway.wire.subject import Subject
from tests.support.chips import (
    CARD,
    NOW,
    PICTURE,
    TODAY,
    ZONE,
    Authority,
    Chip,
    authority,
    document_types,
    key,
    listed,
    name,
    resigned,
    signed_on,
    signer_certificate,
    utopia,
    with_explicit_curve,
)

_RSA = authority(key("rsa2048"))


def read(files: ChipFiles, *authorities: Authority, **more: Any) -> ReadChip:
    given = {"now": NOW, "today": TODAY} | more
    return authenticate(files, listed(*(authorities or (utopia(),))), **given)


@pytest.mark.parametrize(
    "chip",
    [
        Chip(),
        Chip(content_type="1.3.27.1.1.1"),
        Chip(key=key("brainpoolP256r1"), hashed="sha224"),
        Chip(key=key("secp521r1"), hashed="sha512"),
        Chip(key=key("rsa2048"), open_hash=True),
        Chip(key=key("rsa2048"), pss=True),
        Chip(by=_RSA, certificate=lambda by, public: signer_certificate(by, public, pss=True)),
        Chip(certificate=lambda by, public: signer_certificate(by, public, purpose="2.5.29.37.0")),
        Chip(certificate=with_explicit_curve),
        Chip(certificate=lambda by, public: with_explicit_curve(by, public, compressed=True)),
    ],
    ids=[
        "named",
        "belgian",
        "brainpool",
        "P-521",
        "rsa",
        "pss",
        "issued-by-pss",
        "any-purpose",
        "explicit",
        "compressed",
    ],
)
def test_a_genuine_chip_gives_its_number_and_its_portrait(chip: Chip) -> None:
    found = read(chip.files(), chip.by)
    assert found.verified
    assert found.document.subject == Subject("passport", "L898902C3")
    assert found.document.expires == datetime.date(2032, 4, 15)
    assert found.document.from_zone
    assert PICTURE in found.portrait
    assert "L898902C3" not in repr(found)


@pytest.mark.parametrize("known", KNOWN, ids=lambda one: one.curve.name)
def test_every_curve_is_known_by_its_numbers(known: Any) -> None:
    chip = Chip(key=key(known.curve.name), certificate=with_explicit_curve)
    assert read(chip.files()).verified


def test_a_card_s_kind_is_the_agent_s_word_and_its_number_the_chip_s() -> None:
    found = read(Chip(zone=CARD).files(), kind="residence-permit")
    assert found.document.subject == Subject("residence-permit", "D23145890")


def _with(file: str, change: Callable[[bytes], bytes]) -> ChipFiles:
    files = Chip().files()
    return replace(files, **{file: change(getattr(files, file))})


def _altered(alter: Callable[[cms.SignedData], None]) -> ChipFiles:
    return Chip().files(alter)


def _no_certificate(signed: cms.SignedData) -> None:
    signed["certificates"] = cms.CertificateSet([])


def _no_attributes(signed: cms.SignedData) -> None:
    """The signature is then one over the content itself."""
    del signed["signer_infos"][0]["signed_attrs"]
    content = bytes(signed["encap_content_info"]["content"])
    signed["signer_infos"][0]["signature"] = Chip().sign(content)


def _two_signers(signed: cms.SignedData) -> None:
    signed["signer_infos"].append(signed["signer_infos"][0].copy())


def _other_content(signed: cms.SignedData) -> None:
    content = bytearray(bytes(signed["encap_content_info"]["content"]))
    content[-1] ^= 1
    signed["encap_content_info"]["content"] = cms.ParsableOctetString(bytes(content))


def _other_signature(signed: cms.SignedData) -> None:
    signed["signer_infos"][0]["signature"] = Chip().sign(b"something else")


def _certificate(**changes: Any) -> Callable[[Authority, Any], Any]:
    return lambda by, public: signer_certificate(by, public, **changes)


def _curve(**changes: Any) -> Callable[[Authority, Any], bytes]:
    return lambda by, public: with_explicit_curve(by, public, **changes)


def _another_generator() -> bytes:
    """A key pair on P-256 for any public key: the key itself as generator (CVE-2020-0601)."""
    public = key().public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    numbers = public.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _renamed(by: Authority, public: Any) -> bytes:
    """By Utopia's name, and signed by somebody else."""
    made = signer_certificate(by, public)
    parsed = ax509.Certificate.load(made.public_bytes(Encoding.DER))
    return resigned(parsed, authority(key("secp256r1", 9)))


def _by_sha1(by: Authority, public: Any) -> bytes:
    """The builder signs with SHA-1 no more."""
    made = signer_certificate(by, public, hashed=hashes.SHA256())
    parsed = ax509.Certificate.load(made.public_bytes(Encoding.DER))
    for one in (parsed, parsed["tbs_certificate"]):
        one["signature_algorithm" if one is parsed else "signature"] = {"algorithm": "sha1_rsa"}
    tbs = parsed["tbs_certificate"].dump(force=True)
    parsed["signature_value"] = by.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # type: ignore
    return parsed.dump(force=True)


def _years(count: int) -> datetime.datetime:
    return NOW + datetime.timedelta(365 * count)


_NO_TIME = {"signing_time": cms.Time("generalized_time", core.GeneralizedTime("00000101000000Z"))}
_STRANGER = authority(key("secp384r1", 5), name("UT", "CSCA Elsewhere"))
_EXPIRED = authority(years=(-9, -1))


def _of_state(state: str) -> str:
    """The State stands in no check digit."""
    return ZONE.replace("UTO", state, 1)


_OF_LISTS = _certificate(purpose=SIGNER_USAGE)
_GERMANY = authority(named=name("de", "CSCA Germany"))
_GERMAN = _of_state("D<<")
_MALTA = authority(named=name("XO", "CSCA"))
_CARDS = _certificate(types=document_types("I", "AC"))
_LAST_YEAR = _certificate(in_use=(-2, -1))
_RETIRED = authority(in_use=(-3, -2))
_P256 = next(one for one in KNOWN if one.curve.name == "secp256r1")

HOSTILE: dict[str, tuple[int, Callable[[], ChipFiles], tuple[Authority, ...]]] = {
    "no file": (1, lambda: _with("sod", lambda _: b""), ()),
    "too long": (1, lambda: _with("dg1", lambda f: f + bytes(512)), ()),
    "cut off": (1, lambda: _with("dg2", lambda f: f[:-1]), ()),
    "another file": (1, lambda: _with("dg2", lambda _: Chip().dg1()), ()),
    "appended": (1, lambda: _with("dg2", lambda f: f + b"\0\1"), ()),
    "no CMS": (2, lambda: _with("sod", lambda _: b"\x77\x04\x30\x02\x05\0"), ()),
    "other content type": (2, lambda: Chip(content_type="1.2.840.113549.1.7.1").files(), ()),
    "two signers": (2, lambda: _altered(_two_signers), ()),
    "no certificate": (3, lambda: _altered(_no_certificate), ()),
    "no signed attributes": (4, lambda: _altered(_no_attributes), ()),
    "content changed": (4, lambda: _altered(_other_content), ()),
    "another signature": (4, lambda: _altered(_other_signature), ()),
    "no content type": (4, lambda: Chip(attributes={"content_type": None}).files(), ()),
    "other type attribute": (4, lambda: Chip(attributes={"content_type": "data"}).files(), ()),
    "other digest": (4, lambda: Chip(attributes={"message_digest": bytes(32)}).files(), ()),
    "SHA-1": (4, lambda: Chip(hashed="sha1").files(), ()),
    "short RSA": (4, lambda: Chip(key=key("rsa1024")).files(), ()),
    "unlisted curve": (4, lambda: Chip(key=key("secp256k1")).files(), ()),
    "own generator": (4, lambda: Chip(certificate=_curve(base=_another_generator())).files(), ()),
    "own coefficient": (4, lambda: Chip(certificate=_curve(b=_P256.b + 1)).files(), ()),
    "own order": (4, lambda: Chip(certificate=_curve(order=_P256.order - 2)).files(), ()),
    "own cofactor": (4, lambda: Chip(certificate=_curve(cofactor=2)).files(), ()),
    "own prime": (4, lambda: Chip(certificate=_curve(prime=_P256.prime - 2)).files(), ()),
    "no signer's certificate": (5, lambda: Chip(certificate=_certificate(usage=False)).files(), ()),
    "an authority's": (5, lambda: Chip(certificate=_certificate(ca=True)).files(), ()),
    "a list signer's": (5, lambda: Chip(certificate=_OF_LISTS).files(), ()),
    "unknown demand": (5, lambda: Chip(certificate=_certificate(demand=True)).files(), ()),
    "unlisted issuer": (6, lambda: Chip(by=_STRANGER).files(), ()),
    "unlisted key": (6, lambda: Chip(by=authority(key("secp384r1", 5))).files(), ()),
    "listed name": (7, lambda: Chip(certificate=_renamed).files(), ()),
    "SHA-1 certificate": (7, lambda: Chip(by=_RSA, certificate=_by_sha1).files(), (_RSA,)),
    "signer expired": (8, lambda: Chip(certificate=_certificate(years=(-9, -1))).files(), ()),
    "signer too early": (8, lambda: Chip(certificate=_certificate(years=(1, 9))).files(), ()),
    "signed when out of use": (
        8, lambda: Chip(certificate=_LAST_YEAR, attributes=signed_on(NOW)).files(), ()
    ),
    "signed before use": (
        8, lambda: Chip(certificate=_LAST_YEAR, attributes=signed_on(_years(-3))).files(), ()
    ),
    "signer's key unused": (8, lambda: Chip(certificate=_certificate(in_use=(1, 2))).files(), ()),
    "no point in time": (8, lambda: Chip(attributes=_NO_TIME).files(), ()),
    "issuer retired": (8, lambda: Chip(by=_RETIRED).files(), (_RETIRED,)),
    "issuer expired": (8, lambda: Chip(by=_EXPIRED).files(), (_EXPIRED,)),
    "zone changed": (9, lambda: _with("dg1", lambda f: f.replace(b"ANNA", b"HANA")), ()),
    "other zone": (9, lambda: _with("dg1", lambda _: Chip(zone=CARD).dg1()), ()),
    "zone not signed": (9, lambda: Chip(groups={1: b""}).files(), ()),
    "portrait changed": (10, lambda: _with("dg2", lambda f: f.replace(b"no pict", b"NO pict")), ()),
    "other portrait": (10, lambda: _with("dg2", lambda _: Chip(picture=b"\xff\xd8\xff").dg2()), ()),
    "portrait not signed": (10, lambda: Chip(groups={2: b""}).files(), ()),
    "no zone": (11, lambda: Chip(zone="X" * 88).files(), ()),
    "another State's zone": (12, lambda: Chip(by=_GERMANY).files(), (_GERMANY,)),
    "another State's issuer": (12, lambda: Chip(zone=_GERMAN).files(), ()),
    "in no table": (12, lambda: Chip(by=_MALTA, zone=_of_state("XPO")).files(), (_MALTA,)),
    "of other codes": (12, lambda: Chip(certificate=_CARDS).files(), ()),
    "of no code": (12, lambda: Chip(certificate=_certificate(types=document_types())).files(), ()),
    "types malformed": (12, lambda: Chip(certificate=_certificate(types=b"\x30\x01")).files(), ()),
    "check digit": (11, lambda: Chip(zone=ZONE[:-1] + "7").files(), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_chip_is_refused_by_the_step_s_name(case: str) -> None:
    step, make, authorities = HOSTILE[case]
    with pytest.raises(ChipRefused) as found:
        read(make(), *authorities)
    assert (found.value.step, STEPS[step] in found.value.detail) == (step, True)
    assert str(found.value) == "the request is refused"
    for told in ("ERIKSSON", "L898902C3", "Utopia"):
        assert told not in found.value.detail


@pytest.mark.parametrize(
    ("state", "country"),
    [("D<<", "de"), ("FRA", "FR"), ("GBD", "GB"), ("CHN", "HK"), ("EUE", "EU"), ("XOM", "XO")],
)
def test_a_listed_state_speaks_for_itself(state: str, country: str) -> None:
    by = authority(named=name(country, "CSCA"))
    assert read(Chip(by=by, zone=_of_state(state)).files(), by).verified
    with pytest.raises(ChipRefused) as found:
        read(Chip(by=by, zone=_of_state("ESP")).files(), by)
    assert found.value.step == 12


@pytest.mark.parametrize(
    ("state", "country"),
    [("XOM", None), ("<<<", "XO"), ("XPO", "XP"), ("XXX", "XX"), ("ZZZ", "ZZ"), ("XOM", "XP")],
)
def test_nobody_speaks_without_a_rule(state: str, country: str | None) -> None:
    named = name(country, "CSCA") if country else x509.Name(list(name())[1:])
    by = authority(named=named)
    with pytest.raises(ChipRefused) as found:
        read(Chip(by=by, zone=_of_state(state)).files(), by)
    assert found.value.step == 12


def test_every_step_has_a_hostile_chip() -> None:
    assert {step for step, _, _ in HOSTILE.values()} == set(STEPS)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_policy_that_takes_unlisted_issuers_takes_nothing_else(case: str) -> None:
    step, make, authorities = HOSTILE[case]
    if step == 6:
        assert not read(make(), where_not_listed="read").verified
        return
    with pytest.raises(ChipRefused) as found:
        read(make(), *authorities, where_not_listed="read")
    assert found.value.step == step


def test_an_unlisted_issuer_is_its_own_kind_of_refusal() -> None:
    with pytest.raises(IssuerNotListed):
        read(Chip(by=_STRANGER).files())
    with pytest.raises(IssuerNotListed):
        authenticate(Chip().files(), CscaList(), NOW, TODAY)
    assert read(Chip(by=_STRANGER).files(), utopia(), _STRANGER).verified  # and listed, it passes


def test_certificates_hold_throughout_their_last_second() -> None:
    files = Chip().files()
    last = Certificate.parse(_signer_of(files)).validity[1]
    assert read(files, now=last).verified
    with pytest.raises(ChipRefused) as found:
        read(files, now=last + datetime.timedelta(seconds=1))
    assert found.value.step == 8


def _signer_of(files: ChipFiles) -> bytes:
    signed = cms.ContentInfo.load(files.sod[4:])["content"]
    return signed["certificates"][0].chosen.dump()


def test_a_second_key_of_a_state_is_found_beside_the_first() -> None:
    second = authority(key("secp384r1", 5))
    assert second.name == utopia().name
    assert read(Chip(by=second).files(), utopia(), second).verified
    assert read(Chip().files(), second, utopia()).verified


def test_a_document_in_another_encoding_is_the_same_document() -> None:
    """Signed again, with more certificates, padded by its reader: attempts count together."""

    def more(signed: cms.SignedData) -> None:
        signed["certificates"].append(
            cms.CertificateChoices("certificate", ax509.Certificate.load(_STRANGER.der))
        )
        signed["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes(
            [cms.CMSAttribute({"type": "1.2.3.4", "values": [cms.OctetString(b"more")]})]
        )

    one, other = Chip().files(), Chip().files(more)
    padded = ChipFiles(one.sod + bytes(16), one.dg1 + bytes(8), one.dg2 + bytes(200))
    assert len({one.sod, other.sod, padded.sod}) == 3
    found = [read(files) for files in (one, other, padded)]
    assert len({each.document.subject for each in found}) == 1
    assert len({group_of(each.document.subject, b"s" * 32) for each in found}) == 1
    assert len({each.portrait for each in found}) == 1


def test_a_list_is_of_authorities_alone() -> None:
    bundle = utopia().pem + _STRANGER.pem
    assert len(CscaList.read(bundle).certificates) == 2
    assert len(CscaList.read(utopia().der).certificates) == 1
    signer = _signer_of(Chip().files())
    for content in (b"", b"no list", signer, b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        with pytest.raises(UnusableList):
            CscaList.read(content)
