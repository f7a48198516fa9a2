"""The work of ``sealmatch evaluate quality``. Importing it loads models and OpenCV.

Photographs are of people that the shipped profile was not calibrated on. Vectors stay in memory.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gateway.cli.pack import FALSE_MATCH_RATE
from gateway.lab.attack.photograph.album import people as photographs_of
from gateway.lab.evaluation.degradation import Degradation
from gateway.lab.evaluation.degradations import DEGRADATIONS
from gateway.lab.evaluation.photograph import Photograph, middle_face, ungated
from gateway.lab.evaluation.quality_figures import (
    MOST_TIMES_GOOD,
    Count,
    QualityFigures,
    Row,
    Taken,
    pairs_alike,
    pairs_otherwise,
)
from gateway.lab.evaluation.quality_search import Recipe, Tried, climb, try_recipe
from gateway.lab.evaluation.quality_tables import as_json, as_table, search_table
from gateway.vision.errors import VisionError
from gateway.vision.geometry import BgrImage
from gateway.vision.images import decode_image
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline, UnitVector

REPORT_FOLDS = (5, 6)
"""Of LFW: the shipped profile was calibrated on folds 0 to 4, and folds share no person."""
_GOOD = -1  # the row of undegraded photographs
_TELL_EVERY = 10
_BEST = 4  # recipes of a search that are tried on other people

Variant = tuple[Degradation, float]


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 if every required figure was reached."""
    pack = load_pack(options.pack or default_pack_directory())
    variants = _variants(options)
    paths = photographs_of(_folder(options), options.seed, REPORT_FOLDS)
    known = {path.parent.name: number for number, path in enumerate(paths[: _people_in(paths)])}
    if options.people > len(known):
        options.parser.error(f"there are photographs of {len(known)} people only")
    least, vision = pack.cosine_at_fmr(FALSE_MATCH_RATE), FacePipeline(pack)
    if options.search:
        return _search(options, vision, paths[: options.people], least)
    good = [
        _taken(vision, decode_image(path.read_bytes()), known[path.parent.name], _GOOD)
        for path in _told(paths[: options.good], "photographs as they are")
    ]
    poor = [
        taken
        for number, path in enumerate(_told(paths[: options.people], "people, degraded"))
        for taken in _degraded(vision, path, number, variants)
    ]
    figures = _figures(good, poor, variants, least)
    print(json.dumps(as_json(figures)) if options.json else as_table(figures))
    return 0 if figures.met else 1


def _search(
    options: argparse.Namespace, vision: FacePipeline, paths: Sequence[Path], least: float
) -> int:
    """Climb on a third of the people, and try the best recipes on the others."""
    photographs = [
        Photograph(image, face)
        for image in (decode_image(path.read_bytes()) for path in paths)
        if (face := middle_face(vision, image)) is not None
    ]
    few, others = photographs[: len(photographs) // 3], photographs[len(photographs) // 3 :]

    def attempt(recipe: Recipe, on: Sequence[Photograph]) -> Tried:
        return try_recipe(
            recipe,
            on,
            lambda image: _passed(vision, image),
            lambda image: middle_face(vision, image),
            least,
        )

    tried = climb(lambda recipe: attempt(recipe, few), options.search, options.seed)
    best = sorted(tried, key=lambda one: (one.matches, one.nearest), reverse=True)[:_BEST]
    found = [attempt(one.recipe, others) for one in best]
    print(json.dumps([asdict(one) for one in found]) if options.json else search_table(found))
    matched = Count(sum(one.matches for one in found), sum(one.pairs for one in found))
    return 0 if matched.interval.low <= MOST_TIMES_GOOD * FALSE_MATCH_RATE else 1


def _variants(options: argparse.Namespace) -> list[Variant]:
    known = {one.name for one in DEGRADATIONS}
    if unknown := set(options.only) - known:
        options.parser.error(f"{min(unknown)!r} is none of: {', '.join(sorted(known))}")
    chosen = [one for one in DEGRADATIONS if not options.only or one.name in options.only]
    return [(one, strength) for one in chosen for strength in one.strengths]


def _folder(options: argparse.Namespace) -> Path:
    faces = os.environ.get("SEALMATCH_FACES")
    if options.photographs is None and faces is None:
        options.parser.error("name the folder with --photographs, or set SEALMATCH_FACES")
    return options.photographs or Path(str(faces)) / "lfw"


def _people_in(paths: Sequence[Path]) -> int:
    """How many people there are: the first photographs show each of them once."""
    return len({path.parent for path in paths})


def _told(paths: Sequence[Path], what: str) -> Iterator[Path]:
    for number, path in enumerate(paths):
        if number % _TELL_EVERY == 0:
            print(f"... {number} of {len(paths)} {what}", file=sys.stderr, flush=True)
        yield path


def _degraded(
    vision: FacePipeline, path: Path, person: int, variants: Sequence[Variant]
) -> Iterator[Taken]:
    """Every degradation of one photograph; nothing where it shows no face as it is."""
    image = decode_image(path.read_bytes())
    face = middle_face(vision, image)
    if face is None:
        return
    photograph = Photograph(image, face)
    for row, (kind, strength) in enumerate(variants):
        yield _taken(vision, kind.degrade(photograph, strength), person, row)


def _taken(vision: FacePipeline, image: BgrImage, person: int, row: int) -> Taken:
    return Taken(person, row, ungated(vision, image), _passed(vision, image))


def _passed(vision: FacePipeline, image: BgrImage) -> UnitVector | None:
    """What a registration embeds, upright after turning where needed; None: refused."""
    try:
        return vision.embed(image, select="central").vector
    except VisionError:
        return None


def _figures(
    good: Sequence[Taken], poor: Sequence[Taken], variants: Sequence[Variant], least: float
) -> QualityFigures:
    passed = [one for one in poor if one.passed is not None]
    across = {}
    if passed:
        vectors = np.stack([np.asarray(one.passed) for one in passed])
        people = np.array([one.person for one in passed])
        rows = np.array([one.row for one in passed])
        across = pairs_otherwise(vectors, people, rows, least)
    return QualityFigures(
        fmr=FALSE_MATCH_RATE,
        refused=Count(sum(one.passed is None for one in good), len(good)),
        good=_alike(good, least),
        rows=[
            _row(kind, strength, [one for one in poor if one.row == row], across, row, least)
            for row, (kind, strength) in enumerate(variants)
        ],
    )


def _row(
    kind: Degradation,
    strength: float,
    taken: Sequence[Taken],
    across: dict[int, Count],
    row: int,
    least: float,
) -> Row:
    return Row(
        name=kind.name,
        strength=strength,
        unit=kind.unit,
        passed=Count(sum(one.passed is not None for one in taken), len(taken)),
        ungated=_alike(taken, least, gate=False),
        alike=_alike(taken, least),
        otherwise=across.get(row, Count(0, 0)),
    )


def _alike(taken: Sequence[Taken], least: float, *, gate: bool = True) -> Count:
    chosen = [
        (one.person, vector)
        for one in taken
        if (vector := one.passed if gate else one.vector) is not None
    ]
    if not chosen:
        return Count(0, 0)
    people = np.array([person for person, _ in chosen])
    return pairs_alike(np.stack([vector for _, vector in chosen]), people, least)
