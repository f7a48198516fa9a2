"""A backup's file: rows in deterministic CBOR, one frame after the other, and a digest at the end.

The file is a CBOR sequence (RFC 8742) of byte strings. Each wraps one item:

    first    ``{"format": ..., "version": 1, ...}``   what this is, and when it was made
    then     ``[part, rows]``                         some rows of one part; a row is a list
    last     ``{"rows": {part: count}, "sha256": ...}``   of everything before it

Nothing of it is larger than a frame, so both sides need little memory whatever the size. A reader
has the end checked before it believes anything: a file that was cut off, altered or continued is
refused. The digest finds accidents. It does not stop somebody who writes the file anew: what is
signed inside must be checked for itself.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from gateway.wire import cbor
from gateway.wire.errors import MalformedMessage, SealmatchError
from gateway.wire.ids import Digest

VERSION: Final = 1
FRAME_BYTES: Final = 256 * 1024
"""A frame is written when its rows have so many bytes."""
MAX_FRAME_BYTES: Final = 16 * 2**20
"""Room for one row of any table behind a frame that is nearly full."""
_BYTE_STRING: Final = 2 << 5
_FORMAT, _VERSION, _ROWS, _SHA256 = "format", "version", "rows", "sha256"

Row = Sequence[Any]
"""Of bytes, texts, integers, booleans and nulls."""


class DamagedArchive(SealmatchError):
    """The file is not an archive of this kind, or not the whole of one."""


class NotWritten(SealmatchError):
    """The disk does not take the archive."""


class ArchiveWriter:
    """Writes one archive into an open file."""

    def __init__(self, file: BinaryIO, form: str, described: Mapping[str, Any]) -> None:
        """Begin with what the archive is."""
        self._file = file
        self._hash = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._put({_FORMAT: form, _VERSION: VERSION, **described})

    def add(self, part: str, rows: Iterable[Row]) -> None:
        """Add rows to a part. They are taken from ``rows`` as they are written.

        Raises:
            NotWritten: the disk is full, or fails.
        """
        frame: list[list[Any]] = []
        size = 0
        self._counts[part] += 0
        for row in rows:
            frame.append(list(row))
            size += sum(len(one) if isinstance(one, bytes | str) else 9 for one in row)
            if size >= FRAME_BYTES:
                self._put([part, frame])
                self._counts[part] += len(frame)
                frame, size = [], 0
        if frame:
            self._put([part, frame])
            self._counts[part] += len(frame)

    def end(self) -> tuple[dict[str, int], Digest]:
        """Write the end; returns how many rows each part has, and the archive's digest."""
        counts, digest = dict(self._counts), Digest(self._hash.digest())
        self._put({_ROWS: counts, _SHA256: digest})
        return counts, digest

    def _put(self, item: Any) -> None:
        frame = cbor.encode(cbor.encode(item))
        self._hash.update(frame)
        try:
            self._file.write(frame)
        except OSError as error:  # else it might be taken for a fault of the database
            raise NotWritten(f"it cannot be written: {error.strerror}") from None


class ArchiveReader:
    """Reads one archive from an open file that can be wound back."""

    def __init__(self, file: BinaryIO, form: str) -> None:
        """Read what it is.

        Raises:
            DamagedArchive: something else.
        """
        self._file = file
        self.described: dict[str, Any] = {}
        file.seek(0)
        first = self._item(hashlib.sha256(), "this is no such file")
        if not isinstance(first, dict) or first.get(_FORMAT) != form:
            raise DamagedArchive(f"this is no {form}")
        if first.get(_VERSION) != VERSION:
            raise DamagedArchive(f"this {form} has version {first.get(_VERSION)}, not {VERSION}")
        self._begin = file.tell()
        self.described = first

    def verify(self) -> tuple[dict[str, int], Digest]:
        """Read all of it; returns how many rows each part has, and the archive's digest.

        Raises:
            DamagedArchive: it is cut off, altered or continued.
        """
        for _ in self.rows():
            pass
        return self._counts, self._digest

    def rows(self) -> Iterator[tuple[str, list[list[Any]]]]:
        """Part and some of its rows, in the order in which they were written.

        Raises:
            DamagedArchive: as ``verify``, at the end.
        """
        self._file.seek(0)
        hashed, counts = hashlib.sha256(), Counter[str]()
        self._item(hashed, "")
        while True:
            before = hashed.digest()
            match self._item(hashed, "it was cut off"):
                case [str(part), list(rows)]:
                    counts[part] += len(rows)
                    yield part, rows
                case {"rows": dict(told), "sha256": bytes(digest)}:
                    break
                case _:
                    raise DamagedArchive("it holds what does not belong there")
        if digest != before or {p: n for p, n in told.items() if n} != dict(counts):
            raise DamagedArchive("it was altered: its content is not that of its digest")
        if self._file.read(1):
            raise DamagedArchive("something follows its end")
        self._counts, self._digest = told, Digest(before)

    def _item(self, hashed: Any, otherwise: str) -> Any:
        try:
            frame = self._frame()
            hashed.update(frame)
            return cbor.decode(cbor.decode(frame))
        except (MalformedMessage, EOFError, TypeError):
            raise DamagedArchive(otherwise or "it was altered") from None

    def _frame(self) -> bytes:
        head = self._exactly(1)
        low = head[0] - _BYTE_STRING
        if not 0 <= low <= 26:  # a byte string whose length has at most four bytes
            raise EOFError
        if low < 24:
            return head + self._exactly(low)
        head += self._exactly(1 << (low - 24))
        length = int.from_bytes(head[1:])
        if length > MAX_FRAME_BYTES:
            raise EOFError
        return head + self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) != length:
            raise EOFError
        return data
