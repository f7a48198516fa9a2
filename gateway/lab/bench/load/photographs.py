"""Pairs of photographs, embedded before the run: what the counters of a run compare.

The file is that of ``sealmatch evaluate match``: CSV with the columns ``file_a`` and ``file_b``.
Pictures without a vector (no face, or refused by the quality gate) are passed over, as a counter
would ask for another one. Vectors stay in memory.
"""

import csv
import random
from pathlib import Path
from typing import Final

from gateway.lab.bench.load.generator import Vector
from gateway.vision.errors import ModelPackError, VisionError
from gateway.vision.images import decode_image
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.errors import SealmatchError

MOST_BYTES: Final = 64 * 2**20
"""Of the file of pairs, and of a picture."""


class PairsUnusable(SealmatchError):
    """The file of pairs cannot be read, or too few of its pictures have a face that can be used."""


def embedded_pairs(
    file: Path, root: Path, pack: ModelPack, count: int, seed: int = 1
) -> list[tuple[Vector, Vector]]:
    """Unit vectors of so many pairs, drawn from the file.

    Args:
        root: the pictures' directory.

    Raises:
        PairsUnusable: as it says.
    """
    named = _named(file)
    random.Random(seed).shuffle(named)  # noqa: S311  a sample
    vision, pairs = FacePipeline(pack), []
    for names in named:
        vectors = [_vector(vision, root / name) for name in names]
        if vectors[0] is not None and vectors[1] is not None:
            pairs.append((vectors[0], vectors[1]))
        if len(pairs) == count:
            return pairs
    raise PairsUnusable(f"{file.name}: {len(pairs)} pairs can be used, {count} are needed")


def _named(file: Path) -> list[tuple[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return [(row["file_a"], row["file_b"]) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PairsUnusable(f"{file.name} cannot be read: {type(error).__name__}") from None
    except KeyError:
        raise PairsUnusable(f"{file.name}: it needs the columns file_a and file_b") from None


def _vector(vision: FacePipeline, path: Path) -> Vector | None:
    try:
        with path.open("rb") as picture:
            image = decode_image(picture.read(MOST_BYTES))
        return vision.embed(image, "central").vector
    except ModelPackError:
        raise
    except (VisionError, OSError):
        return None
