"""Sessions whose submission was taken. They are removed when they expire.

Each function works inside a transaction that its caller opened.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import sqlalchemy as sa

from gateway.store.prepared import PreparedInsert
from gateway.store.schema import sessions
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import Digest, PartyId, RecordId, SessionId, new_session_id


@dataclass(frozen=True)
class SessionRow:
    """A session as it is stored."""

    session_id: SessionId
    state: str
    device: PartyId
    issuer: PartyId
    purpose: str
    consent_text_version: int
    policy_digest: Digest
    created_at: int
    expires_at: int
    challenge: bytes | None = None
    submission_digest: Digest | None = None
    record_id: RecordId | None = None


_ADD: Final = PreparedInsert(
    sessions, lambda insert: insert.on_conflict_do_nothing(index_elements=["session_id"])
)
_FIND: Final = sessions.select().where(sessions.c.session_id == sa.bindparam("session"))


@cache
def _move(*changed: str) -> sa.Update:
    of = sa.and_(
        sessions.c.session_id == sa.bindparam("session"), sessions.c.state == sa.bindparam("before")
    )
    return sessions.update().where(of).values({n: sa.bindparam(n) for n in ("state", *changed)})


def add_session(connection: sa.Connection, row: SessionRow) -> None:
    """Add a session.

    Raises:
        SessionConflict: it is there already: a commit took place although its answer was lost.
    """
    if _ADD.execute(connection, vars(row)) != 1:
        raise SessionConflict("the session has taken a submission")


def find_session(connection: sa.Connection, session: SessionId) -> SessionRow | None:
    row = connection.execute(_FIND, {"session": session}).first()
    return None if row is None else SessionRow(**row._mapping)


def move_session(
    connection: sa.Connection, session: SessionId, before: str, after: str, **values: object
) -> None:
    """Change a session's state.

    Raises:
        SessionConflict: it is no longer in the state ``before``; somebody was faster.
    """
    keys = {"session": session, "before": before}
    changed = connection.execute(_move(*sorted(values)), {**keys, "state": after, **values})
    if changed.rowcount != 1:
        raise SessionConflict("the session is in another state")


def try_to_write(connection: sa.Connection, now: int) -> None:
    """Do what a registration begins with, and undo it: a session comes and goes."""
    row = SessionRow(new_session_id(), "TRIED", "", "", "", 0, Digest(bytes(32)), now, now)
    add_session(connection, row)
    connection.execute(sessions.delete().where(sessions.c.session_id == row.session_id))


def prolong_session(connection: sa.Connection, session: SessionId, until: int) -> None:
    """Let a session expire at ``until``, if it would expire sooner."""
    sooner = sa.and_(sessions.c.session_id == session, sessions.c.expires_at < until)
    connection.execute(sessions.update().where(sooner).values(expires_at=until))


def remove_expired_sessions(connection: sa.Connection, now: int, limit: int = 1000) -> list[str]:
    """Remove at most ``limit`` expired sessions; return the state of each.

    Each is removed, and so returned, once, however many gateways sweep one database. Rows that
    another transaction has in hand at this moment are passed over (PostgreSQL), so that two sweeps
    never wait for each other; in SQLite there is no other one.
    """
    expired = (
        sa.select(sessions.c.session_id)
        .where(sessions.c.expires_at <= now)
        .order_by(sessions.c.session_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = sessions.delete().where(sessions.c.session_id.in_(expired))
    return list(connection.execute(gone.returning(sessions.c.state)).scalars())
