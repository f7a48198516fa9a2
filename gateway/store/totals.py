"""Daily totals of outcomes and of liveness checks; they name nobody.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from gateway.store.prepared import Insert, PreparedInsert
from gateway.store.schema import liveness_counters, outcome_counters

_DAY: Final = 24 * 3600


def _added(insert: Insert, key: str, total: str) -> Insert:
    counted = insert.table.c[total] + insert.excluded[total]
    return insert.on_conflict_do_update(index_elements=["day", key], set_={total: counted})


_OUTCOME: Final = PreparedInsert(outcome_counters, lambda one: _added(one, "outcome", "count"))
_LIVENESS: Final = PreparedInsert(liveness_counters, lambda one: _added(one, "measure", "total"))


def count_outcome(connection: sa.Connection, outcome: str, now: int, by: int = 1) -> None:
    """Add to today's counter of an outcome."""
    _OUTCOME.execute(connection, {"day": now // _DAY, "outcome": outcome, "count": by})


def count_liveness(connection: sa.Connection, counts: Mapping[str, int], now: int) -> None:
    """Add to today's totals of the liveness check, in a fixed order so that calls cannot
    deadlock."""
    for measure, value in sorted(counts.items()):
        _LIVENESS.execute(connection, {"day": now // _DAY, "measure": measure, "total": value})


def outcome_totals(connection: sa.Connection) -> list[tuple[int, str, int]]:
    """Day (since 1970-01-01), outcome and count, oldest first."""
    query = outcome_counters.select().order_by(outcome_counters.c.day, outcome_counters.c.outcome)
    return [(day, outcome, int(count)) for day, outcome, count in connection.execute(query)]


def liveness_totals(connection: sa.Connection) -> list[tuple[int, str, int]]:
    """Day (since 1970-01-01), measure and total, oldest first."""
    query = liveness_counters.select().order_by(
        liveness_counters.c.day, liveness_counters.c.measure
    )
    return [(row.day, row.measure, row.total) for row in connection.execute(query)]
