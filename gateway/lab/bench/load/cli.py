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
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.cli.pack import add_pack_argument, gateway_settings, model_of, open_pack
from gateway.issuer.issuer import Model
from gateway.lab.bench.load import run as running
from gateway.lab.bench.load import scaling
from gateway.lab.bench.load.arrivals import ClosedLoop, Plan, arrivals
from gateway.lab.bench.load.deployment import AUDIT_ONE_IN, LIFTED, LoadDeployment
from gateway.lab.bench.load.figures import Done
from gateway.lab.bench.load.generator import Vector
from gateway.lab.bench.load.sweep import SUFFIX, picture, sweep, sweep_table
from gateway.lab.bench.load.tables import scaling_table, table
from gateway.lab.bench.parties import MODEL
from gateway.lab.deployment.interrupts import orderly_end
from gateway.lab.deployment.postgres import PostgresFailed, PostgresServer, installed_programs
from gateway.lab.deployment.processes import free_ports

_CLIENTS: Final = 8
_MOST_CLIENTS: Final = 512
_INTERRUPTED: Final = 130
_SOON: Final = 10
"""Seconds in which progress is told each second; then in so many, where nobody sits before it."""


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
        "--rates", type=_rates, metavar="R,...", help="one rate after the other, as with --rate"
    )
    parser.add_argument(
        "--picture", type=_picture, metavar="FILE.svg", help="of --rates: latency against rate"
    )
    parser.add_argument(
        "--spacing", choices=("even", "random"), default="even", help="of arrivals (default even)"
    )
    parser.add_argument("--count", type=_count, metavar="N", help="end after N verifications")
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="photographs to embed beforehand, listed as for evaluate match (default: made-up "
        "vectors, half of them of the same person)",
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="of --pairs: the pictures")
    add_pack_argument(parser)
    parser.add_argument("--devices", type=_count, default=32, metavar="N", help="default 32")
    parser.add_argument(
        "--database",
        default="sqlite",
        metavar="URL",
        help="sqlite (default), postgresql (a server of its own, started for the run) or the URL "
        "of an empty PostgreSQL database",
    )
    parser.add_argument(
        "--authority-database",
        metavar="URL",
        help="of the authorities, if --database is a URL and there are several",
    )
    parser.add_argument("--gateways", type=_count, default=1, metavar="N", help="default 1")
    parser.add_argument("--authorities", type=_count, default=1, metavar="N", help="default 1")
    parser.add_argument(
        "--audit-one-in",
        type=int,
        default=AUDIT_ONE_IN,
        metavar="N",
        help=f"evaluations, as the authority demands (default {AUDIT_ONE_IN}; 0: none)",
    )
    parser.add_argument(
        "--witness", action="store_true", help="a witness must cosign each of the log's checkpoints"
    )
    parser.add_argument(
        "--cores", type=_cores, metavar="N,...", help="keep everything on these cores"
    )
    parser.add_argument(
        "--scaling",
        action="store_true",
        help="gateway and authority on one core against two of each on two, with PostgreSQL",
    )
    parser.add_argument(
        "--repeats", type=_count, default=3, metavar="N", help="of both sides of --scaling"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Measure and print. Exit status 130 after Ctrl-C, which ends the run early.

    Raises:
        WrongDecision: a decision differs from that of the plaintexts, or a key was used twice.
        LoadFailed: a process was lost.
        DeploymentFailed, PostgresFailed: a server did not start.
    """
    _check(options)
    if options.scaling:
        return _print(_scaling(options), options, scaling_table)
    scaling.pin(options.cores)
    with orderly_end(), ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sealmatch-load-"))
        faces = _faces(options)
        urls = _databases(options, stack)
        _say("starting the servers; caps are lifted: " + _lifted())
        deployment = stack.enter_context(_deployment(Path(directory), options, faces, *urls))

        def observed(rate: float | None) -> dict[str, Any]:
            return _observed(deployment, options, faces, rate)

        if options.rates:
            reports = sweep(options.rates, observed)
            if options.picture:
                picture(reports, options.picture)
            whole = described(options) | {"rates": reports}
            _print(whole, options, lambda found: sweep_table(found["rates"]))
            return _INTERRUPTED if reports[-1]["interrupted"] else 0
        found = observed(options.rate)
    _print(described(options) | found, options, table)
    return _INTERRUPTED if found["interrupted"] else 0


def clients(options: argparse.Namespace, rate: float | None) -> int:
    """How many clients there are. In an open loop they bound how many verifications run at once."""
    if options.clients is not None:
        return int(options.clients)
    return max(_CLIENTS, math.ceil(2 * (rate or 0)))


def plan(options: argparse.Namespace, rate: float | None) -> Plan:
    """When verifications begin, as the options say."""
    if rate is None:
        return ClosedLoop(float("inf") if options.count else options.seconds, options.count)
    return arrivals(rate, options.seconds, options.spacing)


def described(options: argparse.Namespace) -> dict[str, Any]:
    """What was run."""
    return {
        "database": "sqlite" if options.database == "sqlite" else "postgresql",
        "gateways": options.gateways,
        "authorities": options.authorities,
        "witness": options.witness,
        "pairs": "made up" if options.pairs is None else "photographs",
        "cores": None if options.cores is None else sorted(options.cores),
        "capsLifted": LIFTED,
    }


@dataclass(frozen=True)
class Faces:
    """What is compared: the model, its thresholds as the gateway's settings, and pairs."""

    model: Model
    settings: dict[str, str]
    pairs: Sequence[tuple[Vector, Vector]] = field(repr=False)


def _faces(options: argparse.Namespace) -> Faces:
    if options.pairs is None:
        return Faces(MODEL, {}, running.made_up_pairs())
    from gateway.lab.bench.load.photographs import embedded_pairs  # noqa: PLC0415  heavy

    pack = open_pack(options.pack)
    _say(f"embedding {running.PAIRS} pairs of photographs")
    pairs = embedded_pairs(options.pairs, options.root, pack, running.PAIRS)
    return Faces(model_of(pack), gateway_settings(pack), pairs)


def _observed(
    deployment: LoadDeployment, options: argparse.Namespace, faces: Faces, rate: float | None
) -> dict[str, Any]:
    count = clients(options, rate)
    load = running.LoadRun(deployment, count, plan(options, rate), faces.pairs, faces.model)
    loop = {"clients": count, "loop": "closed" if rate is None else "open", "rate": rate}
    return loop | running.report(load.observe(_progress))


def _scaling(options: argparse.Namespace) -> dict[str, Any]:
    same = ["--seconds", str(options.seconds), "--devices", str(options.devices)]
    same += ["--audit-one-in", str(options.audit_one_in), "--database", "postgresql"]
    with orderly_end():
        return scaling.compare(same, options.clients or _CLIENTS, options.repeats, _say)


def _check(options: argparse.Namespace) -> None:
    several = options.gateways > 1 or options.authorities > 1
    if several and options.database == "sqlite":
        options.parser.error("several processes need --database postgresql")
    if options.picture and not options.rates:
        options.parser.error("--picture needs --rates")
    if bool(options.pairs) != bool(options.root):
        options.parser.error("--pairs and --root go together")
    if options.rates and (options.rate or options.count):
        options.parser.error("--rates stands for --rate, and without --count")


def _databases(options: argparse.Namespace, stack: ExitStack) -> tuple[str | None, str | None]:
    """URLs of the gateways' database and of the authorities'; None: SQLite."""
    if options.database != "postgresql":
        own = None if options.database == "sqlite" else options.database
        return own, options.authority_database
    programs = installed_programs()
    if programs is None:
        raise PostgresFailed("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    (port,) = free_ports(1)
    server = stack.enter_context(PostgresServer(programs, port))
    return server.new_database(), server.new_database() if options.authorities > 1 else None


def _deployment(
    directory: Path,
    options: argparse.Namespace,
    faces: Faces,
    url: str | None,
    authority: str | None,
) -> LoadDeployment:
    return LoadDeployment(
        directory,
        faces.model,
        options.devices,
        gateways=options.gateways,
        authorities=options.authorities,
        database_url=url,
        authority_database=authority,
        audit_one_in=options.audit_one_in,
        witness=options.witness,
        gateway_settings=faces.settings,
    )


def _print(
    found: dict[str, Any], options: argparse.Namespace, table_of: Callable[[dict[str, Any]], str]
) -> int:
    print(json.dumps(found, indent=2) if options.json else table_of(found))
    return 0


def _lifted() -> str:
    return ", ".join(f"{name} {value}" for caps in LIFTED.values() for name, value in caps.items())


def _progress(seconds: float, done: Sequence[Done]) -> None:
    decided = sum(one.decided for one in done)
    failed = len(done) - decided
    end = "\r" if sys.stderr.isatty() else "\n"
    if end == "\r" or seconds < _SOON or int(seconds) % _SOON == 0:
        rate = decided / seconds if seconds else 0.0
        text = f"{seconds:4.0f} s  {decided} decided, {rate:.1f} a second, {failed} failed"
        print(text, end=end, file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**7:
        raise argparse.ArgumentTypeError("a whole number from 1 to 10000000")
    return int(text)


def _rates(text: str) -> list[float]:
    return [_positive(one) for one in text.split(",")]


def _picture(text: str) -> Path:
    if Path(text).suffix != SUFFIX:
        raise argparse.ArgumentTypeError(f"a file with the suffix {SUFFIX}")
    return Path(text)


def _cores(text: str) -> frozenset[int]:
    try:
        return scaling.cores(text)
    except ValueError:
        usable = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        raise argparse.ArgumentTypeError(f"some of {usable}") from None


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
