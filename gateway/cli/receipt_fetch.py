"""``sealmatch receipt fetch``: the receipt of a registration whose answer did not come.

Reads RECEIPT.pending, which the registration left, asks the gateway in the counter's name, checks
that the receipt is about that very submission, and writes receipt and openings. The gateway keeps a
session whose receipt is late for a day after it was last asked, others for minutes. RECEIPT.pending
goes when the receipt is there, or when the gateway says that there is no outcome. Of a session that
it no longer knows, only the gateway's operator can tell.

Exit status: 0 match, 3 no match; 1 no outcome, not there yet, unknown, or not valid; 2 usage; 5
refused, or the receipt of another registration.
"""

import argparse
from pathlib import Path

from gateway.cli import MATCH, NO_MATCH
from gateway.cli.outputs import (
    PRIVATE,
    PUBLIC,
    activation_path,
    cleared_when_ended,
    opening_path,
    reserve,
)
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import verify_receipt
from gateway.wire.proof import Opening


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
    fetch.add_argument(
        "--activation-opening", type=Path, metavar="FILE", help="default: RECEIPT.activation"
    )
    fetch.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch, check, write. Errors are reported by the command line's own handler."""
    # Only this verb speaks with a gateway; a receipt is checked without the counter.
    from gateway.cli.pending import known_to_end, read_pending  # noqa: PLC0415
    from gateway.client.counter import counter_line  # noqa: PLC0415

    trust, pending = TrustFile.read(options.trust), read_pending(options.receipt)
    line = counter_line(options.trust, trust)
    with (
        known_to_end(options.receipt, pending),
        line.transport,
        cleared_when_ended(),
        reserve(opening_path(options), PRIVATE) as opening,
        reserve(activation_path(options), PRIVATE) as activation,
        reserve(options.receipt, PUBLIC) as receipt,
    ):
        answer = line.gateway.fetch(pending.session, pending.sent_at)
        verified = verify_receipt(answer.receipt, trust)
        pending.require_own(answer, verified)
        opening.write(pending.opening)
        activation.write(
            Opening.decode(pending.opening)
            .of_activation(verified.statement.message.record_id)
            .encode()
        )
        receipt.write(answer.receipt)
    outcome = verified.decision.message.outcome
    print(outcome)
    return MATCH if outcome == "MATCH" else NO_MATCH
