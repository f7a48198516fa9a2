"""All detectors over an object of any size, with bounded memory.

An object is read in blocks of 4 MiB that overlap by 64 KiB, so nothing is missed at a border that
is shorter. What a block encodes is opened and looked at in the same way, to a depth of four.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.inspection.contents import encodings, entropy, magic, numbers, printed, vectors
from gateway.inspection.contents.blocks import Block, Detector, Found
from gateway.inspection.contents.encodings import Budget, Piece
from gateway.inspection.leaks.findings import Finding, without_repetition

BLOCK_BYTES: Final = 1 << 22
OVERLAP: Final = 1 << 16
DEPTH: Final = 4
LARGEST: Final = 1 << 24
"""Bytes of one decoded piece."""
EXPANSION: Final = (1 << 26, 64)
"""What may come out of one object: 64 MiB, and 64 times its size."""

ALWAYS: Final[tuple[Detector, ...]] = (
    magic.marks,
    magic.frames,
    magic.beginnings,
    vectors.floats,
    vectors.integers,
    vectors.whole_floats,
    vectors.slots,
    vectors.tagged,
    printed.floats,
    printed.integers,
    numbers.numbers,
    entropy.words,
)
OPAQUE: Final[tuple[Detector, ...]] = (entropy.random_stretches,)
"""Only where nothing long that looks random may lie. Pages of databases hold rows of hashes."""


@dataclass
class Scan:
    """What was found, and how much was looked at."""

    findings: list[Finding] = field(default_factory=list)
    size: int = 0
    unopened: list[str] = field(default_factory=list)
    """Places whose content expands beyond the bound."""

    def add(self, other: "Scan") -> None:
        self.findings += other.findings
        self.size += other.size
        self.unopened += other.unopened


@dataclass(frozen=True)
class Scanner:
    """Detectors for one kind of place."""

    detectors: Sequence[Detector] = (*ALWAYS, *OPAQUE)
    depth: int = DEPTH

    def data(self, data: bytes, place: str) -> Scan:
        """Look at one object that is in memory."""
        return self.stream((data,), place)

    def stream(
        self, parts: Iterable[bytes], place: str, tell: Callable[[int], None] = lambda _: None
    ) -> Scan:
        """Look at an object that is read in parts, the largest of them a few MiB.

        Args:
            tell: called with the bytes that were read so far, once a block.
        """
        found: list[Finding] = []
        budget, size = Budget(EXPANSION[0]), 0
        for start, block in blocks(parts):
            budget.left += EXPANSION[1] * len(block.data)
            found += [
                Finding(one.kind, one.encoding or "as it is", place, start + one.offset, one.length)
                for one in self._look(block, budget, self.depth)
            ]
            size = start + len(block.data)
            tell(size)
            if len(found) > 10_000:
                found = without_repetition(found)
        unopened = [place] if budget.exceeded else []
        return Scan(without_repetition(found), size, unopened)

    def _look(
        self, block: Block, budget: Budget, depth: int, skewed: bool = False
    ) -> Iterator[Found]:
        """What a block holds, and what the pieces hold that it encodes."""
        if not block.array.any():
            return
        opened: list[tuple[int, int]] = []
        short: list[Piece] = []
        for piece in encodings.opened(block, budget, LARGEST) if depth else ():
            if piece.container:
                opened.append((piece.offset, piece.offset + piece.length))
            if len(piece.data) < _SHORT:
                short.append(piece)
            else:
                yield from self._inside(piece, budget, depth)
        yield from self._together(short, budget, depth)
        for detect in self.detectors:
            if skewed and detect in OPAQUE:
                continue
            for one in detect(block):
                if one.kind != entropy.RANDOM or not _covered(one, opened):
                    yield one

    def _inside(self, piece: Piece, budget: Budget, depth: int) -> Iterator[Found]:
        whole = entropy.polynomials(piece.data)
        if whole is not None:
            yield Found(entropy.CIPHERTEXT, piece.encoding, piece.offset, piece.length)
        for one in self._look(Block(piece.data), budget, depth - 1, piece.skewed):
            layers = f"{piece.encoding}, {one.encoding}" if one.encoding else piece.encoding
            yield Found(one.kind, layers, piece.offset, piece.length)

    def _together(self, pieces: list[Piece], budget: Budget, depth: int) -> Iterator[Found]:
        """Many short pieces, side by side in one block."""
        if not pieces:
            return
        starts, size = [], 0
        for piece in pieces:
            starts.append(size)
            size += len(piece.data) + len(BETWEEN)
        joined = Block(BETWEEN.join(piece.data for piece in pieces), begins=False)
        for one in self._look(joined, budget, depth - 1, skewed=True):
            piece = pieces[bisect_right(starts, one.offset) - 1]
            layers = f"{piece.encoding}, {one.encoding}" if one.encoding else piece.encoding
            yield Found(one.kind, layers, piece.offset, piece.length)


_SHORT: Final = 4096
"""Bytes of a decoded piece that is looked at together with others."""
BETWEEN: Final = b"\x7f" * 32
"""Belongs to no vector, text or number."""


def _covered(one: Found, opened: list[tuple[int, int]]) -> bool:
    """Whether a stretch that looks random is a container that was opened, but for its ends."""
    slack = entropy.LEAST // 4
    return any(
        begin <= one.offset + slack and one.offset + one.length <= end + slack
        for begin, end in opened
    )


def blocks(parts: Iterable[bytes]) -> Iterator[tuple[int, Block]]:
    """Blocks with the offset at which each begins; the first and the last one say so."""
    start, held, waiting = 0, b"", None
    for part in parts:
        if waiting is not None:
            held = held + waiting if held else waiting
            waiting = None
        while len(held) >= BLOCK_BYTES:
            yield start, Block(held[:BLOCK_BYTES], start == 0, False)
            held = held[BLOCK_BYTES - OVERLAP :]
            start += BLOCK_BYTES - OVERLAP
        waiting = part
    held += waiting or b""
    while True:
        last = len(held) <= BLOCK_BYTES
        yield start, Block(held[:BLOCK_BYTES], start == 0, last)
        if last:
            return
        held = held[BLOCK_BYTES - OVERLAP :]
        start += BLOCK_BYTES - OVERLAP
