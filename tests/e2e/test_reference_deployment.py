"""The reference deployment: nginx as it is shipped, two gateway processes, two instances of the
authority, PostgreSQL for each, TLS on every line, the limits of systemd's units.

The real client registers through it. Then what an operator fears: a process dies, strangers hold
connections, a body lies on a disk.
"""

import contextlib
import itertools
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.host.tls import ClientTls
from gateway.proofs.verify import verify_receipt
from gateway.wire.ids import SessionId
from tests.support.counter import Counter
from tests.support.drafts import Opened, session_request
from tests.support.observation import assert_problem
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE, free_port_pair, until
from tests.support.proxied import Nginx, Proxied, nginx_program
from tests.support.samples import SESSIONS, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SHARDS = (0, 1)
HALF_OPEN = 1100


@pytest.fixture(scope="module")
def deployment(
    postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    nginx_program()
    root = tmp_path_factory.mktemp("reference")
    databases = postgresql.new_database(), postgresql.new_database()
    with Proxied(root, *databases, SHARDS) as running:
        yield running


@pytest.fixture(scope="module")
def counter(deployment: Proxied) -> Iterator[Counter]:
    made = through(deployment, deployment.proxy.url)
    yield made
    made.close()


def through(deployment: Proxied, url: str) -> Counter:
    """The counter, whose connections lead to ``url``. What it signs is for the pinned gateway."""
    counter = Counter(deployment)
    counter.close()
    tls = ClientTls(deployment.directories.tls / "ca.pem").context()
    counter.http = httpx.Client(base_url=url, timeout=PATIENCE, verify=tls, trust_env=False)
    counter.client = counter.client_with(counter.http)
    return counter


def opened_at(counter: Counter, shard: int, instance: int | None = None) -> Opened:
    """A session of one process: the proxy gives new ones to all of them in turn. Its key is drawn
    by the instance of the authority that its second byte says."""
    until = time.monotonic() + PATIENCE  # the proxy leaves out for seconds what did not answer
    while time.monotonic() < until:
        opened = counter.open()
        if opened.session[0] == shard and instance in (None, opened.session[1] % 2):
            return opened
        time.sleep(0.05)
    raise AssertionError(f"no session is at process {shard}")


def submission_head(counter: Counter, opened: Opened, body: bytes) -> bytes:
    """The request line and headers of a submission, as the client sends them."""
    path = f"{opened.path}/submission"
    headers = {**counter.signed("POST", path, body), "content-length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_sessions_of_every_process_are_registered_through_the_proxy(
    deployment: Proxied, counter: Counter
) -> None:
    for shard, instance in itertools.product(SHARDS, (0, 1)):
        opened = opened_at(counter, shard, instance)
        answer = counter.submit(opened, counter.honest_submission(opened))
        assert answer.status_code == 200, answer.text
        assert answer.json()["outcome"] == "MATCH"
    done = counter.register(*pair(0.7))
    verify_receipt(done.receipt, counter.trust)
    assert counter.register(*pair(0.1)).outcome == "NO_MATCH"
    assert deployment.proxy.said == ""


def test_what_is_not_for_strangers_is_not_there(deployment: Proxied, counter: Counter) -> None:
    for path in ("/health", "/health/ready", "/metrics", "/", "/face-verification/v0.2/x"):
        answer = counter.http.get(path, headers={"x-correlator": "somebody's number"})
        assert_problem(answer, 404)
        assert answer.headers["x-correlator"] != "somebody's number"
    too_large = counter.http.post(SESSIONS, content=bytes(750_001))
    assert_problem(too_large, 413)


def test_a_host_that_a_proxy_rewrote_is_refused(
    deployment: Proxied, counter: Counter, tmp_path: Path
) -> None:
    answers = []
    for name, changed in (("shipped", {}), ("wrong", {"Host $http_host;": "Host localhost;"})):
        with deployment.new_proxy(tmp_path / name, free_port_pair(), changed) as proxy:
            other = through(deployment, proxy.url)
            request = session_request(other.keys)
            answers.append(other.send("POST", SESSIONS, request.encode()))
            other.close()
    assert answers[0].status_code == 200
    assert_problem(answers[1], 403)


def in_flight(proxy: Nginx, counter: Counter, seconds: float) -> list[str]:
    """What the proxy has on a disk while it holds half of a submission: looked for so long."""
    opened = opened_at(counter, SHARDS[0])
    body = counter.honest_submission(opened).encode()
    half = len(body) // 2
    with proxy.connection() as line:
        line.sendall(submission_head(counter, opened, body) + body[:half])
        with contextlib.suppress(AssertionError):
            until(proxy.spooled, seconds)
        found = proxy.spooled()
        line.sendall(body[half:])
        assert line.recv(12) == b"HTTP/1.1 200"
    return found


def test_no_body_is_written_to_a_disk(
    deployment: Proxied, counter: Counter, tmp_path: Path
) -> None:
    assert in_flight(deployment.proxy, counter, 1) == []
    buffering = {"proxy_request_buffering off;": "proxy_request_buffering on;"}
    with deployment.new_proxy(tmp_path, free_port_pair(), buffering) as wrong:
        assert in_flight(wrong, counter, PATIENCE), "otherwise it would be seen"


def test_strangers_who_hold_connections_do_not_stop_it(
    deployment: Proxied, counter: Counter
) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(HALF_OPEN):
            address = ("127.0.0.1", deployment.proxy_port)
            held.enter_context(socket.create_connection(address, PATIENCE))
        for _ in range(20):
            line = held.enter_context(deployment.proxy.connection())
            line.sendall(f"POST {SESSIONS} HTTP/1.1\r\nHost: ".encode())
        assert counter.register(*pair(0.7)).outcome == "MATCH"
    assert deployment.proxy.said == "", "nothing of it is logged"


def test_when_a_process_dies_new_sessions_go_on(deployment: Proxied, counter: Counter) -> None:
    """Recorded ones are known to the other process. Open ones of the dead one are over."""
    dead, alive = SHARDS[1], SHARDS[0]
    recorded, lost = opened_at(counter, dead), opened_at(counter, dead)
    answer = counter.submit(recorded, counter.honest_submission(recorded))
    assert answer.json()["outcome"] == "MATCH"
    process = deployment.processes[dead].process
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)

    for _ in range(4):
        assert counter.register(*pair(0.7)).outcome == "MATCH"
        assert counter.open().session[0] == alive
    assert counter.send("GET", recorded.path).json() == answer.json()
    assert_problem(counter.submit(lost, counter.honest_submission(lost)), 404, 409, 503)

    deployment.launch(dead)
    again = opened_at(counter, dead)
    assert counter.submit(again, counter.honest_submission(again)).status_code == 200


def test_when_an_instance_of_the_authority_dies_new_sessions_go_on(
    deployment: Proxied, counter: Counter
) -> None:
    assert deployment.second_authority is not None
    process = deployment.second_authority.process
    lost = opened_at(counter, SHARDS[0], 1)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert_problem(counter.submit(lost, counter.honest_submission(lost)), 503)
    for shard in SHARDS:
        opened = opened_at(counter, shard)
        assert opened.session[1] % 2 == 0
        assert counter.submit(opened, counter.honest_submission(opened)).status_code == 200


def test_a_session_of_no_process_is_asked_for_at_any(counter: Counter) -> None:
    unknown = SessionId(bytes([0xEE]) + secrets.token_bytes(15))
    assert_problem(counter.send("GET", f"{SESSIONS}/{unknown.hex()}"), 404)
