"""One signed request to a gateway, and what came back. The device, or a reader, signs it.

An answer has no signature. A result is read as the message that was asked for; everything else
becomes an error that says what probably answered (``answers``).
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import httpx

from gateway.client.answers import (
    Answer,
    error_in,
    refused_for_time,
    seconds_apart,
    silence,
    unreadable,
)
from gateway.host.http import CBOR, CORRELATOR
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.requests import host_of, sign_request

STATE_SECONDS: Final = 30
"""Timeout of one question about a state. The gateway answers it without waiting for anybody."""


@dataclass(frozen=True)
class Exchange:
    """An answer and the sizes of what travelled, in bytes."""

    content: bytes = field(repr=False)
    sent: int
    received: int


class SignedLine:
    """Speaks to one gateway under one key."""

    def __init__(
        self,
        transport: httpx.Client,
        base_url: str,
        device: SigningKey,
        clock: Callable[[], int],
    ) -> None:
        # No cookie is ever kept: a gateway must not track a counter or fill its memory.
        transport.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._transport = transport
        self._base = base_url.rstrip("/")
        self._host = host_of(base_url)
        self._device = device
        self._clock = clock
        self._reference = str(uuid.uuid4())

    def new_reference(self) -> str:
        """Begin a registration: draw what its requests carry (``x-correlator``), and return it.

        It is random and means nothing. Gateway and authority write it into their logs beside the
        reason of a refusal, and an answer tells no more than before.
        """
        self._reference = str(uuid.uuid4())
        return self._reference

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        limit: int,
        read: Callable[[bytes], object] = lambda _: None,
    ) -> Exchange:
        """Send one signed request.

        Args:
            read: reads a result. It raises ``MalformedMessage`` if there is none.

        Raises:
            Refused: the gateway refuses (403); ``ClockDiffers`` if this counter's clock explains
                it.
            NoAnswer: nothing came back; ``NotTheGateway``: something else answered.
            Unavailable: 503; the registration can be started again.
            LivenessNotPossible: too many kinds of action were excluded for this gateway.
            GatewayError: any other error; its text is the gateway's code and message.
            MalformedMessage: a result that cannot be read, or is too long.
        """
        before = self._clock()
        headers = sign_request(method, self._host, path, body, self._device, before)
        headers |= {"accept-encoding": "identity", CORRELATOR: self._reference}
        if body:
            headers["content-type"] = CBOR
        try:
            with self._transport.stream(
                method,
                self._base + path,
                content=body or None,
                headers=headers,
                timeout=httpx.USE_CLIENT_DEFAULT if body else STATE_SECONDS,
            ) as response:
                answer = _received(response, limit)
                date = response.headers.get("date")
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # InvalidURL: from a redirect
            raise silence(error, self._clock()) from None
        if answer.status not in (httpx.codes.OK, httpx.codes.ACCEPTED) or answer.coding:
            answered = error_in(answer)
            if isinstance(answered, Refused):
                apart = seconds_apart(date, before, self._clock())
                answered = refused_for_time(answered, apart)
            raise answered
        try:
            read(answer.content)
        except MalformedMessage as error:
            raise unreadable(answer, error) from None
        return Exchange(answer.content, len(body), len(answer.content))


def _received(response: httpx.Response, limit: int) -> Answer:
    """The answer as it arrived. Raises ``MalformedMessage`` if it is too long."""
    given = response.headers
    kind, coding = given.get("content-type", ""), given.get("content-encoding", "").lower()
    if coding not in ("", "identity"):  # 32 KB of zstd can be a gigabyte
        return Answer(response.status_code, b"", kind, coding)
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > limit:
            raise MalformedMessage("the gateway's answer is too long")
    pause = given.get("retry-after", "")
    return Answer(response.status_code, bytes(content), kind, retry_after=pause)
