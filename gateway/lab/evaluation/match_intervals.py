"""Intervals by person: how far rates would vary with other people.

Comparisons that share a person are alike, so an interval that counts them as independent is too
narrow. How much so is the *design effect*: the variance of the rate over that of as many
independent comparisons. The interval is the exact one of Clopper and Pearson for the number of
independent comparisons that these are worth (Korn and Graubard, 1998, for surveys by clusters).

The variance is the one for pairs of people (Fafchamps and Gubert, 2007; Aronow, Samii and
Assenova, 2015): errors are correlated, in whatever way, where two comparisons share a person, and
independent where they do not. Drawing people again with replacement would count what is of a single
pair three times (Owen, 2007), so that is done for the equal error rate alone, which has no such
formula: its interval errs on the wide side.

Fewer than ten errors, or fewer than ten right decisions, tell no variance. Then the design effect
is that of the nearest threshold of the same curve with ten of each. Without any it is 1, and the
interval may be too narrow.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from gateway.calibration.evidence import Share

DRAWS: Final = 1000
ENOUGH: Final = 10
_TAIL: Final = 0.025

Floats = npt.NDArray[np.float64]
Subjects = npt.NDArray[np.int32]
Weights = Floats
"""How often each person was drawn; shape (people,)."""


class Dyads:
    """Whom comparisons show: people ``a`` and ``b``, the same for a genuine comparison."""

    def __init__(self, a: Subjects, b: Subjects, people: int) -> None:
        self._a, self._b, self._people = a, b, people
        self._two = a != b
        low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b)
        _, self._pair = np.unique(low * people + high, return_inverse=True)

    def __len__(self) -> int:
        return len(self._a)

    def effect(self, hit: npt.NDArray[np.bool_]) -> float | None:
        """The design effect of a share; None: too few errors to say. ``hit``: shape (n,)."""
        hits, of = int(hit.sum()), len(hit)
        if not enough(hits, of):
            return None
        rate = hits / of
        errors = hit - rate
        by_person = np.bincount(self._a, errors, self._people)
        by_person += np.bincount(self._b[self._two], errors[self._two], self._people)
        # What two people have with each other stands in the sums of both.
        by_pair = np.bincount(self._pair[self._two], errors[self._two])
        return design_effect(float(by_person @ by_person - by_pair @ by_pair), rate, of)


def design_effect(squares: float, rate: float, of: int) -> float:
    """Never below 1. ``squares``: of the sums of errors that are correlated."""
    return max(1.0, squares / (of * rate * (1 - rate)))


def enough(hits: int, of: int) -> bool:
    """Whether a variance may be told from so many."""
    return min(hits, of - hits) >= ENOUGH


def exact(hits: float, of: float) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval, for numbers that need not be whole."""
    if of <= 0:
        return 0.0, 1.0
    low = float(betaincinv(hits, of - hits + 1, _TAIL)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - _TAIL)) if hits < of else 1.0
    return low, high


def share(hits: int, of: int, effect: float | None = None) -> Share:
    """A count with its interval."""
    low, high = exact(hits / (effect or 1.0), of / (effect or 1.0))
    return Share(hits=hits, of=of, low=low, high=high)


def nearest_known(effects: Sequence[float | None]) -> list[float | None]:
    """Each threshold's design effect, or that of the nearest one that has one."""
    known = np.array([place for place, effect in enumerate(effects) if effect is not None])
    if not known.size:
        return list(effects)
    return [effects[known[np.argmin(np.abs(known - place))]] for place in range(len(effects))]


@dataclass(frozen=True)
class Between:
    """A difference or a ratio, with its interval."""

    value: float
    low: float
    high: float

    @property
    def triple(self) -> tuple[float, float, float]:
        return self.value, self.low, self.high


def difference(here: Share, there: Share) -> Between | None:
    """Of two rates (Newcombe, 1998, method 10, on both intervals); None without a comparison.

    The two are taken as independent. Where they share people, the interval is too wide.
    """
    a, b = here.rate, there.rate
    if a is None or b is None:
        return None
    below, above = np.hypot(a - here.low, there.high - b), np.hypot(here.high - a, b - there.low)
    return Between(a - b, float(a - b - below), float(a - b + above))


def ratio(here: Share, there: Share) -> Between | None:
    """Of two rates, by the same method on logarithms; None where one of them is zero."""
    a, b = here.rate, there.rate
    if not a or not b or not there.low:
        return None
    above = np.hypot(np.log(here.high / a), np.log(b / there.low))
    low = 0.0
    if here.low:
        low = float(a / b * np.exp(-np.hypot(np.log(a / here.low), np.log(there.high / b))))
    return Between(a / b, low, float(a / b * np.exp(above)))


def drawn_again(
    statistic: Callable[[Weights], float],
    people: int,
    seed: int,
    count: int = DRAWS,
    tell: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """The middle 95 % of a statistic when people are drawn with replacement, as often as there are
    people. Draws in which it has no value are left out."""
    found = []
    for weights in _draws(people, seed, count):
        found.append(statistic(weights))
        tell()
    known = np.array(found)[np.isfinite(found)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [100 * _TAIL, 100 * (1 - _TAIL)])
    return float(low), float(high)


def _draws(people: int, seed: int, count: int) -> Iterator[Weights]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(rng.integers(0, people, people), minlength=people).astype(np.float64)
