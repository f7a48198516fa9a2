"""The key authority over HTTP. A route verifies the sender, parses, calls one service, encodes.

    POST /v1/session-keys      SessionKeyRequest -> SessionKeyResponse
    POST /v1/attempts          AttemptRequest    -> AttemptAnswer
    POST /v1/padded-products   ProductRequest    -> MaskedValues
    POST /v1/shares            SharesRequest     -> DecisionResponse: a decision or a demand
    POST /v1/audits            AuditResult       -> DecisionResponse
    GET  /v1/health

All bodies are deterministic CBOR; every POST is signed by an enrolled gateway (RFC 9421).
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.application import add_health, new_application, swept
from gateway.host.clock import unix_time
from gateway.wire.audit import AuditResult
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.session import SessionKeyRequest
from keys.composition import Authority, compose
from keys.config import AuthoritySettings
from keys.workers import SecretSource

log = logging.getLogger("sealmatch.authority")

SWEEP_SECONDS = 5
"""Interval at which expired keys are destroyed while no requests come."""
LEDGERS_SWEEP_SECONDS = 60
"""Interval at which counted attempts and old demands are removed."""


def create_app(
    settings: AuthoritySettings,
    clock: Callable[[], int] = unix_time,
    secrets: SecretSource | None = None,
) -> FastAPI:
    """The application that the settings describe. Raises as ``compose``."""
    authority = compose(settings, clock, secrets)
    return application(authority, settings.refusal_ms, audits=settings.audit_one_in > 0)


def application(authority: Authority, refusal_ms: int, *, audits: bool = False) -> FastAPI:
    """The routes over an authority.

    Args:
        audits: whether audits are demanded. Health says so, for gateways that have no auditor.
    """
    service, signed = authority.service, authority.gateways

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with authority.lifetime.running():
            async with (
                swept(authority.sessions.expire, SWEEP_SECONDS),
                swept(authority.sweep, LEDGERS_SWEEP_SECONDS),
            ):
                yield

    app = new_application(
        "Sealmatch key authority", "1", log, lifespan, refusal_ms, authority.metrics
    )

    @app.post("/v1/session-keys")
    async def session_keys(request: Request) -> Response:
        return await signed.answer(request, SessionKeyRequest, service.open_session)

    @app.post("/v1/attempts")
    async def attempts(request: Request) -> Response:
        return await signed.answer(request, AttemptRequest, service.count)

    @app.post("/v1/padded-products")
    async def padded_products(request: Request) -> Response:
        return await signed.answer(request, ProductRequest, service.answer)

    @app.post("/v1/shares")
    async def shares(request: Request) -> Response:
        return await signed.answer(request, SharesRequest, service.decide)

    @app.post("/v1/audits")
    async def concluded(request: Request) -> Response:
        return await signed.answer(request, AuditResult, service.conclude)

    add_health(app, "/v1/health", authority.health, {"audits": audits})
    return app
