"""One experiment: clients at work, a fault, and what must hold when it is over.

Asserted are: every decision is that of the plaintexts; every decision that a client knows has its
record and its entry; every recorded decision can be fetched by the client that lost it; and
verifications succeed again by themselves. Figures are of three spans: before the fault; from its
beginning until verifications succeed again; and afterwards.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway.lab.bench.faults import aftermath
from gateway.lab.bench.faults.aftermath import LostOrWrong
from gateway.lab.bench.faults.experiments import Experiment, Facts, Place
from gateway.lab.bench.faults.supervisor import Supervisor
from gateway.lab.bench.load.arrivals import ClosedLoop
from gateway.lab.bench.load.figures import Done, percentiles, require_right
from gateway.lab.bench.load.generator import Vector
from gateway.lab.bench.load.run import LoadRun

MOST_SECONDS: Final = 180
"""Until verifications must succeed again."""
_CLIENT_SECONDS: Final = 30
"""A client of these experiments gives an answer up so early."""


class NotRecovered(LostOrWrong):
    """No verification succeeded after the fault."""


@dataclass(frozen=True)
class Spans:
    """How long clients are watched before the fault, and after they succeed again, in seconds."""

    before: float = 8.0
    after: float = 8.0


class Trial:
    """Runs experiments at one place. What earlier ones recorded is held against it too."""

    def __init__(
        self, place: Place, clients: int, pairs: Sequence[tuple[Vector, Vector]], spans: Spans
    ) -> None:
        self._place, self._clients, self._pairs, self._spans = place, clients, pairs, spans
        self._all: list[Done] = []

    def run(self, experiment: Experiment) -> dict[str, Any]:
        """Run one experiment and return its figures.

        Raises:
            WrongDecision, LostOrWrong: something was decided, lost or kept that must not be.
            NotRecovered: verifications did not succeed again.
        """
        course = _Course(experiment, self._place, self._spans)
        load = LoadRun(
            self._place.deployment,
            self._clients,
            ClosedLoop(float("inf")),
            self._pairs,
            patience=_CLIENT_SECONDS,
            doubled=experiment.doubled,
            over=course.over,
        )
        with Supervisor(self._place.deployment) as supervisor:
            observed = load.observe(course.see)
            course.join()
            self._all += [*observed.warm, *observed.done]
            require_right(self._all)
            twice = Counter(one.doubled for one in observed.done if one.doubled is not None)
            if twice["another"]:
                raise LostOrWrong("a submission that was sent twice has two records")
            found = aftermath.check(self._place.deployment, self._all)
        if observed.interrupted:
            raise KeyboardInterrupt
        return {
            **course.figures(observed.done),
            **course.facts,
            "restarts": supervisor.restarts,
            "errors": dict(Counter(one.error for one in observed.done if one.error)),
            "retries": dict(Counter(kind for one in observed.done for kind in one.refused)),
            **({"secondCopies": dict(twice)} if twice else {}),
            "aftermath": asdict(found),
        }


class _Course:
    """The course of one experiment, in a thread of its own. Times are seconds after the start."""

    def __init__(self, experiment: Experiment, place: Place, spans: Spans) -> None:
        self._experiment, self._place, self._spans = experiment, place, spans
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failed: BaseException | None = None
        self._started: float | None = None
        self._over = threading.Event()
        self._done: Sequence[Done] = ()
        self._fault = self._gone = self._back = 0.0
        self.facts: Facts = {}

    def over(self, now: float) -> bool:
        """Whether the course is over; the first question begins it."""
        if self._started is None:
            self._started = time.monotonic() - now
            self._thread.start()
        return self._over.is_set()

    def see(self, _now: float, done: Sequence[Done]) -> None:
        """Hear what the clients did so far."""
        self._done = done

    def join(self) -> None:
        """Wait for its end. Raises what went wrong in it."""
        self._over.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def figures(self, done: Sequence[Done]) -> dict[str, Any]:
        """Rates and latencies before, during and after."""
        ends = [one for one in done if one.decided]
        spans = {
            "before": (0.0, self._fault),
            "during": (self._fault, self._back),
            "after": (self._back, self._back + self._spans.after),
        }
        return {
            "faultSeconds": round(self._gone - self._fault, 1),
            "recoverySeconds": round(self._back - self._gone, 1),
            **{name: _span(ends, *span) for name, span in spans.items()},
        }

    def _run(self) -> None:
        try:
            self._over.wait(self._spans.before)
            self._fault = self._now()
            with self._experiment.fault(self._place, self.facts):
                self._over.wait(self._experiment.lasts)
            self._gone = self._now()
            self._back = self._recovered()
            self._over.wait(max(0.0, self._back + self._spans.after - self._now()))
        except BaseException as error:  # noqa: BLE001  told by ``join``
            self._failed = error
        finally:
            self._over.set()

    def _recovered(self) -> float:
        """When the first verification ended well that began after the fault was over."""
        while self._now() < self._gone + MOST_SECONDS:
            good = [one.ended for one in list(self._done) if one.decided and one.began > self._gone]
            if good:
                return min(good)
            if self._over.wait(0.05):
                return self._now()
        raise NotRecovered("no verification succeeded after the fault")

    def _now(self) -> float:
        return time.monotonic() - (self._started or 0.0)


def _span(ends: Sequence[Done], begin: float, end: float) -> dict[str, float]:
    within = [one for one in ends if begin <= one.ended < end]
    seconds = end - begin
    whole = percentiles(one.stages["whole"] for one in within)
    return {
        "seconds": round(seconds, 1),
        "perSecond": round(len(within) / seconds, 2) if seconds > 0 else 0.0,
        **{f"{name}Ms": round(value * 1e3) for name, value in whole.items() if name != "p95"},
    }
