"""The engine against arithmetic written out in plain Python, and what it refuses.

SEAL's NTT puts the value at psi^(2 bitrev(i) + 1) into place i, psi being the least primitive
2N-th root of unity; its batch encoder puts slot i at the root with exponent 3^i, the second half at
the negative exponents. Both are checked here by Horner's rule in Python integers. Whole products
are compared with ``tests.support.slow_product``, which uses neither SEAL nor our code.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gateway.he.engine
from gateway.he import ring
from gateway.he.engine import Engine, EngineName, default_engine
from gateway.he.engines import make_engine
from gateway.he.product import padded_score
from gateway.lab.attack.phases import multiply_slots
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import (
    DATA_PRIMES,
    KEY_PRIMES,
    LANE,
    SENT_MODULUS,
    SENT_PRIMES,
    N,
    T,
)
from tests.support import slow_product
from tests.support.he import (
    ScriptedStream,
    TestKey,
    coefficients_of,
    from_residues,
    polynomial_of_slots,
    slots_of_polynomial,
)
from tests.support.slow_product import least_root

PLACES = (0, 1, 2, 4095, 4096, 5000, 8191)
ENGINES: tuple[EngineName, ...] = ("seal-python", "tenseal")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return make_engine(request.param)


@pytest.fixture(scope="module")
def key() -> TestKey:
    return TestKey()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def random_words(
    rng: np.random.Generator, polynomials: int = 2, primes: tuple[int, ...] = DATA_PRIMES
) -> np.ndarray:
    bounds = np.array(primes, dtype=np.uint64)[:, None]
    return rng.integers(0, 2**63, (polynomials, len(primes), N), np.uint64) % bounds


def objects(words: np.ndarray) -> np.ndarray:
    return words.astype(object)


# --- the slow reference --------------------------------------------------------------------------


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
    assert np.prod(np.array(KEY_PRIMES, dtype=object)) < 2**218
    assert [p.bit_length() for p in KEY_PRIMES] == [56, 56, 56, 46]


def test_switching_leaves_the_plaintext_as_it_is() -> None:
    """Q = 1 and Q' = 1 modulo t: every data prime is, so the correction factor stays 1."""
    assert [p % (2 * N * T) for p in DATA_PRIMES] == [1, 1, 1]
    assert DATA_PRIMES[:2] == SENT_PRIMES
    assert SENT_MODULUS % T == SENT_MODULUS * DATA_PRIMES[2] % T == 1


def test_other_primes_or_refused_parameters_stop_the_engine(monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.he.engine, "KEY_PRIMES", (*KEY_PRIMES[:3], 5))
        with pytest.raises((RuntimeError, ValueError)):
            Engine()
    monkeypatch.setattr(gateway.he.engine, "T", KEY_PRIMES[0])
    with pytest.raises((RuntimeError, ValueError)):
        Engine()  # plain modulus and Q share a prime


def test_no_operation_takes_a_secret_key_and_no_evaluation_key_exists() -> None:
    """What draws or exports one is named for the authority, and used by ``keys.authority`` only."""
    public = {name for name in dir(Engine) if not name.startswith("_")}
    for_the_authority = {"key_generator", "exported", "overwrite_pool"}
    assert public == for_the_authority | {
        "encrypt",
        "folded_square",
        "library",
        "name",
        "plaintext",
        "transformed",
    }


def test_engines_go_by_their_names() -> None:
    assert default_engine() is default_engine()
    assert type(default_engine()) is Engine
    assert [make_engine(name).name for name in ENGINES] == list(ENGINES)
    assert type(make_engine("tenseal")) is not Engine


# --- words in and out ----------------------------------------------------------------------------


@pytest.mark.parametrize("polynomials", [2, 3])
@pytest.mark.parametrize("primes", [DATA_PRIMES, SENT_PRIMES], ids=["Q", "sent"])
def test_words_pass_through_seal_unchanged(
    engine: Engine, rng: np.random.Generator, polynomials: int, primes: tuple[int, ...]
) -> None:
    largest = np.array(primes, np.uint64)[:, None] - np.uint64(1)
    for words in (
        random_words(rng, polynomials, primes),
        np.broadcast_to(largest, (polynomials, len(primes), N)),
    ):
        again = engine._words(engine._load(words), len(primes))
        assert np.array_equal(again, words)


@pytest.mark.parametrize("primes", [DATA_PRIMES, SENT_PRIMES], ids=["Q", "sent"])
@pytest.mark.parametrize("polynomials", [2, 3])
def test_transforms_are_horner_s(
    engine: Engine, rng: np.random.Generator, polynomials: int, primes: tuple[int, ...]
) -> None:
    coefficients = random_words(rng, polynomials, primes)
    transformed = engine.transformed(coefficients)
    for i, prime in enumerate(primes):
        plain = [int(c) for c in coefficients[-1, i]]
        for place in PLACES:
            assert int(transformed[-1, i, place]) == ntt_value(plain, place, prime)
        whole = slow_product.transform(objects(coefficients[0, i]), prime)
        assert (objects(transformed[0, i]) == whole).all()


def test_seal_refuses_residues_and_shapes_that_are_not_the_profiles(
    engine: Engine, rng: np.random.Generator
) -> None:
    """The codec refuses them first; the engine does not rely on that."""
    words, slots = random_words(rng), np.ones(N, np.uint64)
    assert engine.folded_square(words, slots, words).shape == (3, 2, N)
    for i, prime in enumerate(DATA_PRIMES):
        bad = words.copy()
        bad[1, i, 77] = prime
        with pytest.raises((RuntimeError, ValueError)):
            engine.folded_square(bad, slots, words)
        with pytest.raises((RuntimeError, ValueError)):
            engine.folded_square(words, slots, bad)
        with pytest.raises(MalformedMessage):
            Ciphertext(bad)
    for shape in (words[:1], words[:, :, : N // 2]):
        with pytest.raises((RuntimeError, ValueError)):
            engine.folded_square(shape, slots, words)


@pytest.mark.parametrize(
    "slots",
    [
        np.full(N, T, np.uint64),
        np.append(np.zeros(N - 1, np.uint64), np.uint64(2**64 - 1)),
        np.zeros(N - 1, np.uint64),
        np.zeros(N + 1, np.uint64),
        np.zeros((2, LANE), np.uint64),
    ],
    ids=["t", "minus-one", "8191", "8193", "two-rows"],
)
def test_slots_that_seal_would_reduce_or_fill_up_are_refused(
    engine: Engine, slots: np.ndarray
) -> None:
    with pytest.raises(CallerMisuse):
        engine.plaintext(slots)


def test_a_result_that_hides_nothing_is_an_error(engine: Engine, rng: np.random.Generator) -> None:
    """-1 times what is added again: the second polynomials vanish."""
    words, minus = random_words(rng), np.full(N, T - 1, np.uint64)
    with pytest.raises((RuntimeError, ValueError)):
        engine.folded_square(words, minus, words)


def test_inputs_that_cancel_are_refused(key: TestKey) -> None:
    """omega T + rho P = 0, if a device knew omega and rho beforehand and took P for T."""
    stream = ScriptedStream("cancels", omega=5, rho=T - 5, beta="off", rerandomise=False)
    ciphertext = key.encrypt(np.arange(N, dtype=np.uint64))
    with pytest.raises(Refused):
        padded_score(key.engine, key.public, ciphertext, ciphertext, stream)


# --- operations, word by word --------------------------------------------------------------------


def test_plaintext_slots_are_values_at_the_powers_of_three(rng: np.random.Generator) -> None:
    engine = default_engine()
    slots = rng.integers(0, T, N, np.uint64)
    made = polynomial_of_slots(engine, slots)
    coefficients = [int(c) for c in made]
    for place in PLACES:
        assert slot_value(coefficients, place) == int(slots[place])
    assert (objects(made) == slow_product.polynomial_of(objects(slots))).all()
    assert np.array_equal(slots_of_polynomial(engine, made), slots)


def test_multiplying_by_slots_lifts_around_zero(engine: Engine, rng: np.random.Generator) -> None:
    words, slots = random_words(rng), rng.integers(0, T, N, np.uint64)
    lifted = slow_product.lifted(slow_product.polynomial_of(objects(slots)))
    result = multiply_slots(engine, words, slots)
    for i, prime in enumerate(DATA_PRIMES):
        factor = slow_product.transform(lifted, prime)
        for polynomial in (0, 1):
            expected = objects(words[polynomial, i]) * factor % prime
            assert (objects(result[polynomial, i]) == expected).all()


def test_the_folded_square_word_by_word(engine: Engine, rng: np.random.Generator) -> None:
    """c (slots c + addend), then each polynomial divided by the last prime."""
    words, addend = random_words(rng), random_words(rng)
    slots = rng.integers(0, T, N, np.uint64)
    result = engine.folded_square(words, slots, addend)
    assert result.shape == (3, 2, N)
    lifted = slow_product.lifted(slow_product.polynomial_of(objects(slots)))
    product = np.empty((3, 3, N), dtype=object)
    for i, prime in enumerate(DATA_PRIMES):
        p0, p1 = objects(words[:, i])
        x0, x1 = slow_product.transform(lifted, prime) * objects(words[:, i]) + objects(
            addend[:, i]
        )
        product[:, i] = p0 * x0 % prime, (p0 * x1 + p1 * x0) % prime, p1 * x1 % prime
    for polynomial in range(3):
        assert (objects(result[polynomial]) == slow_product.switch(product[polynomial])).all()


def test_operations_leave_their_inputs_alone(engine: Engine, rng: np.random.Generator) -> None:
    given = random_words(rng), rng.integers(1, T, N, np.uint64), random_words(rng)
    before = [array.copy() for array in given]
    engine.folded_square(*given)
    engine.transformed(given[0])
    for array, copy in zip(given, before, strict=True):
        assert np.array_equal(array, copy)


def test_encryption_is_fresh_each_time_and_decrypts(
    engine: Engine, key: TestKey, rng: np.random.Generator
) -> None:
    slots = rng.integers(0, T, N, np.uint64)
    first, second = (Ciphertext(engine.encrypt(key.public.words, slots)) for _ in range(2))
    assert (first.words == second.words).sum() < 10
    for ciphertext in (first, second):
        assert np.array_equal(key.decrypt(ciphertext), slots)


def test_every_bit_of_the_key_enters_an_encryption(key: TestKey) -> None:
    """The public key goes in through a layout of our own: another half makes other slots."""
    other = TestKey(seed=key.uniform.seed)
    slots = np.arange(N, dtype=np.uint64)
    _, a = key.public.words
    crossed = Ciphertext(key.engine.encrypt((other.public.words[0], a), slots))
    assert (key.decrypt(crossed) != slots).sum() > N - 100
    assert np.array_equal(other.decrypt(crossed), slots)


def test_one_engine_serves_many_threads(engine: Engine) -> None:
    def work(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        slots = rng.integers(0, T, N, np.uint64)
        words, addend = random_words(rng), random_words(rng)
        return engine.folded_square(words, slots, addend).tobytes()

    alone = [work(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, [*range(8)] * 3)) == alone * 3


# --- second polynomials --------------------------------------------------------------------------


def own_encryption(key: TestKey, b: np.ndarray, slots: np.ndarray, seed: int) -> Ciphertext:
    """An encryption by the protocol's words, with a generator of the test's own.

    P = u (b, a) + t (e0, e1), divided by the special prime as SEAL divides, plus the plaintext.
    """
    rng = np.random.default_rng(seed)
    u = rng.integers(-1, 2, N).astype(object)
    errors = rng.integers(-8, 9, (2, N)).astype(object) * T
    before = np.empty((2, 4, N), dtype=object)
    for i, prime in enumerate(KEY_PRIMES):
        factor = slow_product.transform(u % prime, prime)
        for j, half in enumerate((b, key.uniform.words)):
            noise = slow_product.transform(errors[j] % prime, prime)
            before[j, i] = (factor * objects(half[i]) + noise) % prime
    special = KEY_PRIMES[3]
    made = np.empty((2, 3, N), dtype=object)
    for j in (0, 1):
        rest = slow_product.inverse(before[j, 3], special)
        delta = rest + special * (-rest * pow(special, -1, T) % T)
        for i, prime in enumerate(DATA_PRIMES):
            shifted = before[j, i] - slow_product.transform(delta % prime, prime)
            made[j, i] = shifted * pow(special, -1, prime) % prime
    message = slow_product.polynomial_of(objects(slots))
    for i, prime in enumerate(DATA_PRIMES):
        made[0, i] = (made[0, i] + slow_product.transform(message, prime)) % prime
    return Ciphertext(made.astype(np.uint64))


@pytest.mark.slow
def test_c2_is_the_same_for_two_faces_under_the_same_randomness(key: TestKey) -> None:
    """What the authority sees of the third polynomial depends on what encryptors drew alone.

    Two plaintexts, and two halves b, one of them chosen by the authority: equal second polynomials
    of the probe, so equal third polynomials of the product. The first polynomials differ.
    """
    rng = np.random.default_rng(11)
    faces = [rng.integers(0, T, N, np.uint64) for _ in range(2)]
    constant = np.full((4, N), 3, dtype=np.uint64)
    template = own_encryption(key, key.public.words[0], faces[1], seed=2)

    def third_of(probe: Ciphertext) -> bytes:
        score = padded_score(key.engine, key.public, probe, template, ScriptedStream("same"))
        return score.product.tail.words[1].tobytes()

    firsts, thirds = set(), set()
    for b in (key.public.words[0], constant):
        for slots in faces:
            probe = own_encryption(key, b, slots, seed=1)
            firsts.add(probe.words[0].tobytes())
            thirds.add(third_of(probe))
    assert len(firsts) == 4
    assert len(thirds) == 1
    other = own_encryption(key, constant, faces[0], seed=3)
    assert third_of(other) not in thirds  # the control: another draw


def test_own_encryption_decrypts(key: TestKey, rng: np.random.Generator) -> None:
    slots = rng.integers(0, T, N, np.uint64)
    made = own_encryption(key, key.public.words[0], slots, seed=1)
    assert np.array_equal(key.decrypt(made), slots)


# --- the padded product --------------------------------------------------------------------------


def test_the_product_s_parts_under_chosen_randomness(key: TestKey) -> None:
    """u (b, a) + (0, t e1) is what the mask adds, and the pad what the head carries."""
    rng = np.random.default_rng(8)
    probe, template = (key.encrypt(rng.integers(0, T, N, np.uint64)) for _ in range(2))

    def made(**chosen) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
        stream = ScriptedStream("parts", **chosen)
        score = padded_score(key.engine, key.public, probe, template, stream)
        return score.product.tail.words, score.product.head, np.array(score.offsets)

    plain = made(rerandomise=False, pads=(0, 0))
    masked = made(pads=(0, 0))
    padded = made(pads=(17, SENT_MODULUS - 5))
    u = ScriptedStream("parts").ternary("u", N).astype(object)
    e1 = ScriptedStream("parts").centred_binomial("e1", N).astype(object) * T
    products = []
    for i, prime in enumerate(SENT_PRIMES):
        factor = slow_product.transform(u % prime, prime)
        a = objects(key.uniform.words[i])
        c1 = objects(plain[0][0, i]) + factor * a + slow_product.transform(e1 % prime, prime)
        assert (objects(masked[0][0, i]) == c1 % prime).all()
        assert np.array_equal(masked[0][1, i], plain[0][1, i])
        products.append(factor * objects(key.public.half.words[0, i]) % prime)
    shift = ring.pair(np.stack(products).astype(np.uint64))
    for place in (0, 1):
        assert (plain[1][place] + shift[place] - masked[1][place]) % SENT_MODULUS == 0
    assert [(a - b) % SENT_MODULUS for a, b in zip(padded[1], masked[1], strict=True)] == [
        17,
        SENT_MODULUS - 5,
    ]
    omega = ScriptedStream("parts").unit("omega")
    lanes = ring.lanes((17, -5))
    assert [int(v) % T for v in (padded[2] - masked[2]) * omega] == list(lanes)


def test_the_flood_and_the_scaled_template(key: TestKey) -> None:
    """t beta stands on the first polynomial of omega T: the phase before the product, exactly."""
    from gateway.he.product import _flood

    low, high = ScriptedStream("flood").flood("beta", N)
    beta = low.astype(object) + (high.astype(object) << 36) - 2**76
    found = from_residues(_flood(ScriptedStream("flood")))
    assert (found == T * beta).all()
    assert 2**75 < np.abs(beta).max() <= 2**76
    words = key.engine.transformed(np.stack([_flood(ScriptedStream("flood"))] * 2))
    assert (from_residues(coefficients_of(key.engine, words)[0]) == T * beta).all()
