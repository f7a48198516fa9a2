"""Ctrl-C, signals and busy ports: the commands end with their servers and leave nothing."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.pack import model_of, open_pack
from gateway.lab.deployment.local import LocalDeployment
from gateway.proofs.verify import verify_receipt
from gateway.vision.demo_faces import genuine_pair
from tests.faces_data import pipeline
from tests.support.counter import Counter
from tests.support.processes import (
    PATIENCE,
    alive,
    children_of,
    command_environment,
    descendants,
    free_port_pair,
    gone,
)
from tests.support.samples import PROBE, TEMPLATE

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]


SEALMATCH = Path(sys.executable).with_name("sealmatch")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """The real command, in a session of its own."""
    return subprocess.Popen(
        [SEALMATCH, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=command_environment(),
    )


def start_up(state: Path, *more: str) -> subprocess.Popen[str]:
    return start("up", "--state-dir", state, *more)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    timer = threading.Timer(PATIENCE, process.kill)
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
    process.wait(PATIENCE)
    if process.stdout is not None:
        process.stdout.close()


@pytest.mark.pack
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((signal.SIGINT, signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM,), 143),
        ((signal.SIGKILL,), -signal.SIGKILL),
    ],
)
def test_up_ends_with_its_servers(
    tmp_path: Path, sent: tuple[signal.Signals, ...], status: int
) -> None:
    """Even when it has no time to stop them, or less and less of it."""
    pipeline()  # skips without a pack
    state = tmp_path / "state"
    process, started = start_up(state, "--port", "0"), []
    try:
        said = read_until(process, "Ctrl-C stops both.")
        started = descendants(process.pid)
        assert len(children_of(process.pid)) == 2
        assert "trust.json" in said
        if len(sent) > 1:
            another_up_is_refused(state, process.pid)
        for one in sent:
            process.send_signal(one)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == status
        assert "Traceback" not in said
        assert gone(started), "servers or their workers outlived the command"
    finally:
        finish(process, started)


def another_up_is_refused(state: Path, pid: int) -> None:
    """At once, with the first one's number; the trust file stays as it is."""
    trust = (state / "trust.json").read_bytes()
    process = start_up(state, "--port", "0")
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        finish(process, [])
    assert process.returncode == 1
    assert f"in use by process {pid} " in said
    assert f"kill {pid}" in said
    assert (state / "trust.json").read_bytes() == trust


@pytest.mark.pack
@pytest.mark.parametrize(("times", "delay"), [(1, 0.0), (2, 0.0), (3, 0.4)])
def test_up_interrupted_while_it_starts(tmp_path: Path, times: int, delay: float) -> None:
    """At once when the first server was started, and a little later; once or more often."""
    pipeline()
    process, seen = start_up(tmp_path / "state", "--port", "0"), set()
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "state" / "authority" / "server.log").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.01)
        end = time.monotonic() + delay
        while time.monotonic() < end:
            seen |= set(children_of(process.pid))
            time.sleep(0.01)
        seen |= set(children_of(process.pid))
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert "Traceback" not in said
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
        assert process.wait(PATIENCE) == 1
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
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            finish(process, [])
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port + offset}" in said
    assert f"process {os.getpid()} " in said, "whose it is"
    assert "Traceback" not in said
    assert not (tmp_path / "state" / "authority").exists(), "it is said before keys are made"


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
        process = start(
            *("register", "--trust", state / "trust.json", "--consent-shown"),
            *("--id-type", "passport", "--id-number", "AB12345"),
            *("--id-portrait", tmp_path / "portrait", "--live", tmp_path / "live"),
            *("--receipt", out / "receipt"),
        )
        children: list[int] = []
        try:
            silent.settimeout(PATIENCE)
            connection, _ = silent.accept()  # now it waits for the answer
            with connection:
                children = children_of(process.pid)
                process.send_signal(sent)
                said, _ = process.communicate(timeout=PATIENCE)
        finally:
            finish(process, children)
    assert gone(children)
    assert "Traceback" not in said
    assert process.returncode == (130 if sent == signal.SIGINT else 143)
    assert list(out.iterdir()) == []
