"""The demonstration counter of a deployment of real servers: it registers, or does it wrong."""

from collections.abc import Mapping
from typing import Any

import httpx

from gateway.client import fallback
from gateway.client.exchange import SignedLine
from gateway.client.gateway_client import GatewayClient
from gateway.client.registration import (
    CounterIdentity,
    Registration,
    RegistrationClient,
)
from gateway.client.rights import ask
from gateway.he.engine import default_engine
from gateway.host.clock import unix_time
from gateway.host.http import CBOR
from gateway.host.keyfile import load_signing_key, read_secret
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.parties import (
    AGENT,
    CONSENT_VERSION,
    DEVICE,
    ISSUER,
    OUTLET,
    SUPERVISOR,
)
from gateway.proofs.trust import TrustFile
from gateway.wire.cose import SigningKey
from gateway.wire.fallback import FallbackRequest
from gateway.wire.requests import host_of, sign_request
from gateway.wire.rights import SubjectAnswer, Wish
from gateway.wire.session import SessionOffer
from gateway.wire.submission import (
    Submission,
)
from tests.support.drafts import CounterKeys, Opened, ciphertexts, draft, session_request, verified
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL, SESSIONS, Vector, occasion, pair


class Counter:
    """The demonstration counter of a deployment of real servers."""

    def __init__(self, deployment: LocalDeployment, model: Model = MODEL) -> None:
        trust = TrustFile.read(deployment.directories.trust)
        directory = deployment.directories.counter
        self.trust, self.model, self.directories = trust, model, deployment.directories
        pinned = trust.gateways[0]
        self.url = pinned.url
        self.keys = CounterKeys(
            load_signing_key(directory / "device.key", DEVICE),
            load_signing_key(directory / "issuer.key", ISSUER),
            read_secret(directory / "site-salt.key", 32),
            pinned.sealing,
            trust.authority_sealing(trust.authorities[0].party),
            trust.authority_key(trust.authorities[0].party),
            pinned.party,
            model,
        )
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
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
            trust.authority_sealing(trust.authorities[0].party),
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

    def without_face(self) -> FallbackRequest:
        """What the demonstration's agent and supervisor signed."""
        agent = load_signing_key(self.directories.counter / "agent.key", AGENT)
        supervisor = load_signing_key(self.directories.supervisor_key, SUPERVISOR)
        between = fallback.Counter(self.keys.gateway, DEVICE, OUTLET, SUPERVISOR)
        given = occasion()
        case = fallback.Case(
            given.subject,
            given.activation_reference,
            "declined",
            ("document-in-person",),
            given.purpose,
            CONSENT_VERSION,
        )
        made = fallback.make_assertion(case, between, agent, unix_time())
        return fallback.approve(made.assertion.encoded, supervisor, unix_time())

    def record(self, request: FallbackRequest) -> bytes:
        """Returns the receipt. Raises as ``client.fallback.record``."""
        gateway = GatewayClient(self.http, self.url, self.keys.device, unix_time)
        return fallback.record(gateway, request)

    def ask(self, done: Registration, wish: Wish) -> SubjectAnswer:
        """Ask for somebody who was registered here. Raises as ``client.rights.ask``."""
        secret, device = done.opening.erasure_secret, self.keys.device
        gateway, record = self.keys.gateway, done.record_id
        return ask(self.line, device, gateway, record, wish, secret, unix_time)

    @property
    def line(self) -> SignedLine:
        return SignedLine(self.http, self.url, self.keys.device, unix_time)

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
        self,
        method: str,
        path: str,
        body: bytes,
        key: SigningKey | None = None,
        host: str | None = None,
    ) -> dict[str, str]:
        """Headers; for another server than the gateway if ``host`` names one."""
        host, key = host or host_of(self.url), key or self.keys.device
        headers = sign_request(method, host, path, body, key, unix_time())
        headers["host"] = host
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
