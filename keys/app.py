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

from gateway.wire.audit import AuditResult
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.host.application import add_health, new_application, swept
from gateway.wire.host.clock import unix_time
from gateway.wire.host.signed import SignedRequests
from gateway.wire.requests import NonceMemory
from gateway.wire.session import SessionKeyRequest
from keys import custody
from keys.audits import AuditLedger, coin
from keys.caps import AttemptCaps
from keys.config import AuthoritySettings
from keys.service import AuthorityService, Settings
from keys.sessions import SessionTable
from keys.trust import TrustList
from keys.workers import SecretSource, SecretWorkers

log = logging.getLogger("sealmatch.authority")

SWEEP_SECONDS = 5
"""Interval at which expired keys are destroyed when nobody asks for anything."""


def create_app(
    settings: AuthoritySettings,
    clock: Callable[[], int] = unix_time,
    secrets: SecretSource | None = None,
) -> FastAPI:
    """Build the service from its data directory.

    Args:
        secrets: where session keys are held; worker processes unless given.

    Raises:
        KeyFileError: the authority's keys are missing, damaged or open to others.
        TrustListDamaged: the trust list does not follow from its signed history.
    """
    own = custody.open_custody(settings, clock())
    trust = TrustList(settings.trust_file, own.chain_keys)
    log.info("trust list: %d actions, head %s", len(trust.history()), trust.head().hex())
    sessions = SessionTable(settings.max_sessions, clock)
    signed = SignedRequests(
        trust.gateway_by_key_id, NonceMemory(since=clock()), clock, settings.public_hosts
    )
    caps = AttemptCaps(settings.caps_file, settings.caps, clock)
    audits = AuditLedger(settings.audits_file, settings.audits.unanswered, clock)
    workers = secrets or SecretWorkers(settings.workers, settings.worker_limits, settings.he_engine)
    service = AuthorityService(
        Settings(
            settings.party,
            settings.session_seconds,
            settings.audits,
            settings.accepted_policies,
        ),
        own,
        trust,
        sessions,
        caps,
        audits,
        workers.make,
        clock,
        coin,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        workers.start()
        try:
            async with swept(sessions.expire, SWEEP_SECONDS):
                yield
        finally:
            sessions.clear()
            workers.stop()
            caps.close()
            audits.close()

    app = new_application("Sealmatch key authority", "1", log, lifespan, settings.refusal_ms)

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

    add_health(app, "/v1/health")
    return app
