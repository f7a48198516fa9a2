"""Requests of a registration client to the gateway. The device signs every one of them.

A submission is decided once, and its answer can be lost or replaced on the way. Only the session's
state says what became of it:

    DECIDED     the outcome and its receipt
    RECORDED    there is an outcome; its receipt comes later        ReceiptPending
    FAILED      there is none, and will be none                     NoDecision
    OPEN        the submission has not been taken                   handed in again; NotTaken
    EVALUATING  not known yet                                       OutcomeUnknown
    (no word)   not known; a forgotten session may be decided       OutcomeUnknown

So if a submission is answered by anything but this session's state, the client asks for the state.
A submission that is handed in again counts once: the gateway takes one for each session, and
answers the same bytes alike. A request that a proxy repeats is refused all the same, since its
nonce counts once. Otherwise whoever found a request in a proxy's buffer would be told outcome and
receipt. The counter itself asks again under a new signature.

Only the connection (TLS) vouches for the state. An attacker who can end TLS in the gateway's name
can call a decided session FAILED, and the counter then drops what it needs to fetch the receipt. An
attacker who can only disturb the connection cannot.
"""

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.client.answers import (
    GatewayError,
    NoAnswer,
    NoSuchSession,
    NotTheGateway,
    json_object,
)
from gateway.client.exchange import Exchange, SignedLine
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, Unavailable
from gateway.wire.evaluation import Outcome
from gateway.wire.ids import RecordId, SessionId
from gateway.wire.message import SMALL
from gateway.wire.requests import WINDOW
from gateway.wire.session import SessionOffer, SessionRequest

BASE = "/face-verification/v0.1/sessions"
FALLBACKS = "/face-verification/v0.1/fallbacks"
_ANSWER_BYTES = 8 * SMALL
_STATES: Final = ("OPEN", "EVALUATING", "RECORDED", "DECIDED", "FAILED")

RECOVERY_ATTEMPTS = 5
"""How often in a row to ask for a session's state without any answer."""
RECOVERY_PAUSE_SECONDS = 0.5
RECEIPT_ATTEMPTS = 60
"""How often to ask in all, while an evaluation goes on or a receipt is not published yet."""
SUBMISSIONS = 3
"""How often to hand in a submission that the gateway has not taken."""
OPENINGS = 2
"""How often to ask for a session. Asking again is harmless: an unused session expires."""


class OutcomeUnknown(NoAnswer):
    """A submission was sent, and it is unknown what became of it. ``GatewayClient.fetch`` asks
    later."""


class NotTaken(OutcomeUnknown):
    """The gateway has not taken the submission. It still can, until the signature is too old."""


class ReceiptPending(Unavailable):
    """The decision is recorded; its receipt can be asked for later (``GatewayClient.fetch``)."""

    def __init__(self, session: SessionId) -> None:
        super().__init__("the decision is recorded, its receipt is not there yet")
        self.session = session


class NoDecision(SealmatchError):
    """The gateway has said that the session ended without a decision."""


class SubmissionRefused(NoDecision, Refused):
    """No decision, because the gateway refuses the submission."""


class SubmissionInvalid(NoDecision, GatewayError):
    """No decision, because the submission does not have the documented form."""


class SubmissionFailed(NoDecision, Unavailable):
    """No decision, for an unknown or passing reason. A new registration may succeed."""


@dataclass(frozen=True)
class Verification:
    """The answer to a submission."""

    outcome: Outcome
    record_id: RecordId
    receipt: bytes = field(repr=False)


@dataclass(frozen=True)
class FallbackAnswer:
    """The answer to a registration without a face that is recorded."""

    record_id: RecordId
    receipt: bytes | None = field(repr=False)
    """None: the log has not published its entry yet."""


@dataclass(frozen=True)
class _Word:
    """What the gateway says about a session."""

    state: str
    verification: Verification | None
    received: int


class GatewayClient(SignedLine):
    """Speaks to one gateway in the name of one device."""

    def open_session(self, request: SessionRequest) -> tuple[SessionOffer, Exchange]:
        """Open a session.

        This asks once more after an answer that is not the gateway's own, and where a busy gateway
        says when. It also asks once more after a refusal, because a proxy that sends a request
        twice causes one.

        Raises:
            As ``send``; NotTheGateway or MalformedMessage for an answer that is no offer.
        """
        for _ in range(OPENINGS - 1):
            try:
                return self._open(request.encode())
            except Refused as error:
                if type(error) is not Refused:  # its reason will not go away
                    raise
            except NotTheGateway:
                pass
            except Unavailable as error:
                if error.retry_after is None:  # it says nothing of another time
                    raise
                time.sleep(_pause(error))
                continue
            time.sleep(RECOVERY_PAUSE_SECONDS)
        try:
            return self._open(request.encode())
        except Refused as error:
            raise self._narrowed(error) from None

    def submit(
        self,
        session: SessionId,
        submission: bytes,
        before_sending: Callable[[], None] = lambda: None,
    ) -> tuple[Verification, Exchange]:
        """Hand in a submission, and find out what became of it.

        Args:
            before_sending: called each time before the submission leaves.

        Raises:
            ReceiptPending, NoDecision, NotTaken, OutcomeUnknown: see the module.
        """
        inquiry = _Inquiry(lambda: self._word(session, "GET", b""))
        for number in range(SUBMISSIONS):
            if number:
                time.sleep(_pause(inquiry.answered))
            before_sending()
            inquiry.hand_in(lambda: self._word(session, "POST", submission))
            if not inquiry.settled:
                inquiry.ask()
            if inquiry.state != "OPEN":
                break
        word = inquiry.decided(session)
        return word[0], Exchange(word[0].receipt, len(submission), word[1])

    def fetch(self, session: SessionId, sent_at: int | None = None) -> Verification:
        """Outcome and receipt of a submission that was handed in before.

        Args:
            sent_at: when it was last sent, in seconds since 1970 by this client's clock. A
                submission that was not taken by twice ``WINDOW`` later never will be: its signature
                is too old.

        Raises:
            ReceiptPending, NoDecision, NotTaken, OutcomeUnknown: see the module.
            Refused: the gateway refuses to say.
        """
        inquiry = _Inquiry(lambda: self._word(session, "GET", b""))
        inquiry.ask(once=True)
        if inquiry.state is None and isinstance(inquiry.error, Refused):
            raise inquiry.error
        too_old = sent_at is not None and self._clock() > sent_at + 2 * WINDOW
        if inquiry.state == "OPEN" and too_old:
            raise SubmissionFailed("the gateway never took the submission: there is no outcome")
        return inquiry.decided(session)[0]

    def record_fallback(self, request: bytes) -> FallbackAnswer:
        """Send a registration without a face once.

        Raises:
            As ``send``; MalformedMessage for an answer that is not the documented one.
        """
        answers: list[FallbackAnswer] = []
        self.send(
            "POST",
            FALLBACKS,
            request,
            _ANSWER_BYTES,
            lambda content: answers.append(_fallback(content)),
        )
        return answers[0]

    def status(self, session: SessionId) -> dict[str, Any]:
        """State of a session, with outcome and receipt once decided.

        Raises:
            As ``send``; MalformedMessage for an answer that is not a JSON object.
        """
        exchange = self.send("GET", f"{BASE}/{session.hex()}", b"", _ANSWER_BYTES)
        return json_object(exchange.content)

    def _narrowed(self, refused: Refused) -> Refused:
        """A refused opening, told apart from a device or clock that the gateway does not accept."""
        try:
            self.status(SessionId(bytes(16)))
        except NoSuchSession:
            return Refused(
                f"{refused.detail} a session, though it takes this counter's other requests: it "
                "does not know the reader or the consent text, or a proxy sends requests twice"
            )
        except SealmatchError:
            pass
        return refused

    def _open(self, request: bytes) -> tuple[SessionOffer, Exchange]:
        offers: list[SessionOffer] = []
        exchange = self.send(
            "POST",
            BASE,
            request,
            SessionOffer.max_bytes,
            lambda content: offers.append(SessionOffer.decode(content)),
        )
        return offers[0], exchange

    def _word(self, session: SessionId, method: str, body: bytes) -> _Word:
        """The session's state, asked for or as the answer to a submission. Raises as ``send``."""
        path = f"{BASE}/{session.hex()}" + ("/submission" if body else "")
        words: list[_Word] = []
        self.send(
            method, path, body, _ANSWER_BYTES, lambda content: words.append(_word(content, session))
        )
        return words[0]


class _Inquiry:
    """Finds out what became of a submission, from every answer about it."""

    def __init__(self, question: Callable[[], _Word]) -> None:
        self._question = question
        self._word: _Word | None = None
        self._left = RECEIPT_ATTEMPTS
        self.error: SealmatchError | None = None
        """The last error that came instead of a state."""
        self.answered: SealmatchError | None = None
        """The error that answered the submission instead of a state."""

    @property
    def state(self) -> str | None:
        return self._word.state if self._word else None

    @property
    def settled(self) -> bool:
        """Whether the gateway has said how the session ended."""
        return self.state in ("DECIDED", "FAILED")

    def hand_in(self, submission: Callable[[], _Word]) -> None:
        """Send the submission. An earlier state, which said that it was not taken, counts no
        more."""
        self._word = None
        self._hear(submission)
        self.answered = self.error

    def ask(self, *, once: bool = False) -> None:
        """Ask until the session has ended, is still open, or the attempts are used up.

        Args:
            once: stop at the first state.
        """
        silent = 0
        while silent < RECOVERY_ATTEMPTS and self._left > 0:
            self._left -= 1
            self._hear(self._question)
            silent = silent + 1 if self.error else 0
            if not self.error and (once or self.settled or self.state == "OPEN"):
                return
            time.sleep(_pause(self.error))

    def _hear(self, question: Callable[[], _Word]) -> None:
        """Take an answer. A recorded decision stays recorded, whatever is said later."""
        try:
            word = question()
        except SealmatchError as error:
            self.error = error
            return
        self.error = None
        if self.state != "RECORDED" or word.state == "DECIDED":
            self._word = word

    def decided(self, session: SessionId) -> tuple[Verification, int]:
        """The outcome, and the size of the answer that told it, in bytes.

        Raises:
            ReceiptPending, NoDecision, NotTaken, OutcomeUnknown: see the module.
        """
        match self._word:
            case _Word(verification=Verification() as verification, received=received):
                return verification, received
            case _Word(state="RECORDED"):
                raise ReceiptPending(session)
            case _Word(state="FAILED"):
                raise _no_decision(self.answered)
            case _Word(state="OPEN"):
                why = _because(self.answered)
                raise NotTaken(f"the gateway has not taken the submission{why}")
            case _Word(state="EVALUATING"):
                raise OutcomeUnknown("the submission is being evaluated; ask again: receipt fetch")
        if isinstance(self.error, NoSuchSession):
            raise OutcomeUnknown(
                "the gateway no longer knows the session: whether it was decided stands in its "
                f"records alone; ask its operator, for session {session.hex()}"
            )
        raise OutcomeUnknown(
            f"nobody says what became of the submission{_because(self.error or self.answered)}; "
            "ask later: receipt fetch"
        )


def _no_decision(answered: SealmatchError | None) -> NoDecision:
    """The error for a session without a decision. The answer to the submission gives the reason."""
    match answered:
        case NoAnswer() | None:
            return SubmissionFailed(
                f"the session ended without a decision{_because(answered)}; start again"
            )
        case Refused():
            return SubmissionRefused(answered.detail)
        case GatewayError() | MalformedMessage():
            return SubmissionInvalid(str(answered))
    return SubmissionFailed(str(answered))


def _pause(error: SealmatchError | None) -> float:
    """Seconds before the next attempt: what a busy gateway asks for, or the usual pause."""
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return max(RECOVERY_PAUSE_SECONDS, asked or 0)


def _because(error: SealmatchError | None) -> str:
    if error is None:
        return ""
    return f" ({error.detail if isinstance(error, Refused) else error})"


def _word(content: bytes, session: SessionId) -> _Word:
    """The state in an answer. Raises ``MalformedMessage`` unless it is that of this session."""
    body = json_object(content)
    state = body.get("state")
    if body.get("sessionId") != session.hex() or state not in _STATES:
        raise MalformedMessage("the gateway's answer is not the state of this session")
    verification = _verification(body) if state == "DECIDED" else None
    return _Word(str(state), verification, len(content))


def _verification(body: dict[str, Any]) -> Verification:
    outcome = body.get("outcome")
    if outcome not in ("MATCH", "NO_MATCH"):
        raise MalformedMessage("the gateway's answer has no outcome")
    return Verification(outcome, _record_id(body), _receipt(body))


def _fallback(content: bytes) -> FallbackAnswer:
    """Raises ``MalformedMessage``."""
    body = json_object(content)
    match body.get("state"), body.get("outcome"):
        case "RECORDED", None:
            return FallbackAnswer(_record_id(body), None)
        case "PUBLISHED", "FALLBACK":
            return FallbackAnswer(_record_id(body), _receipt(body))
    raise MalformedMessage("the gateway's answer is not about a registration without a face")


def _record_id(body: dict[str, Any]) -> RecordId:
    record = body.get("recordId")
    try:
        return RecordId(bytes.fromhex(record if isinstance(record, str) else "-"))
    except ValueError:
        raise MalformedMessage("the gateway's answer names no record") from None


def _receipt(body: dict[str, Any]) -> bytes:
    receipt = body.get("receipt")
    if not isinstance(receipt, str):
        raise MalformedMessage("the gateway's answer has no receipt")
    try:
        return base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4))
    except (ValueError, binascii.Error):
        raise MalformedMessage("the gateway's answer has no receipt") from None
