"""Pictures to vectors, by the product's own path: decoding, detection, quality gate, alignment,
embedding. What a counter would turn away gives no vector here either, with the reason.

Vectors stay in memory: nothing of a face is written anywhere.
"""

import io
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TextIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from gateway.lab.evaluation.degraded_faces import chip_crop
from gateway.lab.evaluation.match_scores import Side
from gateway.lab.evaluation.photograph import (
    Photograph,
    jpeg_2000_of,
    middle_face,
    ungated,
)
from gateway.vision.errors import ModelPackError, NoFaceFound, UnreadableImage, VisionError
from gateway.vision.geometry import BgrImage
from gateway.vision.images import MAX_BYTES, decode_image
from gateway.vision.pipeline import FacePipeline, UnitVector

Face = Literal["only", "middle"]

_PORTRAIT: Final = re.compile(r"(?:(png)|(jpeg|jp2)):([0-9]{2,4})x([0-9]{2,4})(?::([0-9]{3,7}))?")
_SECONDS: Final = 5.0
"""Between two lines of progress."""


@dataclass(frozen=True)
class Portrait:
    """How a document holds a portrait: cut so that the head fills 60 %, and compressed."""

    kind: str
    width: int
    height: int
    most_bytes: int

    @classmethod
    def parse(cls, text: str) -> "Portrait":
        """``png:WIDTHxHEIGHT``, ``jpeg:WIDTHxHEIGHT:BYTES`` or ``jp2:WIDTHxHEIGHT:BYTES``.

        Raises ValueError.
        """
        found = _PORTRAIT.fullmatch(text)
        if found is None or (found[1] is None) != (found[5] is not None):
            raise ValueError("like png:102x126, jpeg:102x126:3000 or jp2:102x126:1000")
        return cls(found[1] or found[2], int(found[3]), int(found[4]), int(found[5] or 0))

    def __str__(self) -> str:
        size = f"{self.kind}:{self.width}x{self.height}"
        return size if self.kind == "png" else f"{size}:{self.most_bytes}"

    def of(self, vision: FacePipeline, image: BgrImage) -> BgrImage:
        """The portrait of the middle face. Raises NoFaceFound."""
        face = middle_face(vision, image)
        if face is None:
            raise NoFaceFound
        crop = chip_crop(Photograph(image, face), (self.width, self.height))
        if self.kind == "png":
            return crop
        return (_jpeg_of if self.kind == "jpeg" else jpeg_2000_of)(crop, self.most_bytes)


def _jpeg_of(image: BgrImage, most: int) -> BgrImage:
    """After the best JPEG of at most ``most`` bytes, or of quality 1 where none is as small.

    As encoders for chips write them, with tables made for the picture and half the colour's
    resolution: in a file of 1 kB a general encoder's tables alone take 0.6.
    """
    low, high = 1, 95
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_jpeg(image, middle)) <= most else (low, middle - 1)
    return decode_image(_jpeg(image, low))


def _jpeg(image: BgrImage, quality: int) -> bytes:
    encoded = io.BytesIO()
    picture = Image.fromarray(image[:, :, ::-1])
    picture.save(encoded, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    return encoded.getvalue()


@dataclass(frozen=True)
class Booth:
    """How pictures become vectors in this run."""

    vision: FacePipeline = field(repr=False)
    face: Face = "only"
    gated: bool = True
    """False: whatever the quality gate says, and the middle face. For comparison with figures that
    others publish; no counter works like that."""

    def vector(self, path: Path, portrait: Portrait | None = None) -> UnitVector | str:
        """The vector of a picture, or the name of the error that a counter would show."""
        try:
            image = decode_image(_content(path))
            if portrait is not None:
                image = portrait.of(self.vision, image)
            if not self.gated:
                found = ungated(self.vision, image)
                return NoFaceFound.__name__ if found is None else found
            select: Literal["only", "central"] = "only" if self.face == "only" else "central"
            return self.vision.embed(image, select).vector
        except ModelPackError:
            raise
        except VisionError as error:
            return type(error).__name__


@dataclass(frozen=True)
class Taken:
    """One role's vectors, and why pictures of this role failed."""

    side: Side
    asked: npt.NDArray[np.bool_] = field(repr=False)
    """Which pictures this role has."""
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        return self.asked & ~self.side.there


def take(
    paths: Sequence[Path],
    asked: npt.NDArray[np.bool_],
    vector: Callable[[Path], UnitVector | str],
    dimension: int,
    tell: Callable[[], None],
) -> Taken:
    """The vectors of the pictures that are asked for."""
    vectors = np.zeros((len(paths), dimension), np.float32)
    there, reasons = np.zeros(len(paths), np.bool_), Counter[str]()
    for number in np.flatnonzero(asked):
        found = vector(paths[int(number)])
        if isinstance(found, str):
            reasons[found] += 1
        else:
            vectors[number], there[number] = found, True
        tell()
    return Taken(Side(vectors, there), asked, reasons)


class Progress:
    """How far the work is, and how long it will still take, on standard error."""

    def __init__(self, what: str, of: int, out: TextIO | None = None) -> None:
        self._what, self._of, self._out = what, of, out or sys.stderr
        self._began = self._told = time.monotonic()
        self._done = 0

    def one(self) -> None:
        self.at(self._done + 1)

    def at(self, done: int) -> None:
        self._done = done
        now = time.monotonic()
        if now - self._told < _SECONDS and not (done == self._of and self._told > self._began):
            return
        self._told = now
        left = (now - self._began) / max(done, 1) * (self._of - done)
        print(
            f"... {done:,} of {self._of:,} {self._what}, {_lasting(left)} left",
            file=self._out,
            flush=True,
        )


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableImage("the picture cannot be read") from error
