"""Which match policy is in force: the last one that two operators signed; while there is none, the
operator's settings, which nobody signs. The policy's ``assurance`` says which.

A session keeps the policy under which it was opened. Every gateway process on a database asks it
for each new session, so an adoption reaches them all at once. Whatever is wrong with what the
database holds stops new sessions: no gateway falls back to another policy by itself.
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError

from gateway.host.settings import BadConfiguration
from gateway.proofs.approval import Approval
from gateway.server.config import GatewaySettings
from gateway.server.policy_orders import verified_policies
from gateway.store import policies
from gateway.store.policies import PolicyRow
from gateway.wire.admin import ChainKeys
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.ids import Digest
from gateway.wire.policy import LanePolicy, MatchPolicy

log = logging.getLogger("sealmatch.gateway")

UNSIGNED: Final = (
    "no match policy is signed: thresholds are those of the settings, and every statement says so. "
    "The default ones rest on LFW, photographs of the press; calibrate on your own and sign "
    "(sealmatch-gateway policy propose)"
)
_UNVERIFIED: Final = "the match policy in force cannot be verified; no session is opened"


class PolicyInForce(NamedTuple):
    """A policy, and the approval by two operators."""

    policy: MatchPolicy
    approval: Digest | None = None
    """None: nobody signed it."""


FindPolicy = Callable[[sa.Connection], PolicyInForce]
"""The policy for a session that begins now. Raises ``Unavailable``."""


def always(policy: MatchPolicy) -> FindPolicy:
    """An unsigned policy, whatever the database holds: for measurements."""
    return lambda _connection: PolicyInForce(policy)


class Policies:
    """What the database of one gateway has in force."""

    def __init__(self, settings: GatewaySettings, keys: ChainKeys) -> None:
        """Raises ``BadConfiguration`` for a threshold that cannot be used."""
        self._settings = settings
        self._keys = keys
        self._default = PolicyInForce(default_policy(settings))
        self._known: tuple[PolicyRow | None, PolicyInForce] | None = None
        """The last row that was verified, and the policy in it."""

    def start(self, connection: sa.Connection) -> PolicyInForce:
        """What is in force at a start; says aloud if it is unsigned, or not what the settings say.

        Raises:
            BadConfiguration: it is for another face model, cannot be verified, or is unsigned
                although the settings require a signed one.
        """
        approval = self.found(connection)
        if approval is None:
            log.warning("match policy: %s", UNSIGNED)
            return self._default
        for told in _other_thresholds(approval, self._settings):
            log.warning("match policy: %s", told)
        return PolicyInForce(approval.policy, approval.digest)

    def found(self, connection: sa.Connection) -> Approval | None:
        """The approval of the policy in force, if it is one under which this gateway may run.
        Raises as ``start``."""
        try:
            approval = self._verified(connection)
        except (Refused, MalformedMessage) as error:
            reason = error.detail if isinstance(error, Refused) else str(error)
            raise BadConfiguration(
                f"the match policy in force cannot be verified: {reason}"
            ) from None
        if approval is None and self._settings.require_signed_policy:
            raise BadConfiguration(
                "require_signed_policy is set, and no match policy is signed: see "
                "sealmatch-gateway policy propose"
            )
        if approval is not None:
            require_model(approval.policy, self._settings)
        return approval

    def in_force(self, connection: sa.Connection) -> PolicyInForce:
        """The policy for a session that begins now.

        Raises:
            Unavailable: it cannot be verified, is older than one that was in force, or is for
                another face model. The reason is in the operator's log.
        """
        row = policies.last_policy(connection)
        known = self._known
        if known is not None and row == known[0]:
            return known[1]
        try:
            return self._changed(connection, row)
        except (Refused, MalformedMessage, BadConfiguration) as error:
            why = error.detail if isinstance(error, Refused) else error
            log.error("match policy: %s: %s", _UNVERIFIED, why)
            raise Unavailable(_UNVERIFIED) from None

    def _changed(self, connection: sa.Connection, row: PolicyRow | None) -> PolicyInForce:
        known = self._known
        if known is not None and _number(row) < _number(known[0]):
            raise Refused("an older one is there than was in force: the database was put back")
        approval = self._verified(connection)
        if approval is None:
            return self._default
        require_model(approval.policy, self._settings)
        log.warning("match policy %d is in force for new sessions", approval.order.number)
        return PolicyInForce(approval.policy, approval.digest)

    def _verified(self, connection: sa.Connection) -> Approval | None:
        """The last approval, once it is checked; remembers it."""
        row = policies.last_policy(connection)
        approvals = verified_policies(connection, self._keys)
        approval = approvals[-1] if approvals else None
        if approval is None:
            self._known = (None, self._default)
        elif row is not None and row.number == approval.order.number:
            self._known = (row, PolicyInForce(approval.policy, approval.digest))
        return approval


def require_model(policy: MatchPolicy, settings: GatewaySettings) -> None:
    """Raises ``BadConfiguration`` if a policy is for another face model than the settings name."""
    if (policy.model_id, policy.model_digest) != (settings.model_id, settings.model):
        raise BadConfiguration(
            f"the match policy is for face model {policy.model_id}, digest "
            f"{policy.model_digest.hex()[:16]}..., and the settings name {settings.model_id}, "
            f"{settings.model.hex()[:16]}...: calibrate for this one, propose and agree"
        )


def default_policy(settings: GatewaySettings) -> MatchPolicy:
    """The settings' own: a lane for the probe, and one for the actions with a threshold of its own
    (ADR 11). Nobody signs it.

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


def _other_thresholds(approval: Approval, settings: GatewaySettings) -> list[str]:
    """Settings that somebody wrote down and that the signed policy overrules."""
    names = ("threshold_cosine", "action_cosine")
    return [
        f"{name} = {getattr(settings, name)} of the settings is not used: the signed match policy "
        f"{approval.order.number} accepts from {lane.lo}, and this would be "
        f"{_lane(getattr(settings, name), name).lo}"
        for name, lane in zip(names, approval.policy.lanes, strict=True)
        if name in settings.model_fields_set and _lane(getattr(settings, name), name).lo != lane.lo
    ]


def _number(row: PolicyRow | None) -> int:
    return 0 if row is None else row.number


def _lane(cosine: str, setting: str) -> LanePolicy:
    try:
        return LanePolicy.for_cosine(cosine)
    except ValidationError:
        raise _unusable(setting) from None


def _unusable(setting: str) -> BadConfiguration:
    return BadConfiguration(f"check the settings: {setting} gives no usable interval")
