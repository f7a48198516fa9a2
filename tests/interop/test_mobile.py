"""Mobile documents of others: the example of ISO/IEC 18013-5 itself, and ``pycose`` as a peer.

The standard's Annex D has a whole session: response, transcript, the reader's key and the issuer's
certificates. Its licence has the number 123456789, which is no number here; so of its thirteen
steps the last two are not reached, and every other one must pass.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pycose.algorithms import Es256
from pycose.headers import Algorithm
from pycose.keys import EC2Key  # type: ignore[attr-defined]
from pycose.keys.curves import P256
from pycose.messages import Sign1Message  # type: ignore[attr-defined]

from gateway.documents.chip.certificates import Certificate, CscaList
from gateway.documents.mobile.authentication import MobileFiles, ReadMobile, authenticate
from gateway.documents.mobile.elements import portrait_of
from gateway.documents.mobile.encoding import decode
from gateway.documents.mobile.errors import MobileRefused
from gateway.documents.mobile.response import ReturnedDocument
from gateway.wire.subject import Subject
from tests.support.chips import NOW, PICTURE, TODAY, key, listed
from tests.support.mobiles import NUMBER, Mobile, iaca

KNOWN: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "mobile.json").read_text()
)
ANNEX_D = KNOWN["annexD"]
THEN = datetime.datetime(2020, 11, 27, tzinfo=datetime.UTC)


def files(known: dict[str, str], *, with_key: bool = True) -> MobileFiles:
    secret = None
    if with_key and "readerKey" in known:
        private = ec.derive_private_key(int(known["readerKey"], 16), ec.SECP256R1())
        secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    response, transcript = (bytes.fromhex(known[one]) for one in ("response", "transcript"))
    return MobileFiles(response, transcript, secret)


def read(known: dict[str, str], given: MobileFiles, at: datetime.datetime = NOW) -> ReadMobile:
    trusted = CscaList([Certificate.parse(bytes.fromhex(known["iaca"]))])
    return authenticate(given, trusted, at, at.date())


def step(known: dict[str, str], given: MobileFiles, at: datetime.datetime = NOW) -> int:
    with pytest.raises(MobileRefused) as found:
        read(known, given, at)
    return found.value.step


def test_the_standard_s_own_example_passes_every_step_up_to_its_number() -> None:
    with pytest.raises(MobileRefused) as found:
        read(ANNEX_D, files(ANNEX_D), THEN)
    assert found.value.step == 12
    assert "digits that only count" in found.value.detail
    (items,) = (
        ReturnedDocument.parse(decode(files(ANNEX_D).response)).items(lambda *_: True).values()
    )
    told = {one.name: one.value for one in items}
    assert told["document_number"] == "123456789"
    assert told["expiry_date"] == datetime.date(2024, 10, 20)
    assert portrait_of(told).startswith(b"\xff\xd8\xff")


def test_the_standard_s_example_fails_where_it_is_altered() -> None:
    """Places in the response: the family name, a digest that was signed, the signature, the MAC."""
    response = files(ANNEX_D).response
    mac, signature = len(response) - 10, len(response) - 110
    for place, expected in ((200, 10), (2700, 4), (signature, 4), (mac, 11)):
        altered = bytearray(response)
        altered[place] ^= 2
        given = files(ANNEX_D)
        assert (
            step(ANNEX_D, MobileFiles(bytes(altered), given.transcript, given.reader_key), THEN)
            == expected
        ), place
    assert step(ANNEX_D, files(ANNEX_D, with_key=False), THEN) == 11
    assert step(ANNEX_D, files(ANNEX_D)) == 8, "its certificates expired long ago"


@pytest.mark.parametrize("name", ["es256", "eddsa"])
def test_known_bytes_are_read_as_ever(name: str) -> None:
    found = read(KNOWN[name], files(KNOWN[name]))
    assert found.document.subject == Subject.of("driving-licence", NUMBER)
    assert found.document.expires == datetime.date(2032, 4, 15)
    assert found.portrait.startswith(b"\xff\xd8\xff")
    assert step(KNOWN[name], files(KNOWN["annexD"] | {"response": KNOWN[name]["response"]})) == 11


def _peer(told: list[Any], public: ec.EllipticCurvePublicKey, payload: bytes) -> Sign1Message:
    message = Sign1Message.from_cose_obj([told[0], {}, payload, told[3]], True)
    x, y = (getattr(public.public_numbers(), one).to_bytes(32, "big") for one in "xy")
    message.key = EC2Key(crv=P256, x=x, y=y)
    return message


def test_a_peer_verifies_what_is_made_here() -> None:
    mobile = Mobile()
    auth = mobile.response()["documents"][0]["issuerSigned"]["issuerAuth"]
    assert _peer(auth, mobile.key.public_key(), auth[2]).verify_signature()
    assert not _peer(auth, mobile.device.public_key(), auth[2]).verify_signature()


def test_what_a_peer_signs_is_taken() -> None:
    signing = key("secp256r1", 21)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    numbers = signing.private_numbers()
    x, y, d = (
        one.to_bytes(32, "big")
        for one in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value)
    )

    def resigned(response: dict[str, Any]) -> None:
        auth = response["documents"][0]["issuerSigned"]["issuerAuth"]
        message = Sign1Message(phdr={Algorithm: Es256}, payload=auth[2])
        message.key = EC2Key(crv=P256, x=x, y=y, d=d)
        auth[0], auth[3] = message.phdr_encoded, message.compute_signature()

    given = Mobile(key=signing).files(resigned)
    assert authenticate(given, listed(iaca()), NOW, TODAY).portrait == PICTURE
