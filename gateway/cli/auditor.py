"""``sealmatch-auditor``: the auditor's own command; also ``sealmatch auditor``.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.auditor import keys
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import KINDS, Enrolled, Register
from gateway.wire.errors import SealmatchError
from gateway.wire.host import memory
from gateway.wire.host.serving import operator_log, serve

_DESCRIPTION = "The auditor: repeats evaluations that the key authority wants to have checked."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="sealmatch-auditor",
        description=_DESCRIPTION,
        epilog="Settings (file, then environment):\n\n" + AuditorSettings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _populate(parser)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (SealmatchError, OSError, ValueError) as error:
        print(f"sealmatch-auditor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _populate(commands.add_parser("auditor", help="repeat evaluations", description=_DESCRIPTION))


def _populate(parser: argparse.ArgumentParser) -> None:
    _add_options(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act: Any, text: str, among: Any = commands) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = among.add_parser(name, help=text, description=text)
        _add_options(sub, argparse.SUPPRESS)
        sub.set_defaults(run=_run, act=act)
        return sub

    command("serve", _serve, "serve until Ctrl-C")
    verbs = commands.add_parser("keys", help="the auditor's own keys").add_subparsers(
        required=True, metavar="VERB"
    )
    command("init", _init, "draw the auditor's keys; prints the public ones", verbs)
    command("show", _show, "print the public keys", verbs)
    kinds = verbs.add_parser("rotate", help="replace a key, with an overlap").add_subparsers(
        required=True, metavar="KEY"
    )
    signing = command("signing", _rotate, "stage the next signing key, for all to pin", kinds)
    signing.add_argument(
        "--activate", action="store_true", help="sign with the staged key; the old one is dropped"
    )
    enrol = command("enrol", _enrol, "accept a party's signatures, or its second key's")
    suspend = command("suspend", _suspend, "no longer accept a party's signatures, or one key's")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=KINDS)
        sub.add_argument("party", help="enrolment name")
    text = "Ed25519 public key, 64 hexadecimal digits"
    enrol.add_argument("public_key", help=text)
    suspend.add_argument("public_key", nargs="?", help=text)
    command("list", _list, "list the accepted parties")


def _add_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Accepted before the command and after it; absent there, the value before it stays."""
    hidden = default is not None
    for name, text in (
        ("config", "TOML file of settings"),
        ("data-dir", "overrides data_dir"),
        ("passphrase-file", "overrides passphrase_file"),
    ):
        parser.add_argument(
            f"--{name}",
            type=Path,
            default=default,
            metavar="PATH",
            help=argparse.SUPPRESS if hidden else text,
        )


def _run(options: argparse.Namespace) -> int:
    environment = dict(os.environ)
    for name in ("data_dir", "passphrase_file"):
        if (given := getattr(options, name)) is not None:
            environment[f"SEALMATCH_AUDITOR_{name}".upper()] = str(given)
    settings = AuditorSettings.read(options.config, environment)
    memory.protect("off", inspectable=settings.inspectable)
    return int(options.act(options, settings))


def _serve(_: argparse.Namespace, settings: AuditorSettings) -> int:
    from gateway.auditor.app import create_app  # noqa: PLC0415  the others start without FastAPI

    operator_log()
    memory.protect(settings.lock_memory, inspectable=settings.inspectable)
    tls = settings.tls
    serve(create_app(settings), "auditor", settings.host, settings.port, tls)
    return 0


def _init(_: argparse.Namespace, settings: AuditorSettings) -> int:
    return _print_public(keys.initialise(settings, _now()))


def _show(_: argparse.Namespace, settings: AuditorSettings) -> int:
    return _print_public(keys.read_keys(settings))


def _rotate(options: argparse.Namespace, settings: AuditorSettings) -> int:
    if options.activate:
        return _print_public(keys.activate_signing_key(settings))
    return _print_public(keys.stage_signing_key(settings, _now()))


def _enrol(options: argparse.Namespace, settings: AuditorSettings) -> int:
    party = Enrolled(kind=options.kind, party=options.party, public_key=options.public_key)
    Register(settings.register_file).enrol(party)
    return 0


def _suspend(options: argparse.Namespace, settings: AuditorSettings) -> int:
    Register(settings.register_file).suspend(options.kind, options.party, options.public_key)
    return 0


def _list(_: argparse.Namespace, settings: AuditorSettings) -> int:
    for party in Register(settings.register_file).parties():
        print(f"{party.kind}\t{party.party}\t{party.public_key}")
    return 0


def _print_public(held: keys.AuditorKeys) -> int:
    print(json.dumps(held.describe()))
    return 0


def _now() -> int:
    return int(time.time())


if __name__ == "__main__":
    sys.exit(main())
