"""Bounds for counts of random events that a test may rely on."""

from __future__ import annotations

from scipy.stats import binom

FAILURE = 1e-10
"""How often a true claim may fail such a bound."""


def at_most(probability: float, trials: int) -> int:
    """A count that ``trials`` events of this probability exceed with less than ``FAILURE``."""
    return int(binom.isf(FAILURE, trials, probability))


def at_least(probability: float, trials: int) -> int:
    """A count below which they stay with less than ``FAILURE``."""
    return int(binom.ppf(FAILURE, trials, probability))
