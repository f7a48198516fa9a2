"""Long stretches of bytes that look random: ciphertexts, keys, sealed or compressed content.

Everything that the product keeps and that looks random is short: digests, keys, signatures, and at
most 8 KiB of hashes in a row (``log_tiles``). The shortest ciphertext of the product has 224 KiB.
So any 16 KiB that look random are something else. A container of a known format (``encodings``) is
opened, and what lies in it counts.

A stretch looks random if each 4096 bytes of it pass a chi-squared test of their values: text,
tables, code and pictures in the clear are far off.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.inspection.contents.blocks import Block, Found, runs
from gateway.wire.errors import SealmatchError
from gateway.wire.polynomials import (
    PADDED_BYTES,
    PUBLIC_KEY_BYTES,
    CanonicalPolynomials,
    Ciphertext,
    PaddedProduct,
    SessionKeyHalf,
)

CIPHERTEXT, RANDOM = "ciphertext", "bytes that look random"

LEAST: Final = 16 * 1024
"""Bytes: twice the longest legal stretch."""
_PART: Final = 4096
_FARTHEST: Final = 400.0
"""Of chi-squared with 255 degrees of freedom: mean 255, deviation 22.6. Text has some 20,000."""
_WORDS: Final = 512
"""Words of eight bytes, one byte of each zero and the others random: a ciphertext in memory."""

_SIZES: Final[dict[int, type[CanonicalPolynomials] | type[PaddedProduct]]] = {
    Ciphertext.encoded_size(): Ciphertext,
    PUBLIC_KEY_BYTES: SessionKeyHalf,
    PADDED_BYTES: PaddedProduct,
}


def polynomials(data: bytes) -> str | None:
    """The name of the product's own object that these bytes are, all of them."""
    kind = _SIZES.get(len(data))
    if kind is None:
        return None
    try:
        kind.decode(data)
    except SealmatchError:
        return None
    return kind.__name__


def random_stretches(block: Block) -> Iterator[Found]:
    """Stretches of at least 16 KiB that look random."""
    parts = len(block.data) // _PART
    if parts * _PART < LEAST:
        return
    array = block.array[: parts * _PART].reshape(parts, _PART)
    high = (array >> 7).mean(axis=1, dtype=np.float32)
    maybe = np.flatnonzero(np.abs(high - 0.5) < 0.06)
    looks = np.zeros(parts, np.uint8)
    looks[maybe] = [_looks_random(array[n]) for n in maybe.tolist()]
    for begin, end in runs(looks, LEAST // _PART).tolist():
        yield Found(RANDOM, "", begin * _PART, (end - begin) * _PART)


def _looks_random(part: NDArray[np.uint8]) -> bool:
    counts = np.bincount(part, minlength=256)
    expected = _PART / 256
    return float(((counts - expected) ** 2).sum()) / expected < _FARTHEST


def words(block: Block) -> Iterator[Found]:
    """64-bit words of which one byte is zero and the others look random: residues of a ciphertext,
    as SEAL keeps them. They are told in pieces, so a page of a database is enough."""
    count = len(block.data) // 8
    if count < _WORDS:
        return
    array = block.array[: count * 8].reshape(count, 8)
    zero = np.ascontiguousarray((array == 0).T.view(np.uint8))
    for phase in range(8):
        for begin, end in runs(zero[phase], _WORDS).tolist():
            chosen = array[begin:end].astype(np.uint8)
            others = np.delete(chosen[: 4 * _WORDS], phase, axis=1)
            if float((others == 0).mean()) < 0.02 and _even(others):
                yield Found(CIPHERTEXT, "64-bit words", begin * 8, (end - begin) * 8)


def _even(values: NDArray[np.uint8]) -> bool:
    counts = np.bincount(values.reshape(-1), minlength=256)
    expected = counts.sum() / 256
    return bool(((counts - expected) ** 2).sum() / expected < 2 * _FARTHEST)
