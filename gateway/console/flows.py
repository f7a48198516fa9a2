"""Outcomes of finished days, and attempts to success.

Counted are sessions by the day (UTC) on which they ended. The present day is never shown.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import sqlalchemy as sa

from gateway.console.rounding import cell
from gateway.store.reading import ReadingDatabase
from gateway.store.schema import liveness_counters, outcome_counters

DAYS: Final = 30

Series = Literal["match", "no_match", "ended", "without_face"]
SERIES: Final[tuple[Series, ...]] = ("match", "no_match", "ended", "without_face")
_OF: Final[Mapping[str, Series]] = {
    "MATCH": "match",
    "NO_MATCH": "no_match",
    "FALLBACK": "without_face",
}
"""Everything else that is counted ended without a decision."""

ENOUGH_CHECKS: Final = 100
"""Of which an average is told."""
_NO_REASONS: Final = ("passed", "attempts", "seconds", "passive-warning")


@dataclass(frozen=True)
class Flows:
    """The last finished days, the oldest first."""

    first_day: int
    """Days since 1970-01-01."""
    cells: Mapping[Series, tuple[int, ...]]
    """Each as ``rounding.cell`` shows it; 0: fewer than five, or nobody."""

    @property
    def days(self) -> range:
        return range(self.first_day, self.first_day + DAYS)

    def at_least(self, series: Series) -> int:
        """The sum of what is shown."""
        return sum(self.cells[series])

    @property
    def empty(self) -> bool:
        return not any(map(any, self.cells.values()))


@dataclass(frozen=True)
class Attempts:
    """Averages over the finished days."""

    per_success: float
    """Attempts to a liveness check that passed, to one decimal."""
    seconds: int
    """Of a liveness check that passed, all its attempts together."""
    reasons: tuple[tuple[str, int], ...]
    """Why attempts ended otherwise, with the share in steps of 5 per cent; the largest first."""


def read_flows(database: ReadingDatabase, today: int) -> Flows:
    """``today``: days since 1970-01-01."""
    first, held = today - DAYS, outcome_counters.c
    counted: Counter[tuple[int, Series]] = Counter()
    query = sa.select(held.day, held.outcome, held["count"].label("sessions"))
    for row in database.rows(query.where(held.day >= first, held.day < today)):
        counted[row.day, _OF.get(row.outcome, "ended")] += int(row.sessions)
    days = range(first, today)
    return Flows(first, {one: tuple(cell(counted[day, one]) for day in days) for one in SERIES})


def read_attempts(database: ReadingDatabase, today: int) -> Attempts | None:
    """None: too few checks passed for an average."""
    held = liveness_counters.c
    query = sa.select(held.measure, sa.func.sum(held.total).label("all_of"))
    recent = query.where(held.day >= today - DAYS, held.day < today).group_by(held.measure)
    totals = {str(row.measure): int(row.all_of) for row in database.rows(recent)}
    passed = totals.get("passed", 0)
    if passed < ENOUGH_CHECKS:
        return None
    others = ((name, count) for name, count in totals.items() if name not in _NO_REASONS)
    return Attempts(
        round(totals.get("attempts", 0) / passed, 1),
        round(totals.get("seconds", 0) / passed),
        tuple(_shares(others)),
    )


def _shares(counted: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    """Shares of 5 per cent and more, of enough attempts."""
    found = sorted(counted, key=lambda one: (-one[1], one[0]))
    total = sum(count for _, count in found)
    if total < ENOUGH_CHECKS:
        return
    for name, count in found:
        if share := cell(100 * count // total):
            yield name, share
