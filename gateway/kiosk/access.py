"""Who may ask the process: this machine, this page, and with the token of this start.

Every page in a browser may send requests to 127.0.0.1, and a name that its owner points there makes
them look like the page's own (DNS rebinding). Other people of this machine can connect too. So

- the ``Host`` is one of ours, by number or ``localhost``, with our port: no other name is answered;
- whatever a browser says of where a request comes from (``Origin``, ``Sec-Fetch-Site``) is this
  page, or a person who typed the address;
- but for the page's own files, a request carries the token, which stands behind ``#`` in the
  address that the process printed. No request carries that part of an address, and no other site
  can read it.

A request that fails is answered alike, with nothing about the reason.
"""

import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.host.http import problem_response
from gateway.wire.errors import Problem, Refused, problem_for

TOKEN_HEADER: Final = "x-sealmatch-kiosk"  # noqa: S105  a header's name
_TOKEN_BYTES: Final = 32
_OWN_SITES: Final = (b"same-origin", b"none")
"""``none``: typed, or from a bookmark."""
_REFUSED: Final[Problem] = problem_for(Refused(""))


def new_token() -> str:
    """Of one start. Never written anywhere but into the printed address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hosts_at(port: int) -> frozenset[str]:
    """What ``Host`` may say of a server on this port of the loopback."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


class OwnPageOnly:
    """ASGI middleware: refuses everybody but the page of this start."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], token: str, open_paths: frozenset[str]
    ) -> None:
        """
        Args:
            open_paths: of the page's own files, which are no secret; fetched without the token,
                because nothing could carry it there.
        """
        self._app = app
        self._hosts = hosts
        self._token = token.encode()
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._is_admitted(scope):
            await problem_response(_REFUSED)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_admitted(self, scope: Scope) -> bool:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        host = _only(headers, b"host")
        if host is None or host.decode("latin-1").lower() not in self._hosts:
            return False
        origins = [value for name, value in headers if name == b"origin"]
        if any(one != b"http://" + host.lower() for one in origins):
            return False
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if any(one not in _OWN_SITES for one in sites):
            return False
        if scope["method"] == "GET" and scope["path"] in self._open_paths:
            return True
        given = _only(headers, TOKEN_HEADER.encode())
        return given is not None and hmac.compare_digest(given, self._token)


def _only(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """A header's value, if it stands there once."""
    found = [value for one, value in headers if one == name]
    return found[0] if len(found) == 1 else None
