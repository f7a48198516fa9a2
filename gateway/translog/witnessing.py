"""What log and witness say to each other (C2SP ``tlog-witness``), and when a witness cosigns.

A witness remembers, for each log it knows, the largest tree that it cosigned. It cosigns another
tree only if that extends the one it remembers. So whoever sees its cosignature knows that everyone
else who sees one was shown the same history. Checks, in order, with the HTTP status of each
failure:

1. The request is well-formed (400).
2. The checkpoint's origin is that of a known log (404).
3. A known key of the log signed it, and no signature of such a key is wrong (403).
4. The old size is not larger than the checkpoint's (400).
5. The old size is that of the tree remembered, or zero if there is none (409, with the right one).
6. The new tree extends the old one (422).

The remembered tree must not change between the check and the writing of the new one. So the caller
holds one transaction around both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Self

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_line, check_signed
from gateway.translog.note import MAX_SIGNATURES, NoteKey, SignatureLine, parse_signatures
from gateway.translog.proof import parse_path
from gateway.translog.text import decode_text, parse_decimal, to_base64
from gateway.translog.tree import EMPTY_ROOT, verify_consistency
from gateway.wire.errors import (
    MalformedMessage,
    NotConsistent,
    Refused,
    SealmatchError,
    UnknownLog,
)

MAX_REQUEST_BYTES: Final = 128 * 1024
"""Room for 63 hashes and 32 signatures of ML-DSA-44."""
MAX_ANSWER_BYTES: Final = 128 * 1024

_OLD: Final = "old "


class SizeConflict(SealmatchError):
    """The witness remembers a tree of another ``size`` than the request's old one."""

    def __init__(self, size: int) -> None:
        super().__init__("the old size is not that of the latest checkpoint cosigned")
        self.size = size


@dataclass(frozen=True)
class Remembered:
    """The largest tree of a log that a witness cosigned."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    time: int = 0
    """Of its cosignature, seconds since 1970; zero if there is none."""


NOTHING: Final = Remembered()


@dataclass(frozen=True)
class AddCheckpoint:
    """A log's request for cosignatures."""

    old: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint

    def __bytes__(self) -> bytes:
        lines = [f"{_OLD}{self.old}", *map(to_base64, self.proof)]
        return ("\n".join(lines) + "\n\n").encode() + bytes(self.signed)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Step 1.

        Raises:
            BodyTooLarge: longer than any request we take.
            MalformedMessage: not a request.
        """
        text = decode_text(data, MAX_REQUEST_BYTES, "the request")
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        first = lines.pop(0)
        if not separator or not first.startswith(_OLD):
            raise MalformedMessage("a request has an old size, a proof and a checkpoint")
        old = parse_decimal(first.removeprefix(_OLD), "the old size")
        return cls(old, parse_path(lines), SignedCheckpoint.parse(checkpoint.encode()))


def check_origin(request: AddCheckpoint, keys: Sequence[NoteKey]) -> list[SignatureLine]:
    """Steps 2 and 3, against the witness's keys of the log with the checkpoint's origin.

    Returns:
        The log's signatures that were checked.

    Raises:
        UnknownLog: there are none.
        Refused: no signature of the log, or a wrong one.
    """
    if not keys:
        raise UnknownLog("no log of this origin is known here")
    for key in keys:
        check_signed(request.signed, key)
    lines = [line for key in keys for line in request.signed.note.signed_by(key)]
    if not lines:
        raise Refused("no known key of the log signed the checkpoint")
    return lines


def check_growth(request: AddCheckpoint, remembered: Remembered) -> None:
    """Steps 4 to 6.

    Raises:
        MalformedMessage: the tree would shrink.
        SizeConflict: another tree is remembered than the log believes.
        NotConsistent: the new tree does not extend the remembered one.
    """
    new = request.signed.checkpoint
    if request.old > new.size:
        raise MalformedMessage("the old size is larger than the checkpoint's")
    if request.old != remembered.size:
        raise SizeConflict(remembered.size)
    try:
        new.check_empty_root()
        verify_consistency(request.old, remembered.root, new.size, new.root, request.proof)
    except Refused as error:
        raise NotConsistent(error.detail) from None
    except MalformedMessage as error:
        raise NotConsistent(str(error)) from None


def encode_answer(lines: Collection[SignatureLine]) -> bytes:
    return "".join(map(str, lines)).encode()


def cosignatures(
    answer: bytes, checkpoint: Checkpoint, keys: Collection[NoteKey]
) -> list[tuple[SignatureLine, int]]:
    """The cosignatures in a witness's answer that are made with its known keys, and their times.

    Lines of other keys are passed over.

    Raises:
        BodyTooLarge: longer than any answer we take.
        MalformedMessage: not signature lines.
        Refused: a signature of a known key is wrong.
    """
    lines = parse_signatures(decode_text(answer, MAX_ANSWER_BYTES, "the witness's answer"))
    found = []
    for key in keys:
        for line in lines:
            if line.by(key):
                time = check_line(checkpoint, line, key)
                if time is not None:
                    found.append((line, time))
    return found[:MAX_SIGNATURES]
