"""The session key: whose half is whose, and what client and issuer check before they encrypt."""

import hashlib
from typing import Any

import numpy as np
import pytest

from gateway.he import ring
from gateway.he.engine import KEY_BLOCKS, default_engine
from gateway.he.engines import make_engine
from gateway.he.session_key import (
    ExpectedSession,
    SessionKey,
    UniformHalf,
    VerifiedSessionKey,
    verify_session_key,
)
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage
from gateway.wire.freshness import CLOCK_SKEW, MAX_AGE
from gateway.wire.ids import KeyId, Nonce, SessionId
from gateway.wire.polynomials import SessionKeyHalf
from gateway.wire.profile import KEY_PRIMES, SENT_PRIMES, N, T
from gateway.wire.session import SessionGrant
from keys.authority import SessionSecret
from tests.support import parties, slow, slow_product
from tests.support.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER, NONCE, NOW, refused

UNIFORM = UniformHalf.of(parties.session_key_request())
KEY = SessionKey(SessionKeyHalf(np.full((1, 4, N), 11, dtype=np.uint64)), UNIFORM)
OTHER_KEY = SessionKey(SessionKeyHalf(np.full((1, 4, N), 12, dtype=np.uint64)), UNIFORM)
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


def check(encoded: bytes, key: SessionKey = KEY, now: int = NOW) -> VerifiedSessionKey:
    return verify_session_key(encoded, key.half.encoded, EXPECTED, now)


def test_the_expected_session_key_is_accepted() -> None:
    verified = check(grant())
    assert verified.public_key.half == KEY.half
    assert verified.public_key.uniform.seed == UNIFORM.seed
    assert verified.public_key.key_id == KEY.key_id
    assert verified.grant.encoded == grant()
    assert verified.grant.message.session == parties.SESSION


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("profile", "bgv8192-1", "profile"),
        ("gateway", "other-gateway.example", "gateway"),
        ("authority", "other-authority", "authority"),
        ("device", "device-18", "device"),
        ("issuer", "reader-18", "issuer"),
        ("client_nonce", bytes(32), "nonce"),
        ("key_id", OTHER_KEY.key_id, "key"),
        ("key_id", KeyId(KEY.half.digest), "key"),
        ("gateway_nonce", bytes(32), "key"),
        ("session", bytes(16), "key"),
        ("expires_at", 0, "expiry"),
        ("expires_at", NOW - CLOCK_SKEW, "expiry"),
        ("expires_at", NOW + MAX_AGE + CLOCK_SKEW + 1, "expiry"),
    ],
)
def test_each_field_counts_though_the_authority_signed_it(
    field: str, value: object, detail: str
) -> None:
    with refused(f"session key: {detail} is not"):
        check(grant(**{field: value}))


def test_every_field_has_an_expected_value_or_enters_the_key() -> None:
    """Session and gateway's nonce are the gateway's choice; a, and so the key id, follows."""
    checked = {"profile", "gateway", "authority", "device", "issuer", "client_nonce", "key_id",
               "expires_at"}  # fmt: skip
    assert set(SessionGrant.model_fields) - checked == {"version", "session", "gateway_nonce"}
    for changes in ({"session": SessionId(bytes(16))}, {"gateway_nonce": Nonce(bytes(32))}):
        uniform = UniformHalf.of(parties.session_key_request(**changes))
        key = SessionKey(KEY.half, uniform)
        verified = check(grant(**changes, key_id=key.key_id))
        assert verified.public_key.uniform.seed == uniform.seed != UNIFORM.seed


@pytest.mark.parametrize("expires", [NOW - CLOCK_SKEW + 1, NOW, NOW + MAX_AGE + CLOCK_SKEW])
def test_expiry_allows_for_clocks(expires: int) -> None:
    assert check(grant(expires_at=expires)).public_key.half == KEY.half


def test_a_key_of_the_gateway_s_own_is_refused() -> None:
    """The right grant with another key, and the right key with another key's grant."""
    with refused("key is not"):
        check(grant(), OTHER_KEY)
    other = check(grant(key_id=OTHER_KEY.key_id), OTHER_KEY)
    assert other.public_key.half == OTHER_KEY.half


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


@pytest.mark.parametrize(
    "key",
    [
        b"",
        KEY.half.encoded[:-1],
        KEY.half.encoded + b"\0",
        bytes(229_378),
        b"\x01\x01" + bytes(229_376),
        b"\x01\x02" + KEY.half.encoded[2:] * 2,
    ],
    ids=["empty", "shorter", "longer", "zeros", "zero", "whole-key"],
)
def test_a_malformed_key_is_refused(key: bytes) -> None:
    with pytest.raises(MalformedMessage):
        verify_session_key(grant(), key, EXPECTED, NOW)


# --- the half that nobody makes ------------------------------------------------------------------


def seed_of(**changes: Any) -> bytes:
    return UniformHalf.of(parties.session_key_request(**changes)).seed


def test_a_follows_from_session_and_both_nonces() -> None:
    """A request and the grant that answers it name the same a; the slow expansion agrees."""
    seed = slow.uniform_seed(parties.SESSION, NONCE, parties.GATEWAY_NONCE)
    assert UNIFORM.seed == seed
    stated = check(grant()).grant.message
    assert UniformHalf.of(stated).seed == seed
    for i in range(4):
        assert UNIFORM.words[i].tolist() == slow.uniform_words(seed, i)
    assert np.array_equal(UNIFORM.sent_words, UNIFORM.words[: len(SENT_PRIMES)])


def test_one_bit_of_either_nonce_gives_another_a() -> None:
    def flipped(value: bytes, bit: int) -> bytes:
        return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")

    seeds = {UNIFORM.seed}
    for bit in range(0, 256, 5):
        seeds.add(seed_of(client_nonce=flipped(NONCE, bit)))
        seeds.add(seed_of(gateway_nonce=flipped(parties.GATEWAY_NONCE, bit)))
    for bit in range(0, 128, 5):
        seeds.add(seed_of(session=flipped(parties.SESSION, bit)))
    assert len(seeds) == 1 + 2 * 52 + 26
    other = UniformHalf(seed_of(client_nonce=flipped(NONCE, 0)))
    assert (other.words == UNIFORM.words).sum() < 3


def test_nobody_s_name_enters_a() -> None:
    """Parties are bound by the signed grant and the key id, not by what a is expanded from."""
    assert seed_of(device="device-18", issuer="reader-18") == UNIFORM.seed


def test_the_nonces_keep_their_places() -> None:
    """Swapped, they give another a: a client cannot answer with the gateway's nonce."""
    swapped = seed_of(client_nonce=parties.GATEWAY_NONCE, gateway_nonce=NONCE)
    assert swapped != UNIFORM.seed


def test_a_vanishes_nowhere() -> None:
    """No word of the four primes is at or above its prime, and hardly one is zero."""
    for i, prime in enumerate(KEY_PRIMES):
        assert int(UNIFORM.words[i].max()) < prime
    assert (UNIFORM.words == 0).sum() == 0


def test_key_id_covers_seed_and_half() -> None:
    expected = hashlib.sha256(UNIFORM.seed + KEY.half.encoded).digest()
    assert KEY.key_id == expected
    assert len({KEY.key_id, OTHER_KEY.key_id, KeyId(KEY.half.digest)}) == 3
    other = SessionKey(KEY.half, UniformHalf(bytes(32)))
    assert other.key_id != KEY.key_id


# --- the half that the authority makes -----------------------------------------------------------


@pytest.mark.parametrize("engine", ["seal-python", "tenseal"])
def test_b_is_an_honest_key_under_the_given_a(engine: str) -> None:
    """b + a s is t times a small error: SEAL's, of standard deviation 3.2, and nothing of a'."""
    secret, half = SessionSecret.make(make_engine(engine), UNIFORM)
    assert secret._secret is not None
    errors = []
    for i, prime in enumerate(SENT_PRIMES):
        phase = half.words[0, i] + ring.multiply_modulo(UNIFORM.words[i], secret._secret[i], prime)
        errors.append(slow_product.inverse((phase % np.uint64(prime)).astype(object), prime))
    whole = slow_product.combined(errors)
    error = np.array([ring.centred(int(c)) for c in whole], dtype=object)
    assert not (error % T).any()
    small = (error // T).astype(float)
    assert np.abs(small).max() <= 21  # a centred binomial of 21 + 21 bits, or a clipped normal
    assert 2.9 < small.std() < 3.6
    assert abs(small.mean()) < 0.25
    ternary = slow_product.inverse(secret._secret[0].astype(object), SENT_PRIMES[0])
    assert set(ternary.tolist()) == {0, 1, SENT_PRIMES[0] - 1}


def test_b_is_uniform_and_drawn_anew() -> None:
    """Two keys under one a share no word but by chance, and b fills its range evenly."""
    halves = [SessionSecret.make(default_engine(), UNIFORM)[1].words[0] for _ in range(2)]
    assert (halves[0] == halves[1]).sum() < 3
    for i, prime in enumerate(KEY_PRIMES):
        bins = np.bincount([int(w) * 16 // prime for w in halves[0][i]], minlength=16)
        statistic = ((bins - N / 16) ** 2 / (N / 16)).sum()
        assert statistic < 85  # chi-square of 15 degrees of freedom: 1e-11


# --- failures half-way ---------------------------------------------------------------------------


def test_a_key_whose_answer_fails_is_gone() -> None:
    secret, _ = SessionSecret.make(default_engine(), UNIFORM)
    words = secret._secret
    assert words is not None
    assert words.any()
    with pytest.raises(AttributeError):
        secret.answer(object(), 1, object())
    assert repr(secret) == "SessionSecret(destroyed)"
    assert not words.any()


def test_what_was_exported_is_overwritten_where_the_key_is_not_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failure between export and result leaves no copy of s behind."""
    exports: list[bytearray] = []
    engine = default_engine()
    exported = engine.exported

    def seen(what: object) -> bytearray:
        exports.append(exported(what))
        return exports[-1]

    overwritten: list[object] = []
    monkeypatch.setattr(engine, "exported", seen)
    monkeypatch.setattr(engine, "overwrite_pool", overwritten.append)
    monkeypatch.setattr("keys.authority.read_words", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        SessionSecret.make(engine, UNIFORM)
    assert len(exports) == 2
    assert not any(any(buffer) for buffer in exports)
    assert overwritten == [KEY_BLOCKS], "what SEAL's own pool still holds"
