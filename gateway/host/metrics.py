"""What a server counts of itself, in one registry per server, for Prometheus.

``measures`` declares every metric. Nothing is ever booked that is not declared there: tests raise
``CallerMisuse``, and in production the value is counted as ``other`` or not at all, because a
person at a counter must not lose a registration to a number.

Two ways to book:

- ``with stage("evaluation-begin"):`` and ``count("verifications_total", event="opened")`` book for
  the server whose request is being answered, or whose thread this is (``Metrics.here``). Elsewhere
  they do nothing.
- ``Metrics.count``, ``set`` and ``watch`` book for one server.

The times of a request's stages are held back until it ends (``Tally``). They are booked together if
it succeeded, and dropped otherwise: see ``measures``.

Off unless the settings give a port; then ``prometheus_client`` is not even loaded.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final

from gateway.host.measures import BUCKETS, MEASURES, OTHER, Kind, Measure, Server, Stage
from gateway.host.tracing import Timed, Tracing
from gateway.wire.errors import CallerMisuse

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PREFIX: Final = "sealmatch_"
LONGEST: Final = 60.0
"""Seconds; what takes longer than the last bucket's bound is booked as this."""

_here: ContextVar["Metrics | None"] = ContextVar("metrics", default=None)
_tally: ContextVar["Tally | None"] = ContextVar("tally", default=None)


class Metrics:
    """One server's metrics."""

    strict: ClassVar[bool] = False
    """Whether an undeclared booking raises; the tests' way."""

    def __init__(self, server: Server, *, on: bool = True) -> None:
        self.server = server
        self._held: dict[str, Any] = {}
        self.tracing: Tracing | None = None
        """Where the spans of requests go; None: nowhere."""
        self.registry: CollectorRegistry | None = None
        if on:
            self._register()

    @property
    def on(self) -> bool:
        """Whether requests are watched at all."""
        return self.registry is not None or self.tracing is not None

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        if (metric := self._metric(name, Kind.COUNTER, labels)) is not None:
            metric.inc(amount)

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Book a time in a histogram, as the bound of the bucket that it falls in.

        So a histogram's sum says no more than its buckets. To the microsecond, one request's time
        might say what became of it.
        """
        if (metric := self._metric(name, Kind.HISTOGRAM, labels)) is not None:
            place = bisect_left(BUCKETS, seconds)
            metric.observe(BUCKETS[place] if place < len(BUCKETS) else LONGEST)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        if (metric := self._metric(name, Kind.GAUGE, labels)) is not None:
            metric.set(value)

    def watch(self, name: str, look: Callable[[], float | None], /, **labels: str) -> None:
        """Have a gauge looked at whenever somebody asks.

        Args:
            look: cheap and safe in any thread; None where it cannot be known.
        """
        if (metric := self._metric(name, Kind.GAUGE, labels)) is not None:
            metric.set_function(lambda: _number(look))

    @contextmanager
    def here(self) -> Iterator[None]:
        """Within the block, this thread or task books for this server."""
        before = _here.set(self)
        try:
            yield
        finally:
            _here.reset(before)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format. Empty if off."""
        if self.registry is None:
            return b""
        from prometheus_client import generate_latest  # noqa: PLC0415  loaded only if on

        return generate_latest(self.registry)

    def _register(self) -> None:
        from prometheus_client import (  # noqa: PLC0415  loaded only if on
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            disable_created_metrics,
        )

        # When a series began is when something first happened.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry(auto_describe=False)
        for one in MEASURES.values():
            if self.server not in one.servers:
                continue
            name, labels = PREFIX + one.name, tuple(one.labels)
            if one.kind is Kind.COUNTER:
                made: Any = Counter(name, one.help, labels, registry=registry)
            elif one.kind is Kind.GAUGE:
                made = Gauge(name, one.help, labels, registry=registry)
                if not labels:
                    made.set(math.nan)  # nobody knows it yet
            else:
                made = Histogram(name, one.help, labels, registry=registry, buckets=BUCKETS)
            self._held[one.name] = made
            if one.kind is Kind.COUNTER and len(labels) == 1:  # a rate begins at 0
                for value in one.labels[labels[0]]:
                    made.labels(value)

    def _metric(self, name: str, kind: Kind, labels: Mapping[str, str]) -> Any:
        """What to book in; None: nothing. Raises ``CallerMisuse`` in tests."""
        declared = MEASURES.get(name)
        if declared is None or declared.kind is not kind or set(labels) != set(declared.labels):
            return self._undeclared(f"metric {name}")
        if self.registry is None and not self.strict:
            return None
        values = [self._declared(declared, label, labels[label]) for label in declared.labels]
        metric = self._held.get(name)
        if metric is None:  # off, or another kind of server's
            return None
        return metric.labels(*values) if values else metric

    def _declared(self, declared: Measure, label: str, value: str) -> str:
        if value in declared.labels[label]:
            return value
        self._undeclared(f"a value of {declared.name}'s label {label}")
        return OTHER

    def _undeclared(self, what: str) -> None:
        if self.strict:
            raise CallerMisuse(f"{what} is not declared in host.measures")
        if (counter := self._held.get("undeclared_total")) is not None:
            counter.inc()


class Tally:
    """What is booked of one request if it succeeds: its stages, and some counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.stages: list[Timed] = []
        self.counts: list[tuple[str, dict[str, str]]] = []

    def book(self) -> None:
        for name, labels in self.counts:
            self.metrics.count(name, **labels)
        for one in self.stages:
            if not one.failed:
                self.metrics.observe("stage_seconds", one.seconds, stage=one.name)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Within the block, what is booked waits for ``book``."""
        before = _tally.set(self)
        try:
            with self.metrics.here():
                yield
        finally:
            _tally.reset(before)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Book the time of the block under this name, if it and the whole request succeed."""
    tally = _tally.get()
    if tally is None:
        yield
        return
    began, failed = time.perf_counter(), True
    try:
        yield
        failed = False
    finally:
        tally.stages.append(Timed(name, began, time.perf_counter() - began, failed))


def count(name: str, /, **labels: str) -> None:
    """Count for the server whose request or thread this is, whatever becomes of the request."""
    if (metrics := _here.get()) is not None:
        metrics.count(name, **labels)


def count_if_succeeded(name: str, /, **labels: str) -> None:
    """Count if the whole request succeeds: for what would say how far a refused one came."""
    if (tally := _tally.get()) is not None:
        tally.counts.append((name, labels))


def here() -> Metrics | None:
    """The metrics that are booked in now."""
    return _here.get()


def _number(look: Callable[[], float | None]) -> float:
    try:
        value = look()
    except Exception:  # noqa: BLE001  one gauge must not cost all others
        return math.nan
    return math.nan if value is None else float(value)
