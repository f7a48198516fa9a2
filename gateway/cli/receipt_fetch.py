"""``sealmatch receipt fetch``: the receipt of a registration that ended as RECORDED.

Asks the gateway in the counter's name, checks the receipt, and writes it. The gateway keeps such a
session for a day after it was last asked.

Exit status: 0 fetched; 1 not there yet, unknown, or not valid; 2 usage; 5 refused, or the receipt
of another registration.
"""

import argparse
import re
from pathlib import Path
from typing import Final

from gateway.cli.counter import counter_line
from gateway.cli.outputs import PUBLIC, reserve
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import VerifiedReceipt, verify_receipt
from gateway.wire.errors import Refused
from gateway.wire.ids import SessionId
from gateway.wire.proof import Opening
from gateway.wire.subject import activation_commitment

_SESSION: Final = re.compile("[0-9a-f]{32}")


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetch = verbs.add_parser(
        "fetch",
        help="get the receipt of a registration that ended as RECORDED",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fetch.add_argument("session", type=_session, metavar="SESSION", help="32 hexadecimal digits")
    fetch.add_argument("--trust", type=Path, required=True, metavar="FILE")
    fetch.add_argument("--receipt", type=Path, required=True, metavar="FILE")
    fetch.add_argument(
        "--opening", type=Path, metavar="FILE", help="the registration's (default: RECEIPT.opening)"
    )
    fetch.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch, check, write. Errors are reported by the command line's own handler."""
    trust = TrustFile.read(options.trust)
    path = options.opening or Path(f"{options.receipt}.opening")
    opening = Opening.decode(path.read_bytes()[: Opening.max_bytes + 1])
    line = counter_line(options.trust, trust)
    with line.transport, reserve(options.receipt, PUBLIC) as receipt:
        answer = line.gateway.fetch(options.session)
        _require_own(verify_receipt(answer.receipt, trust), options.session, opening)
        receipt.write(answer.receipt)
    print(answer.outcome)
    return 0


def _require_own(verified: VerifiedReceipt, session: SessionId, opening: Opening) -> None:
    """A gateway must not answer with somebody else's receipt. Raises ``Refused``."""
    stated = verified.statement.message
    claimed = activation_commitment(opening.activation_reference, opening.activation_salt)
    if stated.session != session or stated.activation_commitment != claimed:
        raise Refused("the gateway answered with the receipt of another registration")


def _session(text: str) -> SessionId:
    if not _SESSION.fullmatch(text):
        raise argparse.ArgumentTypeError("a session is 32 hexadecimal digits")
    return SessionId(bytes.fromhex(text))
