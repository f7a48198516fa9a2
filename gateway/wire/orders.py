"""What operators sign: orders that need two of them, and legal holds that one of them places.

An *order* is signed by one operator and done when another one agrees to it. The mechanism does not
know what is ordered: a further kind is a subclass of ``Order`` in ``ORDERS``. Rules (``verify``):

1. the order is signed by the operator that it names, for this gateway
2. its time has come, and it is not older than ``ORDER_SECONDS``
3. the agreement is signed by the operator that it names, for this gateway
4. it names the digest of exactly these signed bytes, and is not older than they are
5. the two are different operators, with different keys

Whether an operator is enrolled and active is asked of the caller (``Enrolled``), in the transaction
that acts. A *hold* keeps one record from being removed. One operator is enough for it, since it
takes nothing away; so its reason and its end are compulsory, and ending it sooner needs an order.

An order and a hold have a salt: their digests stay in the history for ever, beside their ids. So
not even somebody who has the operator's key can say of which record they were.
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from gateway.wire import cose
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.ids import Digest, DigestField, PartyId, RecordId, RecordIdField, Salt, UnixTime
from gateway.wire.message import SMALL, Message, SignedBytes
from gateway.wire.policy import PolicyProposal

ORDER_SECONDS: Final = 7 * 24 * 3600
"""An order that nobody agreed to by then is void."""
MOST_HOLD_SECONDS: Final = 2 * 366 * 24 * 3600
"""Longest time of one hold. Whoever needs longer decides again: a new hold extends an old one."""

ErasureReason = Literal[
    "subject-request",
    "guardian-request",
    "court-order",
    "regulator-order",
    "recorded-by-mistake",
    "fraud",
]
ReleaseReason = Literal["order-lifted", "proceedings-ended", "placed-by-mistake"]
HoldReason = Literal[
    "court-order", "criminal-investigation", "regulator-inquiry", "legal-claim", "subject-dispute"
]
ERASURE_REASONS: Final[tuple[ErasureReason, ...]] = get_args(ErasureReason)
RELEASE_REASONS: Final[tuple[ReleaseReason, ...]] = get_args(ReleaseReason)
HOLD_REASONS: Final[tuple[HoldReason, ...]] = get_args(HoldReason)
"""Closed lists: nobody writes into a record's file what should not stand there."""


class Order(Message):
    """What every order says. Signed by the operator that it names."""

    gateway: PartyId
    order_id: RecordIdField
    """128 random bits. The history names the order by them."""
    salt: Salt = Field(repr=False)
    """Stands nowhere else."""
    operator: PartyId
    ordered_at: UnixTime

    @property
    def expires_at(self) -> int:
        return self.ordered_at + ORDER_SECONDS


class ErasureOrder(Order):
    """A record shall be erased before its time."""

    record_id: RecordIdField
    reason: ErasureReason


class ReleaseOrder(Order):
    """A legal hold shall end before its time."""

    hold_id: RecordIdField
    reason: ReleaseReason


MOST_POLICIES: Final = 2**31
NO_APPROVAL: Final = Digest(bytes(32))
"""What the first policy order names as the one before."""


class PolicyOrder(Order):
    """A match policy shall be in force. Order and agreement together approve it, and the digest of
    the signed agreement names that approval."""

    number: Annotated[int, Field(ge=1, lt=MOST_POLICIES)]
    """One more than that of the policy in force; so no approval comes into force again."""
    previous: DigestField
    """The approval in force when it was ordered, or ``NO_APPROVAL``."""
    proposal: PolicyProposal


ORDERS: Final[tuple[type[Order], ...]] = (ErasureOrder, ReleaseOrder, PolicyOrder)


class Agreement(Message):
    """Signed by a second operator, who agrees to one order."""

    gateway: PartyId
    order: DigestField
    """SHA-256 of the signed order, signature included."""
    operator: PartyId
    agreed_at: UnixTime


class AgreedOrder(Message):
    """What operators file of an order that was done. It names what the gateway has forgotten. Of a
    match policy it is the approval, which the gateway keeps and anybody may verify."""

    max_bytes = 4 * SMALL

    order: SignedBytes
    agreement: SignedBytes


class Hold(Message):
    """Signed by one operator: a record must not be removed until a time."""

    gateway: PartyId
    hold_id: RecordIdField
    """128 random bits. The history names the hold by them."""
    salt: Salt = Field(repr=False)
    """Stands nowhere else."""
    record_id: RecordIdField
    reason: HoldReason
    until: UnixTime
    operator: PartyId
    placed_at: UnixTime

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if not self.placed_at < self.until <= self.placed_at + MOST_HOLD_SECONDS:
            raise ValueError("a hold ends, and within two years")
        return self


Enrolled = Callable[[PartyId], VerifyKey]
"""An operator's name -> the key under which the operator is enrolled and active at this moment.
Raises ``Refused``."""


class Verified(NamedTuple):
    """An order to which somebody agreed; all rules hold."""

    order: Signed[Order]
    agreement: Signed[Agreement]


def kind_of(encoded: bytes) -> type[Order]:
    """Which kind of order these signed bytes say they are. Nothing is checked.

    Raises:
        MalformedMessage: none.
    """
    for kind in ORDERS:
        try:
            cose.named_key(encoded, kind)
        except MalformedMessage:
            continue
        return kind
    raise MalformedMessage("not a signed order")


def peek(encoded: bytes) -> Order:
    """Read an order. Nothing is checked. Raises ``MalformedMessage``."""
    return cose.peek(encoded, kind_of(encoded))


def record_of(encoded: bytes) -> RecordId | None:
    """The record that an order is about; None: it is about none, or no order."""
    try:
        order = peek(encoded)
    except MalformedMessage:
        return None
    return order.record_id if isinstance(order, ErasureOrder) else None


def verify_order(encoded: bytes, gateway: PartyId, enrolled: Enrolled, now: int) -> Signed[Order]:
    """Rules 1 and 2.

    Raises:
        MalformedMessage: not an order.
        Refused: a rule is broken; the text says which.
    """
    kind = kind_of(encoded)
    named = cose.peek(encoded, kind)
    signed: Signed[Order] = cose.verify(encoded, kind, enrolled(named.operator))
    if named.gateway != gateway:
        raise Refused("the order is for another gateway")
    if now < named.ordered_at:
        raise Refused("the order's time has not come: compare the clocks")
    if now >= named.expires_at:
        raise Refused("the order has expired: it was to be agreed to within seven days")
    return signed


def verify(
    order: bytes, agreement: bytes, gateway: PartyId, enrolled: Enrolled, now: int
) -> Verified:
    """All rules. Raises as ``verify_order``."""
    ordered = verify_order(order, gateway, enrolled, now)
    first, second = ordered.message.operator, cose.peek(agreement, Agreement).operator
    if first == second:
        raise Refused(f"{first} ordered it: another operator must agree")
    agreed = cose.verify(agreement, Agreement, enrolled(second))
    if enrolled(first).raw == enrolled(second).raw:
        raise Refused("both operators have the same key: two people must sign")
    if agreed.message.gateway != gateway:
        raise Refused("the agreement is for another gateway")
    if agreed.message.order != ordered.digest:
        raise Refused("the agreement is to another order, or the order was changed since")
    if not ordered.message.ordered_at <= agreed.message.agreed_at <= now:
        raise Refused("the agreement's time is wrong: compare the clocks")
    return Verified(ordered, agreed)


def verify_hold(encoded: bytes, gateway: PartyId, key: VerifyKey) -> Signed[Hold]:
    """A hold that this operator signed for this gateway.

    Raises:
        MalformedMessage: not a hold.
        Refused: somebody else signed it, or it is for another gateway.
    """
    signed = cose.verify(encoded, Hold, key)
    if signed.message.operator != key.party:
        raise Refused("the hold names another operator than signed it")
    if signed.message.gateway != gateway:
        raise Refused("the hold is for another gateway")
    return signed
