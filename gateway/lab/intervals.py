"""Exact 95 % confidence intervals of counts.

Counts here are small (five turns, no false event), so the usual normal approximation is wrong. Both
intervals are the classical exact ones, whose coverage is at least 95 %: Clopper and Pearson (1934)
for a share, Garwood (1936) for a rate.
"""

from dataclasses import dataclass

from scipy.special import betaincinv, gammaincinv

_TAIL = 0.025  # probability outside the interval, on each side


@dataclass(frozen=True, slots=True)
class Interval:
    """The values from ``low`` to ``high``, both included."""

    low: float
    high: float


def share(hits: int, trials: int) -> Interval:
    """Interval of a probability that gave ``hits`` in ``trials``; 0 to 1 without a trial.

    Raises:
        ValueError: ``hits`` is not in 0 to ``trials``.
    """
    if not 0 <= hits <= trials:
        raise ValueError("hits must be 0 to trials")
    low = float(betaincinv(hits, trials - hits + 1, _TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - _TAIL)) if hits < trials else 1.0
    return Interval(low, high)


def rate(count: int, exposure: float) -> Interval:
    """Interval of the rate of events per unit of ``exposure`` (e.g. minutes), after ``count``.

    Raises:
        ValueError: a negative count, or no exposure.
    """
    if count < 0 or exposure <= 0:
        raise ValueError("a rate needs a count and a positive exposure")
    low = float(gammaincinv(count, _TAIL)) if count else 0.0
    return Interval(low / exposure, float(gammaincinv(count + 1, 1 - _TAIL)) / exposure)
