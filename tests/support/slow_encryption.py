"""Encryption under a public key a second time, in Python's integers.

Neither SEAL nor any code of the product takes part. By the protocol's words (section 3) and those
of ``gateway/he/randomness.py`` for what bytes stand for; conventions as in ``slow_product``. The
bytes: candidates of u, one each; then 8 for each coefficient of e0, and then of e1.

    full = u (b, a) + t (e0, e1)             modulo the three data primes and the special prime p
    c = (full - delta) / p + (message, 0)    delta = r + p ((-r / p) mod t), r = full mod p
"""

from __future__ import annotations

import numpy as np

from tests.support.slow import DEGREE, KEY_PRIMES, T
from tests.support.slow_product import DATA_PRIMES, inverse, lifted, polynomial_of, transform

CANDIDATES = DEGREE + DEGREE // 32 + 64
RANDOM_BYTES = CANDIDATES + 2 * 8 * DEGREE
SPECIAL = KEY_PRIMES[3]


def encryption(half: np.ndarray, uniform: np.ndarray, slots: list[int], random: bytes) -> bytes:
    """The canonical bytes of a fresh ciphertext.

    Args:
        half, uniform: b and a, shape (4, 8192), Python integers.
        slots: 8192 values below t.
        random: ``RANDOM_BYTES`` of them.
    """
    u, *errors = drawn(random)
    message = lifted(polynomial_of(np.array(slots, dtype=object)))
    factors = [transform(u % prime, prime) for prime in KEY_PRIMES]
    words = []
    for key, error, plain in zip((half, uniform), errors, (message, 0 * message), strict=True):
        rest = inverse(factors[3] * key[3] % SPECIAL, SPECIAL) + T * error
        rest %= SPECIAL
        delta = rest + SPECIAL * (-rest * pow(SPECIAL, -1, T) % T)
        for prime, factor, known in zip(DATA_PRIMES, factors, key, strict=False):
            small = transform((T * error - delta + SPECIAL * plain) % prime, prime)
            words.append((factor * known + small) * pow(SPECIAL, -1, prime) % prime)
    return b"\x01\x02" + b"".join(int(word).to_bytes(7, "little") for word in np.concatenate(words))


def drawn(random: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u, e0 and e1."""
    kept = [byte % 3 - 1 for byte in random[:CANDIDATES] if byte < 255][:DEGREE]
    chunks = [random[i : i + 8] for i in range(CANDIDATES, len(random), 8)]
    errors = [_error(int.from_bytes(chunk, "little")) for chunk in chunks]
    first, second = np.array(errors, dtype=object).reshape(2, DEGREE)
    return np.array(kept, dtype=object), first, second


def _error(word: int) -> int:
    return (word % 2**21).bit_count() - ((word >> 21) % 2**21).bit_count()
