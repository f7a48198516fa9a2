"""Workers die, hang and outgrow their limits; the server goes on."""

import os
import signal
import time

import pytest

from gateway.he.isolation import Limits, WorkerPool
from gateway.wire.errors import MalformedMessage, Refused, Unavailable

GIBI = 2**30


class Shop:
    """Runs inside a worker."""

    def __init__(self) -> None:
        self.calls = 0

    def echo(self, value: bytes) -> list[object]:
        self.calls += 1
        return [value, self.calls]

    def refuse(self) -> None:
        raise Refused("because")

    def misread(self) -> None:
        raise MalformedMessage("not a thing")

    def surprise(self) -> None:
        raise RuntimeError("with a value: 4711")

    def hang(self) -> None:
        time.sleep(60)

    def grow(self) -> int:
        return len(bytearray(3 * GIBI))

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


def make_shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def pool() -> WorkerPool:
    pool = WorkerPool("tests.unit.test_isolation:make_shop", 1, Limits(2 * GIBI, 1.0))
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


@pytest.mark.parametrize("method", ["hang", "grow", "die", "surprise", "no_such", "_private"])
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


def test_a_killed_worker_is_noticed_at_the_next_call(pool: WorkerPool) -> None:
    with pool.on(0) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            worker.call("echo", b"x")
        assert worker.call("echo", b"x") == [b"x", 1]


def test_a_worker_of_ones_own_is_waited_for_not_for_ever(pool: WorkerPool) -> None:
    index = pool.take()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        pool.take()
    assert time.monotonic() - started < 30
    pool.give_back(index)
    pool.give_back(pool.take())
