"""Pictures measured once for a quality profile, and kept in a directory that the user names.

One file for each kind of picture, so that a calibration that was stopped goes on where it was. A
file belongs to one model pack, one set of photographs and one list of strengths; others are made
anew. The files hold embeddings of the people photographed: they are to be deleted with the
photographs.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.degradation import Degradation
from gateway.lab.evaluation.photograph import Photograph, middle_face
from gateway.vision.geometry import BgrImage
from gateway.vision.images import decode_image
from gateway.vision.pipeline import FacePipeline
from gateway.vision.quality.measures import aligned_landmarks, derived
from gateway.vision.quality_profile import MEASURES

PATTERNS = 12
"""How many patterns the pictures of a calibration have; pattern 0 is left for measurements."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Samples:
    """Measured pictures of one kind; those without a face are left out, but counted."""

    names: tuple[str, ...]
    """Of the measures, in order."""
    measured: npt.NDArray[np.float32] = field(repr=False)
    """Shape (n, measures)."""
    vectors: npt.NDArray[np.float32] = field(repr=False)
    """Shape (n, d), unit length."""
    landmarks: npt.NDArray[np.float32] = field(repr=False)
    """On the aligned face, pixels: shape (n, 136), or (n, 0) for a finder without landmarks."""
    people: npt.NDArray[np.int32] = field(repr=False)
    patterns: npt.NDArray[np.int32] = field(repr=False)
    strengths: npt.NDArray[np.float32] = field(repr=False)
    tried: int = 0

    def __len__(self) -> int:
        return len(self.people)

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Samples":
        """Some of the pictures."""
        arrays: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return replace(self, **arrays)


_ARRAYS = ("measured", "vectors", "landmarks", "people", "patterns", "strengths")


def together(parts: Sequence[Samples]) -> Samples:
    """All pictures of several samples."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in parts]) for name in _ARRAYS
    }
    return replace(parts[0], **arrays, tried=sum(one.tried for one in parts))


@dataclass(frozen=True)
class Studio:
    """Whose pictures are measured, with what.

    Args:
        vision: pipeline of the pack that is calibrated.
        placing: pipeline with 68 landmarks, by which degradations find the parts of a face.
        pack: the calibrated pack's digest, in hexadecimal.
        directory: of the files.
    """

    vision: FacePipeline = field(repr=False)
    placing: FacePipeline = field(repr=False)
    pack: str
    directory: Path
    tell: Tell = field(default=lambda _: None, repr=False)

    def as_they_are(self, paths: Sequence[Path], people: Sequence[int]) -> Samples:
        """Photographs that should pass. ``people``: whose each is."""
        return self._kept("as they are", (0.0,), paths, people, lambda one, _: one.image)

    def degraded(
        self, kind: Degradation, paths: Sequence[Path], people: Sequence[int], pattern: int | None
    ) -> Samples:
        """One photograph of each person at every strength of a kind.

        ``pattern``: that all have in common; None: patterns 1 to ``PATTERNS`` in turn.
        """
        return self._kept(kind.name, kind.strengths, paths, people, kind.degrade, pattern=pattern)

    def _kept(
        self,
        name: str,
        strengths: Sequence[float],
        paths: Sequence[Path],
        people: Sequence[int],
        degrade: Callable[[Photograph, float], BgrImage],
        pattern: int | None = 0,
    ) -> Samples:
        inputs = (self.pack, MEASURES, name, strengths, pattern, people, [p.name for p in paths])
        key = hashlib.sha256(repr(inputs).encode()).hexdigest()
        file = self.directory / f"{slug(name)}.npz"
        kept = _read(file, key)
        if kept is None:
            self.tell(f"{name}: {len(paths)} photographs, {len(strengths)} strengths")
            photographs = self._photographs(paths, people, pattern)
            rows = [
                self._measure(degrade(photograph, strength), person, photograph.pattern, strength)
                for person, photograph in photographs
                for strength in strengths
            ]
            kept = _stacked([row for row in rows if row is not None], len(rows))
            _write(file, key, kept)
        return kept

    def _photographs(
        self, paths: Sequence[Path], people: Sequence[int], pattern: int | None
    ) -> Iterator[tuple[int, Photograph]]:
        for number, (path, person) in enumerate(zip(paths, people, strict=True)):
            image = decode_image(path.read_bytes())
            face = middle_face(self.placing, image)
            if face is not None:
                own = 1 + number % PATTERNS if pattern is None else pattern
                yield person, Photograph(image, face, own)

    def _measure(
        self, image: BgrImage, person: int, pattern: int, strength: float
    ) -> "_Row | None":
        face = middle_face(self.vision, image)
        if face is None:
            return None
        examined = self.vision.examine(image, face)
        measures = {
            name: value
            for name, value in examined.measured.items()
            if not name.startswith(("near-", "shape-"))
        }
        measures |= derived(measures)
        length = float(np.linalg.norm(examined.raw))
        if not np.isfinite(length) or length == 0.0:
            return None
        points = aligned_landmarks(face)
        flat = np.zeros(0, np.float32) if points is None else points.ravel()
        return _Row(measures, examined.raw / length, flat, person, pattern, strength)


@dataclass(frozen=True)
class _Row:
    measures: dict[str, float] = field(repr=False)
    vector: npt.NDArray[np.float32] = field(repr=False)
    landmarks: npt.NDArray[np.float32] = field(repr=False)
    person: int
    pattern: int
    strength: float


def slug(name: str) -> str:
    """A kind's name as a profile and a file's name have it."""
    return "".join(c if c.isalnum() else "-" for c in name.lower().replace("'", ""))


def _stacked(rows: Sequence[_Row], tried: int) -> Samples:
    if not rows:
        raise ValueError("no face was found in any picture of a kind")
    names = tuple(rows[0].measures)
    return Samples(
        names=names,
        measured=np.array([[row.measures[name] for name in names] for row in rows], np.float32),
        vectors=np.stack([row.vector for row in rows]).astype(np.float32),
        landmarks=np.stack([row.landmarks for row in rows]).astype(np.float32),
        people=np.array([row.person for row in rows], np.int32),
        patterns=np.array([row.pattern for row in rows], np.int32),
        strengths=np.array([row.strength for row in rows], np.float32),
        tried=tried,
    )


def _read(file: Path, key: str) -> Samples | None:
    if not file.is_file():
        return None
    with np.load(file) as kept:
        if str(kept["key"]) != key:
            return None
        arrays = {name: kept[name] for name in _ARRAYS}
        return Samples(tuple(map(str, kept["names"])), **arrays, tried=int(kept["tried"]))


def _write(file: Path, key: str, samples: Samples) -> None:
    """Whole or not at all."""
    values: dict[str, Any] = {one.name: getattr(samples, one.name) for one in fields(samples)}
    beside = file.with_suffix(".part.npz")
    np.savez(beside, key=np.array(key), **values)
    os.replace(beside, file)
