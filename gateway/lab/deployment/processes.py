"""CPU time and memory of processes on this machine, read from ``/proc`` (Linux), and free ports.

A process is counted with the children that have ended. CPU time comes in steps of 10 ms, which is
nothing over a whole run.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

_TICK_MS: Final = 1000 / os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _CUTIME, _CSTIME, _PPID = 11, 12, 13, 14, 1
"""Fields of ``/proc/PID/stat`` after the process's name (proc(5))."""

Groups = Mapping[str, Iterable[int]]
"""Process ids by what the processes are."""


def cpu_ms(pid: int) -> float:
    """Milliseconds of CPU that a process and its ended children took; 0 if it is gone."""
    with suppress(OSError, IndexError):
        fields = _fields(pid)
        return sum(int(fields[at]) for at in (_UTIME, _STIME, _CUTIME, _CSTIME)) * _TICK_MS
    return 0.0


def memory_kib(pid: int, *, peak: bool = False) -> int:
    """Resident memory of a process in KiB, at present or the most it ever had; 0 if it is gone."""
    name = "VmHWM:" if peak else "VmRSS:"
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def open_files(pid: int) -> int:
    """How many descriptors a process has open; 0 if that cannot be seen."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def descendants(pid: int) -> list[int]:
    """A process's children, theirs, and so on."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                parents[int(entry.name)] = int(_fields(int(entry.name))[_PPID])
    found, wave = [], {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave}
        found += sorted(wave)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now, for as long as this process lives.

    They lie below those that the system gives to connections: a server that is ended and started
    again finds its port still free. Nor does another process get one of them from here.
    """
    found: list[int] = []
    while len(found) < count:
        port = 10_000 + secrets.randbelow(22_000)
        if reserve([port]):
            found.append(port)
    return found


def reserve(ports: Sequence[int]) -> bool:
    """Whether these ports of the loopback are free, and were given to nobody else: from now on they
    are this process's."""
    with ExitStack() as held, suppress(OSError):
        names = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in ports]
        for port, name in zip(ports, names, strict=True):  # one process at a time can have a name
            name.bind(f"\0sealmatch-port-{port}")
        with ExitStack() as bound:
            for port in ports:
                bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
        held.pop_all()
        for name in names:
            name.detach()  # it stays open until the process ends
        return True
    return False


class Watch:
    """What groups of processes used since the watch began."""

    def __init__(self, groups: Groups) -> None:
        self._groups = {name: list(pids) for name, pids in groups.items()}
        self._before = {pid: cpu_ms(pid) for pids in self._groups.values() for pid in pids}
        self._used: dict[int, float] = {}
        self._peak_kib: dict[int, int] = {}
        self.look()

    def look(self) -> None:
        """Note what was used so far. A process that ends later keeps what it had."""
        for pid in self._before:
            self._used[pid] = max(self._used.get(pid, 0.0), cpu_ms(pid) - self._before[pid])
            self._peak_kib[pid] = max(self._peak_kib.get(pid, 0), memory_kib(pid))

    def join(self, groups: Groups) -> None:
        """Watch further processes, from their beginning."""
        for name, pids in groups.items():
            known = self._groups.setdefault(name, [])
            for pid in pids:
                if pid not in self._before:
                    known.append(pid)
                    self._before[pid] = 0.0

    def cpu(self) -> dict[str, float]:
        """Milliseconds of CPU by group."""
        self.look()
        return {
            name: sum(self._used.get(pid, 0.0) for pid in pids)
            for name, pids in self._groups.items()
        }

    def resident(self) -> dict[str, float]:
        """MB of all processes of each group at present."""
        return {
            name: round(sum(memory_kib(pid) for pid in pids) / 1024, 1)
            for name, pids in self._groups.items()
        }

    def peaks(self) -> dict[str, list[float]]:
        """The most MB of each process at any look, by group."""
        return self._by_group(lambda pid: self._peak_kib.get(pid, 0))

    def peaks_ever(self) -> dict[str, list[float]]:
        """The most MB that each process had since it started, opening of its keystore included."""
        return self._by_group(partial(memory_kib, peak=True))

    def _by_group(self, kib: Callable[[int], int]) -> dict[str, list[float]]:
        return {
            name: [round(kib(pid) / 1024, 1) for pid in pids] for name, pids in self._groups.items()
        }


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
