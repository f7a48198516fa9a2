"""Ports, processes and what a command prints."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.lab.deployment.processes import reserve

PATIENCE = 300
"""Seconds to wait for what comes in no time on an idle machine: only what hangs takes longer."""


def free_port_pair() -> int:
    """A port that is free now together with the next one."""
    return free_ports(2)


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that are free now, and that no other test process on
    this machine is given.

    Below those that the system gives to connections: a server that a test kills and starts again
    must find its port still free.
    """
    for _ in range(50):
        port = 10_000 + secrets.randbelow(22_000)
        if reserve(range(port, port + count)):
            return port
    raise RuntimeError("no neighbouring ports are free")


def children_of(pid: int) -> list[int]:
    """Processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def descendants(pid: int) -> list[int]:
    """Its children, theirs, and so on."""
    return [one for child in children_of(pid) for one in (child, *descendants(child))]


def processor_seconds(pid: int) -> float:
    """Processor time, user's and system's, of a process and of its descendants that still run."""
    ticks = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: list[int], seconds: float = PATIENCE) -> bool:
    """Whether all processes have ended within this time."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def until(happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def command_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def read_json(text: str) -> dict[str, Any]:
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed
