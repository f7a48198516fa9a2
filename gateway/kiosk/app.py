"""The counter's page and its issuer over HTTP, on loopback.

    GET    /, /NAME              the page's own files, as ``release.json`` pins them
    GET    /pack/NAME            the face models, as their manifest pins them
    POST   /tab                  a tab's secret, for the token of the address or an earlier secret
    GET    /kiosk.json           everything public that the page needs
    POST   /issuer/documents     read the document that lies at the reader; DELETE forgets one
    POST   /issuer/templates     a sealed template for one session
    POST   /issuer/outcomes      what became of the document; the answer is its standing
    POST   /issuer/standing      its standing, to explain a refusal
    GET    /pending              what the page keeps of submissions whose receipts it has not yet;
                                 POST keeps, DELETE removes
    any    /gateway/PATH         a signed request, passed on

All but the files take the secret of the tab (``access``). Every answer forbids the browser to keep
it, to run anything but the page's own script, and to reach any other address.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.host.application import new_application, swept
from gateway.host.http import CBOR, JSON, bounded_body, cbor_response, json_response, work_on
from gateway.kiosk.access import TAB, NoLongerHolder, OwnPageOnly, TabSecrets, hosts_at, secret_in
from gateway.kiosk.desk import Desk, HandleAsked, OutcomeNote, ReadRequest, parsed
from gateway.kiosk.forwarder import Forwarder, route_of
from gateway.kiosk.messages import TemplateOrder
from gateway.kiosk.pending import PendingFolder, PendingKept, PendingNamed
from gateway.kiosk.problems import NO_ANSWER, TOLD, problem, problem_of
from gateway.kiosk.release import INDEX, Page, content_type
from gateway.vision.pack import ModelPack
from gateway.wire.errors import BodyTooLarge, Unavailable

log = logging.getLogger("sealmatch.kiosk")
T = TypeVar("T")

_MOST_ASKED: Final = 4096
_MOST_KEPT: Final = 20_000
_SWEEP_SECONDS: Final = 30
_PACK: Final = "/pack/"
_ANSWERED_BY: Final = "x-sealmatch-answered-by"
_BAD_GATEWAY: Final = 502


@dataclass(frozen=True)
class Kiosk:
    """What the process serves."""

    page: Page
    pack: ModelPack
    settings: Mapping[str, Any]
    """Public (``public``)."""
    desk: Desk
    forwarder: Forwarder
    pending: PendingFolder
    port: int
    tabs: TabSecrets = field(default_factory=TabSecrets, repr=False)

    def new_address(self) -> str:
        """What the agent opens, once: it is secret until then."""
        return f"http://127.0.0.1:{self.port}/#{self.tabs.new_token()}"


def create_app(kiosk: Kiosk, announce: Callable[[], None] = lambda: None) -> FastAPI:
    """The application.

    Args:
        announce: called when the process is ready, to tell the page's address.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with (
            swept(kiosk.desk.expire, _SWEEP_SECONDS),
            swept(kiosk.pending.expire, _SWEEP_SECONDS),
        ):
            announce()
            try:
                yield
            finally:
                kiosk.desk.close()

    app = new_application("Sealmatch kiosk", "1", log, lifespan)
    files = _add_files(app, kiosk)
    _add_tab(app, kiosk)
    _add_issuer(app, kiosk)
    _add_pending(app, kiosk)
    _add_gateway(app, kiosk)
    settings = json.dumps(kiosk.settings).encode()

    @app.get("/kiosk.json")
    async def told(_: Request) -> Response:
        return Response(settings, media_type=JSON)

    app.add_middleware(
        OwnPageOnly, hosts=hosts_at(kiosk.port), tabs=kiosk.tabs, open_paths=frozenset(files)
    )
    app.add_middleware(PageHeaders)
    return app


def _add_files(app: FastAPI, kiosk: Kiosk) -> set[str]:
    """The page's files and the models; returns their paths. Nothing is looked up on the disk."""
    files: dict[str, tuple[bytes, str]] = {
        f"/{name}": (content, content_type(name)) for name, content in kiosk.page.contents.items()
    }
    files["/"] = files[f"/{INDEX}"]
    for name in kiosk.pack.manifest.files:
        files[_PACK + name] = (kiosk.pack.content(name), "application/octet-stream")

    def route(path: str) -> None:
        content, kind = files[path]

        @app.get(path)
        async def file(_: Request) -> Response:
            return Response(content, headers={"content-type": kind})

    for path in files:
        route(path)
    return set(files)


def _add_tab(app: FastAPI, kiosk: Kiosk) -> None:
    @app.post(TAB)
    async def tab(request: Request) -> Response:
        await bounded_body(request, None, 0)
        secret = kiosk.tabs.exchange(secret_in(request.scope["headers"]) or b"")
        # What another tab had read, or this one before it was loaded again, is nobody's now.
        kiosk.desk.disown()
        return json_response({"secret": secret})


def _add_issuer(app: FastAPI, kiosk: Kiosk) -> None:
    desk = kiosk.desk

    @app.post("/issuer/documents")
    async def read(request: Request) -> Response:
        asked = parsed(ReadRequest, await bounded_body(request, JSON, _MOST_ASKED))
        may_still = _still(kiosk, request)
        try:
            told = await work_on(request, "reader", lambda: desk.read(asked, may_still))
            may_still()
        except TOLD as error:
            return problem_of(error, asked.language)
        if await request.is_disconnected():  # a tab that was closed meanwhile cannot forget it
            own = HandleAsked(handle=str(told["handle"]))
            await work_on(request, "reader", lambda: desk.forget(own))
        return json_response(told)

    @app.delete("/issuer/documents")
    async def forget(request: Request) -> Response:
        asked = parsed(HandleAsked, await bounded_body(request, JSON, _MOST_ASKED))
        return await _told(kiosk, request, "reader", lambda: desk.forget(asked))

    @app.post("/issuer/templates")
    async def template(request: Request) -> Response:
        content = await bounded_body(request, CBOR, TemplateOrder.max_bytes)
        order = TemplateOrder.decode(content)
        try:
            issued = await _work(kiosk, request, "issuer", lambda: desk.issue(order))
        except TOLD as error:
            return problem_of(error)
        return cbor_response(issued.encode())

    @app.post("/issuer/outcomes")
    async def outcome(request: Request) -> Response:
        told = parsed(OutcomeNote, await bounded_body(request, JSON, _MOST_ASKED))
        return await _told(kiosk, request, "issuer", lambda: desk.note(told))

    @app.post("/issuer/standing")
    async def standing(request: Request) -> Response:
        asked = parsed(HandleAsked, await bounded_body(request, JSON, _MOST_ASKED))
        return await _told(kiosk, request, "issuer", lambda: desk.standing(asked))


def _add_pending(app: FastAPI, kiosk: Kiosk) -> None:
    pending = kiosk.pending

    @app.get("/pending")
    async def kept(request: Request) -> Response:
        return await _told(kiosk, request, "pending", pending.all)

    @app.post("/pending")
    async def keep(request: Request) -> Response:
        asked = parsed(PendingKept, await bounded_body(request, JSON, _MOST_KEPT))
        return await _told(kiosk, request, "pending", lambda: pending.keep(asked))

    @app.delete("/pending")
    async def remove(request: Request) -> Response:
        asked = parsed(PendingNamed, await bounded_body(request, JSON, _MOST_ASKED))
        return await _told(kiosk, request, "pending", lambda: pending.remove(asked))


def _still(kiosk: Kiosk, request: Request) -> Callable[[], None]:
    """What raises ``NoLongerHolder`` as soon as the request's tab is the counter no more.

    A request may be long on its way: its body comes slowly, or others are before it. Whoever began
    it held the counter then, and another may have it since.
    """
    given = secret_in(request.scope["headers"]) or b""
    return lambda: kiosk.tabs.require_holder(given)


async def _work(kiosk: Kiosk, request: Request, lane: str, work: Callable[[], T]) -> T:
    """Do work in a thread, if the request's tab is the counter then. Raises as ``Traffic.run``."""
    may_still = _still(kiosk, request)

    def own() -> T:
        may_still()
        return work()

    return await work_on(request, lane, own)


async def _told(
    kiosk: Kiosk, request: Request, lane: str, work: Callable[[], Mapping[str, object]]
) -> Response:
    """What the desk says, or why it refuses."""
    try:
        return json_response(await _work(kiosk, request, lane, work))
    except TOLD as error:
        return problem_of(error)


def _add_gateway(app: FastAPI, kiosk: Kiosk) -> None:
    forwarder = kiosk.forwarder

    async def forward(request: Request, path: str) -> Response:  # noqa: ARG001  read as it came
        raw = request.scope["raw_path"].decode("ascii", "replace").removeprefix("/gateway")
        route = None if request.scope["query_string"] else route_of(request.method, raw)
        if route is None:
            return problem(404, "KIOSK.NOT_FORWARDED", "the gateway is not asked for this here")
        body = await bounded_body(request, None, route.most_sent)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = await _work(
                kiosk, request, "gateway", lambda: forwarder.forward(route, raw, headers, body)
            )
        except NoLongerHolder as error:
            return problem_of(error)
        except (Unavailable, BodyTooLarge) as error:
            response = problem(_BAD_GATEWAY, NO_ANSWER, str(error))
            response.headers[_ANSWERED_BY] = "kiosk"
            return response
        return Response(answer.content, answer.status, {**answer.headers, _ANSWERED_BY: "gateway"})

    app.add_api_route("/gateway{path:path}", forward, methods=["GET", "POST"])


class PageHeaders:
    """ASGI middleware: what a browser may do with an answer, and with the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [
                    (name, value)
                    for name, value in message.get("headers", [])
                    if name.decode("latin-1").lower() not in _HEADERS
                ]
                message = {**message, "headers": [*others, *self._headers]}
            await send(message)

        await self._app(scope, receive, with_headers)


CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page's own script and style, and no other origin for anything."""

_OFF: Final = (
    *("microphone", "display-capture", "geolocation", "midi", "payment", "usb", "serial", "hid"),
    "bluetooth",
)

_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(["camera=(self)", *(f"{one}=()" for one in _OFF)]),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""The camera for this page alone, and nothing else that a browser has; nothing is kept."""
