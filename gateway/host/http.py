"""HTTP at the edge of the servers: bounded bodies, correlation, problem bodies.

Bodies are bounded before they are read into memory, and read once. Every answer has an
``x-correlator``, the request's or a new one, and forbids caching. Every error has the CAMARA form.
Server frameworks' own error pages, which repeat input, never appear.
"""

import asyncio
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.host.correlating import answering, correlator
from gateway.host.limits import Limits
from gateway.host.traffic import Place, Traffic
from gateway.wire.errors import (
    BodyTooLarge,
    BodyTooSlow,
    MalformedMessage,
    Problem,
    Refused,
    UnsupportedMedia,
    problem_for,
)
from gateway.wire.ids import Digest

T = TypeVar("T")

CBOR: Final = "application/cbor"
JSON: Final = "application/json"
CORRELATOR: Final = "x-correlator"

REFUSED: Final = problem_for(Refused(""))

_CORRELATOR_FORM = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{1,256}")
_BASE_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True)
class Body:
    """A request's body, read once."""

    content: bytes = field(repr=False)
    digest: Digest
    """Its SHA-256, made while it arrived."""


def require_body_form(request: Request, content_type: str | None, limit: int) -> None:
    """Check what the headers say of the body; any content type will do if None is given.

    Raises:
        UnsupportedMedia: another content type.
        BodyTooLarge: more than ``limit`` bytes are announced.
        MalformedMessage: a content-length that is not a number.
    """
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type is not None and stated != content_type:
        raise UnsupportedMedia(f"the body must be {content_type}")
    announced = request.headers.get("content-length")
    if announced is None:
        return
    if not announced.isascii() or not announced.isdigit():
        raise MalformedMessage("content-length is not a number")
    if len(announced) > len(str(limit)) or int(announced) > limit:
        raise BodyTooLarge(f"the body may have at most {limit} bytes")


async def read_body(request: Request, limit: int) -> Body:
    """Read a body of at most ``limit`` bytes and hash it while it arrives.

    Raises:
        BodyTooLarge: more than ``limit`` bytes were sent; the rest is not read.
        BodyTooSlow: its sender does not keep up with the rate that is asked for.
        MalformedMessage: the body ended early.
        Unavailable: the bodies of other requests take all the room.
    """
    place: Place = request.state.place
    place.hold(int(request.headers.get("content-length", limit)))
    pieces: list[bytes | bytearray] = []
    size, digest = 0, hashlib.sha256()
    place.awaits_body(limit)
    more = True
    began = time.monotonic()
    while more:
        message = await _in_time(request, place, began, size)
        if message["type"] == "http.disconnect":
            raise MalformedMessage("the body ended early")
        more = message.get("more_body", False)
        for piece in (message.get("body", b""), *place.take()):
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(f"the body may have at most {limit} bytes")
            digest.update(piece)
            pieces.append(piece)
    place.has_body()
    request.state.arrived = time.monotonic()  # how slowly a body came is its sender's affair
    return Body(b"".join(pieces), Digest(digest.digest()))


async def _in_time(request: Request, place: Place, began: float, taken: int) -> Message:
    """The body's next piece. Raises ``BodyTooSlow``.

    Args:
        began: when the body was first waited for.
        taken: its bytes so far.
    """
    limits = place.traffic.limits
    while True:
        allowed = limits.body_seconds + place.arrived(taken) / limits.body_rate
        left = began + allowed - time.monotonic()
        if left <= 0:
            raise BodyTooSlow(f"fewer than {limits.body_rate} bytes came in a second")
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                return await request.receive()


async def bounded_body(request: Request, content_type: str | None, limit: int) -> bytes:
    """A body of at most ``limit`` bytes that nobody signed.

    Raises:
        As ``require_body_form`` and ``read_body``.
    """
    require_body_form(request, content_type, limit)
    return (await read_body(request, limit)).content


async def work_on(request: Request, kind: str, work: Callable[[], T]) -> T:
    """Do work for a request in a thread. Raises as ``Traffic.run``."""
    place: Place = request.state.place
    return await place.traffic.run(kind, work)


def cbor_response(body: bytes) -> Response:
    return Response(body, media_type=CBOR)


def json_response(body: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(body), status_code=status, media_type=JSON)


def problem_response(problem: Problem) -> Response:
    """An error in the CAMARA form."""
    answer = json_response(problem.body(), problem.status)
    if problem.retry_after is not None:
        answer.headers["retry-after"] = str(problem.retry_after)
    return answer


class EdgeHeaders:
    """ASGI middleware: echo or make ``x-correlator``; add the headers of every answer.

    The operator's log gets a correlator only if it is a UUID: anything else might be a number
    that somebody put there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._unserved = Traffic(Limits())
        """For an application that is asked within one process."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = _correlator(scope)
        state = scope.setdefault("state", {})
        traffic = state.get("traffic", self._unserved)
        place = state["place"] = Place(traffic, state.get("connection"))
        state["correlator"] = answering(stated) or "-"
        state["arrived"] = time.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", []))
                headers.append((CORRELATOR.encode(), stated.encode()))
                headers.extend((k.encode(), v.encode()) for k, v in _BASE_HEADERS.items())
                # After every refusal, so that closing tells nothing of how far a request came.
                if place.must_close() or message["status"] == REFUSED.status:
                    headers.append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            place.leave()


def correlation() -> dict[str, str]:
    """The header that a server sends on to its peers while it answers a request.

    So one reference stands in the logs of all of them. It is a UUID, or it is not sent on.
    """
    now = correlator()
    return {} if now is None else {CORRELATOR: now}


def _correlator(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == CORRELATOR.encode():
            text = value.decode("latin-1")
            if _CORRELATOR_FORM.fullmatch(text):
                return str(text)
    return str(uuid.uuid4())
