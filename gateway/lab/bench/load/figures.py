"""What the clients did, and what it amounts to.

Percentiles are of the nearest rank: each is a time that a verification really took. A verification
counts for throughput if it ended in a decision that was checked; its time counts from when it was
due.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.wire.errors import SealmatchError

STAGES: Final = ("wait", "open", "encrypt", "submit", "receipt", "whole")
"""From its arrival to a free client; the session; both encryptions and the checks before them; the
submission until its answer; what came after that for the receipt, and its check; all of it."""
QUANTILES: Final = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


@dataclass(frozen=True, slots=True)
class Done:
    """One verification, whatever came of it.

    Attributes:
        client: number of the client.
        counter: place of its counter among the deployment's.
        due: when it was to begin, in seconds after the start.
        ended: when it ended.
        stages: seconds by stage, as far as it came.
        outcome: what was decided; None: nothing.
        expected: what the plaintexts decide.
        session: as it stood in the grant; empty where none was opened.
        key_id: of its session key.
        probe: first bytes of the digest of its encrypted probe.
        record: of the decision.
        error: the kind of error that ended it; None: none did.
        refused: kinds of error that a later request of it made good.
        doubled: what became of a second, simultaneous copy of the submission; None: there was none.
        sent, received: bytes on the client's connection, without TCP's own.
        crypto_ms, other_ms: CPU time of the client, of its cryptography and of the rest.
    """

    client: int
    counter: int
    due: float
    ended: float
    stages: Mapping[str, float]
    outcome: str | None
    expected: str
    session: bytes = b""
    key_id: bytes = b""
    probe: bytes = b""
    record: bytes = b""
    error: str | None = None
    refused: tuple[str, ...] = ()
    doubled: str | None = None
    sent: int = 0
    received: int = 0
    crypto_ms: float = 0.0
    other_ms: float = 0.0
    opening: bytes = field(default=b"", repr=False)
    """What its receipt can be fetched with, if it did not come."""

    @property
    def began(self) -> float:
        """When it began, in seconds after the start."""
        return self.ended - self.stages["whole"] + self.stages["wait"]

    @property
    def decided(self) -> bool:
        return self.outcome is not None


class WrongDecision(SealmatchError):
    """An encrypted decision differs from that of the plaintexts, or a key was used twice."""


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Nearest-rank percentiles and the maximum; empty without values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        name: ordered[min(last, max(0, math.ceil(share * len(ordered)) - 1))]
        for name, share in QUANTILES
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of y over x; 0 where x does not vary."""
    if not points:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def require_right(done: Iterable[Done]) -> None:
    """Raise ``WrongDecision`` unless every decision is the plaintexts', each under its own key, of
    a probe that was encrypted for it alone."""
    decided = [one for one in done if one.decided]
    wrong = [one for one in decided if one.outcome != one.expected]
    if wrong:
        raise WrongDecision(f"{len(wrong)} of {len(decided)} decisions differ from the plaintexts'")
    for what in ("session", "key_id", "probe", "record"):
        if len({getattr(one, what) for one in decided}) != len(decided):
            raise WrongDecision(f"two decisions have the same {what}")


def summary(done: Sequence[Done], seconds: float) -> dict[str, Any]:
    """The clients' part of the report.

    Args:
        seconds: from the start to the end of what is counted.
    """
    decided = [one for one in done if one.decided]
    whole = [one for one in decided if one.error is None]
    count = max(1, len(decided))
    return {
        "verifications": len(decided),
        "verificationsPerSecond": round(len(decided) / seconds, 2) if seconds else 0.0,
        "seconds": round(seconds, 2),
        "outcomes": dict(Counter(one.outcome for one in decided)),
        "decisionsAsPlaintext": sum(one.outcome == one.expected for one in decided),
        "distinctSessionKeys": len({one.key_id for one in decided}),
        "receiptsVerified": len(whole),
        "latencyMs": {
            stage: {
                name: round(value * 1e3, 1)
                for name, value in percentiles(
                    one.stages[stage] for one in whole if stage in one.stages
                ).items()
            }
            for stage in STAGES
        },
        "errors": dict(Counter(one.error for one in done if one.error is not None)),
        "retries": dict(Counter(kind for one in done for kind in one.refused)),
        "bytes": {
            "sent": round(sum(one.sent for one in decided) / count),
            "received": round(sum(one.received for one in decided) / count),
        },
        "generatorCpuMs": {
            "crypto": round(sum(one.crypto_ms for one in done) / count, 2),
            "rest": round(sum(one.other_ms for one in done) / count, 2),
        },
    }
