"""``sealmatch-witness``, also ``sealmatch witness``: a witness of transparency logs.

    init --name witness.example/w1   draw the keys; prints their public halves
    add-log VKEY                     cosign for this log
    serve                            serve until Ctrl-C

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.translog.note import NoteKey
from gateway.wire.errors import SealmatchError
from gateway.wire.host import memory
from gateway.wire.host.serving import operator_log, serve
from gateway.witness import keys
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs

_OVERRIDES = ("data_dir", "passphrase_file", "port")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="sealmatch-witness",
        description="A witness of transparency logs: it sees checkpoints only.",
        epilog="Settings (file, then environment):\n\n" + WitnessSettings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_verbs(parser)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (SealmatchError, OSError) as error:
        print(f"sealmatch-witness: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """The commands of a witness under ``parser``."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(
        name: str, run: Callable[[argparse.Namespace, WitnessSettings], int], text: str
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
        sub.add_argument("--data-dir", metavar="DIR", help="overrides data_dir")
        sub.add_argument("--passphrase-file", metavar="FILE", help="overrides passphrase_file")
        sub.set_defaults(run=lambda options: run(options, _settings(options)))
        return sub

    init = verb("init", _init, "draw the witness's keys; prints the public ones")
    init.add_argument("--name", required=True, help="as others know it: witness.example/w1")
    verb("show", _show, "print the public keys")
    add_log = verb("add-log", _add_log, "cosign for a log; a running server takes notice")
    add_log.add_argument("vkey", help="the log's verifier key")
    serving = verb("serve", _serve, "serve until Ctrl-C")
    serving.add_argument("--port", metavar="PORT", help="overrides port")


def _init(options: argparse.Namespace, settings: WitnessSettings) -> int:
    return _print(keys.initialise(settings, options.name, int(time.time())))


def _show(_: argparse.Namespace, settings: WitnessSettings) -> int:
    return _print(keys.read_keys(settings))


def _add_log(options: argparse.Namespace, settings: WitnessSettings) -> int:
    KnownLogs(settings.logs_file).add(NoteKey.parse(options.vkey))
    return 0


def _serve(_: argparse.Namespace, settings: WitnessSettings) -> int:
    from gateway.witness.app import create_app  # noqa: PLC0415  the others start without FastAPI

    operator_log()
    memory.protect(settings.lock_memory, inspectable=settings.inspectable)
    tls = settings.tls
    serve(create_app(settings), "witness", settings.host, settings.port, tls)
    return 0


def _print(held: keys.WitnessKeys) -> int:
    print(json.dumps(keys.describe(held)))
    return 0


def _settings(options: argparse.Namespace) -> WitnessSettings:
    values = dict(os.environ)
    for name in _OVERRIDES:
        given = getattr(options, name, None)
        if given is not None:
            values[f"SEALMATCH_WITNESS_{name}".upper()] = given
    settings = WitnessSettings.read(options.config, values)
    memory.protect("off", inspectable=settings.inspectable)
    return settings


if __name__ == "__main__":
    sys.exit(main())
