"""What travels sealed: it opens with one key, in one session and role, unaltered."""

import random
from itertools import permutations

import pytest

from gateway.wire import sealing
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.ids import Digest
from gateway.wire.polynomials import FRESH_BYTES
from gateway.wire.sealing import (
    PRIVATE_BYTES,
    PUBLIC_BYTES,
    SEALED_AUDIT_BYTES,
    SEALED_DEALING_BYTES,
    SEALED_PROBE_BYTES,
    SEALED_TEMPLATE_BYTES,
    Sealed,
    SealingPrivateKey,
)
from tests.support.parties import SESSION, fixed_bytes, refused, sealing_key

KEY_ID = fixed_bytes("key-id")
LENGTHS = {
    Sealed.TEMPLATE: (FRESH_BYTES + DEALING_BYTES, SEALED_TEMPLATE_BYTES),
    Sealed.PROBE: (FRESH_BYTES, SEALED_PROBE_BYTES),
    Sealed.DEALING: (DEALING_BYTES, SEALED_DEALING_BYTES),
}
"""Of what is sealed, and of the result."""
PROBE = fixed_bytes("probe", FRESH_BYTES)


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return sealing_key().public.seal(Sealed.PROBE, PROBE, SESSION, KEY_ID)


@pytest.mark.parametrize("what", Sealed, ids=lambda what: what.name)
def test_opens_with_key_role_session_and_key_id(what: Sealed) -> None:
    length, expected = LENGTHS[what]
    plain = fixed_bytes("plain", length)
    sealed = sealing_key().public.seal(what, plain, SESSION, KEY_ID)
    assert sealing_key().open(what, sealed, SESSION, KEY_ID) == plain
    assert len(sealed) == expected
    assert plain[:64] not in sealed


def test_nothing_else_opens_it(sealed: bytes) -> None:
    with refused("does not open"):
        SealingPrivateKey.generate().open(Sealed.PROBE, sealed, SESSION, KEY_ID)
    with refused("does not open"):
        sealing_key().open(Sealed.PROBE, sealed, fixed_bytes("other", 16), KEY_ID)
    with refused("does not open"):
        sealing_key().open(Sealed.PROBE, sealed, SESSION, fixed_bytes("other"))


@pytest.mark.parametrize(("made", "read"), [*permutations(Sealed, 2)], ids=lambda what: what.name)
def test_nothing_opens_in_another_role(made: Sealed, read: Sealed) -> None:
    """A device that copies the sealed template as its probe, a server that passes one on."""
    sealed = sealing_key().public.seal(made, b"plain", SESSION, KEY_ID)
    assert sealing_key().open(made, sealed, SESSION, KEY_ID) == b"plain"
    with refused(f"the sealed {read.name.lower()} does not open"):
        sealing_key().open(read, sealed, SESSION, KEY_ID)


def test_an_audit_s_secret_opens_for_its_demand_alone() -> None:
    demand, secret = Digest(fixed_bytes("demand")), bytearray(b"secret")
    key = sealing_key()
    sealed = key.public.seal_for_audit(secret, demand)
    assert key.open_for_audit(sealed, demand) == b"secret"
    assert SEALED_AUDIT_BYTES == 1120 + 2 * FRESH_BYTES + DEALING_BYTES + 32 + 16
    with refused("the sealed audit does not open"):
        key.open_for_audit(sealed, Digest(fixed_bytes("other")))
    for what in Sealed:
        with refused():
            key.open(what, sealed, SESSION, KEY_ID)


def test_info_binds_role_order_of_lanes_session_and_key() -> None:
    """Lengths are fixed, so no byte of one can pass for one of another."""
    both = SESSION + KEY_ID
    assert len(both) == 48
    for what in Sealed:
        info = sealing._info(what, both[:16], both[16:])
        assert info == what.value + b"\0probe,actions\0" + both
        assert b"\0" not in what.value
    assert {what.value for what in Sealed} == {
        b"sealmatch/sealed-template/2/gateway",
        b"sealmatch/sealed-probe/2/gateway",
        b"sealmatch/sealed-dealing/2/authority",
    }


@pytest.mark.parametrize("half", ["mlkem", "x25519"])
def test_both_halves_of_the_key_are_needed(sealed: bytes, half: str) -> None:
    mine, other = sealing_key(), SealingPrivateKey.generate()
    mixed = SealingPrivateKey(
        other.mlkem if half == "mlkem" else mine.mlkem,
        other.x25519 if half == "x25519" else mine.x25519,
    )
    with refused():
        mixed.open(Sealed.PROBE, sealed, SESSION, KEY_ID)


def test_every_altered_part_is_refused(sealed: bytes) -> None:
    """ML-KEM ciphertext 0-1087, X25519 share 1088-1119, probe, tag: ends and places between."""
    rng, end = random.Random(3), SEALED_PROBE_BYTES
    places = [0, 1087, 1088, 1119, 1120, end - 17, end - 16, end - 1]
    for place in places + [rng.randrange(end) for _ in range(20)]:
        altered = bytearray(sealed)
        altered[place] ^= 1
        with refused():
            sealing_key().open(Sealed.PROBE, bytes(altered), SESSION, KEY_ID)


def test_every_other_length_is_refused(sealed: bytes) -> None:
    for length in (0, 1, 1087, 1088, 1119, 1120, 1135, 1136, 1137, len(sealed) - 1):
        with refused():
            sealing_key().open(Sealed.PROBE, sealed[:length], SESSION, KEY_ID)
    with refused():
        sealing_key().open(Sealed.PROBE, sealed + b"\0", SESSION, KEY_ID)


def test_low_order_shares_are_refused(sealed: bytes) -> None:
    for share in (bytes(32), b"\1" + bytes(31)):
        altered = sealed[:1088] + share + sealed[1120:]
        with refused():
            sealing_key().open(Sealed.PROBE, altered, SESSION, KEY_ID)


def test_sealing_twice_gives_other_bytes(sealed: bytes) -> None:
    again = sealing_key().public.seal(Sealed.PROBE, PROBE, SESSION, KEY_ID)
    assert again != sealed
    assert again[:1088] != sealed[:1088]
    assert again[1088:1120] != sealed[1088:1120]


def test_layout_is_x_wing_s() -> None:
    """draft-connolly-cfrg-xwing-kem: pk = ML-KEM-768 || X25519, ct = 1088 + 32."""
    key = sealing_key()
    assert (PUBLIC_BYTES, PRIVATE_BYTES) == (1184 + 32, 64 + 32)
    assert SEALED_PROBE_BYTES == 1088 + 32 + FRESH_BYTES + 16
    assert SEALED_TEMPLATE_BYTES == SEALED_PROBE_BYTES + DEALING_BYTES
    assert key.public.raw[:1184] == key.mlkem.public_key().public_bytes_raw()
    assert key.public.raw[1184:] == key.x25519.public_key().public_bytes_raw()
    assert key.raw == key.mlkem.private_bytes_raw() + key.x25519.private_bytes_raw()
    assert len(key.raw) == PRIVATE_BYTES


def test_key_comes_back_from_its_bytes(sealed: bytes) -> None:
    again = SealingPrivateKey.from_raw(sealing_key().raw)
    assert again.public == sealing_key().public
    assert again.open(Sealed.PROBE, sealed, SESSION, KEY_ID) == PROBE


def test_private_parts_never_show() -> None:
    assert repr(sealing_key()) == "SealingPrivateKey()"
