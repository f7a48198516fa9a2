"""The gateway, as a registration client sees it. Every request is signed by the device."""

import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

from gateway.host.http import CBOR
from gateway.wire.cose import SigningKey
from gateway.wire.errors import (
    LivenessNotPossible,
    MalformedMessage,
    Refused,
    SealmatchError,
    Unavailable,
)
from gateway.wire.evaluation import Outcome
from gateway.wire.ids import RecordId, SessionId
from gateway.wire.message import SMALL
from gateway.wire.requests import host_of, sign_request
from gateway.wire.session import SessionOffer, SessionRequest

BASE = "/face-verification/v0.1/sessions"
_ANSWER_BYTES = 8 * SMALL

_NOT_POSSIBLE = "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE"

RECOVERY_ATTEMPTS = 5
RECOVERY_PAUSE_SECONDS = 0.5
RECEIPT_ATTEMPTS = 60
"""Times to ask for the receipt of a decision that is recorded and not yet in a published log."""


class GatewayError(SealmatchError):
    """The gateway answered an error that is neither a refusal nor worth repeating."""


class NoAnswer(Unavailable):
    """The request may or may not have arrived."""


class ReceiptPending(Unavailable):
    """The decision is recorded; its receipt can be asked for later (``GatewayClient.fetch``)."""

    def __init__(self, session: SessionId) -> None:
        super().__init__("the decision is recorded, its receipt is not there yet")
        self.session = session


@dataclass(frozen=True)
class Verification:
    """The answer to a submission."""

    outcome: Outcome
    record_id: RecordId
    receipt: bytes = field(repr=False)


@dataclass(frozen=True)
class Exchange:
    """An answer and the sizes of what travelled, in bytes."""

    content: bytes = field(repr=False)
    sent: int
    received: int


class GatewayClient:
    """Speaks to one gateway in the name of one device."""

    def __init__(
        self,
        transport: httpx.Client,
        base_url: str,
        device: SigningKey,
        clock: Callable[[], int],
    ) -> None:
        # A gateway must not mark a counter, nor fill its memory: no cookie is ever kept.
        transport.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._transport = transport
        self._base = base_url.rstrip("/")
        self._host = host_of(base_url)
        self._device = device
        self._clock = clock

    def open_session(self, request: SessionRequest) -> tuple[SessionOffer, Exchange]:
        """Open a session. Raises as ``_send``, and MalformedMessage for an unreadable offer."""
        exchange = self._send("POST", BASE, request.encode(), SessionOffer.max_bytes)
        return SessionOffer.decode(exchange.content), exchange

    def submit(self, session: SessionId, submission: bytes) -> tuple[Verification, Exchange]:
        """Hand in a submission.

        A decision cannot be asked for twice, but its answer can: where the answer is lost on the
        way, the gateway cannot say whether it was recorded, or the log has not published it yet,
        the session's state is asked for, for a while. Where that ends without a word, an outcome
        may exist; ``fetch`` asks for it later.

        Raises:
            As ``_send``; MalformedMessage for an unreadable answer; as ``_recover``.
        """
        path = f"{BASE}/{session.hex()}/submission"
        try:
            exchange = self._send("POST", path, submission, _ANSWER_BYTES)
        except Unavailable:
            exchange = self._recover(session, len(submission))
        else:
            if _json(exchange.content).get("state") == "RECORDED":
                exchange = self._recover(session, len(submission), recorded=True)
        return _verification(exchange.content), exchange

    def fetch(self, session: SessionId) -> Verification:
        """Outcome and receipt of a session that was decided before.

        Raises:
            ReceiptPending: decided, and still not under a published checkpoint.
            GatewayError: the gateway knows no such session of this device, or it is undecided.
            As ``_send``; MalformedMessage for an unreadable answer.
        """
        content = self._send("GET", f"{BASE}/{session.hex()}", b"", _ANSWER_BYTES).content
        state = _json(content).get("state")
        if state == "RECORDED":
            raise ReceiptPending(session)
        if state != "DECIDED":
            raise GatewayError("this session has no decision")
        return _verification(content)

    def status(self, session: SessionId) -> dict[str, Any]:
        """State of a session, with outcome and receipt once decided. Raises as ``_send``."""
        exchange = self._send("GET", f"{BASE}/{session.hex()}", b"", _ANSWER_BYTES)
        return _json(exchange.content)

    def _recover(self, session: SessionId, sent: int, *, recorded: bool = False) -> Exchange:
        """Ask what became of a submission that was not answered, or whose receipt is to come.

        Args:
            recorded: the gateway has said that there is a decision.

        Raises:
            ReceiptPending: decided, without a receipt so far.
            NoAnswer: nobody says what became of it.
            Unavailable: there is no outcome; the registration can be started again.
        """
        state: object = None
        attempts = RECEIPT_ATTEMPTS if recorded else RECOVERY_ATTEMPTS
        while attempts > 0:
            attempts -= 1
            try:
                path = f"{BASE}/{session.hex()}"
                exchange = self._send("GET", path, b"", _ANSWER_BYTES)
            except Unavailable:
                time.sleep(RECOVERY_PAUSE_SECONDS)
                continue
            state = _json(exchange.content).get("state")
            if state == "DECIDED":
                return Exchange(exchange.content, sent, exchange.received)
            if state == "RECORDED" and not recorded:
                attempts, recorded = RECEIPT_ATTEMPTS, True
            if state not in ("EVALUATING", "RECORDED"):
                break
            time.sleep(RECOVERY_PAUSE_SECONDS)
        if state == "RECORDED":
            raise ReceiptPending(session)
        if state in (None, "EVALUATING"):
            raise NoAnswer("nobody says what became of the submission; ask later: receipt fetch")
        raise Unavailable("the gateway's answer was lost; start the registration again")

    def _send(self, method: str, path: str, body: bytes, limit: int) -> Exchange:
        """One signed request.

        Raises:
            Refused: the gateway refuses (403).
            NoAnswer: nothing came back.
            Unavailable: 503; the registration can be started again.
            LivenessNotPossible: too many kinds of action were excluded for this gateway.
            GatewayError: any other error; its text is the gateway's code and message.
        """
        headers = sign_request(method, self._host, path, body, self._device, self._clock())
        headers["accept-encoding"] = "identity"
        if body:
            headers["content-type"] = CBOR
        try:
            with self._transport.stream(
                method, self._base + path, content=body or None, headers=headers
            ) as response:
                content = _bounded(response, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # the latter: a redirection's
            raise NoAnswer(f"the gateway does not answer ({type(error).__name__})") from None
        if response.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED):
            return Exchange(content, len(body), len(content))
        raise _error(response.status_code, content)


def _bounded(response: httpx.Response, limit: int) -> bytes:
    if "content-encoding" in response.headers:  # 32 KB of zstd can be a gigabyte
        raise MalformedMessage("the gateway's answer is in a content coding")
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > limit:
            raise MalformedMessage("the gateway's answer is too long")
    return bytes(content)


def _error(status: int, content: bytes) -> SealmatchError:
    try:
        body = _json(content)
        code, message = _printable(body["code"], 80), _printable(body["message"], 300)
    except (MalformedMessage, KeyError):
        code, message = "UNKNOWN", "the answer is not in the documented form"
    if status == httpx.codes.FORBIDDEN:
        return Refused("the gateway refuses")
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return Unavailable(message)
    if code == _NOT_POSSIBLE:
        return LivenessNotPossible(message)
    return GatewayError(f"the gateway answered {status} {code}: {message}")


def _printable(value: object, limit: int) -> str:
    """A peer's text, without control characters that a terminal would obey."""
    return "".join(c for c in str(value)[:limit] if c.isprintable())


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedMessage("the gateway's answer is not JSON") from None
    if not isinstance(body, dict):
        raise MalformedMessage("the gateway's answer is not a JSON object")
    return body


def _verification(content: bytes) -> Verification:
    body = _json(content)
    outcome, record, receipt = (body.get(name) for name in ("outcome", "recordId", "receipt"))
    if outcome not in ("MATCH", "NO_MATCH") or not isinstance(record, str):
        raise MalformedMessage("the gateway's answer has no outcome")
    try:
        padded = str(receipt) + "=" * (-len(str(receipt)) % 4)
        return Verification(
            outcome, RecordId(bytes.fromhex(record)), base64.urlsafe_b64decode(padded)
        )
    except (ValueError, binascii.Error):
        raise MalformedMessage("the gateway's answer has no receipt") from None
