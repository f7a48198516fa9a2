"""The padded product a second time, transforms included, in Python's integers.

Neither SEAL nor any code of the product takes part. SEAL's conventions, which an auditor's words
depend on: a transform puts the value at psi^(2 bitrev(i) + 1) into place i, psi being the least
primitive 2N-th root of unity; slot i is the value at the root of exponent 3^i, the second half at
the negative exponents; plaintexts are lifted to (-t/2, t/2); the switch subtracts from each
coefficient c the number delta = c mod q + q (-c/q mod t), both of them not negative, and divides by
the last prime q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tests.support.slow import (
    DEGREE,
    KEY_PRIMES,
    SENT_MODULUS,
    SlowStream,
    T,
    uniform_words,
)

DATA_PRIMES = KEY_PRIMES[:3]
SENT_PRIMES = KEY_PRIMES[:2]
HALF = DEGREE // 2


@dataclass(frozen=True)
class Made:
    """What goes to the authority, and what the gateway takes off its answer."""

    omega: int
    head: tuple[int, int]
    tail: bytes
    """The canonical bytes of second and third polynomial."""
    offsets: tuple[int, int]


def read(data: bytes, polynomials: int, primes: int) -> np.ndarray:
    """Words of the canonical form, shape (polynomials, primes, 8192), as Python integers."""
    words = [int.from_bytes(data[i : i + 7], "little") for i in range(2, len(data), 7)]
    return np.array(words, dtype=object).reshape(polynomials, primes, DEGREE)


def padded_product(
    probe: np.ndarray, template: np.ndarray, half: np.ndarray, seed: bytes, stream: SlowStream
) -> Made:
    """C = P (omega T + t beta + rho P) switched to Q', plus u (b, a) + (0, t e1), padded.

    Args:
        half: b, shape (4, 8192).
        seed: of a.
    """
    rho, omega = stream.residues("rho", DEGREE), stream.unit("omega")
    pads = stream.numbers("pad", 2)
    beta, e1, u = (
        np.array(draw(label, DEGREE), dtype=object)
        for draw, label in (
            (stream.flood, "beta"),
            (stream.centred_binomial, "e1"),
            (stream.ternary, "u"),
        )
    )
    rho_polynomial = lifted(polynomial_of(np.array(rho, dtype=object)))
    product = np.empty((3, 3, DEGREE), dtype=object)
    for i, prime in enumerate(DATA_PRIMES):
        scale = transform(rho_polynomial, prime)
        factor = (omega * template[:, i] + scale * probe[:, i]) % prime
        factor[0] = (factor[0] + transform(T * beta, prime)) % prime
        (p0, p1), (x0, x1) = probe[:, i], factor
        product[:, i] = p0 * x0 % prime, (p0 * x1 + p1 * x0) % prime, p1 * x1 % prime
    switched = np.stack([switch(polynomial) for polynomial in product])
    for i, prime in enumerate(SENT_PRIMES):
        a = np.array(uniform_words(seed, i), dtype=object)
        small = transform(u, prime)
        switched[0, i] = (switched[0, i] + small * half[i]) % prime
        switched[1, i] = (switched[1, i] + small * a + transform(T * e1, prime)) % prime
    first = combined([inverse(switched[0, i], prime) for i, prime in enumerate(SENT_PRIMES)])
    numbers = first[0], first[DEGREE // 4] + first[3 * DEGREE // 4]
    head = [(number + pad) % SENT_MODULUS for number, pad in zip(numbers, pads, strict=True)]
    lanes = [
        sum(rho[lane * HALF : (lane + 1) * HALF]) + pad for lane, pad in enumerate(lanes_of(pads))
    ]
    offsets = [lane * pow(omega, -1, T) % T for lane in lanes]
    tail = b"".join(int(word).to_bytes(7, "little") for word in switched[1:].reshape(-1))
    return Made(omega, (head[0], head[1]), b"\x01\x02" + tail, (offsets[0], offsets[1]))


def switch(polynomial: np.ndarray) -> np.ndarray:
    """Shape (3, 8192) to (2, 8192): divided by the last prime, the plaintext as it was."""
    last = DATA_PRIMES[2]
    rest = inverse(polynomial[2], last)
    delta = rest + last * (-rest * pow(last, -1, T) % T)
    return np.stack(
        [
            (polynomial[i] - transform(delta, prime)) * pow(last, -1, prime) % prime
            for i, prime in enumerate(SENT_PRIMES)
        ]
    )


def lanes_of(pads: list[int]) -> list[int]:
    """Sums of both lanes' slots of a plaintext with these two numbers, by decoding one."""
    plain = np.zeros(DEGREE, dtype=object)
    for place, pad in zip((0, DEGREE // 4), pads, strict=True):
        plain[place] = (pad - SENT_MODULUS if pad > SENT_MODULUS // 2 else pad) % T
    values = transform(plain, T)
    slots = [int(values[place]) for place in slot_places()]
    return [sum(slots[:HALF]), sum(slots[HALF:])]


def polynomial_of(slots: np.ndarray) -> np.ndarray:
    """Coefficients below t of the plaintext with these slots."""
    values = np.zeros(DEGREE, dtype=object)
    values[slot_places()] = slots
    return inverse(values, T)


def lifted(coefficients: np.ndarray) -> np.ndarray:
    return np.array([c - T if c > T // 2 else c for c in coefficients], dtype=object)


def combined(residues: list[np.ndarray]) -> np.ndarray:
    """Chinese remainder modulo Q'."""
    total = np.zeros(DEGREE, dtype=object)
    for values, prime in zip(residues, SENT_PRIMES, strict=True):
        rest = SENT_MODULUS // prime
        total += values * pow(rest, -1, prime) % prime * rest
    return total % SENT_MODULUS


# --- transforms ----------------------------------------------------------------------------------


def transform(coefficients: np.ndarray, prime: int) -> np.ndarray:
    """Values at the odd powers of psi, in bit-reversed order."""
    psi = least_root(prime)
    twisted = coefficients * powers(psi, prime) % prime
    return dft(twisted, psi * psi % prime, prime)[reversed_places()]


def inverse(values: np.ndarray, prime: int) -> np.ndarray:
    """Coefficients, not negative, of the polynomial with these values."""
    back = pow(least_root(prime), -1, prime)
    sums = dft(values[reversed_places()], back * back % prime, prime)
    return sums * powers(back, prime) % prime * pow(DEGREE, -1, prime) % prime


def dft(values: np.ndarray, root: int, prime: int) -> np.ndarray:
    """Sum over k of values[k] root^(j k), for j = 0 ... 8191."""
    steps = powers(root, prime)
    table = values.reshape(1, -1)
    while table.shape[1] > 1:
        rows, half = table.shape[0], table.shape[1] // 2
        turned = steps[: rows * half : half][:, None] * table[:, half:] % prime
        table = np.concatenate([table[:, :half] + turned, table[:, :half] - turned]) % prime
    return table[:, 0]


@cache
def powers(root: int, prime: int) -> np.ndarray:
    made = [1]
    for _ in range(DEGREE - 1):
        made.append(made[-1] * root % prime)
    return np.array(made, dtype=object)


@cache
def reversed_places() -> list[int]:
    return [int(f"{i:013b}"[::-1], 2) for i in range(DEGREE)]


@cache
def slot_places() -> list[int]:
    """For each slot the place of a transform modulo t that holds it."""
    exponents = [pow(3, i, 2 * DEGREE) for i in range(HALF)]
    exponents += [2 * DEGREE - exponent for exponent in exponents]
    return [reversed_places()[exponent // 2] for exponent in exponents]


@cache
def least_root(prime: int) -> int:
    """The least primitive 2N-th root of unity."""
    x = 2
    while pow(root := pow(x, (prime - 1) // (2 * DEGREE), prime), DEGREE, prime) != prime - 1:
        x += 1
    square, best, power = root * root % prime, root, root
    for _ in range(DEGREE - 1):
        power = power * square % prime
        best = min(best, power)
    return best
