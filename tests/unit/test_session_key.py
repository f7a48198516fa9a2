"""The session key, checked by client and issuer before anything is encrypted."""

from typing import Any

import numpy as np
import pytest

from gateway.he.session_key import (
    CLOCK_SKEW,
    MAX_LIFETIME,
    ExpectedSession,
    VerifiedSessionKey,
    verify_session_key,
)
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage
from gateway.wire.polynomials import SessionPublicKey
from gateway.wire.profile import N
from gateway.wire.session import SessionGrant
from tests.support import parties
from tests.support.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER, NONCE, NOW, refused

KEY = SessionPublicKey(np.full((2, 4, N), 11, dtype=np.uint64))
OTHER_KEY = SessionPublicKey(np.full((2, 4, N), 12, dtype=np.uint64))
EXPIRY = NOW + 300

EXPECTED = ExpectedSession(
    authority_key=AUTHORITY.public,
    gateway=GATEWAY.party,
    device=DEVICE.party,
    issuer=ISSUER.party,
    client_nonce=NONCE,
)


def grant(signed_by: SigningKey = AUTHORITY, **changes: Any) -> bytes:
    return parties.signed_grant(KEY, signed_by, **changes)


def check(encoded: bytes, key: SessionPublicKey = KEY, now: int = NOW) -> VerifiedSessionKey:
    return verify_session_key(encoded, key.encoded, EXPECTED, now)


def test_the_expected_session_key_is_accepted() -> None:
    verified = check(grant())
    assert verified.public_key == KEY
    assert verified.grant.encoded == grant()
    assert verified.grant.message.session == parties.SESSION


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("profile", "bgv8192-2", "profile"),
        ("gateway", "other-gateway.example", "gateway"),
        ("authority", "other-authority", "authority"),
        ("device", "device-18", "device"),
        ("issuer", "reader-18", "issuer"),
        ("client_nonce", bytes(32), "nonce"),
        ("key_id", OTHER_KEY.key_id, "key"),
        ("expires_at", 0, "expiry"),
        ("expires_at", NOW - CLOCK_SKEW, "expiry"),
        ("expires_at", NOW + MAX_LIFETIME + CLOCK_SKEW + 1, "expiry"),
    ],
)
def test_each_field_counts_though_the_authority_signed_it(
    field: str, value: object, detail: str
) -> None:
    with refused(f"session key: {detail} is not"):
        check(grant(**{field: value}))


def test_every_field_but_the_session_has_an_expected_value() -> None:
    """The session id is the gateway's choice; the client's nonce makes it this client's."""
    checked = {"profile", "gateway", "authority", "device", "issuer", "client_nonce", "key_id",
               "expires_at"}  # fmt: skip
    assert set(SessionGrant.model_fields) - checked == {"version", "session"}
    other = check(grant(session=bytes(16)))
    assert other.grant.message.session == bytes(16)


@pytest.mark.parametrize("expires", [NOW - CLOCK_SKEW + 1, NOW, NOW + MAX_LIFETIME + CLOCK_SKEW])
def test_expiry_allows_for_clocks(expires: int) -> None:
    assert check(grant(expires_at=expires)).public_key == KEY


def test_a_key_of_the_gateway_s_own_is_refused() -> None:
    """The right grant with another key, and the right key with another key's grant."""
    with refused("key is not"):
        check(grant(), OTHER_KEY)
    assert check(grant(key_id=OTHER_KEY.key_id), OTHER_KEY).public_key == OTHER_KEY


@pytest.mark.parametrize("signer", [parties.stranger(AUTHORITY.party), GATEWAY, DEVICE], ids=str)
def test_signed_by_a_stranger_is_refused(signer: SigningKey) -> None:
    with refused("not signed by authority.example"):
        check(grant(signer))


def test_an_altered_grant_is_refused() -> None:
    altered = bytearray(grant())
    altered[-1] ^= 1
    with refused():
        check(bytes(altered))


@pytest.mark.parametrize("encoded", [b"", b"\xd2", grant()[:-1], grant()[1:], grant() + b"\0"])
def test_a_malformed_grant_is_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedMessage):
        check(encoded)


@pytest.mark.parametrize("key", [b"", KEY.encoded[:-1], KEY.encoded + b"\0", bytes(458_754)])
def test_a_malformed_key_is_refused(key: bytes) -> None:
    with pytest.raises(MalformedMessage):
        verify_session_key(grant(), key, EXPECTED, NOW)
