"""Where an authority keeps its counters: in files of its own, or in a database.

Several instances of one authority share a PostgreSQL database. Each has a directory of its own, a
copy of the first one's, with the same keys, the same trust list and the mark of the counters.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.host.ledger import Ledger, Storage
from gateway.host.shared_ledger import SharedLedger


@dataclass(frozen=True)
class SharedPlace:
    """In a database, for this instance and others."""

    url: str = field(repr=False)
    beside: Path
    """Where the file would be, if it were one."""


Place = Path | SharedPlace

_FILE: Final = {
    "id": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "number": "INTEGER",
    "octets": "BLOB",
}
_DATABASE: Final = {
    "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "number": "BIGINT",
    "octets": "BYTEA",
}


def open_storage(place: Place, schema: str, name: str) -> Storage:
    """Open what is there; make the tables that are missing.

    Args:
        schema: ``{id}`` stands for a key that grows, ``{number}`` and ``{octets}`` for types.

    Raises:
        BadConfiguration, KeyFileError, TlsMisconfigured: as ``SharedLedger``.
        Unavailable: it cannot be opened.
    """
    if isinstance(place, Path):
        return Ledger.create(place, schema.format(**_FILE), name)
    return SharedLedger(place.url, name, schema.format(**_DATABASE))


def file_of(place: Place) -> Path:
    """The file, or where it would be."""
    return place if isinstance(place, Path) else place.beside


def name_of(place: Place) -> str:
    """For messages. A URL may name an account."""
    return place.name if isinstance(place, Path) else "what the database held"
