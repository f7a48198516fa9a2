"""How many registrations without a face each party records in an hour, and which approvals were
used while they were fresh.

Both stand apart from the records: whoever erases a record has no room again, and the same two
signatures make no other one. Each function works inside a transaction that its caller opened.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store.schema import fallback_counts
from gateway.wire.admin import PartyKind
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, PartyId

HOUR: Final = 3600
_NAME_BYTES: Final = 31
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
"""No search takes the name for somebody's number."""


class NoRoom(Refused):
    """A party has recorded as many as it may in this hour."""


def take_room(
    connection: sa.Connection, limits: Mapping[tuple[PartyKind, PartyId], int], now: int
) -> None:
    """Count one more for each of these parties, in this hour.

    The condition stands in the statement itself, which locks the row. So of two that come at once
    for the last place, one is refused, on any number of gateways.

    Raises:
        NoRoom: one of them has recorded as many as it may. The caller keeps nothing then.
    """
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    for (kind, party), limit in sorted(limits.items()):  # one order, so that none wait in a circle
        one = insert(fallback_counts).values(kind=kind, party=party, hour=now // HOUR, count=1)
        more = one.on_conflict_do_update(
            index_elements=["kind", "party", "hour"],
            set_={"count": fallback_counts.c.count + 1},
            where=fallback_counts.c.count < limit,
        )
        if connection.execute(more).rowcount != 1:
            raise NoRoom(
                f"{kind} {party} has recorded {limit} registrations without a face in this hour"
            )


def use_approval(connection: sa.Connection, approval: Digest, approved_at: int) -> None:
    """Note, beside the counts of its hour, that a signed approval was used.

    Raises:
        Refused: it was used before.
    """
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    name = approval[:_NAME_BYTES].hex().translate(_LETTERS)
    one = insert(fallback_counts).values(
        kind="approval", party=name, hour=approved_at // HOUR, count=1
    )
    if connection.execute(one.on_conflict_do_nothing()).rowcount != 1:
        raise Refused("this approval was used before, and its record is gone")


def forget_hours(connection: sa.Connection, now: int) -> None:
    """Remove the counts of hours before the last one."""
    connection.execute(fallback_counts.delete().where(fallback_counts.c.hour < now // HOUR - 1))
