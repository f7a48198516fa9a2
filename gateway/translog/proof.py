"""Proofs that stand alone (C2SP ``tlog-proof``): index, inclusion path and checkpoint in one text.

A verifier needs nothing but the entry, this text and its own trust policy: no network, years
later. The optional extra data is not authenticated by anything; nothing may rely on it.
"""

from dataclasses import dataclass, field
from typing import Final, Self

from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import MAX_NOTE_BYTES
from gateway.translog.text import decode_text, from_base64, parse_decimal, parse_hash, to_base64
from gateway.translog.tree import MAX_PATH
from gateway.wire.errors import CallerMisuse, MalformedMessage

MAX_EXTRA_BYTES: Final = 16 * 1024
MAX_PROOF_BYTES: Final = MAX_NOTE_BYTES + 32 * 1024

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True)
class LogProof:
    """That an entry stands at ``index`` of the tree of ``signed``; not checked yet."""

    index: int
    path: tuple[bytes, ...]
    """From the leaf's sibling to the child of the root."""
    signed: SignedCheckpoint
    extra: bytes | None = field(default=None, repr=False)
    """Application data, not authenticated; never empty."""

    def __post_init__(self) -> None:
        if self.extra is not None and not 0 < len(self.extra) <= MAX_EXTRA_BYTES:
            raise CallerMisuse("extra data is absent, or has 1 byte to 16 KiB")

    def __bytes__(self) -> bytes:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + to_base64(self.extra))
        lines.append(f"{_INDEX}{self.index}")
        lines.extend(map(to_base64, self.path))
        return ("\n".join(lines) + "\n\n").encode() + bytes(self.signed)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof.

        Raises:
            BodyTooLarge: longer than any proof we take.
            MalformedMessage: not a proof.
        """
        text = decode_text(data, MAX_PROOF_BYTES, "the log proof")
        head, separator, checkpoint = text.partition("\n\n")
        if not separator:
            raise MalformedMessage("a log proof has an empty line before its checkpoint")
        lines = head.split("\n")
        if lines.pop(0) != _HEADER:
            raise MalformedMessage(f"a log proof begins with {_HEADER}")
        extra = _take_extra(lines)
        if not lines or not lines[0].startswith(_INDEX):
            raise MalformedMessage("a log proof names the index of its entry")
        index = parse_decimal(lines.pop(0).removeprefix(_INDEX), "the index")
        return cls(index, parse_path(lines), SignedCheckpoint.parse(checkpoint.encode()), extra)


def parse_path(lines: list[str]) -> tuple[bytes, ...]:
    """Hashes of a proof, one a line. Raises ``MalformedMessage``."""
    if len(lines) > MAX_PATH:
        raise MalformedMessage(f"a proof has {MAX_PATH} hashes at most")
    return tuple(parse_hash(line, "a hash of the proof") for line in lines)


def _take_extra(lines: list[str]) -> bytes | None:
    if not lines or not lines[0].startswith(_EXTRA):
        return None
    extra = from_base64(lines.pop(0).removeprefix(_EXTRA), "the extra data")
    if not 0 < len(extra) <= MAX_EXTRA_BYTES:
        raise MalformedMessage("extra data has 1 byte to 16 KiB, or its line is left out")
    return extra
