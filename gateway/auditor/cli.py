"""``sealmatch-auditor``: the auditor's own command; also ``sealmatch auditor``.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from gateway.auditor import custody
from gateway.auditor.checking import checks
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import KINDS, Enrolled, Register
from gateway.host.cli import OperatorCommand, run_server
from gateway.host.clock import unix_time


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    return command().main(arguments)


def configure(parser: argparse.ArgumentParser) -> None:
    """For ``sealmatch auditor``."""
    command(parser)


def _serve(_: argparse.Namespace, settings: AuditorSettings) -> int:
    from gateway.auditor.app import create_app  # noqa: PLC0415  the others start without FastAPI

    return run_server("auditor", create_app, settings, settings.data_dir)


def _init(_: argparse.Namespace, settings: AuditorSettings) -> int:
    return _print_public(custody.initialise(settings, unix_time()))


def _show(_: argparse.Namespace, settings: AuditorSettings) -> int:
    return _print_public(custody.read_keys(settings))


def _rotate_signing(options: argparse.Namespace, settings: AuditorSettings) -> int:
    if options.activate:
        return _print_public(custody.keystore(settings).activate_signing_key())
    return _print_public(custody.keystore(settings).stage_signing_key(unix_time()))


def _enrol(options: argparse.Namespace, settings: AuditorSettings) -> int:
    party = Enrolled.of(options.kind, options.party, options.public_key)
    Register(settings.register_file).enrol(party)
    return 0


def _suspend(options: argparse.Namespace, settings: AuditorSettings) -> int:
    Register(settings.register_file).suspend(options.kind, options.party, options.public_key)
    return 0


def _list(_: argparse.Namespace, settings: AuditorSettings) -> int:
    for party in Register(settings.register_file).parties():
        print(f"{party.kind}\t{party.party}\t{party.public_key}")
    return 0


def _print_public(held: custody.AuditorKeys) -> int:
    print(json.dumps(held.describe()))
    return 0


def command(parser: argparse.ArgumentParser | None = None) -> OperatorCommand[AuditorSettings]:
    """The command with its subcommands, of its own or under ``parser``."""
    own = OperatorCommand(
        "sealmatch-auditor",
        "The auditor: repeats evaluations that the key authority wants to have checked.",
        AuditorSettings,
        ("data_dir", "passphrase_file"),
        parser,
    )
    own.add("serve", _serve, "serve until Ctrl-C")
    own.add_keys(
        "draw the auditor's keys; prints the public ones",
        "print the public keys",
        _init,
        _show,
        _rotate_signing,
    )
    enrol = own.add("enrol", _enrol, "accept a party's signatures, or its second key's")
    suspend = own.add("suspend", _suspend, "no longer accept a party's signatures, or one key's")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=KINDS)
        sub.add_argument("party", help="enrolment name")
    text = "Ed25519 public key, 64 hexadecimal digits"
    enrol.add_argument("public_key", help=text)
    suspend.add_argument("public_key", nargs="?", help=text)
    own.add("list", _list, "list the accepted parties")
    own.add_check(checks)
    return own


if __name__ == "__main__":
    sys.exit(main())
