"""A receipt as a transparent statement: one COSE object, for tools that know nothing of ours.

The signed statement keeps its signature; the log's COSE receipt (RFC 9942) stands in its
unprotected header. The entry in the log is the SHA-256 of the statement *without* that header, as
the gateway signed it.
"""

from typing import Final

from gateway.proofs.trust import TrustFile
from gateway.translog.cose_receipt import cose_receipt, signed_for_cose
from gateway.translog.proof import LogProof
from gateway.wire import cbor
from gateway.wire.cose import TAG_SIGN1
from gateway.wire.errors import Refused
from gateway.wire.proof import Receipt

HEADER_RECEIPTS: Final = 394


def transparent_statement(receipt: Receipt, trust: TrustFile) -> bytes:
    """The statement of a verified receipt, with a COSE receipt for each pinned key of its log.

    Raises:
        Refused: the receipt has no log proof, the trust file pins no log, or the log makes no
            COSE receipts.
    """
    if receipt.log_proof is None or trust.log is None:
        raise Refused("a transparent statement needs a log proof, and a log in the trust file")
    proof = LogProof.parse(receipt.log_proof)
    keys = [
        k for k in trust.log.keys_of(proof.signed.checkpoint.origin) if signed_for_cose(k, proof)
    ]
    if not keys:
        raise Refused("this log makes no COSE receipts")
    receipts = [cose_receipt(key, proof) for key in keys]
    protected, _, payload, signature = cbor.decode(receipt.statement.removeprefix(TAG_SIGN1))
    return TAG_SIGN1 + cbor.encode([protected, {HEADER_RECEIPTS: receipts}, payload, signature])
