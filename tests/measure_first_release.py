"""CPU of a complete verification: this tree against the first release, in turn, in one run.

``python -m tests.measure_first_release DIR`` needs the first release in a directory of its own,
with the environment of its own lock file:

    git worktree add DIR fb551c9 && make -C DIR env

Each side's own deployment runs: gateway, authority, auditor (one evaluation in 64), with durable
records and log, SQLite or PostgreSQL. Each side's own counter code registers, over HTTP, everything
under a fresh session key. Both deployments are up all the time; they work in turn, and the CPU time
of all processes of a side (servers, workers, database, clients) is read before and after its turn.
Printed are medians over the turns, and the ratio.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

from gateway.lab.deployment.postgres import PostgresServer, installed_programs
from gateway.lab.deployment.processes import cpu_ms, descendants, free_ports

HERE: Final = Path(__file__).resolve().parent
LIFTED: Final = {
    "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": "100000",
    "SEALMATCH_AUTHORITY_SUBJECT_DECISIONS": "1000",
    "SEALMATCH_AUTHORITY_FAILURES_TO_LOCK": "1000",
    "SEALMATCH_GATEWAY_ACTIVATIONS_PER_SUBJECT": "1000",
}
"""Of both sides: one device does the work of a month."""


class Side:
    """One tree's deployment and its clients, in processes of that tree."""

    def __init__(self, tree: Path, python: Path, clients: int, database: PostgresServer | None):
        self._postgres = database
        settings = {} if database is None else {"database_url": database.new_database()}
        given = {"clients": clients, "settings": settings}
        environment = {**os.environ, **LIFTED, "PYTHONPATH": str(tree)}
        self._process: Any = subprocess.Popen(
            [python, "-P", HERE / "support" / "side.py", json.dumps(given)],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers: dict[str, int] = self._hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def turn(self, verifications: int) -> dict[str, float]:
        """Register so many; milliseconds of CPU per verification, by group of processes."""
        before, began = self._used(), time.monotonic()
        self._process.stdin.write(f"{verifications}\n")
        self._process.stdin.flush()
        answered = self._hear()
        assert answered["matches"] == verifications, answered
        seconds, after = time.monotonic() - began, self._used()
        spent = {name: (after[name] - before[name]) / verifications for name in after}
        return {**spent, "seconds": seconds / verifications}

    def _used(self) -> dict[str, float]:
        used = {}
        for name, pid in self._servers.items():
            used[f"{name} main"] = cpu_ms(pid)
            used[f"{name} workers"] = sum(map(cpu_ms, descendants(pid)))
        servers = {pid for top in self._servers.values() for pid in (top, *descendants(top))}
        clients = set(descendants(self._process.pid)) - servers
        used["clients"] = sum(map(cpu_ms, clients))
        if self._postgres is not None:
            running = self._postgres.process
            assert running is not None
            top = running.pid
            used["database"] = sum(map(cpu_ms, (top, *descendants(top))))
        return used

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a side ended with status {self._process.wait()}")
        return json.loads(line)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure_first_release")
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("first", type=Path, metavar="DIR")
    parser.add_argument("--turns", type=int, default=7, metavar="N", help="default 7")
    parser.add_argument("--each", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="at once; default 4")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options)
    print(json.dumps(found, indent=2) if options.json else _table(found))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turn; a first turn of each is not counted."""
    first = options.first.resolve()
    trees = {
        "first": (first, first / ".venv" / "bin" / "python"),
        "now": (HERE.parent, Path(sys.executable)),
    }
    with contextlib.ExitStack() as stack:
        databases: dict[str, PostgresServer | None] = dict.fromkeys(trees)
        if options.database == "postgresql":
            for name in trees:  # one server each, so that each has its own processes
                databases[name] = stack.enter_context(_postgres())
        sides = {
            name: stack.enter_context(Side(*tree, options.clients, databases[name]))
            for name, tree in trees.items()
        }
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for number in range(-1, options.turns):
            for name, side in sides.items():
                turn = side.turn(options.each)
                if number >= 0:
                    turns[name].append(turn)
                shown = sum(v for k, v in turn.items() if k != "seconds")
                print(f"turn {number + 1}: {name} {shown:.0f} ms", file=sys.stderr, flush=True)
    medians = {name: _medians(rows) for name, rows in turns.items()}
    return {
        "verificationsPerTurn": options.each,
        "clients": options.clients,
        "database": options.database,
        **medians,
        "ratio": round(medians["now"]["total"] / medians["first"]["total"], 3),
        "ratioOfServers": round(medians["now"]["servers"] / medians["first"]["servers"], 3),
    }


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    totals = [sum(v for k, v in row.items() if k != "seconds") for row in rows]
    servers = [total - row["clients"] for total, row in zip(totals, rows, strict=True)]
    found = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    seconds = found.pop("seconds")
    return {
        **{name: round(value, 2) for name, value in found.items()},
        "total": round(statistics.median(totals), 2),
        "servers": round(statistics.median(servers), 2),
        "perSecond": round(1 / seconds, 2),
    }


def _postgres() -> PostgresServer:
    programs = installed_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed (apt-get install postgresql)")
    return PostgresServer(programs, free_ports(1)[0], below=tempfile.gettempdir())


def _table(found: dict[str, Any]) -> str:
    lines = [f"CPU ms per verification ({found['database']})   {'first':>10}{'now':>10}"]
    for name in found["now"]:
        cells = (found[side].get(name, 0.0) for side in ("first", "now"))
        lines.append(f"  {name:<42}" + "".join(f"{cell:10.2f}" for cell in cells))
    lines.append(f"ratio {found['ratio']:.3f}, of the servers alone {found['ratioOfServers']:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
