"""One registration by raw messages, and what it leaves on the servers' disks.

For tests that kill servers in the middle: ``stored`` before and after, ``check_afterwards`` for
what must hold then, and ``Replayed`` for a gateway that comes back and tries everything again.
"""

import base64
import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.host.clock import unix_time
from gateway.host.http import CBOR
from gateway.proofs.verify import verify_receipt
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult
from gateway.wire.evaluation import DecisionResponse
from gateway.wire.ids import digest_of
from gateway.wire.requests import sign_request
from gateway.wire.session import SessionOffer
from tests.support.counter import Counter
from tests.support.drafts import Opened, session_request, verified
from tests.support.observation import assert_problem, gateway_database, gateway_signing_key
from tests.support.observed import Observed
from tests.support.processes import PATIENCE
from tests.support.samples import SESSIONS, SHARES, pair


@dataclass(frozen=True)
class Stored:
    """What both servers keep on disk, as far as it must agree with itself."""

    records: dict[bytes, str]
    counted: dict[str, int]
    decided: set[bytes]
    attempts: list[tuple[int, int | None]]
    demands: list[int]
    """Of audits whose report has not come."""


def stored(deployment: Observed) -> Stored:
    """Read it, and check that it agrees with itself."""
    with gateway_database(deployment) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        records = dict(database.execute("select record_id, outcome from records"))
        (erased,) = database.execute("select count(*) from erasures").fetchone()
        sums = "select outcome, sum(count) from outcome_counters group by outcome"
        counted = dict(database.execute(sums))
        decided = {
            row[0]
            for row in database.execute("select record_id from sessions where state = 'DECIDED'")
        }
    attempts = ledger(deployment, "caps.sqlite3", "select id, matched from attempts order by id")
    demands = ledger(deployment, "audits.sqlite3", "select id from demands order by id")
    outcomes = list(records.values())
    assert decided <= set(records), "a session is decided by a record; it expires before that"
    assert all(outcomes.count(one) <= counted.get(one, 0) for one in outcomes)
    assert len(outcomes) + erased == sum(
        n for o, n in counted.items() if o in ("MATCH", "NO_MATCH", "FALLBACK")
    ), "each record is counted once, erased or not"
    return Stored(records, counted, decided, attempts, [number for (number,) in demands])


def ledger(deployment: Observed, name: str, query: str) -> list[Any]:
    """What one of the authority's files holds."""
    path = deployment.directories.authority / name
    with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        return database.execute(query).fetchall()


class Attempt:
    """One registration by raw messages, and what came back."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.opened: Opened | None = None
        self.body = b""
        self.answer: httpx.Response | None = None
        """None: the connection broke."""

    def run(self) -> "Attempt":
        try:
            self._open()
            if self.opened is not None:
                self.body = self.counter.honest_submission(self.opened).encode()
                self.answer = self.counter.submit(self.opened, self.body)
        except httpx.TransportError:
            self.answer = None
        return self

    def _open(self) -> None:
        request = session_request(self.counter.keys)
        answer = self.counter.send("POST", SESSIONS, request.encode())
        if answer.status_code == 200:
            offer = SessionOffer.decode(answer.content)
            self.opened = verified(self.counter.keys, request, offer, unix_time())
        else:
            self.answer = answer

    @property
    def final(self) -> bool:
        return self.answer is not None and self.answer.status_code == 200

    def again(self) -> httpx.Response:
        assert self.opened is not None
        return self.counter.submit(self.opened, self.body)


def check_afterwards(attempt: Attempt, before: Stored, after: Stored, counter: Counter) -> None:
    """One final answer or none, the same for ever; and the next registration passes."""
    new = set(after.records) - set(before.records)
    assert len(new) <= 1
    if attempt.answer is not None and not attempt.final:
        assert_problem(attempt.answer, 503)
    if attempt.final:
        assert new, "what the client was told is on record"
    if attempt.opened is not None and attempt.body:
        again = attempt.again()
        if new:
            assert again.status_code == 200
            assert again.json()["recordId"] == next(iter(new)).hex()
            assert attempt.answer is None or again.content == attempt.answer.content
            receipt = again.json()["receipt"]
            verify_receipt(_decoded(receipt), counter.trust)
        elif again.status_code == 200:
            assert after.attempts == before.attempts, "what could not be written was not evaluated"
        else:
            assert_problem(again, 404, 409)
    next_one = counter.register(*pair(0.7))
    assert next_one.outcome == "MATCH"
    assert next_one.verified.audited


def _decoded(receipt: str) -> bytes:
    return base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4))


class Replayed:
    """What a gateway's process sent and got, and its key: an attacker's, who has the host."""

    def __init__(self, deployment: Observed) -> None:
        self.seen: dict[str, tuple[bytes, bytes]] = {}
        self._key = gateway_signing_key(deployment)
        self._authority = deployment.proxy

    def watch(self, path: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> Any:
        status, answer = ask()
        self.seen[path] = (body, answer)
        return status, answer

    def send(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """What was sent there, or something else, under a fresh signature."""
        body = self.seen[path][0] if body is None else body
        host = self._authority.host
        headers = sign_request("POST", host, path, body, self._key, unix_time())
        return self._authority.forward(path, body, {**headers, "host": host, "content-type": CBOR})

    def forged_report(self) -> bytes:
        demand = DecisionResponse.decode(self.seen[SHARES][1]).demand or b""
        wanted = cose.peek(demand, AuditDemand).evaluated
        report = AuditReport(
            auditor="demo-auditor",
            demand_digest=digest_of(demand),
            evaluated_digest=wanted.digest,
            assertions_verified=True,
        )
        signed = cose.sign(report, self._key)
        return AuditResult(session=wanted.session, report=signed.encoded).encode()
