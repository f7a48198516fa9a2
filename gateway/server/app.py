"""The gateway over HTTP. A route verifies the sender, parses, calls one service, encodes.

    POST /face-verification/v0.1/sessions                         SessionRequest -> SessionOffer
    POST /face-verification/v0.1/sessions/{sessionId}/submission  Submission -> outcome, receipt
    GET  /face-verification/v0.1/sessions/{sessionId}             state, outcome, receipt
    GET  /log/checkpoint, /log/tile/...                           see ``log_routes``
    GET  /health

Requests are signed by an enrolled device (RFC 9421). Bodies with ciphertexts are deterministic
CBOR; outcomes are JSON, errors JSON in the CAMARA form.
"""

import base64
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gateway.server import keys
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.evaluation import EvaluationWorkers
from gateway.server.log_routes import add_log_routes
from gateway.server.policy import default_policy
from gateway.server.running_log import RunningLog
from gateway.server.service import GatewayService, Identity, Limits, SessionView
from gateway.server.sessions import OpenSessions, State
from gateway.store import repositories as store
from gateway.store.database import Database
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import SessionNotFound
from gateway.wire.host.application import add_health, new_application, swept
from gateway.wire.host.clock import unix_time
from gateway.wire.host.http import CBOR, bounded_body, cbor_response, json_response
from gateway.wire.host.signed import SignedRequests
from gateway.wire.host.tls import ClientTls
from gateway.wire.ids import SessionId
from gateway.wire.requests import NonceMemory, verified_digest
from gateway.wire.session import SessionRequest
from gateway.wire.submission import Submission

log = logging.getLogger("sealmatch.gateway")

BASE = "/face-verification/v0.1"
SWEEP_SECONDS = 15

FindParty = Callable[[sa.Connection, bytes], VerifyKey | None]

_SESSION_ID = re.compile(r"[0-9a-f]{32}")


def create_app(settings: GatewaySettings, clock: Callable[[], int] = unix_time) -> FastAPI:
    """Build the service from its settings; migrates the database.

    Raises:
        KeyFileError: the gateway's keys are missing, damaged or open to others.
        Unavailable: the database does not answer.
    """
    held = keys.read_keys(settings)
    identity = Identity(held.signing_key, held.sealing_key, settings.authority_key)
    database = Database(settings.database)
    database.migrate()
    tls = settings.authority_tls
    transport = httpx.Client(
        timeout=settings.authority_seconds,
        trust_env=False,
        verify=True if tls is None else tls.context(),
    )
    running_log = RunningLog(settings, held, database, clock)
    auditing = httpx.Client(
        timeout=settings.auditor_seconds,
        trust_env=False,
        verify=True if settings.auditor_ca is None else ClientTls(settings.auditor_ca).context(),
    )
    workers = EvaluationWorkers(settings.workers, settings.worker_limits, settings.he_engine)
    service = GatewayService(
        identity,
        default_policy(settings),
        Limits(settings.retention_days, settings.activations_per_subject, settings.liveness_policy),
        database,
        AuthorityClient(transport, settings.authority_url, identity.signing, clock),
        OpenSessions(settings.max_sessions, clock),
        workers.begin,
        running_log.publication,
        clock,
        _auditor(settings, auditing, identity.signing, clock),
    )
    nonces = NonceMemory(since=clock())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        workers.start()
        running_log.start()
        try:
            async with swept(service.sweep, SWEEP_SECONDS):
                yield
        finally:
            transport.close()
            running_log.stop()
            auditing.close()
            workers.stop()
            database.close()

    app = new_application("Sealmatch gateway", "0.1", log, lifespan, settings.refusal_ms)

    def enrolled(find: FindParty) -> SignedRequests:
        def look_up(key_id: bytes) -> VerifyKey | None:
            with database.transaction() as connection:
                return find(connection, key_id)

        return SignedRequests(look_up, nonces, clock, settings.public_hosts)

    devices, readers = enrolled(store.device_by_key_id), enrolled(store.reader_by_key_id)

    def check_reader(request: Request) -> None:
        if settings.log_read == "enrolled":
            readers.sender(request, b"")

    add_log_routes(app, running_log.published, check_reader)

    @app.post(f"{BASE}/sessions")
    async def open_session(request: Request) -> Response:
        body = await bounded_body(request, CBOR, SessionRequest.max_bytes)

        def work() -> bytes:
            parsed = SessionRequest.decode(body)
            return service.open_session(parsed, devices.sender(request, body)).encode()

        return cbor_response(await run_in_threadpool(work))

    @app.post(f"{BASE}/sessions/{{session_id}}/submission")
    async def submit(request: Request, session_id: str) -> Response:
        body = await bounded_body(request, CBOR, Submission.max_bytes)

        def work() -> SessionView:
            parsed = Submission.decode(body)
            sender = devices.sender(request, body)
            digest = verified_digest(request.headers, body)
            return service.submit(_session(session_id), parsed, digest, sender)

        view = await run_in_threadpool(work)
        return json_response(_view(view), 202 if view.state is State.RECORDED else 200)

    @app.get(f"{BASE}/sessions/{{session_id}}")
    async def status(request: Request, session_id: str) -> Response:
        def work() -> SessionView:
            return service.status(_session(session_id), devices.sender(request, b""))

        return json_response(_view(await run_in_threadpool(work)))

    add_health(app, "/health")
    return app


def _auditor(
    settings: GatewaySettings, transport: httpx.Client, key: SigningKey, clock: Callable[[], int]
) -> Auditor | None:
    pinned = settings.auditor
    if pinned is None:
        return None
    url, auditor_key, sealing = pinned
    return Auditor(AuditorClient(transport, url, key, clock), auditor_key, sealing)


def _session(text: str) -> SessionId:
    if not _SESSION_ID.fullmatch(text):
        raise SessionNotFound("no session of this id")
    return SessionId(bytes.fromhex(text))


def _view(view: SessionView) -> dict[str, object]:
    body: dict[str, object] = {
        "sessionId": view.session.hex(),
        "state": view.state.value,
        "expiresAt": view.expires_at,
    }
    if view.outcome and view.record_id and view.receipt:
        body |= {
            "outcome": view.outcome,
            "recordId": view.record_id.hex(),
            "receipt": base64.urlsafe_b64encode(view.receipt).rstrip(b"=").decode(),
        }
    return body
