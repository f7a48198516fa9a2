"""All parties in one process, each millisecond of CPU booked to exactly one of them.

Every message is encoded, signed, verified and decoded as between processes; only the sockets are
missing. This module runs the gateway's code and the key authority's (``keys``) in one process,
because a measurement must see both sides. Nothing that serves requests imports it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.client.registration import CounterIdentity, Occasion, RegistrationClient
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation
from gateway.host.clock import unix_time
from gateway.issuer.issuer import Model, Pins
from gateway.lab.bench.booked import (
    BookedAuditor,
    BookedDatabase,
    BookedGateway,
    BookedIssuer,
    BookedLog,
    CpuBook,
    Wire,
)
from gateway.proofs.trust import PinnedAuthority, PinnedGateway, TrustFile
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.policy import always, default_policy
from gateway.server.service import GatewayRules, GatewayService, Identity
from gateway.server.sessions import OpenSessions
from gateway.store import parties
from gateway.wire.audit import AuditResult
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    Outcome,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import Digest, PartyId, SubjectHandle, digest_of
from gateway.wire.message import Message
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionKeyRequest, SessionKeyResponse
from gateway.wire.subject import Subject
from keys.audits import AuditLedger, AuditPolicy, DemandId
from keys.caps import AttemptCaps, CapLimits, CountedAttempt
from keys.caps_store import create_caps
from keys.custody import Custody
from keys.enrolment import party_of
from keys.service import AuthorityRules, AuthorityService
from keys.sessions import SessionTable
from keys.trust import TrustList
from keys.vault import MemoryMacKey
from keys.workers import make_local_secret

DEVICE, ISSUER, GATEWAY, AUTHORITY = "device", "issuer", "gateway", "authority"


MODEL = Model(
    "bench/none",
    digest_of(b"bench"),
    FaceQuality(outcome="passed", measures="none/1", profile_digest=digest_of(b"none")),
)


M = TypeVar("M", bound=Message)


class _Authority(AuthorityClient):
    """The gateway's client, with the authority's service at the other end of the call."""

    def __init__(self, service: AuthorityService, gateway: SigningKey) -> None:
        self._service = service
        self._wire = Wire(gateway)
        self.book = CpuBook()

    def session_key(self, request: SessionKeyRequest) -> SessionKeyResponse:
        answer = self._call("makeKey", request, SessionKeyRequest, self._service.open_session)
        return SessionKeyResponse.decode(answer)

    def attempt(self, request: AttemptRequest) -> AttemptAnswer:
        answer = self._call("count", request, AttemptRequest, self._service.count)
        return AttemptAnswer.decode(answer)

    def masked_values(self, request: ProductRequest) -> MaskedValues:
        answer = self._call("answer", request, ProductRequest, self._service.answer)
        return MaskedValues.decode(answer)

    def decision(self, request: SharesRequest) -> DecisionResponse:
        answer = self._call("decide", request, SharesRequest, self._service.decide)
        return DecisionResponse.decode(answer)

    def audited_decision(self, request: AuditResult) -> DecisionResponse:
        answer = self._call("conclude", request, AuditResult, self._service.conclude)
        return DecisionResponse.decode(answer)

    def _call(
        self, stage: str, request: M, kind: type[M], serve: Callable[[M, VerifyKey], bytes]
    ) -> bytes:
        body = request.encode()
        headers = self._wire.send("/v1", body)
        with self.book.stage(f"authority.{stage}"):
            return serve(kind.decode(body), self._wire.receive("/v1", headers, body))


class _Caps(AttemptCaps):
    book = CpuBook()

    def admit(self, handles: Sequence[SubjectHandle], device: PartyId) -> CountedAttempt:
        with self.book.stage("storage.caps"):
            return super().admit(handles, device)

    def conclude(self, attempt: CountedAttempt, *, matched: bool) -> None:
        with self.book.stage("storage.caps"):
            super().conclude(attempt, matched=matched)


class _Ledger(AuditLedger):
    book = CpuBook()

    def require_answering(self, gateway: PartyId) -> None:
        with self.book.stage("storage.audits"):
            super().require_answering(gateway)

    def demand(self, gateway: PartyId, due: int) -> DemandId:
        with self.book.stage("storage.audits"):
            return super().demand(gateway, due)

    def answered(self, demand: DemandId) -> None:
        with self.book.stage("storage.audits"):
            super().answered(demand)


class InProcessDeployment:
    """One of each party, with fresh keys and storage in a directory."""

    def __init__(
        self,
        directory: Path,
        *,
        audited: bool = False,
        thresholds: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """``audited``: the authority demands an audit of every evaluation; ``thresholds``: settings
        of the gateway, its own defaults unless given."""
        device, issuer = SigningKey.generate(DEVICE), SigningKey.generate(ISSUER)
        gateway, authority = SigningKey.generate(GATEWAY), SigningKey.generate(AUTHORITY)
        sealing = SealingPrivateKey.generate()
        pepper = MemoryMacKey(secrets.token_bytes(32))
        own = Custody(authority, pepper, sealing=(SealingPrivateKey.generate(),))
        no_limits = CapLimits(10**6, 10**6, 10**6, 0)
        create_caps(directory / "caps.sqlite3", unix_time())
        self._caps = _Caps(directory / "caps.sqlite3", no_limits, unix_time)
        audits = AuditPolicy(int(audited), 60, 3)
        self._ledger = _Ledger(directory / "audits.sqlite3", 3, unix_time)
        self._auditor = BookedAuditor.of(directory, authority, gateway, device, issuer)
        enrolled = {
            "gateway": gateway,
            "device": device,
            "issuer": issuer,
            "auditor": self._auditor.key,
        }
        service = _authority_service(directory, own, enrolled, self._caps, audits, self._ledger)
        self._authority = _Authority(service, gateway)
        self._database = BookedDatabase(f"sqlite:///{directory / 'bench.sqlite3'}")
        self._database.migrate()
        with self._database.transaction() as connection:
            parties.enrol_party(connection, "device", DEVICE, device.public.raw)
            parties.enrol_party(connection, "issuer", ISSUER, issuer.public.raw)
            parties.enrol_party(connection, "agent", "agent", None)
            parties.enrol_party(connection, "outlet", "outlet", None)
        self._log = BookedLog.of(self._database)
        policy = default_policy(_settings(directory, authority, thresholds))
        matching = GatewayService(
            Identity(gateway, sealing, authority.public),
            always(policy),
            GatewayRules(180, 10**6),
            self._database,
            self._authority,
            OpenSessions(10, unix_time),
            Evaluation.fresh,
            self._log,
            unix_time,
            Auditor(self._auditor, self._auditor.key.public, self._auditor.sealing.public),
        )
        self._gateway = BookedGateway(matching, device)
        self._issuer = BookedIssuer(
            issuer,
            secrets.token_bytes(32),
            Pins(authority.public, GATEWAY, sealing.public, own.sealing[0].public),
            MODEL,
            default_engine(),
        )
        self._client = RegistrationClient(
            self._gateway,
            self._issuer,
            CounterIdentity(device, "agent", "outlet"),
            _trust(gateway, sealing, own, policy.digest),
            MODEL,
            default_engine(),
            unix_time,
        )

    def verify(self, template: NDArray[np.float64], probe: NDArray[np.float64]) -> CpuBook:
        """One registration of a pair that matches; returns where its CPU time went."""
        book, outcome = self._registered(template, probe)
        if outcome != "MATCH":
            raise RuntimeError("the benchmark's pair did not match")
        return book

    def outcome(
        self, template: NDArray[np.floating[Any]], probe: NDArray[np.floating[Any]]
    ) -> Outcome:
        """What the parties decide of a pair."""
        return self._registered(template, probe)[1]

    def _registered(
        self, template: NDArray[np.floating[Any]], probe: NDArray[np.floating[Any]]
    ) -> tuple[CpuBook, Outcome]:
        book = Wire.book = CpuBook()
        self._authority.book = self._gateway.book = self._issuer.book = book
        self._database.book = self._caps.book = book
        self._auditor.book = self._ledger.book = self._log.book = book
        occasion = Occasion(Subject.of("passport", "BENCH0001"), "order")
        with book.stage("client.registration"):
            result = self._client.register(template, probe, occasion)
        return book, result.outcome

    @property
    def audit_bytes(self) -> int:
        """Size of the last request to the auditor, in bytes."""
        return self._auditor.sent

    def close(self) -> None:
        self._database.close()
        self._caps.close()
        self._ledger.close()


def unit_pair(
    rng: np.random.Generator, cosine: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors with this cosine, each of shape (512,), float64."""
    a, b = rng.normal(size=512), rng.normal(size=512)
    a /= np.linalg.norm(a)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    return a, cosine * a + np.sqrt(1 - cosine * cosine) * b


def _authority_service(
    directory: Path,
    own: Custody,
    enrolled: dict[str, SigningKey],
    caps: AttemptCaps,
    audits: AuditPolicy,
    ledger: AuditLedger,
) -> AuthorityService:
    trust = TrustList(directory / "trust.json", own.chain_keys)
    parties = [party_of(kind, key.party, key.public.raw.hex()) for kind, key in enrolled.items()]
    trust.enrol(parties, own.signing, unix_time())
    return AuthorityService(
        AuthorityRules(AUTHORITY, 300, audits),
        own,
        trust,
        SessionTable(1000, unix_time),
        caps,
        ledger,
        make_local_secret,
        unix_time,
    )


def _settings(
    directory: Path, authority: SigningKey, thresholds: Mapping[str, str]
) -> GatewaySettings:
    settings: dict[str, Any] = dict(thresholds)
    return GatewaySettings(
        data_dir=directory,
        authority_public_key=authority.public.raw.hex(),
        model_id=MODEL.model_id,
        model_digest=MODEL.digest.hex(),
        **settings,
    )


def _trust(
    gateway: SigningKey, sealing: SealingPrivateKey, authority: Custody, policy: Digest
) -> TrustFile:
    return TrustFile(
        gateways=[
            PinnedGateway(
                party=GATEWAY,
                url="http://127.0.0.1",
                public_key=gateway.public.raw.hex(),
                sealing_key=sealing.public.raw.hex(),
            )
        ],
        authorities=[
            PinnedAuthority(
                party=AUTHORITY,
                url="http://127.0.0.1",
                public_key=authority.signing.public.raw.hex(),
                sealing_key=authority.sealing[0].public.raw.hex(),
            )
        ],
        policies=[policy.hex()],
    )
