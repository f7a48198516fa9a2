"""Ring elements as exact integers: what somebody who holds a secret key computes with.

Our servers need only the NTT form and the two numbers of ``gateway.he.ring``. An attacker looks at
all 8192 coefficients of a decryption, and at the slots that they encode.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.he import layout
from gateway.he.engine import Engine, Slots
from gateway.he.ring import multiply_modulo
from gateway.wire.polynomials import Words
from gateway.wire.profile import DATA_PRIMES, N, T

Integers = NDArray[Any]
"""Python integers, shape (8192,)."""

Q: Final = math.prod(DATA_PRIMES)


def coefficients(engine: Engine, words: Words) -> Integers:
    """Coefficients of an element of R_Q or R_Q', centred modulo the primes' product.

    Args:
        words: NTT form, shape (3, 8192) or (2, 8192).
    """
    primes = DATA_PRIMES[: len(words)]
    handle = engine._load((words, words))  # a ciphertext has two polynomials; one is read
    engine._evaluator.transform_from_ntt_inplace(handle)
    saved = layout._body(layout.saved_to_file(handle))
    size = 2 * words.size
    read = np.frombuffer(saved, "<u8", offset=len(saved) - 8 * size).reshape(2, *words.shape)
    modulus = math.prod(primes)
    total = np.zeros(N, dtype=object)
    for residues, prime in zip(read[0].astype(object), primes, strict=True):
        rest = modulus // prime
        total += residues * pow(rest, -1, prime) % prime * rest
    total %= modulus
    return np.where(total > modulus // 2, total - modulus, total)


def multiply_slots(engine: Engine, words: Words, slots: Slots) -> Words:
    """Slot-wise product of a ciphertext, shape (2, 3, 8192), with public values."""
    handle = engine._load(words)
    engine._evaluator.multiply_plain_inplace(handle, engine.plaintext(slots))
    return engine._words(handle, len(DATA_PRIMES))


def polynomial_of(engine: Engine, slots: Slots) -> Words:
    """The polynomial with these slots, coefficients below t/2, in NTT form, shape (3, 8192)."""
    ones = np.ones((2, len(DATA_PRIMES), N), dtype=np.uint64)
    made: Words = multiply_slots(engine, ones, slots)[0].copy()
    return made


def slots_of(engine: Engine, polynomial: Integers) -> Slots:
    """Slots modulo t of an integer polynomial."""
    reduced = np.mod(polynomial, T).astype(np.uint64)
    plaintext = engine._read(
        engine.library.Plaintext(), layout.plaintext_layout(reduced, engine._version)
    )
    return np.asarray(engine._encoder.decode_uint64(plaintext), dtype=np.uint64)


def divided_slots(slots: Slots, divisor: int | Slots) -> NDArray[np.int64]:
    """Slots divided by a number or by other slots modulo t, centred; zero for a divisor of 0."""
    over = np.broadcast_to(np.asarray(divisor, dtype=np.uint64), slots.shape)
    inverses = {value: pow(value, -1, T) if value else 0 for value in set(over.tolist())}
    factor = np.array([inverses[value] for value in over.tolist()], dtype=np.uint64)
    quotient = multiply_modulo(slots, factor, T).astype(np.int64)
    return np.where(quotient > T // 2, quotient - T, quotient)
