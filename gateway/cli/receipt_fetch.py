"""``sealmatch receipt fetch``: the receipt of a registration whose answer did not come.

Reads RECEIPT.pending, which the registration left, asks the gateway in the counter's name, checks
that the receipt is about that very submission and says of it what was sent, and writes receipt and
openings. The gateway keeps a session whose receipt is late for a day after it was last asked,
others for minutes. RECEIPT.pending goes when the receipt is there, or when the gateway says that
there is no outcome. Of a session that it no longer knows, only the gateway's operator can tell.

Of a registration without a face it sends what agent and supervisor signed once more: the gateway
has recorded it, or does now, and never twice.

Exit status: 0 match, 3 no match, 7 recorded without a face; 1 no outcome, not there yet, unknown,
or not valid; 2 usage; 5 refused, or the receipt of another registration.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli import MATCH, NO_MATCH, WITHOUT_FACE
from gateway.cli.outputs import (
    PRIVATE,
    PUBLIC,
    activation_path,
    cleared_when_ended,
    opening_path,
    reserve,
)
from gateway.proofs.fallback import OUTCOME, VerifiedFallback
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import VerifiedReceipt, verify_receipt
from gateway.wire.fallback import FallbackRequest
from gateway.wire.proof import Opening

if TYPE_CHECKING:  # only ``fetch`` speaks with a gateway
    from gateway.client.counter import CounterLine
    from gateway.client.fallback import PendingFallback
    from gateway.client.pending import PendingReceipt


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
    from gateway.client.fallback import PendingFallback  # noqa: PLC0415

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
        found, verified = (
            _recorded(pending, line, trust)
            if isinstance(pending, PendingFallback)
            else _decided(pending, line, trust)
        )
        opening.write(pending.opening)
        activation.write(
            Opening.decode(pending.opening)
            .of_activation(verified.statement.message.record_id)
            .encode()
        )
        receipt.write(found)
    if isinstance(verified, VerifiedFallback):
        print(OUTCOME)
        return WITHOUT_FACE
    outcome = verified.decision.message.outcome
    print(outcome)
    return MATCH if outcome == "MATCH" else NO_MATCH


def _decided(
    pending: "PendingReceipt", line: "CounterLine", trust: TrustFile
) -> tuple[bytes, VerifiedReceipt]:
    from gateway.host.clock import unix_time  # noqa: PLC0415  as above

    answer = line.gateway.fetch(pending.session, pending.sent_at)
    verified = verify_receipt(answer.receipt, trust)
    pending.require_own(answer, verified, unix_time())
    return answer.receipt, verified


def _recorded(
    pending: "PendingFallback", line: "CounterLine", trust: TrustFile
) -> tuple[bytes, VerifiedFallback]:
    from gateway.client.fallback import record, require_own  # noqa: PLC0415
    from gateway.host.clock import unix_time  # noqa: PLC0415

    request = FallbackRequest.decode(pending.request)
    found = record(line.gateway, request)
    return found, require_own(found, request, trust, unix_time())
