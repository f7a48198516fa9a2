"""What operators may do: who they are, and what they ordered.

An order names a record until it is done, so orders are looked at and do not go into a bundle.
Afterwards the history alone tells of them: that there was one, of which id, and when.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.checks.holds import DAY, LATE_SECONDS, history, operators
from gateway.inspection.checks.parties import Row
from gateway.inspection.checks.parties import rows as register
from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import ERASURES, signed_objects, table_rows, trust
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.store import schema
from gateway.wire.admin import AdminAction
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.ids import PartyId
from gateway.wire.orders import Enrolled, Order, peek, verify_order

_TWO: Final = 2


# Orders that wait


def _orders(evidence: Evidence, _: Progress) -> Line:
    gateway = trust(evidence).gateways[0].party
    enrolled = operators(evidence, history(evidence))
    active = {one.party for one in register(evidence) if _is_active(one)}
    held = schema.orders.c
    query = sa.select(held.order_id, held.ordered, held.expires_at).order_by(held.order_id)
    wrong: list[str] = []
    waiting = expired = void = count = 0
    for count, row in enumerate(table_rows(evidence, query), 1):
        try:
            order = _order(bytes(row.ordered), gateway, enrolled)
        except SealmatchError:
            wrong.append(f"order {count} is not signed by an enrolled operator")
            continue
        wrong += _row_faults(count, row, order, evidence.now)
        expired += order.expires_at <= evidence.now
        void += order.operator not in active
        waiting += order.expires_at > evidence.now and order.operator in active
    return judged(
        ORDERS,
        "orders that wait",
        count,
        wrong,
        limit="the operator's signature on each order; seven days",
        repeat="sealmatch-gateway erase list",
        notes=(
            f"{waiting} wait for a second operator, {expired} have expired, and {void} are of "
            "a suspended operator",
        )
        if count
        else (),
    )


def _order(encoded: bytes, gateway: PartyId, enrolled: Enrolled) -> Order:
    """An order by its signature, as of the time when it was signed. Raises ``SealmatchError``."""
    return verify_order(encoded, gateway, enrolled, peek(encoded).ordered_at).message


def _row_faults(number: int, row: sa.Row[Any], order: Order, now: int) -> Iterator[str]:
    if bytes(row.order_id) != order.order_id:
        yield f"order {number} has another id than the operator signed"
    if row.expires_at != order.expires_at:
        yield f"order {number} has another end than the operator signed"
    if order.ordered_at > now:
        yield f"order {number} is dated ahead"
    if order.expires_at <= now - LATE_SECONDS:
        yield f"order {number} expired {(now - order.expires_at) // DAY} days ago, and is there"


# Operators


def _operators(evidence: Evidence, _: Progress) -> Line:
    own = [one for one in register(evidence) if one.kind == "operator"]
    try:
        done = history(evidence)
    except Refused as error:
        wrong = [f"nothing follows from operators' history: {error.detail}"]
        done = ()
    else:
        wrong = [*_keys(own), *_alone(done), *_without_erasure(evidence, done)]
    by_order = sum(_is_by_order(one) for one in done)
    return judged(
        OPERATORS,
        "operators of the register, and records erased by their order",
        len(own) + by_order,
        wrong,
        limit="two operators with two keys",
        repeat="sealmatch-gateway list; sealmatch-gateway history",
        notes=(*_counted(own, done), f"{by_order} records were erased by order of two operators")
        if own or by_order
        else (),
    )


def _is_active(row: Row) -> bool:
    return row.kind == "operator" and row.state == "active"


def _is_by_order(action: AdminAction) -> bool:
    return (action.verb, action.kind) == ("erase", "order")


def _keys(own: Sequence[Row]) -> Iterator[str]:
    """Two names with one key would be one person."""
    first: dict[str, str] = {}
    for one in own:
        if one.public_key is None:
            yield f"operator {shown_name(one.party)} has no key"
        elif one.public_key in first:
            yield (
                f"operators {shown_name(first[one.public_key])} and {shown_name(one.party)} have "
                "the same key"
            )
        else:
            first[one.public_key] = one.party


def _alone(done: Sequence[AdminAction]) -> Iterator[str]:
    """Orders that were done at a time at which there were no two operators."""
    active: dict[str, object] = {}
    for number, one in enumerate(done, 1):
        if one.kind == "operator" and one.verb == "enrol":
            active[one.party] = one.key_id
        elif one.kind == "operator":
            active.pop(one.party, None)
        elif _is_by_order(one) and len(set(active.values())) < _TWO:
            yield f"action {number} erased by order when there were no two operators"


def _without_erasure(evidence: Evidence, done: Sequence[AdminAction]) -> Iterator[str]:
    ordered = sum(map(_is_by_order, done))
    erased = len(signed_objects(evidence, ERASURES)) if ordered else 0
    if erased < ordered:
        yield f"{ordered} records were erased by order, and {erased} erasures are there"


def _counted(own: Sequence[Row], done: Sequence[AdminAction]) -> Iterator[str]:
    yield f"{sum(map(_is_active, own))} active operators"
    for verb, what in (
        ("hold", "legal holds placed"),
        ("disclose", "copies given to subjects"),
    ):
        if count := sum(one.verb == verb for one in done):
            yield f"{count} {what}"


ORDERS: Final = Check(
    "access.staff",
    "Every order that waits is signed by an enrolled operator, and has not long expired",
    _orders,
    Basis.SEEN,
)
OPERATORS: Final = Check(
    "access.staff",
    "No two operators have the same key, and nothing was erased by order unless there were two",
    _operators,
    Basis.PROVEN,
)

CHECKS: Final = (ORDERS, OPERATORS)
