"""What signs in the frame do to accuracy: rates and decisions, against those of float cosines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.he.frame import probe_signs, template_values
from gateway.wire.policy import KAPPA, LanePolicy

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

FLOOR = 0.15
"""Impostors' comparisons below this cosine are counted and not kept: no threshold lies there."""
_ROWS = 256


@dataclass(frozen=True)
class Encoded:
    """Embeddings in the three forms: shapes (n, d), (n, 4096) and (n, 4096).

    Signs and templates are integers held in float32; sums stay exact, for they are below 2^24.
    """

    vectors: Floats
    signs: Floats
    templates: Floats

    @classmethod
    def of(cls, vectors: Sequence[npt.NDArray[np.floating]]) -> "Encoded":
        return cls(
            np.array(vectors, dtype=np.float32),
            np.array([probe_signs(vector) for vector in vectors], dtype=np.float32),
            np.array([template_values(vector) for vector in vectors], dtype=np.float32),
        )


@dataclass(frozen=True)
class Scores:
    """Comparisons of a template with a probe: the float cosine, and v = <p, T>, side by side."""

    cosines: Floats
    values: Floats

    @property
    def errors(self) -> Floats:
        """v / kappa less the cosine."""
        return self.values / np.float32(KAPPA) - self.cosines

    def accepted(self, tau: str) -> Flags:
        """The decision of one lane."""
        lane = LanePolicy.for_cosine(tau)
        return (self.values >= lane.lo) & (self.values <= lane.hi)

    def changed(self, tau: str) -> Flags:
        """Where v decides otherwise than the cosine; the upper end is left aside."""
        lowest = LanePolicy.for_cosine(tau).lo
        return (self.values >= lowest) != (self.cosines >= np.float32(tau))

    def __getitem__(self, chosen: Flags) -> "Scores":
        return Scores(self.cosines[chosen], self.values[chosen])


@dataclass(frozen=True)
class AllAgainstAll:
    """Every two photographs, each once as template and once as probe."""

    genuine: Scores
    impostors: Scores
    """Those with a score above FLOOR."""
    impostor_count: int

    def true_match_rates(self, fmr: float) -> tuple[float, float]:
        """Share of the genuine that match at a false match rate: by cosines, and by v."""
        cosine, value = self.limits(fmr)
        return (
            float(np.mean(self.genuine.cosines > cosine)),
            float(np.mean(self.genuine.values > value)),
        )

    def limits(self, fmr: float) -> tuple[float, float]:
        """The least cosine, and the least v, that at most a share ``fmr`` of impostors exceeds."""
        allowed = int(fmr * self.impostor_count)
        kept = self.impostors.cosines.size
        if not 0 < allowed < kept:
            raise ValueError("too few impostors for this rate")
        cosine, value = (
            float(np.partition(scores, kept - allowed - 1)[kept - allowed - 1])
            for scores in (self.impostors.cosines, self.impostors.values)
        )
        if min(cosine, value / KAPPA) <= FLOOR:
            raise ValueError("the rate is too high: its threshold lies below what was kept")
        return cosine, value


def of_pairs(encoded: Encoded, pairs: Sequence[tuple[int, int]]) -> Scores:
    """The first of each pair is the template, the second the probe."""
    a, b = np.array(pairs).T
    return Scores(
        np.array([encoded.vectors[i] @ encoded.vectors[j] for i, j in zip(a, b, strict=True)]),
        np.array([encoded.templates[i] @ encoded.signs[j] for i, j in zip(a, b, strict=True)]),
    )


def of_all(encoded: Encoded, photographs: Sequence[Path]) -> AllAgainstAll:
    """A photograph's folder names its person."""
    _, people = np.unique([path.parent.name for path in photographs], return_inverse=True)
    genuine: list[Scores] = []
    impostors: list[Scores] = []
    count, places = 0, np.arange(len(photographs))
    for start in range(0, len(photographs), _ROWS):
        rows = slice(start, start + _ROWS)
        block = Scores(
            encoded.vectors[rows] @ encoded.vectors.T, encoded.templates[rows] @ encoded.signs.T
        )
        same = people[rows, None] == people
        high = (block.cosines > FLOOR) | (block.values > FLOOR * KAPPA)
        genuine.append(block[same & (places[rows, None] != places)])
        impostors.append(block[~same & high])
        count += int((~same).sum())
    return AllAgainstAll(_joined(genuine), _joined(impostors), count)


def _joined(parts: list[Scores]) -> Scores:
    return Scores(
        np.concatenate([part.cosines for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
