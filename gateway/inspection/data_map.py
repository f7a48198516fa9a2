"""The published data map: which tables and columns a deployment has, and nothing else.

It is a file of its own, ``data_map.toml``, so that an inspector reads what the code reads, and so
that a bundle carries the very map that it was checked against.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.wire.errors import MalformedMessage

MAP_FILE: Final = Path(__file__).with_name("data_map.toml")
MAX_BYTES: Final = 256 * 1024

GATEWAY: Final = "gateway"
"""Name of the gateway's database in the map, and in what is read of a deployment. A database of the
authority is named by its file."""

_TYPES: Final = frozenset({"bytes", "text", "integer", "bigint", "boolean"})


@dataclass(frozen=True)
class MappedColumn:
    """A column that may exist."""

    name: str
    type: str
    """``bytes``, ``text``, ``integer``, ``bigint``, ``boolean``."""
    length: int | None
    """Longest value, in bytes or characters; None: a number."""
    nullable: bool
    what: str


@dataclass(frozen=True)
class MappedTable:
    """A table that may exist."""

    database: str
    """``gateway``, or a file of the authority's directory."""
    name: str
    about: str
    """About whom its rows are."""
    kept: str
    """For how long."""
    columns: dict[str, MappedColumn]
    indexes: dict[str, tuple[str, ...]]
    """By name its columns. Keys and what occurs once are indexes too."""


DataMap = dict[str, dict[str, MappedTable]]
"""Database -> table -> what it may hold."""


def published() -> bytes:
    """The map that this version of the product is published with."""
    return MAP_FILE.read_bytes()


def parse(content: bytes) -> DataMap:
    """Read a map.

    Raises:
        MalformedMessage: it has another form.
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError
        given = tomllib.loads(content.decode())
        found = {GATEWAY: dict(_tables(GATEWAY, given["gateway"]))}
        for file, tables in given["authority"].items():
            found[file] = dict(_tables(file, tables))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MalformedMessage("not a data map") from None
    return found


def _tables(database: str, given: dict[str, Any]) -> Iterator[tuple[str, MappedTable]]:
    for name, one in given.items():
        columns = {column: _column(column, said) for column, said in one["columns"].items()}
        indexes = {index: tuple(of.split(", ")) for index, of in one.get("indexes", {}).items()}
        yield name, MappedTable(database, name, one["about"], one["kept"], columns, indexes)


def _column(name: str, said: dict[str, Any]) -> MappedColumn:
    if said["type"] not in _TYPES:
        raise ValueError
    length = said.get("length")
    if (length is None) != (said["type"] not in ("bytes", "text")):
        raise ValueError
    return MappedColumn(
        name, said["type"], length, bool(said.get("nullable", False)), said.get("what", "")
    )
