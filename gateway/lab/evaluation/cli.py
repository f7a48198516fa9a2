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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.lab.evaluation.match_pictures import Portrait

_QUALITY = """\
How often strangers match whose pictures are poor, after the quality gate.

Photographs of N people are degraded in every way of a list, at every strength. Of the pictures that
pass the gate, all pairs of strangers are compared, degraded alike and differently, at the threshold
for a false match rate of 1e-4: at most twice as many may match. Of photographs as they are, at most
one in a hundred may be refused. The people are those of LFW's folds 5 and 6, which the shipped
profile was not calibrated on. The default takes some minutes.

Exit status: 0 if every required figure is reached, 1 if not, 2 usage.
"""

_MATCH = """\
How well faces are told apart, on pairs of pictures of your own.

Each picture goes through the product: detection, quality gate, alignment, embedding, signs and
template. Printed are the error rates of ISO/IEC 19795-1 at the threshold that the model pack states
and at others, with 95 % intervals by person; failures to enrol and to acquire; differences between
groups (ISO/IEC 19795-10); and how often a probe is accepted that a device has tuned on other
people. Pictures of faces stay in memory; counts and rates are printed.

FILE is CSV with a header: file_a (the portrait), file_b (the live picture), same (1 or 0), and if
you have them subject_a, subject_b, fold. Any other column is a grouping: NAME for the pair, or
NAME_a and NAME_b for both pictures. sealmatch calibrate reads what --json prints.

Exit status: 0 done, 1 a fault, or an encrypted decision that differs, 2 usage.
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
    _configure_match(kinds)


def _configure_match(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    match = kinds.add_parser(
        "match",
        help="error rates on pairs of pictures",
        description=_MATCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    match.add_argument("--pairs", type=Path, metavar="FILE", required=True, help="the pairs, CSV")
    match.add_argument(
        "--root", type=Path, metavar="DIR", required=True, help="below it lie the pictures"
    )
    match.add_argument("--pack", metavar="NAME", help="model pack: a fetched one, or a directory")
    match.add_argument(
        "--threshold",
        type=_cosine,
        metavar="T",
        help="cosine of the decisions, such as 0.419 (default: what the pack states for 1e-4)",
    )
    match.add_argument(
        "--encrypted",
        type=_positive,
        default=0,
        metavar="N",
        help="send N pairs through the whole product, encrypted",
    )
    match.add_argument(
        "--all-pairs",
        action="store_true",
        help="besides, compare each photograph with all of other people",
    )
    match.add_argument(
        "--face",
        choices=("only", "middle"),
        default="only",
        help="of pictures with several faces: fail, as at a counter (default), or the middle one",
    )
    match.add_argument(
        "--portrait",
        type=_portrait,
        metavar="FORM",
        help="file_a as a document holds it: png:102x126, jpeg:102x126:3000, jp2:102x126:1000",
    )
    match.add_argument(
        "--ungated",
        action="store_true",
        help="without the quality gate, and the middle face; to compare with others' figures",
    )
    match.add_argument(
        "--halves",
        type=_even,
        default=10,
        metavar="N",
        help="searches for the strongest probe (default: 10; 0: none)",
    )
    match.add_argument(
        "--attempts", type=Path, metavar="FILE", help="a counter's sealmatch attempts --json"
    )
    match.add_argument("--seed", type=int, default=1, metavar="S", help="of all draws")
    match.add_argument("--json", action="store_true", help="print the evidence, one JSON object")
    match.add_argument("--html", type=Path, metavar="FILE", help="write a report; must be new")
    match.set_defaults(run=_run_match, parser=match)


def _run_match(options: argparse.Namespace) -> int:
    from gateway.lab.evaluation import match  # noqa: PLC0415  loads models

    return match.run(options)


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


def _even(text: str) -> int:
    value = int(text)
    if value < 0 or value % 2:
        raise argparse.ArgumentTypeError("must be even: both halves of a division are searched")
    return value


def _cosine(text: str) -> str:
    """A threshold that a policy can have, and that the curves have."""
    try:
        cosine = f"{float(text):.3f}"
    except ValueError:
        cosine = ""
    if not cosine or float(cosine) != float(text) or not 0.329 <= float(cosine) <= 0.8:
        raise argparse.ArgumentTypeError("a cosine from 0.329 to 0.800, with three decimals")
    return cosine


def _portrait(text: str) -> "Portrait":
    from gateway.lab.evaluation.match_pictures import Portrait  # noqa: PLC0415  loads OpenCV

    try:
        return Portrait.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
