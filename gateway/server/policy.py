"""The match policy that the settings describe. Unsigned: the operator's word, and said so."""

from pydantic import ValidationError

from gateway.server.config import GatewaySettings
from gateway.wire.host.settings import BadConfiguration
from gateway.wire.policy import LanePolicy, MatchPolicy


def default_policy(settings: GatewaySettings) -> MatchPolicy:
    """The probe's lane, and with two lanes the actions' with a threshold of its own (ADR 11).

    Raises ``BadConfiguration`` for a threshold that cannot be used.
    """
    try:
        probe = LanePolicy.for_cosine(settings.threshold_cosine)
    except ValidationError:
        raise _unusable("threshold_cosine") from None
    lanes: tuple[LanePolicy, ...] = (probe,)
    named = settings.threshold_cosine
    if settings.lanes > 1:
        lanes = (probe, _actions(probe, settings))
        named = f"{named}-{settings.action_cosine}"
    return MatchPolicy(
        policy_id=f"cosine-{named}",
        assurance="unsigned-default",
        model_id=settings.model_id,
        model_digest=settings.model,
        lanes=lanes,
    )


def _actions(probe: LanePolicy, settings: GatewaySettings) -> LanePolicy:
    try:
        return probe.from_cosine(settings.action_cosine)
    except ValidationError:
        raise _unusable("action_cosine") from None


def _unusable(setting: str) -> BadConfiguration:
    return BadConfiguration(f"check the settings: {setting} gives no usable interval")
