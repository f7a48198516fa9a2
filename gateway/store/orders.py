"""Orders that wait for a second operator. Each function works inside a transaction that its caller
opened."""

from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.store.schema import orders
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import RecordId
from gateway.wire.orders import record_of


@dataclass(frozen=True)
class OrderRow:
    """An order as it is stored."""

    order_id: RecordId
    ordered: bytes = field(repr=False)
    """A signed ``Order``."""
    expires_at: int


def add_order(connection: sa.Connection, row: OrderRow) -> None:
    connection.execute(orders.insert().values(**vars(row)))


def find_order(connection: sa.Connection, order_id: RecordId) -> OrderRow | None:
    row = connection.execute(orders.select().where(orders.c.order_id == order_id)).first()
    return None if row is None else OrderRow(**row._mapping)


def list_orders(connection: sa.Connection) -> list[OrderRow]:
    """All orders, the next to expire first."""
    rows = connection.execute(orders.select().order_by("expires_at", "order_id"))
    return [OrderRow(**row._mapping) for row in rows]


def remove_order(connection: sa.Connection, order_id: RecordId) -> None:
    """Remove an order, in the transaction that does it.

    Raises:
        SessionConflict: it is gone; whoever removed it has done it.
    """
    if connection.execute(orders.delete().where(orders.c.order_id == order_id)).rowcount != 1:
        raise SessionConflict("the order is gone: it was done, or has expired")


def forget_orders_about(connection: sa.Connection, gone: Collection[RecordId]) -> None:
    """Remove every order about records that are gone: nothing that stays may name them."""
    for row in list_orders(connection):
        if record_of(row.ordered) in gone:
            connection.execute(orders.delete().where(orders.c.order_id == row.order_id))
