"""The default policy: what each lane accepts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.he.frame import probe_signs, template_values
from gateway.host.settings import BadConfiguration
from gateway.server.config import GatewaySettings
from gateway.server.policy import default_policy
from gateway.wire.policy import KAPPA, LanePolicy


def _settings(directory: Path, **values: Any) -> GatewaySettings:
    required = {
        "data_dir": directory,
        "authority_public_key": "0" * 64,
        "model_id": "test/none",
        "model_digest": "0" * 64,
    }
    return GatewaySettings(**required, **values)


def _accepted(lane: LanePolicy, cosine: float) -> bool:
    return lane.accepts(round(cosine * KAPPA))


def test_movements_may_be_less_like_the_portrait_than_the_probe(tmp_path: Path) -> None:
    probe, actions = default_policy(_settings(tmp_path)).lanes
    cosines = (0.335, 0.345, 0.415, 0.425, 0.95, 0.96)
    assert [_accepted(probe, cosine) for cosine in cosines] == [0, 0, 0, 1, 1, 0]
    assert [_accepted(actions, cosine) for cosine in cosines] == [0, 1, 1, 1, 1, 0]


def test_the_portrait_itself_is_refused_in_both_lanes(tmp_path: Path) -> None:
    """An identical vector, through the frame as a client sends it."""
    generator, lanes = np.random.default_rng(5), default_policy(_settings(tmp_path)).lanes
    for _ in range(100):
        vector = generator.normal(size=512)
        vector /= np.linalg.norm(vector)
        value = int(probe_signs(vector) @ template_values(vector))
        assert not any(lane.accepts(value) for lane in lanes)


def test_the_policy_is_named_after_its_thresholds(tmp_path: Path) -> None:
    chosen = {"threshold_cosine": "0.5", "action_cosine": "0.4"}
    policy = default_policy(_settings(tmp_path, **chosen))
    assert (policy.policy_id, len(policy.lanes)) == ("cosine-0.5-0.4", 2)


@pytest.mark.parametrize("setting", ["threshold_cosine", "action_cosine"])
@pytest.mark.parametrize("cosine", ["0.01", "0.3", "0.96"])
def test_a_threshold_that_leaves_too_much_or_nothing_is_named(
    tmp_path: Path, setting: str, cosine: str
) -> None:
    """The window is at most 4096 wide: a wrong value lands in it once in 2^15."""
    with pytest.raises(BadConfiguration, match=setting):
        default_policy(_settings(tmp_path, **{setting: cosine}))
