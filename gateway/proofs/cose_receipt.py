"""The log's proof as a COSE receipt (RFC 9942), in a transparent statement.

A checkpoint and a COSE receipt sign the same root in two forms. Whoever signs a checkpoint signs
its root for COSE as well (``root_to_be_signed``); the signature travels in the receipt, and all else
of the COSE form follows from what the receipt holds. The two kinds of signed bytes begin with
different bytes, so neither counts for the other.

    transparent statement  the signed statement, with the receipt in its unprotected header (394)
    COSE receipt           COSE_Sign1; protected: alg, kid, CWT claims (iss, sub), vds = RFC9162_SHA256;
                           unprotected: the inclusion proof; payload: the root, detached
"""

from typing import Final

import cbor2

from gateway.translog.note import Kind, NoteKey
from gateway.translog.proof import LogProof
from gateway.wire import cbor
from gateway.wire.cose import ALG_EDDSA, HEADER_ALG, HEADER_KID, TAG_SIGN1
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import digest_of

HEADER_CWT_CLAIMS: Final = 15
HEADER_RECEIPTS: Final = 394
HEADER_VDS: Final = 395
HEADER_VDP: Final = 396
VDS_RFC9162_SHA256: Final = 1
INCLUSION: Final = -1
CLAIM_ISSUER, CLAIM_SUBJECT = 1, 2


def root_to_be_signed(log: NoteKey, root: bytes) -> bytes:
    """What a log signs of a checkpoint's root, besides the checkpoint.

    Raises:
        CallerMisuse: a key of another type than Ed25519.
    """
    return cbor.encode(["Signature1", _protected(log), b"", root])


def cose_receipt(log: NoteKey, proof: LogProof, root_signature: bytes) -> bytes:
    """The RFC 9942 receipt of a log proof."""
    inclusion = cbor.encode([proof.signed.checkpoint.size, proof.index, list(proof.path)])
    unprotected = {HEADER_VDP: {INCLUSION: [inclusion]}}
    # -1 is no key of our own messages' maps: the library encodes what ``cbor.encode`` refuses.
    body = cbor2.dumps([_protected(log), unprotected, None, root_signature], canonical=True)
    return TAG_SIGN1 + body


def transparent_statement(statement: bytes, receipts: list[bytes]) -> bytes:
    """The signed statement with receipts; its own signature still holds."""
    protected, _, payload, signature = cbor.decode(statement.removeprefix(TAG_SIGN1))
    return TAG_SIGN1 + cbor.encode([protected, {HEADER_RECEIPTS: receipts}, payload, signature])


def _protected(log: NoteKey) -> bytes:
    if log.kind is not Kind.ED25519:
        raise CallerMisuse("COSE receipts are made by logs that sign with Ed25519")
    return cbor.encode(
        {
            HEADER_ALG: ALG_EDDSA,
            HEADER_KID: digest_of(log.public),
            HEADER_CWT_CLAIMS: {CLAIM_ISSUER: log.name, CLAIM_SUBJECT: log.name},
            HEADER_VDS: VDS_RFC9162_SHA256,
        }
    )
