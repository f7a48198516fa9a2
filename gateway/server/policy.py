"""The match policy that the settings describe. Unsigned: the operator's word, and said so."""

from gateway.server.config import GatewaySettings
from gateway.wire.policy import LanePolicy, MatchPolicy


def default_policy(settings: GatewaySettings) -> MatchPolicy:
    """Same threshold in every lane."""
    lane = LanePolicy.for_cosine(settings.threshold_cosine)
    return MatchPolicy(
        policy_id=f"cosine-{settings.threshold_cosine}-lanes-{settings.lanes}",
        assurance="unsigned-default",
        model_id=settings.model_id,
        model_digest=settings.model,
        lanes=(lane,) * settings.lanes,
    )
