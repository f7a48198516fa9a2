"""All parties in one process, each millisecond of CPU booked to exactly one of them.

Every message is encoded, signed, verified and decoded as between processes; only the sockets are
missing. This is the one module outside ``keys`` that starts the key authority's code in its own
process, because a measurement must see both sides; nothing that serves requests imports it.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from gateway.auditor import register
from gateway.auditor.register import Register
from gateway.auditor.repetition import repeat_here
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing
from gateway.client.gateway_client import Exchange, GatewayClient, Verification
from gateway.client.registration import CounterIdentity, Occasion, RegistrationClient
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation
from gateway.issuer.issuer import IssuedTemplate, Model, Pins, SessionToServe, TemplateIssuer
from gateway.proofs.trust import PinnedAuthority, PinnedGateway, TrustFile
from gateway.sequencing.publication import Inline, Publication
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.policy import default_policy
from gateway.server.service import GatewayService, Identity, Limits
from gateway.server.sessions import OpenSessions
from gateway.store import repositories as store
from gateway.store.database import Database
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner
from gateway.wire.audit import AuditRequest, AuditResponse, AuditResult
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.evaluation import BlindedRows, DecisionResponse, EncryptedBits, MaskedProduct
from gateway.wire.host.clock import unix_time
from gateway.wire.ids import Digest, PartyId, RecordId, SessionId, SubjectHandle, digest_of
from gateway.wire.message import Message
from gateway.wire.requests import NonceMemory, sign_request, verify_request
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionKeyRequest, SessionKeyResponse, SessionOffer, SessionRequest
from gateway.wire.subject import Subject
from gateway.wire.submission import Submission
from keys.audits import AuditLedger, AuditPolicy, DemandId
from keys.caps import AttemptCaps, AttemptId, CapLimits
from keys.custody import Custody
from keys.enrolment import party_of
from keys.service import AuthorityService, Settings
from keys.sessions import SessionTable
from keys.trust import TrustList
from keys.workers import make_local_secret

DEVICE, ISSUER, GATEWAY, AUTHORITY = "device", "issuer", "gateway", "authority"
MODEL = Model("bench/none", digest_of(b"bench"))
BASE = "/face-verification/v0.1/sessions"

M = TypeVar("M", bound=Message)


class CpuBook:
    """Process CPU time by stage. A stage within a stage is booked to the inner one alone."""

    def __init__(self) -> None:
        self._nanoseconds: dict[str, int] = {}
        self._open: list[str] = []
        self._since = 0

    @property
    def milliseconds(self) -> dict[str, float]:
        return {name: spent / 1e6 for name, spent in self._nanoseconds.items()}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._close_interval()
        self._open.append(name)
        try:
            yield
        finally:
            self._close_interval()
            self._open.pop()

    def _close_interval(self) -> None:
        now = time.process_time_ns()
        if self._open:
            name = self._open[-1]
            self._nanoseconds[name] = self._nanoseconds.get(name, 0) + now - self._since
        self._since = now


class _Wire:
    """A request as it travels: signed by one side, verified by the other, bytes in and out."""

    book = CpuBook()

    def __init__(self, sender: SigningKey) -> None:
        self._sender = sender
        self._nonces = NonceMemory()

    def send(self, path: str, body: bytes) -> dict[str, str]:
        with _Wire.book.stage("requests.sign"):
            headers = sign_request("POST", path, body, self._sender, unix_time())
            return {name.lower(): value for name, value in headers.items()}

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> VerifyKey:
        public = self._sender.public
        with _Wire.book.stage("requests.verify"):
            return verify_request(
                "POST",
                path,
                headers,
                body,
                lambda key_id: public if key_id == public.key_id else None,
                self._nonces,
                unix_time(),
            )


class _Authority(AuthorityClient):
    """The gateway's client, with the authority's service at the other end of the call."""

    def __init__(self, service: AuthorityService, gateway: SigningKey) -> None:
        self._service = service
        self._wire = _Wire(gateway)
        self.book = CpuBook()

    def session_key(self, request: SessionKeyRequest) -> SessionKeyResponse:
        answer = self._call("makeKey", request, SessionKeyRequest, self._service.open_session)
        return SessionKeyResponse.decode(answer)

    def encrypted_bits(self, request: MaskedProduct) -> EncryptedBits:
        answer = self._call("encryptBits", request, MaskedProduct, self._service.encrypt_bits)
        return EncryptedBits.decode(answer)

    def decision(self, request: BlindedRows) -> DecisionResponse:
        answer = self._call("decide", request, BlindedRows, self._service.decide)
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


class _Gateway(GatewayClient):
    """The device's client, with the gateway's service at the other end of the call."""

    def __init__(self, service: GatewayService, device: SigningKey) -> None:
        self._service = service
        self._wire = _Wire(device)
        self.book = CpuBook()

    def open_session(self, request: SessionRequest) -> tuple[SessionOffer, Exchange]:
        body = request.encode()
        headers = self._wire.send(BASE, body)
        with self.book.stage("gateway.offerSession"):
            sender = self._wire.receive(BASE, headers, body)
            answer = self._service.open_session(SessionRequest.decode(body), sender).encode()
        return SessionOffer.decode(answer), Exchange(answer, len(body), len(answer))

    def submit(self, session: SessionId, submission: bytes) -> tuple[Verification, Exchange]:
        headers = self._wire.send(BASE, submission)
        with self.book.stage("gateway.verify"):
            parsed = Submission.decode(submission)
            sender = self._wire.receive(BASE, headers, submission)
            view = self._service.submit(session, parsed, digest_of(submission), sender)
        if view.outcome is None or view.record_id is None or view.receipt is None:
            raise RuntimeError("the gateway answered no outcome")
        answer = Verification(view.outcome, view.record_id, view.receipt)
        return answer, Exchange(view.receipt, len(submission), len(view.receipt))


class _Issuer(TemplateIssuer):
    book = CpuBook()

    def issue(
        self, template: NDArray[np.floating], subject: Subject, session: SessionToServe, now: int
    ) -> IssuedTemplate:
        with self.book.stage("issuer.issueTemplate"):
            return super().issue(template, subject, session, now)


class _Database(Database):
    book = CpuBook()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.book.stage("storage.transactions"), super().transaction() as connection:
            yield connection


class _Caps(AttemptCaps):
    book = CpuBook()

    def admit(self, handles: Sequence[SubjectHandle], device: PartyId) -> AttemptId:
        with self.book.stage("storage.caps"):
            return super().admit(handles, device)

    def conclude(self, attempt: AttemptId, *, matched: bool) -> None:
        with self.book.stage("storage.caps"):
            super().conclude(attempt, matched=matched)


class _Log(Publication):
    """A log that sequences each entry alone: the most that an entry can cost."""

    book = CpuBook()

    @classmethod
    def of(cls, database: Database) -> "_Log":
        signer = NoteSigner.from_seed("bench/log", Kind.ED25519, secrets.token_bytes(SEED_BYTES))
        sequencer = Sequencer(database, Alone(), [signer], NoWitnesses(), unix_time)
        return cls(database, Inline(sequencer), 60)

    def receipt(self, record: store.RecordRow) -> bytes | None:
        with self.book.stage("log.prove"):
            return super().receipt(record)

    def wait_for(self, record_id: RecordId) -> None:
        with self.book.stage("log.sequence"):
            super().wait_for(record_id)


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


class _Auditor(AuditorClient):
    """The gateway's client, with the auditor's service at the other end of the call."""

    book = CpuBook()
    sent = 0
    """Bytes of the last request."""

    def __init__(
        self, key: SigningKey, sealing: SealingPrivateKey, parties: Register, gateway: SigningKey
    ) -> None:
        self.key, self.sealing = key, sealing
        auditing = Auditing(parties, sealing, repeat_here, True, frozenset())
        self._service = AuditorService(key, auditing, unix_time)
        self._wire = _Wire(gateway)

    @classmethod
    def of(
        cls,
        directory: Path,
        authority: SigningKey,
        gateway: SigningKey,
        device: SigningKey,
        issuer: SigningKey,
    ) -> "_Auditor":
        parties = Register(directory / "parties.json")
        for kind, key in (("authority", authority), ("device", device), ("issuer", issuer)):
            given = {"kind": kind, "party": key.party, "public_key": key.public.raw.hex()}
            parties.enrol(register.Enrolled.model_validate(given))
        return cls(SigningKey.generate("auditor"), SealingPrivateKey.generate(), parties, gateway)

    def audit(self, request: AuditRequest) -> AuditResponse:
        body = request.encode()
        self.sent = len(body)
        headers = self._wire.send("/v1/audits", body)
        with self.book.stage("auditor.repeat"):
            sender = self._wire.receive("/v1/audits", headers, body)
            answer = self._service.audit(AuditRequest.decode(body), sender)
        return AuditResponse.decode(answer)


class InProcessDeployment:
    """One of each party, keys drawn afresh, storage in a directory."""

    def __init__(self, directory: Path, *, audited: bool = False) -> None:
        """``audited``: the authority demands an audit of every evaluation."""
        device, issuer = SigningKey.generate(DEVICE), SigningKey.generate(ISSUER)
        gateway, authority = SigningKey.generate(GATEWAY), SigningKey.generate(AUTHORITY)
        sealing = SealingPrivateKey.generate()
        no_limits = CapLimits(10**6, 10**6, 10**6, 0)
        self._caps = _Caps(directory / "caps.sqlite3", no_limits, unix_time)
        audits = AuditPolicy(int(audited), 60, 3)
        self._ledger = _Ledger(directory / "audits.sqlite3", 3, unix_time)
        self._auditor = _Auditor.of(directory, authority, gateway, device, issuer)
        enrolled = {
            "gateway": gateway,
            "device": device,
            "issuer": issuer,
            "auditor": self._auditor.key,
        }
        service = _authority_service(
            directory, authority, enrolled, self._caps, audits, self._ledger
        )
        self._authority = _Authority(service, gateway)
        self._database = _Database(f"sqlite:///{directory / 'bench.sqlite3'}")
        self._database.migrate()
        with self._database.transaction() as connection:
            store.enrol_party(connection, "device", DEVICE, device.public.raw)
            store.enrol_party(connection, "issuer", ISSUER, issuer.public.raw)
            store.enrol_party(connection, "agent", "agent", None)
            store.enrol_party(connection, "outlet", "outlet", None)
        self._log = _Log.of(self._database)
        policy = default_policy(_settings(directory, authority))
        matching = GatewayService(
            Identity(gateway, sealing, authority.public),
            policy,
            Limits(180, 10**6),
            self._database,
            self._authority,
            OpenSessions(10, unix_time),
            Evaluation.fresh,
            self._log,
            unix_time,
            Auditor(self._auditor, self._auditor.key.public, self._auditor.sealing.public),
        )
        self._gateway = _Gateway(matching, device)
        self._issuer = _Issuer(
            issuer,
            secrets.token_bytes(32),
            Pins(authority.public, GATEWAY, sealing.public),
            MODEL,
            default_engine(),
        )
        self._client = RegistrationClient(
            self._gateway,
            self._issuer,
            CounterIdentity(device, "agent", "outlet"),
            _trust(gateway, sealing, authority, policy.digest),
            MODEL,
            default_engine(),
            unix_time,
        )

    def verify(self, template: NDArray[np.float64], probe: NDArray[np.float64]) -> CpuBook:
        """One registration; returns where its CPU time went."""
        book = _Wire.book = CpuBook()
        self._authority.book = self._gateway.book = self._issuer.book = book
        self._database.book = self._caps.book = book
        self._auditor.book = self._ledger.book = self._log.book = book
        occasion = Occasion(Subject.of("passport", "BENCH0001"), "order")
        with book.stage("client.registration"):
            result = self._client.register(template, probe, occasion)
        if result.outcome != "MATCH":
            raise RuntimeError("the benchmark's pair did not match")
        return book

    @property
    def audit_bytes(self) -> int:
        """Size of the last request to the auditor."""
        return self._auditor.sent

    def close(self) -> None:
        self._database.close()
        self._caps.close()
        self._ledger.close()


def unit_pair(
    rng: np.random.Generator, cosine: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors of 512 values with this cosine."""
    a, b = rng.normal(size=512), rng.normal(size=512)
    a /= np.linalg.norm(a)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    return a, cosine * a + np.sqrt(1 - cosine * cosine) * b


def _authority_service(
    directory: Path,
    authority: SigningKey,
    enrolled: dict[str, SigningKey],
    caps: AttemptCaps,
    audits: AuditPolicy,
    ledger: AuditLedger,
) -> AuthorityService:
    own = Custody(authority, secrets.token_bytes(32))
    trust = TrustList(directory / "trust.json", own.chain_keys)
    parties = [party_of(kind, key.party, key.public.raw.hex()) for kind, key in enrolled.items()]
    trust.enrol(parties, authority, unix_time())
    return AuthorityService(
        Settings(AUTHORITY, 300, audits),
        own,
        trust,
        SessionTable(1000, unix_time),
        caps,
        ledger,
        make_local_secret,
        unix_time,
    )


def _settings(directory: Path, authority: SigningKey) -> GatewaySettings:
    return GatewaySettings(
        data_dir=directory,
        authority_public_key=authority.public.raw.hex(),
        model_id=MODEL.model_id,
        model_digest=MODEL.digest.hex(),
    )


def _trust(
    gateway: SigningKey, sealing: SealingPrivateKey, authority: SigningKey, policy: Digest
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
                party=AUTHORITY, url="http://127.0.0.1", public_key=authority.public.raw.hex()
            )
        ],
        policies=[policy.hex()],
    )
