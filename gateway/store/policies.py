"""Match policies that two operators approved. Each function works inside a transaction that its
caller opened."""

from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from gateway.store.schema import match_policies

_LAST: Final = match_policies.select().order_by(match_policies.c.number.desc()).limit(1)


@dataclass(frozen=True)
class PolicyRow:
    """An adopted policy as it is stored. Nothing is checked."""

    number: int
    approval: bytes = field(repr=False)
    """An encoded ``AgreedOrder``."""
    adopted_at: int


def add_policy(connection: sa.Connection, row: PolicyRow) -> None:
    connection.execute(match_policies.insert().values(**vars(row)))


def last_policy(connection: sa.Connection) -> PolicyRow | None:
    """The one with the greatest number; None: none was ever adopted."""
    row = connection.execute(_LAST).first()
    return None if row is None else _row(row)


def list_policies(connection: sa.Connection) -> list[PolicyRow]:
    """All of them, the first first."""
    return [_row(row) for row in connection.execute(match_policies.select().order_by("number"))]


def _row(row: sa.Row[tuple[int, bytes, int]]) -> PolicyRow:
    return PolicyRow(int(row.number), bytes(row.approval), int(row.adopted_at))
