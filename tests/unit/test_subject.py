"""Document numbers: one subject per person however it was typed, and nothing told about it."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.ids import DOCUMENT_TYPES
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import Subject, activation_commitment, new_salt
from tests.support.parties import fixed_bytes
from tests.vectors.generate import HERE

SALT = fixed_bytes("salt")


def test_vectors_from_the_protocol_s_words() -> None:
    """Encoding, HMAC and commitments written out here with hashlib alone."""
    document = json.loads((HERE / "subject.json").read_text())
    salt, pepper, opening = (
        bytes.fromhex(document[name]) for name in ("siteSalt", "pepper", "subjectSalt")
    )
    for case in document["subjects"]:
        kind, number = case["documentType"].encode(), case["normalised"].encode()
        encoded = b"sealmatch/subject/1\0" + b"".join(
            len(part).to_bytes(2, "big") + part for part in (kind, number)
        )
        assert encoded.hex() == case["encoded"]
        inner = hmac.new(salt, encoded, hashlib.sha256).digest()
        assert inner.hex() == case["inner"]
        gateway = document["gateway"].encode()
        named = len(gateway).to_bytes(2, "big") + gateway + inner
        assert hmac.new(pepper, named, hashlib.sha256).hexdigest() == case["handle"]
        label = b"sealmatch/subject-commitment/1\0"
        assert hashlib.sha256(label + opening + encoded).hexdigest() == case["commitment"]
        assert Subject.of(case["documentType"], case["number"]).encode() == encoded
    salt = bytes.fromhex(document["activationSalt"])
    label = b"sealmatch/activation-commitment/1\0"
    texts = ("+49 151 00000000", "order 17", "Zo\u00eb")
    for case, text in zip(document["activations"], texts, strict=True):
        assert hashlib.sha256(label + salt + text.encode()).hexdigest() == case["commitment"]
        assert activation_commitment(case["reference"], salt).hex() == case["commitment"]
    secret = hashlib.sha256(b"sealmatch/erasure-secret/1\0" + opening + salt).digest()
    assert secret.hex() == document["erasureSecret"]
    lock = hashlib.sha256(b"sealmatch/erasure-lock/1\0" + secret).hexdigest()
    assert lock == document["erasureCommitment"]
    apart = hashlib.sha256(b"sealmatch/guardian-salt/1\0" + opening).digest()
    number = document["guardianNumber"].encode()
    encoded = b"sealmatch/subject/1\0" + b"\0\x07id-card" + bytes([0, len(number)]) + number
    label = b"sealmatch/subject-commitment/1\0"
    claimed = hashlib.sha256(label + apart + encoded).hexdigest()
    assert claimed == document["guardianCommitment"]


@pytest.mark.parametrize(
    "typed",
    ["X1234567", "x1234567", " X 123 4567 ", "X-123.45/67", "X1234567<<<",
     "Ｘ１２３４５６７", "X\u00a01234567", "X(1234567)", "\u200eX\u2013١٢٣٤٥٦٧\n"],
)  # fmt: skip
def test_ways_to_type_one_number(typed: str) -> None:
    assert Subject.of("passport", typed) == Subject.of("passport", "X1234567")


@pytest.mark.parametrize(
    "typed",
    ["", "   ", "123", "-1-2-3-", "AB" * 21, "X1234567!", "X1234567\0", "Д1234567", "X12\u200b34",
     "\ud8001234", "1234'--", "X\t12345\n67", "unknown", "0000"],
)  # fmt: skip
def test_numbers_of_another_form_are_refused_and_not_repeated(typed: str) -> None:
    with pytest.raises(UnusableNumber) as caught:
        Subject.of("passport", typed)
    assert len(typed.strip()) == 0 or typed not in str(caught.value)


@pytest.mark.parametrize("kind", ["", "Passport", "library-card", "passport\0"])
def test_unknown_documents_are_refused(kind: str) -> None:
    with pytest.raises(UnusableNumber, match="passport, id-card"):
        Subject.of(kind, "X1234567")


def test_bounds_of_a_number() -> None:
    assert Subject.of("passport", "1234").number == "1234"
    assert Subject.of("passport", "AB" * 20).number == "AB" * 20


def test_the_same_number_on_another_document_is_another_subject() -> None:
    subjects = [Subject.of(kind, "X1234567") for kind in DOCUMENT_TYPES]
    assert len({s.encode() for s in subjects}) == len(DOCUMENT_TYPES)
    assert len({s.inner(SALT) for s in subjects}) == len(DOCUMENT_TYPES)
    assert len({s.commitment(SALT) for s in subjects}) == len(DOCUMENT_TYPES)


@given(st.text(alphabet="ABC019", min_size=4, max_size=39))
def test_normalising_twice_changes_nothing(number: str) -> None:
    once = Subject.of("id-card", f"{number}X")
    assert Subject.of("id-card", once.number) == once


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        subject = Subject.of("passport", text)
    except UnusableNumber:
        return
    assert subject.number.isascii()
    assert 4 <= len(subject.number) <= 40
    assert Subject.of("passport", subject.number) == subject


def test_salts_and_keys_change_everything() -> None:
    subject, other = Subject.of("passport", "X1234567"), fixed_bytes("other")
    assert subject.inner(SALT) != subject.inner(other)
    assert subject.commitment(SALT) != subject.commitment(other)
    assert subject.inner(SALT) != subject.commitment(SALT)
    assert activation_commitment("1", SALT) != activation_commitment("1", other)
    assert activation_commitment("1", SALT) != activation_commitment("2", SALT)


def test_the_number_never_shows() -> None:
    assert repr(Subject.of("passport", "X1234567")) == "Subject(document_type='passport')"


@pytest.mark.parametrize("reference", ["", "  ", "\n", "1" * 129, "é" * 65, "\udc80"])
def test_activation_references_of_another_form_are_refused(reference: str) -> None:
    """The last one is what a command line hands over for a byte that is not UTF-8."""
    with pytest.raises(UnusableNumber):
        activation_commitment(reference, SALT)


def test_activation_reference_in_both_unicode_forms() -> None:
    assert activation_commitment("Zoe\u0308", SALT) == activation_commitment(" Zo\u00eb ", SALT)
    assert len(activation_commitment("é" * 64, SALT)) == 32


def test_salts_are_fresh() -> None:
    salts = {new_salt() for _ in range(4)}
    assert len(salts) == 4
    assert {len(salt) for salt in salts} == {32}
