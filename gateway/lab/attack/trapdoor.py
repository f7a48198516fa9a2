"""A uniform half that is not: a = t g / f with small f and g (protocol, sections 3.3 and 13).

It looks uniform, and keys under it decrypt. Whoever knows f multiplies it to anything that a small
multiple of a hides: u a f = t u g is small, and zero modulo t. In the product nobody can choose a;
here every party's a is replaced by one with a trapdoor. Both are expanded from the key's seed, so
that no message has to change: it stands for an authority that sends an a of its own.
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
    """What its owner knows of one a."""

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
    """Let this process use a's with a trapdoor, whoever expands them."""
    honest = UniformHalf._modulo

    def chosen(self: UniformHalf, index: int) -> Words:
        if index < len(DATA_PRIMES):
            words: Words = trapdoor(self.seed).a_words[index]
            return words
        return honest(self, index)

    replace(UniformHalf, "_modulo", chosen)


@contextmanager
def everywhere() -> Iterator[None]:
    """The same while a block lasts, for a counter in the attacker's own process."""
    honest = UniformHalf._modulo
    install()
    try:
        yield
    finally:
        replace(UniformHalf, "_modulo", honest)


def _inverse(words: Words, prime: int) -> Words:
    """Raises ``ValueError`` where f is a zero divisor: in none of 2^40 draws."""
    return np.array([pow(word, -1, prime) for word in words.tolist()], dtype=np.uint64)
