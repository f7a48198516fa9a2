"""What ``sealmatch evaluate liveness`` prints: tables for people, objects for programs."""

from typing import Any, Final

from gateway.lab.attack.photograph.series import Tally
from gateway.lab.evaluation.liveness_events import Scored, Span
from gateway.lab.evaluation.liveness_figures import MOST_FALSE_PER_MINUTE, Figure, LivenessFigures
from gateway.lab.evaluation.liveness_labels import Kind
from gateway.lab.intervals import rate, share
from gateway.wire.liveness import ACTION_KINDS, ActionKind

MOST_PASSED: Final = 0.01
"""Largest share of photographs that may complete a challenge of three actions."""
_HEADER = (
    "                found       share, 95 % interval          wanted     false, a minute, interval"
)


Scores = dict[str, dict[Kind, Scored]]


def clips_as_json(verdict: LivenessFigures, scores: Scores) -> dict[str, Any]:
    return {
        "minutes": round(verdict.minutes, 3),
        "figures": [_figure_as_json(figure) for figure in verdict.figures],
        "false": verdict.false,
        "mostFalsePerMinute": MOST_FALSE_PER_MINUTE,
        "met": verdict.met,
        "clips": {
            name: {
                kind: {"missed": _pairs(one.missed), "false": _pairs(one.false)}
                for kind, one in kinds.items()
                if one.missed or one.false
            }
            for name, kinds in scores.items()
        },
    }


def _figure_as_json(figure: Figure) -> dict[str, Any]:
    share, false = figure.share, figure.false_per_minute
    return {
        "name": figure.name,
        "labelled": figure.labelled,
        "found": figure.found,
        "interval": [share.low, share.high],
        "required": figure.required,
        "false": figure.false,
        "falsePerMinute": figure.false / figure.minutes,
        "falseInterval": [false.low, false.high],
        "met": figure.met,
    }


def _pairs(spans: tuple[Span, ...]) -> list[list[int]]:
    """Start and end of each span, in milliseconds of the clip."""
    return [[round(span.start), round(span.end)] for span in spans]


def clips_table(verdict: LivenessFigures, scores: Scores) -> str:
    rows = [_HEADER, *(_row(figure) for figure in verdict.figures)]
    total = rate(verdict.false, verdict.minutes)
    return "\n".join(
        [
            *rows,
            "",
            f"All false events: {verdict.false} in {verdict.minutes:.1f} minutes, "
            f"{verdict.false / verdict.minutes:.1f} a minute "
            f"({total.low:.1f} to {total.high:.1f}); at most {MOST_FALSE_PER_MINUTE:g} wanted.",
            *_faults(scores),
            "",
            "Every required figure is reached." if verdict.met else "A REQUIRED FIGURE IS MISSED.",
        ]
    )


def _row(figure: Figure) -> str:
    share, false = figure.share, figure.false_per_minute
    return (
        f"{figure.name:<15} {figure.found:>3} of {figure.labelled:<3} "
        f"{_percent(figure.found / figure.labelled if figure.labelled else 1)} "
        f"({_percent(share.low)} to {_percent(share.high)})  {_percent(figure.required)}   "
        f"{figure.false:>3}   {figure.false / figure.minutes:4.1f} "
        f"({false.low:.1f} to {false.high:.1f})"
    )


def _faults(scores: Scores) -> list[str]:
    """Every missed and every false event, in seconds of the clip, so that it can be looked at."""
    return [
        f"  {word} {kind} in {name} at {span.start / 1000:.2f} to {span.end / 1000:.2f} s"
        for name, kinds in scores.items()
        for kind, one in kinds.items()
        for word, spans in (("missed", one.missed), ("false", one.false))
        for span in spans
    ]


def _percent(value: float) -> str:
    return f"{100 * value:5.1f} %"


def few_enough(tally: Tally) -> bool:
    """Whether few enough photographs passed."""
    return tally.passed <= MOST_PASSED * tally.trials


def stills_as_json(tally: Tally) -> dict[str, Any]:
    """The totals of a series of photographs as one object."""
    interval = share(tally.passed, tally.trials)
    return {
        "trials": tally.trials,
        "passed": tally.passed,
        "interval": [interval.low, interval.high],
        "mostPassed": MOST_PASSED,
        "actions": {
            kind: {"tried": tally.asked[kind], "feigned": tally.feigned[kind]}
            for kind in ACTION_KINDS
        },
        "techniques": {
            f"{kind}: {name}": n for (kind, name), n in sorted(tally.techniques.items())
        },
        "ended": dict(sorted(tally.reasons.items())),
        "met": few_enough(tally),
    }


def stills_table(tally: Tally) -> str:
    """The totals of a series of photographs as text."""
    interval = share(tally.passed, tally.trials)
    lines = [
        f"{tally.passed} of {tally.trials} photographs completed three actions: "
        f"{_percent(tally.passed / tally.trials).strip()} "
        f"({_percent(interval.low).strip()} to {_percent(interval.high).strip()}); "
        f"at most {MOST_PASSED:.0%} wanted.",
        "",
        "action       tried  feigned, 95 % interval",
        *(_feigned(tally, kind) for kind in ACTION_KINDS if tally.asked[kind]),
        "",
        "Ended by: " + ", ".join(f"{why} {n}" for why, n in tally.reasons.most_common()),
        "",
        "The required figure is reached." if few_enough(tally) else "THE FIGURE IS MISSED.",
    ]
    return "\n".join(lines)


def _feigned(tally: Tally, kind: ActionKind) -> str:
    tried, done = tally.asked[kind], tally.feigned[kind]
    interval = share(done, tried)
    by = ", ".join(f"{name} {n}" for (of, name), n in tally.techniques.most_common() if of == kind)
    return (
        f"{kind:<11} {tried:>6}  {done:>5} {_percent(done / tried)} "
        f"({_percent(interval.low)} to {_percent(interval.high)})  {by}"
    )
