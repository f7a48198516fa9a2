"""The gateway over HTTP. A route verifies the sender, parses, calls one service, encodes.

    POST /face-verification/v0.1/sessions                         SessionRequest -> SessionOffer
    POST /face-verification/v0.1/sessions/{sessionId}/submission  Submission -> outcome, receipt
    GET  /face-verification/v0.1/sessions/{sessionId}             state, outcome, receipt
    POST /face-verification/v0.1/fallbacks                        FallbackRequest -> record, receipt
    POST /face-verification/v0.1/subject-requests, GET .../erasures/...  see ``rights_routes``
    GET  /log/checkpoint, /log/tile/...                           see ``log_routes``
    GET  /health
    GET  /openapi.json                                            if the settings say so

An enrolled device signs every request about sessions and fallbacks (RFC 9421). Request bodies and
the session offer are deterministic CBOR. Outcomes are JSON. Errors are JSON in the CAMARA form.
"""

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Path
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.application import LIVE, READY, add_health, new_application, swept
from gateway.host.clock import unix_time
from gateway.host.http import json_response, work_on
from gateway.server.answers import fallback_answer, session_answer
from gateway.server.composition import Gateway, compose
from gateway.server.config import GatewaySettings
from gateway.server.fallback import FallbackView
from gateway.server.log_routes import add_log_routes
from gateway.server.openapi import (
    BASE,
    CREATE_SESSION,
    GET_HEALTH,
    GET_LIVE,
    GET_READY,
    GET_SESSION,
    RECORD_FALLBACK,
    SUBMIT,
    document,
)
from gateway.server.rights_routes import add_rights_routes
from gateway.server.service import SessionView
from gateway.server.sessions import SessionState
from gateway.wire.errors import SessionNotFound
from gateway.wire.fallback import FallbackRequest
from gateway.wire.ids import SessionId
from gateway.wire.session import SessionRequest
from gateway.wire.submission import Submission

log = logging.getLogger("sealmatch.gateway")

SWEEP_SECONDS = 15
"""Interval at which expired sessions are removed."""

_SESSION_ID = re.compile(r"[0-9a-f]{32}")

SessionIdInPath = Annotated[
    str,
    Path(
        alias="sessionId",
        description="The session's id, as in its grant.",
        # For documentation only. An id of another form is answered as an unknown session.
        json_schema_extra={"pattern": f"^{_SESSION_ID.pattern}$", "maxLength": 32},
    ),
]


def create_app(settings: GatewaySettings, clock: Callable[[], int] = unix_time) -> FastAPI:
    """The application that the settings describe. Raises as ``compose``."""
    return application(compose(settings, clock), settings.refusal_ms, openapi=settings.openapi)


def application(gateway: Gateway, refusal_ms: int, *, openapi: bool = False) -> FastAPI:
    """The routes over a gateway.

    Args:
        refusal_ms: as ``new_application``.
        openapi: whether ``/openapi.json`` is served.
    """
    service, fallbacks, devices = gateway.service, gateway.fallbacks, gateway.devices

    def sweep() -> None:
        service.sweep()
        fallbacks.sweep()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with gateway.lifetime.running():
            async with swept(sweep, SWEEP_SECONDS):
                yield

    app = new_application("Sealmatch gateway", "0.1", log, lifespan, refusal_ms, gateway.metrics)

    def check_reader(request: Request) -> None:
        if gateway.readers is not None:
            gateway.readers.sender(request)

    add_log_routes(app, gateway.published, check_reader)

    @app.post(f"{BASE}/sessions", **CREATE_SESSION.route)
    async def open_session(request: Request) -> Response:
        return await devices.answer(
            request,
            SessionRequest,
            lambda asked, sender: service.open_session(asked, sender).encode(),
        )

    @app.post(f"{BASE}/sessions/{{sessionId}}/submission", **SUBMIT.route)
    async def submit(request: Request, session_id: SessionIdInPath) -> Response:
        received = await devices.read(request, Submission.max_bytes)

        def work() -> SessionView:
            parsed = Submission.decode(received.content)
            return service.submit(_session(session_id), parsed, received.digest, received.sender)

        view = await work_on(request, "submission", work)
        status = 202 if view.state is SessionState.RECORDED else 200
        return json_response(session_answer(view).body(), status)

    @app.get(f"{BASE}/sessions/{{sessionId}}", **GET_SESSION.route)
    async def status(request: Request, session_id: SessionIdInPath) -> Response:
        def work() -> SessionView:
            return service.status(_session(session_id), devices.sender(request))

        return json_response(session_answer(await work_on(request, "state", work)).body())

    @app.post(f"{BASE}/fallbacks", **RECORD_FALLBACK.route)
    async def record_fallback(request: Request) -> Response:
        received = await gateway.devices_once.read(request, FallbackRequest.max_bytes)

        def work() -> FallbackView:
            return fallbacks.record(FallbackRequest.decode(received.content), received.sender)

        view = await work_on(request, "fallback", work)
        status = 202 if view.receipt is None else 200
        return json_response(fallback_answer(view).body(), status)

    add_rights_routes(app, gateway.rights, gateway.devices_once, gateway.holders)
    described = {"/health": GET_HEALTH, LIVE: GET_LIVE, READY: GET_READY}
    routes = {path: operation.route for path, operation in described.items()}
    add_health(app, "/health", gateway.health, described=routes)
    if openapi:
        described = document(app)

        @app.get("/openapi.json", include_in_schema=False)
        async def description() -> Response:
            return json_response(described)

    return app


def _session(text: str) -> SessionId:
    if not _SESSION_ID.fullmatch(text):
        raise SessionNotFound("no session of this id")
    return SessionId(bytes.fromhex(text))
