"""The strongest probe on these people: found against half of them, tried on the other half.

One picture of each person. Each half is searched for each threshold, with each smoothing; what is
found is tried at every threshold of the grid. At a threshold the strongest is the probe that most
of those not seen accept: a choice among some twenty after the trial, which errs on the safe side.
Nobody knows how well others search, so the rate is a lower bound of what a device may gain.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.calibration.evidence import Share
from gateway.lab.evaluation.match_all import Tell, at_least
from gateway.lab.evaluation.match_intervals import Dyads, design_effect, enough, share
from gateway.lab.evaluation.match_scores import GRID, Encoded, Floats, lowest_of, reached
from gateway.lab.evaluation.probe_search import Herd, ascend, ascend_direction, signs_of
from gateway.wire.policy import KAPPA

WIDTHS: Final = ((0.1,), (0.07,), (0.1, 0.05), (0.1, 0.05, 0.02))
"""How the count is smoothed, in cosines: wide counts what is general, narrow what was seen."""
HALVES: Final = 10
FEWEST: Final = 20
"""People: with fewer there is nothing to learn from."""
MOST_PEOPLE: Final = 4000
"""Their templates take 64 MB in the search."""
MEAN, PHOTOGRAPH, SIGNS = "mean direction", "best photograph", "best signs found"
CONTROL = "best float vector found, by cosines"

Indices = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Tried:
    """One way to make a probe, over all halves. ``reached``: how many thresholds each person met
    reaches with it."""

    cosine: str
    """The threshold that it was sought for."""
    kind: str
    seen: float
    """The share of those it was sought on who accept it there."""
    reached: npt.NDArray[np.int16] = field(repr=False)

    @property
    def hits(self) -> int:
        """Who of those not seen accept it there."""
        return int(at_least(self.reached)[GRID.index(self.cosine)])


@dataclass(frozen=True)
class ProbeTrial:
    """What all halves together showed."""

    subjects: Indices = field(repr=False)
    """Who took part; shape (people,)."""
    halves: int
    met: Indices = field(repr=False)
    """The people (as subjects) who were met, one half after the other."""
    tried: tuple[Tried, ...]
    controls: tuple[Tried, ...]
    """Float vectors, judged by their cosine."""
    honest: npt.NDArray[np.int64] = field(repr=False)
    """How many honest probes reach no, one, two ... thresholds, by person."""

    @property
    def hits(self) -> npt.NDArray[np.int64]:
        """Who accepted the strongest probe, at each threshold of the grid."""
        return np.asarray(np.max(self._curves(), axis=0), np.int64)

    @property
    def effects(self) -> list[float | None]:
        """Design effects of these counts, by the people met; the search is not repeated."""
        met = Dyads(self.met, self.met, int(self.met.max()) + 1)
        best = np.argmax(self._curves(), axis=0)
        return [met.effect(self.tried[n].reached > place) for place, n in enumerate(best)]

    @property
    def honest_hits(self) -> npt.NDArray[np.int64]:
        return np.asarray(_at_least_rows(self.honest).sum(axis=0), np.int64)

    @property
    def honest_effects(self) -> list[float | None]:
        """The same for honest probes of the other half, by the people met alone."""
        by_person, each = _at_least_rows(self.honest), self.honest.sum(axis=1)
        of = int(each.sum())
        return [
            design_effect(float(((hits - rate * each) ** 2).sum()), rate, of)
            if enough(int(hits.sum()), of)
            else None
            for hits, rate in ((column, column.sum() / of) for column in by_person.T)
        ]

    def share(self, tried: Tried) -> Share:
        """Who of those not seen accepts a probe, at the threshold that it was sought for. Each
        person was met in half of the halves: without a better one, that is the design effect."""
        met = Dyads(self.met, self.met, int(self.met.max()) + 1)
        effect = met.effect(tried.reached > GRID.index(tried.cosine))
        return share(tried.hits, len(self.met), effect or max(1.0, self.halves / 2))

    def best(self) -> Iterator[Tried]:
        """In the order of thresholds: of each kind the best of its smoothings."""
        everything = (*self.tried, *self.controls)
        for cosine in dict.fromkeys(one.cosine for one in everything):
            kinds: dict[str, Tried] = {}
            for one in everything:
                if one.cosine == cosine:
                    known = kinds.setdefault(one.kind, one)
                    kinds[one.kind] = max(known, one, key=lambda tried: tried.hits)
            yield from kinds.values()

    def _curves(self) -> list[npt.NDArray[np.int64]]:
        return [at_least(one.reached) for one in self.tried]


def try_probes(
    encoded: Encoded,
    subjects: Indices,
    cosines: Sequence[str],
    seed: int,
    halves: int = HALVES,
    tell: Tell = lambda *_: lambda: None,
) -> ProbeTrial | None:
    """Search and try; None where there are too few people.

    Args:
        subjects: whose each picture is; shape (n,).
        cosines: thresholds of the grid that are searched for, e.g. "0.419".
        halves: even, for both halves of a division are searched once.
    """
    draw = np.random.default_rng(seed)
    pictures = _one_each(encoded, subjects, draw)
    if len(pictures) < FEWEST:
        return None
    one_more = tell("halves searched for the strongest probe", halves)
    trials, met_by = [], []
    honest = np.zeros((len(pictures), len(GRID) + 1), np.int64)
    for seen, met in _divided(len(pictures), halves, draw):
        half = _Half(encoded, pictures[seen], pictures[met])
        honest[met] += half.honest()
        trials.append(dict(chain.from_iterable(half.search(c, draw) for c in cosines)))
        met_by.append(subjects[pictures[met]])
        one_more()
    together = [_together(name, trials) for name in trials[0]]
    return ProbeTrial(
        subjects[pictures],
        halves,
        np.concatenate(met_by),
        tuple(one for one in together if one.kind != CONTROL),
        tuple(one for one in together if one.kind == CONTROL),
        honest,
    )


_Name = tuple[str, str, str]
"""Threshold, kind, smoothing."""
_Result = tuple[float, npt.NDArray[np.int16]]
"""Share of those seen, and thresholds reached by those met."""


class _Half:
    """One half that is learnt from, and one that is met."""

    def __init__(self, encoded: Encoded, seen: Places, met: Places) -> None:
        self._seen = encoded.templates[seen].astype(np.float32)
        self._met = encoded.templates[met].astype(np.float32)
        self._photographs = encoded.signs[seen].astype(np.float32)
        self._vectors = (encoded.portraits.vectors[seen], encoded.portraits.vectors[met])

    def honest(self) -> npt.NDArray[np.int64]:
        """How many of those seen, as honest probes, reach how many thresholds with each one met."""
        rows = reached((self._met @ self._photographs.T).astype(np.int32))
        return np.stack([np.bincount(row, minlength=len(GRID) + 1) for row in rows])

    def search(self, cosine: str, draw: np.random.Generator) -> Iterator[tuple[_Name, _Result]]:
        herd = Herd(self._seen, lowest_of(cosine))
        by_seen = herd.accepting(self._photographs) - self._own(herd.lowest)
        best = int(np.argmax(by_seen))
        mean = signs_of(herd.templates.sum(axis=0))
        probes: dict[tuple[str, str], Floats] = {
            (PHOTOGRAPH, ""): self._photographs[best],
            (MEAN, ""): mean,
        }
        for widths in WIDTHS:
            probes[SIGNS, f"{widths}"] = ascend(herd, mean, widths, draw)
        for (kind, smoothing), signs in probes.items():
            values = (self._met @ signs).astype(np.int32)
            yield (cosine, kind, smoothing), (herd.share(signs), reached(values))
        for widths in WIDTHS:
            direction = ascend_direction(self._vectors[0], float(cosine), widths)
            seen, met = (vectors @ direction for vectors in self._vectors)
            nearly = reached(np.floor(met * KAPPA).astype(np.int32))
            yield (cosine, CONTROL, f"{widths}"), (float(np.mean(seen >= float(cosine))), nearly)

    def _own(self, lowest: int) -> npt.NDArray[np.bool_]:
        """Whether a photograph matches its own template, which is no stranger's."""
        own = np.einsum("ij,ij->i", self._seen, self._photographs)
        return np.asarray(own >= lowest)


def _one_each(encoded: Encoded, subjects: Indices, draw: np.random.Generator) -> Places:
    """A picture of each person, of at most ``MOST_PEOPLE``, in the order of people."""
    there = np.flatnonzero(encoded.portraits.there & encoded.probes.there)
    _, first = np.unique(subjects[there], return_index=True)
    chosen = there[first]
    return np.sort(draw.permutation(chosen)[:MOST_PEOPLE])


def _divided(
    people: int, halves: int, draw: np.random.Generator
) -> Iterator[tuple[Places, Places]]:
    for _ in range(halves // 2):
        order = draw.permutation(people)
        first, second = order[: people // 2], order[people // 2 :]
        yield first, second
        yield second, first


def _together(name: _Name, trials: Sequence[Mapping[_Name, _Result]]) -> Tried:
    cosine, kind, _ = name
    results = [trial[name] for trial in trials]
    return Tried(
        cosine,
        kind,
        float(np.mean([seen for seen, _ in results])),
        np.concatenate([reached_by for _, reached_by in results]),
    )


def _at_least_rows(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.asarray(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:], np.int64)
