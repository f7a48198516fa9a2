"""What operators' commands have in common: who signs, and which record is meant."""

import argparse
import datetime
import os
import re
import sys
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from gateway.host import memory
from gateway.host.cli import OperatorCommand, read_bytes
from gateway.host.clock import unix_time
from gateway.host.fingerprint import fingerprint
from gateway.host.personal_key import new_personal_key, open_personal_key
from gateway.server.config import GatewaySettings
from gateway.store.records import RecordRow, find_record
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse, MalformedMessage, SessionConflict
from gateway.wire.ids import RecordId

_ID: Final = re.compile("[0-9a-f]{32}")
_PRIVATE: Final = 0o077


def add_to(own: OperatorCommand[GatewaySettings]) -> None:
    """``operator new-key``. It needs no gateway and no settings: people run it where they are."""
    verbs = own.group("operator", "the keys of people who operate the gateway")
    text = "make an operator's key, under a passphrase, and print its public half"
    new = verbs.add_parser("new-key", help=text, description=text)
    new.add_argument("--out", type=Path, required=True, metavar="FILE", help="must not exist yet")
    _add_passphrase(new)
    new.set_defaults(run=_new_key)


def _new_key(options: argparse.Namespace) -> int:
    os.umask(_PRIVATE)
    memory.protect("off", inspectable=False)
    public = new_personal_key(options.out, options.key_passphrase_file, unix_time())
    print(public.hex())
    print(
        f"enrol it: sealmatch-gateway enrol operator NAME {public.hex()}; compare by voice: "
        f"{fingerprint(public)}",
        file=sys.stderr,
    )
    return 0


# Who signs


def add_signer(verb: argparse.ArgumentParser) -> None:
    """Options that say who signs."""
    verb.add_argument("--operator", required=True, metavar="NAME", help="enrolment name")
    verb.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="as operator new-key made it"
    )
    _add_passphrase(verb)


def signer(options: argparse.Namespace) -> SigningKey:
    """The operator's key. Raises ``KeyFileError``."""
    return open_personal_key(options.key, options.operator, options.key_passphrase_file)


def _add_passphrase(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--key-passphrase-file",
        type=Path,
        metavar="FILE",
        help="with the passphrase of the operator's key; without it, it is asked for",
    )


# What is meant


def an_id(text: str) -> RecordId:
    """An option's value: the id of a record, order or hold."""
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError("an id is 32 lower-case hexadecimal digits")
    return RecordId(bytes.fromhex(text))


def add_record(verb: argparse.ArgumentParser) -> None:
    """Options that name a record. There is none for a document's number, on purpose."""
    named = verb.add_mutually_exclusive_group(required=True)
    named.add_argument("--record", type=an_id, metavar="ID", help="as the receipt shows it")
    named.add_argument("--receipt", type=Path, metavar="FILE", help="the subscriber's receipt")


def record_named(connection: sa.Connection, options: argparse.Namespace) -> RecordRow:
    """The record that is meant.

    Raises:
        CallerMisuse: the file is no receipt.
        SessionConflict: there is no such record.
    """
    if options.record is not None:
        return _there(find_record(connection, options.record))
    from gateway.wire.proof import Receipt  # noqa: PLC0415  loads numpy

    try:
        statement = Receipt.decode(read_bytes(options.receipt, Receipt.max_bytes)).statement
        record = find_record(connection, _record_of(statement))
    except MalformedMessage:
        raise CallerMisuse(f"{options.receipt.name} is not a receipt") from None
    if record is not None and record.statement != statement:
        raise SessionConflict("the receipt is not of this gateway's record")
    return _there(record)


def _there(record: RecordRow | None) -> RecordRow:
    if record is None:
        raise SessionConflict("there is no such record: unknown, expired or erased")
    return record


def _record_of(statement: bytes) -> RecordId:
    from gateway.wire.fallback import FallbackStatement  # noqa: PLC0415  as above
    from gateway.wire.proof import Statement  # noqa: PLC0415

    try:
        return cose.peek(statement, Statement).record_id
    except MalformedMessage:
        return cose.peek(statement, FallbackStatement).record_id


# What is shown


def at(seconds: int) -> str:
    """A time, for people."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def shown(record: RecordRow) -> str:
    """A record, as far as an operator sees it: nothing in it says whose it is."""
    return (
        f"record {record.record_id.hex()}: {record.kind} {record.outcome} of "
        f"{at(record.decided_at)}, kept until {at(record.expires_at)}"
    )
