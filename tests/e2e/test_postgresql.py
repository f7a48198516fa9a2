"""The real servers with the gateway's records in PostgreSQL, also when that stops in the middle."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from gateway.lab.deployment.servers import DeploymentFailed, Server
from gateway.proofs.verify import verify_receipt
from gateway.store.database import Database
from gateway.wire.errors import Unavailable
from tests.support.counter import Counter
from tests.support.observation import assert_problem
from tests.support.observed import Observed, honest
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE, free_port_pair, until
from tests.support.reviving import GATEWAY, revive
from tests.support.samples import ATTEMPTS, PRODUCTS, SHARES, pair
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def url(postgresql: PostgresServer) -> str:
    return postgresql.new_database()


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps") / "folder")


@pytest.fixture(scope="module")
def deployment(
    url: str, steps: Steps, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    root = tmp_path_factory.mktemp("postgresql")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in steps.environment().items():
            patch.setenv(name, value)
        with Observed(root, port=free_port_pair(), database_url=url) as deployment:
            yield deployment


@pytest.fixture
def counter(deployment: Observed) -> Iterator[Counter]:
    """A counter; afterwards all is well and registers."""
    counter = Counter(deployment)
    yield counter
    deployment.proxy.behaviour = honest
    assert counter.register(*pair(0.7)).outcome == "MATCH"
    counter.close()


def rows(url: str, query: str) -> list[tuple]:
    database = Database(url)
    try:
        with database.transaction() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]
    finally:
        database.close()


def outcomes(url: str) -> dict[str, int]:
    return dict(rows(url, "SELECT outcome, sum(count)::int FROM outcome_counters GROUP BY outcome"))


def test_registrations_are_recorded_there(
    deployment: Observed, counter: Counter, url: str, tmp_path, capsys
) -> None:
    match, other = counter.register(*pair(0.7)), counter.register(*pair(0.1))
    assert (match.outcome, other.outcome) == ("MATCH", "NO_MATCH")
    verify_receipt(match.receipt, counter.trust)
    found = rows(url, "SELECT record_id, outcome FROM records")
    assert {(match.record_id, "MATCH"), (other.record_id, "NO_MATCH")} <= {
        (bytes(record), outcome) for record, outcome in found
    }
    assert not list(deployment.directories.gateway.glob("*.sqlite3*"))
    assert outcomes(url)["MATCH"] == sum(outcome == "MATCH" for _, outcome in found)


@pytest.mark.parametrize("path", [ATTEMPTS, PRODUCTS, SHARES])
def test_a_database_that_stops_while_the_authority_works(
    deployment: Observed, counter: Counter, url: str, postgresql: PostgresServer, path: str
) -> None:
    """503 and no record; when it is back, the session is over and the next one passes."""
    before, counted = rows(url, "SELECT record_id FROM records"), outcomes(url)
    opened = counter.open()
    submission = counter.honest_submission(opened)

    def stop_it(asked, body, ask):
        answer = ask()
        if asked == path and postgresql.process is not None:
            postgresql.kill()
        return answer

    deployment.proxy.behaviour = stop_it
    try:
        assert_problem(counter.submit(opened, submission), 503)
        with pytest.raises(Unavailable):
            counter.register(*pair(0.7))
        until(lambda: counter.http.get("/health").status_code == 503)
    finally:
        deployment.proxy.behaviour = honest
        postgresql.start()
    until(lambda: counter.http.get("/health").status_code == 200)
    assert rows(url, "SELECT record_id FROM records") == before
    assert outcomes(url) == counted
    assert_problem(counter.submit(opened, submission), 404, 409)


def test_a_gateway_that_starts_before_its_database_says_so(
    deployment: Observed, postgresql: PostgresServer
) -> None:
    """And the one that runs finds the database again by itself."""
    postgresql.stop()
    gateway = deployment.gateway
    second = gateway.environment(authority_url="http://127.0.0.1:1", port="0")
    try:
        with pytest.raises(DeploymentFailed, match="the storage does not answer"):
            Server([*gateway.program, "serve"], gateway.directory, **second).wait_ready()
    finally:
        postgresql.start()
    counter = Counter(deployment)
    assert counter.register(*pair(0.7)).outcome == "MATCH"
    counter.close()


@pytest.mark.parametrize("step", ["gateway-record-written", "gateway-record-committed"])
def test_a_gateway_killed_there_leaves_a_whole_record_or_none(
    steps: Steps, url: str, deployment: Observed, step: str
) -> None:
    counter = Counter(deployment)
    opened = counter.open()
    submission = counter.honest_submission(opened)
    before = rows(url, "SELECT record_id FROM records")
    steps.arm(step)
    with pytest.raises(httpx.TransportError):
        counter.submit(opened, submission)
    assert steps.reached
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    revive(deployment)
    recorded = len(rows(url, "SELECT record_id FROM records")) - len(before)
    assert recorded == (step == "gateway-record-committed")
    assert sum(n for outcome, n in outcomes(url).items() if "MATCH" in outcome) == len(
        rows(url, "SELECT record_id FROM records")
    )
    again = counter.submit(opened, submission)
    assert again.status_code == (200 if recorded else 409)
    steps.disarm()
    counter.close()
