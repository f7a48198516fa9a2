"""``sealmatch-authority``: the key authority's own command. Needs nothing that reads an image.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.wire.cose import VerifyKey
from gateway.wire.errors import SealmatchError
from gateway.wire.serving import existing_directory, operator_log, serve
from keys import custody
from keys.config import AuthoritySettings
from keys.trust import KINDS, Enrolled, TrustList


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = AuthoritySettings.read(options.config, _environment(options))
        return int(options.run(options, settings))
    except (SealmatchError, OSError, ValueError) as error:
        print(f"sealmatch-authority: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _serve(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    from keys.app import create_app  # noqa: PLC0415  the other commands start without FastAPI

    operator_log()
    tls = settings.tls
    serve(create_app(settings), "authority", settings.host, settings.port, tls)
    return 0


def _init(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    created = custody.create(existing_directory(settings.data_dir), settings.party)
    _print_public(created.signing.public)
    return 0


def _show(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    _print_public(custody.load(settings.data_dir, settings.party).signing.public)
    return 0


def _enrol(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    party = Enrolled(kind=options.kind, party=options.party, public_key=options.public_key)
    TrustList(settings.trust_file).enrol(party)
    return 0


def _suspend(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    TrustList(settings.trust_file).suspend(options.kind, options.party)
    return 0


def _list(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    for party in TrustList(settings.trust_file).parties():
        print(f"{party.kind}\t{party.party}\t{party.public_key}")
    return 0


def _print_public(key: VerifyKey) -> None:
    print(json.dumps({"party": key.party, "publicKey": key.raw.hex()}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealmatch-authority",
        description="The key authority: one homomorphic key per session, one bit per key.",
        epilog="Settings (file, then environment):\n\n" + AuthoritySettings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument("--data-dir", metavar="DIR", help="overrides data_dir")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        # Accepted after the command as well; absent there, the value before it stays.
        sub.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--data-dir", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.set_defaults(run=run)
        return sub

    command("serve", _serve, "serve until Ctrl-C")
    command("init", _init, "draw the authority's signing key and pepper; prints the public key")
    command("show", _show, "print the authority's public key")
    enrol = command("enrol", _enrol, "accept a party's signatures")
    suspend = command("suspend", _suspend, "no longer accept a party's signatures")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=KINDS)
        sub.add_argument("party", help="enrolment name")
    enrol.add_argument("public_key", help="Ed25519 public key, 64 hexadecimal digits")
    command("list", _list, "list the accepted parties")
    return parser


def _environment(options: argparse.Namespace) -> dict[str, str]:
    values = dict(os.environ)
    if options.data_dir is not None:
        values["SEALMATCH_AUTHORITY_DATA_DIR"] = options.data_dir
    return values


if __name__ == "__main__":
    sys.exit(main())
