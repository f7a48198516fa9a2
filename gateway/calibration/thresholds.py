"""From evidence to a match policy: the least threshold at which the data supports the targets.

For each lane the least threshold of the evaluation's curve is taken from which on both hold at
the upper end of the 95 % interval (by person, as the evaluation gives it): honest strangers are
accepted at most at one target rate, and people who were not tuned against accept the strongest
probe at most at the other. No bound is better than the rule of three allows: n comparisons without
one acceptance support no rate below 3 / n, and n is not more than there were people who accept a
probe, or pairs of people: many photographs of the same two tell nothing of others. Where fewer than
ten were accepted at every threshold, nothing tells how alike the comparisons of one person are, and
no interval is one by person.

The probe's lane meets the targets by itself. The lane of the liveness actions may be
``ACTIONS_FACTOR`` times as lax (ADR 11): it must accept besides, so what both lanes let through
stays within the targets. It is measured on single photographs, as the evaluation has them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pydantic import ValidationError

from gateway.calibration.evidence import MatchEvidence, Point, Share
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import Digest, PartyId
from gateway.wire.policy import RATE_UNIT, LanePolicy, LaneRates, MatchPolicy, PolicyProposal

ACTIONS_FACTOR: Final = 10
RULE_OF_THREE: Final = 3
ENOUGH: Final = 10
"""Acceptances at one threshold at least, without which no variance by person is known."""
STRANGERS: Final = "honest strangers"
PROBE: Final = "the strongest probe"


class NotSupported(SealmatchError):
    """The evaluation does not support the target, or no policy follows from it. Says why."""


@dataclass(frozen=True)
class Targets:
    """Rates of the probe's lane."""

    fmr: Fraction
    """At most so many honest strangers are accepted."""
    probe: Fraction
    """At most so many people accept the strongest probe."""

    def times(self, factor: int) -> "Targets":
        return Targets(self.fmr * factor, self.probe * factor)


def calibrate(
    evidence: MatchEvidence, targets: Targets, author: PartyId, now: int
) -> PolicyProposal:
    """The policy that follows from the evidence.

    Raises:
        NotSupported: the evidence does not support a target, or is not of the product as it runs.
    """
    _require_usable(evidence)
    bounds = _Bounds(evidence)
    probe = _least(evidence.curve, bounds, targets)
    actions = _least(evidence.curve, bounds, targets.times(ACTIONS_FACTOR))
    points = (probe, actions)
    try:
        return PolicyProposal(
            policy=_policy(evidence, points),
            evidence=Digest(evidence.digest),
            measured_on=measured_on(evidence),
            target_fmr=_at_most(targets.fmr),
            target_probe_fmr=_at_most(targets.probe),
            rates=tuple(_rates(bounds, point) for point in points),
            author=author,
            calibrated_at=now,
        )
    except ValidationError as error:
        where = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
        raise NotSupported(f"no policy can be made of this: check {where}") from None


def measured_on(evidence: MatchEvidence) -> str:
    """What was measured, in words."""
    pairs = evidence.pairs
    portrait = "" if evidence.portrait is None else f", portraits {evidence.portrait}"
    middle = ", of several faces the middle one" if evidence.face == "middle" else ""
    return (
        f"{pairs.photographs} photographs of {pairs.subjects} people, list "
        f"{pairs.digest[:16]}{portrait}{middle}"
    )[:120]


def strangers(point: Point) -> Share:
    """Comparisons of strangers: all photographs with all, where the evaluation made them."""
    return point.strangers if point.all_strangers is None else point.all_strangers


def bound(share: Share | None, different: int | None = None) -> float:
    """The upper end of the interval, and never less than the rule of three allows.

    Args:
        different: how many of the comparisons show different people, at most.
    """
    compared = _compared(share, different)
    if share is None or not compared:
        return 1.0
    return max(share.high, min(1.0, RULE_OF_THREE / compared))


def _compared(share: Share | None, different: int | None) -> int:
    if share is None:
        return 0
    return share.of if different is None else min(share.of, different)


class _Bounds:
    """Upper bounds at the points of one evaluation."""

    def __init__(self, evidence: MatchEvidence) -> None:
        people = evidence.pairs.subjects
        self.pairs = people * (people - 1) // 2
        """Of people."""
        self.met = people if evidence.probe is None else min(people, evidence.probe.people)
        """People who were tried with the strongest probe."""

    def strangers(self, point: Point) -> float:
        return bound(strangers(point), self.pairs)

    def probe(self, point: Point) -> float:
        return bound(point.probe, self.met)


def _require_usable(evidence: MatchEvidence) -> None:
    if evidence.encrypted_mismatches:
        raise NotSupported(
            f"{evidence.encrypted_mismatches} encrypted decisions were not those of the plain "
            "scores: the product did not decide as it was evaluated"
        )
    if not evidence.gated:
        raise NotSupported(
            "the evaluation ran without the quality gate, and no counter works like that"
        )
    if not evidence.curve:
        raise NotSupported("the evaluation has no curve: no threshold was measured")
    if any(point.probe is None for point in evidence.curve):
        raise NotSupported(
            "the evaluation has no strongest probe: a rate of honest strangers alone says nothing "
            "of a device that lies"
        )
    if not all(point.genuine.of for point in evidence.curve):
        raise NotSupported(
            "the evaluation compared nobody with himself: how many people the policy would turn "
            "away is not known"
        )


def _least(curve: Sequence[Point], bounds: _Bounds, targets: Targets) -> Point:
    """The first point from which on every one meets both targets, and that a policy can have."""
    _require_met(curve, STRANGERS, strangers, bounds.pairs, targets.fmr)
    _require_met(curve, PROBE, lambda point: point.probe, bounds.met, targets.probe)
    found = None
    for point in reversed(curve):
        if bounds.strangers(point) > targets.fmr or bounds.probe(point) > targets.probe:
            break
        if _lane(point) is None:
            break
        found = point
    if found is None:
        raise NotSupported("no threshold of the evaluation meets both targets and fits a policy")
    return found


def _require_met(
    curve: Sequence[Point],
    who: str,
    share: Callable[[Point], Share | None],
    different: int,
    target: Fraction,
) -> None:
    """Raises ``NotSupported`` if no end of the curve meets the target, and says why not."""
    last = share(curve[-1])
    if bound(last, different) <= target:
        _require_variance(curve, who, share)
        return
    compared = _compared(last, different)
    if compared * target < RULE_OF_THREE:
        raise NotSupported(
            f"{compared} comparisons of {who} support no rate below "
            f"{_text(RULE_OF_THREE / max(compared, 1))} (rule of three), and {_text(target)} was "
            f"asked for: at least {math.ceil(RULE_OF_THREE / target)} are needed"
        )
    least = min(curve, key=lambda point: bound(share(point), different))
    raise NotSupported(
        f"of {who}, {_text(target)} was asked for, and the least upper bound that the evaluation "
        f"has is {_text(bound(share(least), different))}, at cosine {least.cosine}: too few people "
        "were measured, or the threshold would have to be higher than any that was tried"
    )


def _require_variance(
    curve: Sequence[Point], who: str, share: Callable[[Point], Share | None]
) -> None:
    """Raises ``NotSupported`` if no point tells how alike the comparisons of one person are."""
    if not any(ENOUGH <= one.hits <= one.of - ENOUGH for one in map(share, curve) if one):
        raise NotSupported(
            f"at no threshold {ENOUGH} of {who} were accepted: how alike comparisons of one person "
            "are is not known, and no interval by person follows"
        )


def _policy(evidence: MatchEvidence, points: Sequence[Point]) -> MatchPolicy:
    lanes = tuple(LanePolicy.for_cosine(point.cosine) for point in points)
    if [lane.lo for lane in lanes] != [point.lowest for point in points]:
        raise NotSupported("the evaluation compared other integers than this version would")
    return MatchPolicy(
        policy_id="calibrated-" + "-".join(point.cosine for point in points),
        assurance="signed",
        model_id=evidence.pack.model_id,
        model_digest=Digest(bytes.fromhex(evidence.pack.digest)),
        lanes=lanes,
    )


def _lane(point: Point) -> LanePolicy | None:
    try:
        return LanePolicy.for_cosine(point.cosine)
    except ValidationError:
        return None  # so low that the interval would be wider than the protocol allows


def _rates(bounds: _Bounds, point: Point) -> LaneRates:
    return LaneRates(
        strangers=_up(bounds.strangers(point)),
        probe=_up(bounds.probe(point)),
        genuine_lost=round((point.genuine.rate or 0.0) * RATE_UNIT),
    )


def _up(rate: float) -> int:
    return min(RATE_UNIT, math.ceil(rate * RATE_UNIT))


def _at_most(rate: Fraction) -> int:
    return math.floor(rate * RATE_UNIT)


def _text(rate: Fraction | float) -> str:
    return f"{float(rate):.3g}"
