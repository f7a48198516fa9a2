"""When refusals are answered, and whether an observer can tell them apart by how long they take.

``moments`` runs on a clock of its own and needs no luck; ``python -m tests.measure_refusal_times``
measures with a real one.
"""

import asyncio
import contextlib
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from gateway.host import application, http

RUNS = 3
"""A leak shows in every run; a disturbed machine does not."""

RESOLUTION_SECONDS = 0.005
"""A smaller difference of medians is not held against a server: an idle machine shows about 1 ms
between some causes, which a network hides."""

HOST = "peer"
"""Which requests are to be signed for."""


@dataclass(frozen=True)
class Signed:
    """A request ready to be sent."""

    path: str
    body: bytes
    headers: Mapping[str, str]


Prepare = Callable[[httpx.AsyncClient], "asyncio.Future[Signed]"]


async def measure(
    app: FastAPI, causes: Mapping[str, Prepare], samples: int, seed: int
) -> dict[str, list[float]]:
    """Seconds until the refusal, per cause; the causes in random order, one at a time."""
    order = [cause for cause in causes for _ in range(samples)]
    random.Random(seed).shuffle(order)
    found: dict[str, list[float]] = {cause: [] for cause in causes}
    answers = set()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        for cause in order:
            request = await causes[cause](client)
            start = time.monotonic()
            answer = await client.post(
                request.path, content=request.body, headers=dict(request.headers)
            )
            found[cause].append(time.monotonic() - start)
            assert answer.status_code == 403, (cause, answer.status_code, answer.text)
            headers = {k: v for k, v in answer.headers.items() if k != "x-correlator"}
            answers.add((answer.content, tuple(sorted(headers.items()))))
    assert len(answers) == 1, "the same bytes and headers"
    return found


@dataclass
class Waits:
    """A clock for an application, on which every piece of work takes another time.

    What the application waits for passes at once.
    """

    periods: list[float]
    """Of each wait: from the arrival of its request to its end, in periods."""
    arrived: float = 0.0
    now: float = 0.0


@contextlib.contextmanager
def waits(period: float, seed: int = 1) -> Iterator[Waits]:
    """Within the block, applications of this process wait on a clock of their own."""
    made, random_times = Waits([]), random.Random(seed)

    def arrival() -> float:
        made.now += 1
        made.arrived = made.now
        return made.now

    def after_the_work() -> float:
        made.now += random_times.uniform(0, 3 * period)
        return made.now

    async def sleep(seconds: float) -> None:
        made.now += seconds
        made.periods.append((made.now - made.arrived) / period)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "time", SimpleNamespace(monotonic=arrival))
        patch.setattr(application, "time", SimpleNamespace(monotonic=after_the_work))
        patch.setattr(application, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
        yield made


def moments(app: FastAPI, causes: Mapping[str, Prepare], period: float) -> dict[str, float]:
    """Periods from a request's arrival to its refusal, per cause; a cause that waits not: none."""
    found: dict[str, float] = {}
    for cause, prepare in causes.items():
        with waits(period, seed=len(found)) as made:
            asyncio.run(measure(app, {cause: prepare}, 1, 0))
        if made.periods:
            found[cause] = made.periods[-1]
    return found


def auc(first: Sequence[float], second: Sequence[float]) -> float:
    """How often a sample of the first is below one of the second: 1/2 if they are alike."""
    wins = [0.5 if a == b else float(a < b) for a in first for b in second]
    return statistics.fmean(wins)


def told_apart(times: Mapping[str, Sequence[float]], resolution: float = 0) -> list[str]:
    """Pairs of causes that an observer distinguishes whose clock resolves so many seconds."""
    found = []
    for a, b in itertools.combinations(sorted(times), 2):
        apart = abs(auc(times[a], times[b]) - 0.5)
        gap = abs(statistics.median(times[a]) - statistics.median(times[b]))
        if apart >= separable(len(times[a])) and gap >= resolution:
            found.append(f"{a} / {b}: AUC off by {apart:.2f}, medians by {1000 * gap:.1f} ms")
    return found


def separable(samples: int) -> float:
    """The distance of the AUC to 1/2 that chance seldom gives: 3.5 standard errors of its own.

    Few samples must lie apart nearly all. (Mann and Whitney 1947: the variance without a
    difference.)
    """
    return min(0.45, 3.5 * math.sqrt((2 * samples + 1) / (12 * samples * samples)))


def distinguishable(app: FastAPI, causes: Mapping[str, Prepare], samples: int) -> list[str]:
    """What was told apart in the first run in which anything was."""
    for seed in range(RUNS):
        found = told_apart(asyncio.run(measure(app, causes, samples, seed)))
        if found:
            return found
    return []


def indistinguishable(
    app: FastAPI, causes: Mapping[str, Prepare], samples: int, period: float
) -> list[str]:
    """What was told apart in the best of several runs. No answer comes before its time."""
    complaints: list[str] = []
    for seed in range(RUNS):
        times = asyncio.run(measure(app, causes, samples, seed))
        assert min(min(of_cause) for of_cause in times.values()) >= period - 0.002
        complaints = told_apart(times, RESOLUTION_SECONDS)
        if not complaints:
            return []
    return complaints
