"""Session states, and what the gateway holds in memory while a session is open.

    OPEN --submission--> EVALUATING --decision--> DECIDED
     |                        |
     +--- expiry -------------+-- any fault --> FAILED

A session takes one submission. A fault in EVALUATING ends it: the authority answers a key only
once, so nothing can be tried again with that key. A client sees a decided session as RECORDED until
its entry stands under a published checkpoint of the log.

Only the grant and the public key are held in memory. Ciphertexts exist only during the call that
evaluates them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from gateway.he.session_key import SessionKey
from gateway.server.policy import PolicyInForce
from gateway.store import sessions, totals
from gateway.store.database import Database
from gateway.wire.cose import Signed
from gateway.wire.errors import CallerMisuse, SessionNotFound, Unavailable
from gateway.wire.ids import SessionId
from gateway.wire.session import SessionGrant


class SessionState(StrEnum):
    OPEN = "OPEN"
    EVALUATING = "EVALUATING"
    RECORDED = "RECORDED"
    DECIDED = "DECIDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


TRANSITIONS = frozenset(
    {
        (SessionState.OPEN, SessionState.EVALUATING),
        (SessionState.EVALUATING, SessionState.DECIDED),
        (SessionState.EVALUATING, SessionState.FAILED),
    }
)
"""Every legal change of state. An expired session is removed, whatever its state."""


def check_transition(before: SessionState, after: SessionState) -> None:
    """Raise ``CallerMisuse`` for a change that is not in ``TRANSITIONS``."""
    if (before, after) not in TRANSITIONS:
        raise CallerMisuse(f"no session goes from {before} to {after}")


_SWEPT_AT_ONCE: Final = 1000
"""Sessions in one transaction."""

SECONDS_OF_A_STEP: Final = 300
"""Least time that a session lives after its submission was taken, and after it was decided. So no
sweep ends it during evaluation or audit, and a client that lost the answer still finds it."""


def move_session(
    connection: sa.Connection,
    session: SessionId,
    before: SessionState,
    after: SessionState,
    **values: object,
) -> None:
    """Change a session's state, if legal. Raises ``SessionConflict`` if somebody was faster."""
    check_transition(before, after)
    sessions.move_session(connection, session, before, after, **values)


def sweep_expired(database: Database, now: int) -> None:
    """Remove expired sessions, and count those that ended without a decision.

    Several gateways may sweep one database at once: each session is removed and counted once.

    Raises:
        Unavailable: the storage failed; what is left goes the next time.
    """
    batch = _SWEPT_AT_ONCE
    while batch >= _SWEPT_AT_ONCE:
        with database.transaction() as connection:
            gone = sessions.remove_expired_sessions(connection, now, _SWEPT_AT_ONCE)
            undecided = [one for one in gone if one in (SessionState.OPEN, SessionState.EVALUATING)]
            if undecided:
                totals.count_outcome(connection, SessionState.EXPIRED, now, len(undecided))
        batch = len(gone)


@dataclass(frozen=True)
class OpenSession:
    """Grant, public key and match policy of an open session, against which its submission is
    checked."""

    grant: Signed[SessionGrant]
    public_key: SessionKey
    policy: PolicyInForce
    """Of the moment when it was opened, whatever comes into force later."""

    @property
    def session_id(self) -> SessionId:
        return self.grant.message.session

    @property
    def expires_at(self) -> int:
        return self.grant.message.expires_at


class OpenSessions:
    """Grants and keys of open sessions, at most ``limit``."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self._limit = limit
        self._clock = clock
        self._held: dict[SessionId, OpenSession] = {}
        self._opening = 0
        """Places that are kept while a key is asked for."""
        self._lock = threading.Lock()

    @contextmanager
    def opening(self) -> Iterator[Callable[[OpenSession], None]]:
        """Keep a place for one session while its key is asked for.

        Yields:
            A function that takes the session in. If it is not called, the place is free again.

        Raises:
            Unavailable: there is no place.
        """
        with self._lock:
            self._sweep()
            if len(self._held) + self._opening >= self._limit:
                raise Unavailable("too many open sessions; try again later")
            self._opening += 1
        taken: list[OpenSession] = []
        try:
            yield taken.append
        finally:
            with self._lock:
                self._opening -= 1
                self._held |= {one.session_id: one for one in taken}

    def take(self, session: SessionId) -> OpenSession:
        """Remove and return a session: its submission is being evaluated.

        Raises:
            SessionNotFound: unknown, expired, or taken already.
        """
        with self._lock:
            self._sweep()
            held = self._held.pop(session, None)
        if held is None:
            raise SessionNotFound("no open session of this id")
        return held

    def peek(self, session: SessionId) -> OpenSession | None:
        """The open session of this id, left in place."""
        with self._lock:
            self._sweep()
            return self._held.get(session)

    def sweep(self) -> None:
        """Forget expired sessions while nobody asks."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        now = self._clock()
        for key in [k for k, s in self._held.items() if s.expires_at <= now]:
            del self._held[key]
