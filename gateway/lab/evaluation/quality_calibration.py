"""Makes the quality profile of a model pack from a directory of photographs.

    python -m gateway.lab.evaluation.quality_calibration --photographs DIR --cache DIR --out FILE

``DIR`` is laid out as ``sealmatch evaluate quality`` wants it: ``pairs.csv`` with folds that share
no person, and the images that it names. Photographs of folds 0 to 4 are measured as they are; one
of each of ``--people`` persons is degraded in every way of ``degradations``, at every strength.
What was measured is kept in ``--cache``, so a run that was stopped goes on; the directory holds
embeddings and is to be deleted afterwards. The same photographs, pack and options give the same
profile. The whole of it takes an hour or two of one core.

The file belongs beside the pack's manifest, as ``quality.json``. Its figures on other people:
``sealmatch evaluate quality --pack DIR``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.cli.pack import FALSE_MATCH_RATE
from gateway.lab.attack.photograph.album import people as photographs_of
from gateway.lab.evaluation.degradations import DEGRADATIONS, FINDINGS, POOR
from gateway.lab.evaluation.quality_samples import Samples, Studio, together
from gateway.lab.evaluation.quality_thresholds import Indices, Search, pairs_of
from gateway.lab.evaluation.quality_training import (
    MOST_DETECTORS,
    Fitted,
    Matrix,
    PoorKind,
    fit,
    kinds_of,
)
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from gateway.vision.quality_profile import MEASURES, Limit, QualityProfile, uncalibrated

FOLDS: Final = (0, 1, 2, 3, 4)
HARMFUL = 2 * FALSE_MATCH_RATE
"""Rate of matches among strangers from which on a strength is one that must not pass."""
_LEAST_HITS = 3
_BOUND = 1.5 * FALSE_MATCH_RATE
_SMALLEST_NORM = 0.96
"""Of the norm that all but one good photograph in a thousand reach."""


_FIRST = 2.5
"""Times that kinds of poor picture count more than kinds of edited ones."""
_MARGIN = 0.1
"""Deviations that thresholds are relaxed by: they were chosen on scores of detectors that were
fitted to three quarters of the people, and those that are used were fitted to all."""
LIMITS: Final[dict[str, tuple[float | None, float | None]]] = {
    "roll": (None, 60),
    "luminance-mean": (0.1, 0.93),
    "under-exposure": (None, 0.6),
    "over-exposure": (None, 0.5),
    "luminance-deviation": (0.025, None),
    "dynamic-range": (4.0, None),
    "eyes-darker": (-0.35, 3.2),
    "colour-a": (-60, 70),
    "colour-b": (-65, 65),
    "grain": (0.01, 0.4),
    "sharpness": (0.045, 0.36),
    "turn": (None, 0.8),
    "nose": (-0.05, 1.05),
    "aspect": (0.68, 2.0),
    "slant": (None, 0.6),
    "unrest": (None, 12.5),
    "misfit": (None, 10.5),
}
"""Least and most of the plain measures. They lie beyond nearly all good photographs and depend on
no embedder; that of the embedding's norm does, and is measured."""


@dataclass(frozen=True)
class Row:
    """One kind at one strength."""

    kind: str
    strength: float
    groups: Sequence[Indices] = field(repr=False)
    """Numbers of the pictures that suffer the same way round."""
    alike: Sequence[Indices] = field(repr=False)
    """Numbers of the pictures of the same pattern."""


def calibrate(
    pack: ModelPack, good: Samples, poor: dict[str, Samples], share: float
) -> QualityProfile:
    """A profile that refuses about ``share`` of good photographs.

    Args:
        good: photographs as they are.
        poor: pictures by the name of their degradation.
    """
    least = pack.cosine_at_fmr(FALSE_MATCH_RATE)
    everything, rows = together(list(poor.values())), _rows(poor)
    bad = _harm(everything, rows, least)
    harmful = [row for row, does in zip(rows, bad, strict=True) if does]
    fine = [group for row, does in zip(rows, bad, strict=True) if not does for group in row.groups]
    harmless = everything.where(np.concatenate([*fine, np.zeros(0, np.intp)]))
    fitted = fit(good, harmless, _kinds(poor, harmful))
    pairs = pairs_of(
        everything.vectors, [groups for row in harmful for groups in (row.groups, row.alike)], least
    )
    good_scores, harmless_scores = fitted.scores(good), fitted.scores(harmless)
    search = Search(
        good_scores, harmless_scores, fitted.scores(everything), pairs, _BOUND, _weights(harmful)
    )
    most = search.run(share, MOST_DETECTORS) + _MARGIN
    return _profile(pack, good, poor, fitted, most)


def _rows(poor: dict[str, Samples]) -> list[Row]:
    rows, start = [], 0
    for kind in (one for one in DEGRADATIONS if one.name in poor):
        samples = poor[kind.name]
        for strength in kind.strengths:
            own = samples.strengths == np.float32(strength)
            rows.append(
                Row(
                    kind.name,
                    strength,
                    _groups(start, own, samples.patterns % kind.sides),
                    _groups(start, own, samples.patterns),
                )
            )
        start += len(samples)
    return rows


def _groups(start: int, own: npt.NDArray[np.bool_], labels: npt.NDArray[np.int32]) -> list[Indices]:
    return [
        start + np.flatnonzero(own & (labels == label)) for label in np.unique(labels[own]).tolist()
    ]


def _harm(everything: Samples, rows: Sequence[Row], least: float) -> list[bool]:
    """By row. What is more severe than a strength that does harm should not pass either."""
    found: dict[str, bool] = {}
    bad = []
    for row in rows:
        found[row.kind] = found.get(row.kind, False) or _does_harm(everything, row, least)
        bad.append(found[row.kind])
    return bad


def _does_harm(everything: Samples, row: Row, least: float) -> bool:
    """Whether strangers match too often, of those alike in way round or in pattern."""
    for groups in (row.groups, row.alike):
        pairs = pairs_of(everything.vectors, [groups], least) if groups else None
        trials = sum(len(group) * (len(group) - 1) // 2 for group in groups)
        if pairs is not None and len(pairs.first) >= max(_LEAST_HITS, HARMFUL * trials):
            return True
    return False


def _weights(harmful: Sequence[Row]) -> Matrix:
    """Of the search's rows, two for each: what pictures are by themselves comes first."""
    poor = {kind.name for kind in POOR}
    weights = [_FIRST if row.kind in poor else 1.0 for row in harmful]
    return np.repeat(np.asarray(weights), 2)


def _kinds(poor: dict[str, Samples], harmful: Sequence[Row]) -> list[PoorKind]:
    found = []
    for kind in DEGRADATIONS:
        strengths = [row.strength for row in harmful if row.kind == kind.name]
        if strengths:
            samples, finding = poor[kind.name], FINDINGS[kind.name]
            found += kinds_of(kind.name, finding, samples, kind.sides, strengths)
    return found


def _profile(
    pack: ModelPack, good: Samples, poor: dict[str, Samples], fitted: Fitted, most: Matrix
) -> QualityProfile:
    people = len({person for samples in poor.values() for person in samples.people.tolist()})
    strengths = sum(len(kind.strengths) for kind in DEGRADATIONS if kind.name in poor)
    norms = good.measured[:, good.names.index("embedding-norm")]
    least = round(_SMALLEST_NORM * float(np.quantile(norms, 0.001)), 3)
    return QualityProfile(
        format="sealmatch-face-quality/1",
        measures=MEASURES,
        pack=pack.digest.hex(),
        calibration=(
            f"{len(good):,} photographs of {len(set(good.people.tolist())):,} people that should "
            f"pass, and {people} of them in {len(poor)} kinds of degradation at {strengths} "
            "strengths. Regularised linear discriminants for each kind and way round that raises "
            "the false match rate; thresholds by a search on people that a discriminant was not "
            "fitted to. Limits lie beyond nearly all good photographs. Report on other people in "
            "docs/FIGURES.md."
        ),
        limits={
            **{name: Limit(least=low, most=high) for name, (low, high) in LIMITS.items()},
            "embedding-norm": Limit(least=least),
        },
        discriminants=fitted.discriminants(most),
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, fit and write. Returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.lab.evaluation.quality_calibration",
        description=(__doc__ or "").split("\n\n", maxsplit=1)[0],
    )
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="default: the default pack")
    parser.add_argument("--people", type=int, default=156, metavar="N", help="default: 156")
    parser.add_argument("--good", type=int, metavar="N", help="photographs; default: all")
    parser.add_argument(
        "--refused",
        type=float,
        default=0.0065,
        metavar="SHARE",
        help="of good ones; default: 0.0065",
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this kind")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the order of people")
    options = parser.parse_args(arguments)
    pack = load_pack(options.pack or default_pack_directory())
    good, poor = _measured(options, pack)
    profile = calibrate(pack, good, poor, options.refused)
    text = json.dumps(profile.model_dump(mode="json", exclude_none=True), indent=1) + "\n"
    options.out.write_text(text)
    count = len(profile.discriminants.detectors) if profile.discriminants else 0
    print(f"{options.out}: {count} detectors, digest {profile.digest.hex()}")
    return 0


def _measured(options: argparse.Namespace, pack: ModelPack) -> tuple[Samples, dict[str, Samples]]:
    paths = photographs_of(options.photographs, options.seed, FOLDS)
    known = {name: n for n, name in enumerate(sorted({path.parent.name for path in paths}))}
    people = [known[path.parent.name] for path in paths]
    options.cache.mkdir(parents=True, exist_ok=True)
    studio = Studio(
        FacePipeline(replace(pack, quality=uncalibrated())),
        FacePipeline(load_pack(default_pack_directory())),
        pack.digest.hex(),
        options.cache,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    good = studio.as_they_are(paths[: options.good], people[: options.good])
    chosen = [kind for kind in DEGRADATIONS if not options.only or kind.name in options.only]
    count = min(options.people, len(known))  # the first photographs are of one person each
    poor = {
        kind.name: studio.degraded(kind, paths[:count], people[:count], None) for kind in chosen
    }
    return good, poor


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
