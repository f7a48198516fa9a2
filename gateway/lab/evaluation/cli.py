"""``sealmatch evaluate liveness``: how well actions are found, and how seldom a photograph passes.

Without --stills, the detectors run on every labelled clip. Their events are compared with what a
person saw: found and missed actions and false alarms of each kind, with exact 95 % intervals. The
detectors must find 90 % of the blinks and 85 % of the mouth openings and of the turns, with at most
two false events a minute.

With --stills N, an attacker moves, tilts, bends, zooms and lights N photographs, and follows the
prompts of a three-action challenge. At most one in a hundred may pass. The people are those of
LFW's folds 3 to 6; each photograph is of another person until all people have had one.

Exit status: 0 if every required figure is reached, 1 if not, 2 usage.
"""

import argparse
from pathlib import Path

_QUALITY = """\
How often strangers match whose pictures are poor, after the quality gate.

Photographs of N people are degraded in every way of a list, at every strength. Of the pictures that
pass the gate, all pairs of strangers are compared, degraded alike and differently, at the threshold
for a false match rate of 1e-4: at most twice as many may match. Of photographs as they are, at most
one in a hundred may be refused. The people are those of LFW's folds 5 and 6, which the shipped
profile was not calibrated on. The default takes some minutes.

Exit status: 0 if every required figure is reached, 1 if not, 2 usage.
"""


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
    _configure_quality(kinds)


def _configure_quality(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    quality = kinds.add_parser(
        "quality",
        help="strangers with poor pictures that the quality gate lets match",
        description=_QUALITY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    quality.add_argument(
        "--photographs", type=Path, metavar="DIR", help="default: $SEALMATCH_FACES/lfw"
    )
    quality.add_argument(
        "--people", type=_positive, default=40, metavar="N", help="degraded (default: 40)"
    )
    quality.add_argument(
        "--good", type=_positive, default=400, metavar="N", help="as they are (default: 400)"
    )
    quality.add_argument(
        "--full",
        action="store_const",
        dest="people",
        const=300,
        help="300 people degraded, an hour and more",
    )
    quality.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this degradation alone"
    )
    quality.add_argument(
        "--search",
        type=_positive,
        metavar="N",
        help="instead: N recipes of up to three degradations, looking for what passes and matches",
    )
    quality.add_argument("--seed", type=int, default=1, metavar="S", help="of the order of people")
    quality.add_argument("--pack", type=Path, metavar="DIR", help="model pack")
    quality.add_argument("--json", action="store_true", help="print one JSON object")
    quality.set_defaults(run=_run_quality, parser=quality)


def _run_quality(options: argparse.Namespace) -> int:
    from gateway.lab.evaluation import quality  # noqa: PLC0415  loads models

    return quality.run(options)


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 if every required figure was reached."""
    from gateway.lab.evaluation import liveness  # noqa: PLC0415  loads models

    return liveness.run(options)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
