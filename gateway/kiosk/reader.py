"""The document that lies at the reader: a picture in a folder, where a scanner or a local reader
program puts it.

The newest picture of the folder is read. The worst that a folder can do is to hand over the last
customer's portrait for this one's number. So a file that was read for one document is not read for
another: it has to be scanned again. Nothing of a picture is kept; ``remove`` also takes the file
away once it was read.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.client.pictures import PictureReader, photograph_bytes
from gateway.vision.geometry import BgrImage
from gateway.wire.errors import SealmatchError
from gateway.wire.submission import PortraitSource

ENDINGS: Final = (
    *(".jpg", ".jpeg", ".png", ".jp2", ".j2k", ".tif", ".tiff", ".webp", ".avif", ".bmp", ".dg2"),
    ".bin",
)
"""Of names that may be portraits; a picture is read by its bytes, whatever it is called."""
_MOST_FILES: Final = 10_000


class NothingToRead(SealmatchError):
    """No picture lies at the reader."""


class ReadForAnother(SealmatchError):
    """The picture was read for another document before."""


@dataclass(frozen=True)
class Portrait:
    """What the reader read."""

    image: BgrImage = field(repr=False)
    name: str
    """Of the file, for the agent."""
    how: PortraitSource


@dataclass(frozen=True)
class _Seen:
    """Which file it was, as the disk tells files apart."""

    device: int
    inode: int
    changed: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> "_Seen":
        return cls(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


class DocumentFolder:
    """A folder as a reader. Not for use by several threads at once."""

    def __init__(self, directory: Path, *, remove: bool = False) -> None:
        """
        Args:
            remove: delete a picture once it was read.
        """
        self._directory = directory
        self._remove = remove
        self._pictures = PictureReader()
        self._last: tuple[_Seen, bytes] | None = None

    def read(self, whose: bytes, use: Callable[[Portrait], object]) -> None:
        """Read the newest picture and hand it to ``use``; the file goes when that succeeded.

        Args:
            whose: tells documents apart, and nothing else.

        Raises:
            NothingToRead, ReadForAnother: see the classes.
            UnreadableImage: it is no picture that can be read.
            OSError: the folder or the file cannot be read.
            As ``use``.
        """
        path, seen = self._newest()
        if self._last is not None and self._last[0] == seen and self._last[1] != whose:
            raise ReadForAnother("this picture was read for another document: scan this one")
        image = self._pictures.read(photograph_bytes(path))
        self._last = seen, whose
        use(Portrait(image, path.name, "photographed"))
        if self._remove:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._pictures.close()

    def _newest(self) -> tuple[Path, _Seen]:
        found: list[tuple[int, str, _Seen]] = []
        with os.scandir(self._directory) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_FILES:
                    raise NothingToRead("the reader's folder has too many files: empty it")
                if not entry.name.lower().endswith(ENDINGS) or entry.name.startswith("."):
                    continue
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, entry.name, _Seen.of(status)))
        if not found:
            raise NothingToRead("there is no picture at the reader: scan the document")
        _, name, seen = max(found, key=lambda one: one[:2])
        return self._directory / name, seen
