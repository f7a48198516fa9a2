"""A sanity bound on accuracy over LFW pairs, so that a broken step cannot pass unnoticed.

The rates are bounded a little below the figures in ``gateway/docs/MODELS.md``. The mean cosine of
same faces is the sharper instrument: swapped channels lower it by twice the margin.
"""

import numpy as np
import pytest

from tests.faces_data import Embeddings, lfw_pairs, pipeline

PAIRS = 420

pytestmark = [pytest.mark.faces, pytest.mark.pack, pytest.mark.slow]


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    return Embeddings(pipeline())


def test_same_and_different_people_are_told_apart(embeddings: Embeddings) -> None:
    pairs = lfw_pairs(PAIRS, seed=20)
    assert sum(same for *_, same in pairs) == PAIRS // 2
    cosines = np.array([embeddings.cosine(pair) for pair in pairs])
    same = np.array([pair[2] for pair in pairs])
    assert np.mean(cosines[same] >= 0.341) >= 0.95
    assert np.mean(cosines[same] >= 0.419) >= 0.93
    assert np.sum(cosines[~same] >= 0.341) <= 2
    assert np.mean(cosines[same]) == pytest.approx(0.683, abs=0.015)
    assert abs(np.mean(cosines[~same])) < 0.03


def test_pairs_are_drawn_the_same_way_each_time() -> None:
    assert lfw_pairs(50, seed=1) == lfw_pairs(50, seed=1)
    assert lfw_pairs(50, seed=1) != lfw_pairs(50, seed=2)
