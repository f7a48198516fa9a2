"""Pairs through the product, encrypted: the decision must be that of the same integers in the open.

All parties and all messages are the product's own, in one process; only sockets are missing. Half
of the pairs are those nearest to the threshold, where a rounding or an off-by-one would show; the
others are drawn.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.calibration.evidence import Encrypted
from gateway.lab.bench.parties import InProcessDeployment
from gateway.lab.evaluation.match_scores import Encoded, Scores, Whole
from gateway.wire.policy import LanePolicy

_AT_A_TIME = 250
"""Pairs to one deployment: an authority remembers the sessions of some minutes."""


def chosen(scores: Scores, lowest: int, count: int, seed: int) -> npt.NDArray[np.intp]:
    """Which comparisons to encrypt."""
    order = np.argsort(np.abs(scores.values - lowest), kind="stable")
    near, rest = order[: count // 2], order[count // 2 :]
    drawn = np.random.default_rng(seed).permutation(rest)[: count - len(near)]
    return np.concatenate((near, drawn))


def encrypt_pairs(
    encoded: Encoded,
    template: Whole,
    probe: Whole,
    scores: Scores,
    lanes: Sequence[str],
    tell: Callable[[], None] = lambda: None,
) -> Encrypted:
    """Send pairs through the product.

    Args:
        template, probe: the pictures of each pair; ``scores``: of the same pairs.
        lanes: the cosines of both lanes; a still picture serves both.
    """
    policies = [LanePolicy.for_cosine(cosine) for cosine in lanes]
    expected = np.logical_and.reduce([scores.accepted(lane) for lane in policies])
    thresholds = dict(zip(("threshold_cosine", "action_cosine"), lanes, strict=True))
    matched = mismatches = 0
    for start in range(0, len(template), _AT_A_TIME):
        with (
            tempfile.TemporaryDirectory() as directory,
            closing(InProcessDeployment(Path(directory), thresholds=thresholds)) as deployment,
        ):
            for number in range(start, min(start + _AT_A_TIME, len(template))):
                decided = deployment.outcome(
                    encoded.portraits.vectors[template[number]],
                    encoded.probes.vectors[probe[number]],
                )
                matched += decided == "MATCH"
                mismatches += (decided == "MATCH") != bool(expected[number])
                tell()
    return Encrypted(pairs=len(template), matched=matched, mismatches=mismatches)
