"""The authority and the auditor in one process with the gateway, each behind its transport."""

from collections.abc import Callable
from pathlib import Path

import httpx

from gateway.auditor.register import Enrolled as Party
from gateway.auditor.register import Register
from gateway.auditor.repetition import repeat_here
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing
from gateway.host.signed import FindKey
from gateway.wire.audit import AuditRequest, AuditResult
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import SealmatchError, problem_for
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.requests import NonceMemory, verify_request
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionKeyRequest
from keys.audits import AuditLedger, AuditPolicy
from keys.caps import CapLimits
from keys.custody import Custody
from keys.service import AuthorityRules as AuthorityServiceSettings
from keys.service import AuthorityService
from keys.sessions import SessionTable
from keys.vault import MemoryMacKey
from keys.workers import make_local_secret
from tests.support.counters import attempt_caps
from tests.support.drafts import CounterKeys
from tests.support.samples import ATTEMPTS, AUDITS, PRODUCTS, SESSION_KEYS, SHARES
from tests.support.trusted import SignedTrust

# All parties in one process


Alter = Callable[[str, bytes], bytes]
"""Path and honest answer of the authority -> what arrives; may raise ``httpx.HTTPError``."""


class Peers:
    """What the gateway asks. A test may read what it asked, and alter the answers."""

    def __init__(
        self,
        directory: Path,
        counter: CounterKeys,
        gateway: SigningKey,
        authority: SigningKey,
        authority_sealing: SealingPrivateKey,
        caps: CapLimits,
        audits: AuditPolicy,
        clock: Callable[[], int],
        pepper: bytes,
    ) -> None:
        self.clock = clock
        self._pepper = pepper
        self.authority_key = authority
        self.authority_sealing = authority_sealing
        self.auditor_key = SigningKey.generate("auditor")
        self.asked: list[tuple[str, bytes]] = []
        """Requests that reached the authority."""
        self.alter: Alter = lambda _path, answer: answer
        self._start_authority(directory, counter, gateway, caps, audits)
        self._start_auditor(directory, counter, gateway)

    def _start_authority(
        self,
        directory: Path,
        counter: CounterKeys,
        gateway: SigningKey,
        caps: CapLimits,
        audits: AuditPolicy,
    ) -> None:
        self.authority_trust = SignedTrust(directory / "authority-trust.json", self.authority_key)
        self.authority_trust.add("gateway", gateway)
        self.authority_trust.add("device", counter.device)
        self.authority_trust.add("issuer", counter.issuer)
        self.authority_trust.add("auditor", self.auditor_key)
        self.ledger = AuditLedger(directory / "audits.sqlite3", audits.unanswered, self.clock)
        self.caps = attempt_caps(directory / "caps.sqlite3", caps, self.clock)
        service = self.authority_service = AuthorityService(
            AuthorityServiceSettings("authority", 300, audits),
            Custody(
                self.authority_key,
                MemoryMacKey(self._pepper),
                sealing=(self.authority_sealing,),
            ),
            self.authority_trust,
            SessionTable(1000, self.clock),
            self.caps,
            self.ledger,
            make_local_secret,
            self.clock,
        )
        self._authority_nonces = NonceMemory()
        self._authority_routes: dict[str, Callable[[bytes, VerifyKey], bytes]] = {
            SESSION_KEYS: lambda b, s: service.open_session(SessionKeyRequest.decode(b), s),
            ATTEMPTS: lambda b, s: service.count(AttemptRequest.decode(b), s),
            PRODUCTS: lambda b, s: service.answer(ProductRequest.decode(b), s),
            SHARES: lambda b, s: service.decide(SharesRequest.decode(b), s),
            AUDITS: lambda b, s: service.conclude(AuditResult.decode(b), s),
        }

    def _start_auditor(self, directory: Path, counter: CounterKeys, gateway: SigningKey) -> None:
        self.auditor_sealing = SealingPrivateKey.generate()
        self.auditor_register = Register(directory / "auditor-parties.json")
        parties = (
            ("authority", self.authority_key),
            ("gateway", gateway),
            ("device", counter.device),
            ("issuer", counter.issuer),
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

    def _sender(
        self, host: str, request: httpx.Request, body: bytes, find: FindKey, nonces: NonceMemory
    ) -> VerifyKey:
        path, hosts, now = request.url.path, frozenset({host}), self.clock()
        return verify_request("POST", path, request.headers, body, hosts, find, nonces, now)

    def _at_auditor(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        self.audited.append(body)
        service = AuditorService(self.auditor_key, self.auditing, self.clock)
        try:
            sender = self._sender(
                "auditor",
                request,
                body,
                self.auditor_register.gateway_by_key_id,
                self._auditor_nonces,
            )
            answer = service.audit(AuditRequest.decode(body), sender)
        except SealmatchError as error:
            self.audit_faults.append(getattr(error, "detail", str(error)))
            return problem(error)
        return httpx.Response(200, content=self.alter_report(answer))

    def _at_authority(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.asked.append((path, body))
        try:
            sender = self._sender(
                "authority",
                request,
                body,
                self.authority_trust.gateway_by_key_id,
                self._authority_nonces,
            )
            answer = self._authority_routes[path](body, sender)
        except SealmatchError as error:
            return problem(error)
        return httpx.Response(200, content=self.alter(path, answer))


def problem(error: SealmatchError) -> httpx.Response:
    problem = problem_for(error)
    return httpx.Response(problem.status, json=problem.body())
