"""On photographs: the encrypted decision is the plaintext decision, and integers decide as cosines.

Pairs near the thresholds are searched for in a larger sample, because that is where a rounding or
an off-by-one would show. Embeddings stay in memory.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.he.frame import probe_signs, template_values
from gateway.wire.policy import KAPPA, LanePolicy
from tests.faces_data import Embeddings, Pair, lfw_pairs, pipeline
from tests.support.drafts import ciphertexts, draft
from tests.support.samples import plain_decision
from tests.support.world import World

SAMPLE = 800
ENCRYPTED = 400
NEAR = 48
"""Of the encrypted pairs, those whose cosine is nearest to the threshold."""
THRESHOLD = 0.419

pytestmark = [pytest.mark.faces, pytest.mark.pack, pytest.mark.slow]


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    return Embeddings(pipeline())


@pytest.fixture(scope="module")
def sample(embeddings: Embeddings) -> list[Pair]:
    pairs = lfw_pairs(SAMPLE, seed=31)
    for pair in pairs:
        embeddings.cosine(pair)
    return pairs


@pytest.fixture(scope="module")
def chosen(embeddings: Embeddings, sample: list[Pair]) -> list[Pair]:
    """400 pairs: those nearest to the threshold, and others, so that half are genuine."""
    ordered = sorted(sample, key=lambda pair: abs(embeddings.cosine(pair) - THRESHOLD))
    near, others = ordered[:NEAR], sample
    taken = list(near)
    for same in (True, False):
        missing = ENCRYPTED // 2 - sum(pair[2] == same for pair in near)
        rest = [pair for pair in others if pair[2] == same and pair not in near]
        taken += rest[:missing]
    return taken


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("world")
    with World(directory, max_sessions=2000) as world:
        yield world


def test_the_sample_is_worth_testing(embeddings: Embeddings, chosen: list[Pair]) -> None:
    assert len(chosen) == ENCRYPTED
    assert sum(same for *_, same in chosen) == ENCRYPTED // 2
    near = [pair for pair in chosen if abs(embeddings.cosine(pair) - THRESHOLD) < 0.04]
    assert len(near) >= 10, f"only {len(near)} pairs lie near the threshold"


def test_encrypted_decisions_equal_plaintext_decisions(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    """All parties, all messages."""
    wrong, outcomes, start = [], {"MATCH": 0, "NO_MATCH": 0}, time.perf_counter()
    for number, pair in enumerate(chosen):
        template, probe = embeddings(pair[0]), embeddings(pair[1])
        expected = plain_decision(world.policy, template, probe)
        outcome = world.register(template, probe).outcome
        outcomes[outcome] += 1
        if outcome != expected:
            wrong.append((number, expected, outcome))
    print(f"{len(chosen)} pairs, {outcomes}, {time.perf_counter() - start:.1f} s")
    assert not wrong
    assert min(outcomes.values()) >= 20, f"hardly both outcomes: {outcomes}"


def test_the_lanes_decide_together(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    """Another face in the action lane is seen, also beside one that matches."""
    genuine = [pair for pair in chosen if pair[2] and 0.5 < embeddings.cosine(pair) < 0.95][:12]
    strangers = [pair[0] for pair in chosen if not pair[2]][: len(genuine)]
    outcomes = []
    for (portrait, live, _), stranger in zip(genuine, strangers, strict=True):
        template, probe, action = (embeddings(p) for p in (portrait, live, stranger))
        opened = world.open()
        submission = draft(
            world.counter,
            opened,
            *ciphertexts(opened, template, probe, action),
            world.clock(),
        )
        outcomes.append(world.submit(opened, submission).outcome)
        assert outcomes[-1] == plain_decision(world.policy, template, probe, action)
    assert len(outcomes) == 12
    assert set(outcomes) == {"NO_MATCH"}


def test_the_portrait_itself_is_refused_as_live_face(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    for portrait, _, _ in chosen[:5]:
        vector = embeddings(portrait)
        assert world.register(vector, vector).outcome == "NO_MATCH"


@pytest.mark.parametrize("tau", ["0.341", "0.419"])
def test_signs_in_the_frame_hardly_change_a_decision(
    embeddings: Embeddings, sample: list[Pair], tau: str
) -> None:
    """The error of a score has a standard deviation of 0.011 in the cosine, and no bias."""
    vectors = [(embeddings(a), embeddings(b)) for a, b, _ in sample]
    cosines = np.array([float(np.dot(a, b)) for a, b in vectors])
    scores = np.array([int(probe_signs(b) @ template_values(a)) for a, b in vectors]) / KAPPA
    errors = scores - cosines
    rule = LanePolicy.for_cosine(tau)
    accepted = np.array([rule.accepts(round(score * KAPPA)) for score in scores])
    differ = accepted != (cosines >= float(tau))
    figures = (
        f"errors: mean {errors.mean():.4f}, SD {errors.std():.4f}, largest {abs(errors).max():.4f};"
        f" {differ.sum()} of {len(sample)} decisions differ at {tau}"
    )
    print(figures)
    assert abs(errors.mean()) < 0.002, figures
    assert errors.std() < 0.012, figures
    assert abs(errors).max() < 0.06, figures
    assert differ.sum() <= len(sample) // 100, figures
