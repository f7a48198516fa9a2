"""Deployments for tests: all parties in one process, or the real servers with an observer between.

``World`` joins the product's own services by in-memory transports: every message is encoded,
signed, verified and decoded as on the wire. ``Observed`` starts both servers as processes and puts
``Proxy`` between gateway and authority, where a test may alter, drop or delay what passes.
``draft`` builds a submission whose every part a test may replace before it is signed.
"""

import contextlib
import http.client
import json
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from gateway.auditor.register import Enrolled as Party
from gateway.auditor.register import Register
from gateway.auditor.repetition import repeat_here
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing
from gateway.cli import local
from gateway.client.gateway_client import GatewayClient
from gateway.client.registration import (
    CounterIdentity,
    Live,
    Occasion,
    Registration,
    RegistrationClient,
)
from gateway.he.encryption import encrypt_probe, encrypt_template
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.quantise import quantise
from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.proofs.trust import PinnedAuditor, PinnedAuthority, PinnedGateway, TrustFile
from gateway.sequencing.publication import Inline, Publication
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.evaluation import Evaluating
from gateway.server.keys import GatewayKeys
from gateway.server.liveness import NO_LIVENESS, LivenessPolicy
from gateway.server.policy import default_policy
from gateway.server.service import GatewayService, Identity, Limits
from gateway.server.sessions import OpenSessions
from gateway.store import repositories as store
from gateway.store.database import Database
from gateway.translog.note import Kind, NoteSigner
from gateway.wire import cose
from gateway.wire.audit import AuditRequest, AuditResult
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import SealmatchError, Unavailable, problem_for
from gateway.wire.evaluation import BlindedRows, MaskedProduct
from gateway.wire.host.http import CBOR
from gateway.wire.host.keyfile import load_signing_key, read_secret
from gateway.wire.host.keystore import KEYSTORE_FILE, open_keystore
from gateway.wire.ids import Nonce, PartyId, SessionId, digest_of, new_nonce
from gateway.wire.liveness import Exclusion
from gateway.wire.policy import MatchPolicy
from gateway.wire.profile import PROFILE
from gateway.wire.requests import NonceMemory, sign_request, verify_request
from gateway.wire.sealing import SealingPrivateKey, SealingPublicKey
from gateway.wire.session import SessionKeyRequest, SessionOffer, SessionRequest
from gateway.wire.subject import Subject, activation_commitment, new_salt
from gateway.wire.submission import (
    ConsentRecord,
    Submission,
    SubmissionAssertion,
    TemplateAssertion,
)
from keys.audits import AuditLedger, AuditPolicy
from keys.caps import AttemptCaps, CapLimits
from keys.custody import Custody
from keys.service import AuthorityService
from keys.service import Settings as AuthorityServiceSettings
from keys.sessions import SessionTable
from keys.workers import make_local_secret
from tests.support.trusted import SignedTrust

MODEL = Model("test/none", digest_of(b"a model of no faces"))
SESSIONS = "/face-verification/v0.1/sessions"
SESSION_KEYS, MASKED, ROWS = "/v1/session-keys", "/v1/masked-products", "/v1/blinded-rows"
AUDITS = "/v1/audits"
NUMBER, PLAIN_NUMBER = "QX-7391 ", "QX7391"
"""How every document number of a test begins, as it is given and as it is normalised."""
REFERENCE = "order-canary-88"

Vector = NDArray[np.floating[Any]]


def unix_time() -> int:
    return int(time.time())


class Clock:
    """A clock that a test moves; starts at the present."""

    def __init__(self) -> None:
        self.now = unix_time()

    def __call__(self) -> int:
        return self.now


def pair(cosine: float, seed: int = 1) -> tuple[Vector, Vector]:
    """Two unit vectors of 512 values with this cosine."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=512), rng.normal(size=512)
    a /= np.linalg.norm(a)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    return a, cosine * a + np.sqrt(1 - cosine * cosine) * b


def new_number() -> str:
    """A document that was never seen: caps count attempts per document."""
    return f"{NUMBER}{secrets.randbelow(10**8):08}"


def occasion(number: str | None = None) -> Occasion:
    return Occasion(Subject.of("passport", number or new_number()), REFERENCE)


def plain_decision(policy: MatchPolicy, template: Vector, *lanes: Vector) -> str:
    """The outcome that the integers themselves give; the last vector serves the lanes left over."""
    t = quantise(template)
    outcomes = []
    for number, lane in enumerate(policy.lanes):
        p = quantise(lanes[min(number, len(lanes) - 1)])
        outcomes.append(lane.accepts(lane.value(int(p @ t), int(p @ p))))
    return "MATCH" if all(outcomes) else "NO_MATCH"


# One session from the counter's side


@dataclass(frozen=True)
class CounterKeys:
    """What a counter holds: here also the key to play both of its parties dishonestly."""

    device: SigningKey
    issuer: SigningKey
    site_salt: bytes
    sealing: SealingPublicKey
    authority: VerifyKey
    gateway: PartyId
    model: Model = MODEL


@dataclass(frozen=True)
class Opened:
    """A session that was offered, with the verified key."""

    offer: SessionOffer
    key: VerifiedSessionKey
    nonce: Nonce

    @property
    def session(self) -> SessionId:
        return self.key.grant.message.session

    @property
    def path(self) -> str:
        return f"{SESSIONS}/{self.session.hex()}"


def session_request(counter: CounterKeys, **changes: Any) -> SessionRequest:
    given = {
        "profile": PROFILE,
        "device": counter.device.party,
        "issuer": counter.issuer.party,
        "client_nonce": new_nonce(),
        "purpose": "sim-activation",
        "consent_text_version": 1,
        "exclusions": (),
    }
    return SessionRequest(**{**given, **changes})


def verified(
    counter: CounterKeys, request: SessionRequest, offer: SessionOffer, now: int
) -> Opened:
    expected = ExpectedSession(
        counter.authority,
        counter.gateway,
        counter.device.party,
        counter.issuer.party,
        request.client_nonce,
    )
    key = verify_session_key(offer.grant, offer.public_key, expected, now)
    return Opened(offer, key, request.client_nonce)


def ciphertexts(
    opened: Opened, template: Vector, probe: Vector, action: Vector | None = None
) -> tuple[bytes, bytes]:
    """Template and probe, encrypted honestly."""
    engine = default_engine()
    return (
        encrypt_template(engine, opened.key, quantise(template)).encoded,
        encrypt_probe(
            engine, opened.key, quantise(probe), None if action is None else quantise(action)
        ).encoded,
    )


def draft(
    counter: CounterKeys,
    opened: Opened,
    template: bytes,
    probe: bytes,
    now: int,
    *,
    issued: Mapping[str, Any] | None = None,
    made: Mapping[str, Any] | None = None,
    consented: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    issuer_key: SigningKey | None = None,
    device_key: SigningKey | None = None,
    sealing: SealingPublicKey | None = None,
    sealed_for: SessionId | None = None,
) -> Submission:
    """A submission, honest but for what the keywords replace; all signatures are made after."""
    grant = opened.key.grant.message
    subject = Subject.of("passport", new_number())
    template_assertion = cose.sign(
        TemplateAssertion(
            **{
                "session": grant.session,
                "key_id": grant.key_id,
                "issuer": counter.issuer.party,
                "template_digest": digest_of(template),
                "model_id": counter.model.model_id,
                "model_digest": counter.model.digest,
                "subject_inner": subject.inner(counter.site_salt),
                "subject_commitment": subject.commitment(new_salt()),
                "document_type": "passport",
                "issued_at": now,
                **(issued or {}),
            }
        ),
        issuer_key or counter.issuer,
    )
    consent = ConsentRecord(
        **{
            "text_version": 1,
            "language": "en",
            "purpose": "sim-activation",
            "given_at": now,
            **(consented or {}),
        }
    )
    submission_assertion = cose.sign(
        SubmissionAssertion(
            **{
                "session": grant.session,
                "key_id": grant.key_id,
                "device": counter.device.party,
                "probe_digest": digest_of(probe),
                "template_assertion_digest": template_assertion.digest,
                "model_digest": counter.model.digest,
                "liveness_evidence_digest": None,
                "consent_digest": consent.digest,
                "activation_commitment": activation_commitment(REFERENCE, new_salt()),
                "purpose": "sim-activation",
                "agent": "demo-agent",
                "outlet": "demo-outlet",
                "captured_at": now,
                **(made or {}),
            }
        ),
        device_key or counter.device,
    )
    return Submission(
        **{
            "session": grant.session,
            "sealed_template": (sealing or counter.sealing).seal(
                template, sealed_for or grant.session, grant.key_id
            ),
            "template_assertion": template_assertion.encoded,
            "probe": probe,
            "submission_assertion": submission_assertion.encoded,
            "liveness_evidence": None,
            "consent": consent,
            **(top or {}),
        }
    )


# All parties in one process

Alter = Callable[[str, bytes], bytes]
"""Path and honest answer of the authority -> what arrives; may raise ``httpx.HTTPError``."""


AlterGateway = Callable[[str, httpx.Response], httpx.Response]
"""Path and honest answer of the gateway -> what arrives at the client."""


NO_LIMITS = Limits(retention_days=180, activations_per_subject=10**6)
NO_CAPS = CapLimits(10**6, 10**6, 10**6, 0)
NO_AUDITS = AuditPolicy(one_in=0, seconds=60, unanswered=3)
ALL_AUDITED = AuditPolicy(one_in=1, seconds=60, unanswered=3)


class World:
    """One of each party in this process, each behind its own transport."""

    def __init__(
        self,
        directory: Path,
        *,
        lanes: int = 2,
        clock: Callable[[], int] = unix_time,
        model: Model = MODEL,
        max_sessions: int = 50,
        limits: Limits = NO_LIMITS,
        liveness: LivenessPolicy = NO_LIVENESS,
        caps: CapLimits = NO_CAPS,
        audits: AuditPolicy = NO_AUDITS,
        auditor: bool = True,
    ) -> None:
        """``audits``: when the authority demands one; ``auditor``: whether the gateway has one."""
        self.clock = clock
        self.asked: list[tuple[str, bytes]] = []
        """Requests that reached the authority."""
        self.alter: Alter = lambda _path, answer: answer
        self.received: list[tuple[str, bytes]] = []
        """Requests that reached the gateway."""
        self.alter_gateway: AlterGateway = lambda _path, answer: answer
        device, issuer = SigningKey.generate("device"), SigningKey.generate("issuer")
        gateway, self.authority_key = (
            SigningKey.generate("gateway"),
            SigningKey.generate("authority"),
        )
        self.sealing = SealingPrivateKey.generate()
        self.counter = CounterKeys(
            device,
            issuer,
            secrets.token_bytes(32),
            self.sealing.public,
            self.authority_key.public,
            "gateway",
            model,
        )
        self.auditor_key = SigningKey.generate("auditor")
        self._start_authority(directory, gateway, caps, audits)
        self._start_auditor(directory, gateway)
        self.database = Database(f"sqlite:///{directory / 'gateway.sqlite3'}")
        self.database.migrate()
        with self.database.transaction() as connection:
            store.enrol_party(connection, "device", "device", device.public.raw)
            store.enrol_party(connection, "issuer", "issuer", issuer.public.raw)
            for agent in ("agent", "demo-agent"):
                store.enrol_party(connection, "agent", agent, None)
            for outlet in ("outlet", "demo-outlet"):
                store.enrol_party(connection, "outlet", outlet, None)
        settings = GatewaySettings(
            data_dir=directory,
            authority_public_key=self.authority_key.public.raw.hex(),
            model_id=model.model_id,
            model_digest=model.digest.hex(),
            lanes=lanes,
        )
        self.policy = default_policy(settings)
        self.sessions = OpenSessions(max_sessions, clock)
        self.log_signer = NoteSigner.from_seed("gateway/log", Kind.ED25519, secrets.token_bytes(32))
        self.sequencer = Sequencer(self.database, Alone(), [self.log_signer], NoWitnesses(), clock)
        self.service = GatewayService(
            Identity(gateway, self.sealing, self.authority_key.public),
            self.policy,
            replace(limits, liveness=liveness),
            self.database,
            AuthorityClient(
                httpx.Client(transport=httpx.MockTransport(self._at_authority)),
                "http://authority",
                gateway,
                clock,
            ),
            self.sessions,
            self.begin_evaluation,
            Publication(self.database, Inline(self.sequencer), 60),
            clock,
            Auditor(
                AuditorClient(
                    httpx.Client(transport=httpx.MockTransport(self._at_auditor)),
                    "http://auditor",
                    gateway,
                    clock,
                ),
                self.auditor_key.public,
                self.auditor_sealing.public,
            )
            if auditor
            else None,
        )
        self.gateway_nonces = NonceMemory()
        self.gateway_client = GatewayClient(
            httpx.Client(transport=httpx.MockTransport(self._at_gateway)),
            "http://gateway",
            device,
            clock,
        )
        self.trust = trust_of(
            gateway.public,
            self.sealing.public,
            self.authority_key.public,
            self.policy,
            self.auditor_key.public,
        )
        self.issuer = TemplateIssuer(
            issuer,
            self.counter.site_salt,
            Pins(self.authority_key.public, "gateway", self.sealing.public),
            model,
            default_engine(),
        )
        self.client = RegistrationClient(
            self.gateway_client,
            self.issuer,
            CounterIdentity(device, "agent", "outlet"),
            self.trust,
            model,
            default_engine(),
            clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def open(self, *exclusions: Exclusion) -> Opened:
        request = session_request(self.counter, exclusions=exclusions)
        offer = self.service.open_session(request, self.counter.device.public)
        return verified(self.counter, request, offer, self.clock())

    def register(self, template: Vector, live: Vector | Live) -> Registration:
        return self.client.register(template, live, occasion())

    def submit(self, opened: Opened, submission: Submission) -> Any:
        body = submission.encode()
        return self.service.submit(
            opened.session, Submission.decode(body), digest_of(body), self.counter.device.public
        )

    def rows(self, table: str) -> list[Any]:
        """All rows of a table."""
        from gateway.store import schema

        with self.database.transaction() as connection:
            return list(connection.execute(schema.metadata.tables[table].select()).all())

    def counters(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for row in self.rows("outcome_counters"):
            totals[row.outcome] = totals.get(row.outcome, 0) + row.count
        return totals

    def state(self, opened: Opened) -> str | None:
        states = [r.state for r in self.rows("sessions") if r.session_id == opened.session]
        return states[0] if states else None

    def begin_evaluation(self, inputs: Inputs) -> Evaluating:
        """How the gateway evaluates; a crooked one does it in its own way."""
        return Evaluation.fresh(inputs)

    def _start_authority(
        self, directory: Path, gateway: SigningKey, caps: CapLimits, audits: AuditPolicy
    ) -> None:
        self.authority_trust = SignedTrust(directory / "authority-trust.json", self.authority_key)
        self.authority_trust.add("gateway", gateway)
        self.authority_trust.add("device", self.counter.device)
        self.authority_trust.add("issuer", self.counter.issuer)
        self.authority_trust.add("auditor", self.auditor_key)
        self.ledger = AuditLedger(directory / "audits.sqlite3", audits.unanswered, self.clock)
        service = self.authority_service = AuthorityService(
            AuthorityServiceSettings("authority", 300, audits),
            Custody(self.authority_key, secrets.token_bytes(32)),
            self.authority_trust,
            SessionTable(1000, self.clock),
            AttemptCaps(directory / "caps.sqlite3", caps, self.clock),
            self.ledger,
            make_local_secret,
            self.clock,
        )
        self._authority_nonces = NonceMemory()
        self._authority_routes: dict[str, Callable[[bytes, VerifyKey], bytes]] = {
            SESSION_KEYS: lambda b, s: service.open_session(SessionKeyRequest.decode(b), s),
            MASKED: lambda b, s: service.encrypt_bits(MaskedProduct.decode(b), s),
            ROWS: lambda b, s: service.decide(BlindedRows.decode(b), s),
            AUDITS: lambda b, s: service.conclude(AuditResult.decode(b), s),
        }

    def _start_auditor(self, directory: Path, gateway: SigningKey) -> None:
        self.auditor_sealing = SealingPrivateKey.generate()
        self.auditor_register = Register(directory / "auditor-parties.json")
        parties = (
            ("authority", self.authority_key),
            ("gateway", gateway),
            ("device", self.counter.device),
            ("issuer", self.counter.issuer),
        )
        for kind, key in parties:
            self.auditor_register.enrol(
                Party(kind=kind, party=key.party, public_key=key.public.raw.hex())
            )
        self.auditing = Auditing(
            self.auditor_register, self.auditor_sealing, repeat_here, True, frozenset()
        )
        self.audit_faults: list[str] = []
        """Why the auditor refused."""
        self.audited: list[bytes] = []
        """Requests that reached the auditor."""
        self.alter_report: Callable[[bytes], bytes] = lambda answer: answer
        self._auditor_nonces = NonceMemory()

    def _at_auditor(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.audited.append(body)
        service = AuditorService(self.auditor_key, self.auditing, self.clock)
        try:
            sender = verify_request(
                "POST",
                path,
                request.headers,
                body,
                self.auditor_register.gateway_by_key_id,
                self._auditor_nonces,
                self.clock(),
            )
            answer = service.audit(AuditRequest.decode(body), sender)
        except SealmatchError as error:
            self.audit_faults.append(getattr(error, "detail", str(error)))
            return _problem(error)
        return httpx.Response(200, content=self.alter_report(answer))

    def _at_authority(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.asked.append((path, body))
        try:
            sender = verify_request(
                "POST",
                path,
                request.headers,
                body,
                self.authority_trust.gateway_by_key_id,
                self._authority_nonces,
                self.clock(),
            )
            answer = self._authority_routes[path](body, sender)
        except SealmatchError as error:
            return _problem(error)
        return httpx.Response(200, content=self.alter(path, answer))

    def _at_gateway(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.received.append((path, body))
        return self.alter_gateway(path, self._answer(request, path, body))

    def _answer(self, request: httpx.Request, path: str, body: bytes) -> httpx.Response:
        device = self.counter.device.public
        try:
            sender = verify_request(
                request.method,
                path,
                request.headers,
                body,
                lambda key_id: device if key_id == device.key_id else None,
                self.gateway_nonces,
                self.clock(),
            )
            if path == SESSIONS:
                answer = self.service.open_session(SessionRequest.decode(body), sender)
                return httpx.Response(200, content=answer.encode())
            session = SessionId(bytes.fromhex(path.split("/")[4]))
            if request.method == "GET":
                view = self.service.status(session, sender)
                with contextlib.suppress(Unavailable):
                    self.sequencer.step()  # a server's own goes on by itself
            else:
                parsed = Submission.decode(body)
                view = self.service.submit(session, parsed, digest_of(body), sender)
        except SealmatchError as error:
            return _problem(error)
        from gateway.server.app import _view

        return httpx.Response(200, json=_view(view))


def trust_of(
    gateway: VerifyKey,
    sealing: SealingPublicKey,
    authority: VerifyKey,
    policy: MatchPolicy,
    auditor: VerifyKey | None = None,
) -> TrustFile:
    pinned = auditor and [PinnedAuditor(party=auditor.party, public_key=auditor.raw.hex())]
    return TrustFile(
        auditors=pinned or [],
        gateways=[
            PinnedGateway(
                party=gateway.party,
                url="http://gateway",
                public_key=gateway.raw.hex(),
                sealing_key=sealing.raw.hex(),
            )
        ],
        authorities=[
            PinnedAuthority(
                party=authority.party, url="http://authority", public_key=authority.raw.hex()
            )
        ],
        policies=[policy.digest.hex()],
    )


def _problem(error: SealmatchError) -> httpx.Response:
    problem = problem_for(error)
    return httpx.Response(problem.status, json=problem.body())


# The real servers


class Closed(Exception):
    """Raised by a proxy's behaviour: close the connection without an answer."""


Behaviour = Callable[[str, bytes, Callable[[], tuple[int, bytes]]], tuple[int, bytes]]
"""Path, body, and how to ask the real authority -> status and body of the answer."""


def honest(_path: str, _body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    return ask()


class Proxy:
    """Stands between gateway and authority; does what the test's ``behaviour`` says."""

    def __init__(self) -> None:
        self.upstream = 0
        self.behaviour: Behaviour = honest
        self.seen: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                proxy.seen.append(self.path)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                try:
                    status, answer = proxy.behaviour(
                        self.path, body, lambda: proxy.forward(self.path, body, headers)
                    )
                except (Closed, OSError, http.client.HTTPException):
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-type", CBOR)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A server that was killed resets its connections; that is what tests do."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def forward(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=20)
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Observed(local.LocalDeployment):
    """The real servers, with a proxy before the authority."""

    def __init__(
        self,
        root: Path,
        model: Model = MODEL,
        port: int = 0,
        *,
        audit_one_in: int = 0,
        **settings: str,
    ) -> None:
        super().__init__(root, model, port, tls=False, audit_one_in=audit_one_in, **settings)
        self.proxy = Proxy()

    def authority_url(self, port: int) -> str:
        self.proxy.upstream = port
        return f"http://127.0.0.1:{self.proxy.port}"

    def stop(self) -> None:
        super().stop()
        self.proxy.close()


class Counter:
    """The demonstration counter of a deployment of real servers."""

    def __init__(self, deployment: local.LocalDeployment, model: Model = MODEL) -> None:
        trust = TrustFile.read(deployment.directories.trust)
        directory = deployment.directories.counter
        self.trust, self.model = trust, model
        pinned = trust.gateways[0]
        self.url = pinned.url
        self.keys = CounterKeys(
            load_signing_key(directory / "device.key", local.DEVICE),
            load_signing_key(directory / "issuer.key", local.ISSUER),
            read_secret(directory / "site-salt.key", 32),
            pinned.sealing,
            trust.authority_key(trust.authorities[0].party),
            pinned.party,
            model,
        )
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self.client = self.client_with(self.http)

    def client_with(
        self, transport: httpx.Client, trust: TrustFile | None = None
    ) -> RegistrationClient:
        trust = trust or self.trust
        keys, engine = self.keys, default_engine()
        pins = Pins(
            trust.authority_key(trust.authorities[0].party),
            trust.gateways[0].party,
            trust.gateways[0].sealing,
        )
        return RegistrationClient(
            GatewayClient(transport, trust.gateways[0].url, keys.device, unix_time),
            TemplateIssuer(keys.issuer, keys.site_salt, pins, self.model, engine),
            CounterIdentity(keys.device, "demo-agent", "demo-outlet"),
            trust,
            self.model,
            engine,
            unix_time,
        )

    def register(self, template: Vector, probe: Vector) -> Registration:
        return self.client.register(template, probe, occasion())

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        key: SigningKey | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A signed request; ``headers`` replaces the signature's headers and content type."""
        if headers is None:
            headers = self.signed(method, path, body, key)
        return self.http.request(method, path, content=body or None, headers=dict(headers))

    def signed(
        self, method: str, path: str, body: bytes, key: SigningKey | None = None
    ) -> dict[str, str]:
        headers = sign_request(method, path, body, key or self.keys.device, unix_time())
        return {**headers, "content-type": CBOR} if body else headers

    def open(self) -> Opened:
        request = session_request(self.keys)
        response = self.send("POST", SESSIONS, request.encode())
        assert response.status_code == 200, response.text
        return verified(self.keys, request, SessionOffer.decode(response.content), unix_time())

    def submit(self, opened: Opened, submission: Submission | bytes) -> httpx.Response:
        body = submission if isinstance(submission, bytes) else submission.encode()
        return self.send("POST", f"{opened.path}/submission", body)

    def state(self, opened: Opened) -> str:
        response = self.send("GET", opened.path)
        assert response.status_code == 200, response.text
        return str(response.json()["state"])

    def honest_submission(self, opened: Opened, cosine: float = 0.7, **changes: Any) -> Submission:
        return draft(self.keys, opened, *ciphertexts(opened, *pair(cosine)), unix_time(), **changes)

    def close(self) -> None:
        self.http.close()


# Looking at what the servers keep


@contextlib.contextmanager
def gateway_database(deployment: local.LocalDeployment) -> Iterator[sqlite3.Connection]:
    """The gateway's database, read while the server runs."""
    path = deployment.directories.gateway / "gateway.sqlite3"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def record_count(deployment: local.LocalDeployment) -> int:
    with gateway_database(deployment) as connection:
        return int(connection.execute("select count(*) from records").fetchone()[0])


def session_state(deployment: local.LocalDeployment, session: bytes) -> str | None:
    with gateway_database(deployment) as connection:
        row = connection.execute(
            "select state from sessions where session_id = ?", (session,)
        ).fetchone()
    return None if row is None else str(row[0])


def gateway_signing_key(deployment: local.LocalDeployment) -> SigningKey:
    """The gateway's own key, opened as its operator does."""
    directories = deployment.directories
    passphrase = (directories.operator / "gateway.passphrase").read_bytes().strip()
    path = directories.gateway / KEYSTORE_FILE
    keys = open_keystore(path, GatewayKeys, bytearray(passphrase))
    return SigningKey(keys.party, keys.signing.current.signer())


def session_states(deployment: local.LocalDeployment) -> list[str]:
    """States in the order in which the sessions were opened."""
    with gateway_database(deployment) as connection:
        return [str(r[0]) for r in connection.execute("select state from sessions order by rowid")]


def server_logs(deployment: local.LocalDeployment) -> str:
    paths = (deployment.directories.gateway, deployment.directories.authority)
    return "\n".join((p / "server.log").read_text(errors="replace") for p in paths)


CODES = {
    400: {"INVALID_ARGUMENT", "FACE_VERIFICATION.UNKNOWN_PROFILE"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    409: {"CONFLICT"},
    413: {"PAYLOAD_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    503: {"UNAVAILABLE"},
}
REFUSAL = b'{"status": 403, "code": "PERMISSION_DENIED", "message": "the request is refused"}'


def assert_problem(response: httpx.Response, *statuses: int) -> None:
    """The answer is an error in the CAMARA form, of one of these statuses."""
    assert response.status_code in statuses, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-correlator"]
    body = response.json()
    assert set(body) == {"status", "code", "message"}
    assert body["status"] == response.status_code
    assert body["code"] in CODES[response.status_code]
    if response.status_code == 403:
        assert response.content == REFUSAL


def free_port_pair() -> int:
    """A port that is free now together with the next one."""
    return free_ports(2)


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that are free now.

    Below those that the system gives to connections: a server that a test kills and starts again
    must find its port still free.
    """
    for _ in range(50):
        port = 10_000 + secrets.randbelow(22_000)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for number in range(count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            return port
    raise RuntimeError("no neighbouring ports are free")


def children_of(pid: int) -> list[int]:
    """Processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: list[int], seconds: float = 12) -> bool:
    """Whether all processes have ended within this time."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def command_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def read_json(text: str) -> dict[str, Any]:
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed
