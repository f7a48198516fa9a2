"""``python -m tests.mutants``: does some test fail for every small fault in what protects people?

    python -m tests.mutants                          all, one after the other
    python -m tests.mutants --jobs 4                 four at a time, each in a copy of the tree
    python -m tests.mutants --only keys/caps         file, reason or test matches this expression
    python -m tests.mutants --list

Each fault (``data/*.toml``) is put into a temporary copy of the tree, and the tests that it names
run there. Exit status: 0 all killed, 1 some survived, 2 a mutant does not apply or its run says
nothing.
"""

from __future__ import annotations

import argparse
import queue
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from tests.mutants.catalogue import CatalogueError, Mutant, check, mutants
from tests.mutants.runner import Copy, Run

ROOT: Final = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        chosen = [one for one in mutants() if options.only is None or _fits(one, options.only)]
    except CatalogueError as error:
        return _usage(str(error))
    if not chosen:
        return _usage("no mutant fits")
    if options.list:
        print("\n".join(map(str, chosen)))
        return 0
    if wrong := check(chosen, ROOT):
        return _usage("\n".join(wrong))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sealmatch-mutants-") as scratch:
        try:
            runs = run_all(
                chosen, Path(scratch), options.jobs, options.seconds, control=not options.no_control
            )
        except CatalogueError as error:
            return _usage(str(error))
    print(table(runs, time.monotonic() - started))
    return status(runs)


def run_all(
    chosen: Sequence[Mutant], scratch: Path, jobs: int, seconds: float, *, control: bool = True
) -> list[Run]:
    """Run the tests without a fault, then every mutant.

    Args:
        jobs: mutants at a time.
        seconds: how long the tests of one may take.

    Returns:
        One run a mutant, in their order; or the control's alone, if it fails.
    """
    copies: queue.Queue[Copy] = queue.Queue()
    for number in range(min(jobs, len(chosen))):
        copies.put(Copy(ROOT, scratch / str(number), seconds))
    if control:
        _say("the tests without any fault ...")
        failed = copies.queue[0].control(sorted({test for one in chosen for test in one.tests}))
        if failed is not None:
            return [failed]

    def run(mutant: Mutant) -> Run:
        copy = copies.get()
        try:
            return copy.run(mutant)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(copies.qsize()) as pool:
        pending = [pool.submit(run, one) for one in chosen]
        for number, future in enumerate(as_completed(pending), 1):
            done = future.result()
            _say(f"[{number}/{len(chosen)}] {done.verdict:<8} {done.mutant}")
        return [one.result() for one in pending]


def table(runs: Sequence[Run], seconds: float) -> str:
    """Survivors and errors, each with what it would let happen; then how many there are."""
    lines = []
    for run in runs:
        if run.verdict == "killed":
            continue
        one = run.mutant
        lines += [
            f"{run.verdict}  {one.file}",
            f"    why     {one.why}",
            f"    before  {one.before.strip()}",
            f"    after   {one.after.strip()}",
            f"    tests   {', '.join(one.tests)}",
            f"    told    {run.told}",
        ]
    counts = {v: sum(run.verdict == v for run in runs) for v in ("killed", "SURVIVED", "error")}
    told = ", ".join(f"{count} {verdict.lower()}" for verdict, count in counts.items())
    return "\n".join([*lines, f"{len(runs)} mutants: {told}; {seconds:.0f} s"])


def status(runs: Sequence[Run]) -> int:
    verdicts = {run.verdict for run in runs}
    return 2 if "error" in verdicts else int("SURVIVED" in verdicts)


def _fits(mutant: Mutant, pattern: str) -> bool:
    return any(re.search(pattern, text) for text in (str(mutant), *mutant.tests))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _usage(told: str) -> int:
    _say(told)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="PATTERN", help="a regular expression")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (1)")
    parser.add_argument(
        "--seconds", type=float, default=600, help="a mutant that hangs longer is killed (600)"
    )
    parser.add_argument(
        "--no-control", action="store_true", help="do not run the tests without any fault first"
    )
    parser.add_argument("--list", action="store_true", help="only print which there are")
    return parser


if __name__ == "__main__":
    sys.exit(main())
