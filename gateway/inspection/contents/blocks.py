"""A block of bytes, looked at by many detectors.

A detector takes a block and says what it found in it: kind, encoding, offset, length. It never says
what the bytes are. What several detectors need of a block is worked out once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Mask = NDArray[np.uint8]
"""One byte for each byte of the block, 1 where something holds."""

DIGIT, HEX, BASE64, LISTED, LATIN, DUMP, ZONE = 1, 2, 4, 8, 16, 32, 64
"""Classes of bytes: decimal digits; hexadecimal digits; either alphabet of base64; what stands in a
printed list of numbers; bytes with which UTF-8 writes U+0080 to U+00FF; what stands in a dump in
hexadecimal; what stands in a machine-readable zone."""

_DIGITS: Final = b"0123456789"
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _classes() -> Bytes:
    table = np.zeros(256, np.uint8)
    for members, bit in (
        (_DIGITS, DIGIT),
        (_DIGITS + b"abcdefABCDEF", HEX),
        (_DIGITS + _LETTERS + b"+/-_", BASE64),
        (_DIGITS + b" ,;-+\t\r\n[]()", LISTED),
        (bytes((0xC2, 0xC3)), LATIN),
        (_DIGITS + b"abcdefABCDEFx :,\t\r\n-[](){}", DUMP),
        (_DIGITS + _LETTERS[26:] + b"<", ZONE),
    ):
        table[np.frombuffer(members, np.uint8)] |= bit
    return table


_TABLE: Final = _classes()


_BEGINNINGS: Final = np.zeros(1 << 16, np.bool_)
"""The first two bytes of every mark that a detector looks for, the first one lowest."""


def register(*marks: bytes) -> None:
    """Let blocks find these marks, of at least two bytes. For detectors, when they are loaded."""
    for mark in marks:
        _BEGINNINGS[mark[0] | mark[1] << 8] = True


class Found(NamedTuple):
    """Something in a block: never its value."""

    kind: str
    encoding: str
    """Empty: the bytes as they are."""
    offset: int
    length: int


@dataclass(frozen=True)
class Block:
    """Consecutive bytes of one object."""

    data: bytes = field(repr=False)
    begins: bool = True
    """Whether the object begins here, so that formats without a mark in the middle count."""
    ends: bool = True
    """Whether it ends here."""

    @cached_property
    def array(self) -> Bytes:
        return np.frombuffer(self.data, np.uint8)

    @cached_property
    def _classified(self) -> Bytes:
        return np.asarray(_TABLE[self.array])

    @cached_property
    def _marked(self) -> dict[int, list[int]]:
        """Where registered marks may begin, by their first two bytes."""
        found: dict[int, list[int]] = {}
        for skew in (0, 1):
            size = (self.array.size - skew) // 2 * 2
            if size <= 0:
                continue
            pairs = self.array[skew : skew + size].view("<u2")
            at = np.flatnonzero(_BEGINNINGS[pairs])
            for place, pair in zip((2 * at + skew).tolist(), pairs[at].tolist(), strict=True):
                found.setdefault(pair, []).append(place)
        return {pair: sorted(places) for pair, places in found.items()}

    def at(self, mark: bytes) -> Iterator[int]:
        """Where a registered mark stands, in order."""
        for place in self._marked.get(mark[0] | mark[1] << 8, ()):
            if self.data.startswith(mark, place):
                yield place

    def of(self, kind: int) -> Mask:
        """Where bytes of a class stand."""
        mask: Mask = ((self._classified & np.uint8(kind)) != 0).view(np.uint8)
        return mask

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Where at least six digits stand in a row, shape (rows, 2): begin and end."""
        return runs(self.of(DIGIT), 6)


Detector = Callable[[Block], Iterator[Found]]


def runs(mask: Mask, least: int) -> NDArray[np.int64]:
    """Stretches of at least ``least`` ones, shape (stretches, 2): begin and end.

    After each step, a one says that twice as many ones follow. So the many short stretches of
    ordinary text cost nothing.
    """
    empty = np.empty((0, 2), np.int64)
    reach, step = mask, 1
    while 2 * step <= least:
        if reach.size <= step:
            return empty
        reach = reach[:-step] & reach[step:]
        step *= 2
    if not reach.any():
        return empty
    padded = np.zeros(reach.size + 2, np.int8)
    padded[1:-1] = reach
    edges = np.flatnonzero(np.diff(padded))
    found = edges.reshape(-1, 2) + np.array((0, step - 1))
    return np.asarray(found[found[:, 1] - found[:, 0] >= least])


def pieces(spans: NDArray[np.int64], gap: int) -> Iterator[tuple[int, int]]:
    """Spans, those joined that lie at most ``gap`` apart."""
    if not len(spans):
        return
    apart = np.flatnonzero(spans[1:, 0] - spans[:-1, 1] > gap)
    first = np.concatenate(([0], apart + 1))
    last = np.concatenate((apart, [len(spans) - 1]))
    yield from zip(spans[first, 0].tolist(), spans[last, 1].tolist(), strict=True)
