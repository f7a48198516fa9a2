"""``sealmatch-witness``, also ``sealmatch witness``: a witness of transparency logs.

    init --name witness.example/w1   draw the keys; prints their public halves
    add-log VKEY                     cosign for this log
    serve                            serve until Ctrl-C

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from gateway.host.cli import OperatorCommand, run_server
from gateway.host.clock import unix_time
from gateway.translog.note import NoteKey
from gateway.witness import custody
from gateway.witness.checking import checks
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    return command().main(arguments)


def configure(parser: argparse.ArgumentParser) -> None:
    """For ``sealmatch witness``."""
    command(parser)


def _init(options: argparse.Namespace, settings: WitnessSettings) -> int:
    return _print(custody.initialise(settings, options.name, unix_time()))


def _show(_: argparse.Namespace, settings: WitnessSettings) -> int:
    return _print(custody.read_keys(settings))


def _add_log(options: argparse.Namespace, settings: WitnessSettings) -> int:
    KnownLogs(settings.logs_file).add(NoteKey.parse(options.vkey))
    return 0


def _serve(_: argparse.Namespace, settings: WitnessSettings) -> int:
    from gateway.witness.app import create_app  # noqa: PLC0415  the others start without FastAPI

    return run_server("witness", create_app, settings, settings.data_dir)


def _print(held: custody.WitnessKeys) -> int:
    print(json.dumps(custody.describe(held)))
    return 0


def command(parser: argparse.ArgumentParser | None = None) -> OperatorCommand[WitnessSettings]:
    """The witness's command, under ``parser`` where another command offers it."""
    own = OperatorCommand(
        "sealmatch-witness",
        "A witness of transparency logs: it sees checkpoints only.",
        WitnessSettings,
        ("data_dir", "passphrase_file", "port"),
        parser,
    )
    init = own.add("init", _init, "draw the witness's keys; prints the public ones")
    init.add_argument("--name", required=True, help="as others know it: witness.example/w1")
    own.add("show", _show, "print the public keys")
    add_log = own.add("add-log", _add_log, "cosign for a log; a running server takes notice")
    add_log.add_argument("vkey", help="the log's verifier key")
    own.add("serve", _serve, "serve until Ctrl-C")
    own.add_check(checks)
    return own


if __name__ == "__main__":
    sys.exit(main())
