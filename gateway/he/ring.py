"""Exact arithmetic on NTT words, and the two numbers on which a lane depends (protocol, 7).

In the ring R_Q let theta = x^(N/4) + x^(3N/4); theta^2 = -2. A lane's sum depends on two numbers of
a polynomial f only: f_0, and f_(N/4) + f_(3N/4). In NTT form these are half sums: f_0 is the mean
of all words, and the other is -theta times the mean, where theta is one square root of -2 in half
of the places and the other root in the rest.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.wire.evaluation import PerLane
from gateway.wire.polynomials import Words
from gateway.wire.profile import DATA_PRIMES, LANE, SENT_MODULUS, SENT_PRIMES, N, T

LaneNumbers = tuple[int, int]
"""f_0, and f_(N/4) + f_(3N/4)."""

THETA: Final = (28838005296477108, 42366860454112521, 47261850108204786)
"""theta in the first place of SEAL's NTT, modulo each data prime."""

LANE_FACTOR: Final = 38468360
"""g: lane = 4096 f_0 +- g (f_(N/4) + f_(3N/4)) modulo t, + for lane 0; 2 g^2 = -4096^2."""

_LOW_32 = np.uint64(2**32 - 1)
_32 = np.uint64(32)


def multiply_modulo(left: Words, right: Words | int, prime: int) -> Words:
    """left * right modulo a prime below 2^57; both are below the prime.

    The quotient is estimated in floating point and off by a few units; product and estimate are
    subtracted modulo 2^64, where the small difference is exact whatever was rounded.
    """
    factor = np.asarray(right, dtype=np.uint64)
    estimate = left.view(np.int64).astype(np.float64)  # signed words convert faster
    estimate *= factor.view(np.int64).astype(np.float64) / prime
    multiple = estimate.astype(np.int64).view(np.uint64)
    with np.errstate(over="ignore"):
        multiple *= np.uint64(prime)
        product = left * factor
        product -= multiple
    difference = product.view(np.int64)
    difference -= difference // np.int64(prime) * np.int64(prime)  # numpy's remainder is slower
    return product


def reduced(words: Words, prime: int) -> Words:
    """Words modulo a prime; numpy divides by one number faster than it takes remainders."""
    return words - words // np.uint64(prime) * np.uint64(prime)


def residues(values: NDArray[np.int64], primes: tuple[int, ...] = DATA_PRIMES) -> Words:
    """Small signed integers modulo each prime, shape (primes, 8192).

    Adding the prime to the negative ones is enough, and cheaper than a remainder.
    """
    negative = values < 0
    words = np.empty((len(primes), *values.shape), dtype=np.uint64)
    for i, prime in enumerate(primes):
        words[i] = np.where(negative, values + np.int64(prime), values).view(np.uint64)
    return words


def pair(words: Words) -> LaneNumbers:
    """The two numbers of a polynomial modulo Q', given in NTT form, shape (2, 8192)."""
    first = second = 0
    for i, prime in enumerate(SENT_PRIMES):
        # In SEAL's order of places theta is THETA in quarters 0 and 2, and -THETA in 1 and 3.
        quarters = [_sum(quarter) for quarter in words[i].reshape(4, N // 4)]
        plus, minus = quarters[0] + quarters[2], quarters[1] + quarters[3]
        lift = _LIFTS[i]
        first += (plus + minus) * _INVERSE_N[i] % prime * lift
        second += (minus - plus) * _INVERSE_N[i] * THETA[i] % prime * lift
    return first % SENT_MODULUS, second % SENT_MODULUS


def centred(number: int, modulus: int = SENT_MODULUS) -> int:
    """The representative in (-modulus/2, modulus/2]."""
    number %= modulus
    return number - modulus if number > modulus // 2 else number


def lanes(numbers: LaneNumbers) -> PerLane:
    """Sums of the lanes' slots modulo t, of a plaintext with these two numbers."""
    middle, side = LANE * numbers[0], LANE_FACTOR * numbers[1]
    return (middle + side) % T, (middle - side) % T


def lane_sums(slots: NDArray[np.uint64]) -> PerLane:
    """Sum of each lane's slots modulo t."""
    first, second = (int(lane.sum()) % T for lane in slots.reshape(2, LANE))
    return first, second


def _sum(words: Words) -> int:
    """Sum of words below 2^57, exactly: in halves, because 2048 such words overflow 64 bits."""
    return (int((words >> _32).sum()) << 32) + int((words & _LOW_32).sum())


_INVERSE_N: Final = tuple(pow(N, -1, prime) for prime in SENT_PRIMES)
_LIFTS: Final = tuple(
    SENT_MODULUS // prime * pow(SENT_MODULUS // prime, -1, prime) for prime in SENT_PRIMES
)
"""Chinese remaindering: 1 modulo this prime, 0 modulo the other."""
