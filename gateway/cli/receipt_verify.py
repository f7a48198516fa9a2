"""``sealmatch receipt verify``: is a receipt valid, and does it show what the reader requires?

A valid receipt may say NO_MATCH, so a match is required unless --require says "valid". With more
names, separated by commas, more is required: chip (the portrait came out of the document's chip,
signed by an issuing State that the counter lists, as its document reader states), state-signed (the
same, or out of a mobile document with such a signature), liveness (a liveness check was passed),
quality (a calibrated gate judged all pictures), witness (a pinned witness cosigned the log), audit
(a pinned auditor repeated the evaluation), signed-policy (two pinned operators signed the
thresholds; their approval stands in the trust file, or is given with --policy). The receipt of a
registration without a face is never a match: who accepts one asks for it (--require fallback), and
then a face check's receipt does not do.
Whoever activates a number or order names it (--activation-file): the receipt of somebody else's
order fails then. That needs the activation opening, which stands beside the receipt.
The receipt of an erased record is as valid as before. With a proof of erasure (--erasure, as
receipt erased and subject erase write it) it is said beside, on which day the record was erased.

Exit status: 0 valid, and everything required is met; 3 valid, and something required is not met;
6 receipt, or proof of erasure, NOT valid, what fails is named; 1 not checked: a file cannot be
read, or is another one; 2 usage.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli import FAILURE, MATCH, NO_MATCH, NOT_VALID, fallback_report
from gateway.cli.guardian import (
    add_guardian_document,
    guardian_named,
    require_guardian_usage,
)
from gateway.cli.outputs import about, activation_path, read_bounded, reason_of, to_a_reader
from gateway.cli.receipt_erased import read_proof
from gateway.cli.receipt_report import as_json, evaluated, step_line, summary
from gateway.cli.subject import (
    add_subject_arguments,
    names_document,
    read_text,
    subject_of,
)
from gateway.proofs import openings
from gateway.proofs.erased import Dated, ErasureInvalid, verify_erasure
from gateway.proofs.fallback import Verified, VerifiedFallback, steps_of, verify_any
from gateway.proofs.findings import Finding, State
from gateway.proofs.openings import OwnActivation
from gateway.proofs.requirements import (
    REQUIREMENTS,
    Requirement,
    RequirementNotMet,
    check_requirements,
)
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, VerifiedReceipt
from gateway.wire.erasure import ErasureProof
from gateway.wire.errors import MalformedMessage, SealmatchError
from gateway.wire.orders import AgreedOrder
from gateway.wire.proof import Opening, Receipt
from gateway.wire.subject import Subject

VALID: Final = "valid"
"""In the place of a match: nothing but what else is named is required."""


@dataclass(frozen=True)
class Given:
    """What the command was given, read."""

    trust: TrustFile
    receipt: bytes
    opening: Opening | None
    subject: Subject | None
    activation: OwnActivation | None
    guardian: Subject | None
    erasure: ErasureProof | None


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = verbs.add_parser(
        "verify",
        help="check a receipt offline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("receipt", type=Path, metavar="FILE")
    verify.add_argument("--trust", type=Path, required=True, metavar="FILE")
    verify.add_argument(
        "--require",
        type=_requirements,
        default=_requirements("match"),
        metavar="NAMES",
        help=f"any of {', '.join(REQUIREMENTS)}; a match always, unless '{VALID}' or 'fallback' "
        "stands there (default: match)",
    )
    verify.add_argument(
        "--activation-file",
        metavar="FILE",
        help="file with the number or order that the receipt must be about, - for standard input",
    )
    verify.add_argument(
        "--activation-opening", type=Path, metavar="FILE", help="default: RECEIPT.activation"
    )
    verify.add_argument(
        "--opening",
        type=Path,
        metavar="FILE",
        help="the subscriber's: show that the receipt is about a document",
    )
    add_subject_arguments(verify, required=False)
    add_guardian_document(verify)
    verify.add_argument(
        "--erasure", type=Path, metavar="FILE", help="a proof that the record was erased"
    )
    verify.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="the operators' approval of the match policy that the receipt names",
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=run, parser=verify)


def _requirements(text: str) -> frozenset[Requirement]:
    """Raises ``ArgumentTypeError``: an unknown name, or a match that is both asked for and not."""
    named = {name.strip() for name in text.split(",")}
    known = {name for name in REQUIREMENTS if name in named}
    unknown = named - known - {VALID}
    if unknown:
        known_names = ", ".join((VALID, *REQUIREMENTS))
        raise argparse.ArgumentTypeError(f"names are {known_names}, separated by commas")
    if VALID in named and "match" in named:
        raise argparse.ArgumentTypeError(f"'{VALID}' says that no match is required")
    if {"match", "fallback"} <= named:
        raise argparse.ArgumentTypeError("no receipt is a match and one without a face")
    other = VALID in named or "fallback" in named
    return frozenset(known if other else {"match", *known})


def run(options: argparse.Namespace) -> int:
    """Verify, and print each step or one JSON object."""
    _check_usage(options)
    try:
        given = _read(options)
    except (SealmatchError, OSError) as error:
        return _not_checked(options, error)
    try:
        verified = verify_any(
            given.receipt,
            given.trust,
            given.opening,
            given.subject,
            (lambda _step, _found: None) if options.json else _printed(steps_of(given.receipt)),
            activation=given.activation,
            guardian=given.guardian,
        )
    except ReceiptInvalid as error:
        return not_valid(options, error)
    try:
        erased = _erased(given)
    except ErasureInvalid as error:
        return _not_erased(options, error)
    try:
        check_requirements(verified, options.require)
    except RequirementNotMet as error:
        return _valid(options, verified, error.unmet, erased)
    return _valid(options, verified, {}, erased)


def _check_usage(options: argparse.Namespace) -> None:
    if bool(options.opening) != names_document(options):
        options.parser.error("--opening goes with --id-type and --id-number-file, or with --mrz")
    require_guardian_usage(options.parser, options)
    if not options.opening and (options.guardian_id_type or options.guardian_mrz):
        options.parser.error("a guardian is shown by the subscriber's opening alone: --opening")
    if options.activation_opening and not options.activation_file:
        options.parser.error(
            "--activation-opening goes with --activation-file: an opening shows something only "
            "beside the number or order that is to be activated"
        )
    if options.activation_file == "-" and "-" in (options.id_number_file, options.mrz):
        options.parser.error("standard input is one file")


def _read(options: argparse.Namespace) -> Given:
    """Raises ``UnusableFile``, ``UnusableTrustFile``, ``UnusableNumber``, ``OSError``."""
    trust = TrustFile.read(options.trust)
    if options.policy:
        with about(options.policy):
            trust = trust.with_approval(read_bounded(options.policy, AgreedOrder.max_bytes))
    encoded = read_bounded(options.receipt, Receipt.max_bytes)
    with about(options.receipt):
        _require_receipt(encoded)
    opening = subject = activation = guardian = None
    if options.opening:
        with about(options.opening):
            opening = openings.subscribers_opening(
                read_bounded(options.opening, openings.MAX_BYTES)
            )
        subject, guardian = subject_of(options), guardian_named(options)
    if options.activation_file:
        own = _activation_opening(options, opening)
        activation = OwnActivation(read_text(options.activation_file), own)
    erasure = read_proof(options.erasure) if options.erasure else None
    return Given(trust, encoded, opening, subject, activation, guardian, erasure)


def _activation_opening(
    options: argparse.Namespace, subscribers: Opening | None
) -> openings.AnyActivationOpening:
    """The one that is named, or that stands beside the receipt; else the subscriber's own."""
    path = activation_path(options)
    if subscribers is not None and options.activation_opening is None and not path.exists():
        return subscribers
    with about(path):
        return openings.activation_opening(read_bounded(path, openings.MAX_BYTES))


def _require_receipt(encoded: bytes) -> None:
    """Another file of ours was given by mistake. Raises ``MalformedMessage``."""
    kind = openings.kind_of(encoded)
    if kind not in (None, openings.RECEIPT):
        raise MalformedMessage(f"it is {kind}, and not a receipt")


def _not_checked(options: argparse.Namespace, error: SealmatchError | OSError) -> int:
    reason = reason_of(error) if isinstance(error, OSError) else str(error)
    if options.json:
        _print_json({"checked": False, "reason": reason})
    else:
        print(f"sealmatch: {reason}", file=sys.stderr)
        print("The receipt was NOT checked.", file=sys.stderr)
    return FAILURE


def not_valid(options: argparse.Namespace, error: ReceiptInvalid) -> int:
    """Report the failing step."""
    if getattr(options, "json", False):
        failed = {"step": error.step, "name": error.name, "reason": error.reason}
        _print_json({"checked": True, "valid": False, "met": False, "failed": failed})
        return NOT_VALID
    with to_a_reader():
        print(f"FAIL  {error.step}. {error.name}: {error.reason}")
    print(f"{options.receipt}: the receipt is NOT valid.", file=sys.stderr)
    return NOT_VALID


def _erased(given: Given) -> Dated | None:
    """Raises ``ErasureInvalid``."""
    if given.erasure is None:
        return None
    return verify_erasure(given.erasure, given.receipt, given.trust)


def _not_erased(options: argparse.Namespace, error: ErasureInvalid) -> int:
    """The receipt is valid; the proof beside it is not one of its erasure."""
    if options.json:
        wrong = {"state": "not-valid", "reason": str(error)}
        _print_json({"checked": True, "valid": True, "met": False, "erasure": wrong})
        return NOT_VALID
    print(f"{options.erasure}: the proof of erasure is NOT valid: {error}", file=sys.stderr)
    return NOT_VALID


def _valid(
    options: argparse.Namespace,
    verified: Verified,
    unmet: dict[Requirement, str],
    erased: Dated | None,
) -> int:
    status = NO_MATCH if unmet else MATCH
    if isinstance(verified, VerifiedFallback):
        told = fallback_report.as_json(verified, options.require, unmet)
        lines = _of_fallback(verified)
    else:
        told = as_json(verified, options.require, unmet)
        lines = _of_decision(verified)
    if options.json:
        _print_json(told if erased is None else told | {"erasure": _erasure_json(erased)})
        return status
    with to_a_reader():
        print()
        for line in lines:
            print(line)
        if erased is not None:
            log = "" if erased.logged else " The trust file pins no log to find that in."
            print(f"The gateway erased the record of this receipt on {erased.day}.{log}")
    for name, why in unmet.items():
        print(f"NOT MET: {name} is required, and {why}.", file=sys.stderr)
    return status


def _erasure_json(erased: Dated) -> dict[str, object]:
    log = State.NOT_CHECKED if erased.logged is None else State.DONE
    return {"state": State.DONE, "erasedOn": str(erased.day), "log": log}


def _of_decision(verified: VerifiedReceipt) -> Iterator[str]:
    yield from _listed(summary(verified))
    yield "\nThe key authority signed this outcome for inputs of these digests."
    yield evaluated(verified)


def _of_fallback(verified: VerifiedFallback) -> Iterator[str]:
    yield from _listed(fallback_report.summary(verified))
    yield f"\n{fallback_report.SHOWN}"


def _listed(named: Iterable[tuple[str, object]]) -> Iterator[str]:
    return (f"{name:<14} {value}" for name, value in named)


def _printed(steps: dict[int, str]) -> Callable[[int, Finding], None]:
    """What prints each step when it has passed."""

    def print_step(step: int, found: Finding) -> None:
        with to_a_reader():
            print(step_line(step, steps[step], found))

    return print_step


def _print_json(report: dict[str, object]) -> None:
    with to_a_reader():
        print(json.dumps(report))
