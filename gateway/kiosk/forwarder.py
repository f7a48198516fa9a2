"""The page's signed requests, passed to the pinned gateway byte for byte.

The page may reach no other origin, and a gateway allows no browser's. So this process carries what
the page signed: it adds nothing, signs nothing, reads nothing, and knows only the few paths that a
client needs. The answer comes back as the gateway gave it. If there is none, the process says so in
its own name, so that the page does not take its word for the gateway's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import httpx

from gateway.client.answers import silence
from gateway.client.gateway_client import BASE, FALLBACKS
from gateway.host.clock import unix_time
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Unavailable
from gateway.wire.message import SMALL
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.submission import Submission

CARRIED: Final = ("content-digest", "signature-input", "signature", "x-correlator", "content-type")
"""Headers of the page's that go on; everything else of a browser's stays here."""
RETURNED: Final = ("content-type", "retry-after")
_LONGEST_HEADER: Final = 4096
_STATE_BYTES: Final = 8 * SMALL
_STATE_SECONDS: Final = 30

_SESSION: Final = rf"{BASE}/[0-9a-f]{{32}}"


@dataclass(frozen=True)
class Route:
    """A path that a client needs, and how long a request and its answer may be, in bytes."""

    method: str
    path: re.Pattern[str]
    most_sent: int
    most_received: int


ROUTES: Final = (
    Route("POST", re.compile(BASE), SessionRequest.max_bytes, SessionOffer.max_bytes),
    Route("POST", re.compile(rf"{_SESSION}/submission"), Submission.max_bytes, _STATE_BYTES),
    Route("POST", re.compile(FALLBACKS), 4 * SMALL, _STATE_BYTES),
    Route("GET", re.compile(_SESSION), 0, _STATE_BYTES),
)


def route_of(method: str, path: str) -> Route | None:
    """The route of a request, by its path as the browser sent it; None: it is not passed on."""
    for route in ROUTES:
        if route.method == method and route.path.fullmatch(path):
            return route
    return None


@dataclass(frozen=True)
class Forwarded:
    """What the gateway answered."""

    status: int
    headers: dict[str, str]
    content: bytes = field(repr=False)


class Forwarder:
    """Carries requests to one gateway. Several threads may use it."""

    def __init__(self, transport: httpx.Client, base_url: str) -> None:
        # No cookie is ever kept: a gateway must not track a counter.
        transport.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._transport = transport
        self._base = base_url.rstrip("/")

    def forward(
        self, route: Route, path: str, headers: Mapping[str, str], body: bytes
    ) -> Forwarded:
        """Send a request once.

        Raises:
            Unavailable: nothing came back; the text says what probably is the matter.
            BodyTooLarge: the answer is longer than any of the gateway's.
            MalformedMessage: a header that is too long.
        """
        carried = {name: headers[name] for name in CARRIED if name in headers}
        if any(len(value) > _LONGEST_HEADER for value in carried.values()):
            raise MalformedMessage("a header is too long")
        carried["accept-encoding"] = "identity"
        try:
            with self._transport.stream(
                route.method,
                self._base + path,
                content=body or None,
                headers=carried,
                timeout=httpx.USE_CLIENT_DEFAULT if body else _STATE_SECONDS,
            ) as response:
                return _received(response, route.most_received)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreached(error) from None


def _received(response: httpx.Response, limit: int) -> Forwarded:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unavailable("something between here and the gateway changes its answers")
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > limit:
            raise BodyTooLarge("the gateway's answer is too long")
    returned = {name: response.headers[name] for name in RETURNED if name in response.headers}
    if "date" in response.headers:
        returned["x-sealmatch-date"] = response.headers["date"]
    return Forwarded(response.status_code, returned, bytes(content))


def _unreached(error: httpx.HTTPError | httpx.InvalidURL) -> Unavailable:
    return silence(error, unix_time())
