"""Session states, and what the gateway holds in memory while a session is open.

    OPEN --submission--> EVALUATING --decision--> DECIDED
     |                        |
     +--- expiry -------------+-- any fault --> FAILED

A session takes one submission. A fault in EVALUATING ends it: the authority answers a key only
once, so nothing can be tried again with that key. A client sees a decided session as RECORDED until
its entry stands under a published checkpoint of the log.

While a session is open, nothing of it is stored. It is in the memory of the process that opened it,
and ends with that process. Its row is written when its submission is taken, in the transaction that
checks once more what the session was opened for (ADR 50). Sessions that expire in memory are
counted when the next sweep writes, so a process that is killed loses those counts.

Ciphertexts exist only during the call that evaluates them.
"""

import heapq
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
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import CallerMisuse, SessionConflict, Unavailable
from gateway.wire.ids import PartyId, SessionId
from gateway.wire.liveness import Challenge
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


_RETRY_SECONDS: Final = 10
"""Sessions are open for tens of seconds, while people look into a camera."""
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
    """Remove the rows of expired sessions, and count those that ended without a decision.

    Several gateways may sweep one database at once: each session is removed and counted once.

    Raises:
        Unavailable: the storage failed; what is left goes the next time.
    """
    batch = _SWEPT_AT_ONCE
    while batch >= _SWEPT_AT_ONCE:
        with database.transaction() as connection:
            gone = sessions.remove_expired_sessions(connection, now, _SWEPT_AT_ONCE)
            undecided = [one for one in gone if one in (SessionState.OPEN, SessionState.EVALUATING)]
            if undecided:  # earlier releases stored open sessions as well
                totals.count_outcome(connection, SessionState.EXPIRED, now, len(undecided))
        batch = len(gone)


@dataclass(frozen=True)
class Terms:
    """What a session was opened for. Its submission has to be the same."""

    issuer_key: VerifyKey
    purpose: str
    consent_text_version: int
    challenge: Challenge | None
    opened_at: int


@dataclass(frozen=True)
class OpenSession:
    """Grant, public key and match policy of an open session, against which its submission is
    checked."""

    grant: Signed[SessionGrant]
    public_key: SessionKey
    policy: PolicyInForce
    """Of the moment when it was opened, whatever comes into force later."""
    terms: Terms

    def __post_init__(self) -> None:
        self.public_key.half.pack()  # it waits for minutes

    @property
    def session_id(self) -> SessionId:
        return self.grant.message.session

    @property
    def expires_at(self) -> int:
        return self.grant.message.expires_at


@dataclass
class _Held:
    opened: OpenSession
    taken: bool = False
    """Whether its submission is being taken, and its row perhaps not written yet."""


class OpenSessions:
    """The open sessions of this process, at most ``limit``."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self._limit = limit
        self._clock = clock
        self._held: dict[SessionId, _Held] = {}
        self._due: list[tuple[int, SessionId]] = []
        """A heap of when sessions expire; those that were forgotten since are in it as well."""
        self._opening = 0
        """Places that are kept while a key is asked for."""
        self._ended = 0
        """Sessions that ended here without a decision and were not counted yet."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are open, or about to be."""
        return len(self._held) + self._opening

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
                raise Unavailable(
                    "too many open sessions; try again later", retry_after=_RETRY_SECONDS
                )
            self._opening += 1
        taken: list[OpenSession] = []
        try:
            yield taken.append
        finally:
            with self._lock:
                self._opening -= 1
                for one in taken:
                    self._held[one.session_id] = _Held(one)
                    heapq.heappush(self._due, (one.expires_at, one.session_id))

    def find(self, session: SessionId, device: PartyId) -> tuple[OpenSession, SessionState] | None:
        """The session of this id, if a device opened it here and its row is not written yet."""
        with self._lock:
            held = self._find(session, device)
            if held is None:
                return None
            return held.opened, SessionState.EVALUATING if held.taken else SessionState.OPEN

    def take(self, session: SessionId, device: PartyId) -> OpenSession | None:
        """Let nobody else take a session's submission, until ``forget`` or ``put_back``.

        Returns:
            None: no such session is open here.

        Raises:
            SessionConflict: somebody else was faster.
        """
        with self._lock:
            held = self._find(session, device)
            if held is None:
                return None
            if held.taken:
                raise SessionConflict("this session is taking a submission")
            held.taken = True
            return held.opened

    def put_back(self, session: SessionId) -> None:
        """A session's submission was not taken after all: it may come again."""
        with self._lock:
            self._held[session].taken = False

    def forget(self, session: SessionId, *, uncounted: bool = False) -> None:
        """A session's row is written; or, if it is ``uncounted``, it ended without one."""
        with self._lock:
            del self._held[session]
            self._ended += uncounted
            if len(self._due) > 2 * len(self._held) + _SWEPT_AT_ONCE:
                self._due = [(one.opened.expires_at, key) for key, one in self._held.items()]
                heapq.heapify(self._due)

    def sweep(self) -> None:
        """Forget expired sessions while nobody asks."""
        with self._lock:
            self._sweep()

    def end(self) -> None:
        """Forget all sessions: the process ends."""
        with self._lock:
            self._ended += len(self._held)
            self._held.clear()
            self._due.clear()

    def count_ended(self, count: Callable[[int], None]) -> None:
        """Have those counted that ended without a decision since the last time. Where that fails,
        the next time counts them."""
        with self._lock:
            self._sweep()
            ended, self._ended = self._ended, 0
        try:
            if ended:
                count(ended)
        except BaseException:
            with self._lock:
                self._ended += ended
            raise

    def _find(self, session: SessionId, device: PartyId) -> _Held | None:
        self._sweep()
        held = self._held.get(session)
        return held if held is not None and held.opened.grant.message.device == device else None

    def _sweep(self) -> None:
        """A session whose submission is being taken is left to whoever takes it."""
        now, taken = self._clock(), []
        while self._due and self._due[0][0] <= now:
            due = heapq.heappop(self._due)
            held = self._held.get(due[1])
            if held is not None and held.taken:
                taken.append(due)
            elif held is not None:
                del self._held[due[1]]
                self._ended += 1
        for due in taken:
            heapq.heappush(self._due, due)
