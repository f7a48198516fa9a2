"""Hostile bytes from valid ones: on the level of bytes, of words, and of framed parts.

All randomness comes from the ``Random`` that is passed in, so one seed gives one input, hypothesis
can steer and shrink the same mutations, and atheris can use them as its mutator. A mutator takes
any bytes at all: an earlier one may have left them without the form that it looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Mutator = Callable[[Random, bytes], bytes]

MOST: Final = 2 * 2**20
"""Bytes of the longest input that is made."""

_BYTES: Final = bytes(
    (0, 1, 0x0A, 0x0D, 0x17, 0x18, 0x1F, 0x20, 0x22, 0x7F, 0x80, 0xF4, 0xF9, 0xFF)
)
_RUNS: Final = (2, 9, 10, 33, 64, 257, 1100, 5000)
_NUMBERS: Final = tuple(
    value.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for value in (0, 1, (1 << 8 * width) - 1, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1)
    for order in ("big", "little")
)


def scramble(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """One to four alterations that know nothing of the format."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        data = _alter(rng, data, others)
    return data[:MOST]


def _alter(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: PLR0911
    size = len(data)
    at = rng.randrange(size + 1)
    end = min(size, at + rng.choice((1, 1, 2, 4, 8, 32, 1000)))
    match rng.randrange(10):
        case 0 if at < size:
            return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:at] + bytes((rng.choice(_BYTES),)) + data[at + 1 :]
        case 2:
            return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 16))) + data[at:]
        case 3:
            return data[:at] + data[end:]
        case 4:
            return data[:end] + data[at:end] * rng.choice((1, 2, 40)) + data[end:]
        case 5:
            return data[:at]
        case 6:
            return data + rng.choice((b"\0", b"\xff" * 8, data[:64], rng.randbytes(9)))
        case 7:
            number = rng.choice(_NUMBERS)
            return data[:at] + number + data[at + len(number) :]
        case 8 if others:
            other = rng.choice(others)
            cut = rng.randrange(len(other) + 1)
            return data[:at] + other[cut:]
        case _:
            return data[:at] + (data[at:end] or b"[") * rng.choice(_RUNS) + data[end:]


def words_of(*words: bytes) -> Mutator:
    """A mutator of texts that inserts, replaces, repeats and removes words of a language."""

    def mutate(rng: Random, data: bytes) -> bytes:
        for _ in range(rng.choice((1, 1, 2, 3, 5))):
            at = rng.randrange(len(data) + 1)
            end = min(len(data), at + rng.choice((0, 0, 1, 3, 10, 70)))
            match rng.randrange(6):
                case 0 | 1:
                    data = data[:at] + rng.choice(words) + data[end:]
                case 2:
                    word = rng.choice(words)
                    where = data.find(word)
                    if where >= 0:
                        data = data[:where] + rng.choice(words) + data[where + len(word) :]
                case 3:
                    data = data[:at] + rng.choice(words) * rng.choice(_RUNS) + data[end:]
                case 4:
                    data = data[:at] + data[end:]
                case _:
                    data = scramble(rng, data)
        return data[:MOST]

    return mutate


def frame(*parts: bytes) -> bytes:
    """Several byte strings as one input: each behind its length in four bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def unframe(data: bytes, count: int) -> list[bytes]:
    """The parts of an input; what is missing is empty, what is left over goes to the last."""
    parts: list[bytes] = []
    while data and len(parts) < count:
        size = int.from_bytes(data[:4], "big") if len(parts) < count - 1 else len(data)
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts + [b""] * (count - len(parts))


def framed(*mutators: Mutator) -> Mutator:
    """Mutate one part, sometimes two."""

    def mutate(rng: Random, data: bytes) -> bytes:
        parts = unframe(data, len(mutators))
        for _ in range(rng.choice((1, 1, 1, 2))):
            at = rng.randrange(len(mutators))
            parts[at] = mutators[at](rng, parts[at])
        return frame(*parts)

    return mutate


def from_seeds(
    mutate: Mutator, *, untouched: float = 0.02, bytewise: float = 0.2
) -> Callable[[Random, Sequence[bytes]], bytes]:
    """What a target takes: mostly the format's own mutator, sometimes plain bytes or none."""

    def make(rng: Random, seeds: Sequence[bytes]) -> bytes:
        data = rng.choice(seeds)
        draw = rng.random()
        if draw < untouched:
            return data
        if draw < untouched + bytewise:
            return scramble(rng, data, seeds)
        return mutate(rng, data)[:MOST]

    return make
