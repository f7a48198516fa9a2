"""Signed objects: whose signature, over which type, over which bytes."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.wire import cbor, cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.message import SMALL
from gateway.wire.proof import Receipt, Statement
from gateway.wire.session import SessionGrant, SessionKeyRequest
from gateway.wire.submission import ConsentRecord
from tests.support import parties
from tests.support.parties import AUTHORITY, GATEWAY, refused
from tests.vectors import golden
from tests.wire.reference_cbor import encode

CONSENT = ConsentRecord(
    text_version=1, language="de", purpose="sim-activation", given_at=7, salt=bytes(32)
)
SIGNED = cose.sign(CONSENT, AUTHORITY)


def assemble(
    kind: type = ConsentRecord,
    key: SigningKey = AUTHORITY,
    payload: bytes | None = None,
    protected: dict[int, object] | bytes | None = None,
    unprotected: object = None,
    context: str = "Signature1",
    tag: bytes = b"\xd2",
) -> bytes:
    """A correctly signed object with chosen parts."""
    payload = CONSENT.encode() if payload is None else payload
    header = {1: -8, 4: key.public.key_id, 16: cose.media_type(kind)}
    if not isinstance(protected, bytes):
        protected = encode(header if protected is None else protected)
    signature = key.private.sign(encode([context, protected, b"", payload]))
    return tag + encode([protected, unprotected or {}, payload, signature])


def verify(encoded: bytes, key: VerifyKey = AUTHORITY.public) -> None:
    cose.verify(encoded, ConsentRecord, key)


def test_honest_object_verifies() -> None:
    signed = cose.verify(SIGNED.encoded, ConsentRecord, AUTHORITY.public)
    assert signed.message == CONSENT
    assert signed.encoded == SIGNED.encoded == assemble()
    assert signed.digest == hashlib.sha256(SIGNED.encoded).digest()
    assert cose.peek(SIGNED.encoded, ConsentRecord) == CONSENT


def test_every_single_bit_flip_is_refused() -> None:
    for place in range(len(SIGNED.encoded)):
        for bit in range(8):
            altered = bytearray(SIGNED.encoded)
            altered[place] ^= 1 << bit
            with pytest.raises((MalformedMessage, Refused)):
                verify(bytes(altered))


def test_every_cut_is_refused() -> None:
    for length in range(len(SIGNED.encoded)):
        with pytest.raises(MalformedMessage):
            verify(SIGNED.encoded[:length])


def test_another_key_of_the_same_party_is_refused() -> None:
    with refused("authority.example"):
        verify(SIGNED.encoded, parties.stranger(AUTHORITY.party).public)
    with refused():
        verify(cose.sign(CONSENT, parties.stranger(AUTHORITY.party)).encoded)


def test_a_stranger_who_states_the_right_key_id_is_refused() -> None:
    stranger = parties.stranger(AUTHORITY.party)
    header = {1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(ConsentRecord)}
    with refused("does not verify"):
        verify(assemble(key=stranger, protected=header))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (1, -7),
        (1, -19),
        (4, b"\0" * 32),
        (4, AUTHORITY.public.raw),
        (16, "application/vnd.sealmatch.session-grant+cbor"),
        (16, "application/cbor"),
        (16, 60),
        (3, "application/cbor"),
        (2, [4]),
        (15, {1: "x"}),
    ],
    ids=["alg", "alg-rfc9864", "kid-zero", "kid-raw", "typ", "typ-cbor", "typ-number",
         "content-type", "crit", "claims"],
)  # fmt: skip
def test_protected_header_is_exactly_ours(name: int, value: object) -> None:
    """Each correctly signed by the right key over the altered header."""
    header = {1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(ConsentRecord)}
    assert verify(assemble(protected=header)) is None
    with refused():
        verify(assemble(protected=header | {name: value}))


@pytest.mark.parametrize("missing", [1, 4, 16])
def test_protected_header_is_complete(missing: int) -> None:
    header = {1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(ConsentRecord)}
    del header[missing]
    with refused():
        verify(assemble(protected=header))


def test_protected_header_in_another_encoding_is_refused() -> None:
    header = {1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(ConsentRecord)}
    once = encode(header)
    for other in (b"", b"\xbf" + once[1:] + b"\xff", once + b"\0", b"\xb8\x03" + once[1:]):
        with refused():
            verify(assemble(protected=other))


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        {1: "gateway"},
        {2: golden.STATEMENT.record_id.hex()},
        {1: "another", 2: golden.STATEMENT.record_id.hex()},
        {1: golden.STATEMENT.gateway, 2: "00" * 16},
        {**golden.STATEMENT.claims(), 6: 1_763_760_000},
        list(golden.STATEMENT.claims().values()),
    ],
)
def test_a_statement_claims_what_its_fields_say(claims: object) -> None:
    """Issuer and subject are read by tools that know no fields of ours: they cannot differ."""
    header = {1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(Statement)}
    stated = golden.STATEMENT

    def made(claims: object) -> bytes:
        protected = header if claims is None else {**header, 15: claims}
        return assemble(Statement, payload=stated.encode(), protected=protected)

    assert cose.verify(made(stated.claims()), Statement, AUTHORITY.public).message == stated
    with refused():
        cose.verify(made(claims), Statement, AUTHORITY.public)


def test_a_signature_over_one_type_does_not_count_for_another() -> None:
    """The same payload, signed as another type by the same key."""
    with refused("of another type"):
        verify(assemble(kind=SessionGrant))


def test_types_never_coincide() -> None:
    kinds = (SessionGrant, SessionKeyRequest, ConsentRecord, Receipt)
    assert len({cose.media_type(kind) for kind in kinds}) == len(kinds)


def test_unprotected_header_must_be_empty() -> None:
    for header in ({4: AUTHORITY.public.key_id}, {"x": 1}):
        with pytest.raises(MalformedMessage):
            verify(assemble(unprotected=header))


@pytest.mark.parametrize("tag", [b"", b"\xd1", b"\xd8\x62", b"\xd8\x12", b"\xd2\xd2"])
def test_other_tags_are_refused(tag: bytes) -> None:
    with pytest.raises(MalformedMessage):
        verify(assemble(tag=tag))


def test_other_signature_contexts_are_refused() -> None:
    for context in ("Signature", "CounterSignature", "MAC0"):
        with refused():
            verify(assemble(context=context))


def test_external_data_is_not_ours() -> None:
    """A signature that covers external data is not one over the object alone."""
    header = encode({1: -8, 4: AUTHORITY.public.key_id, 16: cose.media_type(ConsentRecord)})
    payload = CONSENT.encode()
    signature = AUTHORITY.private.sign(encode(["Signature1", header, b"x", payload]))
    with refused():
        verify(b"\xd2" + encode([header, {}, payload, signature]))


def test_a_signed_payload_of_another_message_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        verify(assemble(payload=parties.session_key_request().encode()))


def test_the_other_solution_for_s_is_refused() -> None:
    """S and S + L sign the same; RFC 8032 accepts the lower alone, so signatures are unique."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(SIGNED.encoded[-32:], "little") + order
    with refused():
        verify(SIGNED.encoded[:-32] + s.to_bytes(32, "little"))


def test_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedMessage):
        cose.peek(b"\xd2" + cbor.encode([bytes(SMALL)]), ConsentRecord)


def test_a_key_that_is_none_verifies_nothing() -> None:
    for raw in (b"", bytes(31), b"\xff" * 32):
        key = VerifyKey(AUTHORITY.party, raw)
        header = {1: -8, 4: key.key_id, 16: cose.media_type(ConsentRecord)}
        with refused():
            verify(assemble(protected=header), key)


def test_private_keys_never_show() -> None:
    secret = AUTHORITY.private.private_bytes_raw()  # type: ignore[attr-defined]
    assert repr(AUTHORITY) == "SigningKey(party='authority.example')"
    assert secret.hex() not in repr(AUTHORITY)
    assert "encoded" not in repr(SIGNED)


def test_generated_keys_differ() -> None:
    made = {SigningKey.generate("a").public.raw for _ in range(3)}
    assert len(made) == 3
    assert isinstance(SigningKey.generate("a").private, Ed25519PrivateKey)
    assert GATEWAY.public.key_id == hashlib.sha256(GATEWAY.public.raw).digest()


def test_an_object_longer_than_any_message_is_not_even_looked_at() -> None:
    """Well-formed and correctly signed, but with a header of 20000 bytes."""
    with pytest.raises(MalformedMessage):
        verify(assemble(protected=bytes(20_000)))
