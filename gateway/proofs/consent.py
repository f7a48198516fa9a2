"""The texts that a person agrees to, of one version: what the receipt's version number means.

The gateway's operator registers a version once, and it never changes. ``consent export`` writes it
as a file. The counter shows from this file and no other: its trust file pins the file's digest. A
version says for how long the record is kept, and how to register without a face.
"""

import codecs
import hashlib
import json
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from gateway.proofs.edited import MAX_FAULTS, EditedPart
from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import ConsentTextVersion, Digest

MAX_BYTES: Final = 128 * 1024
MAX_TEXT: Final = 4000
MAX_WITHOUT_FACE: Final = 1000

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]


def _printable(length: int) -> object:
    # Line breaks are welcome; other control characters could repaint a terminal.
    pattern = (
        r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x09\x0b-\x1f\x7f-\x9f]*$"
    )
    return StringConstraints(max_length=length, pattern=pattern)


class ConsentText(EditedPart):
    """What is shown in one language."""

    text: Annotated[str, _printable(MAX_TEXT)]
    without_face: Annotated[str, _printable(MAX_WITHOUT_FACE)]
    """How the person can register without showing a face."""


class ConsentTexts(EditedPart):
    """One version in all its languages."""

    version: ConsentTextVersion
    retention_days: Annotated[int, Field(ge=1, le=3650)]
    """For how long a record is kept; each text's reader is told."""
    texts: Annotated[dict[LanguageTag, ConsentText], Field(min_length=1, max_length=50)]

    @classmethod
    def decode(cls, content: bytes) -> "ConsentTexts":
        """Read the file. Raises ``MalformedMessage``, naming the fields that are wrong."""
        if len(content) > MAX_BYTES:
            raise MalformedMessage("it is too long for consent texts")
        try:
            return cls.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
        except ValidationError as error:
            places = {".".join(map(str, one["loc"])) for one in error.errors()}
            named = ", ".join(sorted(filter(None, places))[:MAX_FAULTS])
            raise MalformedMessage(
                f"no consent texts: {named or 'it is not JSON in UTF-8'}"
            ) from None

    @classmethod
    def read(cls, path: Path, digest: Digest) -> "ConsentTexts":
        """Read the file that a trust file names.

        Raises:
            MalformedMessage: it is not what the digest pins, or cannot be read.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise MalformedMessage(f"{path}: {error.strerror}") from None
        try:
            texts = cls.decode(content)
        except MalformedMessage as error:
            raise MalformedMessage(f"{path}: {error}") from None
        if texts.digest != digest:
            raise MalformedMessage(
                f"{path}: these are not the consent texts that the trust file pins (consentDigest)"
            )
        return texts

    def encode(self) -> bytes:
        """The one encoding that is exported: JSON with sorted members."""
        members = self.model_dump(by_alias=True)
        return json.dumps(members, ensure_ascii=False, indent=2, sort_keys=True).encode() + b"\n"

    @property
    def digest(self) -> Digest:
        """SHA-256 of ``encode``: however a file is laid out, it is the words that count."""
        return Digest(hashlib.sha256(self.encode()).digest())
