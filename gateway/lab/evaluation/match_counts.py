"""What is counted of the listed pairs: decisions, failures, errors by threshold."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gateway.calibration.evidence import Failures, Share
from gateway.lab.evaluation.match_intervals import Dyads, Weights, share
from gateway.lab.evaluation.match_pairs import PairList
from gateway.lab.evaluation.match_pictures import Taken
from gateway.lab.evaluation.match_rates import Errors, histogram
from gateway.lab.evaluation.match_scores import Encoded, Flags, Scores
from gateway.wire.policy import LanePolicy


@dataclass(frozen=True)
class ListedScores:
    """The listed pairs with their scores; those in which a picture failed have none."""

    pairs: PairList
    made: Flags = field(repr=False)
    """Which pairs could be compared."""
    scores: Scores = field(repr=False)
    """Of all pairs; zero where none was made."""

    @classmethod
    def of(cls, pairs: PairList, encoded: Encoded) -> "ListedScores":
        made = encoded.portraits.there[pairs.template] & encoded.probes.there[pairs.probe]
        found = encoded.scores(pairs.template[made], pairs.probe[made])
        cosines = np.zeros(len(made), np.float32)
        values = np.zeros(len(made), np.int32)
        cosines[made], values[made] = found.cosines, found.values
        return cls(pairs, made, Scores(cosines, values))

    @property
    def genuine(self) -> Flags:
        """Comparisons of one person that were made."""
        return self.made & self.pairs.same

    @property
    def strangers(self) -> Flags:
        return self.made & ~self.pairs.same

    @cached_property
    def people(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Whom each pair shows."""
        return self.pairs.subjects[self.pairs.template], self.pairs.subjects[self.pairs.probe]

    def dyads(self, among: Flags) -> Dyads:
        a, b = self.people
        return Dyads(a[among], b[among], self.pairs.subject_count)

    def share(self, hit: Flags, among: Flags, few: float | None = None) -> Share:
        """``hit`` among some pairs. ``few``: the design effect where too few errors tell one."""
        effect = self.dyads(among).effect(hit[among])
        return share(int((hit & among).sum()), int(among.sum()), few if effect is None else effect)

    def accepted(self, lane: LanePolicy) -> Flags:
        return self.made & self.scores.accepted(lane)

    def errors(self) -> Errors:
        """FMR and FNMR at every threshold."""
        values = self.scores.values
        return Errors.of(histogram(values[self.genuine]), histogram(values[self.strangers]))

    def equal_error(self, weights: Weights) -> float:
        """The equal error rate where people count so often; a pair of two counts as often as both
        together."""
        a, b = self.people
        counted = np.where(a == b, weights[a], weights[a] * weights[b])
        ranks, size = self._ranks
        genuine, strangers = (
            np.bincount(ranks[among], counted[among], size)
            for among in (self.genuine, self.strangers)
        )
        return Errors.of(genuine, strangers).equal()

    @cached_property
    def _ranks(self) -> tuple[npt.NDArray[np.intp], int]:
        """Scores by their order: there are far fewer than whole numbers."""
        different, ranks = np.unique(self.scores.values, return_inverse=True)
        return ranks, len(different)


def failures(pairs: PairList, listed: ListedScores, portraits: Taken, probes: Taken) -> Failures:
    """Pictures that gave no vector, by role, and the pairs that they cost."""
    reasons = portraits.reasons if probes is portraits else portraits.reasons + probes.reasons
    return Failures(
        portraits=_of_pictures(pairs, np.unique(pairs.template), portraits),
        probes=_of_pictures(pairs, np.unique(pairs.probe), probes),
        genuine_pairs=listed.share(~listed.made, pairs.same),
        impostor_pairs=listed.share(~listed.made, ~pairs.same),
        reasons=dict(reasons),
    )


def _of_pictures(pairs: PairList, pictures: npt.NDArray[np.int32], taken: Taken) -> Share:
    failed, people = ~taken.side.there[pictures], pairs.subjects[pictures]
    effect = Dyads(people, people, pairs.subject_count).effect(failed)
    return share(int(failed.sum()), len(pictures), effect)
