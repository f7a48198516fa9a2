"""What a server's process and its workers use: memory, processor time, descriptors, disk.

Source: ``/proc`` (proc(5)). Nothing of other processes is read.
"""

import os
import resource
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.host.isolation import WorkerPool
from gateway.host.measures import Certificate
from gateway.host.metrics import Metrics

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_DISK_STEP: Final = 2**20
"""To the block, two readings would say how many bytes were written for the one person between them:
a match writes a little more than a mismatch."""
_UTIME, _STIME, _RSS = 11, 12, 21
"""Fields of ``/proc/PID/stat`` after the command's name: numbers 14, 15 and 24 of proc(5)."""


def watch_process(metrics: Metrics, directory: Path, certificate: Path | None) -> None:
    """Have the gauges of the server's own process looked at."""
    started, own = time.time(), [os.getpid()]
    metrics.set("start_time_seconds", started)
    metrics.watch("memory_bytes", lambda: used(own)[0], process="server")
    metrics.watch("cpu_seconds", lambda: used(own)[1], process="server")
    metrics.watch("open_files", lambda: len(os.listdir("/proc/self/fd")))
    metrics.watch("open_files_limit", lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    metrics.watch("disk_free_bytes", lambda: free_on(directory))
    metrics.watch("threads", threading.active_count)
    watch_certificates(metrics, "tls-certificate", certificate)


def free_on(directory: Path) -> int:
    """Room on a directory's disk, in whole MiB."""
    return shutil.disk_usage(directory).free // _DISK_STEP * _DISK_STEP


def watch_workers(metrics: Metrics, pool: WorkerPool) -> None:
    """The same for its workers, in sum."""
    pids = pool.pids
    metrics.watch("workers", lambda: sum(one.lives for one in list(pool.workers)))
    metrics.watch("workers_busy", lambda: sum(one.busy for one in list(pool.workers)))
    metrics.watch("memory_bytes", lambda: used(pids())[0], process="workers")
    metrics.watch("cpu_seconds", lambda: used(pids())[1], process="workers")


def watch_certificates(metrics: Metrics, what: Certificate, *files: Path | None) -> None:
    """Have it looked at when the first of these certificates ends."""
    given = [one for one in files if one is not None]
    if given:
        metrics.watch("expiry_time_seconds", lambda: min(map(ends_at, given)), what=what)


def used(pids: Sequence[int]) -> tuple[int, float]:
    """Resident bytes and seconds of processor time of some processes; those that ended: none."""
    memory, seconds = 0, 0.0
    for pid in pids:
        with suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            memory += int(fields[_RSS]) * _PAGE
            seconds += (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS
    return memory, seconds


def ends_at(certificate: Path) -> float:
    """When a certificate (PEM) ends, in Unix time; of a chain, its first."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.not_valid_after_utc.astimezone(UTC).timestamp()
