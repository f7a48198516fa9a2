"""Linear discriminants of a quality profile, fitted to measured pictures, good and poor.

Source of the method: Fisher's linear discriminant (1936) with a ridge, as in regularised
discriminant analysis (Friedman, 1989). One for each kind of poor picture against all that should
pass: good photographs, and degradations that raise no false match rate. Two for each kind: one
from all its strengths that do harm, one from the mildest of them, which is the hardest to tell.

Features are the measures by name, cosines to the mean embeddings of the kinds, and the principal
components of the aligned landmarks. Every number is a statistic over many people.

People are dealt into ``PARTS``. Each part's scores come from detectors that were fitted without it,
because thresholds on the scores of a detector's own pictures would refuse other people too often.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.quality_samples import Samples, slug
from gateway.vision.quality_profile import (
    Detector,
    Direction,
    Discriminants,
    Scale,
    Shape,
    pack_numbers,
)

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PARTS: Final = 4
MOST_CLOUDS: Final = 64
MOST_DETECTORS: Final = 128
_CLIP = 5.0  # deviations
_COMPONENTS = 30
_RIDGE = 0.4
_LEAST_PICTURES = 20  # of a kind, to say anything about it
_UNUSED = ("roll", "inter-eye-distance")  # of the scan, not of the face


@dataclass(frozen=True)
class PoorKind:
    """One kind, or one way round of it: what does harm, and the mildest that does."""

    name: str
    finding: str
    harmful: Samples = field(repr=False)
    mildest: Samples = field(repr=False)


@dataclass(frozen=True)
class Space:
    """What makes features of samples."""

    names: tuple[str, ...]
    """Measures that are used."""
    clouds: dict[str, Matrix] = field(repr=False)
    """Unit vectors (d,)."""
    shape: tuple[Matrix, Matrix] | None = field(repr=False)
    """Mean of the landmarks (136,), and principal components (136, n)."""
    mean: Matrix = field(repr=False)
    deviation: Matrix = field(repr=False)

    def of(self, samples: Samples) -> Matrix:
        """Scaled features: shape (n, features)."""
        raw = _raw(samples, self.names, self.clouds, self.shape)
        return np.clip((raw - self.mean) / self.deviation, -_CLIP, _CLIP)

    @property
    def features(self) -> list[str]:
        """Their names, in order."""
        components = 0 if self.shape is None else self.shape[1].shape[1]
        return [
            *self.names,
            *(f"near-{name}" for name in self.clouds),
            *(f"shape-{number}" for number in range(components)),
        ]


def space_of(good: Samples, kinds: Sequence[PoorKind]) -> Space:
    """The features, scaled to mean 0 and deviation 1 over good photographs."""
    names = tuple(name for name in good.names if name not in _UNUSED)
    clouds = _clouds(good, kinds)
    shape = _shape(good)
    raw = _raw(good, names, clouds, shape)
    return Space(names, clouds, shape, raw.mean(axis=0), raw.std(axis=0) + 1e-9)


def _raw(
    samples: Samples,
    names: Sequence[str],
    clouds: dict[str, Matrix],
    shape: tuple[Matrix, Matrix] | None,
) -> Matrix:
    columns = [samples.names.index(name) for name in names]
    parts = [samples.measured[:, columns].astype(np.float64)]
    if clouds:
        parts.append(samples.vectors.astype(np.float64) @ np.stack(list(clouds.values()), axis=1))
    if shape is not None:
        parts.append((samples.landmarks.astype(np.float64) - shape[0]) @ shape[1])
    return np.hstack(parts)


def _shape(good: Samples) -> tuple[Matrix, Matrix] | None:
    if good.landmarks.shape[1] == 0:
        return None
    flat = good.landmarks.astype(np.float64)
    mean = flat.mean(axis=0)
    components = np.linalg.svd(flat - mean, full_matrices=False)[2][:_COMPONENTS]
    return np.asarray(mean), np.asarray(components.T)


def _clouds(good: Samples, kinds: Sequence[PoorKind]) -> dict[str, Matrix]:
    """Mean embeddings of the kinds, seen from that of good pictures; the least alike ones.

    Where there are more kinds than a profile holds, each next one is that which lies furthest from
    the span of those chosen (Gram-Schmidt with pivots).
    """
    centre = good.vectors.mean(axis=0, dtype=np.float64)
    offsets = {kind.name: kind.harmful.vectors.mean(axis=0) - centre for kind in kinds}
    rest = {name: offset.astype(np.float64) for name, offset in offsets.items()}
    chosen: dict[str, Matrix] = {}
    while rest and len(chosen) < MOST_CLOUDS:
        name = max(rest, key=lambda one: float(np.linalg.norm(rest[one])))
        direction = rest.pop(name)
        length = float(np.linalg.norm(direction))
        if length < 1e-6:
            break
        chosen[name] = offsets[name] / np.linalg.norm(offsets[name])
        direction = direction / length
        rest = {key: one - (one @ direction) * direction for key, one in rest.items()}
    return {kind.name: chosen[kind.name] for kind in kinds if kind.name in chosen}


@dataclass(frozen=True)
class Fitted:
    """Detectors without thresholds yet."""

    space: Space
    kinds: Sequence[PoorKind] = field(repr=False)
    """One for each detector."""
    weights: Matrix = field(repr=False)
    """Shape (features, detectors). A score has deviation 1 over what should pass."""
    middle: Matrix = field(repr=False)
    """Mean score of what should pass: shape (detectors,)."""
    by_part: Sequence[tuple[Matrix, Matrix]] = field(repr=False)
    """Weights and middles fitted without each part."""

    def scores(self, samples: Samples) -> Matrix:
        """Shape (n, detectors), deviations from the middle; of detectors without the person."""
        features = self.space.of(samples)
        scores = np.empty((len(samples), len(self.kinds)))
        for part, (weights, middle) in enumerate(self.by_part):
            own = samples.people % PARTS == part
            scores[own] = features[own] @ weights - middle
        return scores

    def discriminants(self, most: Matrix) -> Discriminants:
        """The profile's part. ``most``: shape (detectors,); infinite ones are left out."""
        space = self.space
        used = np.flatnonzero(np.isfinite(most))
        return Discriminants(
            clip=_CLIP,
            clouds=[Direction(name=k, values=pack_numbers(v)) for k, v in space.clouds.items()],
            shape=None if space.shape is None else _packed_shape(*space.shape),
            features=[
                Scale(name=name, mean=_short(mean), deviation=_short(deviation))
                for name, mean, deviation in zip(
                    space.features, space.mean, space.deviation, strict=True
                )
            ],
            detectors=[
                Detector(
                    kind=self.kinds[j].name,
                    finding=self.kinds[j].finding,
                    weights=pack_numbers(self.weights[:, j]),
                    most=round(float(most[j] + self.middle[j]), 4),
                )
                for j in used.tolist()
            ],
        )


def fit(good: Samples, harmless: Samples, kinds: Sequence[PoorKind]) -> Fitted:
    """Fit the detectors of all kinds, on all people and without each part of them."""
    space = space_of(good, kinds)
    sound = np.vstack([space.of(good), space.of(harmless)])
    of_sound = np.concatenate([good.people, harmless.people]) % PARTS
    poor = [
        (kind, space.of(samples), samples.people % PARTS)
        for kind in kinds
        for samples in _distinct(kind)
        if len(samples) >= _LEAST_PICTURES
    ]
    everybody = _weights(sound, [features for _, features, _ in poor])
    return Fitted(
        space=space,
        kinds=[kind for kind, _, _ in poor],
        weights=everybody[0],
        middle=everybody[1],
        by_part=[
            _weights(sound[of_sound != part], [features[of != part] for _, features, of in poor])
            for part in range(PARTS)
        ],
    )


def _distinct(kind: PoorKind) -> list[Samples]:
    same = len(kind.mildest) == len(kind.harmful)
    return [kind.harmful] if same else [kind.mildest, kind.harmful]


def _weights(sound: Matrix, poor: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    middle, spread = sound.mean(axis=0), np.cov(sound.T)
    ridge = _RIDGE * np.eye(len(spread))
    found = []
    for features in poor:
        both = (spread + np.cov(features.T)) / 2 + ridge
        weights = np.linalg.solve(both, features.mean(axis=0) - middle)
        found.append(weights / np.sqrt(weights @ spread @ weights))
    weights = np.stack(found, axis=1)
    return weights, middle @ weights


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _packed_shape(mean: Matrix, components: Matrix) -> Shape:
    return Shape(
        mean=pack_numbers(mean),
        directions=[
            Direction(name=str(number), values=pack_numbers(column))
            for number, column in enumerate(components.T)
        ],
    )


def kinds_of(
    name: str, finding: str, samples: Samples, sides: int, harmful: Sequence[float]
) -> list[PoorKind]:
    """A kind's ways round, each for itself. ``harmful``: strengths, from the mildest on."""
    found = []
    for side in range(sides):
        own = samples.where(samples.patterns % sides == side)
        bad = own.where(np.isin(own.strengths, np.asarray(harmful, np.float32)))
        mild = bad.where(bad.strengths == np.float32(harmful[0]))
        label = slug(name) + (f"-{side}" if sides > 1 else "")
        found.append(PoorKind(label, finding, bad, mild))
    return [kind for kind in found if len(kind.harmful) >= _LEAST_PICTURES]
