"""The default policy: what each lane accepts."""

from pathlib import Path

from gateway.server.config import GatewaySettings
from gateway.server.policy import default_policy
from gateway.wire.profile import NORM_SQUARED


def _settings(directory: Path, **values) -> GatewaySettings:
    required = {
        "data_dir": directory,
        "authority_public_key": "0" * 64,
        "model_id": "test/none",
        "model_digest": "0" * 64,
    }
    return GatewaySettings(**required, **values)


def _accepted(lane, cosine: float) -> bool:
    return lane.accepts(lane.value(round(cosine * NORM_SQUARED), NORM_SQUARED))


def test_movements_may_be_less_like_the_portrait_than_the_probe(tmp_path: Path) -> None:
    probe, actions = default_policy(_settings(tmp_path)).lanes
    assert [_accepted(probe, cosine) for cosine in (0.34, 0.415, 0.425, 0.96)] == [0, 0, 1, 1]
    assert [_accepted(actions, cosine) for cosine in (0.33, 0.345, 0.425, 0.96)] == [0, 1, 1, 1]


def test_the_portrait_itself_is_refused_in_both_lanes(tmp_path: Path) -> None:
    assert not any(_accepted(lane, 0.99) for lane in default_policy(_settings(tmp_path)).lanes)


def test_the_policy_is_named_after_its_thresholds(tmp_path: Path) -> None:
    chosen = {"threshold_cosine": "0.5", "action_cosine": "0.4"}
    assert default_policy(_settings(tmp_path, **chosen)).policy_id == "cosine-0.5-0.4"
    one = default_policy(_settings(tmp_path, lanes=1, **chosen))
    assert (one.policy_id, len(one.lanes)) == ("cosine-0.5", 1)
