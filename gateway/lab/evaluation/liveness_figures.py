"""What is required of the detectors, and whether the counts over all clips reach it.

Left and right turns are one figure here, because few turns are labelled and one rule finds both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.lab.evaluation.liveness_events import Scored
from gateway.lab.evaluation.liveness_labels import Kind
from gateway.lab.intervals import Interval, rate, share

FIGURES: Final[dict[str, tuple[Kind, ...]]] = {
    "blinks": ("blink",),
    "mouth openings": ("open-mouth",),
    "turns": ("turn-left", "turn-right"),
}
REQUIRED_SHARE: Final = {"blinks": 0.90, "mouth openings": 0.85, "turns": 0.85}
MOST_FALSE_PER_MINUTE: Final = 2.0
"""False events a minute, of all kinds together."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Counts of one figure over all clips. Intervals are exact, 95 %."""

    name: str
    labelled: int
    found: int
    false: int
    minutes: float
    required: float

    @property
    def share(self) -> Interval:
        return share(self.found, self.labelled)

    @property
    def false_per_minute(self) -> Interval:
        return rate(self.false, self.minutes)

    @property
    def met(self) -> bool:
        """Whether the required share was found. Without a label nothing could be missed."""
        return self.found >= self.required * self.labelled


@dataclass(frozen=True, slots=True)
class LivenessFigures:
    """All figures, and whether each required one was reached."""

    figures: tuple[Figure, ...]
    minutes: float

    @property
    def false(self) -> int:
        return sum(figure.false for figure in self.figures)

    @property
    def quiet(self) -> bool:
        return self.false <= MOST_FALSE_PER_MINUTE * self.minutes

    @property
    def met(self) -> bool:
        return self.quiet and all(figure.met for figure in self.figures)


def judge(
    scores: Iterable[Mapping[Kind, Scored]], minutes: float, kinds: Iterable[Kind]
) -> LivenessFigures:
    """Figures of the labelled ``kinds`` from every clip's scores. ``minutes``: labelled video."""
    given, labelled = list(scores), set(kinds)
    figures = [
        _figure(name, [score[kind] for score in given for kind in members], minutes)
        for name, members in FIGURES.items()
        if labelled.issuperset(members)
    ]
    return LivenessFigures(tuple(figures), minutes)


def _figure(name: str, scored: list[Scored], minutes: float) -> Figure:
    return Figure(
        name=name,
        labelled=sum(one.labelled for one in scored),
        found=sum(len(one.found) for one in scored),
        false=sum(len(one.false) for one in scored),
        minutes=minutes,
        required=REQUIRED_SHARE[name],
    )
