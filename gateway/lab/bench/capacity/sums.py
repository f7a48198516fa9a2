"""The sums, in the order in which they follow from each other.

A server process gets one core from the interpreter for all but its workers. That, and not the cores
in all, says how many processes there must be.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.lab.bench.capacity.figures import Assumed, Load, Measured

_DAY_SECONDS: Final = 86_400
_YEAR_DAYS: Final = 365


@dataclass(frozen=True)
class Sum:
    """One line of the result."""

    name: str
    what: str
    how: str
    value: float
    unit: str = ""

    @property
    def text(self) -> str:
        return f"{rounded(self.value)} {self.unit}".strip()


Table = tuple[str, list[Sum]]


class Sums:
    """All sums, in the order in which they follow from each other."""

    def __init__(self, assumed: Assumed, measured: Measured, load: Load) -> None:
        self._a, self._m, self._load = assumed, measured, load
        self.mean_day = assumed.lines / assumed.days * assumed.sessions_per_line
        self.mean_second = self.mean_day / (assumed.open_hours * 3600)
        self.peak = self.mean_second * assumed.day_peak * assumed.hour_peak
        self.total = assumed.lines * assumed.sessions_per_line

    def tables(self) -> Iterator[Table]:
        yield "Demand", self._demand()
        yield "Processors at the peak", self._processors()
        yield "Processes and memory at the peak", self._processes()
        yield "Bytes at the peak", self._bytes()
        yield "Log and witnesses", self._log()
        yield "Database", self._database()
        yield "Afterwards", self._afterwards()

    def _demand(self) -> list[Sum]:
        a = self._a
        return [
            Sum("sessionsPerDay", "sessions a day, mean", "lines / days x sessions_per_line",
                self.mean_day),
            Sum("meanPerSecond", "a second while shops are open", "/ open_hours",
                self.mean_second),
            Sum("peakFactor", "peak over mean", "day_peak x hour_peak", a.day_peak * a.hour_peak),
            Sum("peakPerSecond", "verifications a second at the peak", "mean x peak", self.peak),
        ]  # fmt: skip

    def _cores(self, ms: float) -> float:
        return self.peak * ms / 1000 / self._a.core_share

    def _processors(self) -> list[Sum]:
        kinds = {
            "proxy": ("the proxy", self._m.proxy_ms),
            "gateway": ("gateway, all processes", self._both("gateway")),
            "database": ("the gateway's database", self._load.ms("database")),
            "authority": ("key authority, all processes", self._both("authority")),
            "auditor": ("auditor", self._both("auditor")),
        }
        rows = [
            Sum(f"{name}Cores", what, f"peak x {ms:.1f} ms / core_share", self._cores(ms), "cores")
            for name, (what, ms) in kinds.items()
        ]
        return [*rows, Sum("cores", "all", "their sum", sum(row.value for row in rows), "cores")]

    def _both(self, role: str) -> float:
        return self._load.ms(f"{role} main") + self._load.ms(f"{role} workers")

    def _processes(self) -> list[Sum]:
        rows, memory = [], 0.0
        for role in ("gateway", "authority", "auditor"):
            main, workers = (self._load.ms(f"{role} {part}") for part in ("main", "workers"))
            processes = max(1, math.ceil(self._cores(main)))
            working = max(1, math.ceil(self._cores(workers) / processes))
            each = self._load.memory_mb
            memory += processes * (each[f"{role} main"] + working * each[f"{role} workers"])
            how = f"peak x {main:.1f} ms / core_share, upwards"
            rows.append(Sum(f"{role}Processes", f"{role}: server processes", how, processes))
            how = f"peak x {workers:.1f} ms / core_share / processes, upwards"
            rows.append(Sum(f"{role}Workers", f"{role}: workers of each", how, working))
        in_flight = Sum("openSessions", "sessions open at once", "peak x open_seconds",
                        self.peak * self._a.open_seconds)  # fmt: skip
        held = Sum("memory", "memory of all servers", "as measured, each process", memory / 1024,
                   "GB")  # fmt: skip
        return [*rows, in_flight, held]

    def _bytes(self) -> list[Sum]:
        lines = (
            ("countersIn", "counters to proxy", self._load.sent, 1.0),
            ("countersOut", "proxy to counters", self._load.received, 1.0),
            ("toAuthority", "gateway to authority", self._m.authority_bytes, 1.0),
            ("toAuditor", "gateway to auditor", self._m.audit_bytes, self._a.audit_one_in),
        )
        return [
            Sum(name, what, f"peak x {rounded(size)} bytes{'' if of == 1 else ' / audit_one_in'}",
                self.peak * size / of * 8 / 1e6, "Mbit/s")
            for name, what, size, of in lines
        ]  # fmt: skip

    def _log(self) -> list[Sum]:
        a = self._a
        checkpoints = min(self.peak, 1 / a.batch_seconds)
        return [
            Sum("entries", "entries in all", "lines x sessions_per_line", self.total),
            Sum("proofHashes", "hashes of a proof", "log2 of them, upwards",
                math.ceil(math.log2(self.total))),
            Sum("logBytes", "the log on disk", f"entries x {rounded(self._m.log_bytes)} bytes",
                self.total * self._m.log_bytes / 1e9, "GB"),
            Sum("checkpoints", "checkpoints a second", "1 / batch_seconds", checkpoints),
            Sum("witnessRequests", "requests a second to all witnesses", "checkpoints x witnesses",
                checkpoints * a.witnesses),
            Sum("audits", "audits a second", "peak / audit_one_in", self.peak / a.audit_one_in),
        ]  # fmt: skip

    def _database(self) -> list[Sum]:
        m, kept = self._m, min(self.total, self.mean_day * self._a.retention_days)
        wal = self.mean_day * m.wal_bytes
        return [
            Sum("records", "records kept at once", "all, or a day x retention_days", kept),
            Sum("databaseBytes", "the database", f"records x {rounded(m.record_bytes)} bytes",
                kept * m.record_bytes / 1e9, "GB"),
            Sum("backupBytes", "a backup", f"records x {rounded(m.backup_bytes)} bytes",
                kept * m.backup_bytes / 1e9, "GB"),
            Sum("walPerDay", "write-ahead log a day", f"a day x {rounded(m.wal_bytes)} bytes",
                wal / 1e9, "GB"),
            Sum("walPeak", "the same at the peak", "peak x the same", self.peak * m.wal_bytes / 1e6,
                "MB/s"),
            Sum("transactions", "transactions a second at the peak",
                f"peak x {self._load.transactions:.1f}", self.peak * self._load.transactions),
            Sum("reaperCores", "the reaper, when as many are due as came a day",
                f"a day x {m.reaper_ms:g} ms", self.mean_day * m.reaper_ms / 1e3 / _DAY_SECONDS,
                "cores"),
            Sum("rewriteHours", "writing the tables anew, once a day",
                f"records / 100,000 x {m.rewrite_seconds:g} s",
                kept / 1e5 * m.rewrite_seconds / 3600, "hours"),
        ]  # fmt: skip

    def _afterwards(self) -> list[Sum]:
        a, m = self._a, self._m
        year = a.lines * a.churn * a.sessions_per_line
        kept = year * a.retention_days / _YEAR_DAYS
        return [
            Sum("sessionsPerYear", "sessions a year", "lines x churn x sessions_per_line", year),
            Sum("laterPerSecond", "a second while shops are open", "/ 365 / open_hours",
                year / _YEAR_DAYS / a.open_hours / 3600),
            Sum("laterDatabase", "the database", "a year x retention_days / 365 x its bytes",
                kept * m.record_bytes / 1e9, "GB"),
            Sum("laterLog", "growth of the log a year", "a year x its bytes",
                year * m.log_bytes / 1e9, "GB"),
        ]  # fmt: skip


def rounded(value: float) -> str:
    """Three digits that count, in groups."""
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    whole = round(value, 2 - math.floor(math.log10(value)))
    text = f"{whole:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
