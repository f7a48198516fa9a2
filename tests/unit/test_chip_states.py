"""How States write and use their certificates: what is taken, what was taken back, what is not."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from asn1crypto import cms
from asn1crypto import x509 as ax509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.documents.chip.certificates import Certificate, CscaList, UnusableList
from gateway.documents.chip.errors import ChipRefused
from gateway.documents.chip.passive import ReadChip, authenticate
from gateway.documents.chip.revocation import RevocationList
from tests.support.chips import (
    NOW,
    SIGNERS_SERIAL,
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
    revocation_list,
    signed_on,
    signer_certificate,
    utopia,
)
from tests.support.portraits import tlv


def read(chip: Chip, *authorities: Authority, **more: Any) -> ReadChip:
    given = {"now": NOW, "today": TODAY} | more
    return authenticate(chip.files(), listed(*(authorities or (chip.by,))), **given)


def signer(**changes: Any) -> Any:
    return lambda by, public: signer_certificate(by, public, **changes)


@pytest.mark.parametrize(
    "types",
    [
        None,
        document_types("P"),
        document_types("I", "PM"),
        tlv(0x30, tlv(0x13, b"I") + tlv(0x13, b"P")),
    ],
    ids=["none", "all-passports", "this-code", "bare"],
)
def test_a_signer_is_for_the_documents_that_its_certificate_names(types: bytes | None) -> None:
    of_code = Chip(zone=ZONE.replace("P<", "PM", 1))
    assert read(of_code.with_(certificate=signer(types=types))).verified
    others = document_types("PE", "I", "M")
    for mode in ("refuse", "read"):
        with pytest.raises(ChipRefused, match="refused") as found:
            read(of_code.with_(certificate=signer(types=others)), where_not_listed=mode)
        assert found.value.step == 12


def test_a_key_signs_while_it_is_in_use() -> None:
    last_year = signer(in_use=(-2, -1))
    day = datetime.timedelta(1)
    end = NOW - 365 * day
    for signed in (end - 90 * day, end + day, end - 366 * day):
        assert read(Chip(certificate=last_year, attributes=signed_on(signed))).verified
    for signed in (end + 2 * day, end - 367 * day):
        with pytest.raises(ChipRefused) as found:
            read(Chip(certificate=last_year, attributes=signed_on(signed)))
        assert found.value.step == 8
    assert read(Chip(certificate=last_year)).verified, "its time of signing is not told"
    open_ended = signer(in_use=(None, -1))
    assert read(Chip(certificate=open_ended, attributes=signed_on(end - 900 * day))).verified


def test_a_malformed_period_is_a_refusal_at_its_step() -> None:
    """The year 0 is no point in time, and no error of comparing either."""
    issuer = ax509.Certificate.load(authority(in_use=(-2, -1)).der)
    for made in (issuer, issuer["tbs_certificate"]):
        made.dump(force=True)
    extensions = issuer["tbs_certificate"]["extensions"]
    period = next(one for one in extensions if one["extn_id"].native == "private_key_usage_period")
    period["extn_value"] = ax509.PrivateKeyUsagePeriod.load(_YEAR_0)
    root = Certificate.parse(resigned(issuer, utopia()))
    with pytest.raises(ChipRefused, match="refused") as found:
        authenticate(Chip().files(), CscaList([root]), NOW, TODAY)
    assert (found.value.step, "malformed" in found.value.detail) == (8, True)


_YEAR_0 = tlv(0x30, tlv(0x80, b"00000101000000Z"))


def test_an_issuer_certifies_while_its_key_is_in_use() -> None:
    for in_use, holds in (((-2, 1), True), ((-3, -2), False), ((0, 2), False)):
        by = authority(in_use=in_use)  # the signer's certificate is a year old
        if holds:
            assert read(Chip(by=by)).verified
            continue
        with pytest.raises(ChipRefused, match="refused") as found:
            read(Chip(by=by))
        assert (found.value.step, "in use" in found.value.detail) == (8, True)
        assert read(Chip(by=by), by, utopia()).verified, "another certificate of that key"


def test_chinese_passports_call_it_data_and_no_others_do() -> None:
    chinese = Chip(content_type="1.2.840.113549.1.7.1", zone=ZONE.replace("UTO", "CHN", 1))
    china = authority(named=name("CN", "CSCA"))
    assert read(chinese.with_(by=china, certificate=signer(country="CN"))).verified
    for country, by in (("UT", china), ("CN", utopia())):
        with pytest.raises(ChipRefused) as found:
            read(chinese.with_(by=by, certificate=signer(country=country)))
        assert found.value.step == (2 if country == "UT" else 12)


def test_a_name_s_parts_may_stand_in_another_order() -> None:
    def reorder(signed: cms.SignedData) -> None:
        named = signed["signer_infos"][0]["sid"].chosen
        parts = list(named["issuer"].chosen)
        named["issuer"] = ax509.Name("", ax509.RDNSequence(parts[::-1]))

    def of_another(signed: cms.SignedData) -> None:
        made = ax509.Name.build({"country_name": "UT", "common_name": "Somebody"})
        signed["signer_infos"][0]["sid"].chosen["issuer"] = made

    given = {"now": NOW, "today": TODAY}
    assert authenticate(Chip().files(reorder), listed(utopia()), **given).verified
    with pytest.raises(ChipRefused) as found:
        authenticate(Chip().files(of_another), listed(utopia()), **given)
    assert found.value.step == 3


def _no_authority(root: Authority) -> bytes:
    """Its key signs certificates, and it says that it is no authority, as Turkish roots do."""
    made = ax509.Certificate.load(root.der)
    for one in made["tbs_certificate"]["extensions"]:
        if one["extn_id"].native == "basic_constraints":
            one["extn_value"] = ax509.BasicConstraints({"ca": False})
    return resigned(made, root)


def test_whose_key_signs_certificates_is_an_authority_and_signs_no_documents() -> None:
    root = Certificate.parse(_no_authority(utopia()))
    assert (root.may_issue, root.may_sign) == (True, False)
    files = Chip().files()
    assert authenticate(files, CscaList([root]), NOW, TODAY).verified
    made = signer_certificate(utopia(), key().public_key())
    one = Certificate.parse(made.public_bytes(Encoding.DER))
    assert (one.may_issue, one.may_sign) == (False, True)


def taken_back(chip: Chip, issuers: list[Authority], *lists: bytes, mode: Any = "refuse") -> bool:
    """Whether a chip is refused because its signer was taken back."""
    known = CscaList(
        (Certificate.parse(one.der) for one in issuers),
        (RevocationList.parse(one) for one in lists),
    )
    try:
        authenticate(chip.files(), known, NOW, TODAY, mode)
    except ChipRefused as error:
        if error.step != 8 or "took" not in error.detail:
            raise
        return True
    return False


OTHER = authority(key("secp384r1", 7), name("UT", "CSCA Other"))


def test_a_certificate_that_was_taken_back_signs_no_more() -> None:
    both = [utopia(), OTHER]
    assert taken_back(
        Chip(), both, revocation_list(OTHER), revocation_list(utopia(), 1, SIGNERS_SERIAL)
    )
    assert not taken_back(
        Chip(), both, revocation_list(OTHER, SIGNERS_SERIAL), revocation_list(utopia(), 1, 2)
    )
    for forged in (authority(key("secp384r1", 9)), authority(key(), name("UT", "CSCA Nobody"))):
        with pytest.raises(UnusableList, match="no authority signed it"):
            taken_back(Chip(), both, revocation_list(forged, 1))
    for no_list in (revocation_list(utopia(), 1, part=True), utopia().der, b""):
        with pytest.raises(ValueError, match="no list"):
            RevocationList.parse(no_list)


def test_a_new_key_of_the_same_name_takes_back_what_the_old_one_certified() -> None:
    new_key = authority(key("secp384r1", 5))
    taken = revocation_list(new_key, SIGNERS_SERIAL)
    assert taken_back(Chip(), [utopia(), new_key], taken)
    assert not taken_back(Chip(), [new_key], mode="read")
    assert taken_back(Chip(), [new_key], taken, mode="read"), "its own issuer is not listed"


RENAMED = authority(key("secp384r1", 8), name("UT", "CSCA Utopia 2"))
LINK = authority(key("secp384r1", 8), name("UT", "CSCA Utopia 2"), after=utopia())
TAKEN = SIGNERS_SERIAL


def test_an_authority_that_changed_its_name_takes_back_what_it_certified_before() -> None:
    linked = [utopia(), RENAMED, LINK]
    old, new = Chip(), Chip(by=RENAMED)
    assert taken_back(old, linked, revocation_list(RENAMED, TAKEN))
    assert taken_back(new, linked, revocation_list(utopia(), TAKEN)), "and the other way round"
    unlinked = [utopia(), RENAMED]
    assert not taken_back(old, unlinked, revocation_list(RENAMED, TAKEN)), "another authority"
    abroad = name("UZ", "CSCA Utopia 2")
    foreign = [
        utopia(),
        authority(key("secp384r1", 8), abroad),
        authority(key("secp384r1", 8), abroad, after=utopia()),
    ]
    assert not taken_back(old, foreign, revocation_list(foreign[1], TAKEN)), "another State"


def test_where_each_name_has_its_own_list_that_list_counts() -> None:
    """Both names may use one serial number."""
    linked = [utopia(), RENAMED, LINK]
    its_own, other = revocation_list(utopia(), 1), revocation_list(RENAMED, TAKEN)
    assert not taken_back(Chip(), linked, its_own, other)
    assert taken_back(Chip(), linked, revocation_list(utopia(), TAKEN), revocation_list(RENAMED))
    outdated = revocation_list(utopia(), 1, days=-90)
    assert taken_back(Chip(), linked, outdated, other), "of a time before the new name"


def test_either_key_signs_the_list_of_either_name() -> None:
    under_old_name = Authority(utopia().name, RENAMED.key)
    taken = revocation_list(under_old_name, TAKEN)
    assert taken_back(Chip(), [utopia(), LINK], taken)
    with pytest.raises(UnusableList, match="no authority signed it"):
        taken_back(Chip(), [utopia(), RENAMED], taken)


def test_whom_no_list_covers_is_known() -> None:
    certificates = [Certificate.parse(one.der) for one in (utopia(), RENAMED, LINK, OTHER)]
    made = CscaList(certificates, [RevocationList.parse(revocation_list(RENAMED))])
    assert [made.is_covered(one) for one in certificates] == [True, True, True, False]
