"""From a block to what it encodes: text of bytes, compressed streams, archives.

What is found is opened and looked at again, layer by layer. A stream may have been cut off, so
what comes out before the first error counts. Nothing is expanded without bound: a ``Budget`` says
how many bytes may come out of one object, and what was left is told.

Not opened: encrypted content, LZ4, Brotli and Snappy, PostgreSQL's own compression of long values
(read through the database they are not compressed), and streams cut up by page borders after the
first page.
"""

import binascii
import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import zstandard
from numpy.typing import NDArray

from gateway.inspection.contents import printed
from gateway.inspection.contents.blocks import (
    BASE64,
    DIGIT,
    DUMP,
    HEX,
    LATIN,
    Block,
    pieces,
    register,
    runs,
)

SHORTEST: Final = 72
"""Bytes of text in hexadecimal or base64 that are opened. A digest has 64 at most."""
_STEP: Final = 4096
_WORTH: Final = 48
"""Bytes that must come out of a compressed stream to be looked at."""
_ESCAPES: Final = 12
"""Escaped bytes that are opened together."""


@dataclass
class Budget:
    """How much may still come out of one object."""

    left: int
    exceeded: bool = False

    def take(self, size: int) -> int:
        """At most so many bytes may be expanded now."""
        taken = min(size, self.left)
        self.exceeded |= taken < size
        self.left -= taken
        return taken


@dataclass(frozen=True)
class Piece:
    """Decoded content, and where its encoded form lies in the block."""

    encoding: str
    offset: int
    length: int
    data: bytes = field(repr=False)
    skewed: bool = False
    """Decoded from a place within the text, in case it begins with something else."""
    container: bool = False
    """A compressed stream: in itself it looks random."""

    @property
    def block(self) -> Block:
        """To look into it."""
        return Block(self.data)


def opened(block: Block, budget: Budget, largest: int) -> Iterator[Piece]:
    """Everything in a block that decodes.

    Args:
        largest: bytes of one decoded piece. More of it is left out, and the budget says so.
    """
    for find in (_hexadecimal, _base64, short_digits, _escaped, _latin, _wide, _full_width, _lists):
        for piece in find(block):
            if budget.take(len(piece.data)) == len(piece.data):
                yield piece
    yield from containers(block, budget, largest)


def containers(block: Block, budget: Budget, largest: int) -> Iterator[Piece]:
    """What is compressed in a block. Arguments as for ``opened``."""
    yield from _compressed(block, budget, largest)
    yield from _archived(block, budget, largest)


# Text of bytes


def _hexadecimal(block: Block) -> Iterator[Piece]:
    mask = block.of(HEX)
    for begin, end in _wrapped(runs(mask, 48), block.data, _HEX_TAIL):
        text = block.data[begin:end]
        text = b"".join(text.split()) if b"\n" in text or b"\r" in text else text
        if len(text) < SHORTEST:
            continue
        for skew in (0, 1):
            whole = text[skew : len(text) - (len(text) - skew) % 2]
            yield Piece("hex", begin, end - begin, binascii.unhexlify(whole), skew > 0)
    yield from _dumped(block)


_WORD: Final = re.compile(rb"[0-9a-fA-F]++")


def _dumped(block: Block) -> Iterator[Piece]:
    """Groups of hexadecimal digits with something between them: dumps, lists, fingerprints. The
    first group of a line that is longer than the others is an offset."""
    spans = runs(block.of(DUMP), 48)
    for begin, end in pieces(spans, 24):
        words: list[bytes] = []
        which = slice(*np.searchsorted(spans[:, 0], (begin, end)).tolist())
        for first, last in spans[which].tolist():
            for line in block.data[first:last].replace(b"0x", b" ").splitlines():
                groups = _WORD.findall(line)
                if len(groups) > 2 and len(groups[0]) > len(groups[1]):
                    groups = groups[1:]
                words += [one.zfill(2) for one in groups if len(one) in (1, 2, 4, 8, 16)]
        if len(words) >= 8 and sum(map(len, words)) >= SHORTEST:
            yield Piece("hex dump", begin, end - begin, binascii.unhexlify(b"".join(words)))


def _base64(block: Block) -> Iterator[Piece]:
    mask = block.of(BASE64)
    hexes = block.of(HEX)
    for begin, end in _wrapped(runs(mask, 48), block.data, _BASE64_TAIL):
        if hexes[begin:end].all():
            continue
        text = block.data[begin:end]
        text = b"".join(text.split()) if b"\n" in text or b"\r" in text else text
        if len(text) < SHORTEST:
            continue
        text = text.replace(b"-", b"+").replace(b"_", b"/")
        for skew in range(4):
            whole = text[skew:]
            whole = whole[: len(whole) - (len(whole) % 4 == 1)] + b"=" * (-len(whole) % 4 % 3)
            yield Piece("base64", begin, end - begin, binascii.a2b_base64(whole), skew > 0)


def _quartet() -> NDArray[np.uint8]:
    """Which letters of base64 stand at which place of four that encode three digits, as bits."""
    table = np.zeros(256, np.uint8)
    for place, letters in enumerate((b"MNO", b"DTjz", b"AEIMQUYcgk", b"wxyz012345")):
        table[np.frombuffer(letters, np.uint8)] |= 1 << place
    return table


_QUARTET: Final = _quartet()
_IN_BASE64, _IN_HEX = re.compile(rb"[A-Za-z0-9+/_-]{4}"), re.compile(rb"[0-9a-fA-F]{2}")
_REST: Final = re.compile(rb"[A-Za-z0-9+/_-]{2,3}")


def short_digits(block: Block) -> Iterator[Piece]:
    """Eight digits in hexadecimal or base64, with what stands around them: a number of a document
    is too short to be opened for its length."""
    if block.array.size < _EIGHT:
        return
    places = _QUARTET[block.array]
    three = places[:-3] & (places[1:-2] >> 1) & (places[2:-1] >> 2) & (places[3:] >> 3)
    for begin, end in _grown(block.data, three[:-4] & three[4:] & 1, _IN_BASE64, 4):
        rest = _REST.match(block.data, end)
        text = block.data[begin : rest.end() if rest else end]
        text = text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4)
        yield Piece("base64", begin, len(text), binascii.a2b_base64(text))
    two = (block.array[:-1] == ord("3")).view(np.uint8) & (block.of(DIGIT)[1:] != 0).view(np.uint8)
    for step in (2, 4, 8):
        two = two[:-step] & two[step:]
    for begin, end in _grown(block.data, two, _IN_HEX, 2):
        yield Piece("hex", begin, end - begin, binascii.unhexlify(block.data[begin:end]))


_EIGHT: Final = 18
"""Letters of the longer form."""


def _grown(
    data: bytes, seeds: NDArray[np.integer[Any]], group: "re.Pattern[bytes]", size: int
) -> Iterator[tuple[int, int]]:
    """Groups of letters around the places where digits were seen, in step with these."""
    after = 0
    for seed in np.flatnonzero(seeds).tolist():
        if seed < after:
            continue
        begin = end = seed
        while begin >= size and seed - begin < SHORTEST and group.match(data, begin - size, begin):
            begin -= size
        while end - seed < SHORTEST and group.match(data, end):
            end += size
        after = end
        yield begin, end


def _wrapped(
    spans: NDArray[np.int64], data: bytes, tail: "re.Pattern[bytes]"
) -> Iterator[tuple[int, int]]:
    """Spans, those joined between which nothing but the end of a line stands, and the last, shorter
    line of a text that was wrapped."""
    joined: tuple[int, int] | None = None
    for begin, end in spans.tolist():
        if joined is not None and begin - joined[1] <= 2 and not data[joined[1] : begin].strip():
            joined = joined[0], end
            continue
        if joined is not None:
            yield _with_tail(joined, data, tail)
        joined = begin, end
    if joined is not None:
        yield _with_tail(joined, data, tail)


_BASE64_TAIL: Final = re.compile(rb"\r?\n([A-Za-z0-9+/_-]{4,76})={0,2}(?![^\s\"'<])")
_HEX_TAIL: Final = re.compile(rb"\r?\n([0-9a-fA-F]{2,76})(?![^\s\"'<])")


def _with_tail(span: tuple[int, int], data: bytes, pattern: "re.Pattern[bytes]") -> tuple[int, int]:
    tail = pattern.match(data, span[1])
    return span if tail is None else (span[0], tail.end(1))


_ESCAPED: Final = re.compile(rb"(?:[ -~]|\\\r?\n|=\r?\n){48,}+")
_ONE_ESCAPE: Final = re.compile(
    rb"\\x([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|=([0-9A-F]{2})|\\([0-3][0-7]{2})|\\(.)",
    re.DOTALL,
)
_CONTROL: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"a": b"\a", b"b": b"\b",
                   b"f": b"\f", b"v": b"\v"}  # fmt: skip


def _unescape(one: "re.Match[bytes]") -> bytes:
    pair = one[1] or one[2] or one[3] or one[4]
    if pair:
        return bytes((int(pair, 16),))
    if one[5]:
        return bytes((int(one[5], 8) & 0xFF,))
    return _CONTROL.get(one[6], one[6])


def _escaped(block: Block) -> Iterator[Piece]:
    """Python's and C's escapes, JSON's, percent signs, quoted-printable, octal."""
    array = block.array
    marks = ((array == ord("\\")) | (array == ord("%")) | (array == ord("="))).view(np.uint8)
    whole = np.pad(marks, (0, -marks.size % 64)).reshape(-1, 64)
    dense = np.flatnonzero(whole.sum(axis=1, dtype=np.uint8) >= 6)
    for begin, end in pieces(np.stack((dense * 64, dense * 64 + 64), axis=1), 128):
        for one in _ESCAPED.finditer(block.data, max(0, begin - 128), end + 128):
            text = one[0].replace(b"=\r\n", b"").replace(b"=\n", b"")
            decoded, escapes = _ONE_ESCAPE.subn(_unescape, text)
            if escapes >= _ESCAPES:
                yield Piece("escaped text", one.start(), len(one[0]), decoded)


def _latin(block: Block) -> Iterator[Piece]:
    """Bytes that were taken for Latin-1 and written as UTF-8, as in a text column."""
    leads = block.of(LATIN)
    if int(leads.sum()) < SHORTEST:
        return
    parts = leads[: leads.size // 64 * 64].reshape(-1, 64).sum(axis=1, dtype=np.uint8)
    dense = np.flatnonzero(parts >= 6)
    spans = np.stack((dense * 64, dense * 64 + 64), axis=1)
    for begin, end in pieces(spans, 64):
        start = max(0, begin - 64)
        text = block.data[start : end + 64].decode("utf-8", "ignore")
        decoded = text.encode("latin-1", "ignore")
        if len(decoded) > 0.9 * len(text):
            yield Piece("Latin-1 as UTF-8", start, end + 64 - start, decoded)


def _wide(block: Block) -> Iterator[Piece]:
    """Text in UTF-16 or UTF-32: one byte of two or four is something, and the others are zero."""
    zero = (block.array == 0).view(np.uint8)
    if not zero.any():
        return
    for width, name in ((2, "UTF-16"), (4, "UTF-32")):
        for phase in range(width):
            whole = zero[phase : zero.size - (zero.size - phase) % width].reshape(-1, width)
            others = whole[:, 1] & (whole[:, 0] ^ 1)
            if width > 2:
                others &= whole[:, 2] & whole[:, 3]
            for begin, end in runs(np.ascontiguousarray(others), _LETTERS).tolist():
                start, stop = phase + width * begin, phase + width * end
                for last in (stop, stop + 1):  # the other byte order has a letter more
                    yield Piece(name, start, stop - start, block.data[start:last:width])


_LETTERS: Final = 14
"""Letters of a text in a wide encoding: as many as a number of a document has."""
_FULL_WIDTH: Final = re.compile(rb"(?:\xef\xbc[\x81-\xbf]){6,}+")


def _full_width(block: Block) -> Iterator[Piece]:
    """Digits and letters as wide as Chinese characters (U+FF01 to U+FF3F), in UTF-8."""
    for one in _FULL_WIDTH.finditer(block.data):
        letters = bytes(byte - 0x60 for byte in one[0][2::3])
        yield Piece("full-width letters", one.start(), len(one[0]), letters)


def _lists(block: Block) -> Iterator[Piece]:
    for begin, end, data in printed.byte_lists(block):
        yield Piece("list of bytes", begin, end - begin, data)


# Compressed streams


class Opener(Protocol):
    """A decompressor: bytes in, at most so many bytes out."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Zstandard:
    """One frame. The library takes no bound, so it is given few bytes at a time: four of them may
    become 128 KiB."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        return self._inner.unused_data + self._waiting

    def decompress(self, data: bytes, max_length: int = 1 << 22, /) -> bytes:
        data, out, size = self._waiting + data, [], 0
        at = 0
        while at < len(data) and size < max_length and not self._inner.eof:
            out.append(self._inner.decompress(data[at : at + 64]))
            size += len(out[-1])
            at += 64
        self._waiting = data[at:]
        return b"".join(out)


class _Inflate:
    """Raw deflate, zlib or gzip. What does not fit the bound is given at the next call."""

    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))


FAULTS: Final = (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, zstandard.ZstdError)

FORMATS: Final[tuple[tuple[str, bytes, Callable[[], Opener]], ...]] = (
    ("gzip", b"\x1f\x8b\x08", lambda: _Inflate(31)),
    ("zstd", b"\x28\xb5\x2f\xfd", _Zstandard),
    ("bzip2", b"BZh", bz2.BZ2Decompressor),
    ("xz", b"\xfd7zXZ\0", lzma.LZMADecompressor),
    ("lzma", b"]\0\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=1 << 27)),
    ("zlib", b"\x78\x01", lambda: _Inflate(15)),
    ("zlib", b"\x78\x5e", lambda: _Inflate(15)),
    ("zlib", b"\x78\x9c", lambda: _Inflate(15)),
    ("zlib", b"\x78\xda", lambda: _Inflate(15)),
)


def _compressed(block: Block, budget: Budget, largest: int) -> Iterator[Piece]:
    data = block.data
    for name, mark, make in FORMATS:
        after = 0
        for at in block.at(mark):
            if at < after:
                continue
            out, read = b"", 1
            if (
                name != "lzma"
                or data[at + 5 : at + 13] == b"\xff" * 8
                or not any(data[at + 9 : at + 13])
            ):
                out, read = _expanded(make(), data, at, budget, largest)
            if len(out) >= _WORTH:
                yield Piece(name, at, read, out, container=True)
                after = at + read if len(out) >= 4 * _STEP else 0


def _expanded(
    opener: Opener, data: bytes, at: int, budget: Budget, largest: int
) -> tuple[bytes, int]:
    """What comes out before the end, an error or the bound; and how many bytes were read."""
    out, size, start, step = [], 0, at, 256
    try:
        while at < len(data) and not opener.eof:
            part = opener.decompress(data[at : at + step], largest - size + 1)
            at += step
            step = _STEP
            size += len(part)
            out.append(part)
            if size > largest:
                budget.exceeded = True
                break
    except FAULTS:
        pass
    taken = b"".join(out)[:largest]
    return taken[: budget.take(len(taken))], min(at, len(data)) - start


def _archived(block: Block, budget: Budget, largest: int) -> Iterator[Piece]:
    """Members of ZIP archives, by their local headers; a cut-off archive has some."""
    data = block.data
    for at in block.at(_MEMBER):
        if len(data) >= at + 30:
            method, name_size, extra_size = (
                *struct.unpack_from("<H", data, at + 8),
                *struct.unpack_from("<HH", data, at + 26),
            )
            start = at + 30 + name_size + extra_size
            name = data[at + 30 : at + 30 + name_size]
            if method == 8:
                out, read = _expanded(_Inflate(-15), data, start, budget, largest)
                if len(out) >= _WORTH:
                    yield Piece("zip", at, start - at + read, out, container=True)
            if name:
                yield Piece("name in zip", at + 30, name_size, name)


_MEMBER: Final = b"PK\3\4"
register(_MEMBER, *(mark for _, mark, _ in FORMATS))
