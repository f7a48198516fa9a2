"""``sealmatch receipt erased``: was the record of a receipt erased, or did it expire?

Both leave the same, so the answer does not tell which. The gateway is asked in the counter's name,
or with a reader's key (--key, as for sealmatch log check). What it answers is checked, and written
with --out: ``sealmatch receipt verify RECEIPT --erasure FILE`` checks it offline.

Exit status: 0 it was, and the proof is checked; 3 the gateway knows of no erasure; 6 receipt or
proof is NOT valid; 1 not known: no answer, or the log has not published it yet; 2 usage; 5 refused.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from gateway.cli import FAILURE, NOT_VALID
from gateway.cli.outputs import PRIVATE, about, read_bounded, reserve
from gateway.proofs.erased import (
    Dated,
    ErasureInvalid,
    NotPublished,
    read_erasure,
    verify_erasure,
)
from gateway.proofs.fallback import verify_any
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.erasure import ErasureProof
from gateway.wire.proof import Receipt

NOT_ERASED: Final = 3


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    erased = verbs.add_parser(
        "erased",
        help="ask whether the gateway has erased a receipt's record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    erased.add_argument("receipt", type=Path, metavar="FILE")
    erased.add_argument("--trust", type=Path, required=True, metavar="FILE")
    erased.add_argument("--key", type=Path, metavar="FILE", help="a reader's key (log new-key)")
    erased.add_argument("--out", type=Path, metavar="FILE", help="where to write the proof")
    erased.add_argument("--json", action="store_true", help="print one JSON object")
    erased.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, check, write. Other errors are reported by the command line's own handler."""
    # Only this verb and fetch speak with a gateway.
    from gateway.client.rights import find_erasure, line_under  # noqa: PLC0415

    trust = TrustFile.read(options.trust)
    receipt = read_bounded(options.receipt, Receipt.max_bytes)
    try:
        verify_any(receipt, trust)
    except ReceiptInvalid as error:
        print(f"{options.receipt}: the receipt is NOT valid: {error}", file=sys.stderr)
        return NOT_VALID
    with line_under(options.trust, trust, options.key) as (line, _):
        proof = find_erasure(line, receipt)
    if proof is None:
        return _tell(options, NOT_ERASED, "the gateway knows of no erasure of this record", None)
    return _checked(options, proof, receipt, trust)


def _checked(
    options: argparse.Namespace, proof: ErasureProof, receipt: bytes, trust: TrustFile
) -> int:
    from gateway.client.rights import AnswerDiffers, require_past  # noqa: PLC0415  as above
    from gateway.host.clock import unix_time  # noqa: PLC0415

    try:
        erased = verify_erasure(proof, receipt, trust)
        require_past(erased.days, unix_time())
    except AnswerDiffers as error:
        return _tell(options, NOT_VALID, error.detail, None)
    except NotPublished as error:
        return _tell(options, FAILURE, str(error), None)
    except ErasureInvalid as error:
        return _tell(options, NOT_VALID, f"the proof is NOT valid: {error}", None)
    if options.out is not None:
        with reserve(options.out, PRIVATE) as out:
            out.write(proof.encode())
    return _tell(options, 0, f"erased on {erased.day}", erased)


def _tell(options: argparse.Namespace, status: int, told: str, erased: Dated | None) -> int:
    if options.json:
        print(json.dumps({"erased": erased is not None, **_dated(erased), "told": told}))
    else:
        print(told, file=sys.stdout if status in (0, NOT_ERASED) else sys.stderr)
    return status


def _dated(erased: Dated | None) -> dict[str, object]:
    return {} if erased is None else {"erasedOn": str(erased.day)}


def read_proof(path: Path) -> ErasureProof:
    """A proof of erasure as a file. Raises ``UnusableFile``."""
    content = read_bounded(path, ErasureProof.max_bytes)
    with about(path):
        return read_erasure(content)
