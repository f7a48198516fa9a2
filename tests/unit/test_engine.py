"""The engine against arithmetic written out in plain Python, and what it refuses.

SEAL's NTT puts the value at psi^(2 bitrev(i) + 1) into place i, psi being the least primitive
2N-th root of unity; its batch encoder puts slot i at the root with exponent 3^i, the second half at
the negative exponents. Both are checked here by Horner's rule in Python integers.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import tenseal.sealapi as seal

import gateway.he.engine
from gateway.he.blinding import multiply_modulo, noise, rerandomiser
from gateway.he.engine import Engine, default_engine
from gateway.he.product import masked_product
from gateway.he.randomness import FLOOD_BITS
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N, T
from tests.support.he import (
    ScriptedStream,
    TestKey,
    centred,
    coefficients_of,
    default_policy,
    from_residues,
    invert_array,
    multiply_arrays,
    ntt_of,
    polynomial_of_slots,
    to_residues,
)

PLACES = (0, 1, 2, 4095, 4096, 5000, 8191)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return default_engine()


@pytest.fixture(scope="module")
def key() -> TestKey:
    return TestKey()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def random_words(rng: np.random.Generator, polynomials: int = 2) -> np.ndarray:
    primes = np.array(DATA_PRIMES, dtype=np.uint64)[:, None]
    return rng.integers(0, 2**63, (polynomials, 3, N), np.uint64) % primes


# --- the slow reference --------------------------------------------------------------------------


@cache
def least_root(modulus: int) -> int:
    """The least primitive 2N-th root of unity modulo a prime."""
    x = 2
    while pow(root := pow(x, (modulus - 1) // (2 * N), modulus), N, modulus) != modulus - 1:
        x += 1
    square, best, power = root * root % modulus, root, root
    for _ in range(N - 1):
        power = power * square % modulus
        best = min(best, power)
    return best


def value_at(coefficients: list[int], point: int, modulus: int) -> int:
    value = 0
    for c in reversed(coefficients):
        value = (value * point + c) % modulus
    return value


def ntt_value(coefficients: list[int], place: int, prime: int) -> int:
    exponent = 2 * int(f"{place:013b}"[::-1], 2) + 1
    return value_at(coefficients, pow(least_root(prime), exponent, prime), prime)


def slot_value(coefficients: list[int], slot: int) -> int:
    exponent = pow(3, slot % (N // 2), 2 * N)
    if slot >= N // 2:
        exponent = 2 * N - exponent
    return value_at(coefficients, pow(least_root(T), exponent, T), T)


# --- parameters ----------------------------------------------------------------------------------


def test_the_profile_is_what_seal_uses(engine: Engine) -> None:
    assert engine.context.parameters_set()
    assert all(pow(2, p - 1, p) == 1 and p % (2 * N) == 1 for p in (*KEY_PRIMES, T))
    assert np.prod([float(p) for p in KEY_PRIMES]) < 2.0**218


def test_other_primes_or_refused_parameters_stop_the_engine(monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.he.engine, "KEY_PRIMES", (*KEY_PRIMES[:3], 5))
        with pytest.raises(RuntimeError):
            Engine()
    monkeypatch.setattr(gateway.he.engine, "T", KEY_PRIMES[0])
    with pytest.raises(RuntimeError):
        Engine()  # plain modulus and Q share a prime


def test_no_operation_takes_a_secret_key_and_no_evaluation_key_exists() -> None:
    public = {name for name in dir(Engine) if not name.startswith("_")}
    assert public == {
        "add",
        "add_slots",
        "ciphertext",
        "encrypt",
        "load",
        "load_public_key",
        "multiply",
        "multiply_polynomial",
        "multiply_slots",
        "plaintext",
        "slots",
        "words",
    }


# --- words in and out ----------------------------------------------------------------------------


@pytest.mark.parametrize("polynomials", [2, 3])
def test_canonical_ciphertexts_pass_through_seal_unchanged(
    engine: Engine, rng: np.random.Generator, polynomials: int
) -> None:
    for words in (
        random_words(rng, polynomials),
        np.broadcast_to(
            np.array(DATA_PRIMES, np.uint64)[:, None] - np.uint64(1), (polynomials, 3, N)
        ),
    ):
        ciphertext = Ciphertext(words)
        again = engine.ciphertext(engine.load(ciphertext.words))
        assert again.encoded == ciphertext.encoded
        decoded = Ciphertext.decode(again.encoded, polynomials=polynomials)
        assert np.array_equal(decoded.words, words)


def test_coefficients_are_transformed_while_loading(
    engine: Engine, rng: np.random.Generator
) -> None:
    coefficients = random_words(rng)
    transformed = engine.words(engine.load(coefficients, ntt=False))
    for i, prime in enumerate(DATA_PRIMES):
        plain = [int(c) for c in coefficients[1, i]]
        for place in PLACES:
            assert int(transformed[1, i, place]) == ntt_value(plain, place, prime)
    assert np.array_equal(coefficients_of(engine, transformed), coefficients)


def test_seal_refuses_residues_and_shapes_that_are_not_the_profiles(
    engine: Engine, rng: np.random.Generator
) -> None:
    """The codec refuses them first; the engine does not rely on that."""
    words = random_words(rng)
    for i, prime in enumerate(DATA_PRIMES):
        bad = words.copy()
        bad[1, i, 77] = prime
        with pytest.raises(RuntimeError):
            engine.load(bad)
        with pytest.raises(MalformedMessage):
            Ciphertext(bad)
    for shape in (words[:1], words[:, :2], words[:, :, : N // 2]):
        with pytest.raises(RuntimeError):
            engine.load(shape)
    with pytest.raises(RuntimeError):
        engine.multiply_polynomial(engine.load(words), np.full(N, T, np.uint64))


def test_a_result_that_hides_nothing_is_an_error(engine: Engine, rng: np.random.Generator) -> None:
    handle = engine.load(random_words(rng))
    with pytest.raises(RuntimeError):
        engine.multiply_slots(handle, np.zeros(N, np.uint64))
    negative = engine.multiply_slots(handle, np.full(N, T - 1, np.uint64))
    with pytest.raises(RuntimeError):
        engine.add(handle, negative)


def test_inputs_that_cancel_are_refused(key: TestKey) -> None:
    """Ks T - Kn P = 0: a device that knows the template ciphertext could aim at it."""
    policy = default_policy(1)
    rule = policy.lanes[0]
    template = key.encrypt(np.arange(N, dtype=np.uint64))
    primes = np.array(DATA_PRIMES, dtype=object)[:, None]
    inverse = np.array([[pow(rule.kn, -1, p)] for p in DATA_PRIMES], dtype=object)
    probe = template.words.astype(object) * rule.ks * inverse % primes
    with pytest.raises(Refused):
        masked_product(
            key.engine,
            key.public,
            Ciphertext(probe.astype(np.uint64)),
            template,
            policy,
            ScriptedStream("x"),
        )


def test_coefficient_form_is_never_exported(engine: Engine, rng: np.random.Generator) -> None:
    handle = engine.load(random_words(rng))
    seal.Evaluator(engine.context).transform_from_ntt_inplace(handle)
    with pytest.raises(RuntimeError):
        engine.words(handle)


# --- operations, word by word --------------------------------------------------------------------


def test_multiply_and_add_are_pointwise(engine: Engine, rng: np.random.Generator) -> None:
    a, b = random_words(rng), random_words(rng)
    product = engine.words(engine.multiply(engine.load(a), engine.load(b)))
    total = engine.words(
        engine.add(engine.load(product), engine.load(a)),
    )
    assert product.shape == total.shape == (3, 3, N)
    for i, prime in enumerate(DATA_PRIMES):
        p = prime
        a0, a1, b0, b1 = (w[i].astype(object) for w in (*a, *b))
        assert (product[0, i] == a0 * b0 % p).all()
        assert (product[1, i] == (a0 * b1 + a1 * b0) % p).all()
        assert (product[2, i] == a1 * b1 % p).all()
        assert (total[0, i] == (product[0, i].astype(object) + a0) % p).all()
        assert (total[2, i] == product[2, i]).all()


def test_plaintext_slots_are_values_at_the_powers_of_three(
    engine: Engine, rng: np.random.Generator
) -> None:
    slots = rng.integers(0, T, N, np.uint64)
    coefficients = [int(c) for c in polynomial_of_slots(engine, slots)]
    for place in PLACES:
        assert slot_value(coefficients, place) == int(slots[place])


def test_multiply_by_slots_and_polynomials_lifts_around_zero(
    engine: Engine, rng: np.random.Generator
) -> None:
    words, slots = random_words(rng), rng.integers(0, T, N, np.uint64)
    coefficients = polynomial_of_slots(engine, slots)
    lifted = [int(c) for c in centred(coefficients.astype(np.int64), T)]
    by_slots = engine.words(engine.multiply_slots(engine.load(words), slots))
    by_polynomial = engine.words(engine.multiply_polynomial(engine.load(words), coefficients))
    assert np.array_equal(by_slots, by_polynomial)
    for i, prime in enumerate(DATA_PRIMES):
        for place in PLACES:
            factor = ntt_value(lifted, place, prime)
            for polynomial in (0, 1):
                expected = int(words[polynomial, i, place]) * factor % prime
                assert int(by_slots[polynomial, i, place]) == expected


def test_add_slots_touches_the_first_polynomial_only(
    engine: Engine, rng: np.random.Generator
) -> None:
    words, slots = random_words(rng, 3), rng.integers(0, T, N, np.uint64)
    result = engine.words(engine.add_slots(engine.load(words), slots))
    assert np.array_equal(result[1:], words[1:])
    plain = polynomial_of_slots(engine, slots)
    added = np.stack(
        [
            (result[0, i] + np.uint64(p) - words[0, i]) % np.uint64(p)
            for i, p in enumerate(DATA_PRIMES)
        ]
    )
    difference = from_residues(coefficients_of(engine, added[None])[0])
    assert (difference % T == plain.astype(object)).all()
    assert np.abs(difference).max() < T


def test_encryption_is_fresh_each_time_and_decrypts(key: TestKey, rng: np.random.Generator) -> None:
    slots = rng.integers(0, T, N, np.uint64)
    first, second = key.encrypt(slots), key.encrypt(slots)
    assert first.polynomials == 2
    assert (first.words == second.words).sum() < 10
    for ciphertext in (first, second, key.encrypt_symmetric(slots)):
        assert np.array_equal(key.decrypt(ciphertext), slots)


def test_operations_on_ciphertexts_are_operations_on_slots(
    key: TestKey, rng: np.random.Generator
) -> None:
    engine = key.engine
    a, b, c = (rng.integers(0, T, N, np.uint64) for _ in range(3))
    x, y = (engine.load(key.encrypt(s).words) for s in (a, b))

    def decrypted(handle) -> np.ndarray:
        return key.decrypt(engine.ciphertext(handle)).astype(object)

    a_, b_, c_ = (s.astype(object) for s in (a, b, c))
    assert (decrypted(engine.multiply(x, y)) == a_ * b_ % T).all()
    assert (decrypted(engine.add(engine.multiply(x, y), x)) == (a_ * b_ + a_) % T).all()
    assert (decrypted(engine.multiply_slots(x, c)) == a_ * c_ % T).all()
    assert (decrypted(engine.add_slots(x, c)) == (a_ + c_) % T).all()


def test_operations_leave_their_inputs_alone(engine: Engine, rng: np.random.Generator) -> None:
    a, b = random_words(rng), random_words(rng)
    x, y, slots = engine.load(a), engine.load(b), rng.integers(1, T, N, np.uint64)
    engine.multiply(x, y)
    engine.add(x, y)
    engine.add_slots(x, slots)
    engine.multiply_slots(x, slots)
    engine.multiply_polynomial(x, slots)
    assert np.array_equal(engine.words(x), a)
    assert np.array_equal(engine.words(y), b)


def test_one_engine_serves_many_threads(engine: Engine) -> None:
    def work(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        a, b = random_words(rng), random_words(rng)
        handle = engine.multiply(engine.load(a), engine.load(b))
        handle = engine.add_slots(handle, rng.integers(0, T, N, np.uint64))
        return engine.ciphertext(handle).encoded

    alone = [work(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, [*range(16)] * 3)) == alone * 3


# --- blinding ------------------------------------------------------------------------------------


def test_the_rerandomiser_is_u_times_the_public_key(key: TestKey) -> None:
    engine = key.engine
    words = engine.words(rerandomiser(engine, key.public, ScriptedStream("u"), "x"))
    u = ScriptedStream("u").ternary("x/u", N)
    transformed = ntt_of(engine, np.stack([to_residues(u)] * 2))[0]
    for i, prime in enumerate(DATA_PRIMES):
        for polynomial in (0, 1):
            expected = multiply_arrays(key.public.words[polynomial, i], transformed[i], prime)
            assert np.array_equal(words[polynomial, i], expected)


def test_the_flood_is_t_times_r_and_t_times_e1(engine: Engine) -> None:
    words = engine.words(noise(engine, ScriptedStream("r"), "x"))
    found = [from_residues(r) for r in coefficients_of(engine, words)]
    low, high = ScriptedStream("r").flood("x/r", N)
    r = low.astype(object) + (high.astype(object) << 62)
    e1 = ScriptedStream("r").centred_binomial("x/e1", N).astype(object)
    assert (found[0] == T * r).all()
    assert (found[1] == T * e1).all()
    assert 2 ** (FLOOD_BITS - 1) < np.abs(r).max() <= 2**FLOOD_BITS


def test_modular_products_are_exact_at_the_edges() -> None:
    rng = np.random.default_rng(6)
    for prime in DATA_PRIMES:
        edges = [0, 1, 2, prime - 1, prime - 2, prime // 2, 2**53, 2**53 + 1]
        values = np.array([*edges, *rng.integers(0, prime, 2000)], dtype=np.uint64)
        factors = [*edges, T, (T << 62) % prime, *(int(f) for f in rng.integers(0, prime, 50))]
        for factor in factors:
            expected = values.astype(object) * factor % prime
            assert (multiply_modulo(values, factor, prime) == expected).all()
            array = np.full_like(values, factor)
            assert (multiply_arrays(values, array, prime) == expected).all()
        inverses = invert_array(values, prime)
        assert (multiply_arrays(values, inverses, prime) == (values != 0)).all()
