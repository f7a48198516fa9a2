"""``sealmatch-gateway policy``: a match policy that one operator proposes and another agrees to."""

import argparse
import json
import sys
from base64 import b64encode
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.calibration import proposal
from gateway.host.cli import OperatorCommand, read_bytes, reason
from gateway.host.clock import unix_time
from gateway.host.newfile import new_file
from gateway.proofs.approval import Approval
from gateway.server import custody, orders
from gateway.server.cli_operators import add_signer, an_id, at
from gateway.server.cli_orders import add_agree, place_order
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database
from gateway.server.operators import registered
from gateway.server.policy import default_policy, require_model
from gateway.server.policy_orders import next_place, verified_policies
from gateway.store import parties, policies
from gateway.store.database import Database
from gateway.store.orders import OrderRow
from gateway.store.schema import match_policies
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused, SealmatchError, Unavailable
from gateway.wire.orders import Order, PolicyOrder, peek, verify_order


def _propose(options: argparse.Namespace, settings: GatewaySettings) -> int:
    try:
        proposed = proposal.from_json(read_bytes(options.file, proposal.MAX_BYTES))
    except proposal.ProposalUnreadable as error:
        raise CallerMisuse(f"{options.file.name}: {error}") from None
    require_model(proposed.policy, settings)
    with opened_database(settings) as database:
        with database.transaction() as connection:
            number, previous = next_place(connection)
        given = {"number": number, "previous": previous, "proposal": proposed}
        for line in (f"number {number}", *proposal.lines(proposed)):
            print(line, file=sys.stderr)
        place_order(PolicyOrder, given, options, settings, database)
    print(
        "before another one agrees, list the policy's digest at authority, auditor, counters and "
        "verifiers, beside the one in force: they refuse what they do not list",
        file=sys.stderr,
    )
    return 0


def _show(options: argparse.Namespace, settings: GatewaySettings) -> int:
    """A proposal or an adopted policy, as the file that was proposed."""
    with opened_database(settings) as database:
        if options.order is not None:
            order = _policy_order(_waiting(database, options.order))
            print(proposal.to_json(order.proposal), end="")
            return 0
        found = _adopted(database, settings)
        if not found:
            print("no match policy is signed: that of the settings is used", file=sys.stderr)
            return 0
        number = len(found) if options.number is None else options.number
        if not 1 <= number <= len(found):
            raise CallerMisuse(f"there is no match policy {number}")
        approval = found[number - 1]
        if options.approval is not None:
            _write_approval(database, number, options.approval)
    _tell(approval, in_force=number == len(found))
    print(proposal.to_json(approval.order.proposal), end="")
    return 0


def _status(options: argparse.Namespace, settings: GatewaySettings) -> int:
    """What is in force, and what waits."""
    with opened_database(settings) as database:
        found = _adopted(database, settings)
        waiting = _proposed(database, settings)
    last = found[-1] if found else None
    if options.json:
        print(json.dumps(_status_json(last, waiting, settings)))
        return 0
    if last is None:
        print(f"unsigned: {default_policy(settings).policy_id}, of the settings")
    else:
        policy = last.policy
        ours = (policy.model_id, policy.model_digest) == (settings.model_id, settings.model)
        other = "" if ours else "; NOT for the face model of the settings"
        print(f"signed: number {last.order.number}, {policy.policy_id}{other}")
        print(f"digest {policy.digest.hex()}, approval {last.digest.hex()}")
    for order, state in waiting:
        policy_id = order.proposal.policy.policy_id
        print(f"{order.order_id.hex()}\tnumber {order.number}\t{policy_id}\t{state}")
    return 0


def _status_json(
    last: Approval | None, waiting: list[tuple[PolicyOrder, str]], settings: GatewaySettings
) -> dict[str, Any]:
    policy = default_policy(settings) if last is None else last.policy
    return {
        "assurance": policy.assurance,
        "policyId": policy.policy_id,
        "policyDigest": policy.digest.hex(),
        "number": None if last is None else last.order.number,
        "approval": None if last is None else last.digest.hex(),
        "operators": [] if last is None else list(last.operators),
        "evidence": None if last is None else last.order.proposal.evidence.hex(),
        "waiting": [
            {
                "order": order.order_id.hex(),
                "number": order.number,
                "policyDigest": order.proposal.policy.digest.hex(),
                "operator": order.operator,
                "expiresAt": order.expires_at,
                "state": state,
            }
            for order, state in waiting
        ],
    }


def _tell(approval: Approval, *, in_force: bool) -> None:
    first, second = approval.operators
    state = "in force" if in_force else "no longer in force"
    print(
        f"number {approval.order.number}, {state}: {first} proposed it, {second} agreed "
        f"{at(approval.agreed_at)}; approval {approval.digest.hex()}",
        file=sys.stderr,
    )


def _adopted(database: Database, settings: GatewaySettings) -> list[Approval]:
    keys = custody.read_keys(settings).chain_keys
    with database.transaction() as connection:
        return verified_policies(connection, keys)


def _write_approval(database: Database, number: int, path: Path) -> None:
    with database.transaction() as connection:
        row = policies.list_policies(connection)[number - 1]
    with new_file(path) as file:
        file.write(row.approval)


# Orders that wait


def _waiting(database: Database, order_id: bytes) -> OrderRow:
    for row in orders.pending(database):
        if row.order_id == order_id:
            return row
    raise CallerMisuse("there is no such order: it was done, has expired, or never was")


def _policy_order(row: OrderRow) -> PolicyOrder:
    order: Order = peek(row.ordered)
    if not isinstance(order, PolicyOrder):
        raise CallerMisuse("the order is of another kind: see erase list")
    return order


def _proposed(database: Database, settings: GatewaySettings) -> list[tuple[PolicyOrder, str]]:
    found = []
    rows = orders.pending(database)
    with database.transaction() as connection:
        for row in rows:
            try:
                order = _policy_order(row)
            except (CallerMisuse, MalformedMessage):
                continue
            found.append((order, _state(connection, row, order, settings)))
    return found


def _state(
    connection: sa.Connection, row: OrderRow, order: PolicyOrder, settings: GatewaySettings
) -> str:
    """Whether it can be agreed to: its signature, its place, its face model."""
    try:
        enrolled = partial(registered, connection)
        verify_order(row.ordered, settings.party, enrolled, unix_time())
        if (order.number, order.previous) != next_place(connection):
            raise Refused("another policy came into force meanwhile")
        require_model(order.proposal.policy, settings)
    except SealmatchError as error:
        return reason(error)
    return f"waits, of {order.operator}, until {at(order.expires_at)}"


# What others pin


def shown(settings: GatewaySettings, held: custody.GatewayKeys) -> dict[str, Any]:
    """The match policy in force, as ``keys show`` hands it over: its digest, and where two
    operators signed it the approval and their keys. A new gateway has no database yet."""
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return {"policyDigest": default_policy(settings).digest.hex()}
    try:
        with closing(Database(settings.database)) as database:
            return _in_force(database, settings, held)
    except Unavailable:
        told = "the database does not answer, so policyDigest is not known"
        print(f"sealmatch-gateway: {told}", file=sys.stderr)
        return {}


def _in_force(
    database: Database, settings: GatewaySettings, held: custody.GatewayKeys
) -> dict[str, Any]:
    with database.transaction() as connection:
        adopted = sa.inspect(connection).has_table(match_policies.name)
        found = verified_policies(connection, held.chain_keys) if adopted else []
        last = policies.last_policy(connection) if adopted else None
        if not found or last is None:
            return {"policyDigest": default_policy(settings).digest.hex()}
        keys = {
            row.party: row.public_key
            for row in parties.list_parties(connection)
            if row.kind == "operator"
        }
    return {
        "policyDigest": found[-1].policy.digest.hex(),
        "policyApproval": b64encode(last.approval).decode(),
        "operators": [
            {"party": name, "publicKey": bytes(keys[name]).hex()} for name in found[-1].operators
        ],
    }


def add_policy(own: OperatorCommand[GatewaySettings]) -> None:
    """Add ``policy``."""
    verbs = own.group("policy", "the thresholds in force, which two operators sign")
    proposing = "propose what sealmatch calibrate made; another operator must agree"
    propose = own.add("propose", _propose, proposing, verbs)
    propose.add_argument("file", type=Path, help="as sealmatch calibrate wrote it")
    add_signer(propose)
    add_agree(own, verbs, PolicyOrder, "agree to a proposal, which is then in force")
    show = own.add("show", _show, "print the policy in force, or a proposal, as its file", verbs)
    which = show.add_mutually_exclusive_group()
    which.add_argument("--order", type=an_id, metavar="ORDER-ID", help="one that waits")
    which.add_argument("--number", type=int, metavar="N", help="one that was adopted")
    show.add_argument(
        "--approval",
        type=Path,
        metavar="FILE",
        help="write the approval for verifiers; must be new",
    )
    status = own.add("status", _status, "what is in force, and what waits", verbs)
    status.add_argument("--json", action="store_true", help="print one JSON object")
