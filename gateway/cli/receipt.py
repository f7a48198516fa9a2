"""``sealmatch receipt``: the subscriber, or a stranger, checks a receipt offline, or hands it on.

Exit status of ``export`` and ``page``: 0 written, 6 the receipt is not valid, 1 another failure, 2
usage. ``verify``, ``fetch`` and ``erased`` have more.
"""

import argparse
from pathlib import Path

from gateway.cli import receipt_erased, receipt_fetch, receipt_verify
from gateway.cli.outputs import PUBLIC, about, read_bounded, reserve
from gateway.proofs.checker import checker_page
from gateway.proofs.fallback import verify_any
from gateway.proofs.transparent import transparent_statement
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid
from gateway.proofs.wordings import WORDINGS
from gateway.wire.proof import Receipt


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    receipt_verify.add_verb(verbs)
    _add_export(verbs)
    _add_page(verbs)
    receipt_fetch.add_verb(verbs)
    receipt_erased.add_verb(verbs)


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
    encoded = read_bounded(options.receipt, Receipt.max_bytes)
    try:
        verified = verify_any(encoded, trust)
    except ReceiptInvalid as error:
        return receipt_verify.not_valid(options, error)
    if options.format == "html":
        from gateway.proofs.printable import printable_page  # noqa: PLC0415  draws QR codes

        content = printable_page(verified, options.language).encode()
    else:
        with about(options.receipt):
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
