"""Servers of a local deployment, forked from a process that has imported everything.

An interpreter that loads a server's modules takes about a second of CPU, and a run of the tests
starts hundreds. Within ``warm_starts`` a deployment's servers and its authority's commands are
forked from one process, which has the modules and has run none of them. The rest is as at any
start: settings from the environment alone, a session of its own, its own standard streams, and
``python -m`` of the module. HE workers are started by the servers, as always.

What is no plain ``python -m``, or changes what an interpreter or a library reads when it starts,
gets an interpreter of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from multiprocessing import forkserver, reduction
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Final
from unittest.mock import patch

from gateway.lab.deployment import servers
from tests.support.steps import FOLDER, follow_steps

if TYPE_CHECKING:
    import pytest  # servers that are forked do without it

FORKSERVER: Final = multiprocessing.get_context("forkserver")
_LOADED: Final = (
    "gateway.auditor.app",
    "gateway.auditor.cli",
    "gateway.lab.bench.load.generator",
    "gateway.lab.deployment.attached",
    "gateway.server.app",
    "gateway.server.cli",
    "gateway.witness.cli",
    "keys.app",
    "keys.cli",
    "tests.support.crashing",
    "tests.support.witnesses",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
"""A name that does not exist would be passed over in silence, and starts would be slow."""
assert all(map(find_spec, _LOADED))
FORKSERVER.set_forkserver_preload(list(_LOADED))

_looking: Final = threading.Lock()
"""A start looks after all processes too, and only one thread at a time may read how one ended."""

_READ_AT_START: Final = ("PYTHON", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "MKL_", "GLIBC_")
_STARTS: Final = ([sys.executable, "-P", "-m"], [sys.executable, "-m"])


@contextlib.contextmanager
def warm_starts() -> Iterator[None]:
    """Within the block, deployments of this process start their processes so."""
    forkserver.ensure_running()  # now, before a test changes the environment
    instead = SimpleNamespace(
        Popen=_start, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT
    )
    with patch.object(servers, "subprocess", instead):
        yield


def starts_of(module: pytest.FixtureRequest) -> contextlib.AbstractContextManager[None]:
    """How the servers of a test module start: warm, unless it is marked ``cold``."""
    cold = module.node.get_closest_marker("cold") is not None
    return contextlib.nullcontext() if cold else warm_starts()


def _start(command: Sequence[str], *, env: Mapping[str, str], **how: Any) -> Any:
    at = next((len(start) for start in _STARTS if list(command[: len(start)]) == start), None)
    if at is None or _at_start(env) != _OURS:
        return subprocess.Popen(command, env=env, **how)
    assert how.pop("start_new_session") is True
    return WarmProcess(list(command[at:]), dict(env), **how)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    read = {k: v for k, v in environment.items() if k.startswith(_READ_AT_START)}
    if FOLDER in environment:
        read.pop("PYTHONPATH", None)  # it is there for ``Steps``, which ``_become`` looks after
    return read


_OURS: Final = _at_start(os.environ)


class WarmProcess:
    """What those who start servers use of ``subprocess.Popen``."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int | IO[bytes],
        text: bool = False,
    ) -> None:
        """``arguments``: a module and what follows it."""
        self.args = arguments
        read, self.stdin = _pipe("w", text=text) if stdin == subprocess.PIPE else (_null(), None)
        self.stdout, write = _pipe("r", text=text) if stdout == subprocess.PIPE else (None, _null())
        if stderr == subprocess.PIPE:
            self.stderr, said = _pipe("r", text=text)
        else:
            self.stderr, said = None, os.dup(stderr if isinstance(stderr, int) else stderr.fileno())
        theirs = [read, write, said]
        self._process = FORKSERVER.Process(
            target=_become,
            args=(arguments, environment, Path.cwd(), [_Descriptor(number) for number in theirs]),
            daemon=True,
        )
        with _looking:
            self._process.start()
        for number in theirs:
            os.close(number)
        self.pid = self._process.pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with _looking:
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[Any, Any]:
        """All that it printed, and all that it said, which is less than a pipe holds."""
        streams = [stream for stream in (self.stdout, self.stderr) if stream is not None]
        read = [stream.read() for stream in streams]
        self.wait()
        for stream in streams:
            stream.close()
        return read[0], read[1]


def _pipe(mode: str, *, text: bool) -> tuple[Any, Any]:
    """Our file and their end's number, in the order of reading and writing."""
    reading, writing = os.pipe()
    kind = mode if text else f"{mode}b"
    buffering = -1 if text or mode == "r" else 0
    if mode == "r":
        return os.fdopen(reading, kind, buffering), writing
    return reading, os.fdopen(writing, kind, buffering)


def _null() -> int:
    return os.open(os.devnull, os.O_RDWR)


class _Descriptor:
    """A file descriptor that travels to the new process."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        return _arrived, (reduction.DupFd(self._number),)


def _arrived(travelled: Any) -> int:
    return int(travelled.detach())


def _become(
    arguments: list[str], environment: dict[str, str], directory: Path, streams: list[int]
) -> None:
    """Be, in the forked process, what the command is in an interpreter of its own."""
    multiprocessing.current_process().daemon = False  # a server has workers
    os.setsid()
    os.chdir(directory)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    if FOLDER in environment:
        follow_steps()
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")  # it is imported
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
