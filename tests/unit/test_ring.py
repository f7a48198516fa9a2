"""Exact arithmetic modulo the primes, and the two lanes of a product's coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.he import ring
from gateway.he.engine import default_engine
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, LANE, SENT_MODULUS, SENT_PRIMES, N, T
from tests.support import slow_product
from tests.support.he import multiply_exact, slots_of_polynomial
from tests.support.slow_product import least_root


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("prime", KEY_PRIMES)
def test_modular_products_are_exact_at_the_edges(prime: int) -> None:
    rng = np.random.default_rng(6)
    edges = [0, 1, 2, prime - 1, prime - 2, prime // 2, prime // 2 + 1, 2**45, 2**45 + 1]
    edges += [2**53 % prime, (2**53 + 1) % prime]
    values = np.array([*edges, *rng.integers(0, prime, 3000)], dtype=np.uint64)
    factors = [*edges, T, (T << 36) % prime, *(int(f) for f in rng.integers(0, prime, 60))]
    for factor in factors:
        expected = values.astype(object) * factor % prime
        assert (ring.multiply_modulo(values, factor, prime) == expected).all()
        array = np.full_like(values, factor)
        assert (ring.multiply_modulo(values, array, prime) == expected).all()
        assert (multiply_exact(values, array, prime) == expected).all()


@pytest.mark.parametrize("prime", KEY_PRIMES)
def test_modular_products_are_exact_where_the_quotient_is_closest(prime: int) -> None:
    """Solved for, not drawn: left * right = k prime + d with |d| <= 2, where rounding tips over."""
    rng = np.random.default_rng(7)
    rights = [int(r) for r in rng.integers(1, prime, 400)] + [prime - 1, prime // 2, 2, 3]
    for d in (-2, -1, 0, 1, 2):
        left = np.array([d * pow(r, -1, prime) % prime for r in rights], dtype=np.uint64)
        right = np.array(rights, dtype=np.uint64)
        assert (ring.multiply_modulo(left, right, prime) == np.uint64(d % prime)).all()


def test_small_integers_as_residues() -> None:
    values = np.array([0, 1, -1, 2**40, -(2**40), 21 * T, -21 * T])
    for i, prime in enumerate(DATA_PRIMES):
        assert ring.residues(values)[i].tolist() == [int(v) % prime for v in values]


def test_pair_is_coefficient_zero_and_a_sum_of_two(rng: np.random.Generator) -> None:
    """Half sums of NTT words against the coefficients themselves."""
    for _ in range(20):
        words = np.stack([rng.integers(0, p, N, np.uint64) for p in SENT_PRIMES])
        coefficients = np.stack(
            [slow_product.inverse(words[i].astype(object), p) for i, p in enumerate(SENT_PRIMES)]
        )
        whole = slow_product.combined(list(coefficients))
        expected = whole[0], (whole[N // 4] + whole[3 * N // 4]) % SENT_MODULUS
        assert ring.pair(words) == expected
    for place, expected in ((0, (1, 0)), (N // 4, (0, 1)), (3 * N // 4, (0, 1)), (5, (0, 0))):
        one = np.zeros(N, dtype=object)
        one[place] = 1
        words = np.stack([slow_product.transform(one, p) for p in SENT_PRIMES]).astype(np.uint64)
        assert ring.pair(words) == expected


def test_lanes_are_the_three_coefficient_form_and_seal_s_decoder(rng: np.random.Generator) -> None:
    """A lane's sum depends on f_0, f_(N/4) and f_(3N/4) alone, in this way: by SEAL's slots."""
    engine = default_engine()
    for _ in range(20):
        polynomial = rng.integers(0, T, N, np.uint64)
        slots = slots_of_polynomial(engine, polynomial)
        sums = tuple(int(lane.sum()) % T for lane in slots.reshape(2, LANE))
        f0, f1, f3 = (int(polynomial[place]) for place in (0, N // 4, 3 * N // 4))
        assert ring.lane_sums(slots) == sums
        assert ring.lanes((f0, f1 + f3)) == sums
        middle, side = LANE * f0, 38468360 * (f1 + f3)
        assert sums == ((middle + side) % T, (middle - side) % T)
        others = polynomial.copy()
        others[1 : N // 4] = rng.integers(0, T, N // 4 - 1, np.uint64)
        assert ring.lane_sums(slots_of_polynomial(engine, others)) == sums


def test_constants_of_the_lanes() -> None:
    """2 g^2 = -4096^2 modulo t, theta^2 = -2: each from its definition."""
    assert ring.LANE_FACTOR == 38468360
    assert (2 * ring.LANE_FACTOR**2 + LANE**2) % T == 0
    for theta, prime in zip(ring.THETA, DATA_PRIMES, strict=True):
        assert (theta**2 + 2) % prime == 0
        psi = least_root(prime)
        assert theta == (pow(psi, N // 4, prime) + pow(psi, 3 * N // 4, prime)) % prime


def test_a_wrap_never_shifts_a_lane_by_nothing() -> None:
    """Q' = 1 modulo t, so a wrap adds 4096 k +- g l to a lane: a unit for k, l in -1, 0, 1."""
    for k in (-1, 0, 1):
        for l in (-1, 0, 1):  # noqa: E741
            shifts = ring.lanes((k * SENT_MODULUS, l * SENT_MODULUS))
            assert (0 in shifts) == (k == l == 0)


def test_centred_numbers() -> None:
    half = SENT_MODULUS // 2
    cases = {0: 0, half: half, half + 1: half + 1 - SENT_MODULUS, -1: -1, SENT_MODULUS - 1: -1}
    for number, expected in cases.items():
        assert ring.centred(number) == expected
    assert (ring.centred(9, 17), ring.centred(8, 17)) == (-8, 8)
