"""Process faults: killed servers, full disks, busy ports, Ctrl-C. Nothing half done, nothing left.

Servers here compare made-up vectors; the commands that need a model pack are marked.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.local import LocalDeployment
from gateway.cli.pack import model_of, open_pack
from gateway.proofs.verify import verify_receipt
from gateway.vision.demo_faces import genuine_pair
from gateway.wire.errors import Unavailable
from tests.faces_data import pipeline
from tests.support.counter import Counter
from tests.support.observation import assert_problem, gateway_database, record_count, session_state
from tests.support.observed import Closed, Observed, honest
from tests.support.processes import alive, children_of, command_environment, free_port_pair, gone
from tests.support.samples import MASKED, ROWS, SESSION_KEYS, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SEALMATCH = Path(sys.executable).with_name("sealmatch")
TEMPLATE, PROBE = pair(0.7)
AUTHORITY, AUDITOR, GATEWAY = 0, 1, -1
"""Places among a deployment's servers; the auditor's where there is one."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    root = tmp_path_factory.mktemp("faults")
    with Observed(root, port=free_port_pair(), authority_seconds="1.5") as deployment:
        yield deployment


@pytest.fixture
def counter(deployment: Observed) -> Iterator[Counter]:
    """A counter; afterwards both servers run and register."""
    counter = Counter(deployment)
    yield counter
    deployment.proxy.behaviour = honest
    revive(deployment)
    assert counter.register(TEMPLATE, PROBE).outcome == "MATCH"
    counter.close()


def kill(deployment: Observed, which: int) -> None:
    server = deployment.servers[which]
    server.process.kill()
    server.process.wait(10)


_reviving = threading.Lock()
"""A slow restart within a message's delivery is not overtaken by the one after the test."""


def revive(deployment: Observed) -> None:
    """Start again what was killed, on the same port and directory."""
    with _reviving:
        running = deployment._servers
        audited = len(running) > 2
        for which in (AUTHORITY, AUDITOR, GATEWAY) if audited else (AUTHORITY, GATEWAY):
            if running[which].process.poll() is None:
                continue
            running[which].stop()
            _start(deployment, which)
            running[which] = running.pop()


def _start(deployment: Observed, which: int) -> None:
    if which == AUTHORITY:
        deployment.proxy.upstream = deployment.start_authority()
    elif which == AUDITOR:
        deployment.start_auditor()
    else:
        deployment.start_gateway(f"http://127.0.0.1:{deployment.proxy.port}")


def counts(deployment: Observed) -> dict[str, int]:
    with gateway_database(deployment) as database:
        rows = database.execute("select outcome, sum(count) from outcome_counters group by outcome")
        return {str(outcome): int(count) for outcome, count in rows}


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


@pytest.mark.parametrize("path", [MASKED, ROWS])
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
        if asked == ROWS and not restarted:
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


@pytest.mark.parametrize("path", [SESSION_KEYS, MASKED, ROWS])
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


def test_a_silent_authority_is_given_up_on(deployment: Observed, counter: Counter) -> None:
    """It takes the request and says nothing: the gateway answers before the client gives up."""
    before = record_count(deployment)
    release = threading.Event()

    def silent(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if asked == MASKED:
            release.wait(20)
            raise Closed
        return ask()

    opened = counter.open()
    submission = counter.honest_submission(opened)
    deployment.proxy.behaviour = silent
    start = time.monotonic()
    try:
        assert_problem(counter.submit(opened, submission), 503)
    finally:
        release.set()
    assert time.monotonic() - start < 3 * 1.5 + 4
    assert record_count(deployment) == before


def test_the_client_waits_longer_than_the_gateway_may_take() -> None:
    """Else a client gives up, and counts as failed, what the gateway then decides."""
    from gateway.cli.counter import TIMEOUT_SECONDS
    from gateway.server.authority_client import ATTEMPTS, PAUSE_SECONDS
    from gateway.server.config import GatewaySettings

    fields = GatewaySettings.model_fields
    pauses = sum(PAUSE_SECONDS * 2**i for i in range(ATTEMPTS - 1))
    at_the_authority = ATTEMPTS * fields["authority_seconds"].default + pauses
    assert at_the_authority + fields["log_wait_seconds"].default < TIMEOUT_SECONDS


@pytest.mark.parametrize("path", [MASKED, ROWS])
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
    revive(deployment)
    counter.http.close()
    counter.http = type(counter.http)(base_url=counter.url, timeout=60, trust_env=False)
    counter.client = counter.client_with(counter.http)
    assert_problem(counter.submit(opened, submission), 404, 409)
    assert_problem(counter.send("POST", path, body, headers=recorded), 503)
    again = counter.submit(decided, done)
    assert again.status_code == 200, "an answer that was lost in the crash can be fetched again"
    assert again.content == first.content


# Storage


@contextlib.contextmanager
def full_disk(pid: int, directory: Path) -> Iterator[None]:
    """No file of the process may grow: what a full disk does to a database."""
    largest = max(path.stat().st_size for path in directory.iterdir())
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    smallest = min(p.stat().st_size for p in directory.glob("gateway.sqlite3*"))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(largest, smallest), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_before_a_session(deployment: Observed, counter: Counter) -> None:
    before = record_count(deployment)
    with full_disk(deployment.servers[GATEWAY].process.pid, deployment.directories.gateway):
        with pytest.raises(Unavailable):
            counter.register(TEMPLATE, PROBE)
        assert counter.http.get("/health").status_code == 200
    assert record_count(deployment) == before


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
            if asked == ROWS:
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


# Signals and ports


def start_up(state: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SEALMATCH, "up", "--state-dir", state, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=command_environment(),
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    timer = threading.Timer(150, process.kill)
    timer.start()
    try:
        while text not in seen:
            line = process.stdout.readline()
            assert line, f"ended before saying {text!r}: {seen}"
            seen += line
    finally:
        timer.cancel()
    return seen


def finish(process: subprocess.Popen[Any], pids: list[int]) -> None:
    """Whatever a test left running."""
    for pid in (process.pid, *pids):
        if alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()


@pytest.mark.pack
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_with_its_servers(tmp_path: Path, sent: signal.Signals) -> None:
    pipeline()  # skips without a pack
    process, servers = start_up(tmp_path / "state", "--port", "0"), []
    try:
        said = read_until(process, "Ctrl-C stops both.")
        servers = children_of(process.pid)
        assert len(servers) == 2
        assert "trust.json" in said
        process.send_signal(sent)
        assert process.wait(20) == 0
        assert gone(servers), "servers outlived the command"
    finally:
        finish(process, servers)


@pytest.mark.pack
@pytest.mark.parametrize(
    ("sent", "delay"), [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.0), (signal.SIGTERM, 0.4)]
)
def test_up_interrupted_while_it_starts(tmp_path: Path, sent: signal.Signals, delay: float) -> None:
    """At once when the first server was started, and a little later."""
    pipeline()
    process, seen = start_up(tmp_path / "state", "--port", "0"), set()
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "state" / "authority" / "server.log").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.01)
        end = time.monotonic() + delay
        while time.monotonic() < end:
            seen |= set(children_of(process.pid))
            time.sleep(0.01)
        seen |= set(children_of(process.pid))
        process.send_signal(sent)
        process.wait(25)
        assert gone(sorted(seen)), "servers outlived the command"
    finally:
        finish(process, sorted(seen))


@pytest.mark.pack
def test_up_ends_when_a_server_dies(tmp_path: Path) -> None:
    pipeline()
    process, servers = start_up(tmp_path / "state", "--port", "0"), []
    try:
        read_until(process, "Ctrl-C stops both.")
        servers = children_of(process.pid)
        os.kill(max(servers), signal.SIGKILL)
        assert process.wait(20) == 1
        assert gone(servers)
        assert process.stdout is not None
        assert "server.log" in process.stdout.read()
    finally:
        finish(process, servers)


@pytest.mark.pack
@pytest.mark.parametrize("offset", [0, 1])
def test_a_port_in_use_is_said(tmp_path: Path, offset: int) -> None:
    """The gateway's, or the next one, which is the authority's."""
    pipeline()
    port = free_port_pair()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port + offset))
        busy.listen()
        process = start_up(tmp_path / "state", "--port", str(port))
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            finish(process, [])
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port + offset}" in said
    assert "Traceback" not in said


@pytest.mark.pack
def test_a_state_directory_in_use_is_no_reason_to_lose_keys(tmp_path: Path) -> None:
    """Up, down, up again: the same keys, so that old receipts verify."""
    pipeline()
    model = model_of(open_pack(None))
    with LocalDeployment(tmp_path, model) as first:
        counter = Counter(first, model)
        receipt = counter.register(TEMPLATE, PROBE).receipt
        counter.close()
    with LocalDeployment(tmp_path, model) as second:
        verify_receipt(receipt, second.trust)
        counter = Counter(second, model)
        assert counter.register(TEMPLATE, PROBE).outcome == "MATCH"
        counter.close()


@pytest.mark.pack
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_register_interrupted_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    """While it waits for a gateway that never answers: no process, no receipt, no half file."""
    portrait, live = genuine_pair(pipeline())
    for name, image in (("portrait", portrait), ("live", live)):
        (tmp_path / name).write_bytes(image)
    model = model_of(open_pack(None))
    state = tmp_path / "state"
    with LocalDeployment(state, model) as deployment:
        trust = deployment.trust  # the servers stop here; only files are needed
    out = tmp_path / "out"
    out.mkdir()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        gateways = [trust.gateways[0].model_copy(update={"url": url})]
        trust.model_copy(update={"gateways": gateways}).write(state / "trust.json")
        process = subprocess.Popen(
            [
                *(SEALMATCH, "register", "--trust", state / "trust.json"),
                *("--id-type", "passport", "--id-number", "AB12345"),
                *("--id-portrait", tmp_path / "portrait", "--live", tmp_path / "live"),
                *("--receipt", out / "receipt"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=command_environment(),
        )
        children: list[int] = []
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()  # now it waits for the answer
            with connection:
                children = children_of(process.pid)
                process.send_signal(sent)
                said, _ = process.communicate(timeout=20)
        finally:
            finish(process, children)
    assert gone(children)
    assert "Traceback" not in said
    assert process.returncode in ((130,) if sent == signal.SIGINT else (143, 130, -signal.SIGTERM))
    if sent == signal.SIGINT:
        assert list(out.iterdir()) == []
    else:  # a reserved place may stay behind, hidden, but never a receipt
        assert not (out / "receipt").exists()
