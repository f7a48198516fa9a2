"""``sealmatch attack``: play the attackers of the threat model against a live local deployment.

Every attacker runs against real servers, which this command starts and stops. With all defences on
it recovers nothing. With the defence disabled that stops it, it succeeds; only throw-away processes
of this command can lack a defence. Exit status: 0 if this is what happened, 1 if not, 2 usage.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from gateway.lab.attack.catalogue import ATTACKERS, DEFENCES, attackers_stopped_by
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.report import AttackReport
from gateway.lab.deployment.interrupts import orderly_end


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(ATTACKERS)}; without: all"
    )
    parser.add_argument(
        "--disable", choices=DEFENCES, metavar="DEFENCE", help=f"of {', '.join(DEFENCES)}"
    )
    parser.add_argument("--list", action="store_true", help="list attackers and defences")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Run the attacks; 0 if each had the expected result."""
    if options.list:
        _list()
        return 0
    names = _chosen(options)
    with (
        orderly_end(),
        tempfile.TemporaryDirectory(prefix="sealmatch-attack-") as work,
        Site(Path(work)) as site,
    ):
        reports = [attack(site, name, options.disable, quiet=options.json) for name in names]
    as_expected = all(report.succeeded == bool(options.disable) for report in reports)
    if options.json:
        print(json.dumps({"asExpected": as_expected, "attacks": [r.as_json() for r in reports]}))
    else:
        print(_verdict(options.disable, as_expected))
    return 0 if as_expected else 1


def attack(site: Site, name: str, disabled: str | None, *, quiet: bool) -> AttackReport:
    """Run one attacker and show what it recovered."""

    def tell(text: str) -> None:
        if not quiet:
            print(f"  ... {text}", file=sys.stderr, flush=True)

    tell(f"{name}: starting the servers")
    start = time.monotonic()
    report = ATTACKERS[name].run(site, disabled, tell)
    report.seconds = time.monotonic() - start
    if not quiet:
        print("\n".join(report.lines()) + "\n", flush=True)
    return report


def _chosen(options: argparse.Namespace) -> list[str]:
    unknown = [name for name in options.names if name not in ATTACKERS]
    if unknown:
        options.parser.error(f"unknown attacker {unknown[0]}; see --list")
    if options.disable is None:
        return options.names or list(ATTACKERS)
    stopped = attackers_stopped_by(options.disable)
    beside = [name for name in options.names if name not in stopped]
    if beside:
        options.parser.error(f"{beside[0]} is not stopped by {options.disable}; see --list")
    return options.names or stopped


def _list() -> None:
    print("attackers")
    for name, one in ATTACKERS.items():
        print(f"  {name:<21} {one.holds}\n{'':<24}stopped by {', '.join(one.defences)}")
    print("defences")
    for name, text in DEFENCES.items():
        print(f"  {name:<21} {text}")


def _verdict(disabled: str | None, as_expected: bool) -> str:
    if disabled is None:
        return "No attack recovered anything." if as_expected else "AN ATTACK SUCCEEDED."
    if as_expected:
        return f"Without {disabled} the attack succeeds: the defence is what stops it."
    return f"Without {disabled} an attack still fails: this demonstration shows nothing."
