"""What a device gains by choosing its signs: looked for by climbing, against the proven bound."""

import numpy as np
import pytest

from gateway.he.frame import probe_signs
from gateway.lab.evaluation.probe_search import Herd, ascend, signs_of
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import DIMENSION, LANE
from tests.support import wolf


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return wolf.frame_matrix()


def test_the_matrix_is_the_frames(frame: np.ndarray) -> None:
    x = np.random.default_rng(1).normal(size=DIMENSION)
    x /= np.linalg.norm(x)
    outputs = frame @ x
    sure = np.abs(outputs) > 1e-4  # beyond what rounding x to 2^-24 can turn
    assert (probe_signs(x)[sure] == signs_of(outputs)[sure]).all()
    assert sure.sum() > LANE - 10


@pytest.mark.slow
def test_no_signs_were_found_to_gain_more_than_a_seventh(frame: np.ndarray) -> None:
    """Honest signs have 1.04 times the nominal value, the best found 1.14; sqrt(pi/2) is proven.

    The climb must get well beyond honest signs, or its failure to go further would say nothing.
    """
    draw = np.random.default_rng(2)
    honest = wolf.gain(frame, signs_of(frame @ draw.normal(size=DIMENSION)))
    best = wolf.best_gain(frame, draw, starts=3)
    assert 1.02 < honest < 1.05
    assert 1.12 < best < 1.15
    assert best < wolf.PROVEN_GAIN


@pytest.mark.slow
def test_the_climb_finds_a_herd_that_hides_in_noise() -> None:
    """Strangers that share a hidden direction accept tuned signs, others do not."""
    draw = np.random.default_rng(3)
    hidden = draw.normal(size=LANE)
    lowest = LanePolicy.for_cosine("0.341").lo

    def herd(part: float) -> Herd:
        own = draw.normal(size=(200, LANE))
        mixed = part * hidden + np.sqrt(1 - part**2) * own
        return Herd(np.rint(2 * mixed).astype(np.float32), lowest)

    seen, met, strangers = herd(0.36), herd(0.36), herd(0.0)
    start = signs_of(draw.normal(size=LANE))
    assert met.share(start) == 0
    tuned = ascend(seen, start, (0.1, 0.05), draw)
    assert met.share(tuned) > 0.5
    assert strangers.share(tuned) == 0
