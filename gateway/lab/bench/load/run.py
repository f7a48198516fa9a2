"""One run: servers, generators, and what watches them. It can be stopped, and tells what it has."""

import multiprocessing
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

import numpy as np

from gateway.client.counter import TIMEOUT_SECONDS
from gateway.host.python import safe_path
from gateway.issuer.issuer import Model
from gateway.lab.bench.load import figures
from gateway.lab.bench.load.arrivals import Plan
from gateway.lab.bench.load.database import CountedDatabase, transactions_of_requests
from gateway.lab.bench.load.deployment import LoadDeployment
from gateway.lab.bench.load.figures import Done
from gateway.lab.bench.load.generator import Assignment, SharedTurn, Signals, Vector, generate
from gateway.lab.bench.parties import MODEL, unit_pair
from gateway.lab.deployment.interrupts import undisturbed
from gateway.lab.deployment.processes import Watch
from gateway.wire.errors import SealmatchError

_FORKSERVER: Final = multiprocessing.get_context("forkserver")
PATIENCE_SECONDS: Final = 120
"""Until a client that says nothing counts as lost."""
_LOOK_SECONDS: Final = 1.0
PAIRS: Final = 64
_GENUINE: Final = (0.65, 0.12)
_IMPOSTOR: Final = (0.03, 0.06)
"""Mean and standard deviation of the cosines of made-up pairs: like those of LFW's."""


class LoadFailed(SealmatchError):
    """A generator's process ended, or a server did."""


@dataclass(frozen=True)
class Observation:
    """What a run gave.

    Attributes:
        done: every verification that ended.
        seconds: from the start to the last one's end.
        cpu: milliseconds by group of processes.
        peak_mb: most memory of each process during the run, by group.
        ever_mb: the same since it started; a keystore takes much while it is opened.
        memory: samples of (seconds, MB by group).
        transactions: of the database, by its own count or else by the gateways'.
        interrupted: whether somebody stopped it.
        warm: each client's first verification, which is in no figure.
    """

    done: list[Done]
    seconds: float
    cpu: dict[str, float]
    peak_mb: dict[str, list[float]]
    ever_mb: dict[str, list[float]]
    memory: list[tuple[float, dict[str, float]]]
    transactions: int
    interrupted: bool
    warm: list[Done] = field(default_factory=list)


Told = Callable[[float, Sequence[Done]], None]
"""Hears of the progress: seconds since the start, and what is done."""


@dataclass
class LoadRun:
    """Clients against a deployment that runs.

    Attributes:
        patience: seconds after which a client gives an answer up; None: the product's.
        doubled: each submission is sent twice at the same time.
        over: asked again and again, with the seconds since the start, whether none begins any more.
    """

    deployment: LoadDeployment
    clients: int
    plan: Plan
    pairs: Sequence[tuple[Vector, Vector]] = field(repr=False)
    model: Model = MODEL
    patience: float | None = None
    doubled: bool = False
    over: Callable[[float], bool] = lambda _: False

    def observe(self, told: Told = lambda *_: None) -> Observation:
        """Run to the end. A ``KeyboardInterrupt`` ends it early; what there is is returned.

        Raises:
            LoadFailed: a client was lost.
        """
        with ExitStack() as stack:
            url = self.deployment.gateway.settings.get("database_url")
            database = CountedDatabase(url) if url else None
            shared, outs, processes = stack.enter_context(self._clients())
            warm: list[Done] = [out.recv() for out in outs]
            watch = Watch(self._groups(database, processes))
            before = self._transactions(database)
            began = shared.began.value = time.monotonic()
            shared.ready.wait(PATIENCE_SECONDS)
            done, memory, interrupted = self._collect(outs, shared, watch, began, told)
            _require_whole(processes)
            ended = max((one.ended for one in done), default=time.monotonic() - began)
            if database is not None:
                watch.join(self._groups(database, processes))
            return Observation(
                done,
                ended,
                watch.cpu(),
                watch.peaks(),
                watch.peaks_ever(),
                memory,
                self._transactions(database) - before,
                interrupted,
                warm,
            )

    def _transactions(self, database: CountedDatabase | None) -> int:
        if database is not None:
            return database.transactions()
        return transactions_of_requests(self.deployment.metrics_ports)

    def _groups(
        self, database: CountedDatabase | None, processes: Sequence[ForkServerProcess]
    ) -> dict[str, list[int]]:
        found = {name: list(pids) for name, pids in self.deployment.groups().items()}
        if database is not None:
            found |= {name: list(pids) for name, pids in database.groups().items()}
        return found | {"generator": [one.pid for one in processes if one.pid is not None]}

    def _collect(
        self,
        outs: list[Connection],
        shared: Signals,
        watch: Watch,
        began: float,
        told: Told,
    ) -> tuple[list[Done], list[tuple[float, dict[str, float]]], bool]:
        done: list[Done] = []
        memory: list[tuple[float, dict[str, float]]] = []
        interrupted, looked = False, 0.0
        while outs:
            try:
                now = time.monotonic() - began
                if now - looked >= _LOOK_SECONDS:
                    looked = now
                    watch.look()
                    memory.append((now, watch.resident()))
                    told(now, done)
                if self.over(now):
                    shared.stop.set()
                for out in wait(outs, _LOOK_SECONDS / 4):
                    _take(out, outs, done)
            except KeyboardInterrupt:
                interrupted = True
                shared.stop.set()
        return done, memory, interrupted

    @contextmanager
    def _clients(self) -> Iterator[tuple[Signals, list[Connection], list[ForkServerProcess]]]:
        """Start the clients and wait until each has done a verification that nobody counts."""
        context = _FORKSERVER
        context.set_forkserver_preload([generate.__module__])
        shared = Signals(
            SharedTurn(context.Value("l", 0)),
            context.Barrier(self.clients + 1),
            context.Value("d", 0.0),
            context.Event(),
        )
        outs: list[Connection] = []
        processes: list[ForkServerProcess] = []
        try:
            with undisturbed():
                for number in range(self.clients):
                    out, end = context.Pipe(duplex=False)
                    given = self._assignment(number)
                    process = context.Process(
                        target=generate, args=(given, shared, end), daemon=True
                    )
                    with safe_path():
                        process.start()
                    end.close()
                    outs.append(out)
                    processes.append(process)
            self._await(shared, processes)
            yield shared, outs, processes
        finally:
            with undisturbed():
                shared.stop.set()
                for process in processes:
                    process.join(_LOOK_SECONDS)
                    if process.exitcode is None:
                        process.kill()
                        process.join()

    def _await(self, shared: Signals, processes: Sequence[ForkServerProcess]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while shared.ready.n_waiting < self.clients:
            if any(process.exitcode is not None for process in processes):
                raise LoadFailed("a client ended before it began")
            if time.monotonic() > until:
                raise LoadFailed("a client did not begin in time")
            time.sleep(0.02)
        shared.ready.wait(PATIENCE_SECONDS)

    def _assignment(self, number: int) -> Assignment:
        return Assignment(
            number,
            self.deployment.counters,
            self.pairs,
            self.deployment.directories.trust,
            self.model,
            self.plan,
            self.deployment.ports,
            len(self.deployment.ports) > 1,
            self.patience or TIMEOUT_SECONDS,
            self.doubled,
        )


def made_up_pairs(count: int = PAIRS, seed: int = 1) -> list[tuple[Vector, Vector]]:
    """Unit vectors as good as embeddings: one genuine pair, one of strangers, and so on."""
    rng = np.random.default_rng(seed)
    cosines = [
        float(np.clip(rng.normal(*(_IMPOSTOR if number % 2 else _GENUINE)), -0.9, 0.9))
        for number in range(count)
    ]
    return [unit_pair(rng, cosine) for cosine in cosines]


def report(observed: Observation) -> dict[str, Any]:
    """The run as one JSON object. Raises ``WrongDecision`` for a decision that is not right."""
    figures.require_right(observed.done)
    found = figures.summary(observed.done, observed.seconds)
    count = max(1, found["verifications"])
    return {
        **found,
        "interrupted": observed.interrupted,
        "cpuMs": {name: round(spent / count, 2) for name, spent in observed.cpu.items()},
        "cpuCoresUsed": round(sum(observed.cpu.values()) / 1e3 / observed.seconds, 2)
        if observed.seconds
        else 0.0,
        "memoryMb": observed.peak_mb,
        "memoryMbSinceStart": observed.ever_mb,
        "memoryMbPer1000": growth(observed),
        "transactions": round(observed.transactions / count, 2),
    }


def growth(observed: Observation) -> dict[str, float]:
    """MB by which each group grew per 1,000 verifications, of the second half of the run.

    A least-squares line through the samples; what is allocated once is there before.
    """
    ended = sorted(one.ended for one in observed.done if one.decided)
    late = observed.memory[len(observed.memory) // 2 :]
    points = [(bisect_right(ended, at) / 1000, groups) for at, groups in late]
    names = list(observed.cpu)
    return {
        name: round(figures.slope([(x, groups.get(name, 0.0)) for x, groups in points]), 2)
        for name in names
    }


def _require_whole(processes: Sequence[ForkServerProcess]) -> None:
    """Raise ``LoadFailed`` if a client broke down: then its part of the load was missing."""
    for process in processes:
        process.join(PATIENCE_SECONDS)
        if process.exitcode != 0:
            raise LoadFailed("a client broke down; what it says stands above")


def _take(out: Any, outs: list[Connection], done: list[Done]) -> None:
    try:
        done.append(out.recv())
    except EOFError:
        outs.remove(out)
        out.close()
