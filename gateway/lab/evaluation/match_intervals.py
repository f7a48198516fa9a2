"""Intervals by person: how far rates would vary with other people.

Comparisons that share a person are alike, so an interval that counts them as independent is too
narrow. Here people are drawn again, with replacement, as often as there are people (the bootstrap
over subjects; ISO/IEC 19795-1 names it, and for comparisons of two people Snijders and Borgatti,
1999, and Bolle and others, 2004, have it). A comparison counts as often as its person was drawn,
one of two people as often as both were: the product. Two copies of one person make no strangers.
The interval is from the 2.5th to the 97.5th percentile.

Where fewer than ten errors, or fewer than ten right decisions, were seen, draws say little: without
any error they would say 0 to 0. There the interval is the exact one of Clopper and Pearson, for as
many independent comparisons as these are worth. The *design effect* says how many: the variance of
the draws over that of independent comparisons, at the nearest threshold of the same curve with ten
of each (Kish, 1965). Without such a threshold it is 1, and the interval may be too narrow.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from gateway.calibration.evidence import Share

DRAWS: Final = 1000
ENOUGH: Final = 10
_TAIL: Final = 0.025

Weights = npt.NDArray[np.float64]
"""How often each person was drawn; shape (people,)."""
Drawn = npt.NDArray[np.float64]
"""A statistic of every draw: shape (draws,) or (draws, thresholds)."""
Statistic = Callable[[Weights], npt.NDArray[np.float64] | float]


def draws(people: int, seed: int, count: int = DRAWS) -> Iterator[Weights]:
    """People drawn with replacement, one set after the other."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(rng.integers(0, people, people), minlength=people).astype(np.float64)


def resample(
    statistics: Mapping[str, Statistic],
    people: int,
    seed: int,
    count: int = DRAWS,
    tell: Callable[[int], None] = lambda _: None,
) -> dict[str, Drawn]:
    """Every statistic of the same draws, so that differences of two may be taken draw by draw."""
    found: dict[str, list[npt.NDArray[np.float64] | float]] = {name: [] for name in statistics}
    for number, weights in enumerate(draws(people, seed, count)):
        tell(number)
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.array(values, np.float64) for name, values in found.items()}


def spread(drawn: Drawn) -> tuple[float, float]:
    """The middle 95 % of the draws; draws in which nothing was compared are left out."""
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [100 * _TAIL, 100 * (1 - _TAIL)])
    return float(low), float(high)


def exact(hits: float, of: float) -> tuple[float, float]:
    """Clopper and Pearson's interval, for numbers that need not be whole."""
    if of <= 0:
        return 0.0, 1.0
    low = float(betaincinv(hits, of - hits + 1, _TAIL)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - _TAIL)) if hits < of else 1.0
    return low, high


def design_effect(hits: int, of: int, drawn: Drawn) -> float | None:
    """How many comparisons are worth one independent one; None: too few errors to say."""
    known = drawn[np.isfinite(drawn)]
    if not _enough(hits, of) or known.size < 2:
        return None
    rate = hits / of
    return max(1.0, float(np.var(known)) * of / (rate * (1 - rate)))


def share(hits: int, of: int, drawn: Drawn | None = None, effect: float | None = None) -> Share:
    """A count with its interval.

    Args:
        drawn: the rate in every draw; shape (draws,).
        effect: the design effect for an exact interval.
    """
    if drawn is not None and _enough(hits, of):
        low, high = spread(drawn)
        # Of very few people, all draws may lie on one side of what was seen.
        low, high = min(low, hits / of), max(high, hits / of)
    else:
        low, high = exact(hits / (effect or 1.0), of / (effect or 1.0))
    return Share(hits=hits, of=of, low=max(0.0, low), high=min(1.0, high))


def shares(hits: npt.NDArray[np.integer], of: int, drawn: Drawn | None = None) -> list[Share]:
    """A curve: a count for each threshold, with the design effect of the nearest that has one.

    Args:
        hits: shape (thresholds,).
        drawn: shape (draws, thresholds); NaN where a threshold's rate was not drawn.
    """
    if drawn is None:
        return [share(int(one), of) for one in hits]
    effects = [
        design_effect(int(one), of, drawn[:, place]) if _drawn(drawn[:, place]) else None
        for place, one in enumerate(hits)
    ]
    known = np.array([place for place, effect in enumerate(effects) if effect is not None])
    found = []
    for place, one in enumerate(hits):
        nearest = effects[known[np.argmin(np.abs(known - place))]] if known.size else None
        here = drawn[:, place] if _drawn(drawn[:, place]) else None
        found.append(share(int(one), of, here, nearest))
    return found


def _enough(hits: int, of: int) -> bool:
    return min(hits, of - hits) >= ENOUGH


def _drawn(drawn: Drawn) -> bool:
    return bool(np.isfinite(drawn).any())
