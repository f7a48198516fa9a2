"""The auditor over HTTP.

    POST /v1/audits   AuditRequest -> AuditResponse
    GET  /v1/health

The body is deterministic CBOR, signed by an enrolled gateway (RFC 9421). An evaluation that differs
from the demanded one is refused like any other fault. The operator's log names the differing value.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.auditor.composition import Auditor, compose
from gateway.auditor.config import AuditorSettings
from gateway.auditor.verification import Repeat
from gateway.host.application import add_health, new_application
from gateway.host.clock import unix_time
from gateway.wire.audit import AuditRequest

log = logging.getLogger("sealmatch.auditor")


def create_app(
    settings: AuditorSettings,
    clock: Callable[[], int] = unix_time,
    repeat: Repeat | None = None,
) -> FastAPI:
    """The application that the settings describe. Raises as ``compose``."""
    return application(compose(settings, clock, repeat))


def application(auditor: Auditor) -> FastAPI:
    """The routes over an auditor."""
    service, signed = auditor.service, auditor.gateways

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with auditor.lifetime.running():
            yield

    app = new_application("Sealmatch auditor", "1", log, lifespan, metrics=auditor.metrics)

    @app.post("/v1/audits")
    async def audit(request: Request) -> Response:
        return await signed.answer(request, AuditRequest, service.audit)

    add_health(app, "/v1/health", auditor.health)
    return app
