"""The document that lies at the reader: a folder, where a reader's program or a scanner puts files.

If any file of a chip lies there (EF.SOD, DG1, DG2), it is a chip; if any of a telephone's session
(DeviceResponse, SessionTranscript), a mobile document. Nothing else of the folder is looked at
then: one that is not authentic is refused, whatever picture lies beside it. Otherwise the newest
picture is read.

The worst that a folder can do is to hand over the last customer's portrait for this one's number.
So files that were read for one document are not read for another: it has to be read again. A link
is no file, and is not followed: what it leads to would be nobody's, and would stay. Nothing of a
portrait is kept; ``remove`` also takes the files away once they were read.
"""

import hmac
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.client.document_reader import (
    ReadDocument,
    ReadingRules,
    chip_told,
    holds_chip,
    is_chip_file,
    read_document,
)
from gateway.client.liveness.prompts import LANGUAGES, Language
from gateway.client.mobile_reader import holds_mobile, is_mobile_file, read_mobile
from gateway.client.pictures import PictureReader, photograph_bytes
from gateway.documents.reading import Document
from gateway.vision.geometry import BgrImage
from gateway.wire.errors import SealmatchError
from gateway.wire.submission import PortraitSource

ENDINGS: Final = (
    *(".jpg", ".jpeg", ".png", ".jp2", ".j2k", ".tif", ".tiff", ".webp", ".avif", ".bmp"),
)
"""Of names that may be pictures. What one is, its bytes tell, whatever it is called."""
_MOST_FILES: Final = 10_000


class NothingToRead(SealmatchError):
    """No document lies at the reader."""


class ReadForAnother(SealmatchError):
    """What lies at the reader was read for another document before."""


class NotNamed(SealmatchError):
    """Only a picture lies there, and nobody said whose."""


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


@dataclass(frozen=True)
class Portrait:
    """What the reader read."""

    document: Document
    """As the chip or the telephone has it, or as it was named."""
    image: BgrImage = field(repr=False)
    how: PortraitSource
    name: str
    """Of the file or files, for the agent."""
    notice: Mapping[Language, str] | None
    """What the agent must know of it: a chip that nobody here could verify."""
    files: Mapping[Path, _Seen] = field(repr=False)


class DocumentFolder:
    """A folder as a reader. Not for use by several threads at once."""

    def __init__(self, directory: Path, rules: ReadingRules, *, remove: bool = False) -> None:
        """
        Args:
            remove: delete the files once they were read.
        """
        self._directory = directory
        self._rules = rules
        self._remove = remove
        self._pictures = PictureReader()
        self._key = secrets.token_bytes(32)
        self._read_for: dict[_Seen, bytes] = {}

    def read(
        self,
        named: Document | None,
        kind: str | None,
        now: int,
        require: Callable[[Document], None],
    ) -> Portrait:
        """Read what lies there.

        Args:
            named: the document as the agent named it; None: its chip or the telephone tells.
            kind: of document, as the agent named it.
            now: Unix time.
            require: raises for a document that this counter does not take.

        Raises:
            NothingToRead, ReadForAnother, NotNamed: see the classes.
            ChipRefused, DocumentNotAccepted: as ``client.document_reader``.
            MobileRefused: as ``client.mobile_reader``.
            UnreadableImage: it is no picture that can be read.
            OSError: the folder or a file cannot be read.
            As ``require``.
        """
        if holds_mobile(self._directory):
            return self._electronic(read_mobile, is_mobile_file, named, kind, now, require)
        if holds_chip(self._directory):
            return self._electronic(read_document, is_chip_file, named, kind, now, require)
        if named is None:
            raise NotNamed("no chip lies at the reader: give the document's number or its zone")
        require(named)
        path, seen = self._newest()
        self._require_own({path: seen}, named)
        image = self._pictures.read(photograph_bytes(path))
        return Portrait(named, image, self._rules.pictures, path.name, None, {path: seen})

    def done(self, portrait: Portrait) -> None:
        """The portrait was used: note for whom, beside what is noted of files that still lie there.

        Raises ``OSError`` if a file cannot be removed, and ``NothingToRead`` as ``read``.
        """
        whose = self._whose(portrait.document)
        there = {seen for _, seen in self._files()}
        earlier = {seen: of for seen, of in self._read_for.items() if seen in there}
        self._read_for = earlier | dict.fromkeys(portrait.files.values(), whose)
        if self._remove:
            for path in portrait.files:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self._pictures.close()

    def _electronic(
        self,
        read_by: Callable[..., ReadDocument],
        is_its: Callable[[Path], bool],
        named: Document | None,
        kind: str | None,
        now: int,
        require: Callable[[Document], None],
    ) -> Portrait:
        files = self._unread(named, is_its)
        read = read_by(self._directory, self._rules, self._pictures, now, named, kind)
        require(read.document)
        self._require_own(files, read.document)
        told = {language: chip_told(read, language) for language in LANGUAGES}
        notice = {language: words for language, words in told.items() if words is not None}
        names = ", ".join(sorted(path.name for path in files))
        return Portrait(read.document, read.portrait, read.how, names, notice or None, files)

    def _unread(self, named: Document | None, is_its: Callable[[Path], bool]) -> dict[Path, _Seen]:
        """The document's files. Nobody takes the last customer's for one that is not named."""
        files = {path: seen for path, seen in self._files() if is_its(path)}
        if any(is_its(path) and path.is_symlink() for path in self._directory.iterdir()):
            raise NothingToRead("links lie at the reader: let it leave the document's files there")
        if named is None and any(seen in self._read_for for seen in files.values()):
            raise ReadForAnother(
                "this was read before: read the document again, or give its number"
            )
        return files

    def _require_own(self, files: Mapping[Path, _Seen], document: Document) -> None:
        earlier = {self._read_for[seen] for seen in files.values() if seen in self._read_for}
        if earlier - {self._whose(document)}:
            raise ReadForAnother("this was read for another document: read this one's portrait")

    def _whose(self, document: Document) -> bytes:
        """Tells documents apart, and nothing else; under a key of this start."""
        return hmac.digest(self._key, document.subject.encode(), "sha256")

    def _newest(self) -> tuple[Path, _Seen]:
        found = [
            (seen.changed, path.name, path, seen)
            for path, seen in self._files()
            if path.name.lower().endswith(ENDINGS) and not path.name.startswith(".")
        ]
        if not found:
            raise NothingToRead("no document lies at the reader: scan it, or read its chip")
        *_, path, seen = max(found, key=lambda one: one[:2])
        return path, seen

    def _files(self) -> list[tuple[Path, _Seen]]:
        found = []
        with os.scandir(self._directory) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_FILES:
                    raise NothingToRead("the reader's folder has too many files: empty it")
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((Path(entry.path), _Seen.of(status)))
        return found
