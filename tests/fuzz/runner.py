"""Runs targets, each in its own process, so that nothing a parser does can stop the run.

The child writes every input into memory that it shares with its parent before it parses it. Where
the child dies (a crash in C code), stands still (a hang that no timer ends) or is killed for
memory, the parent knows the input. What a run leaves behind is measured twice: resident memory
over the second half of the inputs, and Python's own allocations over further rounds of new inputs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import mmap
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tests.fuzz.mutations import MOST
from tests.support.fuzzing import (
    Finding,
    Parse,
    Target,
    examine,
    peak_megabytes,
    resident_megabytes,
    smaller,
)

HANG_SECONDS: Final = 30.0
"""A child that works longer than this on one input is killed."""

_HEADER: Final = 24
"""Eight bytes each: how often a parser was called, number of the input, length of the input."""
_HANG: Final = "hang"
_DIED: Final = "process ended with"
_MOST_FINDINGS: Final = 20
_RENEWED: Final = 200
"""How often a run gets a fresh parser after a finding."""
_ROUNDS: Final = 4
_LEAKED_BYTES: Final = 64
"""Python allocations per input that stay, in every round: more is a leak."""
_NOISE_BYTES: Final = 8 * 1024
_GROWTH_MEGABYTES: Final = 24
"""Resident memory that the second half of a run may add; allocators round up."""
_ADDRESS_SPACE: Final = 6 * 2**30
"""What a child may reserve beyond what it starts with."""
_MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Files of parsers that read files: a disk would make every input wait."""
_BEYOND: Final = 10**9
"""Numbers of the inputs of the rounds that look for leaks."""


class HarnessFailed(Exception):
    """A fault of these tests: nothing is known of the parser."""


@dataclass
class Report:
    """What became of one target."""

    target: str
    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """Inputs per kind of finding."""
    seconds: float = 0.0
    slowest: float = 0.0
    peak: float = 0.0
    """Megabytes that the process held at most."""
    grown: float = 0.0
    """Megabytes that the second half of the inputs added."""
    kept: float = 0.0
    """Bytes of Python objects that stay per input."""

    @property
    def accepted(self) -> int:
        """Exceptions begin with a capital letter, refusing answers with their status."""
        return sum(n for name, n in self.outcomes.items() if name[:1].islower() or name[:1] == "2")

    def add(self, finding: Finding) -> None:
        self.counts[finding.kind] += 1
        known = self.findings.get(finding.kind)
        if known is None or len(finding.data) < len(known.data):
            self.findings[finding.kind] = finding


Progress = Callable[[Report, int], None]


def run(
    target: Target,
    inputs: int,
    seed: int,
    *,
    first: int = 0,
    until: float | None = None,
    progress: Progress = lambda _report, _inputs: None,
) -> Report:
    """Give a target its inputs.

    Args:
        first: number of the first input; ``seed`` and number determine its bytes.
        until: ``time.monotonic()`` at which to stop early.
    """
    report = Report(target.name)
    while report.inputs < inputs and len(report.findings) < _MOST_FINDINGS:
        done = report.inputs
        with mmap.mmap(-1, _HEADER + MOST) as shared:
            _one_child(target, report, inputs, first, seed, until, shared, progress)
        if report.inputs == done or (until is not None and time.monotonic() > until):
            break
    return report


def _one_child(
    target: Target,
    report: Report,
    inputs: int,
    first: int,
    seed: int,
    until: float | None,
    shared: mmap.mmap,
    progress: Progress,
) -> None:
    """Start a child and follow it to its end, or end it."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    start = report.inputs
    job = _Job(target, seed, first + start, first + inputs, until, shared, report)
    child = context.Process(target=job.run, args=(theirs,), daemon=True)
    child.start()
    theirs.close()
    watch = _Watch(child.pid, HANG_SECONDS + target.seconds)
    finished = False
    while True:
        try:
            if ours.poll(0.2):
                news = ours.recv()
                if "failed" in news:
                    raise HarnessFailed(news["failed"])
                finished = news.pop("finished")
                vars(report).update(news)
                progress(report, inputs)
                if finished:
                    break
                watch.saw_progress()
                continue
        except EOFError:
            break
        if watch.hangs(int.from_bytes(shared[:8], "little")):
            _end(child.pid)
    child.join()
    ours.close()
    if not finished:
        _lost(target, report, shared, start, child.exitcode)


class _Watch:
    """Tells a child that hangs from one whose turn does not come on a busy machine."""

    def __init__(self, pid: int | None, seconds: float) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._seconds = seconds
        self._calls = 0
        self.saw_progress()

    def saw_progress(self) -> None:
        self._since, self._used = time.monotonic(), self._look()[1]

    def hangs(self, calls: int) -> bool:
        """Whether this number of calls has been the last for too long.

        Either it computed for all that time, or it waited, and not for the processor. What it does
        before its first call is no input's fault.
        """
        if calls == 0 or calls != self._calls:
            self._calls = calls
            self.saw_progress()
            return False
        state, used = self._look()
        if state == "R":
            return used - self._used > self._seconds
        return time.monotonic() - self._since > self._seconds

    def _look(self) -> tuple[str, float]:
        """Its state, and its processor time in seconds."""
        try:
            fields = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return "Z", 0.0
        return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _lost(
    target: Target, report: Report, shared: mmap.mmap, start: int, exitcode: int | None
) -> None:
    """The child ended by itself, or was ended: the input in shared memory did it."""
    count = int.from_bytes(shared[8:16], "little")
    size = int.from_bytes(shared[16:_HEADER], "little")
    what = _HANG if exitcode == -signal.SIGKILL else f"{_DIED} {exitcode}"
    report.add(Finding(target.name, what, what, shared[_HEADER : _HEADER + size]))
    report.inputs = max(report.inputs, start + count)


def _end(pid: int | None) -> None:
    """Kill the child that this process started."""
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


@dataclass
class _Job:
    """A child's work."""

    target: Target
    seed: int
    first: int
    last: int
    until: float | None
    shared: mmap.mmap
    report: Report
    _calls: int = 0

    def run(self, pipe: Connection) -> None:
        scratch = Path(tempfile.mkdtemp(prefix="sealmatch-fuzz-", dir=_MEMORY))
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            gc.freeze()  # what was there before any input is looked at by no collection
            _bound_memory()
            self._inputs(scratch, pipe)
            self._leaks(self._prepared(scratch))
            self.report.findings = {
                kind: self._confirmed(self._prepared(scratch), finding)
                for kind, finding in self.report.findings.items()
            }
            self._tell(pipe, finished=True)
        except Exception:  # noqa: BLE001 - the harness itself failed, not a parser
            pipe.send({"failed": f"{self.target.name}:\n{traceback.format_exc()}"})
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _prepared(self, scratch: Path) -> Parse:
        """A fresh parser, which shows what it is given before it is called."""
        parse = self.target.prepare(Path(tempfile.mkdtemp(dir=scratch)))

        def shown(data: bytes) -> str | None:
            self._show(data)
            return parse(data)

        return shown

    def _confirmed(self, parse: Parse, finding: Finding) -> Finding:
        """The smallest input, if a fresh parser shows the fault too."""
        if finding.kind in ("leak", _HANG) or finding.kind.startswith(_DIED):
            return finding
        again = examine(self.target, parse, finding.data).finding
        if again is not None and again.kind == finding.kind:
            return smaller(self.target, parse, finding)
        return replace(finding, detail=f"{finding.detail} (only after other inputs of the run)")

    def _inputs(self, scratch: Path, pipe: Connection) -> None:
        seeds = self.target.seeds()
        report, started, told = self.report, time.perf_counter(), time.monotonic()
        middle, resident = (self.first + self.last) // 2, None
        before, renewed = report.seconds, 0
        parse = self._prepared(scratch)
        for number in range(self.first, self.last):
            data = self.target.input(self.seed, number, seeds)
            self.shared[8:16] = (number - self.first + 1).to_bytes(8, "little")
            verdict = examine(self.target, parse, data)
            report.inputs += 1
            report.outcomes[verdict.outcome] += 1
            report.slowest = max(report.slowest, verdict.seconds)
            if verdict.finding is not None:
                report.add(verdict.finding)
                if renewed < _RENEWED:  # what an input broke for good hides what others do
                    parse, renewed = self._prepared(scratch), renewed + 1
            if number == middle:
                resident = _settled_megabytes()
            if time.monotonic() - told > 1:
                told = time.monotonic()
                report.seconds = before + time.perf_counter() - started
                self._tell(pipe, finished=False)
                if self.until is not None and told > self.until:
                    break
        report.seconds = before + time.perf_counter() - started
        report.peak = max(report.peak, peak_megabytes())
        if resident is not None:
            report.grown = _settled_megabytes() - resident
            if report.grown > _GROWTH_MEGABYTES:
                self._leak(f"{report.grown:.0f} MB resident over {self.last - middle} inputs")

    def _leaks(self, parse: Parse) -> None:
        """Rounds of new inputs; what every round leaves behind is kept for ever."""
        size = min(300, (self.last - self.first) // 25)
        if size < 10:
            return
        seeds = self.target.seeds()
        tracemalloc.start()
        held = []
        number = _BEYOND
        for _ in range(_ROUNDS):
            stop = time.process_time() + 2
            count = 0
            while count < size and time.process_time() < stop:
                data = self.target.input(self.seed, number, seeds)
                examine(self.target, parse, data)
                number, count = number + 1, count + 1
            gc.collect()
            held.append((tracemalloc.get_traced_memory()[0], count))
        tracemalloc.stop()
        growths = [
            ((after - before) / count, after - before)
            for (before, _), (after, count) in itertools.pairwise(held)
        ]
        self.report.kept, least = max((0.0, 0), min(growths))
        if self.report.kept > _LEAKED_BYTES and least > _NOISE_BYTES:
            self._leak(f"{self.report.kept:.0f} bytes stay for every input")

    def _leak(self, what: str) -> None:
        self.report.add(Finding(self.target.name, "leak", what, b""))

    def _show(self, data: bytes) -> None:
        """Let the parent know what is being parsed, and that something is."""
        size = min(len(data), MOST)
        self.shared[16:_HEADER] = size.to_bytes(8, "little")
        self.shared[_HEADER : _HEADER + size] = data[:size]
        self._calls += 1
        self.shared[:8] = self._calls.to_bytes(8, "little")

    def _tell(self, pipe: Connection, *, finished: bool) -> None:
        pipe.send({**vars(self.report), "finished": finished})


def _settled_megabytes() -> float:
    """Resident memory after everything that is free was handed back."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)
    return resident_megabytes()


def _bound_memory() -> None:
    """No core files, and an end to reservations before the machine's memory ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def shares(targets: Sequence[Target], inputs: int) -> list[int]:
    """How many of ``inputs`` each target gets."""
    total = sum(target.weight for target in targets)
    return [max(1, -(-inputs * target.weight // total)) for target in targets]
