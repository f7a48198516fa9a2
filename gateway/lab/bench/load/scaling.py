"""How throughput grows with processes: the same load on one core and on two, all of it pinned.

A gateway and an authority share one core, with their workers, the database and the generators; then
two of each share two cores, with twice the clients. Both are run again and again in turn, and the
medians are compared, so a machine that is busy for a while hurts both.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from gateway.host.python import python


def cores(text: str) -> frozenset[int]:
    """Numbers of cores, with commas. Raises ``ValueError`` for one that may not be used here."""
    found = frozenset(int(one) for one in text.split(","))
    if not found or not found <= os.sched_getaffinity(0):
        raise ValueError(f"not among {sorted(os.sched_getaffinity(0))}")
    return found


def pin(wanted: frozenset[int] | None) -> None:
    """Keep this process, and what it starts from now on, on these cores."""
    if wanted is not None:
        os.sched_setaffinity(0, wanted)


def compare(
    arguments: Sequence[str],
    clients: int,
    repeats: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Run both sides ``repeats`` times in turn.

    Args:
        arguments: of ``sealmatch bench load``, for both sides alike.
        clients: of the side on one core.

    Raises:
        RuntimeError: a run failed.
    """
    first, second = sorted(os.sched_getaffinity(0))[:2]
    sides = {
        "one": ["--cores", f"{first}", "--gateways", "1", "--authorities", "1"],
        "two": ["--cores", f"{first},{second}", "--gateways", "2", "--authorities", "2"],
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for number in range(repeats):
        for factor, (name, own) in enumerate(sides.items(), start=1):
            report = _run([*arguments, *own, "--clients", str(clients * factor)])
            found[name].append(report)
            say(f"{number + 1}/{repeats} {name}: {report['verificationsPerSecond']} a second")
    rates = {
        name: statistics.median(one["verificationsPerSecond"] for one in reports)
        for name, reports in found.items()
    }
    return {
        "twoProcessesOneCore": rates["one"],
        "fourProcessesTwoCores": rates["two"],
        "ratio": round(rates["two"] / rates["one"], 3) if rates["one"] else None,
        "runs": found,
    }


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    command = python("-m", "gateway.main", "bench", "load", *arguments, "--json")
    done = subprocess.run(  # noqa: S603  our own command
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a run ended with status {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
