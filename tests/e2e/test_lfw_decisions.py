"""On photographs: the encrypted decision is the plaintext decision, and integers decide as cosines.

Pairs near the thresholds are searched for in a larger sample, because that is where a rounding or
an off-by-one would show. Embeddings stay in memory.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.faces_data import Embeddings, Pair, lfw_pairs, pipeline
from tests.measure_quantisation import LOW_ERROR_RATE, disagreements
from tests.support.drafts import ciphertexts, draft
from tests.support.samples import plain_decision
from tests.support.world import World

SAMPLE = 800
ENCRYPTED = 300
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
    """300 pairs: those nearest to the threshold, and others, so that half are genuine."""
    ordered = sorted(sample, key=lambda pair: abs(embeddings.cosine(pair) - THRESHOLD))
    near, others = ordered[:NEAR], sample
    taken = list(near)
    for same in (True, False):
        missing = ENCRYPTED // 2 - sum(pair[2] == same for pair in near)
        rest = [pair for pair in others if pair[2] == same and pair not in near]
        taken += rest[:missing]
    return taken


@pytest.fixture(scope="module", params=[2, 1], ids=["two-lanes", "one-lane"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("world")
    with World(directory, lanes=request.param, max_sessions=2000) as world:
        yield world


def test_the_sample_is_worth_testing(embeddings: Embeddings, chosen: list[Pair]) -> None:
    assert len(chosen) == ENCRYPTED
    assert sum(same for *_, same in chosen) == ENCRYPTED // 2
    near = [pair for pair in chosen if abs(embeddings.cosine(pair) - THRESHOLD) < 0.04]
    assert len(near) >= 10, f"only {len(near)} pairs lie near the threshold"


def test_encrypted_decisions_equal_plaintext_decisions(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    """All parties, all messages; 300 pairs with two lanes, a third of them again with one."""
    pairs = chosen if len(world.policy.lanes) == 2 else chosen[::3]
    wrong, outcomes, start = [], {"MATCH": 0, "NO_MATCH": 0}, time.perf_counter()
    for number, pair in enumerate(pairs):
        template, probe = embeddings(pair[0]), embeddings(pair[1])
        expected = plain_decision(world.policy, template, probe)
        outcome = world.register(template, probe).outcome
        outcomes[outcome] += 1
        if outcome != expected:
            wrong.append((number, expected, outcome))
    print(f"{len(pairs)} pairs, {outcomes}, {time.perf_counter() - start:.1f} s")
    assert not wrong
    assert min(outcomes.values()) >= 20, f"hardly both outcomes: {outcomes}"


def test_the_lanes_decide_together(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    """Another face in the action lane: only a policy of two lanes sees it."""
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
    assert set(outcomes) == ({"NO_MATCH"} if len(world.policy.lanes) == 2 else {"MATCH"})


def test_the_portrait_itself_is_refused_as_live_face(
    embeddings: Embeddings, chosen: list[Pair], world: World
) -> None:
    for portrait, _, _ in chosen[:5]:
        vector = embeddings(portrait)
        assert world.register(vector, vector).outcome == "NO_MATCH"


@pytest.mark.parametrize("tau", ["0.341", "0.419"])
def test_quantisation_hardly_changes_a_decision(
    embeddings: Embeddings, sample: list[Pair], tau: str
) -> None:
    vectors = [(embeddings(a), embeddings(b)) for a, b, _ in sample]
    cosines = np.array([float(np.dot(a, b)) for a, b in vectors])
    changed = disagreements(vectors, tau)
    near = int((np.abs(cosines - float(tau)) < 0.004).sum())
    figures = f"{changed} of {len(sample)} decisions differ at {tau}; {near} pairs within 0.004"
    print(figures)
    assert changed <= LOW_ERROR_RATE * len(sample), figures
