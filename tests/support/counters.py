"""Counters of attempts for tests: made where there are none, as an authority's keys make them."""

from collections.abc import Callable
from pathlib import Path

from keys.caps import AttemptCaps, CapLimits
from keys.caps_store import create_caps


def attempt_caps(path: Path, limits: CapLimits, clock: Callable[[], int]) -> AttemptCaps:
    """The counters in a file, opened; new ones if there is none."""
    if not path.exists():
        create_caps(path, clock())
    return AttemptCaps(path, limits, clock)
