"""The auditor over HTTP.

    POST /v1/audits   AuditRequest -> AuditResponse
    GET  /v1/health

The body is deterministic CBOR, signed by an enrolled gateway (RFC 9421). An evaluation that is not
the demanded one is a refusal like any other; the operator's log says in which value it differs.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gateway.auditor import keys
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import Register
from gateway.auditor.repetition import RepetitionWorkers
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing, Repeat
from gateway.wire.audit import AuditRequest
from gateway.wire.host.application import new_application
from gateway.wire.host.http import CBOR, bounded_body, cbor_response, json_response
from gateway.wire.requests import NonceMemory, verify_request

log = logging.getLogger("sealmatch.auditor")


def unix_time() -> int:
    return int(time.time())


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
    workers = RepetitionWorkers(settings.workers, settings.worker_limits)
    auditing = Auditing(
        register,
        held.sealing_key,
        repeat or workers.repeat,
        settings.verify_assertions,
        settings.accepted_policies,
    )
    service = AuditorService(held.signing_key, auditing, clock)
    nonces = NonceMemory()

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
        body = await bounded_body(request, CBOR, AuditRequest.max_bytes)

        def work() -> bytes:
            sender = verify_request(
                request.method,
                request.url.path,
                request.headers,
                body,
                register.gateway_by_key_id,
                nonces,
                clock(),
            )
            return service.audit(AuditRequest.decode(body), sender)

        return cbor_response(await run_in_threadpool(work))

    @app.get("/v1/health")
    async def health() -> Response:
        return json_response({"status": "ok"})

    return app
