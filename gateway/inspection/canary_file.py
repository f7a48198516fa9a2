"""An inspector's canary: what would be found of her own face and document if a server kept it.

The file holds biometric data: the vectors of her pictures, from which signs and template follow,
and the number of her document. It is made at her own counter, only where a command says so, with
mode 0600. It holds the ids of the records that the registrations left, so that an inspection can
tell whether it looks for something that ever came there. ``destroy`` overwrites the file and
removes it.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, get_args

import numpy as np
from numpy.typing import NDArray

from gateway.he.frame import probe_signs, template_values
from gateway.host.keyfile import read_private, write_private
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import DocumentType
from gateway.wire.profile import DIMENSION

FORMAT: Final = "sealmatch-canary/1"
WARNING: Final = (
    "holds biometric data and a document's number of the inspector; destroy it after the "
    "inspection: sealmatch inspect canary destroy FILE"
)
NUMBER, FACE = "number of the canary", "face of the canary"
REFERENCE: Final = "order of the canary"

_MAX_BYTES: Final = 1 << 20
_MOST: Final = 64
"""Vectors, numbers and records of one file."""

Vector = NDArray[np.float64]


class NoCanary(SealmatchError):
    """Not a file of canaries, or one that names nothing."""


@dataclass(frozen=True)
class Planted:
    """What is looked for. No ``repr`` shows any of it."""

    made_at: int
    """Unix seconds."""
    vectors: tuple[tuple[str, Vector], ...] = field(default=(), repr=False)
    """Unit embeddings, shape (d,), d <= 512, by what they show: portrait, live, action."""
    numbers: tuple[tuple[DocumentType, str], ...] = field(default=(), repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)
    """Numbers or orders that were activated."""
    records: tuple[bytes, ...] = field(default=(), repr=False)
    """Ids of the records of its registrations."""

    def with_registration(
        self,
        vectors: Iterable[tuple[str, NDArray[np.floating]]],
        numbers: Iterable[tuple[DocumentType, str]],
        references: Iterable[str],
        record: bytes,
    ) -> Self:
        """The same and what one more registration used. Nothing is listed twice."""
        known = list(self.vectors)
        for name, vector in vectors:
            double = np.asarray(vector, np.float64)
            if not any(np.array_equal(double, one) for _, one in known):
                known.append((name, double))
        return type(self)(
            self.made_at,
            tuple(known),
            tuple(dict.fromkeys((*self.numbers, *numbers))),
            tuple(dict.fromkeys((*self.references, *references))),
            tuple(dict.fromkeys((*self.records, *((record,) if record else ())))),
        )

    def canaries(self) -> list[Canary]:
        """Everything in all forms in which a leak would write it."""
        return list(self._canaries())

    def _canaries(self) -> Iterator[Canary]:
        for document_type, number in self.numbers:
            yield from canaries.document_number(NUMBER, document_type, number)
        for reference in self.references:
            if len(reference) >= canaries.SHORTEST:
                yield canaries.text(REFERENCE, reference)
        for name, vector in self.vectors:
            yield canaries.embedding(f"{FACE}, {name}", vector)
            yield canaries.integers(f"{FACE}, {name}, signs", probe_signs(vector))
            yield canaries.integers(f"{FACE}, {name}, template", template_values(vector))

    def encode(self) -> bytes:
        """The file's content."""
        content = {
            "format": FORMAT,
            "warning": WARNING,
            "madeAt": self.made_at,
            "vectors": [{"of": name, "values": one.tolist()} for name, one in self.vectors],
            "numbers": [{"type": kind, "number": number} for kind, number in self.numbers],
            "references": list(self.references),
            "records": [one.hex() for one in self.records],
        }
        return json.dumps(content, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises ``NoCanary``; the text repeats nothing of the content."""
        try:
            content = json.loads(data)
            if content["format"] != FORMAT or max(map(len, _listed(content))) > _MOST:
                raise ValueError
            return cls(
                int(content["madeAt"]),
                tuple((str(one["of"]), _vector(one["values"])) for one in content["vectors"]),
                tuple((_kind(one["type"]), str(one["number"])) for one in content["numbers"]),
                tuple(map(str, content["references"])),
                tuple(map(bytes.fromhex, content["records"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NoCanary("this is no file of canaries") from None


def begun(path: Path) -> Planted:
    """Read a file that is its owner's alone, and that may be empty so far.

    Raises:
        KeyFileError: it is missing, or open to others.
        NoCanary: it is none.
    """
    return Planted.decode(bytes(read_private(path, _MAX_BYTES)))


def read(path: Path) -> Planted:
    """Read a file to look for what it names.

    Raises:
        KeyFileError, NoCanary: as ``begun``, or there is nothing in it to look for.
    """
    planted = begun(path)
    if not planted.numbers and not planted.vectors:
        raise NoCanary("the file of canaries names nothing to look for")
    return planted


def write(path: Path, planted: Planted) -> None:
    """Write or replace the file, mode 0600."""
    write_private(path, planted.encode())


def destroy(path: Path) -> None:
    """Overwrite the file, flush it, and remove it. Copies that a file system keeps are its own.

    Raises:
        KeyFileError, NoCanary: as ``read``; then nothing was removed.
    """
    begun(path)
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(secrets.token_bytes(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _listed(content: dict[str, list[object]]) -> list[list[object]]:
    return [content[name] for name in ("vectors", "numbers", "references", "records")]


def _vector(values: list[float]) -> Vector:
    vector = np.array(values, np.float64)
    if vector.ndim != 1 or not 0 < vector.size <= DIMENSION or not np.isfinite(vector).all():
        raise ValueError
    if abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        raise ValueError
    return vector


def _kind(given: object) -> DocumentType:
    for known in get_args(DocumentType):
        if known == given:
            found: DocumentType = known
            return found
    raise ValueError
