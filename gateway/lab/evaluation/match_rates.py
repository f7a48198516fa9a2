"""Error rates as functions of the threshold: FMR, FNMR, the equal error rate, rates at rates.

Counts are by v, a whole number, so every threshold that can tell anything apart is tried. A
comparison matches from the threshold on; the upper end of the accepted interval is left aside.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.match_scores import REACH

Counts = npt.NDArray[np.float64]

RATES: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False match rates that are asked for."""
SUPPORTED: Final = 30
"""So many false matches give a rate within 30 % of the true one, nine times in ten (Doddington's
rule of 30)."""
WEAK: Final = 3
"""Fewer say nothing: after none in N independent comparisons, rates up to 3/N remain possible (the
rule of three)."""

Support = Literal["supported", "weak", "none"]


def histogram(values: npt.NDArray[np.integer], weights: Counts | None = None) -> Counts:
    """How many comparisons have each v: shape (2 * REACH,), v at place v + REACH."""
    places = np.asarray(values, np.int64) + REACH
    return np.bincount(places, weights=weights, minlength=2 * REACH).astype(np.float64)


@dataclass(frozen=True)
class Errors:
    """FMR and FNMR at every threshold: shape (2 * REACH + 1,), threshold t at place t + REACH."""

    fmr: Counts = field(repr=False)
    fnmr: Counts = field(repr=False)

    @classmethod
    def of(cls, genuine: npt.NDArray[np.number], strangers: npt.NDArray[np.number]) -> "Errors":
        """From two histograms; NaN where there is no comparison."""
        with np.errstate(invalid="ignore"):
            below = np.concatenate(([0.0], np.cumsum(genuine)))
            above = np.concatenate((np.cumsum(strangers[::-1])[::-1], [0.0]))
            return cls(above / above[0], below / below[-1])

    def equal(self) -> float:
        """The equal error rate: where both rates, drawn through all thresholds, cross. NaN without
        comparisons."""
        apart = self.fmr - self.fnmr
        if not np.isfinite(apart).all():
            return float("nan")
        place = int(np.argmax(apart <= 0))  # apart falls from 1 to -1
        before, after = apart[place - 1], apart[place]
        part = before / (before - after)
        return float(self.fmr[place - 1] + part * (self.fmr[place] - self.fmr[place - 1]))

    def threshold_at(self, fmr: float) -> int:
        """The least v from which at most a share ``fmr`` of the strangers matches."""
        return int(np.argmax(self.fmr <= fmr)) - REACH


def support(fmr: float, strangers: int) -> Support:
    """Whether so many comparisons of strangers tell anything about a rate."""
    expected = fmr * strangers * (1 + 1e-9)
    return "supported" if expected >= SUPPORTED else "weak" if expected >= WEAK else "none"


def fold_accuracies(
    values: npt.NDArray[np.integer], same: npt.NDArray[np.bool_], folds: npt.NDArray[np.integer]
) -> list[float]:
    """Accuracy on each fold, at the threshold that decides most pairs of the others rightly."""
    return [
        float(
            np.mean(
                (
                    values[folds == fold]
                    >= best_threshold(values[folds != fold], same[folds != fold])
                )
                == same[folds == fold]
            )
        )
        for fold in np.unique(folds)
    ]


def best_threshold(values: npt.NDArray[np.integer], same: npt.NDArray[np.bool_]) -> int:
    """A threshold that decides most pairs rightly: of several such ones the middle one, half way
    between two scores."""
    different = np.unique(np.append(values, values.max() + 1))
    genuine, strangers = np.sort(values[same]), np.sort(values[~same])
    right = (len(genuine) - np.searchsorted(genuine, different)) + np.searchsorted(
        strangers, different
    )
    best = np.flatnonzero(right == right.max())
    place = int(best[len(best) // 2])
    before = different[max(0, place - 1)]
    return int(different[place] - (different[place] - before) // 2)
