"""Process faults: killed servers, lost answers, full disks. Nothing half done, nothing left.

Servers here compare made-up vectors.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.host.clock import unix_time
from gateway.proofs.verify import verify_receipt
from gateway.wire.errors import Unavailable
from tests.support.counter import Counter
from tests.support.drafts import Opened
from tests.support.observation import assert_problem, gateway_database, record_count, session_state
from tests.support.observed import Closed, Observed, honest
from tests.support.processes import PATIENCE, free_port_pair, until
from tests.support.reviving import AUTHORITY, GATEWAY, counts, full_disk, kill, revive
from tests.support.samples import ATTEMPTS, PROBE, PRODUCTS, SESSION_KEYS, SHARES, TEMPLATE

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    root = tmp_path_factory.mktemp("faults")
    with Observed(root, port=free_port_pair(), authority_seconds="60") as deployment:
        yield deployment


@pytest.fixture
def hasty(deployment: Observed) -> Iterator[None]:
    """The gateway gives its authority little time."""
    patient = deployment.gateway.settings["authority_seconds"]
    deployment.gateway.settings["authority_seconds"] = "1.5"
    kill(deployment, GATEWAY)
    revive(deployment)
    yield
    deployment.gateway.settings["authority_seconds"] = patient
    kill(deployment, GATEWAY)
    revive(deployment)


@pytest.fixture
def counter(deployment: Observed) -> Iterator[Counter]:
    """A counter; afterwards both servers run and register."""
    counter = Counter(deployment)
    yield counter
    deployment.proxy.behaviour = honest
    revive(deployment)
    assert counter.register(TEMPLATE, PROBE).outcome == "MATCH"
    counter.close()


def test_an_authority_killed_before_a_session(deployment: Observed, counter: Counter) -> None:
    before = record_count(deployment)
    old = counter.register(TEMPLATE, PROBE).receipt
    kill(deployment, AUTHORITY)
    with pytest.raises(Unavailable):
        counter.register(TEMPLATE, PROBE)
    revive(deployment)
    verify_receipt(old, counter.trust)
    new = counter.register(TEMPLATE, PROBE)
    assert new.verified.statement.message.authority == "demo-authority"
    assert record_count(deployment) == before + 2


@pytest.mark.parametrize("path", [ATTEMPTS, PRODUCTS, SHARES])
@pytest.mark.parametrize("when", ["before it answers", "after it answered"])
def test_an_authority_killed_during_a_submission(
    deployment: Observed, counter: Counter, path: str, when: str
) -> None:
    """Its session keys died with it: the session is over, a new one works."""
    before, counted = record_count(deployment), counts(deployment)

    def behave(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if asked == path and deployment.servers[AUTHORITY].process.poll() is None:
            if when == "after it answered":
                ask()
            kill(deployment, AUTHORITY)
            raise Closed
        return ask()

    opened = counter.open()
    submission = counter.honest_submission(opened)
    deployment.proxy.behaviour = behave
    answer = counter.submit(opened, submission)
    assert_problem(answer, 503)
    assert record_count(deployment) == before
    assert session_state(deployment, opened.session) == "FAILED"
    deployment.proxy.behaviour = honest
    revive(deployment)
    assert_problem(counter.submit(opened, submission), 409)
    assert counts(deployment) == {**counted, "FAILED": counted.get("FAILED", 0) + 1}


def test_an_authority_that_restarts_between_question_and_question(
    deployment: Observed, counter: Counter
) -> None:
    """It has forgotten the session key, which is as it should be: not decided, to start again."""
    before = record_count(deployment)

    def behave(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if asked == SHARES and not restarted:
            restarted.append(True)
            kill(deployment, AUTHORITY)
            revive(deployment)
        return ask()

    restarted: list[bool] = []
    deployment.proxy.behaviour = behave
    opened = counter.open()
    answer = counter.submit(opened, counter.honest_submission(opened))
    assert restarted
    assert_problem(answer, 503)
    assert session_state(deployment, opened.session) == "FAILED"
    assert record_count(deployment) == before


@pytest.mark.parametrize("path", [SESSION_KEYS, ATTEMPTS, PRODUCTS, SHARES])
def test_answers_lost_once_are_asked_for_again(
    deployment: Observed, counter: Counter, path: str
) -> None:
    """The connection breaks after the authority did its work: the repeat costs nothing."""
    answers: list[bytes] = []

    def lose_once(
        asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]
    ) -> tuple[int, bytes]:
        status, answer = ask()
        if asked == path:
            answers.append(answer)
            if len(answers) == 1:
                raise Closed
        return status, answer

    before = record_count(deployment)
    deployment.proxy.behaviour = lose_once
    assert counter.register(TEMPLATE, PROBE).outcome == "MATCH"
    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert record_count(deployment) == before + 1


@pytest.mark.usefixtures("hasty")
def test_a_silent_authority_is_given_up_on(deployment: Observed) -> None:
    """It takes the request and says nothing: the gateway answers before the authority does."""
    counter = Counter(deployment)
    before = record_count(deployment)
    release = threading.Event()

    def silent(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if asked == PRODUCTS:
            release.wait(PATIENCE)
            raise Closed
        return ask()

    opened: list[Opened] = []

    def open_one() -> bool:
        """On a busy machine, an honest authority may be too slow for this gateway."""
        with contextlib.suppress(AssertionError):
            opened.append(counter.open())
        return bool(opened)

    until(open_one)
    submission = counter.honest_submission(opened[0])
    deployment.proxy.behaviour = silent
    try:
        assert_problem(counter.submit(opened[0], submission), 503)
    finally:
        release.set()
        deployment.proxy.behaviour = honest
    assert record_count(deployment) == before
    counter.close()


def test_the_client_waits_longer_than_the_gateway_may_take() -> None:
    """Else a client gives up, and counts as failed, what the gateway then decides."""
    from gateway.client.counter import TIMEOUT_SECONDS
    from gateway.server.authority_client import ATTEMPTS, PAUSE_SECONDS
    from gateway.server.config import GatewaySettings

    fields = GatewaySettings.model_fields
    pauses = sum(PAUSE_SECONDS * 2**i for i in range(ATTEMPTS - 1))
    at_the_authority = ATTEMPTS * fields["authority_seconds"].default + pauses
    assert at_the_authority + fields["log_wait_seconds"].default < TIMEOUT_SECONDS


@pytest.mark.parametrize("path", [ATTEMPTS, PRODUCTS, SHARES])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_gateway_killed_in_the_middle_leaves_no_half_record(
    deployment: Observed, counter: Counter, path: str, when: str
) -> None:
    """Killed while the authority works, or right after it decided: no record, no counter."""
    old = counter.register(TEMPLATE, PROBE).receipt
    before, counted = record_count(deployment), counts(deployment)

    def behave(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if asked != path:
            return ask()
        if when == "after":
            ask()
        kill(deployment, GATEWAY)
        raise Closed

    deployment.proxy.behaviour = behave
    with pytest.raises(Unavailable):
        counter.register(TEMPLATE, PROBE)
    assert record_count(deployment) == before
    assert counts(deployment) == counted
    deployment.proxy.behaviour = honest
    revive(deployment)
    assert record_count(deployment) == before
    with gateway_database(deployment) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        (orphans,) = database.execute(
            "select count(*) from records where record_id not in"
            " (select record_id from sessions where record_id is not null)"
        ).fetchone()
        assert orphans == 0
    verify_receipt(old, counter.trust)


def test_a_session_of_before_a_restart_is_told_apart_from_a_fault(
    deployment: Observed, counter: Counter
) -> None:
    """The keys were in memory only; the client is told to start again, and can."""
    opened, decided = counter.open(), counter.open()
    submission = counter.honest_submission(opened)
    done = counter.honest_submission(decided)
    path, body = f"{decided.path}/submission", done.encode()
    recorded = counter.signed("POST", path, body)
    first = counter.send("POST", path, body, headers=recorded)
    assert first.status_code == 200
    kill(deployment, GATEWAY)
    sent = unix_time()
    until(lambda: unix_time() > sent)  # signatures tell seconds, and a start may take less
    revive(deployment)
    counter.http.close()
    counter.http = type(counter.http)(base_url=counter.url, timeout=PATIENCE, trust_env=False)
    counter.client = counter.client_with(counter.http)
    assert_problem(counter.submit(opened, submission), 404, 409)
    assert_problem(counter.send("POST", path, body, headers=recorded), 503)
    again = counter.submit(decided, done)
    assert again.status_code == 200, "an answer that was lost in the crash can be fetched again"
    assert again.content == first.content


def test_a_full_disk_before_a_session(deployment: Observed, counter: Counter) -> None:
    before = record_count(deployment)
    with full_disk(deployment.servers[GATEWAY].process.pid, deployment.directories.gateway):
        with pytest.raises(Unavailable):
            counter.register(TEMPLATE, PROBE)
        until(lambda: counter.http.get("/health").status_code == 503)
    assert record_count(deployment) == before
    until(lambda: counter.http.get("/health").status_code == 200)


def test_a_full_disk_when_the_record_is_written(deployment: Observed, counter: Counter) -> None:
    """The decision was made, but nothing of it stays: 503, no record, no counter, no DECIDED."""
    before, counted = record_count(deployment), counts(deployment)
    opened = counter.open()
    submission = counter.honest_submission(opened)
    with contextlib.ExitStack() as stack:

        def fill(
            asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]
        ) -> tuple[int, bytes]:
            answer = ask()
            if asked == SHARES:
                gateway = deployment.servers[GATEWAY].process.pid
                stack.enter_context(full_disk(gateway, deployment.directories.gateway))
            return answer

        deployment.proxy.behaviour = fill
        assert_problem(counter.submit(opened, submission), 503)
    assert record_count(deployment) == before
    assert {k: v for k, v in counts(deployment).items() if k != "FAILED"} == {
        k: v for k, v in counted.items() if k != "FAILED"
    }
    assert session_state(deployment, opened.session) != "DECIDED"
