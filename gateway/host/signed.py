"""Who sent an HTTP request: the party whose key signed it (RFC 9421; protocol, section 8).

The headers alone say it, so strangers' bodies are never read.

It also checks that the request was meant for this server. The settings say where this server is
reached. If they do not, the address counts at which the request came in, which the server knows
from its own socket.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.host.http import CBOR, cbor_response, read_body, require_body_form, work_on
from gateway.host.metrics import stage
from gateway.host.tls import is_loopback
from gateway.wire.cose import VerifyKey
from gateway.wire.ids import Digest, digest_of
from gateway.wire.message import Message
from gateway.wire.requests import NonceMemory, SignedHead, host_of, verify_head

M = TypeVar("M", bound=Message)

_NOTHING: Final = digest_of(b"")

FindKey = Callable[[bytes], VerifyKey | None]
"""Key id -> the enrolled party's key."""


@dataclass(frozen=True)
class SignedRequests:
    """What a server verifies requests with. Several in one server share the nonces."""

    find: FindKey
    nonces: NonceMemory
    clock: Callable[[], int]
    hosts: frozenset[str]
    """Where this server is reached, by its settings; empty: at the address that it listens on."""
    at_hand: bool = False
    """Whether ``find`` answers from memory: then a head is verified without asking a thread."""

    async def read(self, request: Request, limit: int) -> "SignedBody":
        """Verify the sender by the headers, then read a CBOR body of at most ``limit`` bytes.

        No byte of the body is read before its sender is known.

        Raises:
            UnsupportedMedia, BodyTooLarge, MalformedMessage: as ``require_body_form`` and
                ``read_body``.
            Refused, Unavailable: as ``verify_head``, or another body than was signed.
        """
        require_body_form(request, CBOR, limit)
        if self.at_hand:
            head = self._head(request)
        else:
            head = await work_on(request, "heads", partial(self._head, request))
        request.state.place.is_known()
        with stage("body"):
            body = await read_body(request, limit)
        head.require(body.digest)
        return SignedBody(body.content, body.digest, head.sender)

    def sender(self, request: Request) -> VerifyKey:
        """The sender of a request without a body. Raises as ``verify_head``."""
        head = self._head(request)
        head.require(_NOTHING)
        request.state.place.is_known()
        return head.sender

    async def answer(
        self, request: Request, kind: type[M], serve: Callable[[M, VerifyKey], bytes]
    ) -> Response:
        """Read, parse, call the service in a thread; its answer is CBOR as well."""
        received = await self.read(request, kind.max_bytes)

        def work() -> bytes:
            return serve(kind.decode(received.content), received.sender)

        return cbor_response(await work_on(request, kind.__name__, work))

    @stage("signature")
    def _head(self, request: Request) -> SignedHead:
        return verify_head(
            request.method,
            request.scope["path"],
            request.headers,
            self.hosts or listening_hosts(request.scope),
            self.find,
            self.nonces,
            self.clock(),
        )


@dataclass(frozen=True)
class SignedBody:
    """What an enrolled party sent."""

    content: bytes = field(repr=False)
    digest: Digest
    """SHA-256 of the content."""
    sender: VerifyKey


def listening_hosts(scope: Scope) -> frozenset[str]:
    """Hosts that mean the address at which a request came in; on loopback its name counts too."""
    address, port = scope.get("server") or ("", None)
    return _hosts(scope["scheme"], address, port)


@lru_cache(maxsize=64)
def _hosts(scheme: str, address: str, port: int | None) -> frozenset[str]:
    if not address or address.startswith("/"):  # a Unix socket is no host
        return frozenset()
    names = [f"[{address}]" if ":" in address else address]
    if is_loopback(address):
        names.append("localhost")
    suffix = "" if port is None else f":{port}"
    return frozenset(host_of(f"{scheme}://{name}{suffix}") for name in names)
