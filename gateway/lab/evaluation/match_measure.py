"""From vectors to evidence: everything that ``sealmatch evaluate match`` computes of the pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gateway.calibration.evidence import (
    AtRate,
    Decisions,
    Effect,
    Encrypted,
    Estimate,
    Failures,
    Frame,
    Policy,
    Probe,
    ProbeRow,
)
from gateway.lab.evaluation.match_all import AllAgainstAll, Tell, compare_all
from gateway.lab.evaluation.match_counts import ListedScores, failures
from gateway.lab.evaluation.match_curves import curves, nearest, points, rates_at
from gateway.lab.evaluation.match_groups import Grouping
from gateway.lab.evaluation.match_intervals import DRAWS, drawn_again
from gateway.lab.evaluation.match_pairs import PairList
from gateway.lab.evaluation.match_pictures import Taken
from gateway.lab.evaluation.match_probe import HALVES, ProbeTrial, try_probes
from gateway.lab.evaluation.match_rates import Errors, fold_accuracies
from gateway.lab.evaluation.match_scores import Encoded, Flags, Scores
from gateway.wire.policy import KAPPA, LanePolicy


@dataclass(frozen=True)
class Settings:
    """What is measured, at which threshold."""

    cosine: str
    """The threshold of the probe's lane, fixed beforehand."""
    action: str
    """Of the actions' lane, which a still picture passes or fails besides."""
    others: tuple[str, ...] = ()
    """Further thresholds that are of interest: those of the pack."""
    origin: Literal["pack", "option"] = "option"
    """Who fixed the threshold."""
    fmr: float | None = None
    """The false match rate that the pack's manifest states for it."""
    every: bool = False
    """Each photograph against all of other people."""
    encrypted: int = 0
    """Pairs that go through the product."""
    halves: int = HALVES
    seed: int = 1
    draws: int = DRAWS

    @property
    def lane(self) -> LanePolicy:
        return LanePolicy.for_cosine(self.cosine)

    @property
    def cosines(self) -> tuple[str, ...]:
        return tuple(sorted({self.cosine, *self.others}))


@dataclass(frozen=True)
class Measured:
    """What the evidence is made of, and what pictures are drawn from."""

    parts: dict[str, Any] = field(repr=False)
    """By the fields of ``MatchEvidence``."""
    listed: ListedScores = field(repr=False)
    everybody: AllAgainstAll | None = field(repr=False)


def measure(
    pairs: PairList,
    portraits: Taken,
    probes: Taken,
    settings: Settings,
    tell: Tell = lambda *_: lambda: None,
) -> Measured:
    """Compare, draw people again, and count.

    Where nobody knows who is who beyond the pairs, all photographs are not compared with all, and
    no probe is sought: two pictures of one person would count as strangers.

    Args:
        portraits, probes: the vectors of both roles; the same twice where nothing is compressed.
    """
    encoded = Encoded.of(portraits.side, probes.side)
    listed = ListedScores.of(pairs, encoded)
    everybody = trial = None
    if pairs.subjects_from != "pairs":
        if settings.every:
            everybody = compare_all(encoded, pairs.subjects, tell)
        if settings.halves:
            trial = try_probes(
                encoded, pairs.subjects, settings.cosines, settings.seed, settings.halves, tell
            )
    failed = failures(pairs, listed, portraits, probes)
    work = _Work(pairs, settings, encoded, listed, everybody, trial)
    return Measured(work.parts(failed, tell), listed, everybody)


class _Work:
    def __init__(
        self,
        pairs: PairList,
        settings: Settings,
        encoded: Encoded,
        listed: ListedScores,
        everybody: AllAgainstAll | None,
        trial: ProbeTrial | None,
    ) -> None:
        self._pairs, self._settings, self._encoded = pairs, settings, encoded
        self._listed, self._all, self._trial = listed, everybody, trial
        self._curves = curves(listed, everybody, trial)
        self._few = tuple(
            self._curves[name].effect(settings.lane.lo) for name in ("genuine", "strangers")
        )

    def parts(self, failed: Failures, tell: Tell) -> dict[str, Any]:
        every, folds, decisions = self._all, self._folds(), self._decided()
        encrypted = self._encrypted(tell)
        errors = self._listed.errors()
        equal = self._equal_error(errors, tell)
        every_errors = None if every is None else Errors.of(every.genuine, every.strangers)
        rates = tuple(rates_at(self._curves, errors, every_errors))
        return {
            "policy": _policy(self._settings),
            "accuracy": (decisions.accuracy.rate or 0.0) if folds is None else folds.value,
            "accuracy_at": "policy" if folds is None else "folds",
            "eer": None if equal is None else equal.value,
            "tmr_at_fmr": _true_match_rates(rates),
            "encrypted_mismatches": None if encrypted is None else encrypted.mismatches,
            "failures_to_enrol": failed.portraits.hits,
            "decisions": decisions,
            "fold_accuracy": folds,
            "equal_error": equal,
            "failures": failed,
            "rates": rates,
            "curve": tuple(points(self._curves)),
            "all_genuine": None if every is None else int(every.genuine.sum()),
            "all_impostor": None if every is None else every.stranger_count,
            "frame": self._frame(),
            "encrypted": encrypted,
            "groups": tuple(self._grouping().groups()),
            "probe": self._probe(),
        }

    def _decided(self) -> Decisions:
        listed, same = self._listed, self._pairs.same
        accepted = listed.accepted(self._settings.lane)
        right, every = listed.made & (accepted == same), np.ones(len(same), np.bool_)
        of_genuine, of_strangers = self._few
        return Decisions(
            fnmr=listed.share(~accepted, listed.genuine, of_genuine),
            fmr=listed.share(accepted, listed.strangers, of_strangers),
            frr=listed.share(~accepted, same, of_genuine),
            far=listed.share(accepted, ~same, of_strangers),
            accuracy=listed.share(right, listed.made),
            accuracy_of_all=listed.share(right, every),
        )

    def _equal_error(self, errors: Errors, tell: Tell) -> Estimate | None:
        """With an interval from people drawn again; None where one kind of pair is missing."""
        value, settings = errors.equal(), self._settings
        if not np.isfinite(value):
            return None
        low, high = drawn_again(
            self._listed.equal_error,
            self._pairs.subject_count,
            settings.seed,
            settings.draws,
            tell("draws of people, for the equal error rate", settings.draws),
        )
        return Estimate(value=value, low=min(low, value), high=max(high, value))

    def _folds(self) -> Estimate | None:
        """The mean over folds; the interval is that of its standard error, as LFW has it."""
        folds, made = self._pairs.folds, self._listed.made
        if folds is None or np.unique(folds[made]).size < 2:
            return None
        found = fold_accuracies(
            self._listed.scores.values[made], self._pairs.same[made], folds[made]
        )
        mean = float(np.mean(found))
        margin = 1.96 * float(np.std(found, ddof=1)) / len(found) ** 0.5
        return Estimate(value=mean, low=max(0.0, mean - margin), high=min(1.0, mean + margin))

    def _frame(self) -> Frame | None:
        made = self._listed.made
        if not made.any():
            return None
        scores, same = self._listed.scores[made], self._pairs.same[made]
        own, highest, genuine = self._encoded.identical(), self._settings.lane.hi, scores[same]
        return Frame(
            mean=float(scores.errors.mean()),
            deviation=float(scores.errors.std()),
            worst=float(np.abs(scores.errors).max()),
            effects=tuple(_effect_of_frame(scores, same, one) for one in self._settings.cosines),
            largest_genuine=float(genuine.values.max()) / KAPPA if same.any() else None,
            genuine_above=int((genuine.values > highest).sum()),
            identical=(
                (float(own.mean()), float(own.std()), float(own.min()), float(own.max()))
                if own.size
                else None
            ),
            identical_accepted=int((own <= highest / KAPPA).sum()),
        )

    def _encrypted(self, tell: Tell) -> Encrypted | None:
        made = np.flatnonzero(self._listed.made)
        wanted = min(self._settings.encrypted, len(made))
        if not wanted:
            return None
        from gateway.lab.evaluation.match_encrypted import (  # noqa: PLC0415  loads all parties
            chosen,
            encrypt_pairs,
        )

        scores = self._listed.scores[made]
        some = chosen(scores, self._settings.lane.lo, wanted, self._settings.seed)
        return encrypt_pairs(
            self._encoded,
            self._pairs.template[made[some]],
            self._pairs.probe[made[some]],
            scores[some],
            (self._settings.cosine, self._settings.action),
            tell("pairs encrypted", wanted),
        )

    def _grouping(self) -> Grouping:
        every, lane = self._curves.get("all_strangers"), self._settings.lane
        strangers = None if every is None else every.shares[nearest(lane.lo)]
        few = (self._few[0], self._few[1])
        return Grouping(self._listed, self._encoded, lane, self._all, few, strangers)

    def _probe(self) -> Probe | None:
        trial = self._trial
        if trial is None:
            return None
        rows = [
            ProbeRow(cosine=one.cosine, kind=one.kind, seen=one.seen, met=trial.share(one))
            for one in trial.best()
        ]
        return Probe(people=len(trial.subjects), halves=trial.halves, rows=tuple(rows))


def _policy(settings: Settings) -> Policy:
    lane = settings.lane
    return Policy(
        cosine=settings.cosine,
        lowest=lane.lo,
        highest=lane.hi,
        origin=settings.origin,
        fmr=settings.fmr,
    )


def _effect_of_frame(scores: Scores, same: Flags, cosine: str) -> Effect:
    by_value, by_cosine = scores.by_value(cosine), scores.by_cosine(cosine)
    lost, gained = by_cosine & ~by_value, by_value & ~by_cosine
    return Effect(
        cosine=cosine,
        compared=len(same),
        changed=int((lost | gained).sum()),
        genuine_lost=int((lost & same).sum()),
        genuine_gained=int((gained & same).sum()),
        impostors_gained=int((gained & ~same).sum()),
        impostors_lost=int((lost & ~same).sum()),
    )


def _true_match_rates(rates: Sequence[AtRate]) -> dict[str, float | None]:
    """Of all photographs with all where these were compared, else of the list."""
    source = "all" if any(one.source == "all" for one in rates) else "listed"
    found: dict[str, float | None] = {}
    for one in rates:
        if one.source == source:
            share = one.fnmr_all if source == "all" else one.fnmr
            rate = None if share is None else share.rate
            found[f"{one.fmr:.0e}".replace("e-0", "e-")] = None if rate is None else 1 - rate
    return found
