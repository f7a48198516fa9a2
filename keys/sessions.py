"""One key per session: made, used for one decision, destroyed (protocol, section 3.3).

States and the only ways between them:

    GRANTED --masked product--> ASKED --blinded rows--> DECIDED
       |                          |                      ^  |
       |                          +--rows, and the coin  |  |
       |                          |   fell--> DEMANDED --+  |
       |                          |            |  report    |
       +------- expiry -----------+------------+------------+--> forgotten

A message that repeats the one that caused the present state gets the stored answer, byte for
byte; any other is refused. The secret key is gone before DECIDED is entered, so however a
decision goes out, or is lost on the way, nothing is ever decrypted with that key again.

Rows for which an audit is demanded are kept as they came and decrypted when the report is there;
without one, rows and key are destroyed at the demand's expiry and there never was an outcome.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from gateway.wire.audit import AuditDemand
from gateway.wire.cose import Signed
from gateway.wire.errors import Refused, SessionNotFound, Unavailable
from gateway.wire.evaluation import MaskedProduct
from gateway.wire.ids import Digest, SessionId
from gateway.wire.polynomials import Ciphertext
from gateway.wire.session import SessionGrant
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import DemandId
from keys.caps import AttemptId
from keys.workers import Secret


class State(Enum):
    GRANTED = "granted"
    ASKED = "asked"
    DEMANDED = "demanded"
    DECIDED = "decided"


@dataclass
class Asked:
    """What the authority keeps of the masked product, until it has decided."""

    template: Signed[TemplateAssertion]
    submission: Signed[SubmissionAssertion]
    product: MaskedProduct = field(repr=False)
    """With the ciphertext's digest in the ciphertext's place."""
    bits_digest: Digest


@dataclass(frozen=True)
class Toss:
    """How the coin fell for the rows of a session."""

    request: Digest
    """Of the rows."""
    fell: bool
    """Whether an audit is demanded."""


@dataclass
class Demanded:
    """What the authority keeps of rows for which it demanded an audit."""

    demand: Signed[AuditDemand]
    rows: Ciphertext
    entry: DemandId


@dataclass
class Session:
    """One open session. Guarded by ``lock``; the secret is present until the decision."""

    grant: Signed[SessionGrant]
    secret: Secret = field(repr=False)
    opened_by: Digest
    """Digest of the request that opened it."""
    opened_with: bytes = field(repr=False)
    """The stored answer."""
    state: State = State.GRANTED
    asked: Asked | None = None
    toss: Toss | None = None
    """Tossed once, also when what should follow failed and is asked for again."""
    demanded: Demanded | None = field(default=None, repr=False)
    attempt: AttemptId | None = None
    """Counted once, also when an answer failed and is asked for again."""
    spent: bool = False
    """Whether the secret is gone."""
    last_request: Digest | None = None
    """Identifies the message that caused the present state."""
    last_answer: bytes | None = field(default=None, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def expires_at(self) -> int:
        if self.demanded is not None:
            return self.demanded.demand.message.expires_at
        return self.grant.message.expires_at

    def stored_answer(self, request: Digest) -> bytes | None:
        """The answer to a request that repeats the last one, else None."""
        return self.last_answer if request == self.last_request else None

    def require(self, state: State) -> None:
        """Raise ``Refused`` unless the session is in this state."""
        if self.state is not state:
            raise Refused(f"session is {self.state.value}, the message needs {state.value}")

    def advance(self, state: State, request: Digest, answer: bytes) -> None:
        """Enter the next state and keep the answer for an identical repeat."""
        self.state, self.last_request, self.last_answer = state, request, answer

    def require_key(self) -> None:
        """Raise ``Unavailable`` if the key went without an answer: this session cannot have one."""
        if self.spent:
            raise Unavailable("this session ended without a decision; open another")

    def close(self) -> None:
        """Destroy the secret key, and rows that it would have opened."""
        self.spent = True
        self.demanded = None
        self.secret.destroy()


class SessionTable:
    """Open sessions in memory, at most ``limit``. Expired ones are destroyed at every look."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self._limit = limit
        self._clock = clock
        self._sessions: dict[SessionId, Session] = {}
        self._lock = threading.Lock()

    def find(self, session: SessionId) -> Session | None:
        """The open session of this id, or None."""
        with self._lock:
            self._sweep()
            found = self._sessions.get(session)
            return None if found is None or found.expires_at <= self._clock() else found

    @contextmanager
    def locked(self, session: SessionId) -> Iterator[Session]:
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
            yield found

    def add(self, opened: Session) -> Session:
        """Take in a new session; return it, or the one that the same request has opened before.

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

    def _sweep(self) -> None:
        now = self._clock()
        for key in [k for k, s in self._sessions.items() if s.expires_at <= now]:
            expired = self._sessions[key]
            if expired.lock.acquire(blocking=False):  # else in use: at the next look
                self._sessions.pop(key).close()
                expired.lock.release()  # whoever waits for it finds it gone
