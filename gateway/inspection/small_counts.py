"""Counts that a report may show: none from which a small one follows.

A count below ``LEAST`` could be about one known person. So it is not shown. It must not follow from
a total that is known, either: if one count of a row is hidden and the total is known, subtraction
shows it. So at least two are hidden, the hidden ones together make at least ``LEAST``, and nobody
is told which of them was small. Counts by outlet are rounded down as well, so that two reports of
two days do not show what happened between them.

Source of the method: primary and complementary cell suppression, and rounding, as official
statistics use them (Hundepool et al., Statistical Disclosure Control, 2012, chapter 4).
"""

from collections.abc import Mapping
from typing import Final

LEAST: Final = 5

NOT_SHOWN: Final = "not shown"


def shown(counts: Mapping[str, int]) -> dict[str, int | None]:
    """Counts of one row whose total is known to the reader; None: not shown."""
    hidden = {name for name, count in counts.items() if count < LEAST}
    if not any(counts[name] for name in hidden):
        hidden = set()  # nobody is in them
    rest = sorted(counts.keys() - hidden, key=lambda name: (counts[name], name))
    while hidden and rest and (len(hidden) < 2 or sum(counts[one] for one in hidden) < LEAST):
        hidden.add(rest.pop(0))
    if hidden:  # a zero among hidden ones is hidden too: it must not narrow them down
        hidden |= {name for name, count in counts.items() if count < LEAST}
    return {name: None if name in hidden else count for name, count in counts.items()}


def shown_together(*rows: Mapping[str, int]) -> list[dict[str, int | None]]:
    """Several rows of the same kind, each with a known total: what one hides, none shows."""
    hidden: set[str] = set()
    while True:
        found = [shown({n: c for n, c in row.items() if n not in hidden}) for row in rows]
        more = {name for row in found for name, count in row.items() if count is None}
        if not more:
            return [
                {name: None if name in hidden else count for name, count in row.items()}
                for row in rows
            ]
        hidden |= more


def rounded(counts: Mapping[str, int]) -> dict[str, int | None]:
    """The same, and what is shown is rounded down to a multiple of ``LEAST``."""
    return {
        name: None if count is None else count - count % LEAST
        for name, count in shown(counts).items()
    }


def sentence(counts: Mapping[str, int | None]) -> str:
    """For a report: ``MATCH 1,205, NO_MATCH not shown``."""
    return ", ".join(
        f"{name} {NOT_SHOWN if count is None else f'{count:,}'}"
        for name, count in sorted(counts.items())
    )
