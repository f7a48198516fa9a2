"""A transparency log over HTTP, as ``sealmatch log`` reads it.

What does not answer as a log does is no log that lies: a login page, a proxy's error and an answer
that never ends are told apart from a tree that is not the signed one.
"""

import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import httpx

from gateway.client.transport import gateway_transport
from gateway.host.clock import unix_time
from gateway.proofs.trust import TrustFile
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.requests import host_of, sign_request

TIMEOUT_SECONDS = 30


class HttpLog:
    """A log over HTTP; requests are signed where the reader has a key."""

    def __init__(self, transport: httpx.Client, url: str, key: SigningKey | None) -> None:
        self._transport = transport
        self._url = url.rstrip("/")
        self._key = key

    def fetch(self, path: str, limit: int) -> bytes | None:
        """What is at a path, or None.

        Raises:
            Refused: the gateway lets this reader read nothing.
            Unavailable: no answer, an unusable one, or one longer than ``limit``.
        """
        headers = {"accept-encoding": "identity"}
        try:
            url = httpx.URL(f"{self._url}/{path}")
            if self._key is not None:
                host = host_of(self._url)
                headers |= sign_request("GET", host, url.path, b"", self._key, unix_time())
            with self._transport.stream("GET", url, headers=headers) as response:
                content = _bounded(response, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"{self._url}: the log does not answer ({type(error).__name__})"
            raise Unavailable(why) from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code in (httpx.codes.FORBIDDEN, httpx.codes.UNAUTHORIZED):
            raise Refused("the gateway lets enrolled readers read: see new-key, and --key")
        if response.status_code != httpx.codes.OK:
            raise Unavailable(f"{self._url}: the log answers with status {response.status_code}")
        if response.headers.get("content-type", "").startswith("text/html"):
            raise Unavailable(
                f"{self._url}: a web page answers in the log's place, such as a login page"
            )
        return content


def _bounded(response: httpx.Response, limit: int) -> bytes:
    if "content-encoding" in response.headers:
        raise Unavailable("the log's answer is in a content coding")
    content, until = bytearray(), time.monotonic() + TIMEOUT_SECONDS
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > limit:
            raise Unavailable("the log's answer is too long")
        if time.monotonic() > until:
            raise Unavailable("the log's answer does not end")
    return bytes(content)


def reader_transport(path: Path, trust: TrustFile) -> httpx.Client:
    """A client for readers: it keeps no cookie."""
    transport = gateway_transport(path, trust, TIMEOUT_SECONDS)
    # A gateway must not mark a reader, nor fill its memory: no cookie is ever kept.
    transport.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return transport
