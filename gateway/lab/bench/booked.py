"""The parties' own code with its CPU time booked: each millisecond to exactly one stage."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from gateway.auditor import register
from gateway.auditor.register import Register
from gateway.auditor.repetition import repeat_here
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing
from gateway.client.exchange import Exchange
from gateway.client.gateway_client import GatewayClient, Verification
from gateway.host.clock import unix_time
from gateway.issuer.issuer import IssuedTemplate, SessionToServe, TemplateIssuer
from gateway.sequencing.publication import Inline, Publication
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server.authority_client import AuditorClient
from gateway.server.service import GatewayService
from gateway.store import records
from gateway.store.database import Database
from gateway.store.log import EntryKind
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner
from gateway.wire.audit import AuditRequest, AuditResponse
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.ids import RecordId, SessionId, digest_of
from gateway.wire.requests import NonceMemory, sign_request, verify_request
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject
from gateway.wire.submission import PortraitSource, Submission

BASE = "/face-verification/v0.1/sessions"
HOST = "peer.example"


class CpuBook:
    """Process CPU time by stage. Time in a nested stage is booked to the nested stage alone."""

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


class Wire:
    """A request as it travels: signed by one side, verified by the other, bytes in and out."""

    book = CpuBook()

    def __init__(self, sender: SigningKey) -> None:
        self._sender = sender
        self._nonces = NonceMemory()

    def send(self, path: str, body: bytes) -> dict[str, str]:
        with Wire.book.stage("requests.sign"):
            headers = sign_request("POST", HOST, path, body, self._sender, unix_time())
            return {"host": HOST} | {name.lower(): value for name, value in headers.items()}

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> VerifyKey:
        public = self._sender.public
        with Wire.book.stage("requests.verify"):
            return verify_request(
                "POST",
                path,
                headers,
                body,
                frozenset({HOST}),
                lambda key_id: public if key_id == public.key_id else None,
                self._nonces,
                unix_time(),
            )


class BookedGateway(GatewayClient):
    """The device's client, with the gateway's service at the other end of the call."""

    def __init__(self, service: GatewayService, device: SigningKey) -> None:
        self._service = service
        self._wire = Wire(device)
        self.book = CpuBook()

    def open_session(self, request: SessionRequest) -> tuple[SessionOffer, Exchange]:
        body = request.encode()
        headers = self._wire.send(BASE, body)
        with self.book.stage("gateway.offerSession"):
            sender = self._wire.receive(BASE, headers, body)
            answer = self._service.open_session(SessionRequest.decode(body), sender).encode()
        return SessionOffer.decode(answer), Exchange(answer, len(body), len(answer))

    def submit(
        self,
        session: SessionId,
        submission: bytes,
        before_sending: Callable[[], None] = lambda: None,
    ) -> tuple[Verification, Exchange]:
        before_sending()
        headers = self._wire.send(BASE, submission)
        with self.book.stage("gateway.verify"):
            parsed = Submission.decode(submission)
            sender = self._wire.receive(BASE, headers, submission)
            digest = digest_of(submission)
            view = self._service.submit(session, parsed, digest, sender)
        if view.outcome is None or view.record_id is None or view.receipt is None:
            raise RuntimeError("the gateway answered no outcome")
        answer = Verification(view.outcome, view.record_id, view.receipt)
        return answer, Exchange(view.receipt, len(submission), len(view.receipt))


class BookedIssuer(TemplateIssuer):
    book = CpuBook()

    def issue(
        self,
        template: NDArray[np.floating],
        subject: Subject,
        session: SessionToServe,
        now: int,
        source: PortraitSource = "photographed",
    ) -> IssuedTemplate:
        with self.book.stage("issuer.issueTemplate"):
            return super().issue(template, subject, session, now, source)


class BookedDatabase(Database):
    book = CpuBook()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.book.stage("storage.transactions"), super().transaction() as connection:
            yield connection


class BookedLog(Publication):
    """A log that sequences each entry alone, which is the most that an entry can cost."""

    book = CpuBook()

    @classmethod
    def of(cls, database: Database) -> "BookedLog":
        signer = NoteSigner.from_seed("bench/log", Kind.ED25519, secrets.token_bytes(SEED_BYTES))
        sequencer = Sequencer(database, Alone(), [signer], NoWitnesses(), unix_time)
        return cls(database, Inline(sequencer), 60)

    def receipt(self, record: records.RecordRow) -> bytes | None:
        with self.book.stage("log.prove"):
            return super().receipt(record)

    def wait_for(self, row: RecordId, kind: EntryKind = "decision") -> None:
        with self.book.stage("log.sequence"):
            super().wait_for(row, kind)


class BookedAuditor(AuditorClient):
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
        self._wire = Wire(gateway)

    @classmethod
    def of(
        cls,
        directory: Path,
        authority: SigningKey,
        gateway: SigningKey,
        device: SigningKey,
        issuer: SigningKey,
    ) -> "BookedAuditor":
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
