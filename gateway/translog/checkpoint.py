"""Checkpoints (C2SP ``tlog-checkpoint``): what a log says it holds at one size.

Rule: of two checkpoints that a log signs, one extends the other. Extension lines of other logs are
kept as they are. Our checkpoints have none, since nobody checks them and signatures of ML-DSA-44
do not cover them.
"""

from dataclasses import dataclass, field
from typing import Final, Self

from gateway.translog.note import SignatureLine, SignedNote
from gateway.translog.text import parse_decimal, parse_hash, to_base64
from gateway.translog.tree import EMPTY_ROOT
from gateway.wire.errors import MalformedMessage

_LINES: Final = 3
MAX_EXTENSIONS: Final = 16
MAX_ORIGIN_BYTES: Final = 255
"""What the cosigned message of ML-DSA-44 can hold."""


@dataclass(frozen=True)
class Checkpoint:
    """The lines of a checkpoint."""

    origin: str
    """The log's identity: a URL without scheme, and the name of the log's keys."""
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < len(self.origin.encode()) <= MAX_ORIGIN_BYTES:
            raise MalformedMessage(f"an origin has 1 to {MAX_ORIGIN_BYTES} bytes")
        if len(self.extensions) > MAX_EXTENSIONS or not all(self.extensions):
            raise MalformedMessage(f"extension lines are not empty, and {MAX_EXTENSIONS} at most")

    @property
    def text(self) -> str:
        """The note's text, with the final newline."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note. Raises ``MalformedMessage``."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < _LINES or not text.endswith("\n"):
            raise MalformedMessage("a checkpoint has three lines: origin, size and root")
        origin, size, root, *extensions = lines
        return cls(
            origin,
            parse_decimal(size, "the size"),
            parse_hash(root, "the root"),
            tuple(extensions),
        )

    def check_empty_root(self) -> None:
        """Raise ``MalformedMessage`` if an empty tree has a root other than ``EMPTY_ROOT``."""
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedMessage("the root of the empty tree is another")


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint and the note that carried it; its signatures are not checked yet."""

    checkpoint: Checkpoint
    note: SignedNote = field(repr=False)

    def __bytes__(self) -> bytes:
        return bytes(self.note)

    @classmethod
    def make(cls, checkpoint: Checkpoint, *lines: SignatureLine) -> Self:
        return cls(checkpoint, SignedNote(checkpoint.text, lines))

    def with_signatures(self, *lines: SignatureLine) -> Self:
        return type(self)(self.checkpoint, self.note.with_signatures(lines))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a signed checkpoint.

        Raises:
            BodyTooLarge: longer than any note we take.
            MalformedMessage: not a signed checkpoint.
        """
        note = SignedNote.parse(data)
        return cls(Checkpoint.parse(note.text), note)
