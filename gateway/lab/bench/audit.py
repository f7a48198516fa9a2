"""``sealmatch bench audit``: what an audit costs each party.

The same registrations run with and without an audit, all parties in this process. Process CPU time
is measured from bytes in to bytes out, and each millisecond is booked to one party. The difference
is the cost of the audit: the auditor's repetition, the gateway's request to it, the authority's
demand and check. Storage is booked apart.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

from gateway.lab.bench.parties import InProcessDeployment, unit_pair

_COSINE = 0.6
_PARTIES = ("auditor", "gateway", "authority", "requests", "storage")


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "audit",
        help="CPU of one audit by re-execution, per party",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=_positive, default=15, metavar="N", help="default 15")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one run")
    return value


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    rng = np.random.default_rng(1)
    plain: dict[str, list[float]] = {}
    audited: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        without = InProcessDeployment(Path(one))
        with_audit = InProcessDeployment(Path(other), audited=True)
        for done in range(-1, options.runs):  # the first is a warm-up and not counted
            template, probe = unit_pair(rng, _COSINE)
            for deployment, into in ((without, plain), (with_audit, audited)):
                spent = deployment.verify(template, probe).milliseconds
                if done >= 0:
                    _add(into, spent)
        sent = with_audit.audit_bytes
        without.close()
        with_audit.close()
    costs = {party: _median(audited, party) - _median(plain, party) for party in _PARTIES}
    result = {
        "costMs": {party: round(cost, 2) for party, cost in costs.items()},
        "requestBytes": sent,
        "auditorRequestsPerCpuSecond": round(1000 / costs["auditor"], 1),
        "perRegistrationMsAtOneIn64": round(
            sum(cost for party, cost in costs.items() if party != "storage") / 64, 2
        ),
    }
    print(json.dumps(result, indent=2) if options.json else _table(result, costs))
    return 0


def _add(into: dict[str, list[float]], spent: dict[str, float]) -> None:
    """Add a run's milliseconds, summed by party."""
    for party in _PARTIES:
        total = sum(value for stage, value in spent.items() if stage.partition(".")[0] == party)
        into.setdefault(party, []).append(total)


def _median(runs: dict[str, list[float]], party: str) -> float:
    return statistics.median(runs[party])


def _table(result: dict[str, object], costs: dict[str, float]) -> str:
    lines = ["CPU of one audit, beside that of the registration, median", ""]
    lines += [f"  {party:<32} {cost:8.2f} ms" for party, cost in costs.items()]
    return "\n".join(
        [
            *lines,
            "",
            f"  {'request to the auditor':<32} {result['requestBytes']:>8,} bytes",
            f"  {'audits per second of its CPU':<32} {result['auditorRequestsPerCpuSecond']:>8}",
            f"  {'each registration, one in 64':<32} {result['perRegistrationMsAtOneIn64']:>8} ms",
        ]
    )
