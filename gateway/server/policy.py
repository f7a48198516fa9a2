"""The operator's match policy, from the settings. Nobody signs it, and its ``assurance`` says
so."""

from pydantic import ValidationError

from gateway.host.settings import BadConfiguration
from gateway.server.config import GatewaySettings
from gateway.wire.policy import LanePolicy, MatchPolicy


def default_policy(settings: GatewaySettings) -> MatchPolicy:
    """A lane for the probe, and one for the actions with a threshold of its own (ADR 11).

    Raises ``BadConfiguration`` for a threshold that cannot be used.
    """
    lanes = (
        _lane(settings.threshold_cosine, "threshold_cosine"),
        _lane(settings.action_cosine, "action_cosine"),
    )
    return MatchPolicy(
        policy_id=f"cosine-{settings.threshold_cosine}-{settings.action_cosine}",
        assurance="unsigned-default",
        model_id=settings.model_id,
        model_digest=settings.model,
        lanes=lanes,
    )


def _lane(cosine: str, setting: str) -> LanePolicy:
    try:
        return LanePolicy.for_cosine(cosine)
    except ValidationError:
        raise _unusable(setting) from None


def _unusable(setting: str) -> BadConfiguration:
    return BadConfiguration(f"check the settings: {setting} gives no usable interval")
