"""The auditor over HTTP.

    POST /v1/audits   AuditRequest -> AuditResponse
    GET  /v1/health

The body is deterministic CBOR, signed by an enrolled gateway (RFC 9421). An evaluation that is not
the demanded one is a refusal like any other; the operator's log says in which value it differs.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.auditor import keys
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import Register
from gateway.auditor.repetition import RepetitionWorkers
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing, Repeat
from gateway.wire.audit import AuditRequest
from gateway.wire.host.application import add_health, new_application
from gateway.wire.host.clock import unix_time
from gateway.wire.host.signed import SignedRequests
from gateway.wire.requests import NonceMemory

log = logging.getLogger("sealmatch.auditor")


def create_app(
    settings: AuditorSettings,
    clock: Callable[[], int] = unix_time,
    repeat: Repeat | None = None,
) -> FastAPI:
    """Build the service from its data directory.

    Args:
        repeat: how evaluations are repeated; in worker processes unless given.

    Raises:
        KeyFileError: the auditor's keys are missing, damaged or open to others.
    """
    held = keys.read_keys(settings)
    register = Register(settings.register_file)
    workers = RepetitionWorkers(settings.workers, settings.worker_limits, settings.he_engine)
    auditing = Auditing(
        register,
        held.sealing_key,
        repeat or workers.repeat,
        settings.verify_assertions,
        settings.accepted_policies,
    )
    service = AuditorService(held.signing_key, auditing, clock)
    # Requests signed before this moment are refused: an earlier process may already have answered
    # them, and what it counted of a demand's repetitions is gone.
    nonces = NonceMemory(since=clock())
    signed = SignedRequests(register.gateway_by_key_id, nonces, clock, settings.public_hosts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if repeat is None:
            workers.start()
        try:
            yield
        finally:
            workers.stop()

    app = new_application("Sealmatch auditor", "1", log, lifespan)

    @app.post("/v1/audits")
    async def audit(request: Request) -> Response:
        return await signed.answer(request, AuditRequest, service.audit)

    add_health(app, "/v1/health")
    return app
