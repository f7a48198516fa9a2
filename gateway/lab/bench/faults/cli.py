"""``sealmatch bench faults``: faults while a deployment is under load, each an experiment by name.

Clients register without pause. Servers that end are started again by a supervisor, as systemd does;
nobody else lends a hand. After each experiment it is required that every decision was that of the
plaintexts, that every decision a client knows has its record and its entry in the log, that every
recorded decision whose answer was lost can be fetched later, and that verifications succeed again.
Exit status 1 if one of these does not hold.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from gateway.lab.bench.faults.aftermath import LostOrWrong
from gateway.lab.bench.faults.experiments import EXPERIMENTS, Experiment, Place
from gateway.lab.bench.faults.trial import Spans, Trial
from gateway.lab.bench.load.deployment import LoadDeployment
from gateway.lab.bench.load.figures import WrongDecision
from gateway.lab.bench.load.run import made_up_pairs
from gateway.lab.bench.parties import MODEL
from gateway.lab.deployment.interrupts import orderly_end
from gateway.lab.deployment.postgres import (
    PostgresFailed,
    PostgresServer,
    Standby,
    installed_programs,
)
from gateway.lab.deployment.processes import free_ports

_AUDIT_ONE_IN: Final = 4
"""More than usual, so that a fault of the auditor is felt."""
_DEVICES: Final = 16


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "faults",
        help="processes killed, disk full, database lost, strangers: all of it under load",
        description=__doc__,
        epilog="experiments:\n"
        + "\n".join(f"  {name:<26}{one.says}" for name, one in EXPERIMENTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), default="sqlite", help="default sqlite"
    )
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="default 4")
    parser.add_argument(
        "--seconds", type=float, default=8.0, metavar="S", help="before and after; default 8"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Run the experiments one after the other in one deployment."""
    chosen = _chosen(options)
    found: dict[str, Any] = {}
    with orderly_end(), ExitStack() as stack:
        place = _place(options.database, chosen, stack)
        spans = Spans(options.seconds, options.seconds)
        trial = Trial(place, options.clients, made_up_pairs(), spans)
        for name, experiment in chosen.items():
            print(f"{name}: {experiment.says}", file=sys.stderr, flush=True)
            try:
                found[name] = trial.run(experiment)
            except (LostOrWrong, WrongDecision) as error:
                found[name] = {"failed": str(error)}
                break  # what is wrong once stays in the records
            finally:
                if not options.json and name in found:
                    print(_line(name, found[name]), flush=True)
    if options.json:
        print(json.dumps({"database": options.database, "faults": found}, indent=2))
    return int(any("failed" in one for one in found.values()))


def _chosen(options: argparse.Namespace) -> dict[str, Experiment]:
    unknown = [name for name in options.names if name not in EXPERIMENTS]
    if unknown:
        options.parser.error(f"no such experiment: {', '.join(unknown)}")
    names: Sequence[str] = options.names or list(EXPERIMENTS)
    postgres = options.database == "postgresql"
    wrong = [name for name in names if EXPERIMENTS[name].postgres not in (None, postgres)]
    if wrong and options.names:
        options.parser.error(f"not with {options.database}: {', '.join(wrong)}")
    return {name: EXPERIMENTS[name] for name in names if name not in wrong}


def _place(database: str, chosen: dict[str, Experiment], stack: ExitStack) -> Place:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealmatch-faults-")))
    url = server = standby = None
    if database == "postgresql":
        programs = installed_programs()
        if programs is None:
            raise PostgresFailed("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        ports = free_ports(2)
        server = stack.enter_context(PostgresServer(programs, ports[0]))
        url = server.new_database()
        if "database-failover" in chosen:
            standby = stack.enter_context(Standby(server, ports[1]))
            server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{Standby.NAME}'")
            server.execute("SELECT pg_reload_conf()")
    deployment = LoadDeployment(
        directory, MODEL, _DEVICES, database_url=url, audit_one_in=_AUDIT_ONE_IN, witness=True
    )
    stack.enter_context(deployment)
    return Place(deployment, server, standby)


def _line(name: str, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"{name:<26}FAILED: {found['failed']}"
    rates = "  ".join(
        f"{span} {found[span]['perSecond']:.1f}/s" for span in ("before", "during", "after")
    )
    errors = ", ".join(f"{count} {kind}" for kind, count in found["errors"].items()) or "no errors"
    extra = "".join(f"; {key} {found[key]}" for key in found if " " in key)
    after = found["aftermath"]
    return (
        f"{name:<26}{rates}  back after {found['recoverySeconds']:.1f} s; {errors}; "
        f"{after['records']} records, {after['fetched_later']} fetched later{extra}"
    )
