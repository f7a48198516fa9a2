"""``sealmatch-gateway erase``: orders that one operator signs and another one agrees to.

An operator signs with a key of one's own (``operator new-key``), whose passphrase nobody else
knows. Where something is done, the gateway's keystore is opened as well: the gateway signs the
history. Records are named by id or by receipt; nothing here takes a document's number.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from gateway.calibration import proposal
from gateway.host.cli import OperatorCommand, read_bytes, reason
from gateway.host.clock import unix_time
from gateway.host.newfile import new_file
from gateway.server import cli_operators, custody, orders, policy_orders
from gateway.server.cli_operators import add_record, add_signer, an_id, at, record_named, signer
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database
from gateway.server.operators import registered
from gateway.server.policy import require_model
from gateway.store import holds as stored_holds
from gateway.store.database import Database
from gateway.store.orders import OrderRow
from gateway.wire import cose
from gateway.wire.errors import (
    CallerMisuse,
    MalformedMessage,
    Refused,
    SealmatchError,
    SessionConflict,
    Unavailable,
)
from gateway.wire.ids import digest_of, new_record_id
from gateway.wire.orders import (
    ERASURE_REASONS,
    AgreedOrder,
    Agreement,
    ErasureOrder,
    Order,
    PolicyOrder,
    ReleaseOrder,
    peek,
    verify_order,
)

if TYPE_CHECKING:
    from gateway.host.cli import Subcommands

_DAY: Final = 24 * 3600
_TYPED: Final = 8
"""Digits of the order's id that whoever agrees types, so that nobody agrees without reading."""


# Orders


def _order_erasure(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with opened_database(settings) as database:
        with database.transaction() as connection:
            record = record_named(connection, options)
            orders.erasable(connection, record.record_id, unix_time())
        given = {"record_id": record.record_id, "reason": options.reason}
        place_order(ErasureOrder, given, options, settings, database)
    return 0


def place_order(
    kind: type[Order],
    given: dict[str, Any],
    options: argparse.Namespace,
    settings: GatewaySettings,
    database: Database,
) -> None:
    key, now = signer(options), unix_time()
    order = kind(
        gateway=settings.party,
        order_id=new_record_id(),
        salt=token_bytes(32),
        operator=key.party,
        ordered_at=now,
        **given,
    )
    orders.place(database, cose.sign(order, key).encoded, settings.party, now)
    print(order.order_id.hex())
    print(f"another operator agrees until {at(order.expires_at)}", file=sys.stderr)


def _agree(kind: type[Order], options: argparse.Namespace, settings: GatewaySettings) -> int:
    copy = options.copy or Path(f"{options.order.hex()}.agreed")
    with opened_database(settings) as database:
        row = _ordered(database, kind, options, settings)
        _ask(options)
        key, now = signer(options), unix_time()
        agreement = cose.sign(
            Agreement(
                gateway=settings.party,
                order=digest_of(row.ordered),
                operator=key.party,
                agreed_at=now,
            ),
            key,
        )
        held = custody.read_keys(settings)
        kept = AgreedOrder(order=row.ordered, agreement=agreement.encoded)
        with new_file(copy) as file:  # on the disk before the gateway forgets what it says
            file.write(kept.encode())
        try:
            orders.agree(
                database,
                row.order_id,
                agreement.encoded,
                held.signing_key,
                held.chain_keys,
                now,
            )
        except (Refused, SessionConflict, MalformedMessage):
            copy.unlink(missing_ok=True)
            raise
        except Unavailable:
            print(f"{copy} is kept: look whether it was done (history)", file=sys.stderr)
            raise
    if kind is PolicyOrder:
        print(f"in force for new sessions. {copy} is the approval: hand it to whoever verifies")
        return 0
    print(f"done. File {copy} apart from the gateway: it names what is gone", file=sys.stderr)
    return 0


def _ordered(
    database: Database, kind: type[Order], options: argparse.Namespace, settings: GatewaySettings
) -> OrderRow:
    """Show the order that is meant; what is wrong with it is said before anybody signs."""
    for row in orders.pending(database):
        if row.order_id == options.order:
            break
    else:
        raise SessionConflict("there is no such order: it was done, has expired, or never was")
    now = unix_time()
    with database.transaction() as connection:
        enrolled = partial(registered, connection)
        order = verify_order(row.ordered, settings.party, enrolled, now).message
        if not isinstance(order, kind):
            raise CallerMisuse("the order is of another kind: see erase list")
        if isinstance(order, PolicyOrder):
            require_model(order.proposal.policy, settings)
        if order.operator == options.operator:
            raise CallerMisuse(f"{order.operator} ordered it: another operator must agree")
        for line in (*_told(order), *_what_goes(connection, order, now)):
            print(line, file=sys.stderr)
    return row


def _told(order: Order) -> list[str]:
    names = {
        ErasureOrder: "erase a record",
        ReleaseOrder: "release a legal hold",
        PolicyOrder: "put a match policy in force",
    }
    what = names.get(type(order), type(order).__name__)
    return [
        f"order {order.order_id.hex()} of {order.operator}: {what}, {getattr(order, 'reason', '')}",
        f"ordered {at(order.ordered_at)}, to be agreed to before {at(order.expires_at)}",
    ]


def _what_goes(connection: sa.Connection, order: Order, now: int) -> list[str]:
    if isinstance(order, ErasureOrder):
        record = orders.erasable(connection, order.record_id, now)
        return [cli_operators.shown(record), "it goes with its consent, and cannot be had back"]
    if isinstance(order, ReleaseOrder):
        held = stored_holds.find_hold(connection, order.hold_id)
        if held is None:
            raise SessionConflict("there is no such hold: it was released, extended, or has ended")
        record_id = held.record_id.hex()
        return [f"record {record_id} is held until {at(held.until)}: {held.reason}"]
    if isinstance(order, PolicyOrder):
        policy_orders.require_next(connection, order, now)
        return [f"number {order.number}", *proposal.lines(order.proposal)]
    return []


def _ask(options: argparse.Namespace) -> None:
    """Raises ``CallerMisuse`` unless the operator says yes."""
    if options.yes:
        return
    digits = options.order.hex()[:_TYPED]
    if sys.stdin is None or not sys.stdin.isatty():
        raise CallerMisuse("nobody is there to ask: to agree all the same, add --yes")
    print(f"To agree, type the order's first {_TYPED} digits: ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip() != digits:
        raise CallerMisuse("not agreed; nothing was done")


def _list_orders(_: argparse.Namespace, settings: GatewaySettings) -> int:
    now = unix_time()
    with opened_database(settings) as database:
        rows = orders.pending(database)
        with database.transaction() as connection:
            for row in rows:
                print("\t".join(_order_line(connection, row, settings, now)))
    return 0


def _order_line(
    connection: sa.Connection, row: OrderRow, settings: GatewaySettings, now: int
) -> tuple[str, ...]:
    """Id, what, whom by, until when, and whether it can be done."""
    try:
        named = peek(row.ordered)
    except SealmatchError:
        return (row.order_id.hex(), "?", "?", at(row.expires_at), "no signed order")
    try:
        enrolled = partial(registered, connection)
        order = verify_order(row.ordered, settings.party, enrolled, now).message
        _what_goes(connection, order, now)
        state = "waits"
    except SealmatchError as error:
        state = reason(error)
    what = "\t".join(str(value) for value in _about(named))
    return (row.order_id.hex(), what, named.operator, at(row.expires_at), state)


def _about(order: Order) -> tuple[str, str, str]:
    if isinstance(order, ErasureOrder):
        return ("erase", order.record_id.hex(), order.reason)
    if isinstance(order, ReleaseOrder):
        return ("release", order.hold_id.hex(), order.reason)
    if isinstance(order, PolicyOrder):
        return ("policy", str(order.number), order.proposal.policy.policy_id)
    return (type(order).__name__, "", "")


def _check_copy(options: argparse.Namespace, settings: GatewaySettings) -> int:
    """What was filed, against the register and the history."""
    kept = AgreedOrder.decode(read_bytes(options.file, AgreedOrder.max_bytes))
    held = custody.read_keys(settings)
    with opened_database(settings) as database:
        order, agreement, done_at = orders.filed(database, kept, held.chain_keys)
    for line in _told(order):
        print(line)
    print(f"{agreement.operator} agreed {at(agreement.agreed_at)}; done {at(done_at)} (history)")
    return 0


# The commands


def add_to(own: OperatorCommand[GatewaySettings]) -> None:
    """Add ``erase``."""
    erase = own.group("erase", "erase a record by order of two operators")
    order = own.add("order", _order_erasure, "order it; another operator must agree", erase)
    add_record(order)
    order.add_argument("--reason", required=True, choices=ERASURE_REASONS)
    add_signer(order)
    add_agree(own, erase, ErasureOrder, "agree to another operator's order, which is then done")
    own.add("list", _list_orders, "orders that wait, and what is wrong with them", erase)
    check = own.add("check", _check_copy, "hold a filed order against the history", erase)
    check.add_argument("file", type=Path, help="as erase agree or hold agree wrote it")


def add_agree(
    own: OperatorCommand[GatewaySettings], verbs: "Subcommands", kind: type[Order], text: str
) -> None:
    run: Callable[[argparse.Namespace, GatewaySettings], int] = partial(_agree, kind)
    agree = own.add("agree", run, text, verbs)
    agree.add_argument("order", type=an_id, metavar="ORDER-ID")
    add_signer(agree)
    agree.add_argument(
        "--copy", type=Path, metavar="FILE", help="for order and agreement (ORDER-ID.agreed)"
    )
    agree.add_argument("--yes", action="store_true", help="do not ask")
