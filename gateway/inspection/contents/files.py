"""Looks at every file below the places that were given: its bytes, whatever its name says.

Pages that a database no longer uses, its write-ahead log and its journal are files like others, so
a row that was deleted and still lies there is found. A file that is compressed as a whole is read
as what comes out of it, with a bound. Links are not followed, and only regular files are opened.

In the raw files of databases rows of hashes lie side by side, and nobody can tell them from a
ciphertext. So stretches that look random count in other files only; cells are looked at one by one.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import RawIOBase
from itertools import chain
from pathlib import Path
from typing import Final

from gateway.inspection.contents.blocks import Detector
from gateway.inspection.contents.encodings import FAULTS, FORMATS, Opener
from gateway.inspection.contents.messages import members, messages
from gateway.inspection.contents.scanner import ALWAYS, OPAQUE, Scan, Scanner
from gateway.inspection.leaks.findings import Finding
from gateway.inspection.lines import shown_name

PART: Final = 1 << 20
SQLITE_MAGIC: Final = b"SQLite format 3\0"
_WAL_MAGICS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_JOURNAL_MAGIC: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_TAR: Final = slice(257, 262)
_MOST_EXPANSION: Final = (1 << 28, 256)
"""What comes out of a file that is compressed as a whole: 256 MiB, and 256 times its size."""
_WHOLE: Final = ("gzip", "zstd", "bzip2", "xz")

_LOG_NAMES: Final = (".log", ".out", ".err", ".journal")
_LOG_PLACES: Final = ("log", "logs", "journal")
_LOG_FILES: Final = ("syslog", "messages", "access", "error")


@dataclass(frozen=True)
class Opened:
    """A regular file below one of the places."""

    root: Path
    path: Path

    @property
    def inside(self) -> Path:
        """Its name below the place, or the last part of a place that is a file itself."""
        return Path(self.path.name) if self.path == self.root else self.path.relative_to(self.root)

    @property
    def shown(self) -> str:
        """As a report may show it."""
        above = () if self.path == self.root else (self.root.name,)
        return "/".join(map(shown_name, (*above, *self.inside.parts)))

    @property
    def is_log(self) -> bool:
        name = self.path.name.lower()
        plain = name
        for ending in (".gz", ".xz", ".zst", ".bz2"):
            plain = plain.removesuffix(ending)
        while plain.rpartition(".")[2].replace("-", "").isdigit():
            plain = plain.rpartition(".")[0]
        return (
            plain.endswith(_LOG_NAMES)
            or plain in _LOG_FILES
            or any(part in _LOG_PLACES for part in self.inside.parent.parts)
        )


@dataclass
class Walk:
    """Files, and what could not be looked at."""

    files: list[Opened] = field(default_factory=list)
    directories: list[Opened] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    links: int = 0
    """What they name is looked at only if it lies in a place."""


def walk(places: tuple[Path, ...], without: frozenset[tuple[int, int]] = frozenset()) -> Walk:
    """Every regular file below these places, each once.

    Args:
        without: device and inode of files to leave out.
    """
    found, seen = Walk(), set(without)

    def unreadable(error: OSError) -> None:
        found.unread.append(shown_name(Path(str(error.filename)).name))

    def add(root: Path, path: Path) -> None:
        try:
            status = path.lstat()
        except FileNotFoundError:  # temporary files come and go
            return
        found.links += stat.S_ISLNK(status.st_mode)
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            found.files.append(Opened(root, path))

    for place in places:
        if not place.is_dir():
            if place.exists():
                add(place, place)
            else:
                found.unread.append(shown_name(place.name))
            continue
        found.directories.append(Opened(place, place))
        for directory, names, files in os.walk(place, onerror=unreadable):
            names.sort()
            here = Path(directory)
            found.directories += [Opened(place, here / name) for name in names]
            found.links += sum((here / name).is_symlink() for name in names)
            for name in sorted(files):
                add(place, here / name)
    return found


def look(file: Opened, tell: Callable[[int], None] = lambda _: None) -> Scan:
    """What lies in a file.

    Raises:
        OSError: it cannot be read.
    """
    scan = attributes(file)
    scan.add(_content(file, tell))
    return scan


def attributes(file: Opened) -> Scan:
    """Extended attributes and their names: what hangs on a file or directory besides its
    content."""
    scan = Scan()
    with suppress(OSError):  # a file system without any
        for name in os.listxattr(file.path, follow_symlinks=False):
            value = os.getxattr(file.path, name, follow_symlinks=False)
            for content in (os.fsencode(name), value):
                scan.add(Scanner().data(content, f"{file.shown}, attribute"))
    return scan


def _content(file: Opened, tell: Callable[[int], None]) -> Scan:
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as raw:
        start = raw.read(512)
        raw.seek(0)
        size = os.fstat(raw.fileno()).st_size
        detectors = _detectors(file, start)
        for name, mark, make in FORMATS:
            if name in _WHOLE and start.startswith(mark):
                scan = _expanded(file, Expansion(parts_of(raw), make, size), name, tell)
                raw.seek(0)  # something may stand behind what is compressed
                scan.add(Scanner(ALWAYS, depth=0).stream(parts_of(raw), file.shown))
                return scan
        return Scanner(detectors).stream(parts_of(raw), file.shown, tell)


def _detectors(file: Opened, start: bytes) -> tuple[Detector, ...]:
    if file.is_log:
        return (*ALWAYS, messages, *OPAQUE)
    return ALWAYS if _of_database(file.path, start) else (*ALWAYS, members, *OPAQUE)


def _of_database(path: Path, start: bytes) -> bool:
    marked = start.startswith((SQLITE_MAGIC, *_WAL_MAGICS, _JOURNAL_MAGIC, b"PGDMP"))
    archive = start[_TAR] == b"ustar"
    return marked or archive or any((above / "PG_VERSION").exists() for above in path.parents)


def parts_of(raw: RawIOBase) -> Iterator[bytes]:
    while part := raw.read(PART):
        yield part


def _expanded(file: Opened, stream: "Expansion", name: str, tell: Callable[[int], None]) -> Scan:
    """What comes out of a file that is compressed as a whole."""
    out = stream.read()
    first = next(out, b"")
    place = f"{file.shown} ({name})"
    scan = Scanner(_detectors(file, first[:512])).stream(chain((first,), out), place, tell)
    if stream.exceeded:
        scan.unopened.append(place)
    return scan


def expanded(raw: RawIOBase, make: Callable[[], Opener]) -> "Expansion":
    """What comes out of an open file that is compressed as a whole."""
    return Expansion(parts_of(raw), make, os.fstat(raw.fileno()).st_size)


class Expansion:
    """What comes out of a compressed file, member by member, with a bound."""

    def __init__(self, parts: Iterator[bytes], make: Callable[[], Opener], size: int) -> None:
        """``size``: of the file, in bytes."""
        self._parts, self._make = parts, make
        self._left = _MOST_EXPANSION[0] + _MOST_EXPANSION[1] * size
        self.exceeded = False
        self._out = self._expand()

    def read(self) -> Iterator[bytes]:
        return self._out

    def _expand(self) -> Iterator[bytes]:
        opener, given = self._make(), b""
        for part in self._parts:
            given = part
            if opener.eof:
                opener = self._make()
            while given or not opener.eof:
                try:
                    out = opener.decompress(given, PART)
                except FAULTS:
                    return
                given = b""
                if out:
                    self._left -= len(out)
                    if self._left < 0:
                        self.exceeded = True
                        return
                    yield out
                if opener.eof:
                    given = opener.unused_data.lstrip(b"\0")
                    if not given:
                        break
                    opener = self._make()
                elif not out:
                    break


def line_of(path: Path, offset: int) -> int:
    """The number of the line in which a byte of a text file stands, from 1."""
    count, at = 1, 0
    with path.open("rb") as raw:
        while at < offset and (part := raw.read(min(PART, offset - at))):
            count += part.count(b"\n")
            at += len(part)
    return count


def placed(file: Opened, findings: list[Finding]) -> list[Finding]:
    """Findings of a log with the line in which each begins."""
    if not file.is_log or not findings or findings[0].place != file.shown:
        return findings
    result = []
    for number, one in enumerate(findings):
        place = one.place
        if number < _LINES:
            place = f"{one.place}, line {line_of(file.path, one.offset):,}"
        result.append(Finding(one.kind, one.encoding, place, one.offset, one.length))
    return result


_LINES: Final = 20
"""Findings of one log whose line is worked out."""
