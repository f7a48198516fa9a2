"""Real servers decide as the integers do, on real photographs."""

from pathlib import Path

import pytest

from gateway.cli.pack import gateway_settings, open_pack
from gateway.lab.deployment.local import LocalDeployment
from gateway.server.config import GatewaySettings
from gateway.server.policy import default_policy
from gateway.vision.errors import VisionError
from gateway.vision.images import decode_image
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import Embeddings, Pair, lfw_pairs
from tests.support.commands import (
    MATCH,
    NO_MATCH,
    NUMBER,
    ORDER,
    PLAIN,
    register,
    report,
    sealmatch,
)
from tests.support.counter import Counter
from tests.support.leftovers import assert_no_file_holds
from tests.support.observation import record_count
from tests.support.samples import plain_decision

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.slow]


@pytest.mark.faces
def test_forty_pairs_through_real_processes(
    deployment: LocalDeployment, counter: Counter, vision: FacePipeline
) -> None:
    """Real servers decide as the integers do; the embeddings are this test's own."""
    embeddings = Embeddings(vision)
    near = sorted(lfw_pairs(100, seed=77), key=lambda p: abs(embeddings.cosine(p) - 0.419))[:12]
    pairs = [*near, *(p for p in lfw_pairs(60, seed=77) if p not in near)][:40]
    policy = default_policy(
        GatewaySettings(
            data_dir=deployment.directories.gateway,
            authority_public_key="00" * 32,
            model_id=counter.model.model_id,
            model_digest=counter.model.digest.hex(),
            **gateway_settings(open_pack(None)),
        )
    )
    assert deployment.trust.policies == [policy.digest.hex()]
    before = record_count(deployment)
    outcomes = []
    for one, other, _ in pairs:
        template, probe = embeddings(one), embeddings(other)
        outcome = counter.register(template, probe).outcome
        assert outcome == plain_decision(policy, template, probe)
        outcomes.append(outcome)
    assert len(outcomes) == 40
    assert min(outcomes.count("MATCH"), outcomes.count("NO_MATCH")) >= 10
    assert record_count(deployment) == before + 40


def usable(pair: Pair, vision: FacePipeline) -> bool:
    """Whether the product takes both photographs: exactly one face in each."""
    try:
        for path in pair[:2]:
            vision.embed(decode_image(path.read_bytes()), select="only")
    except VisionError:
        return False
    return True


@pytest.mark.faces
def test_photographs_through_the_command(
    deployment: LocalDeployment, vision: FacePipeline, tmp_path: Path
) -> None:
    embeddings = Embeddings(vision)
    drawn = lfw_pairs(40, seed=78)
    likely = [p for p in drawn if p[2]][:9] + [p for p in drawn if not p[2]][:9]
    chosen = [p for p in likely if usable(p, vision)]
    genuine = [p for p in chosen if 0.5 < embeddings.cosine(p) < 0.95][:2]
    impostors = [p for p in chosen if embeddings.cosine(p) < 0.3][:2]
    assert len(genuine) == len(impostors) == 2
    for number, (portrait, live, _) in enumerate([*genuine, *impostors]):
        receipt = tmp_path / f"{number}.cbor"
        done = register(deployment, portrait, live, receipt, "--json")
        report(done, *((MATCH, "MATCH") if number < 2 else (NO_MATCH, "NO_MATCH")))
        checked = sealmatch("receipt", "verify", receipt, "--trust", deployment.directories.trust)
        assert checked.returncode == done.returncode, checked.stdout


def test_no_file_of_either_server_holds_a_number_or_a_ciphertext(
    deployment: LocalDeployment,
) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_no_file_holds(deployment, NUMBER, PLAIN, ORDER)
