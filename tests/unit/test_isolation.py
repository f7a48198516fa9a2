"""Workers die, hang and outgrow their limits; the server goes on."""

import gc
import importlib
import os
import signal
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gateway.host.isolation import Read, Worker, WorkerLimits, WorkerPool, octets, pair
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from tests.support.processes import PATIENCE

GIBI = 2**30
PATIENT = WorkerLimits(2 * GIBI, PATIENCE)


class Shop:
    """Runs inside a worker."""

    def __init__(self) -> None:
        self.calls = 0

    def echo(self, value: bytes) -> list[object]:
        self.calls += 1
        return [value, self.calls]

    def refuse(self) -> None:
        raise Refused("because")

    def chatter(self, text: str) -> None:
        raise Refused(text)

    def misread(self) -> None:
        raise MalformedMessage("not a thing")

    def surprise(self) -> None:
        raise RuntimeError("with a value: 4711")

    def hang(self) -> None:
        time.sleep(PATIENCE)

    def stammer(self) -> None:
        os.write(_pipe_to_parent(), b"\0\0\1\0half")
        self.hang()

    def boast(self) -> None:
        os.write(_pipe_to_parent(), b"\x7f\xff\xff\xff")
        self.hang()

    def go_deaf(self) -> None:
        os.write(_pipe_to_parent(), b"\0\0\0\5\x82\x62ok\xf6")  # an answer of this call
        self.hang()

    def knows_as_main(self, name: str) -> bool:
        return hasattr(sys.modules["__main__"], name)

    def may_load_from_the_current_directory(self) -> bool:
        return not sys.flags.safe_path

    def grow(self) -> int:
        return len(bytearray(3 * GIBI))

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


def _pipe_to_parent() -> int:
    """As code would find it that an input has brought into the worker."""
    (pipe,) = [one for one in gc.get_objects() if isinstance(one, Connection) and not one.closed]
    return pipe.fileno()


def make_shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def pool() -> WorkerPool:
    pool = WorkerPool("tests.unit.test_isolation:make_shop", 1, PATIENT)
    pool.start()
    yield pool
    pool.stop()


def test_a_call_returns_what_the_method_did(pool: WorkerPool) -> None:
    with pool.on(0) as worker:
        before = worker.call("echo", b"x")[1]
        assert worker.call("echo", b"y") == [b"y", before + 1]


@pytest.mark.parametrize(("method", "error"), [("refuse", Refused), ("misread", MalformedMessage)])
def test_expected_errors_pass_and_the_worker_stays(
    pool: WorkerPool, method: str, error: type[Exception]
) -> None:
    with pool.on(0) as worker:
        pid = worker.pid
        with pytest.raises(error):
            worker.call(method)
        assert worker.pid == pid


def test_a_worker_is_out_of_reach(pool: WorkerPool) -> None:
    """Of Ctrl-C, from its first moment on, and of what lies in the server's current directory."""
    with pool.on(0) as worker:
        pid = worker.pid
        assert pid is not None
        masks = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        assert int(masks["SigBlk"], 16) >> (signal.SIGINT - 1) & 1
        os.kill(pid, signal.SIGINT)
        assert not worker.call("may_load_from_the_current_directory")
        assert worker.pid == pid
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, []), "ours is as before"


def test_a_worker_that_hangs_is_replaced() -> None:
    """By one with the same limits; only the first has no time for anything."""
    worker = Worker("tests.unit.test_isolation:make_shop", replace(PATIENT, seconds=0.1))
    try:
        pid = worker.pid
        with pytest.raises(Unavailable):
            worker.call("hang")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        worker._limits = PATIENT
        assert worker.generation == 1
        assert worker.call("echo", b"again") == [b"again", 1], "a fresh workshop"
    finally:
        worker.stop()


def test_a_worker_that_says_half_or_reads_nothing_is_replaced() -> None:
    """Nobody waits for the rest. Control: the next worker takes and says as much."""
    much = bytes(2**22 - 100)
    worker = Worker("tests.unit.test_isolation:make_shop", PATIENT)
    try:
        with pytest.raises(Unavailable):
            worker.call("boast")
        worker._limits = replace(PATIENT, seconds=0.2)
        with pytest.raises(Unavailable):
            worker.call("stammer")
        assert worker.generation == 2
        worker._limits = PATIENT
        assert worker.call("echo", much) == [much, 1]
        assert worker.call("go_deaf") is None
        worker._limits = replace(PATIENT, seconds=0.2)
        with pytest.raises(Unavailable):
            worker.call("echo", much)
        assert worker.generation == 3
    finally:
        worker.stop()


@pytest.mark.parametrize("method", ["grow", "die", "surprise", "no_such", "_private"])
def test_a_worker_that_fails_is_replaced(pool: WorkerPool, method: str) -> None:
    with pool.on(0) as worker:
        pid, generation = worker.pid, worker.generation
        with pytest.raises(Unavailable) as error:
            worker.call(method)
        assert "4711" not in str(error.value)
        assert worker.generation == generation + 1
        assert worker.call("echo", b"again") == [b"again", 1], "a fresh workshop"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("read", [octets(5), pair(1), pair(2**64)])
def test_a_worker_that_answers_what_its_method_never_does_is_replaced(
    pool: WorkerPool, read: Read[object]
) -> None:
    with pool.on(0) as worker:
        generation = worker.generation
        with pytest.raises(Unavailable):
            worker.call("echo", b"value", read=read)
        assert worker.generation == generation + 1


@pytest.mark.parametrize(
    ("value", "bound", "taken"),
    [
        ([0, 6], 7, True),
        ([0, 7], 7, False),
        ([-1, 0], 7, False),
        ([True, 0], 7, False),
        ([0], 7, False),
        ([0, 0, 0], 7, False),
        (b"ab", 127, False),
        (None, 7, False),
    ],
)
def test_a_pair_is_two_integers_within_bounds(value: object, bound: int, taken: bool) -> None:
    if taken:
        assert pair(bound)(value) == (0, 6)
        return
    with pytest.raises(ValueError, match="integer"):
        pair(bound)(value)


def test_a_worker_does_not_import_its_server_s_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's main module loads a database and a web framework."""
    command = importlib.import_module("tests.support.asking")
    monkeypatch.setitem(sys.modules, "__main__", command)
    worker = Worker("tests.unit.test_isolation:make_shop", PATIENT)
    try:
        assert hasattr(command, "any_product_request")
        assert worker.call("knows_as_main", "any_product_request") is False
    finally:
        worker.stop()


def test_what_a_worker_says_does_not_reach_a_peer(pool: WorkerPool) -> None:
    """A worker that an input has taken over knows secrets; its words are bounded, and not sent."""
    with pool.on(0) as worker:
        with pytest.raises(MalformedMessage) as malformed:
            worker.call("misread")
        assert "not a thing" not in str(malformed.value)
        with pytest.raises(Refused) as refused:
            worker.call("chatter", "a short reason")
        assert refused.value.detail == "a short reason"
        assert "a short reason" not in str(refused.value)
        for text in ("x" * 201, "two\nlines of a log"):
            with pytest.raises(Unavailable):
                worker.call("chatter", text)


def test_a_killed_worker_is_noticed_at_the_next_call(pool: WorkerPool) -> None:
    with pool.on(0) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            worker.call("echo", b"x")
        assert worker.call("echo", b"x") == [b"x", 1]


def test_a_worker_of_ones_own_is_waited_for_not_for_ever() -> None:
    pool = WorkerPool("never:started", 1, replace(PATIENT, seconds=0.1))
    index = pool.take()
    with pytest.raises(Unavailable):
        pool.take()
    pool.give_back(index)
    pool.give_back(pool.take())
