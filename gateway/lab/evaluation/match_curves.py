"""Error rates at every threshold of the grid, with intervals: of the list, of all photographs with
all, and of the strongest probe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from gateway.calibration.evidence import AtRate, Point, Share
from gateway.lab.evaluation.match_all import AllAgainstAll, at_least
from gateway.lab.evaluation.match_counts import ListedScores
from gateway.lab.evaluation.match_intervals import Dyads, nearest_known, share
from gateway.lab.evaluation.match_probe import ProbeTrial
from gateway.lab.evaluation.match_rates import RATES, Errors, support
from gateway.lab.evaluation.match_scores import GRID, LOWEST, REACH, Flags, reached
from gateway.wire.policy import KAPPA

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Errors at each threshold of the grid, of so many comparisons, and their design effects."""

    hits: Counts = field(repr=False)
    of: int
    effects: list[float | None] = field(repr=False)

    @property
    def shares(self) -> list[Share]:
        counted = zip(self.hits, nearest_known(self.effects), strict=True)
        return [share(int(hits), self.of, effect) for hits, effect in counted]

    def effect(self, lowest: int) -> float | None:
        """At the nearest threshold that has one."""
        return nearest_known(self.effects)[nearest(lowest)]

    def share_at(self, lowest: int, rate: float) -> Share | None:
        """At any threshold, whose rate is given."""
        return share(round(rate * self.of), self.of, self.effect(lowest)) if self.of else None


def curves(
    listed: ListedScores, everybody: AllAgainstAll | None, trial: ProbeTrial | None
) -> dict[str, Curve]:
    """By the fields of ``evidence.Point``; genuine comparisons count where they do not match."""
    found = {
        "genuine": _listed(listed, listed.genuine, lost=True),
        "strangers": _listed(listed, listed.strangers, lost=False),
    }
    if everybody is not None:
        above = np.cumsum(everybody.strangers[::-1])[::-1][LOWEST + REACH].astype(np.int64)
        effects = [everybody.nearest.effect(int(lowest)) for lowest in LOWEST]
        found["all_strangers"] = Curve(above, everybody.stranger_count, effects)
        found["all_genuine"] = _own(everybody)
    if trial is not None:
        found["probe"] = Curve(trial.hits, len(trial.met), trial.effects)
        found["probe_strangers"] = Curve(
            trial.honest_hits, int(trial.honest.sum()), trial.honest_effects
        )
    return found


def _listed(listed: ListedScores, among: Flags, *, lost: bool) -> Curve:
    reaches, dyads = reached(listed.scores.values[among]), listed.dyads(among)
    return _curve(reaches, dyads, lost=lost)


def _own(everybody: AllAgainstAll) -> Curve:
    people = everybody.own_subject
    most = int(people.max()) + 1 if people.size else 1
    return _curve(everybody.own_reached, Dyads(people, people, most), lost=True)


def _curve(reaches: npt.NDArray[np.int16], dyads: Dyads, *, lost: bool) -> Curve:
    hits = at_least(reaches)
    effects = [dyads.effect((reaches > place) ^ lost) for place in range(len(GRID))]
    return Curve(len(reaches) - hits if lost else hits, len(reaches), effects)


def points(measured: Mapping[str, Curve]) -> Iterator[Point]:
    """The curves, threshold by threshold."""
    names = ("genuine", "strangers", "all_strangers", "probe", "probe_strangers")
    known = {name: measured[name].shares for name in names if name in measured}
    for place, cosine in enumerate(GRID):
        here = {name: known[name][place] if name in known else None for name in names}
        yield Point.model_validate(
            {"cosine": cosine, "lowest": int(LOWEST[place]), **here}, by_name=True
        )


def nearest(lowest: int) -> int:
    """The place in the grid that is nearest to a threshold."""
    return int(np.argmin(np.abs(LOWEST - lowest)))


def rates_at(
    measured: Mapping[str, Curve], listed: Errors, everybody: Errors | None
) -> Iterator[AtRate]:
    """For each false match rate that is asked for, of the list and of all photographs."""
    yield from (_at_rate(fmr, "listed", measured, listed, everybody) for fmr in RATES)
    if everybody is not None:
        yield from (_at_rate(fmr, "all", measured, listed, everybody) for fmr in RATES)


def _at_rate(
    fmr: float,
    source: Literal["listed", "all"],
    measured: Mapping[str, Curve],
    listed: Errors,
    everybody: Errors | None,
) -> AtRate:
    strangers = measured["strangers" if source == "listed" else "all_strangers"]
    supported = support(fmr, strangers.of)
    if supported == "none":
        return AtRate(fmr=fmr, source=source, support="none", cosine=None, lowest=None, fnmr=None)
    errors = listed if source == "listed" or everybody is None else everybody
    lowest = errors.threshold_at(fmr)
    every = None
    if everybody is not None:
        every = measured["all_genuine"].share_at(lowest, float(everybody.fnmr[lowest + REACH]))
    return AtRate(
        fmr=fmr,
        source=source,
        support=supported,
        cosine=lowest / KAPPA,
        lowest=lowest,
        fnmr=measured["genuine"].share_at(lowest, float(listed.fnmr[lowest + REACH])),
        fnmr_all=every,
    )
