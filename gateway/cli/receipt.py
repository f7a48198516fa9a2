"""``sealmatch receipt``: the subscriber, or a stranger, checks a receipt offline, or hands it on.

Exit status: 0 only when every check passes; 1 names the failing step; 2 usage.
"""

import argparse
import datetime
import sys
from pathlib import Path

from gateway.cli import receipt_fetch
from gateway.cli.outputs import PUBLIC, reserve
from gateway.cli.subject import add_subject_arguments, subject_of
from gateway.proofs.checker import checker_page
from gateway.proofs.printable import WORDINGS, printable_page
from gateway.proofs.transparent import transparent_statement
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import STEPS, ReceiptInvalid, VerifiedReceipt, verify_receipt
from gateway.wire.liveness import LivenessResult
from gateway.wire.proof import Opening, Receipt


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="check a receipt offline", description=__doc__)
    verify.add_argument("receipt", type=Path, metavar="FILE")
    verify.add_argument("--trust", type=Path, required=True, metavar="FILE")
    verify.add_argument(
        "--opening", type=Path, metavar="FILE", help="show that the receipt is about a document"
    )
    add_subject_arguments(verify, required=False)
    verify.set_defaults(run=run, parser=verify)
    _add_export(verbs)
    _add_page(verbs)
    receipt_fetch.add_verb(verbs)


def _add_export(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "a checked receipt in another form: a page to print, or a transparent statement (COSE)"
    export = verbs.add_parser("export", help=text, description=text)
    export.add_argument("receipt", type=Path, metavar="FILE")
    export.add_argument("--trust", type=Path, required=True, metavar="FILE")
    export.add_argument("--format", choices=("html", "cose"), required=True)
    export.add_argument("--language", choices=sorted(WORDINGS), default="en", help="of the page")
    export.add_argument("--out", type=Path, required=True, metavar="FILE")
    export.set_defaults(run=run_export)


def _add_page(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "one HTML file that checks receipts in a browser, without a network"
    page = verbs.add_parser("page", help=text, description=text)
    page.add_argument("--trust", type=Path, required=True, metavar="FILE", help="who is pinned")
    page.add_argument("--out", type=Path, required=True, metavar="FILE")
    page.set_defaults(run=run_page)


def run_export(options: argparse.Namespace) -> int:
    """Check a receipt and write it in another form; a receipt that fails is not exported."""
    trust = TrustFile.read(options.trust)
    encoded = _read(options.receipt, Receipt.max_bytes)
    try:
        verified = verify_receipt(encoded, trust)
    except ReceiptInvalid as error:
        return _not_valid(error)
    if options.format == "html":
        content = printable_page(verified, options.language).encode()
    else:
        content = transparent_statement(Receipt.decode(encoded), trust)
    with reserve(options.out, PUBLIC) as out:
        out.write(content)
    return 0


def run_page(options: argparse.Namespace) -> int:
    """Write the check page for one trust file."""
    page = checker_page(TrustFile.read(options.trust)).encode()
    with reserve(options.out, PUBLIC) as out:
        out.write(page)
    return 0


def run(options: argparse.Namespace) -> int:
    """Verify and print each step."""
    named = options.id_type and (options.id_number or options.id_number_file)
    if bool(options.opening) != bool(named):
        options.parser.error("--opening goes with --id-type and --id-number-file")
    trust = TrustFile.read(options.trust)
    encoded = _read(options.receipt, Receipt.max_bytes)
    opening = subject = None
    if options.opening:
        opening = Opening.decode(_read(options.opening, Opening.max_bytes))
        subject = subject_of(options)
    try:
        verified = verify_receipt(encoded, trust, opening, subject, _print_step)
    except ReceiptInvalid as error:
        return _not_valid(error)
    _print_summary(verified)
    return 0


def _not_valid(error: ReceiptInvalid) -> int:
    print(f"FAIL  {error.step}. {STEPS[error.step]}: {error.reason}")
    print("The receipt is NOT valid.", file=sys.stderr)
    return 1


def _read(path: Path, limit: int) -> bytes:
    """At most one byte more than the longest valid file: the decoder refuses the excess."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def _print_step(step: int, found: str) -> None:
    print(f"ok    {step}. {STEPS[step]}: {found}")


def _liveness(result: LivenessResult) -> str:
    asked = f" ({', '.join(result.asked)})" if result.asked else ""
    excluded = [f"; without {one.kind}: {one.reason}" for one in result.excluded]
    return result.outcome + asked + "".join(excluded)


def _print_summary(verified: VerifiedReceipt) -> None:
    statement, decision = verified.statement.message, verified.decision.message
    decided = datetime.datetime.fromtimestamp(statement.decided_at_minute, datetime.UTC)
    lines = {
        "outcome": decision.outcome,
        "decided": f"{decided:%Y-%m-%d %H:%M} UTC",
        "record": statement.record_id.hex(),
        "purpose": statement.purpose,
        "gateway": statement.gateway,
        "key authority": statement.authority,
        "issuer": statement.issuer,
        "device": f"{statement.device} (agent {statement.agent}, outlet {statement.outlet})",
        "model": statement.model_id,
        "match policy": f"{statement.policy_digest.hex()[:16]}... ({statement.policy_assurance})",
        "liveness": _liveness(statement.liveness),
        "consent text": f"version {statement.consent_text_version}",
        "log": _logged(verified.notes),
        "audit": verified.notes[12],
    }
    print()
    for name, value in lines.items():
        print(f"{name:<14} {value}")
    print("\nThe key authority signed this outcome for inputs of these digests.")
    print(_evaluated(verified))


def _logged(notes: dict[int, str]) -> str:
    if 9 not in notes:
        return notes[6]
    return f"{notes[9]} of {notes[7]}, witnesses: {notes[8]}"


def _evaluated(verified: VerifiedReceipt) -> str:
    if verified.audited:
        return "An auditor, who can decrypt nothing, repeated the gateway's evaluation bit for bit."
    return "That the gateway evaluated them correctly is not shown by this receipt."
