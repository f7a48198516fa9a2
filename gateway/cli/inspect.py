"""``sealmatch inspect``: what a deployment keeps, line by line, with read access only.

Every line says what was examined, how many, against which limit, with which result, and whether it
is proven, was seen with the inspector's own access, or rests on the operator's word. A line that
examined nothing never passes. Nothing of the deployment is changed, and it may go on serving.

    sealmatch inspect --gateway-database URL --authority-data DIR --log URL --trust trust.json
                      --paths DIR ... --out bundle.tar --key inspector.key
    sealmatch inspect verify bundle.tar --inspector-key HEX

The bundle holds what a second person needs to repeat every proven line offline, and nothing
personal. ``sealmatch log new-key`` makes an inspector's key.

Exit status: 0 no violation (read the last sentences: lines may not have been examined), 3
violations found, 1 failure, 2 usage. ``verify``: 0 the bundle says what follows from it, 3 it does
not, 1 it is no bundle, or another failure.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gateway.cli import NO_MATCH, inspect_assess, inspect_canary, inspect_profiles
from gateway.cli.inspect_report import print_lines, print_verification
from gateway.cli.outputs import PUBLIC, ReservedFile, about, read_bounded, reserve, to_a_reader
from gateway.host.clock import unix_time
from gateway.host.installed import version
from gateway.host.keyfile import load_signing_key
from gateway.inspection import software, word
from gateway.inspection.bundle import INSPECTOR, MAX_BYTES, make_bundle, read_bundle, report_of
from gateway.inspection.checks import ALL
from gateway.inspection.evidence import Evidence, NoAccess, opened
from gateway.inspection.exhibits import CHECKPOINT
from gateway.inspection.inspection import inspect, tally
from gateway.inspection.lines import Line, Progress, Verdict
from gateway.inspection.log_reader import LogSource
from gateway.inspection.log_sources import database_log, directory_log
from gateway.inspection.oscal import assessment_results
from gateway.inspection.profiles.evaluation import ProfileReport, evaluate
from gateway.inspection.profiles.form import Profile
from gateway.inspection.profiles.loading import load as load_profile
from gateway.inspection.profiles.repeating import WHAT, exhibits_of
from gateway.inspection.profiles.showing import report_text
from gateway.inspection.report_html import page
from gateway.inspection.verification import verify_bundle
from gateway.proofs.trust import TrustFile
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.ids import digest_of

VIOLATED: Final = NO_MATCH
DATABASES_OWN: Final = "database"
"""The value of ``--log`` for the log in the gateway's database."""
_MAX_TRUST: Final = 256 * 1024
_KEY_DIGITS: Final = 64


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_inputs(parser)
    _add_outputs(parser)
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(required=False, metavar="VERB")
    verify = verbs.add_parser("verify", help="check a bundle offline, and repeat its proven lines")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE")
    verify.add_argument(
        "--inspector-key",
        type=_public_key,
        metavar="HEX",
        help="the inspector's public key; without it the signature is not checked",
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=run_verify)
    digest = verbs.add_parser("digest", help="print the SHA-256 of the software's files")
    digest.add_argument("--installed", type=Path, metavar="DIR", help="default: this installation")
    digest.set_defaults(run=run_digest)
    inspect_profiles.add(verbs)
    inspect_assess.add(verbs)
    inspect_canary.add(verbs)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    given = parser.add_argument_group("what is inspected")
    given.add_argument("--gateway-database", metavar="URL", help="as in the gateway's settings")
    given.add_argument("--authority-data", type=Path, metavar="DIR", help="its data directory")
    given.add_argument(
        "--log",
        metavar="URL|DIR",
        help=f"where the log is served, or its files; '{DATABASES_OWN}': as the database has it",
    )
    given.add_argument("--trust", type=Path, metavar="FILE", help="the published trust file")
    given.add_argument(
        "--paths",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR",
        help="more to look through: data directories, logs, backups, temporary places",
    )
    given.add_argument(
        "--canary",
        type=Path,
        metavar="FILE",
        help="the inspector's own face and number, to be found nowhere (see `inspect canary`)",
    )
    given.add_argument(
        "--server",
        type=int,
        action="append",
        default=[],
        metavar="PID",
        help="search this process's memory for the canary as well; those that the directories' "
        "locks name are found",
    )
    given.add_argument("--since", type=Path, metavar="BUNDLE", help="of the last visit")
    given.add_argument(
        "--activations", type=Path, metavar="FILE", help="the carrier's list, CSV (see reconcile)"
    )
    given.add_argument(
        "--word", type=Path, metavar="FILE", help="what the operator states, TOML (see INSPECTION)"
    )
    given.add_argument(
        "--published",
        type=Path,
        metavar="FILE",
        help="the published list of the software's files, as `inspect digest` prints it",
    )
    given.add_argument(
        "--installed",
        type=Path,
        metavar="DIR",
        help="where the serving software is installed (default: where this command runs from)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("what is written")
    out.add_argument("--out", type=Path, metavar="BUNDLE", help="report and evidence in one file")
    out.add_argument("--html", type=Path, metavar="FILE", help="the report for people, to print")
    out.add_argument(
        "--oscal", type=Path, metavar="FILE", help="OSCAL assessment results, for other tools"
    )
    out.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the inspector's key, of `sealmatch log new-key`: signs the bundle, and requests to "
        "a log that enrolled readers read",
    )
    out.add_argument("--json", action="store_true", help="print the report as JSON")
    out.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="hold the lines against a law or guideline as well; `inspect profiles` lists them",
    )


def run(options: argparse.Namespace) -> int:
    """Inspect, print, and write what was asked for."""
    _require_sense(options)
    key = None if options.key is None else load_signing_key(options.key, "reader")
    profiles = [load_profile(named) for named in options.profile]
    with ExitStack() as stack:
        files = {  # places are taken before hours of work, not after them
            name: stack.enter_context(reserve(path, PUBLIC))
            for name in ("out", "html", "oscal")
            if (path := getattr(options, name)) is not None
        }
        evidence = stack.enter_context(_evidence(options, key))
        lines = inspect(evidence, ALL, Progress(_tell))
        _require_unchanged(evidence)
        report = report_of(lines, evidence.now, version(), _inspected(options, evidence))
        judged = _hold_against(profiles, lines, report, evidence)
        _write(files, report, lines, evidence, key)
    with to_a_reader():
        if options.json:
            print(json.dumps(report, indent=1, sort_keys=True))
        else:
            print_lines(lines)
            for one in judged:
                print(f"\n{report_text(one)}", end="")
    return VIOLATED if tally(lines)[Verdict.VIOLATED] else 0


def _require_sense(options: argparse.Namespace) -> None:
    """Raises ``CallerMisuse``: a file is not there, or two outputs have one name."""
    for path in (options.activations, options.canary):
        if path is not None and not path.is_file():
            raise CallerMisuse(f"{path}: there is no such file")
    written = [one.resolve() for one in (options.out, options.html, options.oscal) if one]
    if len(set(written)) < len(written):
        raise CallerMisuse("--out, --html and --oscal are different files")
    for path in written:
        if not path.parent.is_dir():
            raise CallerMisuse(f"{path.parent}: there is no such directory")


def _hold_against(
    profiles: Sequence[Profile],
    lines: tuple[Line, ...],
    report: dict[str, Any],
    evidence: Evidence,
) -> list[ProfileReport]:
    """Judge the lines, and put judgements and profiles where the bundle has them."""
    for name, content in exhibits_of(profiles).items():
        evidence.exhibits[name], evidence.descriptions[name] = content, WHAT
    judged = [evaluate(one, lines) for one in profiles]
    if judged:
        report["profiles"] = [one.as_json() for one in judged]
    return judged


def _write(
    files: dict[str, ReservedFile],
    report: dict[str, Any],
    lines: tuple[Line, ...],
    evidence: Evidence,
    key: SigningKey | None,
) -> None:
    digest = None
    if "out" in files:
        bundle = make_bundle(report, evidence, key)
        digest = digest_of(bundle).hex()
        files["out"].write(bundle)
    if "html" in files:
        files["html"].write(page(report, lines, evidence.exhibits, digest))
    if "oscal" in files:
        files["oscal"].write(assessment_results(report, lines))


@contextmanager
def _evidence(options: argparse.Namespace, key: SigningKey | None) -> Iterator[Evidence]:
    """Everything that was given, opened for reading.

    Raises:
        What is wrong with what was given; what was not given is a matter of the lines.
    """
    with ExitStack() as stack:
        evidence = Evidence(
            now=unix_time(),
            authority_given=_directory(options.authority_data),
            trust_given=None if options.trust is None else _trust(options.trust),
            paths=tuple(options.paths),
            canary_given=options.canary,
            servers_given=tuple(options.server),
            since_given=None if options.since is None else _earlier(options.since),
            activations_given=options.activations,
            word_given=_content(options.word, word.MAX_BYTES),
            published_given=_content(options.published, software.MAX_BYTES),
            installed=_directory(options.installed),
        )
        if options.log is not None and options.log != DATABASES_OWN:
            evidence.log_given = _log(options, key, stack)
            with suppress(NoAccess):  # before the database: what it shows is stored by then
                evidence.read(CHECKPOINT)
        if options.gateway_database is not None:
            evidence.database_given = stack.enter_context(opened(options.gateway_database))
        if options.log == DATABASES_OWN:
            if evidence.database_given is None:
                raise CallerMisuse("--log database needs --gateway-database")
            evidence.log_given = database_log(evidence.database)
        yield evidence


def _content(path: Path | None, limit: int) -> bytes | None:
    return None if path is None else read_bounded(path, limit)


def _directory(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise CallerMisuse(f"{path}: there is no such directory")
    return path


def _trust(path: Path) -> bytes:
    TrustFile.read(path)  # says which field is wrong
    return read_bounded(path, _MAX_TRUST)


def _earlier(path: Path) -> Any:
    with about(path):
        return read_bundle(read_bounded(path, MAX_BYTES))


def _log(options: argparse.Namespace, key: SigningKey | None, stack: ExitStack) -> LogSource:
    """The log where it is served, or its files."""
    if "://" not in options.log:
        return directory_log(_directory(Path(options.log)) or Path())
    if options.trust is None:
        raise CallerMisuse("a log's URL needs --trust, which names its certificate's CA")
    from gateway.cli.log_http import HttpLog, reader_transport  # noqa: PLC0415  a log over HTTP only

    trust = TrustFile.read(options.trust)
    transport = stack.enter_context(reader_transport(options.trust, trust))
    return LogSource(HttpLog(transport, options.log, key).fetch)


def _require_unchanged(evidence: Evidence) -> None:
    database = evidence.database_given
    if database is not None and not database.unchanged():
        raise Unavailable("a server began to use the database meanwhile: inspect again")


def _inspected(options: argparse.Namespace, evidence: Evidence) -> dict[str, object]:
    """What was given, without addresses and paths."""
    database = evidence.database_given
    return {
        "gatewayDatabase": None if database is None else database.dialect,
        "authorityData": evidence.authority_given is not None,
        "log": _kind_of_log(options.log),
        "trust": evidence.trust_given is not None,
        "paths": len(evidence.paths),
        "since": evidence.since_given is not None,
        "activations": evidence.activations_given is not None,
        "word": evidence.word_given is not None,
        "published": evidence.published_given is not None,
    }


def _kind_of_log(given: str | None) -> str | None:
    if given is None or given == DATABASES_OWN:
        return given
    return "url" if "://" in given else "directory"


def run_verify(options: argparse.Namespace) -> int:
    """Verify a bundle and report."""
    with about(options.bundle):
        bundle = read_bundle(read_bounded(options.bundle, MAX_BYTES))
        key = None if options.inspector_key is None else VerifyKey(INSPECTOR, options.inspector_key)
        found = verify_bundle(bundle, ALL, key, Progress(_tell))
    with to_a_reader():
        print_verification(bundle, found, as_json=options.json)
    return 0 if found.agrees else VIOLATED


def run_digest(options: argparse.Namespace) -> int:
    """Print what a publisher publishes, and what an inspector compares."""
    listed = software.to_list(software.installed_files(_directory(options.installed)))
    with to_a_reader():
        print(listed, end="")
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _public_key(text: str) -> bytes:
    if len(text) != _KEY_DIGITS or not all(c in "0123456789abcdef" for c in text):
        raise argparse.ArgumentTypeError("a public key is 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)
