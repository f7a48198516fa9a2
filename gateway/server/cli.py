"""``sealmatch-gateway``, for the carrier's operator. Exit status: 0 done, 1 failure, 2 usage."""

import argparse
import datetime
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.host.cli import OperatorCommand, read_bytes, read_table, run_server
from gateway.host.clock import unix_time
from gateway.host.fingerprint import fingerprint
from gateway.proofs.consent import MAX_BYTES, ConsentTexts
from gateway.retention.adoption import in_force
from gateway.server import consent, custody, register
from gateway.server.checking import checks
from gateway.server.cli_holds import add_signed
from gateway.server.cli_policy import add_policy, shown
from gateway.server.cli_retention import add_retention
from gateway.server.cli_storage import add_storage
from gateway.server.config import GatewaySettings
from gateway.server.opened import opened_database as _database
from gateway.server.proxy import add_proxy
from gateway.store import parties, totals
from gateway.store.consents import StoredVersion
from gateway.store.database import Database
from gateway.wire.admin import AdminAction, to_lines
from gateway.wire.errors import CallerMisuse, MalformedMessage
from gateway.wire.ids import MOST_VERSIONS

_KEY_DIGITS = 64
_DAY = 24 * 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    return command().main(arguments)


def _serve(_: argparse.Namespace, settings: GatewaySettings) -> int:
    from gateway.server.app import create_app  # noqa: PLC0415  loads the HE engine
    from gateway.server.peers import require_auditor  # noqa: PLC0415  only a server asks

    if (unknown := require_auditor(settings)) is not None:
        print(f"sealmatch-gateway: {unknown}", file=sys.stderr)
    shared = settings.database_url is not None  # PostgreSQL keeps several gateways apart
    return run_server("gateway", create_app, settings, settings.data_dir, shared=shared)


def _init(_: argparse.Namespace, settings: GatewaySettings) -> int:
    return _print_public(custody.initialise(settings, unix_time()), settings)


def _show(_: argparse.Namespace, settings: GatewaySettings) -> int:
    return _print_public(custody.read_keys(settings), settings)


def _rotate_signing(options: argparse.Namespace, settings: GatewaySettings) -> int:
    if options.activate:
        return _print_public(custody.keystore(settings).activate_signing_key(), settings)
    return _print_public(custody.keystore(settings).stage_signing_key(unix_time()), settings)


def _add_log(options: argparse.Namespace, settings: GatewaySettings) -> int:
    return _print_public(custody.add_log_key(settings, options.algorithm, unix_time()), settings)


def _print_public(held: custody.GatewayKeys, settings: GatewaySettings) -> int:
    logged = custody.log_policy(held, settings.origin, settings.log_witnesses)
    print(json.dumps({**custody.describe(held, logged), **shown(settings, held)}))
    return 0


def _enrol(options: argparse.Namespace, settings: GatewaySettings) -> int:
    return _enrol_entries([_entry(options.kind, options.party, options.public_key)], settings)


def _enrol_all(options: argparse.Namespace, settings: GatewaySettings) -> int:
    entries = []
    for number, words in read_table(options.file):
        try:
            entries.append(_entry(*words))
            entries[-1].check()
        except (TypeError, argparse.ArgumentTypeError, CallerMisuse):
            what = (
                f"{options.file.name}, line {number}: not a kind, a name and, if it has one, a key"
            )
            raise CallerMisuse(what) from None
    return _enrol_entries(entries, settings)


def _entry(kind: str, party: str, public_key: str | None = None) -> register.Entry:
    if kind not in parties.KINDS:
        raise CallerMisuse(f"{kind} is no kind of party")
    key = None if public_key is None else bytes.fromhex(_public_key(public_key))
    return register.Entry(kind, party, key)


def _enrol_entries(entries: list[register.Entry], settings: GatewaySettings) -> int:
    signing, _ = custody.open_keys(settings)
    with _database(settings) as database:
        register.enrol(database, entries, signing, unix_time())
    for kind, party, key in entries:
        compare = "" if key is None else f"; compare by voice: {fingerprint(key)}"
        print(f"enrolled: {kind} {party}{compare}", file=sys.stderr)
    return 0


def _suspend(options: argparse.Namespace, settings: GatewaySettings) -> int:
    signing, _ = custody.open_keys(settings)
    with _database(settings) as database:
        register.suspend(database, options.kind, options.party, signing, unix_time())
    return 0


def _history(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database:
        chain = register.chain(database, custody.read_keys(settings).chain_keys)
    if options.signed:
        print(to_lines(chain.encoded), end="")
        return 0
    for action in chain.actions:
        print(action.line())
    return 0


def _actions(database: Database, settings: GatewaySettings) -> tuple[AdminAction, ...]:
    return register.history(database, custody.read_keys(settings).chain_keys)


def _list(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database, database.transaction() as connection:
        for row in parties.list_parties(connection):
            print(f"{row.kind}\t{row.party}\t{row.state}\t{bytes(row.public_key or b'').hex()}")
    return 0


def _attempts(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database, database.transaction() as connection:
        return _print_totals(totals.liveness_totals(connection))


def _outcomes(_: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database, database.transaction() as connection:
        return _print_totals(totals.outcome_totals(connection))


def _print_totals(rows: list[tuple[int, str, int]]) -> int:
    for day, what, total in rows:
        at = datetime.datetime.fromtimestamp(day * _DAY, datetime.UTC)
        print(f"{at:%Y-%m-%d}\t{what}\t{total}")
    return 0


def _consent_list(_: argparse.Namespace, settings: GatewaySettings) -> int:
    wrong = []
    with _database(settings) as database:
        actions = _actions(database, settings)
        for one in consent.listed(database):
            try:
                consent.require_as_signed(one, actions)
            except consent.NotAsSigned as error:
                wrong.append(str(error))
            period = "no period" if one.retention_days is None else f"{one.retention_days} days"
            languages = ",".join(sorted(one.texts))
            print(f"{one.version}\t{one.state}\t{period}\t{languages}\t{_consent_digest(one)}")
    for what in wrong:
        print(f"sealmatch-gateway: {what}", file=sys.stderr)
    return 1 if wrong else 0


def _consent_digest(stored: StoredVersion) -> str:
    try:
        return consent.exported(stored).digest.hex()
    except CallerMisuse:
        return "not for counters"


def _consent_draft(options: argparse.Namespace, settings: GatewaySettings) -> int:
    return _write_consent(consent.draft(options.number, settings.retention_days))


def _consent_add(options: argparse.Namespace, settings: GatewaySettings) -> int:
    try:
        added = ConsentTexts.decode(read_bytes(options.file, MAX_BYTES))
    except MalformedMessage as error:
        raise CallerMisuse(f"{options.file}: {error}") from None
    signing, _ = custody.open_keys(settings)
    with _database(settings) as database:
        with database.transaction() as connection:
            days = in_force(connection, settings.retention_days).schedule.records.days
        consent.add(database, added, days, signing, unix_time())
    print(f"consent text version {added.version}, digest {added.digest.hex()}", file=sys.stderr)
    return 0


def _consent_export(options: argparse.Namespace, settings: GatewaySettings) -> int:
    with _database(settings) as database:
        actions = _actions(database, settings)
        return _write_consent(consent.export(database, options.number, actions))


def _write_consent(texts: ConsentTexts) -> int:
    print(texts.encode().decode(), end="")
    return 0


def _consent_retire(options: argparse.Namespace, settings: GatewaySettings) -> int:
    signing, _ = custody.open_keys(settings)
    with _database(settings) as database:
        consent.retire(database, options.number, signing, unix_time())
    return 0


def _version(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,9}", text) or not int(text) < MOST_VERSIONS:
        raise argparse.ArgumentTypeError("a version is a whole number from 1")
    return int(text)


def _public_key(text: str) -> str:
    if len(text) != _KEY_DIGITS or not all(c in "0123456789abcdef" for c in text):
        raise argparse.ArgumentTypeError("a public key is 64 lower-case hexadecimal digits")
    return text


def command() -> OperatorCommand[GatewaySettings]:
    """The command with its subcommands."""
    own = OperatorCommand(
        "sealmatch-gateway",
        "The gateway: matches what it cannot read.",
        GatewaySettings,
        ("passphrase_file",),
    )
    own.add("serve", _serve, "serve until Ctrl-C")
    verbs, _ = own.add_keys(
        "draw the gateway's keys; prints the public ones",
        "print the public keys and the match policy's digest",
        _init,
        _show,
        _rotate_signing,
    )
    log_key = own.add("add-log", _add_log, "draw a further key that signs the log", verbs)
    log_key.add_argument("--algorithm", choices=("ed25519", "ml-dsa-44"), default="ed25519")
    enrol = own.add("enrol", _enrol, "accept a party; witnesses and auditors may read the log")
    suspend = own.add("suspend", _suspend, "no longer accept a party")
    for sub in (enrol, suspend):
        sub.add_argument("kind", choices=parties.KINDS)
        sub.add_argument("party", help="enrolment name")
    enrol.add_argument(
        "public_key",
        type=_public_key,
        nargs="?",
        help="Ed25519 public key in hexadecimal; agents and outlets have none",
    )
    several = own.add("enrol-all", _enrol_all, "accept the parties in a file, all or none")
    several.add_argument("file", type=Path, help="lines of kind, name and, if it has one, key")
    own.add("list", _list, "list enrolled parties")
    own.add("attempts", _attempts, "daily totals of liveness checks: passed, attempts, reasons")
    own.add("outcomes", _outcomes, "daily totals of sessions: outcomes, and how the others ended")
    history = own.add("history", _history, "list what operators did, signatures checked")
    signing = "print the signed actions themselves, for inspectors (sealmatch log check --actions)"
    history.add_argument("--signed", action="store_true", help=signing)
    _add_consent(own)
    add_retention(own)
    add_storage(own)
    add_signed(own)
    add_policy(own)
    add_proxy(own)
    own.add_check(checks)
    own.add_settings()
    return own


def _add_consent(own: OperatorCommand[GatewaySettings]) -> None:
    verbs = own.group("consent", "the texts that people are shown before the camera opens")
    draft = own.add("draft", _consent_draft, "print texts to begin with; they are yours", verbs)
    adding = "register a version from a file as draft prints it; it never changes"
    own.add("add", _consent_add, adding, verbs).add_argument("file", type=Path)
    own.add("list", _consent_list, "versions, states, periods, languages and digests", verbs)
    export = own.add("export", _consent_export, "print a version, for the counters", verbs)
    retire = own.add("retire", _consent_retire, "no new registration under a version", verbs)
    for verb in (draft, export, retire):
        verb.add_argument("number", type=_version, metavar="VERSION")


if __name__ == "__main__":
    sys.exit(main())
