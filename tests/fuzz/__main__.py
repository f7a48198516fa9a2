"""``python -m tests.fuzz``: hostile inputs for every parser of foreign bytes.

    python -m tests.fuzz --inputs 1000000            the nightly run
    python -m tests.fuzz --target receipt --minutes 5
    python -m tests.fuzz --target cbor --replay a101 one input, with its traceback
    python -m tests.fuzz --target cbor --engine atheris --inputs 100000

Exit status: 0 nothing found, 1 findings, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import steered
from tests.fuzz.registry import all_targets
from tests.fuzz.runner import Report, run, shares
from tests.support.fuzzing import Finding, Target, examine, replay_command

_LONG = 4096
"""Inputs above this go to a file instead of the screen."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    targets = _chosen(options.target)
    if options.list:
        return _list(targets)
    if options.replay is not None:
        return _replay(targets, options)
    if options.engine == "atheris":
        return _atheris(targets, options)
    return _run(targets, options)


def _run(targets: Sequence[Target], options: argparse.Namespace) -> int:
    started = time.monotonic()
    until = started + 60 * options.minutes if options.minutes else None
    reports = []
    for number, (target, inputs) in enumerate(
        zip(targets, shares(targets, options.inputs), strict=True), 1
    ):
        label = f"[{number}/{len(targets)}] {target.name}"
        report = run(
            target,
            inputs,
            options.seed,
            first=options.first,
            until=_slice(until, len(targets) - number + 1),
            progress=lambda r, n, label=label: _progress(label, r, n),
        )
        if options.hypothesis:
            _search(target, report, max(10, inputs * options.hypothesis // 100), options.seed)
        _progress(label, report, inputs, end="\n")
        reports.append(report)
    seconds = time.monotonic() - started
    print(table(reports, seconds))
    found = [finding for report in reports for finding in report.findings.values()]
    for finding in found:
        print(describe(finding, next(r for r in reports if r.target == finding.target)))
    if options.json:
        options.json.write_text(json.dumps([summary(report) for report in reports], indent=1))
    return 1 if found else 0


def _search(target: Target, report: Report, inputs: int, seed: int) -> None:
    """Some of the inputs by hypothesis, in this process: it shrinks what it finds."""
    with tempfile.TemporaryDirectory(prefix="sealmatch-fuzz-") as scratch:
        started = time.perf_counter()
        parse = target.prepare(Path(scratch))
        finding = steered.with_hypothesis(target, parse, inputs, seed, report.counts)
        report.seconds += time.perf_counter() - started
    report.inputs += inputs
    report.outcomes["(by hypothesis)"] += inputs
    if finding is not None:
        report.add(finding)


def _slice(until: float | None, left: int) -> float | None:
    """A fair share of the time that is left."""
    return None if until is None else time.monotonic() + max(0.0, until - time.monotonic()) / left


def _progress(label: str, report: Report, inputs: int, end: str = "\r") -> None:
    if end == "\n" or sys.stderr.isatty():
        text = f"{label:<44} {report.inputs:>8}/{inputs:<8} {report.seconds:7.1f} s"
        found = f"  {len(report.findings)} FOUND" if report.findings else ""
        print(text + found, end=end, file=sys.stderr, flush=True)


def table(reports: Sequence[Report], seconds: float) -> str:
    """One line per target."""
    head = (
        f"{'target':<30} {'inputs':>8} {'accepted':>8} {'seconds':>8} {'slowest':>9} {'peak':>7} "
        f"{'growth':>7} {'kept':>6} {'found':>5}  refused by type"
    )
    lines = [head, "-" * (len(head) + 20)]
    for report in reports:
        refused = ", ".join(f"{name} {count}" for name, count in report.outcomes.most_common())
        lines.append(
            f"{report.target:<30} {report.inputs:>8} {report.accepted:>8} {report.seconds:>8.1f} "
            f"{1000 * report.slowest:>6.0f} ms {report.peak:>4.0f} MB {report.grown:>4.1f} MB "
            f"{report.kept:>4.0f} B {len(report.findings):>5}  {refused}"
        )
    total = sum(report.inputs for report in reports)
    found = sum(len(report.findings) for report in reports)
    lines.append(
        f"{total} inputs, {len(reports)} targets, {seconds:.0f} s, {found} kinds of findings"
    )
    return "\n".join(lines)


def describe(finding: Finding, report: Report) -> str:
    """A finding with its input and the command that repeats it."""
    lines = [
        "",
        f"FOUND in {finding.target}: {finding.kind} ({report.counts[finding.kind]} inputs)",
        f"  {finding.detail}",
    ]
    if len(finding.data) <= _LONG:
        lines += [
            f"  input   {finding.data.hex() or '(empty)'}",
            f"  replay  {replay_command(finding)}",
        ]
    else:
        directory = Path(tempfile.mkdtemp(prefix="sealmatch-fuzz-found-"))
        path = directory / f"{finding.target}.bin"
        path.write_bytes(finding.data)
        lines += [
            f"  input   {len(finding.data)} bytes, from {finding.data[:64].hex()}, in {path}",
            f"  replay  python -m tests.fuzz --target {finding.target} --replay @{path}",
        ]
    return "\n".join(lines)


def summary(report: Report) -> dict[str, object]:
    """A report as JSON."""
    return {
        "target": report.target,
        "inputs": report.inputs,
        "accepted": report.accepted,
        "outcomes": dict(report.outcomes),
        "seconds": round(report.seconds, 2),
        "slowest": round(report.slowest, 4),
        "peakMegabytes": round(report.peak, 1),
        "grownMegabytes": round(report.grown, 2),
        "keptBytes": round(report.kept, 1),
        "findings": [
            {"kind": f.kind, "detail": f.detail, "data": f.data.hex(), "replay": replay_command(f)}
            for f in report.findings.values()
        ],
    }


def _replay(targets: Sequence[Target], options: argparse.Namespace) -> int:
    if len(targets) != 1:
        print("--replay goes with one --target", file=sys.stderr)
        return 2
    (target,) = targets
    given = options.replay
    data = (
        Path(given[1:]).read_bytes() if given.startswith("@") else bytes.fromhex(given.strip("-"))
    )
    with tempfile.TemporaryDirectory(prefix="sealmatch-fuzz-") as scratch:
        parse = target.prepare(Path(scratch))
        verdict = examine(target, parse, data)
        print(f"{verdict.outcome} after {1000 * verdict.seconds:.1f} ms")
        if verdict.finding is None:
            return 0
        print(f"FOUND {verdict.finding.kind}: {verdict.finding.detail}", flush=True)
        if verdict.finding.kind not in ("slow", "memory"):
            parse(data)  # for the traceback
    return 1


def _atheris(targets: Sequence[Target], options: argparse.Namespace) -> int:
    if len(targets) != 1 or not steered.have_atheris():
        print(
            "--engine atheris goes with one --target and needs atheris installed", file=sys.stderr
        )
        return 2
    steered.with_atheris(targets[0], options.inputs, options.seed)
    return 0


def _list(targets: Sequence[Target]) -> int:
    for target in targets:
        documented = ", ".join(one.__name__ for one in target.documented) or "an answer for each"
        print(f"{target.name:<30} {target.weight:>4}  {documented}")
    return 0


def _chosen(names: Sequence[str]) -> list[Target]:
    known = all_targets()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such target: {', '.join(unknown)}; see --list", file=sys.stderr)
        raise SystemExit(2)
    return [known[name] for name in names] if names else list(known.values())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="in total, over all targets")
    parser.add_argument(
        "--target", action="append", default=[], metavar="NAME", help="may be repeated"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs")
    parser.add_argument("--first", type=int, default=0, help="number of each target's first input")
    parser.add_argument("--minutes", type=float, help="stop after this time")
    parser.add_argument("--engine", choices=("seeded", "atheris"), default="seeded")
    parser.add_argument("--hypothesis", type=int, default=2, metavar="PERCENT",
                        help="further inputs that hypothesis draws (default 2 in 100)")  # fmt: skip
    parser.add_argument("--replay", metavar="HEX|@FILE", help="one input, with its traceback")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the reports as JSON")
    parser.add_argument(
        "--list", action="store_true", help="targets, weights, documented exceptions"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
