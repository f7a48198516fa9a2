"""Every server killed at every step of an audited session; disks and databases that fail there.

Whatever happens: the client gets an error after which it may start again, or the final answer,
and when it asks again the answer is still that one. There is a whole record or none, each record
is counted once, an attempt is counted before its nonce leaves, no product and no shares get a
second answer, a demand for an audit is noted before it leaves and stays until its report has come,
and after a restart all works.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.client.answers import NoAnswer
from gateway.client.rights import find_erasure
from gateway.proofs.erased import verify_erasure
from gateway.wire.errors import Refused
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.ids import digest_of
from gateway.wire.message import Message
from gateway.wire.profile import T
from tests.support.attempts import Attempt, Replayed, Stored, check_afterwards, stored
from tests.support.counter import Counter
from tests.support.crashing import points
from tests.support.observed import Observed, honest
from tests.support.processes import PATIENCE, free_ports
from tests.support.reviving import AUDITOR, AUTHORITY, GATEWAY, full_disk, kill, revive
from tests.support.samples import ATTEMPTS, AUDITS, PRODUCTS, SESSION_KEYS, SHARES, pair
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]

GATEWAY_STEPS = (
    "gateway-session-allowed",
    "gateway-key-received",
    "gateway-session-kept",
    "gateway-submission-checked",
    "gateway-submission-written",
    "gateway-submission-taken",
    "gateway-nonce-received",
    "gateway-product-made",
    "gateway-values-received",
    "gateway-shares-made",
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
    "authority-nonce-kept",
    "authority-values-made",
    "authority-values-kept",
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
FALLBACK_STEPS = (
    "gateway-fallback-checked",
    "gateway-fallback-half-written",
    "gateway-fallback-written",
    "gateway-fallback-committed",
    "gateway-fallback-ready",
)
"""Of a registration without a face. ``python -m tests.crash`` stops at each of them."""
SUBJECT_STEPS = (
    "gateway-withdrawal-written",
    "gateway-erasure-written",
    "gateway-wish-written",
    "gateway-wish-committed",
)
"""Of a withdrawal, which erases. ``unit/test_erasure_at_once.py`` stops at each of them."""
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
        settings = {"authority_seconds": "60", "auditor_seconds": "60"}
        with Observed(root, port=free_ports(3), audit_one_in=1, **settings) as deployment:
            yield deployment


@pytest.fixture
def counter(deployment: Observed, steps: Steps) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    steps.disarm()
    revive(deployment)
    counter.close()


def test_no_point_of_the_servers_is_left_out() -> None:
    servers = ("gateway-", "authority-", "auditor-")
    of_servers = {name for name in points() if name.startswith(servers)}
    of_gateway = {*GATEWAY_STEPS, *FALLBACK_STEPS, *SUBJECT_STEPS}
    assert of_servers == {*of_gateway, *AUTHORITY_STEPS, *AUDITOR_STEPS}


@pytest.mark.parametrize("step", GATEWAY_STEPS)
def test_the_gateway_killed(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    before = stored(deployment)
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached, "the step is one of a registration"
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
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
    replayed = Replayed(deployment)
    deployment.proxy.behaviour = replayed.watch
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached
    assert deployment.servers[AUTHORITY].process.wait(PATIENCE) == -9
    deployment.proxy.behaviour = honest
    assert not attempt.final
    after = stored(deployment)
    assert after.records == before.records
    new = after.attempts[len(before.attempts) :]
    assert after.attempts[: len(before.attempts)] == before.attempts
    place = AUTHORITY_STEPS.index(step)
    counted = place >= AUTHORITY_STEPS.index("authority-attempt-counted")
    concluded = place >= AUTHORITY_STEPS.index("authority-attempt-concluded")
    assert len(new) == counted
    assert counted or ATTEMPTS not in replayed.seen, "counted before the nonce leaves"
    assert [matched for _, matched in new] == [1 if concluded else None] * counted
    assert_demanded(step, before, after)
    revive(deployment)
    for path in {ATTEMPTS, PRODUCTS, SHARES} & replayed.seen.keys():
        assert replayed.send(path)[0] == 404, "no second answer: its key went with it"
    check_afterwards(attempt, before, after, counter)


@pytest.mark.parametrize("step", AUDITOR_STEPS)
def test_the_auditor_killed(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    before = stored(deployment)
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert steps.reached
    assert deployment.servers[AUDITOR].process.wait(PATIENCE) == -9
    assert not attempt.final, "nothing is decided without the report"
    after = stored(deployment)
    assert after.records == before.records
    assert_demanded(step, before, after)
    revive(deployment)
    check_afterwards(attempt, before, after, counter)


@pytest.mark.parametrize("step", ["gateway-wish-written", "gateway-wish-committed"])
def test_the_gateway_killed_while_it_erases(
    deployment: Observed, steps: Steps, counter: Counter, step: str
) -> None:
    """The real server: a whole record or its whole erasure, and a proof for who asks again."""
    done = counter.register(*pair(0.7))
    before = stored(deployment)
    steps.arm(step)
    with pytest.raises(NoAnswer):
        counter.ask(done, "withdraw")
    assert steps.reached
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    revive(deployment)
    committed = step == "gateway-wish-committed"
    after = stored(deployment)
    assert (done.record_id in after.records) == (not committed)
    assert len(before.records) - len(after.records) == committed
    assert (find_erasure(counter.line, done.receipt) is not None) == committed
    with pytest.raises(Refused) if committed else contextlib.nullcontext():
        counter.ask(done, "withdraw")
    deadline = time.monotonic() + PATIENCE
    while (proof := find_erasure(counter.line, done.receipt)) and proof.log_proof is None:
        assert time.monotonic() < deadline, "the log does not publish it"
        time.sleep(0.05)
    assert proof is not None
    verify_erasure(proof, done.receipt, deployment.trust)


def assert_demanded(step: str, before: Stored, after: Stored) -> None:
    """A demand is on file from before it leaves until its report is accepted; undecided so long."""
    assert after.demands[: len(before.demands)] == before.demands
    assert len(after.demands) - len(before.demands) == (step in OPEN_DEMAND)
    if step in OPEN_DEMAND:
        assert [matched for _, matched in after.attempts[len(before.attempts) :]] == [None]


def another(path: str, body: bytes) -> bytes:
    """A message for the same step that is valid in itself."""
    message: Message
    change: dict[str, object]
    if path == ATTEMPTS:
        message, change = AttemptRequest.decode(body), {"seed_commitment": digest_of(body)}
    elif path == PRODUCTS:
        message = product = ProductRequest.decode(body)
        change = {"omega": product.omega % (T - 1) + 1}
    else:
        message = opened = SharesRequest.decode(body)
        change = {"shares": (1 - opened.shares[0], opened.shares[1])}
    return message.model_copy(update=change).encode()


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ("gateway-nonce-received", ATTEMPTS),
        ("gateway-values-received", PRODUCTS),
        ("gateway-decision-received", SHARES),
    ],
)
def test_a_gateway_that_dies_with_an_answer_gets_no_other(
    deployment: Observed, steps: Steps, counter: Counter, step: str, path: str
) -> None:
    """What it may ask again is the same question; another one ends the session."""
    before = stored(deployment)
    replayed = Replayed(deployment)
    deployment.proxy.behaviour = replayed.watch
    steps.arm(step)
    attempt = Attempt(counter).run()
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    deployment.proxy.behaviour = honest
    body, answer = replayed.seen[path]
    assert replayed.send(path) == (200, answer)
    assert replayed.send(path, another(path, body))[0] == 403
    assert replayed.send(path) == (200, answer)
    revive(deployment)
    after = stored(deployment)
    assert after.records == before.records
    assert len(after.attempts) - len(before.attempts) == 1, "counted once"
    check_afterwards(attempt, before, after, counter)


def test_a_gateway_that_dies_at_a_demand_does_not_escape_it(
    deployment: Observed, steps: Steps, counter: Counter
) -> None:
    """Not by the same shares, other shares, the product again, a false report or a restart."""
    before = stored(deployment)
    replayed = Replayed(deployment)
    deployment.proxy.behaviour = replayed.watch
    steps.arm("gateway-demand-received")
    attempt = Attempt(counter).run()
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    deployment.proxy.behaviour = honest
    other = another(SHARES, replayed.seen[SHARES][0])
    demand = replayed.seen[SHARES][1]
    assert replayed.send(SHARES) == (200, demand), "the demand, and no second toss"
    assert replayed.send(PRODUCTS) == (200, replayed.seen[PRODUCTS][1]), "nor a second answer"
    assert replayed.send(AUDITS, replayed.forged_report())[0] == 403
    assert replayed.send(SHARES, other)[0] == 403
    assert replayed.send(PRODUCTS, another(PRODUCTS, replayed.seen[PRODUCTS][0]))[0] == 403
    assert replayed.send(AUDITS, replayed.forged_report())[0] == 503, "nothing is left to decide"
    # The authority dies too: the session's key is gone, the demand is not.
    kill(deployment, AUTHORITY)
    revive(deployment)
    for path in (ATTEMPTS, PRODUCTS, SHARES):
        assert replayed.send(path)[0] == 404
    assert replayed.send(AUDITS, replayed.forged_report())[0] == 404
    # Opened again under its id, the session has another key, and the assertions name the old one.
    assert replayed.send(SESSION_KEYS)[0] == 200
    assert replayed.send(ATTEMPTS)[0] == 403
    after = stored(deployment)
    assert after.records == before.records
    assert_demanded("gateway-demand-received", before, after)
    check_afterwards(attempt, before, after, counter)


# Storage that fails at a step


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the database and does not let go."""
    with contextlib.closing(sqlite3.connect(path, PATIENCE, isolation_level=None)) as database:
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
