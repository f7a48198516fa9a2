"""Daily totals of outcomes and of liveness checks; they name nobody.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from gateway.store.schema import liveness_counters, outcome_counters

_DAY = 24 * 3600


def count_outcome(connection: sa.Connection, outcome: str, now: int, by: int = 1) -> None:
    """Add to today's counter of an outcome."""
    statement = _insert(connection, outcome_counters).values(
        day=now // _DAY, outcome=outcome, count=by
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "outcome"], set_={"count": outcome_counters.c.count + by}
        )
    )


def count_liveness(connection: sa.Connection, counts: Mapping[str, int], now: int) -> None:
    """Add to today's totals of the liveness check, in a fixed order so that calls cannot
    deadlock."""
    for measure, value in sorted(counts.items()):
        statement = _insert(connection, liveness_counters).values(
            day=now // _DAY, measure=measure, total=value
        )
        total = liveness_counters.c.total + value
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["day", "measure"], set_={"total": total}
            )
        )


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


def _insert(connection: sa.Connection, table: sa.Table) -> SqliteInsert | PostgresqlInsert:
    postgresql = connection.dialect.name == "postgresql"
    return PostgresqlInsert(table) if postgresql else SqliteInsert(table)
