"""``sealmatch-gateway`` backup, restore, erasures export, and log resume, begin, list."""

import argparse
import contextlib
import datetime
import json
import sys
from contextlib import closing
from pathlib import Path

from gateway.host.cli import OperatorCommand
from gateway.host.clock import unix_time
from gateway.host.directories import occupied, require_private
from gateway.server import custody
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database
from gateway.store import halts
from gateway.store import log as stored_log
from gateway.store.database import Database

_WORD = (
    "you answer for it that {}; this is written nowhere else, and nobody can check it afterwards"
)


def add_storage(own: OperatorCommand[GatewaySettings]) -> None:
    """Add the commands."""
    making = "write all that the gateway keeps, without keys, into a new file; it may be serving"
    own.add("backup", _backup, making).add_argument("file", type=Path, metavar="OUT")
    restoring = "fill an empty database from a backup; the log is halted until it is settled"
    restore = own.add("restore", _restore, restoring)
    restore.add_argument("file", type=Path)
    restore.add_argument(
        "--erasures",
        type=Path,
        metavar="FILE",
        help="the newest list of erasures (erasures export): what is in it does not come back",
    )
    _add_erasures(own)
    _add_log(own)


def _add_erasures(own: OperatorCommand[GatewaySettings]) -> None:
    verbs = own.group("erasures", "what was erased, for a restore")
    export = own.add("export", _export, "write the tombstones of all erasures", verbs)
    export.add_argument("file", type=Path, metavar="OUT")


def _add_log(own: OperatorCommand[GatewaySettings]) -> None:
    verbs = own.group("log", "the log of a database that was restored, or found to be old")
    resume = own.add(
        "resume", _resume, "go on, once it is shown that nothing newer was signed", verbs
    )
    begin = own.add("begin", _begin, "close this log for ever, and begin another one", verbs)
    begin.add_argument("--origin", required=True, metavar="NAME", help="the other log's name")
    for verb in (resume, begin):
        verb.add_argument(
            "--shown",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="a checkpoint that this log signed: a reader's state, a note, another gateway's "
            "log.mark",
        )
    resume.add_argument(
        "--nothing-signed-since",
        action="store_true",
        help=_WORD.format("nothing was signed after what --shown shows; without witnesses alone"),
    )
    begin.add_argument(
        "--erasures-complete",
        action="store_true",
        help=_WORD.format("nothing was erased after the list of erasures was written"),
    )
    own.add("list", _list, "this log, those that were closed, and its halts", verbs)


def _backup(options: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server import backup  # noqa: PLC0415  for these commands alone

    with opened_database(settings) as database:
        print(json.dumps(backup.make(database, options.file, unix_time()).describe()))
    return 0


def _restore(options: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server import backup  # noqa: PLC0415  likewise

    require_private(settings.data_dir)
    keys = custody.read_keys(settings)
    sqlite = settings.database_url is None
    alone = occupied(settings.data_dir, "restore") if sqlite else contextlib.nullcontext()
    with alone, closing(Database(settings.database)) as database:
        done = backup.restore(database, options.file, options.erasures, keys, unix_time())
    print(json.dumps({**done.manifest.describe(), "leftOutAsErased": done.erased}))
    print(
        f"sealmatch-gateway: restored; {done.erased} records stay erased, erasures are known up to "
        f"{done.erasures_size} entries of the log. Nothing is signed until it is settled whether "
        "something newer was: sealmatch-gateway log resume, or log begin",
        file=sys.stderr,
    )
    return 0


def _export(options: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server import backup  # noqa: PLC0415  likewise

    with opened_database(settings) as database:
        count, size = backup.export_erasures(database, options.file, unix_time())
    print(json.dumps({"erasures": count, "logSize": size}))
    return 0


def _resume(options: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server import settling  # noqa: PLC0415  likewise

    word = options.nothing_signed_since
    own = settling.resume(settings, options.shown, unix_time(), word=word).checkpoint
    print(f"{own.origin} goes on from {own.size} entries", file=sys.stderr)
    return 0


def _begin(options: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server import settling  # noqa: PLC0415  likewise

    word = options.erasures_complete
    log = settling.begin(settings, options.origin, options.shown, unix_time(), word=word)
    held = custody.read_keys(settings)
    policy = custody.log_policy(held, options.origin, settings.log_witnesses)
    print(json.dumps(custody.describe(held, policy)))
    print(
        f"{log.origin} is closed; {options.origin} begins with its first {log.size} entries. Now: "
        f'log_origin = "{options.origin}" in the settings of every gateway on this database, the '
        "keystore copied to each, the new key at the witnesses (add-log), and beside the old one "
        "in every trust file; then start",
        file=sys.stderr,
    )
    return 0


def _list(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with opened_database(settings) as database, database.transaction() as connection:
        origin, size = stored_log.origin(connection), stored_log.head(connection).size
        closed, doubts = halts.closed(connection), halts.halts(connection)
    for log in closed:
        print(f"closed\t{log.origin}\t{log.size}\t{_at(log.closed_at)}")
    print(f"{'halted' if any(one.settled is None for one in doubts) else 'open'}\t{origin}\t{size}")
    for one in doubts:
        why = "found to be old" if one.backup is None else f"restored {one.backup.hex()}"
        print(f"halt {one.number}\t{why}\t{_at(one.found_at)}\t{one.settled or 'not settled'}")
    return 0


def _at(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M:%S}"
