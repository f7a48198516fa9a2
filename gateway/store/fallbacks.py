"""How many registrations without a face each party records in an hour, and which approvals and
requests were used while they were fresh.

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
from gateway.wire.ids import Digest, PartyId, digest_of

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
    if not _note(connection, "approval", approval, approved_at):
        raise Refused("this approval was used before, and its record is gone")


def use_request(connection: sa.Connection, nonce: str, now: int) -> None:
    """Note, in the same way, that a signed request was used.

    Raises:
        Refused: it was used before, in this hour or the one before it.
    """
    name = digest_of(nonce.encode())
    # In both hours: two processes at once, one of them in the next hour already, share one of them.
    if not all(_note(connection, "request", name, at) for at in (now - HOUR, now)):
        raise Refused("request replayed")


def _name(digest: Digest) -> str:
    return digest[:_NAME_BYTES].hex().translate(_LETTERS)


def _note(connection: sa.Connection, kind: str, digest: Digest, at: int) -> bool:
    """Whether this is the first time in the hour."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    one = insert(fallback_counts).values(kind=kind, party=_name(digest), hour=at // HOUR, count=1)
    return connection.execute(one.on_conflict_do_nothing()).rowcount == 1


def forget_hours(connection: sa.Connection, now: int) -> None:
    """Remove the counts of hours before the last one."""
    connection.execute(fallback_counts.delete().where(fallback_counts.c.hour < now // HOUR - 1))
