"""What the sums rest on: assumptions, figures of other measurements, and a load run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from gateway.host.cli import read_bytes
from gateway.wire.errors import CallerMisuse

_MOST_BYTES: Final = 2**20


def _about(default: float, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Assumed:
    """What nobody can measure here. Each field is an option."""

    lines: float = _about(144_000_000, "lines that must be registered")
    days: float = _about(172, "days in which they must be")
    open_hours: float = _about(12, "hours a day in which shops are open")
    sessions_per_line: float = _about(1.2, "sessions for one registered line: some are repeated")
    day_peak: float = _about(3, "the busiest day (a launch, the last one), over the mean day")
    hour_peak: float = _about(2.5, "its busiest hour, over its mean open hour")
    core_share: float = _about(0.6, "share of a core that is used at the peak")
    open_seconds: float = _about(60, "seconds from a session's opening to its decision")
    audit_one_in: float = _about(64, "an audit of one evaluation in")
    retention_days: float = _about(180, "days for which records are kept")
    churn: float = _about(0.3, "new lines a year afterwards, over all lines")
    witnesses: float = _about(3, "witnesses of the log")
    batch_seconds: float = _about(0.1, "seconds between two batches of the log")


@dataclass(frozen=True)
class Measured:
    """What was measured elsewhere than in the load run; the text names the command."""

    proxy_ms: float = _about(3.2, "CPU ms of the proxy, TLS on both sides, its handshake included")
    authority_bytes: float = _about(234_264, "bytes, gateway to authority (wire/test_messages)")
    audit_bytes: float = _about(923_579, "bytes of an audit (bench audit)")
    record_bytes: float = _about(2_750, "bytes in PostgreSQL of a registration, indexes included")
    wal_bytes: float = _about(48_000, "bytes of its write-ahead log, full pages included")
    log_bytes: float = _about(92, "bytes on disk of an entry of the log (bench log)")
    reaper_ms: float = _about(3, "CPU ms to remove a record that is due (bench retention)")
    rewrite_seconds: float = _about(4, "to write tables of 100,000 records anew (bench retention)")
    backup_bytes: float = _about(923, "bytes of a record in a backup (bench retention)")


@dataclass(frozen=True)
class Load:
    """Per verification, from a load run: CPU ms by kind of process, bytes; MB of each process."""

    cpu_ms: Mapping[str, float]
    memory_mb: Mapping[str, float]
    sent: float
    received: float
    transactions: float

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """From the JSON of a load run; None: the reference machine's.

        Raises:
            CallerMisuse: it is none, or one without PostgreSQL.
        """
        name = "load.json" if file is None else file.name
        content = _reference() if file is None else read_bytes(file, _MOST_BYTES)
        try:
            run = json.loads(content)
            return cls(
                {kind: float(ms) for kind, ms in run["cpuMs"].items()},
                {kind: max(map(float, each)) for kind, each in run["memoryMb"].items()},
                float(run["bytes"]["sent"]),
                float(run["bytes"]["received"]),
                float(run["transactions"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            what = "not the JSON of sealmatch bench load --database URL"
            raise CallerMisuse(f"{name}: {what}") from None

    def ms(self, kind: str) -> float:
        """Raises ``CallerMisuse`` if the run had no such process."""
        if kind not in self.cpu_ms:
            raise CallerMisuse(f"the load run says nothing of: {kind}")
        return self.cpu_ms[kind]


def _reference() -> bytes:
    return files("gateway.lab.bench.capacity").joinpath("load.json").read_bytes()
