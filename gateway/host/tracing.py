"""Spans of requests and their stages, for an operator who has a collector (OpenTelemetry, OTLP).

Off unless ``otlp_endpoint`` is set; then alone are its packages loaded (extra ``telemetry``).

- A trace's id is the correlation id. So gateway, authority and auditor write into one trace without
  telling each other anything more, and a W3C ``traceparent`` is neither sent nor taken. A stranger
  could put any context there, ask for sampling with it, or send one along to a peer; and requests'
  signatures do not cover it.
- A span has a name, two times, and the attributes below. None is about a person, device or session.
- What a stranger asks for that is not there, and questions about health, leave no span.
- As a log, and unlike metrics, a trace tells how far a refused request came. It belongs to the same
  people as the operator's log.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from gateway.host.bounded_log import BoundedLog
from gateway.host.correlating import correlator
from gateway.host.measures import NO_ROUTE, Server
from gateway.host.settings import BadConfiguration
from gateway.host.tls import is_loopback

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger("sealmatch.traces")

ATTRIBUTES: Final = ("sealmatch.correlation", "sealmatch.server", "http.route", "http.status")
QUIET: Final = (NO_ROUTE, "health", "live", "ready", "log", "openapi")
"""Routes that leave no span."""
_TIMEOUT_SECONDS: Final = 3.0
_PATH: Final = "/v1/traces"
_PACKAGES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


@dataclass(frozen=True)
class Timed:
    """One stage of a request."""

    name: str
    began: float
    """``time.perf_counter``."""
    seconds: float
    failed: bool


class Tracing:
    """Where one server's spans go."""

    def __init__(self, server: Server, endpoint: str, exporter: Any = None) -> None:
        """Prepare.

        Args:
            endpoint: the collector's base URL.
            exporter: takes the spans instead of the collector.

        Raises:
            BadConfiguration: packages are missing, or the URL cannot be used.
        """
        require_telemetry(endpoint)
        self._provider = _provider(server, endpoint, exporter)
        self._server = server
        self._tracer = self._provider.get_tracer("sealmatch")

    def request(self, route: str, status: int, began: float, stages: Sequence[Timed]) -> None:
        """Write the spans of a request that was answered just now.

        Args:
            route: its label.
            began: ``time.perf_counter``.
        """
        if route in QUIET:
            return
        from opentelemetry.context import Context  # noqa: PLC0415  loaded only if on
        from opentelemetry.trace import Status, StatusCode, set_span_in_context  # noqa: PLC0415

        now, ended = time.time_ns(), time.perf_counter()

        def moment(then: float) -> int:
            return now - int((ended - then) * 1e9)

        told: dict[str, str | int] = {
            "sealmatch.correlation": correlator() or "-",
            "sealmatch.server": self._server,
            "http.route": route,
            "http.status": status,
        }
        span = self._tracer.start_span(
            f"{self._server} {route}", Context(), attributes=told, start_time=moment(began)
        )
        inside = set_span_in_context(span, Context())
        for one in stages:
            child = self._tracer.start_span(one.name, inside, start_time=moment(one.began))
            if one.failed:
                child.set_status(Status(StatusCode.ERROR))
            child.end(moment(one.began + one.seconds))
        span.end(now)

    def stop(self) -> None:
        """Send what is left, for some seconds at most."""
        self._provider.shutdown()


def require_telemetry(endpoint: str) -> str:
    """Check that spans can be sent there: packages and URL. Returns the collector's host.

    Spans say when somebody was verified: off this host they are encrypted.

    Raises:
        BadConfiguration: they cannot.
    """
    if not all(map(_is_there, _PACKAGES)):
        raise BadConfiguration(
            "otlp_endpoint is set, and its packages are missing: pip install '.[telemetry]'"
        )
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise BadConfiguration("check the settings: otlp_endpoint is not a URL of a collector")
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise BadConfiguration("check the settings: otlp_endpoint must be https off loopback")
    return url.hostname


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):  # ValueError: somebody has put it aside
        return False


def _provider(server: Server, endpoint: str, exporter: Any) -> "TracerProvider":
    """Nothing of the environment names anything in it, and it is no global one."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  loaded only if on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SimpleSpanProcessor,
    )
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    class Correlated(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            now = correlator()
            return (UUID(now).int if now is not None else 0) or super().generate_trace_id()

    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": f"sealmatch-{server}"}),
        id_generator=Correlated(),
        shutdown_on_exit=False,
    )
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint)))
    return provider


def _exporter(endpoint: str) -> Any:
    """To the collector. Its own messages may repeat what the collector answers; ours do not."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    told = BoundedLog(log, lines=1, seconds=3600)

    class Telling(OTLPSpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            result = super().export(spans)
            if result is not SpanExportResult.SUCCESS:
                told.line(logging.WARNING, "the collector takes no traces")
            return result

    return Telling(endpoint=endpoint.rstrip("/") + _PATH, timeout=_TIMEOUT_SECONDS)
