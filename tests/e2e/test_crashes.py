"""Every server killed at every step of an audited session; disks and databases that fail there.

Whatever happens: the client gets an error after which it may start again, or the final answer,
and when it asks again the answer is still that one. There is a whole record or none, each record
is counted once, an attempt is counted before anything is answered, a demand for an audit is noted
before it leaves and stays until its report has come, and after a restart all works.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.proofs.verify import verify_receipt
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult
from gateway.wire.evaluation import BlindedRows, DecisionResponse
from gateway.wire.host.http import CBOR
from gateway.wire.ids import digest_of
from gateway.wire.requests import sign_request
from gateway.wire.session import SessionOffer
from tests.e2e.test_faults import AUDITOR, AUTHORITY, GATEWAY, full_disk, kill, revive
from tests.support.crashing import points
from tests.support.deployment import (
    AUDITS,
    MASKED,
    ROWS,
    SESSION_KEYS,
    SESSIONS,
    Counter,
    Observed,
    Opened,
    assert_problem,
    free_ports,
    gateway_database,
    gateway_signing_key,
    honest,
    pair,
    session_request,
    unix_time,
    verified,
)
from tests.support.sealed import sealed_authority
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]

GATEWAY_STEPS = (
    "gateway-session-allowed",
    "gateway-key-received",
    "gateway-session-written",
    "gateway-submission-taken",
    "gateway-submission-checked",
    "gateway-product-made",
    "gateway-bits-received",
    "gateway-rows-made",
    "gateway-demand-received",
    "gateway-report-received",
    "gateway-decision-received",
    "gateway-record-half-written",
    "gateway-record-written",
    "gateway-record-committed",
    "gateway-receipt-ready",
)
AUTHORITY_STEPS = (
    "authority-session-granted",
    "authority-session-kept",
    "authority-assertions-checked",
    "authority-attempt-written",
    "authority-attempt-counted",
    "authority-bits-made",
    "authority-bits-kept",
    "authority-coin-tossed",
    "authority-demand-written",
    "authority-demand-noted",
    "authority-demand-kept",
    "authority-report-accepted",
    "authority-answer-written",
    "authority-answer-noted",
    "authority-key-destroyed",
    "authority-outcome-written",
    "authority-attempt-concluded",
    "authority-decision-kept",
)
AUDITOR_STEPS = ("auditor-demand-counted", "auditor-evaluation-repeated", "auditor-report-signed")
"""In the order of a registration, which here is always audited."""

OPEN_DEMAND = {
    "gateway-demand-received",
    "gateway-report-received",
    "authority-demand-noted",
    "authority-demand-kept",
    "authority-report-accepted",
    "authority-answer-written",
    *AUDITOR_STEPS,
}
"""Where a demand is on disk and no report has been accepted."""

PATIENCE = 40
"""Seconds within which every client has its answer."""


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps") / "folder")


@pytest.fixture(scope="module")
def deployment(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    root = tmp_path_factory.mktemp("crashes")
    few = {
        "SEALMATCH_AUTHORITY_WORKERS": "1",
        "SEALMATCH_GATEWAY_WORKERS": "1",
        "SEALMATCH_AUTHORITY_SESSION_SECONDS": "900",
        "SEALMATCH_AUTHORITY_AUDIT_SECONDS": "900",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**steps.environment(), **few}.items():
            patch.setenv(name, value)
        settings = {"authority_seconds": "8", "auditor_seconds": "8"}
        with Observed(root, port=free_ports(3), audit_one_in=1, **settings) as deployment:
            yield deployment


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
    assert {o: outcomes.count(o) for o in outcomes} == {
        o: n for o, n in counted.items() if o in ("MATCH", "NO_MATCH")
    }, "each record is counted once"
    return Stored(records, counted, decided, attempts, [number for (number,) in demands])


def ledger(deployment: Observed, name: str, query: str) -> list[Any]:
    """What one of the authority's files holds."""
    path = deployment.directories.authority / name
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
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


@pytest.fixture
def counter(deployment: Observed, steps: Steps) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    steps.disarm()
    revive(deployment)
    counter.close()


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
        else:
            assert_problem(again, 404, 409)
    next_one = counter.register(*pair(0.7))
    assert next_one.outcome == "MATCH"
    assert next_one.verified.audited


def _decoded(receipt: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4))


def test_no_point_of_the_servers_is_left_out() -> None:
    servers = ("gateway-", "authority-", "auditor-")
    of_servers = {name for name in points() if name.startswith(servers)}
    assert of_servers == {*GATEWAY_STEPS, *AUTHORITY_STEPS, *AUDITOR_STEPS}


@pytest.mark.parametrize("step", GATEWAY_STEPS)
def test_the_gateway_killed(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    before = stored(deployment)
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached, "the step is one of a registration"
    assert deployment.servers[GATEWAY].process.wait(10) == -9
    assert attempt.answer is None, "a dead server answers nothing"
    revive(deployment)
    after = stored(deployment)
    recorded = len(after.records) - len(before.records)
    assert recorded == (step in ("gateway-record-committed", "gateway-receipt-ready"))
    assert_demanded(step, before, after)
    check_afterwards(attempt, before, after, counter)


@pytest.mark.parametrize("step", AUTHORITY_STEPS)
def test_the_authority_killed(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    before = stored(deployment)
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached
    assert deployment.servers[AUTHORITY].process.wait(10) == -9
    assert not attempt.final
    after = stored(deployment)
    assert after.records == before.records
    new = after.attempts[len(before.attempts) :]
    assert after.attempts[: len(before.attempts)] == before.attempts
    place = AUTHORITY_STEPS.index(step)
    counted = place >= AUTHORITY_STEPS.index("authority-attempt-counted")
    concluded = place >= AUTHORITY_STEPS.index("authority-attempt-concluded")
    assert len(new) == counted, "counted before anything is answered"
    assert [matched for _, matched in new] == [1 if concluded else None] * counted
    assert_demanded(step, before, after)
    revive(deployment)
    check_afterwards(attempt, before, after, counter)


@pytest.mark.parametrize("step", AUDITOR_STEPS)
def test_the_auditor_killed(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    before = stored(deployment)
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached
    assert deployment.servers[AUDITOR].process.wait(10) == -9
    assert not attempt.final, "nothing is decided without the report"
    after = stored(deployment)
    assert after.records == before.records
    assert_demanded(step, before, after)
    revive(deployment)
    check_afterwards(attempt, before, after, counter)


def assert_demanded(step: str, before: Stored, after: Stored) -> None:
    """A demand is on file from before it leaves until its report is accepted; undecided so long."""
    assert after.demands[: len(before.demands)] == before.demands
    assert len(after.demands) - len(before.demands) == (step in OPEN_DEMAND)
    if step in OPEN_DEMAND:
        assert [matched for _, matched in after.attempts[len(before.attempts) :]] == [None]


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
        headers = sign_request("POST", path, body, self._key, unix_time())
        return self._authority.forward(path, body, {**headers, "content-type": CBOR})

    def forged_report(self) -> bytes:
        demand = DecisionResponse.decode(self.seen[ROWS][1]).demand or b""
        wanted = cose.peek(demand, AuditDemand).evaluated
        report = AuditReport(
            auditor="demo-auditor",
            demand_digest=digest_of(demand),
            evaluated_digest=wanted.digest,
            assertions_verified=True,
        )
        signed = cose.sign(report, self._key)
        return AuditResult(session=wanted.session, report=signed.encoded).encode()


def test_a_gateway_that_dies_at_a_demand_does_not_escape_it(
    deployment: Observed, steps: Steps, counter: Counter
) -> None:
    """Not by the same rows, other rows, the product again, a false report; not by a restart."""
    before = stored(deployment)
    replayed = Replayed(deployment)
    deployment.proxy.behaviour = replayed.watch
    steps.arm("gateway-demand-received")
    attempt = Attempt(counter).run()
    assert deployment.servers[GATEWAY].process.wait(10) == -9
    deployment.proxy.behaviour = honest
    rows = BlindedRows.decode(replayed.seen[ROWS][0])
    altered = bytearray(rows.blinded_rows)
    altered[2:9] = bytes(7)
    other = rows.model_copy(update={"blinded_rows": bytes(altered)}).encode()
    assert replayed.send(ROWS) == (200, replayed.seen[ROWS][1]), "the demand, and no second toss"
    assert replayed.send(ROWS, other)[0] == 403
    assert replayed.send(MASKED)[0] == 403
    assert replayed.send(AUDITS, replayed.forged_report())[0] == 403
    # The authority dies too: the session's key is gone, the demand is not.
    kill(deployment, AUTHORITY)
    revive(deployment)
    for path in (MASKED, ROWS):
        assert replayed.send(path)[0] == 404
    assert replayed.send(AUDITS, replayed.forged_report())[0] == 404
    # Opened again under its id, the session has another key, and the assertions name the old one.
    assert replayed.send(SESSION_KEYS)[0] == 200
    assert replayed.send(MASKED)[0] == 403
    after = stored(deployment)
    assert after.records == before.records
    assert_demanded("gateway-demand-received", before, after)
    check_afterwards(attempt, before, after, counter)


# Operators


ROTATE = ("keys", "rotate", "signing")


def test_an_operator_s_commands_killed(steps: Steps, tmp_path: Path) -> None:
    """The server opens what is there as before, and the command can be given again."""
    settings = sealed_authority(tmp_path, "authority")
    environment = {
        "SEALMATCH_AUTHORITY_DATA_DIR": str(tmp_path),
        "SEALMATCH_AUTHORITY_PASSPHRASE_FILE": str(settings.passphrase_file),
    }

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "keys.cli", *arguments],
            env={**os.environ, **steps.environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def killed(*arguments: str, nth: int = 1) -> None:
        steps.arm("secret-file-written", nth=nth)
        try:
            assert run(*arguments)[0] == -9
        finally:
            steps.disarm()

    activate = ("keys", "rotate", "signing", "--activate")
    enrol = ("enrol", "device", "new-device", "ab" * 32)
    assert run("enrol", "gateway", "a-gateway", "cd" * 32)[0] == 0
    before = json.loads(run(*activate[:3])[1])
    killed(*activate)  # the trust list's history has not passed to the new key
    killed(*activate, nth=2)  # it has; the keystore is the old one
    assert json.loads(run("keys", "show")[1]) == before
    assert json.loads(run(*activate)[1])["publicKey"] == before["nextPublicKey"]
    killed(*enrol)
    assert run("list")[1].split("\t")[:2] == ["gateway", "a-gateway"]
    assert run(*enrol)[0] == 0
    assert "new-device" in run("list")[1]


# Storage that fails at a step


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the database and does not let go."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


@contextlib.contextmanager
def full_authority_disk(deployment: Observed) -> Iterator[None]:
    """No file of the authority may grow by a byte, nor be written at all."""
    import resource

    pid = deployment.servers[AUTHORITY].process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def faulty(deployment: Observed, fault: str) -> contextlib.AbstractContextManager[None]:
    gateway = deployment.directories.gateway
    match fault:
        case "gateway's disk full":
            return full_disk(deployment.servers[GATEWAY].process.pid, gateway)
        case "authority's disk full":
            return full_authority_disk(deployment)
        case "gateway's database locked":
            return locked(gateway / "gateway.sqlite3")
    raise AssertionError(fault)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("gateway's disk full", "gateway-key-received"),
        ("gateway's disk full", "gateway-record-half-written"),
        ("gateway's database locked", "gateway-decision-received"),
        ("authority's disk full", "authority-assertions-checked"),
        ("authority's disk full", "authority-attempt-written"),
        ("authority's disk full", "authority-coin-tossed"),
        ("authority's disk full", "authority-report-accepted"),
        ("authority's disk full", "authority-key-destroyed"),
    ],
)
def test_storage_that_fails_at_a_step(
    deployment: Observed, steps: Steps, counter: Counter, fault: str, step: str
) -> None:
    """503, nothing recorded, and nothing decided that was not counted before."""
    before = stored(deployment)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as broken:
        with steps.held_at(step):
            running = pool.submit(Attempt(counter).run)
            steps.wait()
            broken.enter_context(faulty(deployment, fault))
        attempt = running.result(PATIENCE)
    assert not attempt.final
    after = stored(deployment)
    assert after.records == before.records
    assert len(after.attempts) - len(before.attempts) <= 1
    assert all(server.process.poll() is None for server in deployment.servers), "both go on"
    check_afterwards(attempt, before, after, counter)


def test_a_failed_session_does_not_touch_its_neighbours(
    deployment: Observed, steps: Steps, counter: Counter
) -> None:
    """An outcome that cannot be counted costs its own session, not the others' keys."""
    neighbour = counter.open()
    submission = counter.honest_submission(neighbour)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as broken:
        with steps.held_at("authority-key-destroyed"):
            running = pool.submit(Attempt(counter).run)
            steps.wait()
            broken.enter_context(full_authority_disk(deployment))
        assert not running.result(PATIENCE).final
    assert counter.submit(neighbour, submission).status_code == 200
