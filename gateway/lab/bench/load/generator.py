"""A generator's process: one client, which registers one person after the other.

It is the counter's own code: ``RegistrationClient`` and ``TemplateIssuer``. Portraits and captures
were embedded before the run. Every verification has a session, a session key, encryptions and a
document of its own. A real counter's small files (how often a document was asserted, mismatches in
a row) are left out: each shop has its own disk for them. One process is one client, so no client
waits for another one's turn in the interpreter.
"""

import secrets
import signal
import time
from collections.abc import Iterator, Sequence
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
from gateway.client.gateway_client import GatewayClient
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
from gateway.lab.bench.load.arrivals import Plan, Turn
from gateway.lab.bench.load.deployment import Keys
from gateway.lab.bench.load.figures import Done
from gateway.lab.bench.load.line import CountedLine, Passage, Routes
from gateway.lab.deployment.parties import AGENT, OUTLET
from gateway.proofs.trust import TrustFile
from gateway.wire.errors import SealmatchError
from gateway.wire.policy import MatchPolicy
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject

Vector = NDArray[np.floating[Any]]
_CRYPTO: Final = ("verifySessionKey", "issueTemplate", "encryptProbe", "verifyReceipt")
"""Stages of a registration that are the client's and the reader's cryptography."""
_PROBE_BYTES: Final = 16


@dataclass(frozen=True)
class Assignment:
    """What a generator's process is given.

    Attributes:
        client: its number, which is where it begins among counters and gateways.
        pairs: portraits and captures, unit vectors.
        patience: seconds until an answer is given up.
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
    client.verify(0.0, time.monotonic())  # warm; nobody counts it
    shared.ready.wait()
    shared.ready.wait()  # the parent has noted the start
    began = float(shared.began.value)
    while not shared.stop.is_set():
        due = given.plan.due(shared.turn, time.monotonic() - began)
        if due is None or shared.stop.wait(max(0.0, began + due - time.monotonic())):
            break
        with suppress(BrokenPipeError):
            out.send(client.verify(due, began))
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
        gateway, client = self._counters[self._next % len(self._counters)]
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
            due,
            ended - began,
            stages,
            None if registered is None else registered.outcome,
            self._expected(gateway.offer, template, probe),
            error=error,
            refused=_made_good(self.line.passages, error),
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
        gateway = _Gateway(self._http, trust.gateways[0].url, keys.device, unix_time)
        issuer = TemplateIssuer(keys.issuer, keys.site_salt, pins, model, engine)
        identity = CounterIdentity(keys.device, AGENT, OUTLET)
        client = RegistrationClient(gateway, issuer, identity, trust, model, engine, unix_time)
        return gateway, client


class _Gateway(GatewayClient):
    """The client's gateway; it remembers the last offer."""

    offer: SessionOffer | None = None

    def open_session(self, request: SessionRequest) -> Any:
        self.offer = None
        opened = super().open_session(request)
        self.offer = opened[0]
        return opened


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
