"""Orders of two operators, and holds of one: taken, agreed to and done.

One transaction does an order: it takes the order out of the table, acts, and signs that in the
history. The action names the order's id, and by digest the agreement, which names the order. So an
order is done once, and there is no act without its action. Afterwards nothing here says of which
record the order was: operators file their copy elsewhere. A match policy names no record, and stays
with both signatures (``policy_orders``).

Who signed is checked in that same transaction (``operators``; rules: ``gateway.wire.orders``).
A further kind of order is a row of ``_KINDS``.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from gateway.host import crash
from gateway.retention import holds
from gateway.retention.erasure import erase
from gateway.server import policy_orders
from gateway.server.operators import Operators, registered
from gateway.store import holds as stored_holds
from gateway.store import orders as stored_orders
from gateway.store import parties
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.store.orders import OrderRow
from gateway.store.records import RecordRow, find_record
from gateway.wire import cose
from gateway.wire.admin import ChainKeys, Concerned, verify_chain
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, SessionConflict
from gateway.wire.ids import KeyId, PartyId, RecordId, digest_of
from gateway.wire.orders import (
    AgreedOrder,
    Agreement,
    ErasureOrder,
    Hold,
    Order,
    PolicyOrder,
    ReleaseOrder,
    Verified,
    verify,
    verify_hold,
    verify_order,
)

OrderT = TypeVar("OrderT", bound=Order)


class _Kind(NamedTuple, Generic[OrderT]):
    """What one kind of order needs and does, in a transaction that holds the register."""

    require: Callable[[sa.Connection, OrderT, int], object]
    """Raises ``SessionConflict`` if it cannot be done at this time."""
    act: Callable[[sa.Connection, OrderT, Verified, SigningKey, int], None]
    """Do it, and sign the action, which has the agreement's digest."""


# Orders


def place(database: Database, order: bytes, gateway: PartyId, now: int) -> None:
    """Keep a signed order until a second operator agrees, or it expires.

    Raises:
        MalformedMessage, Refused: as ``verify_order``; or the operator is not enrolled.
        SessionConflict: it cannot be done: no such record or hold, or the record is held.
    """
    with database.writing() as connection:
        hold_register(connection)
        message = verify_order(order, gateway, partial(registered, connection), now).message
        _KINDS[type(message)].require(connection, message, now)
        stored_orders.add_order(connection, OrderRow(message.order_id, order, message.expires_at))


def agree(
    database: Database,
    order_id: RecordId,
    agreement: bytes,
    key: SigningKey,
    keys: ChainKeys,
    now: int,
) -> None:
    """Do an order to which a second operator agreed, once.

    Args:
        agreement: a signed ``Agreement``.
        key: the gateway's, which signs the action.
        keys: the gateway's, with which its history is checked.

    Raises:
        MalformedMessage, Refused: a rule of ``gateway.wire.orders`` is broken, one of the operators
            is not enrolled or active, or the first one was suspended meanwhile.
        SessionConflict: there is no such order any more, or it cannot be done.
    """
    with database.writing() as connection:
        hold_register(connection)
        row = _pending(connection, order_id)
        operators = Operators(connection, keys)
        verified = verify(row.ordered, agreement, key.party, operators.enrolled, now)
        _require_unchanged(row, verified)
        order = verified.order.message
        operators.require_never_suspended_since(order.operator, order.ordered_at)
        kind = _KINDS[type(order)]
        kind.require(connection, order, now)  # locks the record: before its order, as the reaper
        stored_orders.remove_order(connection, order_id)
        kind.act(connection, order, verified, key, now)
        crash.reach("operator-order-done")
    crash.reach("operator-order-committed")


def pending(database: Database) -> list[OrderRow]:
    """Orders that nobody agreed to, the next to expire first. Nothing is checked."""
    with database.transaction() as connection:
        return stored_orders.list_orders(connection)


def filed(database: Database, kept: AgreedOrder, keys: ChainKeys) -> tuple[Order, Agreement, int]:
    """What operators filed of an order, and when the history says that it was done.

    Raises:
        MalformedMessage, Refused: it is not signed by two operators of the register, suspended or
            not; or the history has no such order.
    """
    agreed = cose.peek(kept.agreement, Agreement)
    with database.transaction() as connection:
        known = {
            row.party: VerifyKey(row.party, bytes(row.public_key))
            for row in parties.list_parties(connection)
            if row.kind == "operator" and row.public_key is not None
        }
        actions = verify_chain(parties.list_admin_actions(connection), keys).actions

    def enrolled(name: PartyId) -> VerifyKey:
        if name not in known:
            raise Refused(f"operator {name} was never enrolled")
        return known[name]

    gateway, digest = keys.party, KeyId(digest_of(kept.agreement))
    verified = verify(kept.order, kept.agreement, gateway, enrolled, agreed.agreed_at)
    for one in actions:
        if one.key_id == digest and one.verb in ("erase", "release", "adopt"):
            return verified.order.message, verified.agreement.message, one.at
    raise Refused("the history has no such order: it was never done")


def _pending(connection: sa.Connection, order_id: RecordId) -> OrderRow:
    row = stored_orders.find_order(connection, order_id)
    if row is None:
        raise SessionConflict("there is no such order: it was done, has expired, or never was")
    return row


def _require_unchanged(row: OrderRow, verified: Verified) -> None:
    order = verified.order.message
    if row.order_id != order.order_id or row.expires_at != order.expires_at:
        raise Refused("the order's row says something else than was signed")


# What each kind does


def _require_erasable(connection: sa.Connection, order: ErasureOrder, now: int) -> RecordRow:
    """Also keeps the record until the end: or an order could come while the reaper, which does not
    hold the register, removes record and orders, and stay behind with the id."""
    stored_holds.keep_records(connection, [order.record_id])
    return erasable(connection, order.record_id, now)


def erasable(connection: sa.Connection, record_id: RecordId, now: int) -> RecordRow:
    """A record that is there and not held. Raises ``SessionConflict``."""
    record = find_record(connection, record_id)
    if record is None:
        raise SessionConflict("there is no such record: unknown, expired or erased")
    held = stored_holds.hold_of(connection, record_id)
    if held is not None and held.until > now:
        until = datetime.fromtimestamp(held.until, UTC)
        raise SessionConflict(f"the record is held until {until:%Y-%m-%d %H:%M} UTC (hold list)")
    return record


def _erase(
    connection: sa.Connection, order: ErasureOrder, verified: Verified, key: SigningKey, now: int
) -> None:
    agreement = verified.agreement.digest
    record = _require_erasable(connection, order, now)
    holds.end_if_over(connection, record.record_id, key, now)
    erase(connection, record, key, now)
    parties.record_action(
        connection, "erase", Concerned.object("order", order.order_id.hex(), agreement), key, now
    )


def _require_held(connection: sa.Connection, order: ReleaseOrder, _now: int) -> None:
    if stored_holds.find_hold(connection, order.hold_id) is None:
        raise SessionConflict("there is no such hold: it was released, extended, or has ended")


def _release(
    connection: sa.Connection, order: ReleaseOrder, verified: Verified, key: SigningKey, now: int
) -> None:
    holds.release(connection, order.hold_id, verified.agreement.digest, key, now)


_KINDS: Final[Mapping[type[Order], _Kind[Any]]] = {
    ErasureOrder: _Kind(_require_erasable, _erase),
    ReleaseOrder: _Kind(_require_held, _release),
    PolicyOrder: _Kind(policy_orders.require_next, policy_orders.adopt),
}


# Holds


def place_hold(database: Database, hold: bytes, key: SigningKey, keys: ChainKeys, now: int) -> None:
    """Keep a record from being removed.

    Args:
        hold: a signed ``Hold``.

    Raises:
        MalformedMessage, Refused: as ``verify_hold``; its time is wrong; or the operator is not
            enrolled and active.
        SessionConflict: as ``retention.holds.place``.
    """
    with database.writing() as connection:
        hold_register(connection)
        operators = Operators(connection, keys)
        operator = operators.enrolled(cose.peek(hold, Hold).operator)
        signed = verify_hold(hold, key.party, operator)
        operators.require_new_hold(signed.message.hold_id)
        if not signed.message.placed_at <= now < signed.message.until:
            raise Refused("the hold has ended, or its time has not come: compare the clocks")
        holds.place(connection, signed, key, now)
    crash.reach("operator-hold-committed")
