"""``pycose`` as an independent COSE peer: it accepts what we sign, and we accept what it signs.

pycose 1.1 does not know the header ``typ`` (16, RFC 9596) by name. It keeps unknown headers, so
objects travel both ways all the same. Its ``CoseMessage.decode`` does not work with cbor2 6, which
gives a tag's array as a tuple; the array therefore goes in from the independent reader.
"""

import pytest
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys import CoseKey, OKPKey  # type: ignore[attr-defined]
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message  # type: ignore[attr-defined]

from gateway.wire import cose
from gateway.wire.errors import MalformedMessage
from gateway.wire.submission import ConsentRecord
from tests.support.parties import AUTHORITY, DEVICE, refused
from tests.wire import reference_cbor

CONSENT = ConsentRecord(
    text_version=1, language="de", purpose="sim-activation", given_at=7, salt=bytes(32)
)


def peer_key(key: cose.SigningKey = AUTHORITY) -> CoseKey:
    return OKPKey(crv=Ed25519, x=key.public.raw, d=key.private.private_bytes_raw())  # type: ignore[attr-defined]


def peer_reads(encoded: bytes, key: cose.SigningKey = AUTHORITY) -> Sign1Message:
    assert encoded[0] == 0xC0 | Sign1Message.cbor_tag
    message = Sign1Message.from_cose_obj(reference_cbor.decode(encoded[1:]), True)
    message.key = OKPKey(crv=Ed25519, x=key.public.raw)
    return message


def test_peer_verifies_what_we_sign() -> None:
    message = peer_reads(cose.sign(CONSENT, AUTHORITY).encoded)
    assert message.verify_signature()
    assert message.payload == CONSENT.encode()
    assert message.phdr[Algorithm] is EdDSA
    assert message.phdr[KID] == AUTHORITY.public.key_id
    assert message.phdr[cose.HEADER_TYP] == "application/vnd.sealmatch.consent-record+cbor"
    assert message.uhdr == {}


def test_peer_refuses_what_was_altered() -> None:
    encoded = cose.sign(CONSENT, AUTHORITY).encoded
    inside_protected, inside_payload, inside_signature = 40, len(encoded) - 70, len(encoded) - 1
    for place in (inside_protected, inside_payload, inside_signature):
        altered = bytearray(encoded)
        altered[place] ^= 1
        assert not peer_reads(bytes(altered)).verify_signature()
    assert not peer_reads(encoded, DEVICE).verify_signature()


def peer_signs(typ: object = cose.media_type(ConsentRecord), **more: object) -> bytes:
    header = {Algorithm: EdDSA, KID: AUTHORITY.public.key_id, cose.HEADER_TYP: typ}
    message = Sign1Message(phdr=header, uhdr=more.get("uhdr", {}), payload=CONSENT.encode())
    message.key = peer_key()
    return bytes(message.encode(tag=bool(more.get("tag", True))))


def test_we_verify_what_the_peer_signs() -> None:
    encoded = peer_signs()
    assert encoded == cose.sign(CONSENT, AUTHORITY).encoded
    assert cose.verify(encoded, ConsentRecord, AUTHORITY.public).message == CONSENT


def test_we_refuse_what_the_peer_signs_otherwise() -> None:
    with refused("of another type"):
        cose.verify(peer_signs(typ="application/cbor"), ConsentRecord, AUTHORITY.public)
    for encoded in (peer_signs(uhdr={KID: b"1"}), peer_signs(tag=False)):
        with pytest.raises(MalformedMessage):
            cose.verify(encoded, ConsentRecord, AUTHORITY.public)
