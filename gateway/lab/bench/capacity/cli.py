"""``sealmatch bench capacity``: what a carrier's registrations need, from measured figures.

Nothing is run here. The figures are those of ``sealmatch bench load --database URL --json``: of the
reference machine, unless ``--from`` names another run. Every assumption has an option and stands in
the output, and so does every sum. The tables of docs/CAPACITY.md are this command's output.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.lab.bench.capacity.figures import Assumed, Load, Measured
from gateway.lab.bench.capacity.sums import Sums, rounded


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "capacity",
        help="what a carrier's registrations need: sums from measured figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from", dest="load", type=Path, metavar="FILE", help="JSON of bench load")
    for one in (*dataclasses.fields(Assumed), *dataclasses.fields(Measured)):
        text = f"{one.metadata['text']} (default {one.default:g})"
        parser.add_argument(_option(one.name), type=_positive, default=one.default, help=text)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON object")
    how.add_argument("--markdown", action="store_true", help="print the tables of CAPACITY.md")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the sums."""
    assumed, measured = _given(Assumed, options), _given(Measured, options)
    sums = Sums(assumed, measured, Load.read(options.load))
    if options.json:
        found = {row.name: row.value for _, rows in sums.tables() for row in rows}
        given = {"assumed": dataclasses.asdict(assumed), "measured": dataclasses.asdict(measured)}
        print(json.dumps({**given, "sums": found}, indent=2))
        return 0
    print("\n\n".join(_printed(assumed, measured, sums, _markdown if options.markdown else _plain)))
    return 0


Rows = Sequence[Sequence[str]]


def _printed(
    assumed: Assumed, measured: Measured, sums: Sums, table: Callable[[str, Rows], str]
) -> Iterator[str]:
    for title, found in sums.tables():
        yield table(title, [(row.what, row.text, row.how) for row in found])
    for title, given in (("Assumptions", assumed), ("Figures measured elsewhere", measured)):
        fields = dataclasses.fields(given)
        rows = [(f.name, rounded(getattr(given, f.name)), f.metadata["text"]) for f in fields]
        yield table(title, rows)


def _plain(title: str, rows: Rows) -> str:
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    lines = (f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c}" for a, b, c in rows)
    return "\n".join([title, *lines])


def _markdown(title: str, rows: Rows) -> str:
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([f"### {title}", "| | | |", "|---|---|---|", *lines])


def _given(kind: Any, options: argparse.Namespace) -> Any:
    return kind(**{one.name: getattr(options, one.name) for one in dataclasses.fields(kind)})


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e12:
        raise argparse.ArgumentTypeError("a number above 0")
    return value
