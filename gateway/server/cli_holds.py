"""``sealmatch-gateway hold``: legal holds, placed by one operator and released by two."""

import argparse
import datetime
import sys
from contextlib import suppress
from secrets import token_bytes
from typing import Final

from gateway.host.cli import OperatorCommand
from gateway.host.clock import unix_time
from gateway.server import cli_operators, cli_orders, custody, orders
from gateway.server.cli_operators import add_record, add_signer, an_id, at, record_named, signer
from gateway.server.cli_orders import add_agree, place_order
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database
from gateway.store import holds as stored_holds
from gateway.store.records import find_record
from gateway.wire import cose
from gateway.wire.errors import CallerMisuse, SealmatchError
from gateway.wire.ids import new_record_id
from gateway.wire.orders import HOLD_REASONS, MOST_HOLD_SECONDS, RELEASE_REASONS, Hold, ReleaseOrder

_DAY: Final = 24 * 3600


def _place_hold(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with opened_database(settings) as database:
        with database.transaction() as connection:
            record = record_named(connection, options)
        key, now = signer(options), unix_time()
        if not now < options.until <= now + MOST_HOLD_SECONDS:
            raise CallerMisuse("a hold ends after today and within two years: extend it by then")
        hold = Hold(
            gateway=settings.party,
            hold_id=new_record_id(),
            salt=token_bytes(32),
            record_id=record.record_id,
            reason=options.reason,
            until=options.until,
            operator=key.party,
            placed_at=now,
        )
        held = custody.read_keys(settings)
        signed = cose.sign(hold, key).encoded
        orders.place_hold(database, signed, held.signing_key, held.chain_keys, now)
    print(hold.hold_id.hex())
    print(f"held until {at(hold.until)}", file=sys.stderr)
    return 0


def _list_holds(_: argparse.Namespace, settings: GatewaySettings) -> int:
    now = unix_time()
    with opened_database(settings) as database, database.transaction() as connection:
        for row in stored_holds.list_holds(connection):
            record, by = find_record(connection, row.record_id), "?"
            with suppress(SealmatchError):
                by = cose.peek(row.hold, Hold).operator
            state = "ended" if row.until <= now else "holds"
            state = state if record is not None else "of no record"
            words = (row.hold_id.hex(), row.record_id.hex(), row.reason, at(row.until), by, state)
            print("\t".join(words))
    return 0


def _last_day(text: str) -> int:
    """The end of a day, Unix seconds."""
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise argparse.ArgumentTypeError("a day is written 2027-03-31") from None
    return int(day.timestamp()) + _DAY


def _order_release(options: argparse.Namespace, settings: GatewaySettings) -> int:
    given = {"hold_id": options.hold, "reason": options.reason}
    with opened_database(settings) as database:
        place_order(ReleaseOrder, given, options, settings, database)
    return 0


def add_signed(own: OperatorCommand[GatewaySettings]) -> None:
    """Add what operators sign: ``operator``, ``erase`` and ``hold``."""
    cli_operators.add_to(own)
    cli_orders.add_to(own)
    hold = own.group("hold", "keep a record although its time is over, or its subject asks")
    placing = own.add("place", _place_hold, "hold a record, or hold it longer", hold)
    add_record(placing)
    placing.add_argument("--reason", required=True, choices=HOLD_REASONS)
    placing.add_argument(
        "--until",
        required=True,
        type=_last_day,
        metavar="DAY",
        help="its last day, as 2027-03-31 (UTC); two years ahead at most",
    )
    add_signer(placing)
    own.add("list", _list_holds, "holds: id, record, reason, end, whom by, state", hold)
    release = own.add("release", _order_release, "order its end; another operator agrees", hold)
    release.add_argument("hold", type=an_id, metavar="HOLD-ID")
    release.add_argument("--reason", required=True, choices=RELEASE_REASONS)
    add_signer(release)
    add_agree(own, hold, ReleaseOrder, "agree to the release that another operator ordered")
