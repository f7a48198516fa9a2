"""Work on strangers' input runs in processes that may die: homomorphic work, decoders of pictures.

The canonical decoder admits no malformed word. But SEAL, which works on the words, is C++ fed by
strangers. So this work happens in worker processes that have limits on memory and time and no core
dumps, and that end with their parent. A worker that dies, hangs, outgrows its limit or answers what
its method never answers is replaced. The call that it served fails; the server goes on.

Parent and worker exchange deterministic CBOR over a pipe, never pickles: a worker that an input
has taken over must not be able to run code in its parent. Arguments and results are bytes,
integers, texts and lists of them. Each caller reads its result strictly, and no text of a worker
reaches a peer.
"""

import contextlib
import importlib
import multiprocessing
import os
import queue
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, Final, Protocol, TypeVar

from gateway.host.memory import protect, without_caches
from gateway.host.metrics import count
from gateway.host.python import safe_path
from gateway.wire import cbor
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused, Unavailable

_START_SECONDS: Final = 60
_ANSWER_BYTES: Final = 4 * 1024 * 1024
RETRY_SECONDS: Final = 1
"""After this it is worth asking busy workers again."""
_PIPE_BYTES: Final = 1024 * 1024
"""More than the inputs of an evaluation, the largest message."""
_SIZE: Final = struct.Struct("!i")
_SHORT: Final = 16 * 1024
"""``Connection``'s form: a message's size before it, in one piece with it up to this."""
_TEXT: Final = 200
"""Characters of the longest reason that a worker gives for a refusal."""

OK, MALFORMED, REFUSED, FAILED = "ok", "malformed", "refused", "failed"

V = TypeVar("V")
Read = Callable[[Any], V]
"""Checks what a worker answered. Raises ``ValueError`` or ``MalformedMessage`` for all else."""


def _anything(value: Any) -> Any:
    return value


def octets(length: int) -> Read[bytes]:
    """Reads exactly ``length`` bytes."""

    def read(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) != length:
            raise ValueError("not so many bytes")
        return value

    return read


def pair(below: int) -> Read[tuple[int, int]]:
    """Reads two integers, each at least 0 and below a bound."""

    def read(value: Any) -> tuple[int, int]:
        if not isinstance(value, list) or [type(one) for one in value] != [int, int]:
            raise ValueError("not two integers")
        first, second = value
        if not (0 <= first < below and 0 <= second < below):
            raise ValueError("an integer is out of its bounds")
        return first, second

    return read


class Workshop(Protocol):
    """What runs inside a worker: methods named by the calls, over CBOR values."""

    def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may use."""

    memory_bytes: int
    """Address space, code and libraries included (about 1 GiB of it unused)."""
    seconds: float
    """Wall time of one call, after which the worker is killed."""


class Worker:
    """One process. One call at a time: the pool hands it to one thread."""

    def __init__(self, workshop: str, limits: WorkerLimits) -> None:
        self._workshop = workshop
        self._limits = limits
        self.generation = 0
        """Grows when the process is replaced: what it held is gone."""
        self.busy = False
        """Whether a call runs in it."""
        self._start()

    def call(self, method: str, *arguments: Any, read: Read[Any] = _anything) -> Any:
        """Run one method of the workshop.

        Args:
            read: checks the answer; raises ``ValueError`` for what the method never answers.

        Raises:
            MalformedMessage, Refused: as the method did.
            Unavailable: the worker died, hung or failed, or answered what ``read`` does not take;
                it has been replaced.
        """
        self.busy = True
        until = time.monotonic() + self._limits.seconds
        try:
            self._line.send(cbor.encode([method, list(arguments)]), until)
            status, value = _answer(self._line.receive(until))
            if status == OK:
                return read(value)
        except (OSError, EOFError, TimeoutError, MalformedMessage, ValueError):
            self.replace()
            raise Unavailable("the evaluation was ended; open a new session") from None
        finally:
            self.busy = False
        if status == MALFORMED:
            raise MalformedMessage("what was to be evaluated is not a valid encoding")
        raise Refused(value)

    def replace(self) -> None:
        """Kill the process and start another."""
        count("workers_replaced_total")
        self.stop()
        self.generation += 1
        self._start()

    def stop(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._line.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.is_alive()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        for end in (ours, theirs):
            _widen(end)
        self._line = _Line(ours)
        self._process: SpawnProcess = context.Process(
            target=_main,
            args=(theirs, self._workshop, self._limits.memory_bytes),
            daemon=True,
            name="sealmatch-worker",
        )
        with _without_our_command(), without_caches(), safe_path():
            resource_tracker.ensure_running()  # it unblocks signals, once
            with _without_interrupts():
                self._process.start()
        theirs.close()
        try:
            ready = self._line.receive(time.monotonic() + _START_SECONDS) == b"ready"
        except (OSError, EOFError, ValueError):  # an OSError is also that it took too long
            ready = False
        if not ready:
            self.stop()
            raise Unavailable("a worker process does not start")


class _Line:
    """The parent's end of a pipe. ``Connection`` waits without end for the rest of a message: a
    worker that an input has taken over would hold its caller with half of one, or by reading
    nothing."""

    def __init__(self, end: Connection) -> None:
        """Take the place of ``end``, which is closed. Messages have its form."""
        self._socket = socket.socket(fileno=os.dup(end.fileno()))
        end.close()

    def send(self, message: bytes, until: float) -> None:
        """Raises ``OSError``, ``TimeoutError`` included."""
        size = _SIZE.pack(len(message))
        self._wait_until(until)
        if len(message) <= _SHORT:
            self._socket.sendall(size + message)
        else:
            self._socket.sendall(size)
            self._socket.sendall(message)

    def receive(self, until: float) -> bytes:
        """Raises as ``send``; ``EOFError`` if the worker died, ``ValueError`` if it says too
        much."""
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size, until))
        if not 0 <= size <= _ANSWER_BYTES:
            raise ValueError("too long an answer")
        return bytes(self._exactly(size, until))

    def close(self) -> None:
        self._socket.close()

    def _exactly(self, size: int, until: float) -> bytearray:
        came = bytearray(size)
        rest = memoryview(came)
        while rest:
            self._wait_until(until)
            count = self._socket.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return came

    def _wait_until(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class WorkerPool:
    """A fixed number of workers, replaced when they die."""

    def __init__(self, workshop: str, count: int, limits: WorkerLimits) -> None:
        """Describe the workers; ``start`` starts them.

        Args:
            workshop: ``module:function`` that makes the workshop inside a worker.
        """
        self._describe = (workshop, limits)
        self._count = count
        self.workers: list[Worker] = []
        self._patience = 2 * limits.seconds
        self._locks = [threading.Lock() for _ in range(count)]
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(count):
            self._free.put(index)

    def start(self) -> None:
        """Start the workers.

        Raises:
            Unavailable: one does not start.
        """
        for _ in range(self._count):
            self.workers.append(Worker(*self._describe))

    def take(self) -> int:
        """Wait for a free worker. Nobody else takes it until ``give_back``.

        Raises:
            Unavailable: all are busy for twice as long as a call may take.
        """
        try:
            return self._free.get(timeout=self._patience)
        except queue.Empty:
            raise Unavailable(
                "the server is busy; try again later", retry_after=RETRY_SECONDS
            ) from None

    def give_back(self, index: int) -> None:
        self._free.put(index)

    @contextmanager
    def on(self, index: int) -> Iterator[Worker]:
        """One particular worker, held by this thread for a call."""
        with self._locks[index]:
            yield self.workers[index]

    def check(self) -> None:
        """Replace workers that died while they had no work: no call would, as long as none comes.

        Raises:
            Unavailable: one does not start.
        """
        for worker, lock in zip(list(self.workers), self._locks, strict=False):
            if not worker.lives and lock.acquire(blocking=False):
                try:
                    if worker in self.workers and not worker.lives:  # the pool goes on
                        worker.replace()
                finally:
                    lock.release()

    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [one.pid for one in list(self.workers) if one.pid is not None]

    def stop(self) -> None:
        """Kill all workers."""
        while self.workers:
            self.workers.pop().stop()


def _widen(end: Connection) -> None:
    """Let a message of hundreds of kilobytes go into the kernel's buffer at once, as far as the
    system allows. In pieces it wakes both processes a dozen times."""
    with socket.socket(fileno=os.dup(end.fileno())) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIPE_BYTES)


_starting = threading.Lock()


@contextmanager
def _without_our_command() -> Iterator[None]:
    """A process started within this context imports its workshop, and not the server's command.

    ``multiprocessing`` makes a new process import its parent's main module once more. For a server
    that brings its web framework and its database, which no worker needs.
    """
    with _starting:
        ours = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = ours


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process started within this context is never reached by Ctrl-C, its parent's affair.

    From its first moment on: it inherits what this thread blocks. Our own comes afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(data: bytes) -> tuple[str, Any]:
    """Status and value. Raises ``ValueError`` for a failure, or for what no worker of ours says."""
    answer = cbor.decode(data)
    if not isinstance(answer, list) or len(answer) != 2:
        raise ValueError("not an answer")
    status, value = answer
    if status == OK:
        return OK, value
    if status not in (MALFORMED, REFUSED) or not isinstance(value, str):
        raise ValueError("not an answer")
    if len(value) > _TEXT or not value.isprintable():  # it goes to the operator's log
        raise ValueError("not a text of ours")
    return status, value


def _main(pipe: Connection, workshop: str, memory_bytes: int) -> None:
    """The worker's loop. It ends when the parent's end of the pipe does."""
    protect("off")
    module, _, function = workshop.partition(":")
    shop = getattr(importlib.import_module(module), function)()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    pipe.send_bytes(b"ready")
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send_bytes(cbor.encode(_serve(shop, pipe.recv_bytes())))


def _serve(shop: Workshop, request: bytes) -> list[Any]:
    method, arguments = cbor.decode(request)
    if method.startswith("_"):
        return [FAILED, "CallerMisuse"]
    try:
        return [OK, getattr(shop, method)(*arguments)]
    except MalformedMessage as error:
        return [MALFORMED, str(error)]
    except Refused as error:
        return [REFUSED, error.detail]
    except (CallerMisuse, MemoryError, RuntimeError, ValueError) as error:
        return [FAILED, type(error).__name__]
