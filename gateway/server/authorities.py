"""One key authority in several instances: which of them a session belongs to.

All instances have the same signing key, trust list and counters. A session's key is in one of them
alone. Its number is the second byte of the session's id, modulo how many there are. So every
process of the gateway finds it, also after a restart, and nothing is kept anywhere.

A new session is led to an instance that answers. One that did not is left out for
``FAILED_SECONDS``. A session that has begun is never asked for elsewhere: no other instance has its
key, and a second one must not be asked to count the same attempt.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from gateway.server.authority_client import AuthorityClient, NoAnswer
from gateway.wire.audit import AuditResult
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import SessionId
from gateway.wire.session import SessionKeyRequest, SessionKeyResponse

FAILED_SECONDS: Final = 10
"""For this long no new session is led to an instance that did not answer."""
PLACE: Final = 1
"""Which byte of a session's id names the instance. The first one names the gateway's process."""


class Authorities(AuthorityClient):
    """Speaks to the instances of one key authority. Thread-safe."""

    def __init__(
        self,
        instances: Sequence[AuthorityClient],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``instances``: in the same order at every process of the gateway."""
        self._instances = instances
        self._monotonic = monotonic
        self._failed_until = [0.0] * len(instances)
        self._lock = threading.Lock()

    @property
    def instances(self) -> int:
        return len(self._instances)

    def answering(self) -> list[bool]:
        """Of each instance, in order: whether new sessions are led to it."""
        with self._lock:
            now = self._monotonic()
            return [until <= now for until in self._failed_until]

    def leading(self, session: SessionId) -> SessionId:
        """This id, with a random second byte that leads to an instance that answers; to any, if
        none does."""
        answering = self.answering()
        if not any(answering):
            answering = [True] * self.instances
        places = [place for place in range(256) if answering[place % self.instances]]
        chosen = bytes([secrets.choice(places)])
        return SessionId(session[:PLACE] + chosen + session[PLACE + 1 :])

    def session_key(self, request: SessionKeyRequest) -> SessionKeyResponse:
        """As ``AuthorityClient``. Notes whether the instance answers."""
        with self._noted(self._number(request.session)) as instance:
            return instance.session_key(request)

    def session_key_at_once(self, request: SessionKeyRequest) -> SessionKeyResponse:
        """As ``session_key``, asked a single time."""
        with self._noted(self._number(request.session)) as instance:
            return instance.session_key_at_once(request)

    def attempt(self, request: AttemptRequest) -> AttemptAnswer:
        return self._of(request.session).attempt(request)

    def masked_values(self, request: ProductRequest) -> MaskedValues:
        return self._of(request.session).masked_values(request)

    def decision(self, request: SharesRequest) -> DecisionResponse:
        return self._of(request.session).decision(request)

    def audited_decision(self, request: AuditResult) -> DecisionResponse:
        return self._of(request.session).audited_decision(request)

    def _number(self, session: SessionId) -> int:
        return session[PLACE] % self.instances

    def _of(self, session: SessionId) -> AuthorityClient:
        return self._instances[self._number(session)]

    @contextmanager
    def _noted(self, number: int) -> Iterator[AuthorityClient]:
        """One instance. What becomes of the question decides whether new sessions go there."""
        failed_until = 0.0
        try:
            yield self._instances[number]
        except NoAnswer:
            failed_until = self._monotonic() + FAILED_SECONDS
            raise
        finally:
            with self._lock:
                self._failed_until[number] = failed_until


def new_key(
    authority: AuthorityClient,
    draw: Callable[[], SessionId],
    ask: Callable[[SessionId], SessionKeyRequest],
) -> tuple[SessionKeyRequest, SessionKeyResponse]:
    """Ask for the key of a new session, at an instance that answers.

    Args:
        draw: a new session's id.
        ask: the request for a session of this id.

    Raises:
        Refused, Unavailable: as ``AuthorityClient.session_key``, of the last one asked.
    """
    for _ in range(authority.instances - 1):
        request = ask(authority.leading(draw()))
        try:
            return request, authority.session_key_at_once(request)
        except NoAnswer:
            continue  # the same request elsewhere would be the same session twice
    request = ask(authority.leading(draw()))
    return request, authority.session_key(request)
