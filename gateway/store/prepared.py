"""Statements that are put together once, so that a request does not pay for it.

Putting a statement together, and finding its text among those that were compiled before, costs
several times what running it does. So statements of each registration are constants of their
module, with ``bindparam`` for what changes. Those that only one dialect knows are made once for
each.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

Insert = PostgresqlInsert | SqliteInsert


class PreparedInsert:
    """An INSERT with an ON CONFLICT clause, made once for each database."""

    def __init__(self, table: sa.Table, finish: Callable[[Insert], Insert]) -> None:
        self._made = {
            "postgresql": finish(postgresql_insert(table)),
            "sqlite": finish(sqlite_insert(table)),
        }

    def execute(
        self, connection: sa.Connection, values: dict[str, object] | list[dict[str, object]]
    ) -> int:
        """Run it for one row or several; returns how many rows were written."""
        return connection.execute(self._made[connection.dialect.name], values).rowcount
