"""A generator's process: one client, which registers one person after the other.

It is the counter's own code: ``RegistrationClient`` and ``TemplateIssuer``. Portraits and captures
were embedded before the run. Every verification has a session, a session key, encryptions and a
document of its own. A real counter's small files (how often a document was asserted, mismatches in
a row) are left out: each shop has its own disk for them. One process is one client, so no client
waits for another one's turn in the interpreter.
"""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from numpy.typing import NDArray

from gateway.client.counter import TIMEOUT_SECONDS
from gateway.client.exchange import Exchange
from gateway.client.gateway_client import GatewayClient, Verification
from gateway.client.pending import PendingReceipt
from gateway.client.registration import (
    CounterIdentity,
    Measurements,
    Occasion,
    Registration,
    RegistrationClient,
)
from gateway.he.engine import default_engine
from gateway.he.frame import probe_signs, template_values
from gateway.host.clock import unix_time
from gateway.host.memory import keep_heap
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.lab.bench.load.arrivals import ClosedLoop, Plan, Turn
from gateway.lab.bench.load.deployment import Keys
from gateway.lab.bench.load.figures import Done
from gateway.lab.bench.load.line import CountedLine, Passage, Routes
from gateway.lab.deployment.parties import AGENT, OUTLET
from gateway.proofs.trust import TrustFile
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject

Vector = NDArray[np.floating[Any]]
_CRYPTO: Final = ("verifySessionKey", "issueTemplate", "encryptProbe", "verifyReceipt")
"""Stages of a registration that are the client's and the reader's cryptography."""
_PROBE_BYTES: Final = 16
_PAUSE_SECONDS: Final = 0.5
"""After a verification that failed, in a closed loop: nobody at a counter begins again at once."""


@dataclass(frozen=True)
class Assignment:
    """What a generator's process is given.

    Attributes:
        client: its number, which is where it begins among counters and gateways.
        pairs: portraits and captures, unit vectors.
        patience: seconds until an answer is given up.
        doubled: each submission is sent twice at the same time.
    """

    client: int
    counters: Sequence[Keys]
    pairs: Sequence[tuple[Vector, Vector]] = field(repr=False)
    trust: Path
    model: Model
    plan: Plan
    ports: Sequence[int]
    sharded: bool
    patience: float = TIMEOUT_SECONDS
    doubled: bool = False


@dataclass(frozen=True)
class Signals:
    """What clients and their parent have in common.

    Attributes:
        start: all clients are warm, and the parent knows that they are.
        began: the start by the monotonic clock.
        stop: nothing more is to begin.
    """

    turn: Turn
    ready: Barrier
    began: Any
    stop: Event


class SharedTurn:
    """Numbers from 0 for several processes."""

    def __init__(self, value: Any) -> None:
        """``value``: a ``multiprocessing.Value`` of a whole number."""
        self._value = value

    def next(self) -> int:
        with self._value.get_lock():
            number = int(self._value.value)
            self._value.value = number + 1
        return number


def generate(given: Assignment, shared: Signals, out: Connection) -> None:
    """Run one client until its plan is over or it is stopped; every result goes to ``out``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    keep_heap()
    client = Client(given)
    out.send(client.verify(0.0, time.monotonic()))  # warm; it does not count
    shared.ready.wait()
    shared.ready.wait()  # the parent has noted the start
    began = float(shared.began.value)
    while not shared.stop.is_set():
        due = given.plan.due(shared.turn, time.monotonic() - began)
        if due is None or shared.stop.wait(max(0.0, began + due - time.monotonic())):
            break
        done = client.verify(due, began)
        with suppress(BrokenPipeError):
            out.send(done)
        if done.error is not None and isinstance(given.plan, ClosedLoop):
            shared.stop.wait(_PAUSE_SECONDS)
    out.close()


class Client:
    """One client. It goes round the counters, so each verification has another device."""

    def __init__(self, given: Assignment) -> None:
        self._given = given
        self._trust = TrustFile.read(given.trust)
        routes = Routes(given.ports, given.client, sharded=given.sharded)
        self.line = CountedLine(routes, "127.0.0.1", given.patience)
        self._http = httpx.Client(transport=self.line, timeout=given.patience)
        self._counters = [self._counter(keys) for keys in given.counters]
        self._next = given.client

    def verify(self, due: float, began: float) -> Done:
        """One verification, which was to begin ``due`` seconds after ``began``."""
        counter = self._next % len(self._counters)
        gateway, client = self._counters[counter]
        template, probe = self._given.pairs[self._next % len(self._given.pairs)]
        self._next += 1
        self.line.passages.clear()
        before = self.line.sent, self.line.received
        spent = _Spent()
        sending: list[PendingReceipt] = []
        start, cpu = time.monotonic(), time.process_time()
        registered: Registration | None = None
        error: str | None = None
        try:
            occasion = Occasion(_document(), secrets.token_hex(8))
            registered = client.register(template, probe, occasion, spent, sending.append)
        except SealmatchError as fault:
            error = type(fault).__name__
        ended, cpu = time.monotonic(), time.process_time() - cpu
        stages = _stages(spent, self.line.passages, began + due, start, ended)
        return Done(
            self._given.client,
            counter,
            due,
            ended - began,
            stages,
            None if registered is None else registered.outcome,
            self._expected(gateway.offer, template, probe),
            error=error,
            refused=_made_good(self.line.passages, error),
            doubled=gateway.second_said(registered),
            sent=self.line.sent - before[0],
            received=self.line.received - before[1],
            crypto_ms=spent.cpu * 1e3,
            other_ms=(cpu - spent.cpu) * 1e3,
            opening=sending[-1].encode() if error and sending else b"",
            **_identity(registered, sending),
        )

    def _expected(self, offer: SessionOffer | None, template: Vector, probe: Vector) -> str:
        """What the plaintexts decide under the policy that was offered."""
        if offer is None:
            return ""
        value = int(probe_signs(probe) @ template_values(template))
        lanes = MatchPolicy.decode(offer.policy).lanes
        return "MATCH" if all(lane.accepts(value) for lane in lanes) else "NO_MATCH"

    def _counter(self, keys: Keys) -> tuple["_Gateway", RegistrationClient]:
        trust, engine, model = self._trust, default_engine(), self._given.model
        authority = trust.authorities[0].party
        pins = Pins(
            trust.authority_key(authority),
            trust.gateways[0].party,
            trust.gateways[0].sealing,
            trust.authority_sealing(authority),
        )
        url = trust.gateways[0].url
        gateway = _Gateway(self._http, url, keys.device, unix_time)
        if self._given.doubled:
            routes = Routes(self._given.ports, self._given.client, sharded=self._given.sharded)
            line = CountedLine(routes, "127.0.0.1", self._given.patience)
            transport = httpx.Client(transport=line, timeout=self._given.patience)
            gateway.second = GatewayClient(transport, url, keys.device, unix_time)
        issuer = TemplateIssuer(keys.issuer, keys.site_salt, pins, model, engine)
        identity = CounterIdentity(keys.device, AGENT, OUTLET)
        client = RegistrationClient(gateway, issuer, identity, trust, model, engine, unix_time)
        return gateway, client


class _Gateway(GatewayClient):
    """The client's gateway.

    Attributes:
        offer: the last one.
        second: sends a copy of each submission at the same time, under a signature of its own.
    """

    offer: SessionOffer | None = None
    second: GatewayClient | None = None
    _heard: str | None = None
    _record: bytes = b""

    def open_session(self, request: SessionRequest) -> tuple[SessionOffer, Exchange]:
        self.offer, self._heard = None, None
        opened = super().open_session(request)
        self.offer = opened[0]
        return opened

    def submit(
        self,
        session: SessionId,
        submission: bytes,
        before_sending: Callable[[], None] = lambda: None,
    ) -> tuple[Verification, Exchange]:
        if self.second is None:
            return super().submit(session, submission, before_sending)
        copy = threading.Thread(target=self._copy, args=(self.second, session, submission))
        copy.start()
        try:
            return super().submit(session, submission, before_sending)
        finally:
            copy.join()

    def second_said(self, done: Registration | None) -> str | None:
        """The same, another, or the kind of error of the second copy; None: there was none."""
        if self._heard != "decided" or done is None:
            return self._heard
        return "the same" if self._record == done.record_id else "another"

    def _copy(self, second: GatewayClient, session: SessionId, submission: bytes) -> None:
        try:
            answer, _ = second.submit(session, submission)
        except SealmatchError as error:
            self._heard = type(error).__name__
        else:
            self._heard, self._record = "decided", answer.record_id


class _Spent(Measurements):
    """Books the CPU time of the cryptographic stages."""

    cpu = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        before = time.process_time()
        with super().stage(name):
            yield
        if name in _CRYPTO:
            self.cpu += time.process_time() - before


def _stages(
    spent: Measurements, passages: Sequence[Passage], due: float, start: float, ended: float
) -> dict[str, float]:
    """Seconds by stage: see ``figures.STAGES``."""
    took = {name: ms / 1e3 for name, ms in spent.timings_ms.items()}
    stages = {"wait": max(0.0, start - due), "whole": ended - due}
    if "session" in took:
        stages["open"] = took["session"]
    if "encryptProbe" in took:
        stages["encrypt"] = sum(took[name] for name in _CRYPTO[:3])
    submitted = [one for one in passages if one.kind == "submit"]
    if submitted:
        stages["submit"] = submitted[0].seconds
        stages["receipt"] = ended - submitted[0].began - submitted[0].seconds
    return stages


def _made_good(passages: Sequence[Passage], error: str | None) -> tuple[str, ...]:
    """Answers that were no result, and after which the verification went on."""
    wrong = [
        f"{one.kind} {one.status or 'lost'}" for one in passages if one.status not in (200, 202)
    ]
    return tuple(wrong if error is None else wrong[:-1])


def _identity(done: Registration | None, sending: Sequence[PendingReceipt]) -> dict[str, bytes]:
    if done is None:
        return {"session": sending[-1].session} if sending else {}
    stated = done.verified.statement.message
    return {
        "session": stated.session,
        "key_id": done.verified.decision.message.key_id,
        "probe": done.verified.decision.message.probe_digest[:_PROBE_BYTES],
        "record": done.record_id,
    }


def _document() -> Subject:
    """A document that was never seen."""
    return Subject.of("passport", f"L{secrets.randbelow(10**8):08}")
