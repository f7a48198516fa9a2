"""The match policy that the settings describe. Unsigned: the operator's word, and said so."""

from pydantic import ValidationError

from gateway.server.config import GatewaySettings
from gateway.wire.host.settings import BadConfiguration
from gateway.wire.policy import LanePolicy, MatchPolicy


def default_policy(settings: GatewaySettings) -> MatchPolicy:
    """Same threshold in every lane. Raises ``BadConfiguration`` for one that cannot be used."""
    try:
        lane = LanePolicy.for_cosine(settings.threshold_cosine)
    except ValidationError:
        raise BadConfiguration(
            "check the settings: threshold_cosine gives no usable interval"
        ) from None
    return MatchPolicy(
        policy_id=f"cosine-{settings.threshold_cosine}-lanes-{settings.lanes}",
        assurance="unsigned-default",
        model_id=settings.model_id,
        model_digest=settings.model,
        lanes=(lane,) * settings.lanes,
    )
