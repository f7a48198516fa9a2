"""Every metric of the servers, declared in one place: name, kind, labels, and all their values.

A metric leaves the host: it is kept elsewhere, for longer, and read by more people. So it is about
the server and never about somebody. Rules:

- A label's values are listed here. None is a device, an agent, an outlet, a handle, a session, an
  address, a party, a score or a measure. Peers are named by their kind.
- A refusal is counted under the code that its sender was told, never under its reason.
- No metric says how a verification ended: neither match nor mismatch, and nothing of a lane. Who
  reads counters every second and watches one counter in a shop would learn it of one person.
- Times of stages are booked when the whole request succeeded, all at once (``metrics``). Otherwise
  the stages' counts would say how far a refused request came, which is nearly its reason.

ADR 45 says what was weighed.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, get_args

Server = Literal["gateway", "authority", "auditor", "witness"]
SERVERS: Final = frozenset[str](get_args(Server))

OTHER: Final = "other"
"""Where a value that is not listed is counted. Tests raise instead."""

Stage = Literal[
    # every server
    "body",
    "signature",
    "transaction",
    # gateway
    "session-key",
    "submission-checks",
    "evaluation-begin",
    "authority-attempt",
    "evaluation-product",
    "authority-product",
    "evaluation-open",
    "authority-shares",
    "audit",
    "record",
    "publication",
    # authority
    "key-made",
    "attempt-counted",
    "product-answered",
    "decision-made",
    # auditor, witness
    "evaluation-repeated",
    "checkpoint-cosigned",
]
"""What a request's time is spent on."""

Missing = Literal[
    "database",
    "disk",
    "log",
    "authority",
    "auditor",
    "witnesses",
    "workers",
    "counters",
    "audits",
    "trust",
    "memory",
    "clock",
    "time",
]
"""What a server may lack (``health``). ``time``: the look itself did not end."""

Peer = Literal["authority", "auditor", "witness"]
Certificate = Literal["tls-certificate", "client-certificate", "peer-ca"]
"""The server's own; the one that it shows its peers; the CA that it accepts theirs of."""
Limit = Literal["in-all", "per-address", "headers-late", "body-late", "malformed", "draining"]
"""Why a stranger's connection was ended."""

NO_STATUS: Final = "none"
"""Nobody was there any more to be answered."""
STATUSES: Final = (
    NO_STATUS,
    *(str(status) for status in (200, 202, 206, 301, 304)),
    *(str(status) for status in (400, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431)),
    *(str(status) for status in (500, 503)),
)
CODES: Final = (
    "INVALID_ARGUMENT",
    "PAYLOAD_TOO_LARGE",
    "REQUEST_TIMEOUT",
    "UNSUPPORTED_MEDIA_TYPE",
    "FACE_VERIFICATION.UNKNOWN_PROFILE",
    "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "CONFLICT",
    "REQUEST_TIMEOUT",
    "UNPROCESSABLE_CONTENT",
    "TOO_MANY_REQUESTS",
    "PERMISSION_DENIED",
    "UNAVAILABLE",
    "INTERNAL",
)
"""Codes of problems as peers are told them (``wire.errors``)."""

ROUTES: Final = {
    "/face-verification/v0.1/sessions": "sessions",
    "/face-verification/v0.1/sessions/{sessionId}/submission": "submission",
    "/face-verification/v0.1/sessions/{sessionId}": "session",
    "/face-verification/v0.1/fallbacks": "fallbacks",
    "/face-verification/v0.1/subject-requests": "subject-requests",
    "/face-verification/v0.1/erasures/{tombstone}": "erasures",
    "/log/checkpoint": "log",
    "/log/{path:path}": "log",
    "/health": "health",
    "/v1/health": "health",
    "/health/live": "live",
    "/health/ready": "ready",
    "/openapi.json": "openapi",
    "/v1/session-keys": "session-keys",
    "/v1/attempts": "attempts",
    "/v1/padded-products": "padded-products",
    "/v1/shares": "shares",
    "/v1/audits": "audits",
    "/add-checkpoint": "add-checkpoint",
    "/{origin_hash}/checkpoint": "checkpoint",
}
"""A route's path, as the application declares it -> its label. A request's own path is no label."""
NO_ROUTE: Final = "none"
"""There is nothing at the path that was asked for."""


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Measure:
    """One metric."""

    name: str
    """Without the prefix ``sealmatch_``; with its unit. A counter's ends with ``_total``."""
    kind: Kind
    help: str
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    servers: frozenset[str] = SERVERS


def _of(*servers: Server) -> frozenset[str]:
    return frozenset(servers)


_COMPUTE = _of("gateway", "authority", "auditor")
_STORE = _of("gateway", "authority")

MEASURES: Final = {
    one.name: one
    for one in (
        # What was asked, and how it was answered.
        Measure(
            "requests_total",
            Kind.COUNTER,
            "Requests, by route and status.",
            {"route": (*dict.fromkeys(ROUTES.values()), NO_ROUTE), "status": STATUSES},
        ),
        Measure(
            "refusals_total",
            Kind.COUNTER,
            "Answers that are problems, by the code that the sender was told.",
            {"code": CODES},
        ),
        Measure(
            "request_seconds",
            Kind.HISTOGRAM,
            "Time of requests that succeeded, body included.",
            {"route": (*dict.fromkeys(ROUTES.values()), NO_ROUTE)},
        ),
        Measure(
            "stage_seconds",
            Kind.HISTOGRAM,
            "Time of the stages of requests that succeeded.",
            {"stage": get_args(Stage)},
        ),
        Measure(
            "verifications_total",
            Kind.COUNTER,
            "Sessions by what became of them; decided says nothing of the outcome.",
            {"event": ("opened", "decided", "failed")},
            _of("gateway"),
        ),
        # Strangers and load.
        Measure(
            "connections_open",
            Kind.GAUGE,
            "Connections that are open.",
        ),
        Measure("connections_limit", Kind.GAUGE, "Connections that may be open."),
        Measure(
            "connections_refused_total",
            Kind.COUNTER,
            "Connections that were ended, by the limit that they met.",
            {"limit": get_args(Limit)},
        ),
        Measure("requests_running", Kind.GAUGE, "Requests that are being answered."),
        Measure("sessions_open", Kind.GAUGE, "Sessions in memory.", servers=_STORE),
        Measure("sessions_limit", Kind.GAUGE, "Sessions that fit.", servers=_STORE),
        Measure("queue_length", Kind.GAUGE, "Requests that wait for a thread."),
        Measure("queue_limit", Kind.GAUGE, "Requests of one kind that may wait for a thread."),
        Measure("body_bytes", Kind.GAUGE, "Bytes of requests' bodies in memory."),
        Measure("body_bytes_limit", Kind.GAUGE, "Bytes of bodies that may be."),
        # Workers and the process.
        Measure("workers", Kind.GAUGE, "Worker processes.", servers=_COMPUTE),
        Measure("workers_busy", Kind.GAUGE, "Workers that have work.", servers=_COMPUTE),
        Measure(
            "workers_replaced_total",
            Kind.COUNTER,
            "Workers that died, hung or failed, and were replaced.",
            servers=_COMPUTE,
        ),
        Measure(
            "memory_bytes",
            Kind.GAUGE,
            "Resident memory, of the server's process and of all its workers.",
            {"process": ("server", "workers")},
        ),
        Measure(
            "cpu_seconds",
            Kind.GAUGE,
            "Processor time used so far, by the server's process and all workers that live.",
            {"process": ("server", "workers")},
        ),
        Measure("threads", Kind.GAUGE, "Threads of the server's process."),
        Measure("open_files", Kind.GAUGE, "Descriptors in use."),
        Measure("open_files_limit", Kind.GAUGE, "Descriptors that the process may use."),
        Measure("disk_free_bytes", Kind.GAUGE, "Room on the data directory's disk."),
        Measure("start_time_seconds", Kind.GAUGE, "When the process began, in Unix time."),
        # Whether it can do its work.
        Measure("ready", Kind.GAUGE, "Whether the server can do its work: 1, or 0."),
        Measure(
            "missing",
            Kind.GAUGE,
            "What it lacks: 1, by kind.",
            {"what": get_args(Missing)},
        ),
        Measure(
            "peer_requests_total",
            Kind.COUNTER,
            "Requests to peers: answered, within a request that succeeded; or without an answer.",
            {"peer": get_args(Peer), "result": ("answered", "unavailable")},
            _of("gateway"),
        ),
        Measure(
            "peer_clock_seconds",
            Kind.GAUGE,
            "By how much a peer's clock is ahead of this one, by the date of its answers.",
            {"peer": get_args(Peer)},
            _of("gateway"),
        ),
        Measure("witnesses_missing", Kind.GAUGE, "Cosignatures short.", servers=_of("gateway")),
        Measure(
            "database_failures_total",
            Kind.COUNTER,
            "Transactions that the storage did not carry out.",
            servers=_STORE,
        ),
        # The log.
        Measure(
            "log_unpublished_entries",
            Kind.GAUGE,
            "Entries that are under no published checkpoint.",
            servers=_of("gateway"),
        ),
        Measure("log_entries", Kind.GAUGE, "Size of the published log.", servers=_of("gateway")),
        Measure(
            "log_waiting_seconds",
            Kind.GAUGE,
            "How long entries have been waiting without a newer checkpoint; 0 if none wait.",
            servers=_of("gateway"),
        ),
        Measure(
            "log_checkpoint_time_seconds",
            Kind.GAUGE,
            "When the published checkpoint was first seen here, in Unix time.",
            servers=_of("gateway"),
        ),
        Measure("log_halted", Kind.GAUGE, "Whether the log is halted.", servers=_of("gateway")),
        # What comes due.
        Measure(
            "audits_unanswered",
            Kind.GAUGE,
            "Demands for audits that are late, of the gateway that has most.",
            servers=_of("authority"),
        ),
        Measure(
            "audits_unanswered_limit",
            Kind.GAUGE,
            "From how many on a gateway is answered no more.",
            servers=_of("authority"),
        ),
        Measure(
            "expiry_time_seconds",
            Kind.GAUGE,
            "When a certificate ends, in Unix time; of several, the first.",
            {"what": get_args(Certificate)},
        ),
        Measure(
            "reaper_runs_total",
            Kind.COUNTER,
            "Runs that removed what was due.",
            {"result": ("done", "failed")},
            _of("gateway"),
        ),
        Measure(
            "reaper_last_run_time_seconds",
            Kind.GAUGE,
            "When the reaper last ended a run or found nothing due, in Unix time.",
            servers=_of("gateway"),
        ),
        Measure(
            "reaper_period_seconds",
            Kind.GAUGE,
            "How often the reaper looks.",
            servers=_of("gateway"),
        ),
        # The operator's log, and the metrics themselves.
        Measure(
            "log_lines_left_out_total",
            Kind.COUNTER,
            "Lines of the operator's log that came too often.",
        ),
        Measure(
            "log_values_left_out_total",
            Kind.COUNTER,
            "Values and lines that the operator's log does not take.",
        ),
        Measure("undeclared_total", Kind.COUNTER, "Bookings that were not declared."),
    )
}

BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.8),
    *(1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
)
"""Seconds. 0.8 is a bound of the 99th percentile that operators watch."""
