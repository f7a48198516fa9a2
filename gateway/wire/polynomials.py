"""Canonical encoding of ciphertexts and session public keys (protocol, section 3.2).

One byte of format version, one byte with the number of polynomials, then for each polynomial and
prime 8192 residues of 7 bytes, little-endian, each below its prime, always in NTT form.
SEAL's own serialisation is never read from the wire: its loader has had memory-safety defects,
accepts mutated input and ties both ends to one version.

The decoder checks length and every residue before any object of an HE library exists.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse, MalformedMessage
from gateway.wire.ids import Digest, KeyId
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N

Words = NDArray[np.uint64]
"""Residues, shape (polynomials, primes, 8192), dtype uint64, NTT form."""

FORMAT_VERSION = 1
HEADER_BYTES = 2
WORD_BYTES = 7


class CanonicalPolynomials:
    """Checked residues together with their one encoding. Immutable; compares by bytes."""

    primes: ClassVar[tuple[int, ...]]
    sizes: ClassVar[tuple[int, ...]]
    """Admissible numbers of polynomials."""

    __slots__ = ("__dict__", "words")
    words: Words

    def __init__(self, words: Words) -> None:
        """Take residues as they are.

        Raises:
            MalformedMessage: wrong shape, a residue at or above its prime, an all-zero polynomial.
        """
        _check_words(words, self.primes, self.sizes)
        words = np.ascontiguousarray(words)
        words.setflags(write=False)
        self.words = words

    @classmethod
    def decode(cls, data: bytes, *, polynomials: int | None = None) -> Self:
        """Decode the canonical form, optionally of an exact number of polynomials.

        Raises:
            MalformedMessage: anything but the one valid encoding.
        """
        sizes = cls.sizes if polynomials is None else (polynomials,)
        if len(data) < HEADER_BYTES or data[0] != FORMAT_VERSION or data[1] not in sizes:
            raise MalformedMessage("not a canonical ciphertext: unknown header")
        if len(data) != cls.encoded_size(data[1]):
            raise MalformedMessage("not a canonical ciphertext: wrong length")
        result = cls(_unpack(data).reshape(data[1], len(cls.primes), N))
        result.__dict__["encoded"] = data
        return result

    @classmethod
    def encoded_size(cls, polynomials: int) -> int:
        """Bytes of an encoding with that many polynomials."""
        return HEADER_BYTES + polynomials * len(cls.primes) * N * WORD_BYTES

    @property
    def polynomials(self) -> int:
        return int(self.words.shape[0])

    @cached_property
    def encoded(self) -> bytes:
        """The canonical bytes."""
        return bytes((FORMAT_VERSION, self.polynomials)) + _pack(self.words)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return Digest(hashlib.sha256(self.encoded).digest())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(polynomials={self.polynomials})"


class Ciphertext(CanonicalPolynomials):
    """A ciphertext modulo Q: two polynomials, or three for a product."""

    primes = DATA_PRIMES
    sizes = (2, 3)
    __slots__ = ()


class SessionPublicKey(CanonicalPolynomials):
    """The public key of one session: two polynomials over all four primes."""

    primes = KEY_PRIMES
    sizes = (2,)
    __slots__ = ()

    @property
    def key_id(self) -> KeyId:
        """SHA-256 of the canonical public key."""
        return KeyId(self.digest)


FRESH_BYTES = Ciphertext.encoded_size(2)
PRODUCT_BYTES = Ciphertext.encoded_size(3)
PUBLIC_KEY_BYTES = SessionPublicKey.encoded_size(2)


def _check_words(words: Words, primes: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    if words.dtype != np.uint64 or words.ndim != 3:
        raise CallerMisuse("residues are a three-dimensional array of 64-bit words")
    if words.shape[0] not in sizes or words.shape[1:] != (len(primes), N):
        raise CallerMisuse("residues do not have the profile's shape")
    if not (words < np.array(primes, dtype=np.uint64)[:, None]).all():
        raise MalformedMessage("not a canonical ciphertext: a residue is not below its prime")
    if not words.any(axis=(1, 2)).all():
        raise MalformedMessage("not a canonical ciphertext: an all-zero polynomial")


def _unpack(data: bytes) -> Words:
    """Read 7-byte little-endian words.

    Each is read as the upper 7 of the 8 bytes that begin one byte before it (the header gives the
    first its predecessor), which keeps every read inside the buffer.
    """
    count = (len(data) - HEADER_BYTES) // WORD_BYTES
    overlapping: Words = np.ndarray(
        (count,), dtype="<u8", buffer=data, offset=HEADER_BYTES - 1, strides=(WORD_BYTES,)
    )
    return (overlapping >> np.uint64(8)).astype(np.uint64, copy=False)


def _pack(words: Words) -> bytes:
    """Write 7-byte little-endian words.

    Words are written 8 bytes wide; the eighth byte is zero and falls on the first byte of the next
    word. Three passes, none of which overlaps itself: even words, odd words, and the first bytes
    of the even words that the odd ones covered.
    """
    flat = words.reshape(-1)
    buffer = np.zeros(flat.size * WORD_BYTES + 1, dtype=np.uint8)
    pair = 2 * WORD_BYTES
    even: Words = np.ndarray((flat.size // 2,), "<u8", buffer.data, 0, (pair,))
    odd: Words = np.ndarray((flat.size // 2,), "<u8", buffer.data, WORD_BYTES, (pair,))
    even[:] = flat[0::2]
    odd[:] = flat[1::2]
    buffer[:-1:pair] = flat[0::2].astype(np.uint8)
    return buffer[:-1].tobytes()
