"""Which counts are shown, and how: so that no small one follows from any number of views.

Two kinds of counts are about people:

- *Flows*: how many on one day. Only of finished days; each day and kind is a cell, and a cell is
  rounded down to a multiple of ``LEAST``. Below that, nothing is shown, also of nobody. A total is
  the sum of cells that are shown, and never of true ones. So all pages of all days together are a
  function of the rounded cells, and tell nothing beyond them.
- *Stocks*: how many there are. They are counted once a day and rounded down to hundreds at least.
  Two views of a stock differ only where it passes a hundred, and so tell of one day that there was
  somebody, and never how many.

Source of the method: rounding and cell suppression as official statistics use them, see
``gateway.inspection.small_counts``, whose limit holds here too.
"""

from typing import Final

from gateway.inspection.small_counts import LEAST

STEP: Final = 100
"""Least step of a stock."""
_AGE_STEPS: Final = 36
"""An age is shown in so many steps of its limit: of 180 days, in 5 days."""


def cell(count: int) -> int:
    """A flow as it is shown; 0: fewer than ``LEAST``, or nobody."""
    return count - count % LEAST


def stock(count: int) -> int:
    """A stock as it is shown, with two digits at most that are not 0; 0: fewer than ``STEP``."""
    step = max(STEP, int(10 ** max(0, len(str(count)) - 2)))
    return count - count % step


def age(seconds: float, limit_days: int) -> int:
    """An age in days, rounded up to a step, and never past a limit that it has not passed."""
    step = max(1, limit_days // _AGE_STEPS)
    days = -int(-seconds // 86_400)
    shown = days + -days % step
    return min(shown, limit_days) if days <= limit_days else shown
