"""The sealed template: opens with one key, in one session, unaltered."""

import random

import pytest

from gateway.wire import sealing
from gateway.wire.polynomials import FRESH_BYTES
from gateway.wire.sealing import PRIVATE_BYTES, PUBLIC_BYTES, SEALED_BYTES, SealingPrivateKey
from tests.support.parties import SESSION, fixed_bytes, refused, sealing_key

KEY_ID = fixed_bytes("key-id")
TEMPLATE = fixed_bytes("template", FRESH_BYTES)


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return sealing_key().public.seal(TEMPLATE, SESSION, KEY_ID)


def test_opens_with_key_session_and_key_id(sealed: bytes) -> None:
    assert sealing_key().open(sealed, SESSION, KEY_ID) == TEMPLATE
    assert len(sealed) == SEALED_BYTES
    assert TEMPLATE[:64] not in sealed


def test_nothing_else_opens_it(sealed: bytes) -> None:
    with refused("does not open"):
        SealingPrivateKey.generate().open(sealed, SESSION, KEY_ID)
    with refused("does not open"):
        sealing_key().open(sealed, fixed_bytes("other", 16), KEY_ID)
    with refused("does not open"):
        sealing_key().open(sealed, SESSION, fixed_bytes("other"))


def test_session_and_key_id_do_not_run_into_each_other(sealed: bytes) -> None:
    """A byte moved from one to the other is another binding only if lengths are fixed: they are."""
    both = SESSION + KEY_ID
    assert sealing._info(both[:16], both[16:]) == b"sealmatch/sealed-template/1\0" + both
    assert len(both) == 48


@pytest.mark.parametrize("half", ["mlkem", "x25519"])
def test_both_halves_of_the_key_are_needed(sealed: bytes, half: str) -> None:
    mine, other = sealing_key(), SealingPrivateKey.generate()
    mixed = SealingPrivateKey(
        other.mlkem if half == "mlkem" else mine.mlkem,
        other.x25519 if half == "x25519" else mine.x25519,
    )
    with refused():
        mixed.open(sealed, SESSION, KEY_ID)


def test_every_altered_part_is_refused(sealed: bytes) -> None:
    """ML-KEM ciphertext 0-1087, X25519 share 1088-1119, template, tag: ends and places between."""
    rng = random.Random(3)
    places = [0, 1087, 1088, 1119, 1120, SEALED_BYTES - 17, SEALED_BYTES - 16, SEALED_BYTES - 1]
    for place in places + [rng.randrange(SEALED_BYTES) for _ in range(20)]:
        altered = bytearray(sealed)
        altered[place] ^= 1
        with refused():
            sealing_key().open(bytes(altered), SESSION, KEY_ID)


def test_every_other_length_is_refused(sealed: bytes) -> None:
    for length in (0, 1, 1087, 1088, 1119, 1120, 1135, 1136, 1137, len(sealed) - 1):
        with refused():
            sealing_key().open(sealed[:length], SESSION, KEY_ID)
    with refused():
        sealing_key().open(sealed + b"\0", SESSION, KEY_ID)


def test_low_order_shares_are_refused(sealed: bytes) -> None:
    for share in (bytes(32), b"\1" + bytes(31)):
        with refused():
            sealing_key().open(sealed[:1088] + share + sealed[1120:], SESSION, KEY_ID)


def test_sealing_twice_gives_other_bytes(sealed: bytes) -> None:
    again = sealing_key().public.seal(TEMPLATE, SESSION, KEY_ID)
    assert again != sealed
    assert again[:1088] != sealed[:1088]
    assert again[1088:1120] != sealed[1088:1120]


def test_layout_is_x_wing_s() -> None:
    """draft-connolly-cfrg-xwing-kem: pk = ML-KEM-768 || X25519, ct = 1088 + 32."""
    key = sealing_key()
    assert (PUBLIC_BYTES, PRIVATE_BYTES) == (1184 + 32, 64 + 32)
    assert SEALED_BYTES == 1088 + 32 + FRESH_BYTES + 16
    assert key.public.raw[:1184] == key.mlkem.public_key().public_bytes_raw()
    assert key.public.raw[1184:] == key.x25519.public_key().public_bytes_raw()
    assert key.raw == key.mlkem.private_bytes_raw() + key.x25519.private_bytes_raw()
    assert len(key.raw) == PRIVATE_BYTES


def test_key_comes_back_from_its_bytes(sealed: bytes) -> None:
    again = SealingPrivateKey.from_raw(sealing_key().raw)
    assert again.public == sealing_key().public
    assert again.open(sealed, SESSION, KEY_ID) == TEMPLATE


def test_private_parts_never_show() -> None:
    assert repr(sealing_key()) == "SealingPrivateKey()"
