"""Dividing out the gateway's multiplier: what a curious authority computes from what it sees.

The blinded rows are the authority's own encrypted bits times a polynomial W of the gateway's, plus
shares. Whoever learns W reads off its slots where the bounds lie, and with them the score.

- Without re-randomisation the second polynomial of the rows is that of the bits times W, slot by
  slot and exactly.
- Without flooding the exact phase of the rows is W times that of the bits, plus little: a division
  in the complex embedding gives each of W's 8192 coefficients to within a few units. On one lane
  half of W's slots are known to be zero, which fixes the last units: four coefficients at a time
  are a point of a lattice of dimension 4.

No secret key is used here; the phases come from ``gateway.attack.spying_authority``.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from gateway.he import layout
from gateway.he.blinding import multiply_modulo
from gateway.he.engine import Engine, Slots
from gateway.wire.polynomials import Ciphertext, Words
from gateway.wire.profile import COMPARISON, COMPARISONS_PER_LANE, DATA_PRIMES, N, T

Integers = NDArray[np.int64]

_Q = DATA_PRIMES[0] * DATA_PRIMES[1] * DATA_PRIMES[2]
_SAVED_HEADER_BYTES = 16


def multiplier_from_second_polynomial(rows: Ciphertext, bits: Ciphertext, engine: Engine) -> Slots:
    """Slots of W, as c1 of the rows over c1 of the bits says."""
    prime = DATA_PRIMES[0]
    quotient: Words = np.ones((1, len(DATA_PRIMES), N), dtype=np.uint64)
    quotient[0, 0] = multiply(rows.words[1, 0], _inverse(bits.words[1, 0], prime), prime)
    coefficients = coefficients_of(engine, quotient)[0, 0].astype(np.int64)
    centred = np.where(coefficients > prime // 2, coefficients - prime, coefficients)
    return _slots(engine, centred)


def multiplier_from_phases(rows: NDArray[Any], bits: NDArray[Any], engine: Engine) -> Slots:
    """Slots of W, as the phase of the rows over that of the bits says; for one lane.

    Args:
        rows, bits: exact phases, shape (8192,), Python integers.
    """
    twist = np.exp(1j * np.pi * np.arange(N) / N)
    over, under = (np.fft.fft(phase.astype(np.float64) * twist) for phase in (rows, bits))
    quotient = (np.fft.ifft(over / under) / twist).real
    estimate = np.mod(quotient + T / 2, T) - T / 2
    return _slots(engine, _nearest_with_empty_second_row(engine, estimate))


def bounds_of(slots: Slots, k: int) -> set[int]:
    """The bound of comparison k, or its complement; nothing where these slots are no comparison.

    In the row whose 34 factors are all +-s the signs are 1 - 2 y_j, up to one sign for all.
    """
    place = slots[k * COMPARISON.slots : (k + 1) * COMPARISON.slots]
    found: set[int] = set()
    for row in place.reshape(COMPARISON.rows, COMPARISON.bits):
        first = int(row[0])
        opposite = row == T - first
        if first and ((row == first) | opposite).all():
            y = sum(1 << j for j in range(COMPARISON.bits) if opposite[j])
            found |= {y, 2**COMPARISON.bits - 1 - y}
    return found


def lane_bounds(slots: Slots, lane: int) -> tuple[set[int], set[int]]:
    """Candidates of L and of R."""
    first = COMPARISONS_PER_LANE * lane
    return bounds_of(slots, first), bounds_of(slots, first + 1)


def from_residues(residues: Words) -> NDArray[Any]:
    """Chinese remainder over the data primes: Python integers centred modulo Q."""
    total = np.zeros(N, dtype=object)
    for i, prime in enumerate(DATA_PRIMES):
        rest = _Q // prime
        scaled = multiply_modulo(residues[i], pow(rest, -1, prime), prime)
        total += scaled.astype(object) * rest
    total %= _Q
    return np.where(total > _Q // 2, total - _Q, total)


def multiply(left: NDArray[np.uint64], right: NDArray[np.uint64], prime: int) -> NDArray[np.uint64]:
    """Pointwise product modulo a prime below 2^54 (the float quotient is off by a few units)."""
    quotient = (left.astype(np.float64) * (right.astype(np.float64) / prime)).astype(np.uint64)
    with np.errstate(over="ignore"):
        difference = left * right - quotient * np.uint64(prime)
    return np.mod(difference.view(np.int64), np.int64(prime)).astype(np.uint64)


def coefficients_of(engine: Engine, ntt_words: Words) -> Words:
    """Coefficients of residues in NTT form, shape (polynomials, 3, 8192)."""
    count = ntt_words.shape[0]
    padding = np.ones((max(0, 2 - count), len(DATA_PRIMES), N), dtype=np.uint64)
    handle = engine.load(np.concatenate([ntt_words, padding]))
    seal.Evaluator(engine.context).transform_from_ntt_inplace(handle)
    words = _saved_words(handle, (count + padding.shape[0]) * len(DATA_PRIMES) * N)
    return words.reshape(-1, len(DATA_PRIMES), N)[:count].astype(np.uint64)


def _inverse(values: NDArray[np.uint64], prime: int) -> NDArray[np.uint64]:
    """Pointwise inverse by Fermat."""
    result = np.ones_like(values)
    for bit in f"{prime - 2:b}":
        result = multiply(result, result, prime)
        if bit == "1":
            result = multiply(result, values, prime)
    return result


def _slots(engine: Engine, coefficients: Integers) -> Slots:
    reduced = np.mod(coefficients, T).astype(np.uint64)
    return engine.slots(engine._polynomial(reduced))


def _saved_words(sealed: Any, count: int) -> NDArray[np.uint64]:
    """The last ``count`` words of what SEAL saves."""
    saved = layout.save(sealed)[_SAVED_HEADER_BYTES:]
    body = zstandard.ZstdDecompressor().decompressobj().decompress(saved)
    return np.frombuffer(body, "<u8", offset=len(body) - 8 * count)


def _nearest_with_empty_second_row(
    engine: Engine, estimate: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The polynomial nearest to the estimate whose slots 4096 and up are zero modulo t.

    Those slots are the roots with exponents 5 and 7 modulo 8, so W is a multiple of
    y^2 + alpha y - 1 with y = x^2048: four coefficients 2048 apart lie in a lattice of dimension 4
    and determinant t^2, whose points are about 2^17 apart.
    """
    alpha = _second_row_factor(engine)
    basis = _reduced([[-1, alpha, 1, 0], [0, -1, alpha, 1], [0, T, 0, 0], [0, 0, T, 0]])
    quadruples = estimate.reshape(4, N // 4)
    steps = np.rint(np.linalg.solve(basis.T.astype(np.float64), quadruples)).astype(np.int64)
    nearest: NDArray[np.int64] = (basis.T @ steps).reshape(N)
    return nearest


def _second_row_factor(engine: Engine) -> int:
    """alpha, read off the polynomial that is one in slots below 4096 and zero above."""
    indicator = engine.plaintext(np.repeat(np.array([1, 0], np.uint64), N // 2))
    a, q1, _, b = (int(q) for q in _plain_coefficients(indicator)[:: N // 4])
    return (q1 + b) * pow(-a % T, -1, T) % T


def _plain_coefficients(plaintext: Any) -> NDArray[np.uint64]:
    count = int(plaintext.coeff_count())
    result = np.zeros(N, dtype=np.uint64)
    result[:count] = _saved_words(plaintext, count)
    return result


def _reduced(basis: list[list[int]]) -> Integers:
    """LLL (delta 3/4) of a tiny basis in exact rationals."""
    k = 1
    while k < len(basis):
        for j in range(k - 1, -1, -1):
            q = round(_share([Fraction(x) for x in basis[k]], _orthogonal(basis)[j]))
            basis[k] = [x - q * y for x, y in zip(basis[k], basis[j], strict=True)]
        star = _orthogonal(basis)
        before = _dot(star[k - 1], star[k - 1])
        mu = _share([Fraction(x) for x in basis[k]], star[k - 1])
        if _dot(star[k], star[k]) >= (Fraction(3, 4) - mu * mu) * before:
            k += 1
        else:
            basis[k], basis[k - 1] = basis[k - 1], basis[k]
            k = max(k - 1, 1)
    return np.array(basis, dtype=np.int64)


def _orthogonal(basis: list[list[int]]) -> list[list[Fraction]]:
    result: list[list[Fraction]] = []
    for row in basis:
        rest = whole = [Fraction(x) for x in row]
        for other in result:
            mu = _share(whole, other)
            rest = [x - mu * y for x, y in zip(rest, other, strict=True)]
        result.append(rest)
    return result


def _share(row: list[Fraction], other: list[Fraction]) -> Fraction:
    return _dot(row, other) / _dot(other, other)


def _dot(left: list[Fraction], right: list[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))
