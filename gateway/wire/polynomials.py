"""Canonical encoding of ciphertexts, session keys and padded products (protocol, section 3.2).

An encoding has one byte of format version, one byte with the number of polynomials, then for each
polynomial and prime 8192 residues of 7 bytes, little-endian, each below its prime, always in NTT
form. A padded product has two numbers modulo Q', of 14 bytes each, before that.

SEAL's own serialisation is never read from the wire. Its loader has had memory-safety defects,
accepts mutated input and ties both ends to one version.

The decoder checks length and every residue before any object of an HE library exists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from gateway.wire import profile
from gateway.wire.errors import CallerMisuse, MalformedMessage
from gateway.wire.ids import Digest, digest_of
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, SENT_MODULUS, SENT_PRIMES, N

Words = NDArray[np.uint64]
"""Residues, shape (polynomials, primes, 8192), dtype uint64, NTT form."""

FORMAT_VERSION = 1
HEADER_BYTES, WORD_BYTES = profile.HEADER_BYTES, profile.WORD_BYTES


class CanonicalPolynomials:
    """Checked residues together with their one encoding. Immutable; compares by bytes."""

    primes: ClassVar[tuple[int, ...]]
    polynomials: ClassVar[int]

    __slots__ = ("__dict__",)

    def __init__(self, words: Words) -> None:
        """Take residues as they are.

        Raises:
            MalformedMessage: wrong shape, a residue at or above its prime, an all-zero polynomial.
        """
        _check_words(words, self.primes, self.polynomials)
        words = np.ascontiguousarray(words)
        words.setflags(write=False)
        self.__dict__["words"] = words

    @cached_property
    def words(self) -> Words:
        """The residues; taken out of the encoding once more after ``pack``."""
        words = _unpack(self.encoded).reshape(self.polynomials, len(self.primes), N)
        words.setflags(write=False)
        return words

    def pack(self) -> None:
        """Hold the encoding alone until the words are wanted: half of the memory."""
        if "words" in self.__dict__ and self.encoded:
            del self.__dict__["words"]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the canonical form.

        Raises:
            MalformedMessage: anything but the one valid encoding.
        """
        if len(data) < HEADER_BYTES or (data[0], data[1]) != (FORMAT_VERSION, cls.polynomials):
            raise MalformedMessage("not a canonical ciphertext: unknown header")
        if len(data) != cls.encoded_size():
            raise MalformedMessage("not a canonical ciphertext: wrong length")
        result = cls(_unpack(data).reshape(cls.polynomials, len(cls.primes), N))
        result.__dict__["encoded"] = data
        return result

    @classmethod
    def encoded_size(cls) -> int:
        """Bytes of an encoding."""
        return HEADER_BYTES + cls.polynomials * len(cls.primes) * N * WORD_BYTES

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
        return f"{type(self).__name__}()"


class Ciphertext(CanonicalPolynomials):
    """A fresh ciphertext modulo Q: two polynomials."""

    primes = DATA_PRIMES
    polynomials = 2
    __slots__ = ()


class SessionKeyHalf(CanonicalPolynomials):
    """b of one session's public key (b, a), modulo all four primes; a follows from nonces."""

    primes = KEY_PRIMES
    polynomials = 1
    __slots__ = ()


class ProductTail(CanonicalPolynomials):
    """Second and third polynomial of a padded product, modulo Q'."""

    primes = SENT_PRIMES
    polynomials = 2
    __slots__ = ()


@dataclass(frozen=True)
class PaddedProduct:
    """What the authority gets of a product: two padded numbers, and two polynomials."""

    head: tuple[int, int] = field(repr=False)
    """Coefficient 0, and the sum of coefficients N/4 and 3N/4, each plus a pad, modulo Q'."""
    tail: ProductTail

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the canonical form.

        Raises:
            MalformedMessage: anything but the one valid encoding.
        """
        if len(data) != PADDED_BYTES:
            raise MalformedMessage("not a padded product: wrong length")
        first, second = (
            int.from_bytes(data[i : i + NUMBER_BYTES], "little") for i in (0, NUMBER_BYTES)
        )
        if max(first, second) >= SENT_MODULUS:
            raise MalformedMessage("not a padded product: a number is not below the modulus")
        return cls((first, second), ProductTail.decode(data[2 * NUMBER_BYTES :]))

    @cached_property
    def encoded(self) -> bytes:
        """The canonical bytes."""
        numbers = b"".join(number.to_bytes(NUMBER_BYTES, "little") for number in self.head)
        return numbers + self.tail.encoded

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return digest_of(self.encoded)


NUMBER_BYTES = 14
"""Of a number modulo Q'."""

FRESH_BYTES = profile.FRESH_BYTES
PADDED_BYTES = 2 * NUMBER_BYTES + ProductTail.encoded_size()
PUBLIC_KEY_BYTES = SessionKeyHalf.encoded_size()


def _check_words(words: Words, primes: tuple[int, ...], polynomials: int) -> None:
    if words.dtype != np.uint64 or words.ndim != 3:
        raise CallerMisuse("residues are a three-dimensional array of 64-bit words")
    if words.shape != (polynomials, len(primes), N):
        raise CallerMisuse("residues do not have the profile's shape")
    if not (words < np.array(primes, dtype=np.uint64)[:, None]).all():
        raise MalformedMessage("not a canonical ciphertext: a residue is not below its prime")
    if not all(polynomial[0, 0] or polynomial.any() for polynomial in words):
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
