"""What ``sealmatch evaluate quality`` prints: a table for people, an object for programs."""

from collections.abc import Sequence
from typing import Any

from gateway.lab.evaluation.quality_figures import MOST_REFUSED, Count, QualityFigures, Row
from gateway.lab.evaluation.quality_search import Tried

_HEADER = (
    "degradation          strength           passes   gate off     both so (95 % interval)"
    "        one so"
)


def as_table(figures: QualityFigures) -> str:
    refused, good = figures.refused, figures.good
    return "\n".join(
        [
            "False match rates of strangers at the threshold for "
            f"{figures.fmr:.0e}; at most {figures.most:.0e} wanted.",
            "",
            _HEADER,
            *(_line(figures, row) for row in figures.rows),
            "",
            f"All pairs of equally degraded pictures that pass: {_with_counts(figures.alike)}",
            f"All pairs of differently degraded pictures that pass: "
            f"{_with_counts(figures.otherwise)}",
            f"Pairs of photographs as they are that pass: {_with_counts(good)}",
            f"Photographs as they are that are refused: {refused.hits} of {refused.trials}, "
            f"{refused.rate:.2%} ({refused.interval.low:.2%} to {refused.interval.high:.2%}); "
            f"at most {MOST_REFUSED:.0%} wanted.",
            "",
            "Every required figure is reached." if figures.met else "A REQUIRED FIGURE IS MISSED.",
        ]
    )


def _line(figures: QualityFigures, row: Row) -> str:
    interval = row.alike.interval
    return (
        f"{row.name:<20} {row.strength:>6g} {row.unit:<13} {row.passed.rate:5.0%}   "
        f"{_rate(row.ungated)}   {_rate(row.alike)} ({interval.low:.0e} to {interval.high:.0e})"
        f"   {_rate(row.otherwise)}{'  ABOVE' if figures.above(row) else ''}"
    )


def _rate(count: Count) -> str:
    return f"{count.rate:7.1e}" if count.hits else ("      0" if count.trials else "      -")


def _with_counts(count: Count) -> str:
    interval = count.interval
    return (
        f"{count.rate:.1e} ({interval.low:.1e} to {interval.high:.1e}), "
        f"{count.hits:,} of {count.trials:,}."
    )


def search_table(found: Sequence[Tried]) -> str:
    """The best recipes of a search, on people that it did not climb on."""
    return "\n".join(
        f"{one.matches} of {one.pairs} pairs match, {one.passed} pictures pass: "
        + ", then ".join(f"{step.name} {step.strength:.3g} {step.kind.unit}" for step in one.recipe)
        for one in found
    )


def as_json(figures: QualityFigures) -> dict[str, Any]:
    return {
        "falseMatchRate": figures.fmr,
        "most": figures.most,
        "refused": _count(figures.refused),
        "good": _count(figures.good),
        "alike": _count(figures.alike),
        "otherwise": _count(figures.otherwise),
        "met": figures.met,
        "rows": [
            {
                "degradation": row.name,
                "strength": row.strength,
                "unit": row.unit,
                "passed": _count(row.passed),
                "ungated": _count(row.ungated),
                "alike": _count(row.alike),
                "otherwise": _count(row.otherwise),
                "above": figures.above(row),
            }
            for row in figures.rows
        ],
    }


def _count(count: Count) -> dict[str, Any]:
    interval = count.interval
    return {
        "hits": count.hits,
        "trials": count.trials,
        "rate": count.rate,
        "interval": [interval.low, interval.high],
    }
