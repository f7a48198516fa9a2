"""An approval: that two operators signed one match policy of one gateway.

It is an ``AgreedOrder`` whose order is a ``PolicyOrder``. Anybody verifies it offline, with the
keys of two operators. The digest of the signed agreement names it: it covers the order, and so
policy, number, evidence and both operators.
"""

from typing import Final, NamedTuple, Self

from gateway.wire import cose
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, PartyId, digest_of
from gateway.wire.orders import AgreedOrder, Agreement, Enrolled, PolicyOrder, verify
from gateway.wire.policy import MatchPolicy

OPEN_SECONDS: Final = 3600
"""A session that was opened before another policy came into force is decided within this time."""


class Approval(NamedTuple):
    """A verified approval."""

    order: PolicyOrder
    operators: tuple[PartyId, PartyId]
    """Who ordered it, and who agreed."""
    agreed_at: int
    digest: Digest

    def replaced(self, by: Self, decided_at: int) -> bool:
        """Whether another approval was long in force when something was decided by this one.

        Of two with one number, one never came into force, or the gateway's database was put back in
        between: the one that was agreed to later counts.
        """
        later = (by.order.number, by.agreed_at) > (self.order.number, self.agreed_at)
        return later and by.agreed_at + OPEN_SECONDS < decided_at

    @property
    def policy(self) -> MatchPolicy:
        return self.order.proposal.policy


def approval_digest(encoded: bytes) -> Digest:
    """The name of an approval. Nothing is checked. Raises ``MalformedMessage``."""
    return digest_of(AgreedOrder.decode(encoded).agreement)


def policy_digest(encoded: bytes) -> Digest:
    """Of the policy that it approves. Nothing is checked. Raises ``MalformedMessage``."""
    return peek_policy(encoded).proposal.policy.digest


def peek_policy(encoded: bytes) -> PolicyOrder:
    """What it approves. Nothing is checked. Raises ``MalformedMessage``."""
    return cose.peek(AgreedOrder.decode(encoded).order, PolicyOrder)


def verify_approval(encoded: bytes, gateway: PartyId, enrolled: Enrolled) -> Approval:
    """Check both signatures, as of the moment of the agreement.

    Args:
        encoded: an ``AgreedOrder``.
        gateway: whose policy it must be.
        enrolled: the keys of operators that count.

    Raises:
        MalformedMessage: it is no approval.
        Refused: a rule of ``gateway.wire.orders`` is broken, or it approves no match policy.
    """
    kept = AgreedOrder.decode(encoded)
    agreed_at = cose.peek(kept.agreement, Agreement).agreed_at
    verified = verify(kept.order, kept.agreement, gateway, enrolled, agreed_at)
    order, agreement = verified.order.message, verified.agreement
    if not isinstance(order, PolicyOrder):
        raise Refused("two operators agreed to another order, not to a match policy")
    operators = (order.operator, agreement.message.operator)
    return Approval(order, operators, agreed_at, agreement.digest)
