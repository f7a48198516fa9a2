"""Photographs as counters have them: JPEG and PNG, chip records, and the guarded formats.

JPEG 2000, TIFF, WebP, AVIF and BMP, and all that comes out of a chip, are decoded by a worker
process (``gateway.vision.guarded``), which is started when the first of them comes. If a picture
ends it, outgrows its limits or makes it answer what no picture is, the picture is refused and the
counter goes on.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from gateway.host.isolation import Worker, WorkerLimits, octets
from gateway.vision import formats, guarded
from gateway.vision.errors import ModelPackError, UnreadableImage, VisionError
from gateway.vision.geometry import BgrImage
from gateway.vision.images import MAX_BYTES, check_length, decode_image, wrong_format
from gateway.vision.portrait_record import embedded_picture
from gateway.wire.errors import MalformedMessage, Refused, Unavailable

_LOG = logging.getLogger(__name__)
LIMITS: Final = WorkerLimits(guarded.MEMORY_BYTES, guarded.SECONDS)
_WORKSHOP: Final = "gateway.vision.guarded:make_workshop"
_JPEG_ADVICE: Final = "Save it as an ordinary JPEG file."
_REASONS: Final = {
    guarded.NOT_SUPPORTED: ("{} pictures are not read here", _JPEG_ADVICE),
    guarded.SEVERAL: (
        "the {} file holds several pictures",
        "Save the one that is meant as a JPEG file.",
    ),
    guarded.TOO_LARGE: (
        f"the {{}} picture has more than {guarded.MAX_PIXELS // 10**6} megapixels",
        "Save it smaller, or as a JPEG file; scan at 300 dots per inch.",
    ),
    guarded.TOO_DEEP: ("the {} picture does not have 8 bits per channel", _JPEG_ADVICE),
    guarded.DAMAGED: ("the {} file is damaged or cut off", "Copy or send the whole file again."),
}
"""What an outcome of the worker is called. No text of the worker is shown."""


class PictureReader:
    """Reads photographs of all kinds. A context: its end stops the worker, if there is one.

    Not for use by several threads.
    """

    def __init__(self, limits: WorkerLimits = LIMITS) -> None:
        self._limits = limits
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the worker. The next guarded picture starts another one."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def read(self, encoded: bytes) -> BgrImage:
        """The photograph in ``encoded``, upright: shape (height, width, 3), uint8, BGR.

        Raises UnreadableImage: as ``decode_image`` and ``embedded_picture``, or what a worker says
        of a guarded format.
        """
        check_length(encoded)
        found = formats.recognise(encoded[: formats.HEAD_BYTES])
        if found.kind == "record":
            encoded = embedded_picture(encoded)
            found = formats.recognise(encoded[: formats.HEAD_BYTES])
        if found.kind == "guarded":
            return self._guarded(encoded, found.name)
        return decode_image(encoded)

    def read_record(self, record: bytes) -> BgrImage:
        """The portrait in a chip's record (EF.DG2), of whatever kind, decoded by the worker: who
        forges a document writes these bytes, too.

        Raises UnreadableImage, as ``read``.
        """
        check_length(record)
        return self.read_apart(embedded_picture(record))

    def read_apart(self, encoded: bytes) -> BgrImage:
        """A portrait that is JPEG or JPEG 2000, decoded by the worker whichever it is.

        Raises UnreadableImage, as ``read``.
        """
        check_length(encoded)
        found = formats.recognise(encoded[: formats.HEAD_BYTES])
        return self._guarded(encoded, found.name)

    def _guarded(self, encoded: bytes, name: str) -> BgrImage:
        if self._worker is None:
            self._worker = _started(self._limits)
        try:
            outcome, height, width = self._worker.call("open", encoded, read=_header)
            if outcome != guarded.DECODED:
                text, advice = _REASONS[outcome]
                raise UnreadableImage(text.format(name), advice)
            return self._pixels(self._worker, height, width)
        except (Unavailable, MalformedMessage, Refused):
            self.close()
            raise UnreadableImage(
                f"the {name} file ended its decoder, or needed more time or memory than a "
                "photograph may",
                _JPEG_ADVICE,
            ) from None

    @staticmethod
    def _pixels(worker: Worker, height: int, width: int) -> BgrImage:
        size = 3 * height * width
        image = np.empty(size, np.uint8)
        for number, start in enumerate(range(0, size, guarded.PART_BYTES)):
            length = min(guarded.PART_BYTES, size - start)
            part = worker.call("part", number, read=octets(length))
            image[start : start + length] = np.frombuffer(part, np.uint8)
        return image.reshape(height, width, 3)


def _started(limits: WorkerLimits) -> Worker:
    worker = Worker(_WORKSHOP, limits)
    try:
        if worker.call("confined", read=_flag) == 0:
            _tell_unconfined()
    except (Unavailable, MalformedMessage, Refused):
        worker.stop()
        raise
    return worker


@cache
def _tell_unconfined() -> None:
    """Once. Decoding goes on, under the worker's limits alone."""
    _LOG.warning("the decoder's process is not confined: this system's kernel takes no filter")


def _flag(value: Any) -> int:
    if value not in (0, 1) or type(value) is not int:
        raise ValueError("neither 0 nor 1")
    return int(value)


def _header(value: Any) -> tuple[int, int, int]:
    """What ``open`` answers. Raises ``ValueError`` for all else."""
    if not isinstance(value, list) or [type(one) for one in value] != [int, int, int]:
        raise ValueError("not three integers")
    outcome, height, width = value
    if outcome == guarded.DECODED:
        if not (height > 0 and width > 0 and height * width <= guarded.MAX_PIXELS):
            raise ValueError("not the size of a picture")
    elif outcome not in _REASONS or (height, width) != (0, 0):
        raise ValueError("not an outcome")
    return outcome, height, width


def photograph_bytes(path: Path) -> bytes:
    """The content of a file that should be a photograph; never more than one may have.

    Raises UnreadableImage for moving pictures, for a file that is too long or empty, and for one of
    no known kind. OSError: unreadable.
    """
    with path.open("rb") as file:
        encoded = file.read(MAX_BYTES + 1)
    found = formats.recognise(encoded[: formats.HEAD_BYTES])
    if encoded and found.kind in ("video", "moving", "foreign"):  # whatever its length
        raise wrong_format(found)
    check_length(encoded)
    return encoded


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Errors about a picture say which one: ``name``, as the user gave it."""
    try:
        yield
    except ModelPackError:
        raise
    except VisionError as error:
        error.args = (f"{name}: {error}",)
        raise
