"""The log's proof as a COSE receipt (RFC 9942), for those who read CBOR and no notes.

A checkpoint and a COSE receipt sign the same root in two forms. A log that signs with Ed25519
writes both signatures into its checkpoint. The second is a line of a type of its own. Readers of
checkpoints pass over it, as C2SP ``signed-note`` requires for types that they do not know. So every
``tlog-proof`` can become a COSE receipt, offline, years later. The signed bytes of the two forms
begin differently, so neither counts for the other.

COSE_Sign1; protected: alg, kid (SHA-256 of the log's public key), CWT claims (iss, sub: the log's
origin), vds = RFC9162_SHA256; unprotected: the inclusion proof; payload: the root, detached.
"""

import hashlib
from typing import Final

import cbor2

from gateway.translog.checkpoint import Checkpoint
from gateway.translog.note import Kind, NoteKey, NoteSigner, SignatureLine
from gateway.translog.proof import LogProof
from gateway.wire import cbor
from gateway.wire.cose import ALG_EDDSA, HEADER_ALG, HEADER_CWT_CLAIMS, HEADER_KID, TAG_SIGN1
from gateway.wire.errors import CallerMisuse, Refused
from gateway.wire.ids import digest_of
from gateway.wire.message import CLAIM_ISSUER, CLAIM_SUBJECT

HEADER_VDS: Final = 395
HEADER_VDP: Final = 396
VDS_RFC9162_SHA256: Final = 1
INCLUSION: Final = -1

_LINE_TYPE: Final = b"\xffsealmatch/cose-receipt-root/1"
"""0xff: a signature type without a number, told apart by what follows (C2SP ``signed-note``)."""
_ID_BYTES: Final = 4


def makes_cose_receipts(log: NoteKey) -> bool:
    """Whether a log with this key signs roots for COSE as well."""
    return log.kind is Kind.ED25519


def signed_for_cose(log: NoteKey, proof: LogProof) -> bool:
    """Whether the checkpoint carries a signature for COSE that claims to be this key's."""
    return makes_cose_receipts(log) and _line(log, proof) is not None


def sign_root(checkpoint: Checkpoint, signer: NoteSigner) -> SignatureLine:
    """The log's signature for COSE, as a line of the checkpoint's note.

    Raises:
        CallerMisuse: a key of another type than Ed25519.
    """
    signature = signer.private.sign(_to_be_signed(signer.key, checkpoint.root))
    return SignatureLine(signer.key.name, _line_id(signer.key), signature)


def cose_receipt(log: NoteKey, proof: LogProof) -> bytes:
    """The COSE receipt of a log proof.

    Raises:
        Refused: the checkpoint carries no signature for COSE of this key, or one that fails.
    """
    signature = _signature(log, proof)
    inclusion = cbor.encode([proof.signed.checkpoint.size, proof.index, list(proof.path)])
    unprotected = {HEADER_VDP: {INCLUSION: [inclusion]}}
    # A negative key is in no message of ours: the library encodes what ``cbor.encode`` refuses.
    return TAG_SIGN1 + cbor2.dumps([_protected(log), unprotected, None, signature], canonical=True)


def _signature(log: NoteKey, proof: LogProof) -> bytes:
    line = _line(log, proof)
    if line is None:
        raise Refused("the checkpoint carries no signature for COSE receipts")
    log.algorithm.check(
        log.public, line.signature, _to_be_signed(log, proof.signed.checkpoint.root)
    )
    return line.signature


def _line(log: NoteKey, proof: LogProof) -> SignatureLine | None:
    named = (log.name, _line_id(log))
    lines = proof.signed.note.signatures
    return next((line for line in lines if (line.name, line.key_id) == named), None)


def _to_be_signed(log: NoteKey, root: bytes) -> bytes:
    return cbor.encode(["Signature1", _protected(log), b"", root])


def _protected(log: NoteKey) -> bytes:
    if not makes_cose_receipts(log):
        raise CallerMisuse("COSE receipts are made by logs that sign with Ed25519")
    return cbor.encode(
        {
            HEADER_ALG: ALG_EDDSA,
            HEADER_KID: digest_of(log.public),
            HEADER_CWT_CLAIMS: {CLAIM_ISSUER: log.name, CLAIM_SUBJECT: log.name},
            HEADER_VDS: VDS_RFC9162_SHA256,
        }
    )


def _line_id(log: NoteKey) -> bytes:
    named = log.name.encode() + b"\n" + _LINE_TYPE + log.public
    return hashlib.sha256(named).digest()[:_ID_BYTES]
