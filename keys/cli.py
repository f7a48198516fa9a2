"""``sealmatch-authority``: the key authority's own command. Needs nothing that reads an image.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.host.checking import Check
from gateway.host.cli import OperatorCommand, run_server
from gateway.host.clock import unix_time
from gateway.host.fingerprint import fingerprint
from gateway.wire.errors import CallerMisuse
from keys import backup, ceremony, enrolment
from keys.audits import AuditLedger
from keys.config import AuthoritySettings
from keys.trust_file import KINDS, Enrolled
from keys.vault import AuthorityKeys


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    return _command().main(arguments)


def _serve(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    from keys.app import create_app  # noqa: PLC0415  the other commands start without FastAPI

    if options.caps_lost:
        until = _at(backup.close_lost(settings, unix_time()))
        print(f"sealmatch-authority: every attempt is refused until {until}", file=sys.stderr)
    return run_server("authority", create_app, settings, settings.data_dir)


def _init(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    return _print_public(ceremony.initialise(settings, unix_time()))


def _show(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    return _print_public(ceremony.read_keys(settings))


def _rotate_signing(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    rotate = ceremony.activate_signing_key if options.activate else ceremony.stage_signing_key
    return _print_public(rotate(settings, unix_time()))


def _rotate_pepper(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    rotate = ceremony.drop_previous_pepper if options.drop_previous else ceremony.rotate_pepper
    return _print_public(rotate(settings, unix_time()))


def _rotate_sealing(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    dropping = ceremony.drop_previous_sealing_key
    rotate = dropping if options.drop_previous else ceremony.rotate_sealing_key
    return _print_public(rotate(settings, unix_time()))


def _enrol(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    party = enrolment.party_of(options.kind, options.party, options.public_key)
    enrolment.enrol(settings, [party], unix_time(), overlap=options.overlap)
    return _say_enrolled([party])


def _enrol_all(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    parties = enrolment.read_parties(options.file)
    enrolment.enrol(settings, parties, unix_time())
    return _say_enrolled(parties)


def _say_enrolled(parties: Iterable[Enrolled]) -> int:
    for one in parties:
        compare = fingerprint(one.verify_key.raw)
        print(f"enrolled: {one.kind} {one.party}; compare by voice: {compare}", file=sys.stderr)
    return 0


def _suspend(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    enrolment.suspend(settings, options.kind, options.party, options.public_key, unix_time())
    return 0


def _list(_: argparse.Namespace, settings: AuthoritySettings) -> int:
    for party in enrolment.open_trust(settings, unix_time()).parties():
        print(f"{party.kind}\t{party.party}\t{party.public_key}")
    return 0


def _history(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    trust = enrolment.open_trust(settings, unix_time())
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
    ledger = _ledger(settings)
    print(f"{enrolment.clear_audits(settings, options.party, ledger, unix_time())} cleared")
    return 0


def _backup(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    backup.require_keys(settings)
    rows, digest = backup.make(settings, options.file, unix_time())
    print(json.dumps({"rows": rows, "sha256": digest.hex()}))
    return 0


def _restore(options: argparse.Namespace, settings: AuthoritySettings) -> int:
    backup.require_keys(settings)
    done = backup.restore(settings, options.file, unix_time(), mark_survived=options.mark_survived)
    print(json.dumps({"restored": done.parts, "sha256": done.digest.hex()}))
    if done.closed_until:
        print(
            "sealmatch-authority: attempts that were counted after the backup are not in it: every "
            f"attempt is refused until {_at(done.closed_until)}",
            file=sys.stderr,
        )
    return 0


def _at(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ledger(settings: AuthoritySettings) -> AuditLedger:
    return AuditLedger(settings.audits_place, settings.audit_unanswered, unix_time)


def _checks(settings: AuthoritySettings) -> Iterable[Check]:
    from keys.checking import checks  # noqa: PLC0415  the other commands start without FastAPI

    return checks(settings)


def _print_public(keys: AuthorityKeys) -> int:
    print(json.dumps(ceremony.describe(keys, unix_time())))
    return 0


def _command() -> OperatorCommand[AuthoritySettings]:
    command = OperatorCommand(
        "sealmatch-authority",
        "The key authority: one homomorphic key per session, one bit per key.",
        AuthoritySettings,
        ("data_dir", "passphrase_file"),
    )
    serve = command.add("serve", _serve, "serve until Ctrl-C")
    serve.add_argument(
        "--caps-lost",
        action="store_true",
        help="the counters of attempts are lost: begin new ones, which refuse all for a day",
    )
    _, kinds = command.add_keys(
        "draw the authority's signing key, sealing key and pepper; prints the public keys",
        "print the public keys, and the ages of sealing keys and peppers",
        _init,
        _show,
        _rotate_signing,
    )
    pepper = command.add(
        "pepper", _rotate_pepper, "draw a new pepper; the present one serves the overlap", kinds
    )
    sealing = "draw a new sealing key, for issuers to pin; the present one serves the overlap"
    for secret in (pepper, command.add("sealing", _rotate_sealing, sealing, kinds)):
        secret.add_argument(
            "--drop-previous", action="store_true", help="draw none; end the overlap now"
        )
    command.add_check(_checks)
    command.add_settings()
    _add_enrolment(command)
    _add_storage(command)
    verbs = command.group("audits", "demands for audits that were never answered")
    command.add("list", _audits, "count them by gateway", verbs)
    clear = command.add(
        "clear", _clear_audits, "forget a gateway's: it gets decisions again", verbs
    )
    clear.add_argument("party", help="the gateway's enrolment name")
    return command


def _add_storage(command: OperatorCommand[AuthoritySettings]) -> None:
    making = "write trust list, unanswered audits and attempts, without keys; it may be serving"
    command.add("backup", _backup, making).add_argument("file", type=Path, metavar="OUT")
    restoring = "bring back what is missing; restored counters refuse every attempt for a day"
    restore = command.add("restore", _restore, restoring)
    restore.add_argument("file", type=Path)
    restore.add_argument(
        "--mark-survived",
        action="store_true",
        help="you know that caps.mark here is the last that was written, and no copy: its time "
        "says what the backup misses",
    )


def _add_enrolment(command: OperatorCommand[AuthoritySettings]) -> None:
    enrol = command.add("enrol", _enrol, "accept a party's signatures")
    suspend = command.add("suspend", _suspend, "no longer accept a party's signatures")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=KINDS)
        sub.add_argument("party", help="enrolment name")
    enrol.add_argument("public_key", help="Ed25519 public key, 64 hexadecimal digits")
    enrol.add_argument(
        "--overlap", action="store_true", help="beside the key that the party has, for a rotation"
    )
    suspend.add_argument("public_key", nargs="?", help="this key alone; without, the party")
    several = command.add("enrol-all", _enrol_all, "accept the parties in a file, all or none")
    several.add_argument("file", type=Path, help="lines as list prints them: kind, name, key")
    command.add("list", _list, "list the accepted parties")
    history = command.add("history", _history, "list what operators did, signatures checked")
    history.add_argument(
        "--contains",
        type=bytes.fromhex,
        metavar="HEAD",
        help="fail unless a head that was noted earlier is in the history",
    )


if __name__ == "__main__":
    sys.exit(main())
