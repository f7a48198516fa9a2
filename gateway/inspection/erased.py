"""Looks for what was erased, in the bytes of files.

A deleted row is no answer to any query, but may stand in a free page, in a write-ahead log, or in
a copy. A statement is easy to find there: it is a signed object whose header names its type. Of a
statement that was cut, the id of its session or record is left. Whether such a record is kept is
known, and the tombstone of a whole statement says whether it was erased. So nobody need tell the
inspection what to look for, and it learns nothing about whom it was.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from gateway.inspection.kept import first_bytes
from gateway.wire import cbor
from gateway.wire.cose import media_type
from gateway.wire.erasure import tombstone
from gateway.wire.errors import SealmatchError
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import digest_of
from gateway.wire.proof import Statement

_TYPES: Final = re.compile(
    b"|".join(re.escape(media_type(one).encode()) for one in (Statement, FallbackStatement))
)
_BEFORE: Final = 160
"""Bytes from a signed object's start to the end of its type at most."""
_START: Final = b"\xd2\x84"
"""COSE_Sign1: the tag, and an array of four."""
_ID_KEYS: Final = tuple(cbor.encode(name) + b"\x50" for name in ("session", "recordId"))
"""In a statement: a key whose value is an id, and the head of 16 bytes. A decision's session comes
early; a registration without a face has none."""
_ID_BYTES: Final = 16
_TYPE: Final = 64
"""Bytes of the longer type, and more."""
_REACH: Final = 20_000
"""Of a statement, from its type on."""
_BLOCK: Final = 4 * 2**20
"""Bytes that are looked at together, with what reaches over on both sides."""


@dataclass(frozen=True)
class Remains:
    """What is left of one statement in a file."""

    offset: int
    erased: bool
    """Whether its tombstone stands in a signed erasure; a cut statement has none."""
    mark: bytes = field(repr=False)
    """What tells it from others: the statement's digest, or an id in it."""


class Searcher:
    """Knows which records are kept, and which were erased, by the first bytes of hashes and ids."""

    def __init__(self, kept: Sequence[int], kept_ids: Sequence[int], erased: Sequence[int]) -> None:
        self._kept = np.unique(np.asarray(kept, dtype=np.uint64))
        self._ids = np.unique(np.asarray(kept_ids, dtype=np.uint64))
        self._erased = np.unique(np.asarray(erased, dtype=np.uint64))

    def file(self, path: Path) -> tuple[list[Remains], int]:
        """What is left of records that are not kept, and how many bytes were searched.

        Raises:
            OSError: the file cannot be read.
        """
        found: list[Remains] = []
        with path.open("rb") as file:
            size, at = file.seek(0, 2), 0
            while at < size:
                first = max(0, at - _BEFORE)
                file.seek(first)
                data = file.read(at - first + _BLOCK + _REACH)
                found += self._remains(data, at - first, first)
                at += _BLOCK
        return found, size

    def _remains(self, data: bytes, begin: int, first: int) -> Iterator[Remains]:
        """Of the statements whose type stands in the block that begins at ``begin``."""
        for match in _TYPES.finditer(data, begin, min(len(data), begin + _BLOCK + _TYPE)):
            if match.start() >= begin + _BLOCK:
                break
            start = data.rfind(_START, max(0, match.start() - _BEFORE), match.start())
            end = min(len(data), match.end() + _REACH)
            whole = None if start < 0 else _whole(data[start:end])
            if whole is not None:
                mark = first_bytes(tombstone(whole))
                if not _among(mark, self._kept):
                    yield Remains(first + start, _among(mark, self._erased), digest_of(whole))
                continue
            ids = _ids(data, match.end(), end)  # of none too little is left to say whose it was
            if ids and not any(_among(first_bytes(one), self._ids) for one in ids):
                yield Remains(first + match.start(), False, ids[0])


def _ids(data: bytes, start: int, end: int) -> list[bytes]:
    """Ids in what is left of a statement, whose type ends at ``start``."""
    following = _TYPES.search(data, start, end)
    end = end if following is None else following.start()
    found = []
    for key in _ID_KEYS:
        at = data.find(key, start, end)
        if at >= 0 and at + len(key) + _ID_BYTES <= end:
            found.append(data[at + len(key) : at + len(key) + _ID_BYTES])
    return found


def _whole(data: bytes) -> bytes | None:
    """The signed object with which these bytes begin, or None."""
    length = _length(data)
    if length is None or length > len(data):
        return None
    try:
        parts = cbor.decode(data[1:length])
    except SealmatchError:
        return None
    return data[:length] if isinstance(parts, list) and len(parts) == _PARTS else None


_PARTS: Final = 4
_HEADS: Final = {0x58: 1, 0x59: 2}
"""Heads of byte strings with a length in one byte or two."""


def _length(data: bytes) -> int | None:
    """Bytes of a COSE_Sign1 of our form: header, empty map, payload, signature of 64 bytes."""
    at: int | None = _after_string(data, len(_START))
    if at is None or data[at : at + 1] != b"\xa0":
        return None
    at = _after_string(data, at + 1)
    if at is None or data[at : at + 2] != b"\x58\x40":
        return None
    return at + 2 + 64


def _after_string(data: bytes, at: int) -> int | None:
    """The place after the byte string that begins at ``at``, or None."""
    if at >= len(data):
        return None
    head = data[at]
    if 0x40 <= head < 0x58:
        return at + 1 + head - 0x40
    width = _HEADS.get(head)
    if width is None or at + 1 + width > len(data):
        return None
    return at + 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "big")


def _among(value: int, known: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> bool:
    at = int(np.searchsorted(known, np.uint64(value)))
    return at < len(known) and int(known[at]) == value
