"""The photographs for development: where they are, and pairs drawn from them.

They are never part of the project. ``SEALMATCH_FACES`` names their folder, which holds
``lfw/pairs.csv`` and ``lfw/images``. On a developer's machine a missing folder skips the tests that
need it; under ``CI`` it fails them, because a check that silently stops running is worse than none.
Embeddings of these faces are biometric data too: tests keep them in memory, in no cache.
"""

import csv
import os
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
import pytest

from gateway.lab.evaluation.photograph import ungated
from gateway.vision.errors import ModelPackMissing
from gateway.vision.images import decode_image
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline, UnitVector

_REPOSITORY = Path(__file__).resolve().parent.parent

Pair = tuple[Path, Path, bool]
"""Two photographs, and whether they show the same person."""


def faces_directory() -> Path:
    """The folder of photographs; skips the calling test where there is none, fails under CI."""
    chosen = os.environ.get("SEALMATCH_FACES")
    folder = Path(chosen) if chosen else _REPOSITORY.parent / "shared" / "faces"
    if not (folder / "lfw" / "pairs.csv").is_file():
        _unavailable("no photographs: set SEALMATCH_FACES to a folder with lfw/pairs.csv")
    return folder


@cache
def pipeline() -> FacePipeline:
    """The default pack, loaded once; skips where it was not fetched, fails under CI."""
    try:
        return FacePipeline(load_pack(default_pack_directory()))
    except ModelPackMissing:
        _unavailable("no model pack: run `sealmatch models fetch`")


def all_lfw_pairs() -> list[tuple[Pair, int]]:
    """Every pair at hand with its fold, in the order of the list."""
    lfw = faces_directory() / "lfw"
    with (lfw / "pairs.csv").open(newline="") as rows:
        return [
            ((lfw / row["file_a"], lfw / row["file_b"], row["same"] == "1"), int(row["fold"]))
            for row in csv.DictReader(rows)
        ]


def lfw_pairs(count: int, seed: int) -> list[Pair]:
    """``count`` pairs, spread evenly over folds and over same and different; stable in ``seed``."""
    groups: dict[tuple[int, bool], list[Pair]] = {}
    for pair, fold in all_lfw_pairs():
        groups.setdefault((fold, pair[2]), []).append(pair)
    draw = random.Random(seed)
    for group in groups.values():
        draw.shuffle(group)
    ordered = [groups[key] for key in sorted(groups)]
    depth = -(-count // len(ordered))
    if any(len(group) < depth for group in ordered):
        raise ValueError("there are not so many pairs")
    return [group[row] for row in range(depth) for group in ordered][:count]


@dataclass
class Embeddings:
    """Embeddings by photograph, made when first asked for; the middle face is LFW's subject.

    As the model gives them, whatever the quality gate says: tests of the model, and of what the
    protocol makes of vectors, need every photograph.
    """

    vision: FacePipeline
    _known: ClassVar[dict[Path, UnitVector]] = {}
    """Of this process, for all tests in it: they all use the default pack."""

    def __call__(self, photograph: Path) -> UnitVector:
        if photograph not in self._known:
            image = decode_image(photograph.read_bytes())
            vector = ungated(self.vision, image)
            if vector is None:
                raise AssertionError(f"no face in {photograph.name}")
            self._known[photograph] = vector
        return self._known[photograph]

    def cosine(self, pair: Pair) -> float:
        """Cosine of the two faces of ``pair``, in [-1, 1]."""
        return float(np.dot(self(pair[0]), self(pair[1])))


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
