"""One key per session: made, used for one answer, destroyed (protocol, sections 3.3 and 6).

States and the only ways between them:

    GRANTED --attempt--> COUNTED --product--> ANSWERED --shares--------------> DECIDED
       |                    |                    |  |                          ^  |
       |                    |                    |  +--shares, and the coin    |  |
       |                    |                    |     fell--> DEMANDED --------+  |
       |                    |                    |               |    report        |
       +------ expiry ------+--------------------+---------------+-----------------+--> forgotten

Each step is taken once. The state changes, and the answer is stored, before the answer leaves. A
message that repeats an answered one gets the stored bytes. Any other message for a step that was
taken is refused, and key and dealing are destroyed. Two products under one dealing would tell the
difference of two scores. So the secret key is gone before ANSWERED is entered, whatever becomes of
the answer.

If an audit is demanded, the shares are kept as they came, and read when the report is there.
Without a report they are dropped when the demand expires, and there never was an outcome.
"""

import heapq
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from gateway.wire.audit import AuditDemand
from gateway.wire.cose import Signed
from gateway.wire.dealing import Dealing
from gateway.wire.errors import Refused, SessionNotFound, Unavailable
from gateway.wire.evaluation import PerLane
from gateway.wire.ids import Commitment, Digest, Nonce, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.session import SessionGrant
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import DemandId
from keys.caps import CountedAttempt
from keys.workers import Secret


class StepTaken(Enum):
    GRANTED = "granted"
    COUNTED = "counted"
    ANSWERED = "answered"
    DEMANDED = "demanded"
    DECIDED = "decided"


@dataclass(frozen=True)
class Attempt:
    """What the authority keeps of a counted attempt, until it has decided."""

    template: Signed[TemplateAssertion]
    submission: Signed[SubmissionAssertion]
    policy: MatchPolicy
    dealing: Dealing
    """The authority's."""
    seed_commitment: Commitment
    nonce: Nonce = field(repr=False)


@dataclass(frozen=True)
class Answered:
    """What the authority keeps of a product that it answered."""

    product: Digest
    omega: int = field(repr=False)
    masked: PerLane = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """What the gateway answered: values and shares."""

    values: PerLane = field(repr=False)
    shares: PerLane = field(repr=False)


@dataclass(frozen=True)
class Toss:
    """How the coin fell for the shares of a session."""

    request: Digest
    """Of the shares."""
    fell: bool
    """Whether an audit is demanded."""


@dataclass
class Demanded:
    """What the authority keeps of shares for which it demanded an audit."""

    demand: Signed[AuditDemand]
    opened: Opened
    entry: DemandId


@dataclass
class KeySession:
    """One open session. Guarded by ``lock``; the secret is present until a product is answered."""

    grant: Signed[SessionGrant]
    secret: Secret = field(repr=False)
    opened_by: Digest
    """Digest of the request that opened it."""
    opened_with: bytes = field(repr=False)
    """The stored answer."""
    state: StepTaken = StepTaken.GRANTED
    counted: CountedAttempt | None = None
    """Set once: if an answer fails and is asked for again, the attempt is not counted again."""
    attempt: Attempt | None = field(default=None, repr=False)
    answered: Answered | None = field(default=None, repr=False)
    toss: Toss | None = None
    demanded: Demanded | None = field(default=None, repr=False)
    spent: bool = False
    """Whether no decision can follow any more."""
    answers: dict[Digest, bytes] = field(default_factory=dict, repr=False)
    """Digest of a message -> the answer that it got."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def expires_at(self) -> int:
        if self.demanded is not None:
            return self.demanded.demand.message.expires_at
        return self.grant.message.expires_at

    def stored_answer(self, request: Digest) -> bytes | None:
        """The answer to a request that repeats one, else None."""
        return self.answers.get(request)

    def require(self, state: StepTaken) -> None:
        """Let only the message pass that the session waits for. Any other one ends the session.

        Raises:
            Refused: it waits for something else. Key and dealing are destroyed.
            Unavailable: it ended before, without a decision.
        """
        if self.state is not state:
            self.close()
            raise Refused(f"session is {self.state.value}, the message needs {state.value}")
        if self.spent:
            raise Unavailable("this session ended without a decision; open another")

    def advance(self, state: StepTaken, request: Digest, answer: bytes) -> None:
        """Enter the next state and keep the answer for an identical repeat."""
        self.state = state
        self.answers[request] = answer

    def close(self) -> None:
        """Destroy the secret key, the dealing, and what they would have opened."""
        self.spent = True
        self.attempt = self.answered = self.demanded = None
        self.secret.destroy()


class SessionTable:
    """Open sessions in memory, at most ``limit``. Expired ones are destroyed at every look."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self._limit = limit
        self._clock = clock
        self._sessions: dict[SessionId, KeySession] = {}
        self._due: list[tuple[int, SessionId]] = []
        """A heap of times at which to look at sessions: for each one not later than its expiry."""
        self._lock = threading.Lock()

    def find(self, session: SessionId) -> KeySession | None:
        """The open session of this id, or None."""
        with self._lock:
            self._sweep()
            found = self._sessions.get(session)
            return None if found is None or found.expires_at <= self._clock() else found

    @contextmanager
    def locked(self, session: SessionId) -> Iterator[KeySession]:
        """The open session of this id, held by this thread alone.

        Raises:
            SessionNotFound: unknown, or expired.
        """
        found = self.find(session)
        if found is None:
            raise SessionNotFound("no open session of this id")
        with found.lock:
            if self.find(session) is not found:  # it expired while this thread waited
                raise SessionNotFound("no open session of this id")
            before = found.expires_at
            try:
                yield found
            finally:
                if found.expires_at < before:  # a demand's time may be shorter than the key's
                    with self._lock:
                        self._plan(found)

    def add(self, opened: KeySession) -> KeySession:
        """Take in a new session and return it. If the same request opened one before, return that
        one.

        Raises:
            Refused: the id is in use by another request.
            Unavailable: too many sessions are open.
        """
        with self._lock:
            self._sweep()
            earlier = self._sessions.get(opened.grant.message.session)
            if earlier is not None:
                if earlier.opened_by != opened.opened_by:
                    raise Refused("session id is in use")
                return earlier
            if len(self._sessions) >= self._limit:
                raise Unavailable("too many open sessions; try again later")
            self._sessions[opened.grant.message.session] = opened
            self._plan(opened)
            return opened

    def expire(self) -> int:
        """Destroy what has expired; return how many sessions remain open."""
        with self._lock:
            self._sweep()
            return len(self._sessions)

    def clear(self) -> None:
        """Destroy everything (shutdown)."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
            self._due.clear()

    def _plan(self, session: KeySession) -> None:
        heapq.heappush(self._due, (session.expires_at, session.grant.message.session))

    def _sweep(self) -> None:
        """Look at the sessions whose time may be over, and at no other."""
        now = self._clock()
        in_use = []
        try:
            while self._due and self._due[0][0] <= now:
                due = self._sessions.get(heapq.heappop(self._due)[1])
                if due is not None and not self._look_at(due, now):
                    in_use.append(due)
        finally:
            for session in in_use:  # look at it again next time
                self._plan(session)

    def _look_at(self, session: KeySession, now: int) -> bool:
        """Destroy the session if it has expired. Returns False if it is in use."""
        if not session.lock.acquire(blocking=False):
            return False
        try:
            if session.expires_at > now:  # a demand gave it more time
                self._plan(session)
            else:
                del self._sessions[session.grant.message.session]
                session.close()
        finally:
            session.lock.release()  # whoever waits for it finds it gone
        return True
