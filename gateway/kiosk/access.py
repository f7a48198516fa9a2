"""Who may ask the process: this machine, this page, and the one tab that opened its address.

Every page in a browser may send requests to 127.0.0.1, and a name that its owner points there makes
them look like the page's own (DNS rebinding). Other people of this machine can connect too. So

- the ``Host`` is one of ours, by number or ``localhost``, with our port: no other name is answered;
- whatever a browser says of where a request comes from (``Origin``, ``Sec-Fetch-Site``) is this
  page, or a person who typed the address;
- but for the page's own files, a request carries the secret of the tab that holds the counter.

The tab gets that secret for the token that stands behind ``#`` in the printed address. No request
carries that part of an address, and no other site can read it; but lists of processes, histories
and synchronised profiles may show it later. So a token works once (``TabSecrets``).

A request that fails is answered alike, with nothing about the reason.
"""

import hmac
import logging
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.host.http import problem_response
from gateway.wire.errors import Problem, Refused, problem_for

TOKEN_HEADER: Final = "x-sealmatch-kiosk"  # noqa: S105  a header's name
TAB: Final = "/tab"
"""Where a token, or a tab's secret, is exchanged for a new secret."""
_TOKEN_BYTES: Final = 32
_REMEMBERED: Final = 32
_OWN_SITES: Final = (b"same-origin", b"none")
"""``none``: typed, or from a bookmark."""
_REFUSED: Final[Problem] = problem_for(Refused(""))

log = logging.getLogger("sealmatch.kiosk")


class NoLongerHolder(Refused):
    """Since its request came, another tab has become the counter."""


@dataclass
class _Address:
    """An address that was printed."""

    token: bytes = field(repr=False)
    is_used: bool = False


@dataclass(frozen=True)
class _Offered:
    """A secret that was given out for an address, and not used yet."""

    secret: bytes = field(repr=False)
    by: _Address
    """The address it was given for."""


class TabSecrets:
    """Which tab holds the counter.

    - The token of the newest address, or the holder's secret, is exchanged for a fresh secret.
    - Once that is used, its tab is the holder: the token is worth nothing any more, nor is the
      secret of whoever held the counter before. Until then an exchange whose answer was lost can
      be made again.
    - A newer address takes the place of one that nobody opened. The holder stays the holder until
      it is opened, and nothing that the holder does meanwhile can hinder that.

    For one event loop; ``new_token`` and ``require_holder`` may also be called from other threads.
    """

    def __init__(self) -> None:
        self._address: _Address | None = None
        self._holder: bytes | None = None
        self._offered: _Offered | None = None
        self._again: bytes | None = None
        """The holder's next secret, given out and not used yet: its tab was loaded again."""
        self._spent: deque[bytes] = deque(maxlen=_REMEMBERED)

    def new_token(self) -> str:
        """Of a new address. Never written anywhere but into it."""
        token = _new()
        self._address = _Address(token.encode())
        return token

    def exchange(self, given: bytes) -> str:
        """A fresh secret for a token or a secret. Raises ``Refused``: it is worth nothing."""
        address, offered = self._address, self._offered
        if address is not None and not address.is_used and _same(given, address.token):
            return self._offer(address)
        if offered is not None and _same(given, offered.secret):
            return self._offer(offered.by)
        if any(one is not None and _same(given, one) for one in (self._holder, self._again)):
            secret = _new()
            self._again = secret.encode()
            return secret
        if any(_same(given, one) for one in self._spent):
            log.warning("an address of the counter's page was opened again: it works once")
        raise Refused("no tab's secret, and not the token of an address that was not opened")

    def _offer(self, by: _Address) -> str:
        secret = _new()
        self._offered = _Offered(secret.encode(), by)
        return secret

    def admits(self, given: bytes) -> bool:
        """Whether it is the holder's secret. One that is used for the first time makes a holder."""
        offered = self._offered
        if offered is not None and _same(given, offered.secret):
            self._holder, self._offered, self._again = offered.secret, None, None
            offered.by.is_used = True
            self._spent.append(offered.by.token)
            log.info("the counter's page was opened by its address")
        elif self._again is not None and _same(given, self._again):
            self._holder, self._again = self._again, None
        return self._holds(given)

    def require_holder(self, given: bytes) -> None:
        """Raises ``NoLongerHolder``."""
        if not self._holds(given):
            raise NoLongerHolder("another tab was opened since")

    def _holds(self, given: bytes) -> bool:
        holder = self._holder
        return holder is not None and _same(given, holder)


def _new() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _same(given: bytes, known: bytes) -> bool:
    return hmac.compare_digest(given, known)


def hosts_at(port: int) -> frozenset[str]:
    """What ``Host`` may say of a server on this port of the loopback."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


class OwnPageOnly:
    """ASGI middleware: refuses everybody but the tab that holds the counter."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], tabs: TabSecrets, open_paths: frozenset[str]
    ) -> None:
        """
        Args:
            open_paths: of the page's own files, which are no secret; fetched without one, because
                nothing could carry it there.
        """
        self._app = app
        self._hosts = hosts
        self._tabs = tabs
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
        if scope["method"] == "POST" and scope["path"] == TAB:
            return True  # which answers to a token or a secret alone
        given = secret_in(headers)
        return given is not None and self._tabs.admits(given)


def secret_in(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The token or secret that a request carries."""
    return _only(headers, TOKEN_HEADER.encode())


def _only(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """A header's value, if it stands there once."""
    found = [value for one, value in headers if one == name]
    return found[0] if len(found) == 1 else None
