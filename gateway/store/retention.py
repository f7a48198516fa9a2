"""Retention: schedules, runs, and what is due. Each function works inside a transaction that its
caller opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store.schema import (
    consents,
    holds,
    liveness_counters,
    orders,
    outcome_counters,
    records,
    retention_runs,
    retention_schedules,
    retention_totals,
    withdrawals,
)
from gateway.wire.retention import RunKind

DAY: Final = 24 * 3600
PATIENCE_SECONDS: Final = 120
"""For one statement that counts a large table (PostgreSQL)."""


class _Shelf(NamedTuple):
    """Where rows of a kind stand, and when each is due. ``days``: of the schedule, for tables whose
    rows do not say it themselves."""

    table: sa.Table
    due_at: sa.ColumnElement[int]
    of_kind: sa.ColumnElement[bool] = sa.true()
    dated: bool = False
    """``due_at`` lacks the schedule's days."""


def _ends(day: sa.Column[int]) -> sa.ColumnElement[int]:
    """When a day ends. PostgreSQL counts days in 32 bits, in which seconds do not fit."""
    return (sa.cast(day, sa.BigInteger) + 1) * DAY


_SHELVES: Final[Mapping[RunKind, tuple[_Shelf, ...]]] = {
    "holds": (_Shelf(holds, holds.c.until),),
    "orders": (_Shelf(orders, orders.c.expires_at),),
    "records": (_Shelf(records, records.c.expires_at, records.c.kind == "decision"),),
    "fallbacks": (_Shelf(records, records.c.expires_at, records.c.kind == "fallback"),),
    "withdrawals": (_Shelf(withdrawals, withdrawals.c.expires_at),),
    "runs": (_Shelf(retention_runs, retention_runs.c.ended_at, dated=True),),
    "counters": (
        _Shelf(outcome_counters, _ends(outcome_counters.c.day), dated=True),
        _Shelf(liveness_counters, _ends(liveness_counters.c.day), dated=True),
    ),
}


@dataclass(frozen=True)
class Standing:
    """How rows of one kind stand at a moment."""

    kept: int = 0
    due: int = 0
    """Due and not held."""
    held: int = 0
    """Due and held."""
    oldest: int | None = None
    """When the oldest row is due, or was."""

    def __add__(self, other: "Standing") -> "Standing":
        known = [one for one in (self.oldest, other.oldest) if one is not None]
        return Standing(
            self.kept + other.kept,
            self.due + other.due,
            self.held + other.held,
            min(known, default=None),
        )


def tables_of(kind: RunKind) -> tuple[sa.Table, ...]:
    """Where rows of a kind stand."""
    return tuple(shelf.table for shelf in _SHELVES[kind])


def be_patient(connection: sa.Connection) -> None:
    """Let the statements of this transaction take their time (PostgreSQL)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")


def standing(connection: sa.Connection, kind: RunKind, days: int, now: int) -> Standing:
    """Count rows of a kind; ``days`` are the schedule's."""
    total = Standing()
    for shelf in _SHELVES[kind]:
        bound = now - days * DAY if shelf.dated else now
        is_due = shelf.due_at <= bound
        held = _is_held(shelf, now)
        row = connection.execute(
            sa.select(
                sa.func.count(),
                sa.func.count().filter(is_due, ~held),
                sa.func.count().filter(is_due, held),
                sa.func.min(shelf.due_at),
            )
            .select_from(shelf.table)
            .where(shelf.of_kind)
        ).one()
        oldest = None if row[3] is None else int(row[3]) + (now - bound)
        total += Standing(int(row[0]), int(row[1]), int(row[2]), oldest)
    return total


def remove_due(connection: sa.Connection, kind: RunKind, days: int, now: int, limit: int) -> int:
    """Delete at most ``limit`` due rows of a kind that leave nothing behind; count them.

    Records do not go like this: see ``store.erasures``.
    """
    removed = 0
    for shelf in _SHELVES[kind]:
        keys = list(shelf.table.primary_key.columns)
        bound = now - days * DAY if shelf.dated else now
        due = (
            sa.select(*keys)
            .where(shelf.of_kind, shelf.due_at <= bound)
            .limit(limit - removed)
            .with_for_update(skip_locked=True)
        )
        found = connection.execute(due).all()
        if found:
            gone = shelf.table.delete().where(sa.tuple_(*keys).in_([tuple(row) for row in found]))
            removed += connection.execute(gone).rowcount
    return removed


def count_removed(connection: sa.Connection, kind: RunKind, rows: int) -> None:
    """Add to how many rows of a kind were removed so far, in the transaction that removes them."""
    postgresql = connection.dialect.name == "postgresql"
    insert = (postgresql_insert if postgresql else sqlite_insert)(retention_totals)
    total = retention_totals.c.removed + rows
    connection.execute(
        insert.values(kind=kind, removed=rows).on_conflict_do_update(
            index_elements=["kind"], set_={"removed": total}
        )
    )


def removed_in_all(connection: sa.Connection) -> dict[str, int]:
    """How many rows of each kind were removed so far."""
    return {row.kind: int(row.removed) for row in connection.execute(retention_totals.select())}


# Schedules

_LAST_SCHEDULE: Final = (
    retention_schedules.select().order_by(retention_schedules.c.number.desc()).limit(1)
)


def add_schedule(connection: sa.Connection, content: bytes, now: int) -> int:
    """Put a schedule in force; return its number."""
    number = (last_schedule(connection) or (0, b""))[0] + 1
    values = {"number": number, "content": content, "adopted_at": now}
    connection.execute(retention_schedules.insert().values(values))
    return number


def last_schedule(connection: sa.Connection) -> tuple[int, bytes] | None:
    """Number and bytes of the schedule in force; None: none was ever adopted."""
    row = connection.execute(_LAST_SCHEDULE).first()
    return None if row is None else (int(row.number), bytes(row.content))


def schedules(connection: sa.Connection) -> list[tuple[int, bytes, int]]:
    """Number, bytes and time of adoption of every schedule, the first first."""
    rows = connection.execute(retention_schedules.select().order_by("number"))
    return [(int(row.number), bytes(row.content), int(row.adopted_at)) for row in rows]


def shorten(connection: sa.Connection, kind: str, days: int) -> int:
    """Let records of a kind (``decision``, ``fallback``) expire after so many days at the latest.
    Nothing is ever kept longer than it was to be. Returns how many now expire sooner."""
    until = records.c.decided_at + days * DAY
    longer = records.update().where(records.c.kind == kind, records.c.expires_at > until)
    changed = connection.execute(longer.values(expires_at=until)).rowcount
    of_record = sa.select(records.c.expires_at).where(records.c.record_id == consents.c.record_id)
    sooner = sa.exists().where(
        records.c.record_id == consents.c.record_id, records.c.expires_at < consents.c.expires_at
    )
    connection.execute(
        consents.update().where(sooner).values(expires_at=of_record.scalar_subquery())
    )
    return changed


# Runs


def add_run(connection: sa.Connection, number: int, report: bytes, ended_at: int) -> None:
    """Keep a signed report."""
    values = {"number": number, "report": report, "ended_at": ended_at}
    connection.execute(retention_runs.insert().values(values))


def last_run(connection: sa.Connection) -> tuple[int, bytes, int] | None:
    """Number, signed report and end of the last run."""
    query = retention_runs.select().order_by(retention_runs.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else (int(row.number), bytes(row.report), int(row.ended_at))


def newest_runs(connection: sa.Connection) -> Iterator[tuple[int, bytes, int]]:
    """The same of every run that is kept, the last first."""
    query = retention_runs.select().order_by(retention_runs.c.number.desc())
    for row in connection.execute(query.execution_options(yield_per=16)):
        yield int(row.number), bytes(row.report), int(row.ended_at)


def runs(connection: sa.Connection) -> list[tuple[int, bytes, int]]:
    """Number, signed report and end of every run that is kept, the first first."""
    rows = connection.execute(retention_runs.select().order_by("number"))
    return [(int(row.number), bytes(row.report), int(row.ended_at)) for row in rows]


def _is_held(shelf: _Shelf, now: int) -> sa.ColumnElement[bool]:
    """By a hold that has not ended: those that have are removed first."""
    if shelf.table is not records:
        return sa.false()
    return sa.exists().where(holds.c.record_id == records.c.record_id, holds.c.until > now)
