"""``sealmatch bench load``: what a deployment on this machine carries.

Gateway, key authority and auditor run as processes, with the product's settings but for the caps:
devices and documents may do here in a minute what they may in a day (that is said in the output).
Clients are processes of their own and speak HTTP. Every verification is encrypted afresh under its
own session key by the counter's own code; its decision is compared with that of the plaintexts and
its receipt verified. Entries of the log are durable before a receipt exists.

Without --rate each client begins anew when it is done (closed loop). With --rate arrivals are fixed
beforehand, and time counts from the arrival (open loop). CPU is of whole processes, per
verification.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.lab.bench.load import run as running
from gateway.lab.bench.load.arrivals import ClosedLoop, Plan, arrivals
from gateway.lab.bench.load.deployment import AUDIT_ONE_IN, LIFTED, LoadDeployment
from gateway.lab.bench.load.figures import Done
from gateway.lab.bench.load.tables import table
from gateway.lab.bench.parties import MODEL
from gateway.lab.deployment.interrupts import orderly_end

_CLIENTS: Final = 8
_MOST_CLIENTS: Final = 512
_INTERRUPTED: Final = 130


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "load",
        help="verifications a second, latency, CPU and memory of real processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--clients",
        type=_clients,
        metavar="N",
        help="default 8; with --rate as many as arrive in two seconds, if that is more",
    )
    parser.add_argument("--seconds", type=_positive, default=30.0, metavar="S", help="default 30")
    parser.add_argument(
        "--rate", type=_positive, metavar="R", help="arrivals a second, fixed beforehand"
    )
    parser.add_argument(
        "--spacing", choices=("even", "random"), default="even", help="of arrivals (default even)"
    )
    parser.add_argument("--count", type=_count, metavar="N", help="end after N verifications")
    parser.add_argument("--devices", type=_count, default=32, metavar="N", help="default 32")
    parser.add_argument(
        "--database", metavar="URL", help="an empty PostgreSQL database (default: SQLite)"
    )
    parser.add_argument("--gateways", type=_count, default=1, metavar="N", help="default 1")
    parser.add_argument("--audit-one-in", type=int, default=AUDIT_ONE_IN, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Measure and print. Exit status 1 if a decision was wrong, 130 after Ctrl-C."""
    if options.gateways > 1 and options.database is None:
        options.parser.error("several gateways need --database")
    with orderly_end(), tempfile.TemporaryDirectory(prefix="sealmatch-load-") as directory:
        _say("starting the servers; caps are lifted: " + _lifted())
        with _deployment(Path(directory), options) as deployment:
            observed = running.LoadRun(
                deployment, clients(options), plan(options), running.made_up_pairs()
            ).observe(_progress)
    found = described(options) | running.report(observed)
    print(json.dumps(found, indent=2) if options.json else table(found))
    return _INTERRUPTED if observed.interrupted else 0


def clients(options: argparse.Namespace) -> int:
    """How many clients there are. In an open loop they bound how many verifications run at once."""
    if options.clients is not None:
        return int(options.clients)
    return max(_CLIENTS, math.ceil(2 * (options.rate or 0)))


def plan(options: argparse.Namespace) -> Plan:
    """When verifications begin, as the options say."""
    if options.rate is None:
        return ClosedLoop(float("inf") if options.count else options.seconds, options.count)
    return arrivals(options.rate, options.seconds, options.spacing)


def described(options: argparse.Namespace) -> dict[str, Any]:
    """What was run."""
    return {
        "clients": clients(options),
        "loop": "closed" if options.rate is None else "open",
        "rate": options.rate,
        "database": "sqlite" if options.database is None else "postgresql",
        "gateways": options.gateways,
        "capsLifted": LIFTED,
    }


def _deployment(directory: Path, options: argparse.Namespace) -> LoadDeployment:
    return LoadDeployment(
        directory,
        MODEL,
        options.devices,
        gateways=options.gateways,
        database_url=options.database,
        audit_one_in=options.audit_one_in,
    )


def _lifted() -> str:
    return ", ".join(f"{name} {value}" for caps in LIFTED.values() for name, value in caps.items())


def _progress(seconds: float, done: Sequence[Done]) -> None:
    decided = sum(one.decided for one in done)
    failed = len(done) - decided
    end = "\r" if sys.stderr.isatty() else "\n"
    if end == "\r" or int(seconds) % 10 == 0:
        rate = decided / seconds if seconds else 0.0
        text = f"{seconds:4.0f} s  {decided} decided, {rate:.1f} a second, {failed} failed"
        print(text, end=end, file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**7:
        raise argparse.ArgumentTypeError("a whole number from 1 to 10000000")
    return int(text)


def _clients(text: str) -> int:
    if _count(text) > _MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {_MOST_CLIENTS}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10**6:
        raise argparse.ArgumentTypeError("a number above 0")
    return value
