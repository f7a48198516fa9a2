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

What is kept is what an identical repeat needs. b is by far the largest answer (230 KB). It is
dropped when the attempt is counted: a gateway that sends an attempt has b. Until then the latest
``OPENINGS_KEPT`` are kept. Of a session that is over, the answers alone stay, below 3 KB, of the
latest ``ENDED_KEPT``, until the session would have expired. A repeat of what is no longer kept
finds no session.
"""

import heapq
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.wire.audit import AuditDemand
from gateway.wire.cose import Signed
from gateway.wire.dealing import Dealing
from gateway.wire.errors import Refused, SessionNotFound, Unavailable
from gateway.wire.evaluation import PerLane
from gateway.wire.ids import Commitment, Digest, Nonce, PartyId, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.session import SessionGrant
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import DemandId
from keys.caps import CountedAttempt
from keys.workers import Secret

OPENINGS_KEPT: Final = 256
"""Stored answers with b: about 60 MB. A gateway asks again within seconds, or never."""
ENDED_KEPT: Final = 10_000
"""Sessions that are over: below 30 MB. They do not count among the open ones."""


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


@dataclass(slots=True)
class KeySession:
    """One session. Guarded by ``lock``; the secret is present until a product is answered."""

    gateway: PartyId
    """Whose it is."""
    key_expires_at: int
    """When the grant ends."""
    opened_by: Digest
    """Digest of the request that opened it."""
    opened_with: bytes | None = field(repr=False)
    """The stored answer; None when it is no longer kept."""
    grant: SessionGrant | None
    """None when the session is over."""
    secret: Secret | None = field(repr=False)
    state: StepTaken = StepTaken.GRANTED
    counted: CountedAttempt | None = None
    """Set once: if an answer fails and is asked for again, the attempt is not counted again."""
    attempt: Attempt | None = field(default=None, repr=False)
    answered: Answered | None = field(default=None, repr=False)
    toss: Toss | None = None
    demanded: Demanded | None = field(default=None, repr=False)
    spent: bool = False
    """Whether no decision can follow any more."""
    answers: tuple[tuple[Digest, bytes], ...] = field(default=(), repr=False)
    """Digest of each message that was answered, and the answer that it got."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def granted(
        cls, grant: SessionGrant, secret: Secret, opened_by: Digest, opened_with: bytes
    ) -> "KeySession":
        """A session as it begins."""
        return cls(grant.gateway, grant.expires_at, opened_by, opened_with, grant, secret)

    @property
    def expires_at(self) -> int:
        if self.demanded is not None:
            return self.demanded.demand.message.expires_at
        return self.key_expires_at

    @property
    def over(self) -> bool:
        """Whether nothing can follow but repeats."""
        return self.spent or self.state is StepTaken.DECIDED

    def stored_answer(self, request: Digest) -> bytes | None:
        """The answer to a request that repeats one, else None."""
        return next((answer for known, answer in self.answers if known == request), None)

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
        self.opened_with = None
        self.answers = (*self.answers, (request, answer))
        self.state = state

    def close(self) -> None:
        """Destroy the secret key, the dealing, and what they would have opened."""
        self.spent = True
        self.opened_with = None
        self.attempt = self.answered = self.demanded = None
        if self.secret is not None:
            self.secret.destroy()

    def slim(self) -> None:
        """Drop what no repeat needs, of a session that is over."""
        self.grant = self.secret = self.counted = self.toss = None


class SessionTable:
    """Sessions in memory, at most ``limit`` open ones. Expired ones are destroyed at every look."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self._limit = limit
        self._clock = clock
        self._open: dict[SessionId, KeySession] = {}
        self._ended: OrderedDict[SessionId, KeySession] = OrderedDict()
        """Those that are over, in the order in which they ended."""
        self._openings: deque[KeySession] = deque()
        """Those that may still have their ``opened_with``, oldest first."""
        self._due: list[tuple[int, SessionId]] = []
        """A heap of times at which to look at sessions: for each one not later than its expiry."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def find(self, session: SessionId) -> KeySession | None:
        """The session of this id, or None."""
        with self._lock:
            self._sweep()
            found = self._get(session)
            return None if found is None or found.expires_at <= self._clock() else found

    @contextmanager
    def locked(self, session: SessionId) -> Iterator[KeySession]:
        """The session of this id, held by this thread alone.

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
                with self._lock:
                    if found.expires_at < before:  # a demand's time may be shorter than the key's
                        self._plan(session, found)
                    if found.over:
                        self._end(session, found)

    def add(self, session: SessionId, opened: KeySession) -> KeySession:
        """Take in a new session and return it. If the same request opened one before, return that
        one.

        Raises:
            Refused: the id is in use by another request.
            Unavailable: too many sessions are open.
        """
        with self._lock:
            self._sweep()
            earlier = self._get(session)
            if earlier is not None:
                if earlier.opened_by != opened.opened_by:
                    raise Refused("session id is in use")
                return earlier
            if len(self._open) >= self._limit:
                raise Unavailable("too many open sessions; try again later")
            self._open[session] = opened
            self._plan(session, opened)
            self._openings.append(opened)
            if len(self._openings) > OPENINGS_KEPT:
                self._openings.popleft().opened_with = None
            return opened

    def expire(self) -> int:
        """Destroy what has expired; return how many sessions remain open."""
        with self._lock:
            self._sweep()
            return len(self._open)

    def clear(self) -> None:
        """Destroy everything (shutdown)."""
        with self._lock:
            for session in self._open.values():
                session.close()
            for kept in (self._open, self._ended, self._openings, self._due):
                kept.clear()

    def _get(self, session: SessionId) -> KeySession | None:
        return self._open.get(session) or self._ended.get(session)

    def _end(self, session: SessionId, over: KeySession) -> None:
        """Keep what repeats need of a session that is over; forget the one that ended first, if
        there are too many."""
        if self._open.pop(session, None) is None:
            return
        over.slim()
        self._ended[session] = over
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)

    def _plan(self, session: SessionId, planned: KeySession) -> None:
        heapq.heappush(self._due, (planned.expires_at, session))

    def _sweep(self) -> None:
        """Look at the sessions whose time may be over, and at no other."""
        now = self._clock()
        in_use = []
        try:
            while self._due and self._due[0][0] <= now:
                session = heapq.heappop(self._due)[1]
                due = self._get(session)
                if due is not None and not self._look_at(session, due, now):
                    in_use.append((session, due))
        finally:
            for session, due in in_use:  # look at it again next time
                self._plan(session, due)

    def _look_at(self, session: SessionId, due: KeySession, now: int) -> bool:
        """Destroy the session if it has expired. Returns False if it is in use."""
        if not due.lock.acquire(blocking=False):
            return False
        try:
            if due.expires_at > now:  # a demand gave it more time
                self._plan(session, due)
            else:
                self._open.pop(session, None)
                self._ended.pop(session, None)
                due.close()
        finally:
            due.lock.release()  # whoever waits for it finds it gone
        return True
