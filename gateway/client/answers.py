"""What came back: an answer of the gateway's own, something else's in its place, or nothing.

Proxies, firewalls and login pages stand between counter and gateway, and each of them answers. An
answer carries no signature, so only its form tells who made it. A result decodes as the message
that was asked for. An error is a JSON object in the CAMARA form that repeats its own status. But an
API gateway in front may make such errors too. So an error never settles what became of a
submission; only the session's state does (``gateway_client``).

The header ``Date`` and the reasons below are advice for the person at the counter. Whoever can
answer can forge them, and nothing is decided by them.
"""

import email.utils
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from gateway.wire.errors import (
    LivenessNotPossible,
    MalformedMessage,
    Refused,
    SealmatchError,
    Unavailable,
    answered_as,
)
from gateway.wire.requests import WINDOW

_NOT_POSSIBLE: Final = answered_as(LivenessNotPossible)[1]
_INVALID: Final = answered_as(MalformedMessage)[1]
LONGEST_PAUSE: Final = 10
"""Seconds that a person at a counter waits because an answer asks for it: anybody may make one."""
_NOT_YET_VALID, _EXPIRED = 9, 10
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


class GatewayError(SealmatchError):
    """The gateway answered with an error that is neither a refusal nor worth repeating."""


class NoSuchSession(GatewayError):
    """The gateway does not know the session, or does not know it any more."""


class NoAnswer(Unavailable):
    """Nothing came back from the gateway. The request may or may not have arrived."""


class NotTheGateway(NoAnswer):
    """Something on the way answered in the gateway's place."""


class ClockDiffers(Refused):
    """Refused, and this counter's clock differs from the gateway's by enough to explain it."""


@dataclass(frozen=True)
class Answer:
    """An answer as it arrived."""

    status: int
    content: bytes = field(repr=False)
    content_type: str = ""
    coding: str = ""
    """Its content coding. The content of a coded answer is not read."""
    retry_after: str = ""
    """Its header of that name."""


def error_in(answer: Answer) -> SealmatchError:
    """The error that an answer stands for if it is no result."""
    problem = _problem(answer)
    if problem is None:
        return NotTheGateway(_named(answer))
    code, message = problem
    match answer.status:
        case httpx.codes.FORBIDDEN:
            return Refused("the gateway refuses")
        case httpx.codes.SERVICE_UNAVAILABLE:
            return Unavailable(message, retry_after=pause_in(answer.retry_after))
        case httpx.codes.NOT_FOUND:
            return NoSuchSession(f"the gateway answered 404 {code}: {message}")
    if code == _NOT_POSSIBLE:
        return LivenessNotPossible(message)
    if code == _INVALID:
        message += " (altered on the way, or this client is of another version)"
    return GatewayError(f"the gateway answered {answer.status} {code}: {message}")


def pause_in(header: str) -> int | None:
    """Seconds that a ``Retry-After`` asks for, at most ``LONGEST_PAUSE``; dates are not read."""
    if not (header.isascii() and header.isdigit()):
        return None
    return min(int(header[:9]), LONGEST_PAUSE)


def unreadable(answer: Answer, error: MalformedMessage) -> SealmatchError:
    """The error that an answer stands for if it has a result's status but no readable result."""
    return NotTheGateway(_named(answer)) if answer.coding or _is_page(answer) else error


def silence(error: Exception, now: int) -> NoAnswer:
    """The error for a request without an answer, with the reason as far as it is known.

    Args:
        now: this counter's time, against which certificates are checked, in seconds since 1970.
    """
    certificate = next(
        (one for one in _chain(error) if isinstance(one, ssl.SSLCertVerificationError)), None
    )
    if certificate is not None and certificate.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return NoAnswer(
            "the gateway's certificate is not valid at this counter's time, "
            f"{email.utils.formatdate(now, usegmt=True)}: check the clock"
        )
    if certificate is not None:
        return NotTheGateway(
            "the certificate that was shown is not the gateway's: something on the way answers in "
            "its place (a login page, a filter), or the trust file names another CA"
        )
    return NoAnswer(f"the gateway does not answer ({type(error).__name__})")


def seconds_apart(date: str | None, before: int, after: int) -> int:
    """How many seconds a clock is ahead of the answering server's; negative if it is behind.

    Args:
        date: the answer's header ``Date``.
        before, after: this clock when the request left and when the answer arrived. The answer was
            made between them, so a slow answer is not taken for a wrong clock.
    """
    try:
        there = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # hostile dates
        return 0
    if before <= there <= after:
        return 0
    return round(before - there) if there < before else round(after - there)


def refused_for_time(refused: Refused, apart: int) -> Refused:
    """The refusal. If the clock explains it, the refusal says so.

    Args:
        apart: as ``seconds_apart`` returns it.
    """
    if abs(apart) < WINDOW - 1:  # the header has whole seconds
        return refused
    return ClockDiffers(
        f"{refused.detail}; this counter's clock is {_span(abs(apart))} "
        f"{'ahead of' if apart > 0 else 'behind'} the gateway's, and more than {WINDOW} seconds "
        "are refused: set the clock"
    )


def json_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises ``MalformedMessage``."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedMessage("the gateway's answer is not JSON") from None
    if not isinstance(body, dict):
        raise MalformedMessage("the gateway's answer is not a JSON object")
    return body


def _problem(answer: Answer) -> tuple[str, str] | None:
    """Code and message of an error in the documented form."""
    try:
        body = {} if answer.coding else json_object(answer.content)
    except MalformedMessage:
        return None
    code, message = body.get("code"), body.get("message")
    if body.get("status") != answer.status or not isinstance(code, str):
        return None
    return _printable(code, 80), _printable(message, 300)


def _named(answer: Answer) -> str:
    """A text about what answered in the gateway's place, judged by its answer."""
    status = answer.status
    if answer.coding:
        what = "it packs answers although it was asked not to"
    elif 300 <= status < 400 or (status < 300 and _is_page(answer)):
        what = _LOGIN
    else:
        what = _REASONS.get(status, "a proxy or a firewall")
    return f"something on the way answered in the gateway's place ({status}): {what}"


_LOGIN: Final = "a login page, it seems; open a web page in a browser and log in to this network"
_REASONS: Final = {
    401: "it asks for a login",
    407: "a proxy asks for a login",
    408: "it did not wait for the whole request",
    413: "it takes no request of this size, and a submission has 750,000 bytes",
    421: "a server that is not the gateway",
    429: "it takes no more requests now",
    502: "a proxy that did not reach the gateway, or lost its answer",
    503: "a proxy that did not reach the gateway",
    504: "a proxy that did not wait for the gateway",
    511: _LOGIN,
}


def _is_page(answer: Answer) -> bool:
    start = answer.content[:64].lstrip().lower()
    return "html" in answer.content_type.lower() or start.startswith((b"<!doctype", b"<html"))


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"about {round(seconds / length)} {unit}s"
    return f"{seconds} seconds"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _printable(value: object, limit: int) -> str:
    """A peer's text, without control characters that a terminal would obey."""
    return "".join(c for c in str(value)[:limit] if c.isprintable())
