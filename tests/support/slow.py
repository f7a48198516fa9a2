"""The protocol's derivations a second time: plain loops over Python integers, no numpy.

Written from the words of the protocol and of the modules' docstrings, for tests and vectors: the
streams of an evaluation, the half of a session key that nobody makes, the frame.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PROFILE = b"bgv8192-2"
T = 133857281
SENT_MODULUS = 72037336825970689 * 71978122648289281
KEY_PRIMES = (72037336825970689, 71978122648289281, 71964963942137857, 70368743669761)
DEGREE = 8192


# --- streams -------------------------------------------------------------------------------------


def counter_mode(key: bytes, length: int) -> bytes:
    """AES-256 of 0, 1, 2, ... as 16 bytes, big-endian, one after the other."""
    blocks = b"".join(i.to_bytes(16, "big") for i in range(-(-length // 16)))
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)[:length]


class SlowStream:
    """One label's bytes, then values one by one."""

    def __init__(self, seed: bytes, transcript: bytes) -> None:
        self.seed, self.transcript = seed, transcript

    def stream(self, label: str, length: int) -> bytes:
        name = label.encode("utf-8")
        message = b"sealmatch/" + PROFILE + b"\x00" + len(name).to_bytes(1, "big") + name
        key = hashlib.shake_256(message + self.transcript + self.seed).digest(32)
        return counter_mode(key, length)

    def chunks(self, label: str, width: int) -> Iterator[bytes]:
        data = self.stream(label, 400_000)
        for start in range(0, len(data) - width + 1, width):
            yield data[start : start + width]

    def below(self, label: str, bytes_: int, bits: int, bound: int) -> Iterator[int]:
        for chunk in self.chunks(label, bytes_):
            value = int.from_bytes(chunk, "little") % 2**bits
            if value < bound:
                yield value

    def residues(self, label: str, count: int) -> list[int]:
        return [*itertools.islice(self.below(label, 4, 27, T), count)]

    def unit(self, label: str) -> int:
        return next(value for value in self.below(label, 4, 27, T) if value)

    def numbers(self, label: str, count: int) -> list[int]:
        return [*itertools.islice(self.below(label, 14, 112, SENT_MODULUS), count)]

    def ternary(self, label: str, count: int) -> list[int]:
        return [byte % 3 - 1 for byte in itertools.islice(self.below(label, 1, 8, 255), count)]

    def centred_binomial(self, label: str, count: int) -> list[int]:
        words = (int.from_bytes(chunk, "little") for chunk in self.chunks(label, 8))
        return [
            sum(word >> i & 1 for i in range(21)) - sum(word >> i & 1 for i in range(21, 42))
            for word in itertools.islice(words, count)
        ]

    def flood(self, label: str, count: int) -> list[int]:
        data = self.stream(label, 16 * count)
        words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]
        pairs = zip(words[:count], words[count:], strict=True)
        return [low % 2**36 + 2**36 * (high % 2**41) - 2**76 for low, high in pairs]


# --- the half of a key that nobody makes ---------------------------------------------------------


def uniform_seed(session: bytes, client_nonce: bytes, gateway_nonce: bytes) -> bytes:
    label = b"sealmatch/a/2\x00" + PROFILE + b"\x00"
    return hashlib.shake_256(label + session + client_nonce + gateway_nonce).digest(32)


def uniform_words(seed: bytes, prime_number: int, count: int = DEGREE) -> list[int]:
    """The first words of a modulo one of the four primes."""
    prime = KEY_PRIMES[prime_number]
    label = b"sealmatch/a/2\x01" + seed + bytes((prime_number,))
    data = counter_mode(hashlib.shake_256(label).digest(32), 10 * count + 1000)
    words = []
    for i in range(0, len(data) - 7, 8):
        value = int.from_bytes(data[i : i + 8], "little") % 2 ** prime.bit_length()
        if value < prime:
            words.append(value)
            if len(words) == count:
                return words
    raise AssertionError("rejected too often")


# --- the frame -----------------------------------------------------------------------------------


def frame(vector: Sequence[float]) -> list[int]:
    """Y of section 4: 4096 integers, 2^33 times the outputs of the eight rotations."""
    units = [rounded(Fraction(float(x)) * 2**24) for x in vector]
    units += [0] * (512 - len(units))
    bits = int.from_bytes(
        hashlib.shake_256(b"sealmatch/" + PROFILE + b"/frame").digest(1536), "little"
    )
    outputs: list[int] = []
    for rotation in range(8):
        values = units
        for turn in range(3):
            first = 1536 * rotation + 512 * turn
            flipped = [-x if bits >> first + k & 1 else x for k, x in enumerate(values)]
            values = hadamard(flipped)
        outputs += values
    return outputs


def hadamard(values: list[int]) -> list[int]:
    """Sum over k of (-1)^(ones in j and k) values[k], by halves."""
    if len(values) == 1:
        return values
    half = len(values) // 2
    upper, lower = hadamard(values[:half]), hadamard(values[half:])
    sums = [a + b for a, b in zip(upper, lower, strict=True)]
    return sums + [a - b for a, b in zip(upper, lower, strict=True)]


def signs(outputs: list[int]) -> list[int]:
    return [1 if y >= 0 else -1 for y in outputs]


def template(outputs: list[int]) -> list[int]:
    return [rounded(Fraction(y, 2**32)) for y in outputs]


def rounded(value: Fraction) -> int:
    """To the nearest integer, ties to the even one."""
    return round(value)
