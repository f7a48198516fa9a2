"""What goes wrong, by name. Each fault begins, lasts, and ends; what ended is started again by a
supervisor, and nobody else lends a hand.
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.host.python import safe_path
from gateway.lab.bench.faults.strangers import Crowd, Held, Holding, strangers
from gateway.lab.bench.load.deployment import LoadDeployment
from gateway.lab.deployment.parties import ServerParty
from gateway.lab.deployment.postgres import PostgresServer, Standby
from gateway.lab.deployment.processes import descendants, memory_kib
from gateway.lab.deployment.servers import DeploymentFailed

_FORKSERVER: Final = multiprocessing.get_context("forkserver")
_SLOW: Final = (0.35, 0.05)
"""Seconds that a slow server stands still, and then runs: an eighth of its speed."""
_WORKER_KIB: Final = 40 * 1024
"""A worker has the HE engine loaded; the helpers of ``multiprocessing`` are smaller."""
_STRANGERS: Final = 2000
_BODIES: Final = 400


@dataclass(frozen=True)
class Place:
    """Where an experiment happens.

    Attributes:
        postgres: the database's server; None: SQLite.
        standby: follows it, if there is one.
    """

    deployment: LoadDeployment
    postgres: PostgresServer | None = None
    standby: Standby | None = None


Facts = dict[str, Any]
Fault = Callable[[Place, Facts], AbstractContextManager[None]]
"""Lasts as long as the context. It notes figures of its own in the facts."""


@dataclass(frozen=True)
class Experiment:
    """One fault.

    Attributes:
        says: what happens, in one line.
        fault: makes it happen.
        lasts: seconds; 0: it is over when it has happened.
        postgres: whether it needs PostgreSQL; None: either database will do.
        doubled: clients send each submission twice.
    """

    says: str
    fault: Fault
    lasts: float = 0.0
    postgres: bool | None = None
    doubled: bool = False


def _nothing(_place: Place, _facts: Facts) -> AbstractContextManager[None]:
    return nullcontext()


def _kill(party: str, *, worker: bool = False) -> Fault:
    @contextmanager
    def fault(place: Place, facts: Facts) -> Iterator[None]:
        main = _main(_party(place, party))
        pids = _workers(main) if worker else [main]
        facts["killed"] = f"{party}{' worker' if worker else ''}"
        os.kill(pids[-1], signal.SIGKILL)
        yield

    return fault


@contextmanager
def _disk_full(place: Place, _facts: Facts) -> Iterator[None]:
    """No file of the gateway may grow (RLIMIT_FSIZE), as on a full disk."""
    pid = _main(place.deployment.gateway)
    files = list(place.deployment.gateway.directory.glob("gateway.sqlite3*"))
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(map(_size, files)), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def _stopped_database(place: Place, _facts: Facts) -> Iterator[None]:
    server = _postgres(place)
    server.stop()
    yield
    server.start()


@contextmanager
def _killed_database(place: Place, _facts: Facts) -> Iterator[None]:
    server = _postgres(place)
    server.kill()
    server.start()
    yield


@contextmanager
def _failed_over(place: Place, facts: Facts) -> Iterator[None]:
    """The first server is lost for good; its synchronous standby takes its address over."""
    server, standby = _postgres(place), place.standby
    if standby is None:
        raise DeploymentFailed("there is no standby")
    server.kill()
    standby.take_over(server.port)
    facts["now"] = "the standby"
    yield


def _slow(party: str) -> Fault:
    @contextmanager
    def fault(place: Place, facts: Facts) -> Iterator[None]:
        main = _main(_party(place, party))
        pids, over = [main, *descendants(main)], threading.Event()
        facts["speed"] = "1/8"

        def stutter() -> None:
            still, running = _SLOW
            while not over.is_set():
                _signal(pids, signal.SIGSTOP)
                over.wait(still)
                _signal(pids, signal.SIGCONT)
                over.wait(running)

        thread = threading.Thread(target=stutter, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            _signal(pids, signal.SIGCONT)

    return fault


def _frozen(party: str) -> Fault:
    @contextmanager
    def fault(place: Place, _facts: Facts) -> Iterator[None]:
        main = _main(_party(place, party))
        pids = [main, *descendants(main)]
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    return fault


def _crowd(holding: Holding, count: int) -> Fault:
    @contextmanager
    def fault(place: Place, facts: Facts) -> Iterator[None]:
        stop, (out, end) = _FORKSERVER.Event(), _FORKSERVER.Pipe(duplex=False)
        crowd = Crowd(holding, count, place.deployment.ports[0])
        process = _FORKSERVER.Process(target=strangers, args=(crowd, stop, end), daemon=True)
        with safe_path():
            process.start()
        end.close()
        try:
            yield
        finally:
            stop.set()
            held: Held = out.recv()
            process.join()
            middle = sorted(held.at_once)[len(held.at_once) // 2]
            facts |= {"held at most": held.most, "held in the middle": middle}
            facts |= {"ended by the gateway": held.ended}

    return fault


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "nothing": Experiment("no fault: what the others are compared with", _nothing, 5),
    "gateway-killed": Experiment("SIGKILL of the gateway", _kill("gateway")),
    "gateway-worker-killed": Experiment(
        "SIGKILL of a worker that evaluates", _kill("gateway", worker=True)
    ),
    "authority-killed": Experiment("SIGKILL of the key authority", _kill("authority")),
    "authority-worker-killed": Experiment(
        "SIGKILL of a worker that holds session keys", _kill("authority", worker=True)
    ),
    "auditor-killed": Experiment("SIGKILL of the auditor", _kill("auditor")),
    "witness-killed": Experiment("SIGKILL of the log's witness", _kill("witness")),
    "disk-full": Experiment("the gateway's database cannot grow", _disk_full, 5, postgres=False),
    "database-stopped": Experiment(
        "PostgreSQL is stopped, and started later", _stopped_database, 5, postgres=True
    ),
    "database-killed": Experiment(
        "PostgreSQL ends as by a power failure, and recovers", _killed_database, postgres=True
    ),
    "database-failover": Experiment(
        "PostgreSQL is lost; its synchronous standby takes over", _failed_over, postgres=True
    ),
    "authority-slow": Experiment("the authority runs at 1/8 of its speed", _slow("authority"), 8),
    "authority-frozen": Experiment("the authority answers nothing", _frozen("authority"), 15),
    "auditor-frozen": Experiment("the auditor answers nothing", _frozen("auditor"), 10),
    "idle-connections": Experiment(
        "2,000 connections on which nothing comes", _crowd("idle", _STRANGERS), 15
    ),
    "half-open": Experiment(
        "2,000 connections with half of a header", _crowd("half-open", _STRANGERS), 15
    ),
    "dribbling": Experiment(
        "400 clients that send a byte at a time", _crowd("dribble", _BODIES), 15
    ),
    "held-bodies": Experiment("400 bodies of 700 kB, one byte short", _crowd("body", _BODIES), 15),
    "doubled-submission": Experiment(
        "each submission is sent twice at once", _nothing, 5, doubled=True
    ),
}


def _party(place: Place, name: str) -> ServerParty:
    for party in place.deployment.supervised:
        if party.role == name:
            return party
    raise DeploymentFailed(f"there is no {name}")


def _main(party: ServerParty) -> int:
    if party.server is None:
        raise DeploymentFailed(f"the {party.role} does not run")
    return party.server.process.pid


def _workers(main: int) -> list[int]:
    """The processes in which a server computes, and no helper of multiprocessing's."""
    found = [pid for pid in descendants(main) if memory_kib(pid) > _WORKER_KIB]
    if not found:
        raise DeploymentFailed("the server has no workers")
    return found


def _postgres(place: Place) -> PostgresServer:
    if place.postgres is None:
        raise DeploymentFailed("this experiment needs PostgreSQL")
    return place.postgres


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _size(path: Path) -> int:
    return path.stat().st_size
