"""Signatures over checkpoints, of logs and of witnesses (C2SP ``tlog-cosignature``).

The type of the key decides what is signed:

``Kind.ED25519``                the checkpoint's text; only logs sign so.
``Kind.COSIGNATURE_ED25519``    ``cosignature/v1``, a line with the time, and the text.
``Kind.COSIGNATURE_ML_DSA_44``  a binary ``cosigned_message`` that also binds the signer's name.

A cosignature says: at this time, this was the largest consistent tree of this log that I have
seen. The time stands before the signature proper, 8 bytes, big-endian.
"""

import struct
from typing import Final

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.note import Kind, NoteKey, NoteSigner, SignatureLine
from gateway.translog.tree import MAX_SIZE
from gateway.wire.errors import CallerMisuse, Refused

_TIME_BYTES: Final = 8
_SUBTREE_LABEL: Final = b"subtree/v1\n\0"


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner, now: int) -> SignatureLine:
    """Sign a checkpoint; ``now`` (seconds since 1970) enters cosignatures only."""
    if signer.key.kind is Kind.ED25519:
        return signer.line(checkpoint.text.encode())
    if not 0 < now <= MAX_SIZE:
        raise CallerMisuse("a cosignature has a time")
    return signer.line(_message(checkpoint, signer.key, now), now.to_bytes(_TIME_BYTES, "big"))


def check_line(checkpoint: Checkpoint, line: SignatureLine, key: NoteKey) -> int | None:
    """Check that ``line`` is the signature of ``key`` over ``checkpoint``.

    Returns:
        The time of a cosignature in seconds since 1970; None for a plain signature.

    Raises:
        Refused: it is not.
    """
    if not line.by(key):
        raise Refused(f"not a signature of {key.name}")
    if key.kind is Kind.ED25519:
        key.algorithm.check(key.public, line.signature, checkpoint.text.encode())
        return None
    prefix, signature = line.signature[:_TIME_BYTES], line.signature[_TIME_BYTES:]
    time = int.from_bytes(prefix, "big")
    if len(signature) != key.algorithm.signature_bytes or not 0 < time <= MAX_SIZE:
        raise Refused(f"not a cosignature of {key.name}")
    key.algorithm.check(key.public, signature, _message(checkpoint, key, time))
    return time


def check_signed(signed: SignedCheckpoint, key: NoteKey) -> list[int | None]:
    """Check every signature that claims to be this key's; without any, the list is empty.

    Returns:
        The times of the signatures, see ``check_line``.

    Raises:
        Refused: one of them does not verify; the whole note is then worthless.
    """
    return [check_line(signed.checkpoint, line, key) for line in signed.note.signed_by(key)]


def _message(checkpoint: Checkpoint, key: NoteKey, time: int) -> bytes:
    if key.kind is Kind.COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
    return b"".join(
        [
            _SUBTREE_LABEL,
            _opaque(key.name),
            struct.pack(">Q", time),
            _opaque(checkpoint.origin),
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        ]
    )


def _opaque(text: str) -> bytes:
    """``opaque<1..255>`` of RFC 8446, section 3.4."""
    data = text.encode()
    return bytes([len(data)]) + data
