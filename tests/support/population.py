"""A wolf, one sign vector against many people: how often it and honest strangers are accepted."""

from __future__ import annotations

import numpy as np

from gateway.he.frame import _rotated, probe_signs
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import DIMENSION, LANE

RULE = LanePolicy.for_cosine("0.419")
LOWER = LanePolicy.for_cosine("0.341")


def frame_matrix() -> np.ndarray:
    """R, shape (4096, 512): what the frame makes of each axis before anything is rounded."""
    return np.stack([_rotated(axis) / 2.0**33 for axis in np.eye(DIMENSION)], axis=1)


def false_match_rates(
    signs: np.ndarray, templates: np.ndarray, rules: tuple[LanePolicy, ...]
) -> list[int]:
    """How many of these people a sign vector is accepted for, under each rule."""
    scores = templates @ signs.astype(np.int64)
    return [int(((scores >= rule.lo) & (scores <= rule.hi)).sum()) for rule in rules]


def wolf(
    people: np.ndarray, templates: np.ndarray, frame: np.ndarray, rule: LanePolicy
) -> np.ndarray:
    """The sign vector that most of these people accept: the best of many starts, then single flips.

    Starts: the axes along which the people differ most, both ways, around their mean; whitened
    means; the people themselves. The flips follow how near the threshold scores come, which has a
    slope where a count has none.
    """
    mean, covariance = people.mean(axis=0), np.cov(people.T)
    axes = np.linalg.eigh(covariance)[1][:, -20:].T
    whitened = [
        np.linalg.solve(covariance + weight * np.eye(DIMENSION), mean)
        for weight in (1e-4, 1e-3, 1e-2, 1e-1)
    ]
    around = [mean + scale * axis for axis in axes for scale in (-2, -0.7, -0.3, 0.3, 0.7, 2)]
    starts = np.where(np.stack([*whitened, *around, *people]) @ frame.T >= 0, 1, -1)
    near = [_nearness(scores, rule) for scores in starts @ templates.T]
    signs = starts[int(np.argmax(near))].copy()
    scores = templates @ signs
    for place in np.random.default_rng(13).permutation(np.tile(np.arange(LANE), 2)):
        turned = scores - 2 * signs[place] * templates[:, place]
        if _nearness(turned, rule) > _nearness(scores, rule):
            scores, signs[place] = turned, -signs[place]
    return signs


def _nearness(scores: np.ndarray, rule: LanePolicy) -> float:
    return float(np.exp(np.minimum(scores - rule.lo, 0) / 120).sum())


def honest_rates(
    people: np.ndarray, templates: np.ndarray, rules: tuple[LanePolicy, ...]
) -> list[float]:
    """The false match rates of honest strangers, all against all."""
    signs = np.stack([probe_signs(person) for person in people]).astype(np.float32)
    scores = templates.astype(np.float32) @ signs.T
    others = ~np.eye(len(people), dtype=bool)
    return [float(((scores >= r.lo) & (scores <= r.hi))[others].mean()) for r in rules]
