"""``sealmatch attempts``: how many attempts customers needed at this counter, and how much time.

The totals come from the counter's own file, which names nobody.
"""

import argparse
import json
from pathlib import Path

from gateway.client.liveness.attempts import AttemptBook, CounterTotals, default_path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help=f"default: {default_path()}", default=None
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the totals."""
    counter = AttemptBook(options.file or default_path()).read()
    figures = _figures(counter)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{name:<20} {value}")
    return 0


def _figures(counter: CounterTotals) -> dict[str, object]:
    done = counter.succeeded
    needed = sum(int(n) * count for n, count in counter.attempts_to_success.items())
    return {
        "customers": done + counter.gave_up + (counter.present is not None),
        "succeeded": done,
        "attempts": counter.attempts,
        "attemptsPerSuccess": round(needed / done, 2) if done else None,
        "attemptsToSuccess": dict(
            sorted(counter.attempts_to_success.items(), key=lambda item: int(item[0]))
        ),
        "secondsPerSuccess": round(counter.seconds / done, 1) if done else None,
        "reasons": dict(counter.reasons),
    }
