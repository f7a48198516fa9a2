"""The witness dies at its crash points and anywhere else: no two of its cosignatures disagree.

A log with two histories asks for cosignatures of both, again and again, while the witness is killed
and started again. Whatever it hands out, and whatever it keeps, is one history. The long run has
``SEALMATCH_WITNESS_KILLS=200`` in its environment.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from gateway.translog.tree import verify_consistency
from gateway.translog.witnessing import AddCheckpoint, Remembered, cosignatures
from gateway.witness.config import WitnessSettings
from gateway.witness.memory import WitnessMemory
from tests.support.crashing import points
from tests.support.processes import PATIENCE
from tests.support.translog import ORIGIN, MemoryLog, grown
from tests.support.witnesses import public_keys, running_witness, sealed_witness

SIZE = 200
KILLS = 5
RANDOM_KILLS = int(os.environ.get("SEALMATCH_WITNESS_KILLS", "30"))
LOG = grown(SIZE)
FORK = MemoryLog()
FORK.append(b"another history", *LOG.entries[1:])
POINTS = sorted(point for point in points() if point.startswith("witness-"))

pytestmark = [pytest.mark.slow, pytest.mark.processes]


class Asker:
    """A log that shows two histories, and notes every cosignature that it gets."""

    def __init__(self, settings: WitnessSettings) -> None:
        self.settings = settings
        self.keys = public_keys(settings)
        self.seen: dict[tuple[int, bytes], MemoryLog] = {}
        self.random = random.Random(1)
        self.web = httpx.Client(verify=False, trust_env=False, timeout=PATIENCE)
        self.answers = 0

    def ask(self, url: str, log: MemoryLog, old: int, size: int) -> int | None:
        """The size of the tree that the witness remembers now, or None: it is gone."""
        size = max(old, size)
        request = AddCheckpoint(old, log.consistency(old, size), log.signed(size))
        try:
            answer = self.web.post(f"{url}/add-checkpoint", content=bytes(request))
        except httpx.TransportError:
            return None
        self.answers += 1
        if answer.status_code == 200:
            checkpoint = request.signed.checkpoint
            assert len(cosignatures(answer.content, checkpoint, self.keys)) == 2
            self.seen[checkpoint.size, checkpoint.root] = log
            return size
        if answer.status_code == 409:
            return int(answer.text)
        assert answer.status_code == 422
        return old

    def press(self, url: str) -> None:
        """Ask for both histories until the witness is gone."""
        old: int | None = 0
        while old is not None:
            log = self.random.choice((LOG, FORK))
            old = self.ask(url, log, old, min(SIZE, old + self.random.randrange(3)))

    def remembered(self) -> Remembered:
        memory = WitnessMemory(self.settings.memory_file)
        try:
            with memory._ledger.transaction() as connection:
                row = connection.execute(
                    "SELECT size, root, at FROM cosigned WHERE origin = ?", (ORIGIN,)
                ).fetchone()
            return Remembered() if row is None else Remembered(*row)
        finally:
            memory.close()

    def check(self) -> None:
        """One history, and nothing that was handed out is forgotten."""
        kept = self.remembered()
        logs = {id(log) for size, log in ((s, log) for (s, _), log in self.seen.items()) if size}
        assert len(logs) <= 1, "both histories were cosigned"
        for (size, root), log in self.seen.items():
            assert size <= kept.size, "a cosigned checkpoint is forgotten"
            proof = log.consistency(size, kept.size)
            verify_consistency(size, root, kept.size, kept.root, proof)


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    made = Asker(sealed_witness(tmp_path))
    yield made
    made.web.close()


def test_the_crash_points_are_there() -> None:
    assert POINTS == ["witness-committed", "witness-signed", "witness-written"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_crash_point(asker: Asker, point: str) -> None:
    for kill in range(KILLS):
        before = len(asker.seen)
        with running_witness(asker.settings, f"{point}#{kill + 1}") as (url, process):
            asker.press(url)
            process.join(PATIENCE)
            assert process.exitcode == -signal.SIGKILL, "it did not come to the point"
        asker.check()
        assert len(asker.seen) >= before
    assert asker.seen


def test_killed_anywhere(asker: Asker) -> None:
    for _ in range(RANDOM_KILLS):
        with running_witness(asker.settings) as (url, process), killed_soon(asker, process):
            asker.press(url)
        asker.check()
    assert asker.seen


@contextmanager
def killed_soon(asker: Asker, process: BaseProcess) -> Iterator[None]:
    """Some answers from now, and some milliseconds."""
    until, more = asker.answers + asker.random.randrange(5), asker.random.uniform(0, 0.02)

    def kill() -> None:
        while asker.answers < until:
            time.sleep(0.001)
        time.sleep(more)
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()
