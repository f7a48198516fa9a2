"""Faults of a deployment: servers killed and started again where they were, a full disk."""

import contextlib
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.observation import gateway_database
from tests.support.observed import Observed
from tests.support.processes import PATIENCE

AUTHORITY, AUDITOR, GATEWAY = 0, 1, -1
"""Places among a deployment's servers; the auditor's where there is one."""


def kill(deployment: Observed, which: int) -> None:
    server = deployment.servers[which]
    server.process.kill()
    server.process.wait(PATIENCE)


_reviving = threading.Lock()
"""A slow restart within a message's delivery is not overtaken by the one after the test."""


def revive(deployment: Observed) -> None:
    """Start again what was killed, on the same port and directory."""
    with _reviving:
        for party in deployment.parties:
            if party.server is None or party.server.process.poll() is None:
                continue
            party.stop()
            party.launch()
            port = party.ready()
            if party is deployment.authority:
                deployment.proxy.upstream = port


def counts(deployment: Observed) -> dict[str, int]:
    with gateway_database(deployment) as database:
        rows = database.execute("select outcome, sum(count) from outcome_counters group by outcome")
        return {str(outcome): int(count) for outcome, count in rows}


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
