"""Signed notes (C2SP ``signed-note``): a text, an empty line, and lines of signatures.

Rules:
- The text counts only for those whose keys a verifier knows: a name, a type and a public key.
- A signature whose name *and* key id are those of a known key must verify, or the whole note is
  refused. All others are passed over.
- A parsed note encodes to the same bytes.

The type of a key says what its signature covers: ``Kind.ED25519`` the text itself; the two others
are cosignatures, see ``cosignature``.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, Self

from gateway.translog.algorithms import ED25519, ML_DSA_44, Algorithm, PrivateKey
from gateway.translog.text import decode_text, from_base64, to_base64
from gateway.wire.errors import CallerMisuse, MalformedMessage

MAX_NOTE_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 32
"""C2SP asks for 16 at least."""
MAX_NAME_BYTES: Final = 255
"""What the cosigned message of ML-DSA-44 can hold."""
MAX_SIGNATURE_BYTES: Final = 5 * 1024

_DASH: Final = "\u2014 "
_ID_BYTES: Final = 4


class Kind(IntEnum):
    """Signature types, as C2SP ``signed-note`` numbers them."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06


_ALGORITHMS: Final[dict[Kind, Algorithm]] = {
    Kind.ED25519: ED25519,
    Kind.COSIGNATURE_ED25519: ED25519,
    Kind.COSIGNATURE_ML_DSA_44: ML_DSA_44,
}


@dataclass(frozen=True)
class NoteKey:
    """A named public key of one type; as text, a *vkey*."""

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != self.algorithm.public_bytes:
            raise MalformedMessage(f"not a public key of {self.algorithm.name}")

    @property
    def algorithm(self) -> Algorithm:
        return _ALGORITHMS[self.kind]

    @property
    def key_id(self) -> bytes:
        """4 bytes: they find a key, they do not identify it."""
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a vkey. Raises ``MalformedMessage``."""
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise MalformedMessage("a verifier key is a name, an id and a key, joined by +")
        name, key_id, encoded = parts
        material = from_base64(encoded, "the verifier key")
        if material[:1] not in {bytes([kind]) for kind in Kind}:
            raise MalformedMessage("a verifier key of an unknown signature type")
        key = cls(name, Kind(material[0]), material[1:])
        if key.key_id.hex() != key_id:
            raise MalformedMessage("the id of the verifier key does not belong to it")
        return key


@dataclass(frozen=True)
class SignatureLine:
    """Who signed, and what they wrote; not checked yet."""

    name: str
    key_id: bytes
    signature: bytes = field(repr=False)

    def by(self, key: NoteKey) -> bool:
        """Whether it claims to be this key's."""
        return self.name == key.name and self.key_id == key.key_id

    def __str__(self) -> str:
        """The line, with the newline that ends it."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line, without its newline. Raises ``MalformedMessage``."""
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise MalformedMessage("not a signature line")
        check_name(name)
        data = from_base64(encoded, "a signature")
        if not _ID_BYTES < len(data) <= _ID_BYTES + MAX_SIGNATURE_BYTES:
            raise MalformedMessage("a signature of an impossible length")
        return cls(name, data[:_ID_BYTES], data[_ID_BYTES:])


@dataclass(frozen=True)
class SignedNote:
    """A text with its signature lines, none of them checked yet."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    def signed_by(self, key: NoteKey) -> list[SignatureLine]:
        return [line for line in self.signatures if line.by(key)]

    def with_signatures(self, lines: Iterable[SignatureLine]) -> Self:
        """The same note with further signatures; lines that it has already are not repeated."""
        new = dict.fromkeys([*self.signatures, *lines])
        if len(new) > MAX_SIGNATURES:
            raise CallerMisuse(f"a note carries {MAX_SIGNATURES} signatures at most")
        return replace(self, signatures=tuple(new))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note.

        Raises:
            BodyTooLarge: longer than any note we take.
            MalformedMessage: not a note.
        """
        whole = decode_text(data, MAX_NOTE_BYTES, "the note")
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines:
            raise MalformedMessage("a note ends in an empty line and signatures")
        return cls(text + "\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[SignatureLine, ...]:
    """Signature lines, each ended by a newline. Raises ``MalformedMessage``."""
    if not lines.endswith("\n"):
        raise MalformedMessage("a signature line ends in a newline")
    split = lines[:-1].split("\n")
    if len(split) > MAX_SIGNATURES:
        raise MalformedMessage(f"more than {MAX_SIGNATURES} signatures")
    return tuple(SignatureLine.parse(line) for line in split)


@dataclass(frozen=True)
class NoteSigner:
    """A key of a log or witness with its private half, which never shows in a ``repr``."""

    key: NoteKey
    private: PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, kind: Kind, seed: bytes) -> Self:
        """The signer that 32 secret bytes make."""
        private, public = _ALGORITHMS[kind].from_seed(seed)
        return cls(NoteKey(name, kind, public), private)

    def line(self, message: bytes, prefix: bytes = b"") -> SignatureLine:
        """The signature over ``message`` as a line, with ``prefix`` written before it."""
        signature = prefix + self.private.sign(message)
        return SignatureLine(self.key.name, self.key.key_id, signature)


def check_name(name: str) -> None:
    """Raise ``MalformedMessage`` unless a key may have this name."""
    if any(c.isspace() or c == "+" or c < " " for c in name):
        raise MalformedMessage("a key name contains no spaces, plus signs or control characters")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise MalformedMessage("a key name is not Unicode text") from None
    if not 0 < length <= MAX_NAME_BYTES:
        raise MalformedMessage(f"a key name has 1 to {MAX_NAME_BYTES} bytes")
