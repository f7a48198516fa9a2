"""``sealmatch-authority``: the key authority's own command. Needs nothing that reads an image.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.wire.errors import CallerMisuse, SealmatchError
from gateway.wire.host import memory
from gateway.wire.host.serving import operator_log, serve
from keys import ceremony, enrolment
from keys.audits import AuditLedger
from keys.config import AuthoritySettings
from keys.trust_file import KINDS
from keys.vault import AuthorityKeys


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = AuthoritySettings.read(options.config, _environment(options))
        memory.protect("off", inspectable=settings.inspectable)
        return int(options.run(options, settings))
    except (SealmatchError, OSError, ValueError) as error:
        print(f"sealmatch-authority: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _serve(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    from keys.app import create_app  # noqa: PLC0415  the other commands start without FastAPI

    operator_log()
    memory.protect(settings.lock_memory, inspectable=settings.inspectable)
    tls = settings.tls
    serve(create_app(settings), "authority", settings.host, settings.port, tls)
    return 0


def _init(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    return _print_public(ceremony.initialise(settings, _now()))


def _show(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    return _print_public(ceremony.read_keys(settings))


def _rotate_signing(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    rotate = ceremony.activate_signing_key if options.activate else ceremony.stage_signing_key
    return _print_public(rotate(settings, _now()))


def _rotate_pepper(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    rotate = ceremony.drop_previous_pepper if options.drop_previous else ceremony.rotate_pepper
    return _print_public(rotate(settings, _now()))


def _enrol(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    party = enrolment.party_of(options.kind, options.party, options.public_key)
    enrolment.enrol(settings, [party], _now(), overlap=options.overlap)
    return 0


def _enrol_all(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    enrolment.enrol(settings, enrolment.read_parties(options.file), _now())
    return 0


def _suspend(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    enrolment.suspend(settings, options.kind, options.party, options.public_key, _now())
    return 0


def _list(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    for party in enrolment.open_trust(settings, _now()).parties():
        print(f"{party.kind}\t{party.party}\t{party.public_key}")
    return 0


def _history(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    trust = enrolment.open_trust(settings, _now())
    for action in trust.history():
        print(action.line())
    print(f"head\t{trust.head().hex()}")
    if options.contains is not None and not trust.holds(options.contains):
        raise CallerMisuse("the history does not contain that head: it is an older one, or another")
    return 0


def _audits(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    for gateway, count in _ledger(settings).unanswered().items():
        print(f"{gateway}\t{count} unanswered of {settings.audit_unanswered} that are let pass")
    return 0


def _clear_audits(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    print(f"{_ledger(settings).clear(options.party)} cleared")
    return 0


def _ledger(settings: AuthoritySettings) -> AuditLedger:
    return AuditLedger(settings.audits_file, settings.audit_unanswered, _now)


def _print_public(keys: AuthorityKeys) -> int:
    print(json.dumps(ceremony.describe(keys, _now())))
    return 0


def _now() -> int:
    return int(time.time())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealmatch-authority",
        description="The key authority: one homomorphic key per session, one bit per key.",
        epilog="Settings (file, then environment):\n\n" + AuthoritySettings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument("--data-dir", metavar="DIR", help="overrides data_dir")
    parser.add_argument("--passphrase-file", metavar="FILE", help="overrides passphrase_file")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str,
        run: object,
        text: str,
        among: "argparse._SubParsersAction[argparse.ArgumentParser]" = commands,
    ) -> argparse.ArgumentParser:
        sub = among.add_parser(name, help=text, description=text)
        # Accepted after the command as well; absent there, the value before it stays.
        sub.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for option in ("--data-dir", "--passphrase-file"):
            sub.add_argument(option, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.set_defaults(run=run)
        return sub

    command("serve", _serve, "serve until Ctrl-C")
    making = "draw the authority's signing key and pepper; prints the public key"
    showing = "print the public keys and the peppers' ages"
    command("init", _init, f"the same as keys init: {making}")
    command("show", _show, f"the same as keys show: {showing}")
    keys = commands.add_parser("keys", help="the authority's own keys")
    verbs = keys.add_subparsers(required=True, metavar="VERB")
    command("init", _init, making, verbs)
    command("show", _show, showing, verbs)
    rotate = verbs.add_parser("rotate", help="replace a key, with an overlap")
    kinds = rotate.add_subparsers(required=True, metavar="KEY")
    signing = command(
        "signing", _rotate_signing, "stage the next signing key, for everyone to pin", kinds
    )
    signing.add_argument(
        "--activate", action="store_true", help="sign with the staged key; the old one is dropped"
    )
    pepper = command(
        "pepper", _rotate_pepper, "draw a new pepper; the present one serves the overlap", kinds
    )
    pepper.add_argument(
        "--drop-previous", action="store_true", help="draw none; end the overlap now"
    )
    enrol = command("enrol", _enrol, "accept a party's signatures")
    suspend = command("suspend", _suspend, "no longer accept a party's signatures")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=KINDS)
        sub.add_argument("party", help="enrolment name")
    enrol.add_argument("public_key", help="Ed25519 public key, 64 hexadecimal digits")
    enrol.add_argument(
        "--overlap", action="store_true", help="beside the key that the party has, for a rotation"
    )
    suspend.add_argument("public_key", nargs="?", help="this key alone; without, the party")
    several = command("enrol-all", _enrol_all, "accept the parties in a file, all or none")
    several.add_argument("file", type=Path, help="lines as list prints them: kind, name, key")
    command("list", _list, "list the accepted parties")
    history = command("history", _history, "list what operators did, signatures checked")
    history.add_argument(
        "--contains",
        type=bytes.fromhex,
        metavar="HEAD",
        help="fail unless a head that was noted earlier is in the history",
    )
    audits = commands.add_parser("audits", help="demands for audits that were never answered")
    verbs = audits.add_subparsers(required=True, metavar="VERB")
    command("list", _audits, "count them by gateway", verbs)
    clear = command("clear", _clear_audits, "forget a gateway's: it gets decisions again", verbs)
    clear.add_argument("party", help="the gateway's enrolment name")
    return parser


def _environment(options: argparse.Namespace) -> dict[str, str]:
    values = dict(os.environ)
    for name in ("data_dir", "passphrase_file"):
        given = getattr(options, name)
        if given is not None:
            values[f"SEALMATCH_AUTHORITY_{name}".upper()] = given
    return values


if __name__ == "__main__":
    sys.exit(main())
