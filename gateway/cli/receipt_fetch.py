"""``sealmatch receipt fetch``: the receipt of a registration whose answer did not come.

Reads RECEIPT.pending, which the registration left, asks the gateway in the counter's name, checks
that the receipt is about that very submission, and writes receipt and opening. The gateway keeps a
session whose receipt is late for a day after it was last asked, others for minutes.

Exit status: 0 match, 3 no match; 1 not there yet, unknown, or not valid; 2 usage; 5 refused, or the
receipt of another registration.
"""

import argparse
from pathlib import Path

from gateway.cli import MATCH, NO_MATCH
from gateway.cli.outputs import PRIVATE, PUBLIC, opening_path, pending_path, reserve
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import verify_receipt


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetch = verbs.add_parser(
        "fetch",
        help="get the receipt of a registration whose answer did not come",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fetch.add_argument("--trust", type=Path, required=True, metavar="FILE")
    fetch.add_argument(
        "--receipt", type=Path, required=True, metavar="FILE", help="as given to register"
    )
    fetch.add_argument("--opening", type=Path, metavar="FILE", help="default: RECEIPT.opening")
    fetch.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch, check, write. Errors are reported by the command line's own handler."""
    # Only this verb speaks with a gateway; a receipt is checked without the counter.
    from gateway.client.counter import counter_line  # noqa: PLC0415
    from gateway.client.pending import PendingReceipt  # noqa: PLC0415

    trust, path = TrustFile.read(options.trust), pending_path(options.receipt)
    with path.open("rb") as file:
        pending = PendingReceipt.decode(file.read(PendingReceipt.max_bytes + 1))
    line = counter_line(options.trust, trust)
    with (
        line.transport,
        reserve(opening_path(options), PRIVATE) as opening,
        reserve(options.receipt, PUBLIC) as receipt,
    ):
        answer = line.gateway.fetch(pending.session)
        verified = verify_receipt(answer.receipt, trust)
        pending.require_own(answer, verified)
        opening.write(pending.opening)
        receipt.write(answer.receipt)
    path.unlink()
    outcome = verified.decision.message.outcome
    print(outcome)
    return MATCH if outcome == "MATCH" else NO_MATCH
