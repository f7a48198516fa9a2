"""``sealmatch evaluate liveness``: how well actions are found, and how seldom a photograph passes.

Without --stills, the detectors watch every labelled clip and are held against what a person saw:
found and missed actions and false alarms for each kind, with exact 95 % intervals. Required are
90 % of the blinks, 85 % of the mouth openings and of the turns, and at most two false events a
minute.

With --stills N, N photographs of N people are moved, tilted, bent, zoomed and lit by an attacker
who follows the prompts of a three-action challenge. Required is that at most one in a hundred
passes. The people are those of LFW's folds 3 to 6.

Exit status: 0 when every required figure is reached, 1 when not, 2 usage.
"""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    liveness = kinds.add_parser(
        "liveness",
        help="actions found in clips, and photographs that pass",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    liveness.add_argument("--labels", type=Path, metavar="FILE", help="default: the project's own")
    liveness.add_argument(
        "--clips", type=Path, metavar="DIR", help="default: $SEALMATCH_FACES/clips"
    )
    liveness.add_argument(
        "--stills", type=_positive, metavar="N", help="play N photographs instead"
    )
    liveness.add_argument(
        "--photographs", type=Path, metavar="DIR", help="default: $SEALMATCH_FACES/lfw"
    )
    liveness.add_argument("--seed", type=int, default=1, metavar="S", help="of the photographs")
    liveness.add_argument(
        "--jobs", type=_positive, default=1, metavar="J", help="processes for --stills"
    )
    liveness.add_argument("--pack", type=Path, metavar="DIR", help="model pack")
    liveness.add_argument("--json", action="store_true", help="print one JSON object")
    liveness.set_defaults(run=run, parser=liveness)


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 when every required figure was reached."""
    from gateway.lab.evaluation import liveness  # noqa: PLC0415  loads models

    return liveness.run(options)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
