"""Photographs for the trials: first one of each person, then the others.

Labeled Faces in the Wild comes in folds that share no person. The moves, and the measurements
against rolled prints, were developed on folds 0 to 2. The trials use other folds
(gateway/docs/EVALUATION.md names the exceptions). A photograph must show a face that is large
enough and looks into the camera; otherwise the first action is never asked for.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from gateway.lab.attack.photograph.moves import Anatomy
from gateway.vision.geometry import BgrImage, DetectedFace
from gateway.vision.images import decode_image
from gateway.vision.pipeline import FacePipeline

FOLDS: Final = (3, 4, 5, 6)
_MARGIN = 25  # pixels of 250; the data set's alignment leaves black corners
_SMALLEST = 60.0  # box height in pixels
_FRONTAL = 0.08  # offset of the nose between the eyes, in eye distances; about 10 degrees


def people(folder: Path, seed: int, folds: tuple[int, ...] = FOLDS) -> list[Path]:
    """Every photograph of these folds: first one of each person, then the others, both shuffled.

    ``folder`` holds ``pairs.csv`` and the images that it names.
    """
    known: dict[str, set[str]] = {}
    with (folder / "pairs.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            if int(row["fold"]) in folds:
                for name in (row["file_a"], row["file_b"]):
                    known.setdefault(Path(name).parent.name, set()).add(name)
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    names = sorted(known)
    draw.shuffle(names)
    first = [draw.choice(sorted(known[name])) for name in names]
    rest = sorted(set().union(*known.values()) - set(first))
    draw.shuffle(rest)
    return [folder / name for name in first + rest]


def prints(
    folder: Path, vision: FacePipeline, seed: int, folds: tuple[int, ...] = FOLDS
) -> Iterator[tuple[BgrImage, Anatomy]]:
    """Photographs with a frontal face, (height, width, 3), uint8, BGR, and where its parts are."""
    for path in people(folder, seed, folds):
        whole = decode_image(path.read_bytes())
        photograph = np.ascontiguousarray(whole[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])
        middle = np.array(photograph.shape[1::-1]) / 2
        faces = [face for face in vision.faces(photograph) if face.box.height >= _SMALLEST]
        if faces:
            nearest = min(faces, key=lambda face: np.hypot(*(face.box.centre - middle)))
            if abs(_nose_offset(nearest)) <= _FRONTAL:
                yield photograph, Anatomy.of(photograph, nearest)


def _nose_offset(face: DetectedFace) -> float:
    left, right, nose = face.five[:3].astype(float)
    return float((nose - (left + right) / 2) @ (right - left)) / face.inter_ocular_px**2
