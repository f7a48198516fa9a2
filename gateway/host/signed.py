"""Who sent an HTTP request: the party whose key signed it (RFC 9421; protocol, section 8).

It also checks that the request was meant for this server. The settings say where this server is
reached. If they do not, the address counts at which the request came in, which the server knows
from its own socket.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.host.http import CBOR, bounded_body, cbor_response
from gateway.host.tls import is_loopback
from gateway.wire.cose import VerifyKey
from gateway.wire.message import Message
from gateway.wire.requests import NonceMemory, host_of, verify_request

M = TypeVar("M", bound=Message)

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

    def sender(self, request: Request, body: bytes) -> VerifyKey:
        """The sender's key. Raises as ``verify_request``."""
        return verify_request(
            request.method,
            request.url.path,
            request.headers,
            body,
            self.hosts or listening_hosts(request.scope),
            self.find,
            self.nonces,
            self.clock(),
        )

    async def answer(
        self, request: Request, kind: type[M], serve: Callable[[M, VerifyKey], bytes]
    ) -> Response:
        """Verify the sender, parse, call the service in a thread; its answer is CBOR as well."""
        body = await bounded_body(request, CBOR, kind.max_bytes)

        def work() -> bytes:
            sender = self.sender(request, body)
            return serve(kind.decode(body), sender)

        return cbor_response(await run_in_threadpool(work))


def listening_hosts(scope: Scope) -> frozenset[str]:
    """Hosts that mean the address at which a request came in; on loopback its name counts too."""
    address, port = scope.get("server") or ("", None)
    if not address or address.startswith("/"):  # a Unix socket is no host
        return frozenset()
    names = [f"[{address}]" if ":" in address else address]
    if is_loopback(address):
        names.append("localhost")
    suffix = "" if port is None else f":{port}"
    return frozenset(host_of(f"{scope['scheme']}://{name}{suffix}") for name in names)
