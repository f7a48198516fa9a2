"""The gateway's clients of key authority and auditor: signed requests, typed answers.

A request without an answer is sent again, with the same body under a fresh signature. The authority
answers an identical repeat with the stored bytes. So a lost answer costs nothing and never causes a
second decryption. An auditor that is asked twice gives the same report twice.
"""

import logging
import time
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import ClassVar, TypeVar

import httpx

from gateway.host.http import CBOR, correlation
from gateway.host.measures import Peer
from gateway.host.metrics import count, count_if_succeeded
from gateway.wire.audit import AuditRequest, AuditResponse, AuditResult
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import SessionId
from gateway.wire.message import Message
from gateway.wire.requests import host_of, sign_request
from gateway.wire.session import SessionKeyRequest, SessionKeyResponse

log = logging.getLogger("sealmatch.gateway.authority")

ATTEMPTS = 3
PAUSE_SECONDS = 0.2

M = TypeVar("M", bound=Message)


class NoAnswer(Unavailable):
    """A peer does not answer, or cannot do its work now."""


class _Peer:
    """Speaks to one server. Thread-safe."""

    name: ClassVar[str]
    kind: ClassVar[Peer]
    """As metrics name it."""

    def __init__(
        self, client: httpx.Client, base_url: str, key: SigningKey, clock: Callable[[], int]
    ) -> None:
        # The peer must not fill this side's memory: no cookie is ever kept.
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._client = client
        self._base = base_url.rstrip("/")
        self._host = host_of(base_url)
        self._key = key
        self._clock = clock

    def _ask(self, path: str, request: Message, kind: type[M], attempts: int = ATTEMPTS) -> M:
        """Send a message until it is answered.

        Raises:
            Refused: the peer refuses, or its answer is not the expected message.
            NoAnswer: none after so many attempts.
            Unavailable: the session's key is gone.
        """
        body = request.encode()
        for attempt in range(attempts):
            if attempt:
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                response = self._post(path, body, kind.max_bytes)
            except (httpx.HTTPError, httpx.InvalidURL) as error:  # InvalidURL: from a redirect
                log.warning("%s: %s", self.name, type(error).__name__)
                self._did_not_answer()
                continue
            if response.status_code == httpx.codes.OK:
                count_if_succeeded("peer_requests_total", peer=self.kind, result="answered")
                return self._parse(response.content, kind)
            if response.status_code == httpx.codes.NOT_FOUND:  # restarted, or the key expired
                raise Unavailable("the key of this session is gone; open a new session")
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                raise Refused(f"the {self.name} answered {response.status_code}")
            log.warning("%s: status %d", self.name, response.status_code)
            self._did_not_answer()
        raise NoAnswer(f"the {self.name} does not answer; open a new session later")

    def _did_not_answer(self) -> None:
        count("peer_requests_total", peer=self.kind, result="unavailable")

    def _post(self, path: str, body: bytes, limit: int) -> httpx.Response:
        headers = sign_request("POST", self._host, path, body, self._key, self._clock())
        headers |= {"content-type": CBOR, **correlation()}
        headers["accept-encoding"] = "identity"
        headers["content-length"] = str(len(body))
        # An iterator gives the body only once. httpx keeps request and answer in a reference cycle,
        # so a body of bytes would stay in memory until the garbage collector runs.
        once = iter((body,))
        with self._client.stream(
            "POST", self._base + path, content=once, headers=headers
        ) as response:
            if "content-encoding" in response.headers:  # 32 KB of zstd can be a gigabyte
                raise httpx.DecodingError("answer in a content coding")
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > limit:
                    raise httpx.DecodingError("answer too long")
            return httpx.Response(response.status_code, content=bytes(content))

    def _parse(self, content: bytes, kind: type[M]) -> M:
        try:
            return kind.decode(content)
        except MalformedMessage:
            raise Refused(f"the {self.name} answered something malformed") from None


class AuthorityClient(_Peer):
    """Speaks to one key authority, in one instance (several: ``authorities``)."""

    name = "key authority"
    kind = "authority"

    @property
    def instances(self) -> int:
        return 1

    def leading(self, session: SessionId) -> SessionId:
        """An id for a new session that leads to an instance that answers."""
        return session

    def session_key(self, request: SessionKeyRequest) -> SessionKeyResponse:
        """Ask for a session key. Raises as ``_ask``."""
        return self._ask("/v1/session-keys", request, SessionKeyResponse)

    def session_key_at_once(self, request: SessionKeyRequest) -> SessionKeyResponse:
        """Ask for a session key a single time. Raises as ``_ask``."""
        return self._ask("/v1/session-keys", request, SessionKeyResponse, attempts=1)

    def attempt(self, request: AttemptRequest) -> AttemptAnswer:
        """Have the attempt counted. Raises as ``_ask``."""
        return self._ask("/v1/attempts", request, AttemptAnswer)

    def masked_values(self, request: ProductRequest) -> MaskedValues:
        """Send the padded product. Raises as ``_ask``."""
        return self._ask("/v1/padded-products", request, MaskedValues)

    def decision(self, request: SharesRequest) -> DecisionResponse:
        """Send values and shares. Raises as ``_ask``."""
        return self._ask("/v1/shares", request, DecisionResponse)

    def audited_decision(self, request: AuditResult) -> DecisionResponse:
        """Send the report that was demanded. Raises as ``_ask``."""
        return self._ask("/v1/audits", request, DecisionResponse)


class AuditorClient(_Peer):
    """Speaks to one auditor."""

    name = "auditor"
    kind = "auditor"

    def audit(self, request: AuditRequest) -> AuditResponse:
        """Hand over an evaluation to be repeated. Raises as ``_ask``."""
        return self._ask("/v1/audits", request, AuditResponse)
