"""Pictures without times: a folder, a pattern, or JPEG pictures one behind the other (MJPEG).

Their order is that of their numbers: ``frame10`` comes after ``frame2``. Files that are no pictures
(``Thumbs.db``, ``.DS_Store``) take no place in the order. A damaged picture keeps its place, so
that the others keep their times. Both are passed over and counted.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from gateway.client.liveness.frames import MAX_FAILURES, RATES, Frame, Paced, PassedOver, Recording
from gateway.client.pictures import PictureReader, naming, photograph_bytes
from gateway.vision import formats
from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage
from gateway.vision.images import MAX_BYTES, decode_image

_DIGITS: Final = re.compile(r"(\d+)")
_CHUNK: Final = 2**20


def natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Key of the order in which people count: numbers by value, letters without regard to case."""
    parts = _DIGITS.split(path.name.casefold())
    key = [(0, int(one), "") if one.isdecimal() else (1, 0, one) for one in parts if one]
    return key, path.name


class ImageSequence(Recording):
    """Images that were taken one after the other."""

    def __init__(self, paths: Iterable[Path], rate: float, pace: Paced | None = None) -> None:
        """
        Args:
            rate: frames a second, 1 to 240.

        Raises:
            UnreadableImage: no file is a picture, or another rate.
        """
        self._step = _step(rate)
        every = sorted((one for one in paths if one.is_file()), key=natural)
        self._paths = _pictures_among(every)
        if not self._paths:
            raise UnreadableImage(
                "no file there is a picture" if every else "there is no file",
                "Name a directory or a pattern of JPEG or PNG files.",
            )
        super().__init__(pace, foreign_files=len(every) - len(self._paths))

    def _read(self) -> Iterator[Frame]:
        with PictureReader() as reader:
            reads = (partial(_read_file, reader, path) for path in self._paths)
            yield from _numbered(reads, self._step, self.passed)


class MjpegFile(Recording):
    """A file of JPEG pictures one behind the other, which states no times."""

    def __init__(self, path: Path, rate: float, pace: Paced | None = None) -> None:
        """As ``ImageSequence``."""
        self._step = _step(rate)
        self._path = path
        super().__init__(pace)

    def _read(self) -> Iterator[Frame]:
        with naming(str(self._path)):
            reads = (partial(decode_image, one) for one in _split(self._path))
            yield from _numbered(reads, self._step, self.passed)


def _step(rate: float) -> float:
    low, high = RATES
    if not low <= rate <= high:
        raise UnreadableImage("a rate is 1 to 240 frames a second", "Check --frame-rate.")
    return 1000 / rate


def _pictures_among(paths: list[Path]) -> list[Path]:
    """Files that begin as pictures, and damaged ones: those that are named as the pictures are."""
    pictures = {path for path in paths if path.name[0] != "." and _begins_as_picture(path)}
    endings = {path.suffix.casefold() for path in pictures} - {""}
    return [
        path
        for path in paths
        if path in pictures or (path.name[0] != "." and path.suffix.casefold() in endings)
    ]


def _begins_as_picture(path: Path) -> bool:
    with path.open("rb") as file:
        found = formats.recognise(file.read(formats.HEAD_BYTES))
    return found.kind in ("plain", "guarded", "unsupported")


def _read_file(reader: PictureReader, path: Path) -> BgrImage:
    with naming(str(path)):
        return reader.read(photograph_bytes(path))


def _numbered(
    reads: Iterable[Callable[[], BgrImage]], step: float, passed: PassedOver
) -> Iterator[Frame]:
    """Frames at equal distances. The place of one that cannot be read stays empty."""
    failures, some = 0, False
    error: UnreadableImage | None = None
    for number, read in enumerate(reads):
        try:
            image = read()
        except UnreadableImage as failed:
            failures, error = failures + 1, failed
            passed.frames += 1
            if failures >= MAX_FAILURES:
                raise
            continue
        failures, some = 0, True
        yield Frame(image, round(number * step))
    if not some:
        raise error or UnreadableImage("there is no picture")


def _split(path: Path) -> Iterator[bytes]:
    """The pictures of an MJPEG file, each with its end; what lies between them is left out."""
    kept = b""
    with path.open("rb") as file:
        while more := file.read(_CHUNK):
            kept += more
            kept = yield from _whole(kept)
            if len(kept) > MAX_BYTES:
                raise UnreadableImage(f"a picture is larger than {MAX_BYTES // 2**20} MiB")
    if kept.startswith(b"\xff\xd8"):
        yield kept  # cut off: it is counted


def _whole(data: bytes) -> Generator[bytes, None, bytes]:
    """Gives the pictures that end within ``data``, and returns the rest."""
    at = 0
    while (start := data.find(b"\xff\xd8\xff", at)) >= 0:
        span = formats.jpeg_at(data, start)
        at = (span and (span.end or span.broken_at)) or 0
        if not at:
            return data[start:]
        yield data[start:at]
    return data[max(at, len(data) - 2) :]
