"""How old a statement may be, and how far clocks of honest parties may be apart (protocol, 6).

One window for everybody: a statement that one party takes, no other party finds stale.
"""

from typing import Final

MAX_AGE: Final = 15 * 60
"""Seconds. An assertion or a consent that is older is not about this registration; no session key
lives longer."""

CLOCK_SKEW: Final = 60
"""Seconds by which clocks of honest parties may differ."""


def is_fresh(stated: int, now: int) -> bool:
    """Whether something made at ``stated`` is recent. Both in seconds since 1970."""
    return now - MAX_AGE <= stated <= now + CLOCK_SKEW


def is_coming_expiry(stated: int, now: int) -> bool:
    """Whether an expiry at ``stated`` is still to come, and no later than is allowed.

    Both in seconds since 1970.
    """
    return now - CLOCK_SKEW < stated <= now + MAX_AGE + CLOCK_SKEW
