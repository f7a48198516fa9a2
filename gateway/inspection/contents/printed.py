"""Vectors that were printed: decimals, small integers, bits, in JSON, CSV, ``repr`` or log lines.

Floats are found by their decimal points: many of them, none far from the last one, with numbers of
similar size and both signs around them. So it does not matter what stands between them. Integers
are found in lists, where nothing but digits and separators stands. Integers from 0 to 255 are read
as bytes and looked at again (``encodings``).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from gateway.inspection.contents.blocks import DIGIT, LISTED, Block, Found, pieces, runs
from gateway.inspection.contents.vectors import FLOATS, INTEGERS, LEAST

_APART: Final = 160
"""Bytes from one decimal point to the next: a number, and what stands before it in a line of a
log."""
_FLOAT: Final = re.compile(rb"(?<![\w.])([-+]?)(\d{0,3}\.\d{2,}+(?:[eE][-+]?\d{1,3}+)?)(?!\w|\.\d)")
_LARGEST: Final = 64.0
_MIXED: Final = (0.1, 0.9)
_UNSIGNED: Final = 128
"""Values of one sign that count as a vector, where nothing but separators stands between them."""

_INTEGER: Final = re.compile(rb"[-+]?\d+")
_INTEGERS: Final = 128
"""Integers that count as a vector."""
_SMALL: Final = 64
_BITS: Final = re.compile(rb"[01]{256,}")


def floats(block: Block) -> Iterator[Found]:
    """Printed floats, at least 64 of them."""
    array = block.array
    if array.size < 4 * LEAST:
        return
    digits = block.of(DIGIT)
    points = np.flatnonzero((array[:-2] == ord(".")) & (digits[1:-1] & digits[2:]).view(np.bool_))
    if points.size < LEAST:
        return
    cut = np.flatnonzero(np.diff(points) > _APART)
    first = np.concatenate(([0], cut + 1))
    last = np.concatenate((cut, [points.size - 1]))
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        if end - begin + 1 >= LEAST:
            start = max(0, int(points[begin]) - 5)
            found = _vector(block.data[start : int(points[end]) + 24])
            if found is not None:
                yield Found(FLOATS, "decimals", start + found[0], found[1])


def _vector(text: bytes) -> tuple[int, int] | None:
    matched = list(_FLOAT.finditer(text))
    if len(matched) < LEAST:
        return None
    values = np.array([float(one[1] + one[2]) for one in matched])
    kept = np.abs(values) < _LARGEST
    values, matched = values[kept], [one for one, keep in zip(matched, kept, strict=True) if keep]
    if values.size < LEAST:
        return None
    # The same vector may be printed again and again, so what differs is counted in parts.
    parts = [values[at : at + 2 * LEAST] for at in range(0, values.size - LEAST + 1, LEAST)]
    various = [one for one in parts if np.unique(one).size >= 0.6 * one.size]
    if not any(_MIXED[0] <= float((one < 0).mean()) <= _MIXED[1] for one in various):
        between = sum(one.start() - before.end() <= 3 for before, one in pairwise(matched))
        signed = float((values < 0).mean()) >= _MIXED[0]
        if not various or signed or between < _UNSIGNED or values.max() > 8:
            return None
    start, end = matched[0].start(), matched[-1].end()
    return start, end - start


def integers(block: Block) -> Iterator[Found]:
    """Printed lists of signs, small integers and bits."""
    for begin, end in _lists(block):
        text = block.data[begin:end]
        values = _values(text)
        if values is not None and _is_vector(values):
            yield Found(INTEGERS, "decimals", begin, end - begin)
    for begin, end in block.numbers[block.numbers[:, 1] - block.numbers[:, 0] >= 256].tolist():
        for bits in _BITS.finditer(block.data, begin, end):
            share = bits[0].count(b"1") / len(bits[0])
            if 0.2 < share < 0.8 and bits[0].count(b"01") > len(bits[0]) / 8:
                yield Found(INTEGERS, "bits", bits.start(), len(bits[0]))


def byte_lists(block: Block) -> Iterator[tuple[int, int, bytes]]:
    """Lists of integers from 0 to 255: begin, end, and the bytes that they stand for."""
    for begin, end in _lists(block):
        values = _values(block.data[begin:end])
        if values is not None and values.min() >= -128 and values.max() <= 255:
            yield begin, end, (values & 0xFF).astype(np.uint8).tobytes()


def _lists(block: Block) -> Iterator[tuple[int, int]]:
    """Stretches of digits and separators in which a list may stand."""
    yield from pieces(runs(block.of(LISTED), 2 * LEAST), 1)


def _values(text: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]] | None":
    """The integers of a list; None: there are too few, or they are no integers of a list."""
    if len(text) > 1 << 20 or len(text) < 2 * LEAST:
        text = text[: 1 << 20]
    found = _INTEGER.findall(text)
    if len(found) < LEAST or max(map(len, found)) > 9:
        return None
    return np.array([int(one) for one in found], np.int64)


def _is_vector(values: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> bool:
    if values.size < _INTEGERS or np.abs(values).max() > _SMALL:
        return False
    changes = float((np.diff(values) != 0).mean())
    if set(np.unique(values).tolist()) <= {0, 1}:
        return values.size >= 2 * _INTEGERS and 0.2 < values.mean() < 0.8 and changes > 0.25
    return _MIXED[0] <= float((values < 0).mean()) <= _MIXED[1] and changes > 0.25
