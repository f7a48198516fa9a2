"""Two builds of SEAL, word for word: seal-python's, which serves, and the older one of tenseal.

What is deterministic gives the same words on both, so an auditor may use either; what is random
opens with the other's keys. ``tests.support.slow_product`` computes the same without any of them.
"""

from __future__ import annotations

import numpy as np
import pytest

from gateway.he import layout
from gateway.he.engine import Engine
from gateway.he.engines import make_engine
from gateway.he.product import padded_score
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, SENT_PRIMES, N, T
from keys.authority import SessionSecret
from tests.support.he import (
    ScriptedStream,
    TestKey,
    default_policy,
    inputs_with_values,
    run_session,
)
from tests.support.parties import fixed_dealings, session_key_request


@pytest.fixture(scope="module")
def ours() -> Engine:
    return make_engine("seal-python")


@pytest.fixture(scope="module")
def theirs() -> Engine:
    return make_engine("tenseal")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def words_of(
    rng: np.random.Generator, polynomials: int, primes: tuple[int, ...] = DATA_PRIMES
) -> np.ndarray:
    bounds = np.array(primes, dtype=np.uint64)[:, None]
    return rng.integers(0, 2**63, (polynomials, len(primes), N), np.uint64) % bounds


def test_they_are_two_builds_of_different_age(ours: Engine, theirs: Engine) -> None:
    assert ours.library is not theirs.library
    assert ours._version > theirs._version


def test_a_build_refuses_the_other_s_layout(ours: Engine, theirs: Engine, rng) -> None:
    """Words cross, saved objects do not: each layout names its version."""
    saved = layout.ciphertext_layout(
        theirs._levels[len(DATA_PRIMES)], tuple(words_of(rng, 2)), (99, 0)
    )
    for engine in (ours, theirs):
        with pytest.raises((RuntimeError, ValueError)):
            engine._read(engine.library.Ciphertext(), saved)


@pytest.mark.parametrize("seed", range(4))
def test_same_words_from_every_deterministic_operation(
    ours: Engine, theirs: Engine, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    words, addend = words_of(rng, 2), words_of(rng, 2)
    slots = rng.integers(0, T, N, np.uint64)
    for name, operation in {
        "folded square": lambda engine: engine.folded_square(words, slots, addend),
        "transform": lambda engine: engine.transformed(words),
        "transform modulo Q'": lambda engine: engine.transformed(words_of(
            np.random.default_rng(seed), 3, SENT_PRIMES)),
    }.items():  # fmt: skip
        assert np.array_equal(operation(ours), operation(theirs)), name


def test_same_words_at_the_ends_of_what_slots_and_words_can_be(
    ours: Engine, theirs: Engine
) -> None:
    largest = np.broadcast_to(np.array(DATA_PRIMES, np.uint64)[:, None] - np.uint64(1), (2, 3, N))
    middle = np.full(N, T // 2, np.uint64)
    for slots in (np.full(N, T - 1, np.uint64), middle, middle + np.uint64(1)):
        addend = np.random.default_rng(2).integers(0, 2**55, (2, 3, N), np.uint64)
        made = [e.folded_square(largest, slots, addend) for e in (ours, theirs)]
        assert np.array_equal(*made)
    for engine in (ours, theirs):  # -1 times what is added again: nothing is left to multiply
        with pytest.raises((RuntimeError, ValueError)):
            engine.folded_square(largest, np.full(N, T - 1, np.uint64), largest)


@pytest.mark.parametrize("keys_of", ["ours", "theirs"])
def test_the_whole_padded_score(ours: Engine, theirs: Engine, keys_of: str, rng) -> None:
    """From real ciphertexts of either build: product, omega and offsets alike."""
    key = TestKey(ours if keys_of == "ours" else theirs)
    policy = default_policy()
    rule = policy.lanes[0]
    slots = inputs_with_values((rule.lo, rule.hi + 1), rng)
    probe, template = (key.encrypt_signed(s) for s in slots)
    made = [
        padded_score(engine, key.public, probe, template, ScriptedStream("both"))
        for engine in (ours, theirs)
    ]
    assert made[0].product.encoded == made[1].product.encoded
    assert (made[0].omega, made[0].offsets) == (made[1].omega, made[1].offsets)
    session = run_session(key, policy, probe, template, ScriptedStream("both"))
    assert session.product.encoded == made[0].product.encoded
    assert session.lanes == (True, False)


def test_each_encrypts_under_the_other_s_keys(ours: Engine, theirs: Engine, rng) -> None:
    slots = rng.integers(0, T, N, np.uint64)
    for holder, encryptor in ((ours, theirs), (theirs, ours)):
        key = TestKey(holder)
        ciphertext = Ciphertext(encryptor.encrypt(key.public.words, slots))
        assert np.array_equal(key.decrypt(ciphertext), slots)


@pytest.mark.parametrize("authority", ["ours", "theirs"])
def test_authority_and_gateway_may_run_different_builds(
    ours: Engine, theirs: Engine, authority: str, rng
) -> None:
    """Key from one build, encryption and product on the other, answer from the key."""
    held, used = (ours, theirs) if authority == "ours" else (theirs, ours)
    uniform = UniformHalf.of(session_key_request())
    secret, half = SessionSecret.make(held, uniform)
    key = SessionKey(half, uniform)
    values = 3000, 4000
    probe, template = (
        Ciphertext(used.encrypt(key.words, np.mod(s, T).astype(np.uint64)))
        for s in inputs_with_values(values, rng)
    )
    score = padded_score(used, key, probe, template, ScriptedStream("across"))
    _, other = fixed_dealings("across")
    masked = secret.answer(score.product, score.omega, other)
    scores = [
        (m - offset - lane.share) % T
        for m, offset, lane in zip(masked, score.offsets, other.lanes, strict=True)
    ]
    assert scores == list(values)
