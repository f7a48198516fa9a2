"""Differential performance (ISO/IEC 19795-10): error rates of groups, and how far they differ.

A group's FNMR is compared with that of everybody else, as a difference; its FMR with that of all
people, as a ratio, among all photographs, for strangers of one group are more alike than others.
Of twenty differences with 95 % intervals one excludes "no difference" by chance.

A group is too small to say anything if its interval admits both no difference and an error rate
twice as high. Of such a group no difference may be claimed, and none may be ruled out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from gateway.calibration.evidence import Group, Share
from gateway.lab.evaluation.match_all import AllAgainstAll
from gateway.lab.evaluation.match_counts import ListedScores
from gateway.lab.evaluation.match_intervals import Between, difference, ratio
from gateway.lab.evaluation.match_pairs import GroupColumn, PairList
from gateway.lab.evaluation.match_scores import Encoded, Flags
from gateway.wire.policy import LanePolicy

FEWEST: Final = 10
"""People: of fewer, no difference is computed."""


@dataclass(frozen=True)
class Grouping:
    """What groups are judged by.

    Args:
        few: the design effects of genuine comparisons and of strangers, for groups with few errors.
        strangers: FMR of all photographs with all, at the policy's threshold; None: not compared.
    """

    listed: ListedScores = field(repr=False)
    encoded: Encoded = field(repr=False)
    lane: LanePolicy
    everybody: AllAgainstAll | None = field(repr=False)
    few: tuple[float | None, float | None]
    strangers: Share | None

    def groups(self) -> Iterator[Group]:
        """Every value of every column."""
        for column in self.listed.pairs.groups:
            values = np.array(column.of_pairs)
            for value in column.values:
                yield self._group(column, value, values == value, values != "")

    def _group(self, column: GroupColumn, value: str, here: Flags, stated: Flags) -> Group:
        listed, (few_genuine, few_strangers) = self.listed, self.few
        accepted = listed.accepted(self.lane)
        fnmr = listed.share(~accepted, listed.genuine & here, few_genuine)
        others = listed.share(~accepted, listed.genuine & stated & ~here, few_genuine)
        people = _people(listed.pairs, here)
        apart = difference(fnmr, others) if people >= FEWEST else None
        strangers = self._strangers(column, value)
        times = None
        if strangers is not None and self.strangers is not None and people >= FEWEST:
            times = ratio(strangers, self.strangers)
        return Group(
            column=column.name,
            value=value,
            subjects=people,
            failures=listed.share(~listed.made, here),
            fnmr=fnmr,
            fmr=listed.share(accepted, listed.strangers & here, few_strangers),
            all_strangers=strangers,
            fnmr_difference=None if apart is None else apart.triple,
            fmr_ratio=None if times is None else times.triple,
            too_small=_too_small(apart, others),
        )

    def _strangers(self, column: GroupColumn, value: str) -> Share | None:
        """Strangers within the group, all photographs with all."""
        every = self.everybody
        if every is None or column.of_pictures is None or self.lane.lo < every.nearest.floor:
            return None
        inside = np.array(column.of_pictures) == value
        return every.among(inside, self.encoded, self.listed.pairs.subjects).share(self.lane.lo)


def _too_small(apart: Between | None, others: Share) -> bool:
    return apart is None or (apart.low <= 0 and apart.high >= (others.rate or 0.0))


def _people(pairs: PairList, here: Flags) -> int:
    pictures = np.concatenate((pairs.template[here], pairs.probe[here]))
    return int(np.unique(pairs.subjects[pictures]).size)
