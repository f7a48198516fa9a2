"""Probes that no honest client makes: any ring element as a phase (protocol, sections 5 and 13).

Only the phase of a ciphertext counts, P_0 + P_1 s modulo Q. Whoever has the public key can make a
ciphertext with any phase, plus noise. With P_1 = t the noise is t s alone, the least possible. Each
function below makes a phase that once broke a version of the protocol, that the proof of
well-formedness must exclude, or that solves an equation which a weaker test would accept.

Phases are residues in NTT form, shape (3, 8192). In this form a constant is the same word in every
place, and products and quotients are taken place by place.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import Engine
from gateway.he.frame import lane_slots
from gateway.he.randomness import FLOOD_BITS
from gateway.he.ring import multiply_modulo
from gateway.he.session_key import SessionKey
from gateway.lab.attack.phases import polynomial_of
from gateway.wire.polynomials import Ciphertext, Words
from gateway.wire.profile import DATA_PRIMES, LANE, N, T

Values = NDArray[np.int64]
"""Signed values of all 8192 slots."""

Noise = Literal["full", "least"]

Q: Final = math.prod(DATA_PRIMES)


# --- from a phase to what is handed in -----------------------------------------------------------


def probe_with(engine: Engine, key: SessionKey, phase: Words, noise: Noise) -> Ciphertext:
    """A canonical ciphertext with this phase, plus noise.

    Args:
        key: a session's public key, all that a device needs.
        noise: "full": that of SEAL's encryption of zero, so it looks like any other probe;
            "least": t s alone, for which no key is needed.
    """
    if noise == "full":
        words = engine.encrypt(key.words, np.zeros(N, dtype=np.uint64)).copy()
    else:
        words = np.stack([np.zeros((len(DATA_PRIMES), N), dtype=np.uint64), constant(T)])
    words[0] = added(words[0], phase)
    return Ciphertext(words)


# --- building blocks -----------------------------------------------------------------------------


def slots(engine: Engine, values: Values) -> Words:
    """The polynomial with these slots, coefficients below t/2. An honest phase lies near it."""
    return polynomial_of(engine, lane_slots(values[:LANE], values[LANE:]))


def constant(*values: int) -> Words:
    """A constant phase: one number, or one for each prime."""
    each = values * len(DATA_PRIMES) if len(values) == 1 else values
    return np.stack(
        [np.full(N, v % p, dtype=np.uint64) for v, p in zip(each, DATA_PRIMES, strict=True)]
    )


def monomial(engine: Engine, coefficient: int, place: int) -> Words:
    """coefficient * x^place."""
    polynomial = np.zeros((2, len(DATA_PRIMES), N), dtype=np.uint64)
    polynomial[:, :, place] = [coefficient % prime for prime in DATA_PRIMES]
    transformed: Words = engine.transformed(polynomial)[0]
    return transformed.copy()


def added(left: Words, right: Words) -> Words:
    """Sum in the ring."""
    return np.stack([(left[i] + right[i]) % np.uint64(p) for i, p in enumerate(DATA_PRIMES)])


def multiplied(left: Words, right: Words) -> Words:
    """Product in the ring."""
    return np.stack([multiply_modulo(left[i], right[i], p) for i, p in enumerate(DATA_PRIMES)])


def divided(phase: Words, divisor: int) -> Words:
    """phase / divisor modulo Q."""
    return multiplied(phase, constant(pow(divisor, -1, Q)))


# --- phases --------------------------------------------------------------------------------------


def square_root(engine: Engine, signs: Values, scale: int) -> Words:
    """``scale`` times the signs modulo t, but the square modulo Q is small, and 1 modulo t.

    phi = poly(scale * signs) + c with c near sqrt((scale^2 - 1) Q) and divisible by t: c^2 loses
    (scale^2 - 1) Q, which is scale^2 - 1 modulo t. So rho finds signs, but the template is
    multiplied by ``scale`` times as much (protocol, section 13.4).
    """
    root = math.isqrt((scale * scale - 1) * Q)
    return added(slots(engine, scale * signs), constant(root - root % T))


def inflated(engine: Engine, signs: Values, spread: float) -> Words:
    """Honest signs, with so much noise that the flood spreads the product over ``spread`` Q.

    Every wrap of coefficient 0 adds 4096 to both lanes, before they are divided by omega (protocol,
    section 13.5).
    """
    coefficient = int(spread * Q / 2) // (T * T << FLOOD_BITS)
    return added(slots(engine, signs), monomial(engine, T * coefficient, 5))


def inflated_square(engine: Engine, signs: Values, spread: float) -> Words:
    """The same with rho: the square of the noise, times rho, spreads over ``spread`` Q."""
    coefficient = math.isqrt(int(spread * Q) // T**3)
    return added(slots(engine, signs), monomial(engine, T * coefficient, 5))


def fraction(engine: Engine, signs: Values, scale: int, denominator: int) -> Words:
    """nu / n: ``scale`` times the signs modulo t, but a phase near multiples of Q / n.

    With denominator t there are no slots: the phase is (scale * signs) / t.
    """
    value = scale * denominator % T or scale
    return divided(slots(engine, np.mod(value * signs, T)), denominator)


def fraction_of_signs(engine: Engine, signs: Values, denominator: int) -> Words:
    """(n + t) / n times the signs: truly signs, but only where n divides (soundness, L5)."""
    return divided(multiplied(slots(engine, signs), constant(denominator + T)), denominator)


def per_prime(engine: Engine, signs: Values, constants: Sequence[int]) -> Words:
    """The signs' polynomial, times another constant modulo each prime of Q."""
    return multiplied(slots(engine, signs), constant(*constants))


def zero_divisor(engine: Engine, signs: Values, prime: int, kept: NDArray[np.bool_]) -> Words:
    """The signs' polynomial, with words modulo one prime set to zero: a zero divisor."""
    phase = slots(engine, signs)
    phase[prime] *= kept.astype(np.uint64)
    return phase


def idempotent(kept: NDArray[np.bool_]) -> Words:
    """e with e^2 = e: words of 0 and 1, given for each prime, shape (3, 8192)."""
    return kept.astype(np.uint64)


def root_of_one(minus: NDArray[np.bool_]) -> Words:
    """A phase whose square is exactly 1: words of 1 and -1, given for each prime, (3, 8192).

    There are 2^24576 of them, and rho cancels in every one; hardly any has slots of its own.
    """
    primes = np.array(DATA_PRIMES, dtype=np.uint64)[:, None]
    return np.where(minus, primes - np.uint64(1), np.uint64(1)).astype(np.uint64)


def scalar(value: int) -> Words:
    """A constant phase, any number modulo Q."""
    return constant(value)


def small_square(bound: int, k: int) -> tuple[int, int, int]:
    """(mu, b, s): phi = mu / b is s modulo t, and phi^2 = (mu^2 + k Q) / b^2 is 1 modulo t.

    With b from ``bound`` on, near sqrt(t), both mu (2^54) and the square (Q / b^2) are small, which
    no phase without a denominator achieves. s^2 = 1 - k / b^2 modulo t, mu^2 = -k Q modulo b^2.

    Raises:
        ValueError: there is no such b within a few thousand.
    """
    for b in range(bound | 1, bound + 4000, 2):
        if any(b % d == 0 for d in range(3, math.isqrt(b) + 1, 2)):
            continue
        s = root_modulo((1 - k * pow(b, -2, T)) % T, T)
        root = root_modulo(-k * Q % b, b)
        if s is None or root is None or root == 0:
            continue
        square = b * b
        lifted = (root - (root * root + k * Q) * pow(2 * root, -1, square)) % square
        mu = lifted + square * ((s * b - lifted) * pow(square, -1, T) % T)
        return mu, b, s
    raise ValueError("no such denominator")


def root_modulo(value: int, prime: int) -> int | None:
    """A square root modulo an odd prime by Cipolla's algorithm; None if there is none."""
    value %= prime
    if value == 0:
        return 0
    if pow(value, (prime - 1) // 2, prime) != 1:
        return None
    a = next(
        a
        for a in range(prime)
        if pow((a * a - value) % prime, (prime - 1) // 2, prime) == prime - 1
    )
    square = (a * a - value) % prime
    x, y, u, v, exponent = 1, 0, a, 1, (prime + 1) // 2
    while exponent:
        if exponent & 1:
            x, y = (x * u + y * v * square) % prime, (x * v + y * u) % prime
        u, v, exponent = (u * u + v * v * square) % prime, 2 * u * v % prime, exponent >> 1
    return x


# --- by name -------------------------------------------------------------------------------------

Family = Callable[[Engine, Values], Words]

SCALES: Final = (2, 3, 12, 30)
SPREADS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
DENOMINATORS: Final = (2, 3, 4, 5, 7, 8, 11, 16, 32, 47, 64)
MIXES: Final = ((1, 1, -1), (1, -1, 1), (-1, 1, 1), (1, 0, 0), (0, 1, 1), (1, 1, 0), (3, 3, 1))


def families() -> dict[str, Family]:
    """Phases that no honest client makes, by name. Each is given the signs that it carries."""
    found: dict[str, Family] = {}
    for s in SCALES:
        found[f"square root, scale {s}"] = partial(square_root, scale=s)
    for spread in SPREADS:
        found[f"noise over {spread:g} Q"] = partial(inflated, spread=spread)
        found[f"squared noise over {spread:g} Q"] = partial(inflated_square, spread=spread)
    for n in DENOMINATORS:
        found[f"3 nu / {n}"] = partial(fraction, scale=3, denominator=n)
    for n in (4, 16, 64):
        found[f"signs, ({n} + t) / {n}"] = partial(fraction_of_signs, denominator=n)
    for s in (1, 12):
        found[f"{s} nu / t"] = partial(fraction, scale=s, denominator=T)
    for mix in MIXES:
        found[f"times {mix} modulo the primes"] = partial(per_prime, constants=mix)
    for i in range(len(DATA_PRIMES)):
        name = f"half the words modulo prime {i + 1} zero"
        found[name] = partial(zero_divisor, prime=i, kept=_some_places(i)[i])
    found["idempotent"] = _whatever_the_signs(idempotent(_some_places(7)))
    found["root of one"] = _whatever_the_signs(root_of_one(_some_places(8)))
    found["root of one in one place"] = _whatever_the_signs(root_of_one(_first_place()))
    return found


def _whatever_the_signs(phase: Words) -> Family:
    def same(_: Engine, __: Values) -> Words:
        return phase

    return same


def _some_places(seed: int) -> NDArray[np.bool_]:
    """Half of all places, the same in every run."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (len(DATA_PRIMES), N)).astype(np.bool_)


def _first_place() -> NDArray[np.bool_]:
    places = np.zeros((len(DATA_PRIMES), N), dtype=np.bool_)
    places[0, 0] = True
    return places
