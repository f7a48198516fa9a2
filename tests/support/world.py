"""All parties in one process, joined by in-memory transports.

The product's own services: every message is encoded, signed, verified and decoded as on the wire.
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx

from gateway.client.gateway_client import GatewayClient
from gateway.client.registration import (
    CounterIdentity,
    Live,
    Registration,
    RegistrationClient,
)
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.host.clock import unix_time
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.proofs.trust import PinnedAuditor, PinnedAuthority, PinnedGateway, TrustFile
from gateway.sequencing.publication import Inline, Publication
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server.answers import fallback_answer, session_answer
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.evaluation import Evaluating
from gateway.server.fallback import FallbackRules, FallbackService
from gateway.server.liveness import NO_LIVENESS, LivenessPolicy
from gateway.server.policy import Policies, default_policy
from gateway.server.rights import RightsRules, SubjectRights
from gateway.server.service import GatewayRules, GatewayService, Identity
from gateway.server.sessions import OpenSessions
from gateway.store import parties
from gateway.store.database import Database
from gateway.translog.note import Kind, NoteSigner
from gateway.wire.admin import ChainKeys, PartyKind
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import NOT_FOUND, SealmatchError, Unavailable
from gateway.wire.fallback import FallbackRequest
from gateway.wire.ids import Digest, SessionId, digest_of
from gateway.wire.liveness import Exclusion
from gateway.wire.policy import MatchPolicy
from gateway.wire.requests import NonceMemory, verify_request
from gateway.wire.rights import SignedSubjectRequest
from gateway.wire.sealing import SealingPrivateKey, SealingPublicKey
from gateway.wire.session import SessionRequest
from gateway.wire.submission import (
    Submission,
)
from keys.audits import AuditPolicy
from keys.caps import CapLimits
from tests.support.drafts import CounterKeys, Opened, session_request, verified

# All parties in one process
from tests.support.peers import Peers, problem
from tests.support.samples import (
    ERASURES,
    FALLBACKS,
    MODEL,
    SESSIONS,
    SUBJECT_REQUESTS,
    Vector,
    occasion,
)

AlterGateway = Callable[[str, httpx.Response], httpx.Response]
"""Path and honest answer of the gateway -> what arrives at the client."""

NO_LIMITS = GatewayRules(retention_days=180, activations_per_subject=10**6)
NO_HURRY: dict[PartyKind, int] = dict.fromkeys(("agent", "supervisor", "device"), 10**6)
NO_CAPS = CapLimits(10**6, 10**6, 10**6, 0)
NO_AUDITS = AuditPolicy(one_in=0, seconds=60, unanswered=3)
ALL_AUDITED = AuditPolicy(one_in=1, seconds=60, unanswered=3)


class World(Peers):
    """One of each party in this process, each behind its own transport."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], int] = unix_time,
        model: Model = MODEL,
        max_sessions: int = 50,
        limits: GatewayRules = NO_LIMITS,
        liveness: LivenessPolicy = NO_LIVENESS,
        caps: CapLimits = NO_CAPS,
        audits: AuditPolicy = NO_AUDITS,
        auditor: bool = True,
        database: str | None = None,
        party: str = "gateway",
        site_salt: bytes | None = None,
        pepper: bytes | None = None,
    ) -> None:
        """``audits``: when the authority demands one; ``auditor``: whether the gateway has one;
        ``database``: the gateway's, SQLite in the directory unless given; ``party``: its name;
        ``site_salt``, ``pepper``: those of another world, whose readers and authority it shares."""
        self.received: list[tuple[str, bytes]] = []
        """Requests that reached the gateway."""
        self.alter_gateway: AlterGateway = lambda _path, answer: answer
        device, issuer = SigningKey.generate("device"), SigningKey.generate("issuer")
        gateway, authority = SigningKey.generate(party), SigningKey.generate("authority")
        self.sealing = SealingPrivateKey.generate()
        authority_sealing = SealingPrivateKey.generate()
        self.counter = CounterKeys(
            device,
            issuer,
            site_salt or secrets.token_bytes(32),
            self.sealing.public,
            authority_sealing.public,
            authority.public,
            party,
            model,
        )
        super().__init__(
            directory,
            self.counter,
            gateway,
            authority,
            authority_sealing,
            caps,
            audits,
            clock,
            pepper or secrets.token_bytes(32),
        )
        self.database = Database(database or f"sqlite:///{directory / 'gateway.sqlite3'}")
        self.database.migrate()
        with self.database.transaction() as connection:
            parties.enrol_party(connection, "device", "device", device.public.raw)
            parties.enrol_party(connection, "issuer", "issuer", issuer.public.raw)
            self.agent_key, self.supervisor_key = map(SigningKey.generate, ("agent", "supervisor"))
            parties.enrol_party(connection, "agent", "agent", self.agent_key.public.raw)
            parties.enrol_party(connection, "agent", "demo-agent", None)
            parties.enrol_party(
                connection, "supervisor", "supervisor", self.supervisor_key.public.raw
            )
            for outlet in ("outlet", "demo-outlet"):
                parties.enrol_party(connection, "outlet", outlet, None)
        settings = GatewaySettings(
            data_dir=directory,
            authority_public_key=self.authority_key.public.raw.hex(),
            model_id=model.model_id,
            model_digest=model.digest.hex(),
        )
        self.settings = settings
        self.policy = default_policy(settings)
        self.policies = Policies(settings, ChainKeys((gateway.public,)))
        self.sessions = OpenSessions(max_sessions, clock)
        self.log_signer = NoteSigner.from_seed("gateway/log", Kind.ED25519, secrets.token_bytes(32))
        self.sequencer = Sequencer(self.database, Alone(), [self.log_signer], NoWitnesses(), clock)
        self.publication = Publication(
            self.database, Inline(self.sequencer), 60, announced=self.sequencer.announced
        )
        self.fallbacks = FallbackService(
            gateway,
            FallbackRules(limits.retention_days, NO_HURRY),
            self.database,
            self.publication,
            clock,
        )
        self.rights = SubjectRights(
            gateway,
            RightsRules(limits.retention_days, settings.subject_requests_per_device),
            self.database,
            self.publication,
            clock,
        )
        self.gateway_key, self.directory = gateway, directory
        self.service = GatewayService(
            Identity(gateway, self.sealing, self.authority_key.public),
            self.policies.in_force,
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
            self.publication,
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
            self.authority_sealing.public,
            self.policy,
            self.auditor_key.public,
        )
        self.issuer = TemplateIssuer(
            issuer,
            self.counter.site_salt,
            Pins(
                self.authority_key.public,
                party,
                self.sealing.public,
                self.authority_sealing.public,
            ),
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
        if held := self.sessions.find(opened.session, self.counter.device.party):
            return str(held[1])
        states = [r.state for r in self.rows("sessions") if r.session_id == opened.session]
        return states[0] if states else None

    def begin_evaluation(self, inputs: Inputs) -> Evaluating:
        """How the gateway evaluates; a crooked one does it in its own way."""
        return Evaluation.fresh(inputs)

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
                frozenset({"gateway"}),
                lambda key_id: device if key_id == device.key_id else None,
                self.gateway_nonces,
                self.clock(),
            )
            if path == FALLBACKS:
                found = self.fallbacks.record(FallbackRequest.decode(body), sender)
                return httpx.Response(
                    200 if found.receipt else 202, json=fallback_answer(found).body()
                )
            if path == SUBJECT_REQUESTS or path.startswith(ERASURES):
                return self._of_subject(path, body, sender)
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
            return problem(error)
        return httpx.Response(200, json=session_answer(view).body())

    def _of_subject(self, path: str, body: bytes, sender: VerifyKey) -> httpx.Response:
        if path == SUBJECT_REQUESTS:
            asked = SignedSubjectRequest.decode(body)
            return httpx.Response(200, content=self.rights.answer(asked, sender).encode())
        proof = self.rights.erasure(Digest(bytes.fromhex(path.rpartition("/")[2])))
        if proof is None:
            return httpx.Response(NOT_FOUND.status, json=NOT_FOUND.body())
        return httpx.Response(200, content=proof.encode())


def trust_of(
    gateway: VerifyKey,
    sealing: SealingPublicKey,
    authority: VerifyKey,
    authority_sealing: SealingPublicKey,
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
                party=authority.party,
                url="http://authority",
                public_key=authority.raw.hex(),
                sealing_key=authority_sealing.raw.hex(),
            )
        ],
        policies=[policy.digest.hex()],
    )
