"""A uniform half that is not uniform: a = t g / f, f and g small (protocol, sections 3.3 and 13).

It looks uniform, and keys with it decrypt. Whoever knows f multiplies by f whatever a small
multiple of a hides: u a f = t u g is small, and zero modulo t. In the protocol nobody can choose a.
Here every party's a is replaced by one with a trapdoor. It is expanded from the key's seed too, so
no message has to change. This stands for an authority that sends an a of its own.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.he import ring
from gateway.he.engine import default_engine
from gateway.he.randomness import SeedStream
from gateway.he.session_key import UniformHalf
from gateway.lab.attack.forging import constant, multiplied
from gateway.lab.attack.weakened import replace
from gateway.wire.polynomials import Words
from gateway.wire.profile import DATA_PRIMES, N, T


@dataclass(frozen=True)
class Trapdoor:
    """What somebody who chose a knows about it."""

    f: NDArray[np.int64] = field(repr=False)
    """Ternary, 8192 coefficients."""
    f_words: Words = field(repr=False)
    a_words: Words = field(repr=False)
    """a modulo the data primes; modulo the special prime it stays what it was."""


@lru_cache(maxsize=8)
def trapdoor(seed: bytes) -> Trapdoor:
    """The trapdoor of the key with this seed."""
    stream = SeedStream(hashlib.sha256(b"trapdoor" + seed).digest(), bytes(32))
    f, g = stream.ternary("f", N), stream.ternary("g", N)
    words = default_engine().transformed(np.stack([ring.residues(f), ring.residues(g)]))
    f_words, g_words = words[0].copy(), words[1]
    inverse = np.stack([_inverse(f_words[i], prime) for i, prime in enumerate(DATA_PRIMES)])
    return Trapdoor(f, f_words, multiplied(multiplied(g_words, inverse), constant(T)))


def install() -> None:
    """From now on, every a that this process expands has a trapdoor."""
    honest = UniformHalf._modulo

    def chosen(self: UniformHalf, index: int) -> Words:
        if index < len(DATA_PRIMES):
            words: Words = trapdoor(self.seed).a_words[index]
            return words
        return honest(self, index)

    replace(UniformHalf, "_modulo", chosen)


@contextmanager
def everywhere() -> Iterator[None]:
    """The same within a ``with`` block, for a counter in the attacker's own process."""
    honest = UniformHalf._modulo
    install()
    try:
        yield
    finally:
        replace(UniformHalf, "_modulo", honest)


def _inverse(words: Words, prime: int) -> Words:
    """Inverse of each word. Raises ``ValueError`` for a zero word: below one in 2^40 draws of f."""
    return np.array([pow(word, -1, prime) for word in words.tolist()], dtype=np.uint64)
