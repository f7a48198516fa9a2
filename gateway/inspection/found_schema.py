"""What the databases of a deployment have, held against the data map: exhibits for its lines.

``SCHEMA`` has names and types, ``LENGTHS`` the length of each column's longest value. Neither has a
value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.inspection.catalogs import Described, ask, described
from gateway.inspection.data_map import GATEWAY, MappedColumn, MappedTable, parse, published
from gateway.inspection.evidence import Evidence, Exhibit, NoAccess
from gateway.inspection.exhibits import encoded
from gateway.inspection.lines import shown_name
from gateway.store.reading import ReadingDatabase
from gateway.wire.errors import Unavailable

DATA_MAP: Final = Exhibit("data_map.toml", lambda _evidence: published(), "the published data map")


def _schema(evidence: Evidence) -> bytes:
    return encoded({name: described(one) for name, one in _databases(evidence)})


def _lengths(evidence: Evidence) -> bytes:
    mapped = parse(evidence.read(DATA_MAP))
    return encoded(
        {name: _longest(one, mapped.get(name, {})) for name, one in _databases(evidence)}
    )


SCHEMA: Final = Exhibit(
    "schema.json", _schema, "tables, views, columns and triggers as the databases describe them"
)
LENGTHS: Final = Exhibit(
    "lengths.json",
    _lengths,
    "of each column the number of rows and the length of its longest value",
)


def _databases(evidence: Evidence) -> Iterator[tuple[str, ReadingDatabase]]:
    """Those that were given, by the name that they have in the data map.

    Raises:
        NoAccess: none was given.
        Unavailable: one cannot be read.
    """
    given = False
    if evidence.database_given is not None:
        given = True
        yield GATEWAY, evidence.database_given
    if evidence.authority_given is not None:
        for file in ledgers(evidence.authority_given):
            given = True
            with reading(file) as database:
                yield file.name, database
    if not given:
        raise NoAccess("not given: a database (--gateway-database, --authority-data)")


def ledgers(directory: Path) -> list[Path]:
    """The authority's SQLite files that the data map names."""
    return [directory / n for n in parse(published()) if n != GATEWAY and (directory / n).is_file()]


@contextmanager
def reading(file: Path) -> Iterator[ReadingDatabase]:
    """A SQLite file, for reading only. Raises ``Unavailable``."""
    database = ReadingDatabase(f"sqlite:///{file}")
    try:
        yield database
    except SQLAlchemyError:
        raise Unavailable(f"{shown_name(file.name)} cannot be read") from None
    finally:
        database.close()


def _longest(database: ReadingDatabase, mapped: dict[str, MappedTable]) -> Described:
    """Of each mapped table: rows, and for each column its longest value and how many of its cells
    hold another kind of value than the column's."""
    found = {}
    for name, table in mapped.items():
        columns = _existing(database, name)
        if columns is None:
            continue
        measured = [one for one in table.columns.values() if one.name in columns]
        parts = ["count(*)"]
        for column in measured:
            parts += [_length(database.dialect, column), _strange(database.dialect, column)]
        (row,) = ask(database, f'SELECT {", ".join(parts)} FROM "{name}"')  # noqa: S608
        found[name] = {
            "rows": int(row[0]),
            "columns": {
                column.name: [int(row[1 + 2 * n] or 0), int(row[2 + 2 * n] or 0)]
                for n, column in enumerate(measured)
            },
        }
    return found


def _existing(database: ReadingDatabase, table: str) -> set[str] | None:
    inspected = sa.inspect(database.connection)
    if not inspected.has_table(table):
        return None
    return {one["name"] for one in inspected.get_columns(table)}


def _length(dialect: str, column: MappedColumn) -> str:
    name = f'"{column.name}"'
    if column.length is None:
        return "0"
    if dialect == "postgresql":
        return f"max(octet_length({name}))" if column.type == "bytes" else f"max(length({name}))"
    # SQLite's length of a text ends at its first zero character.
    whole = f"length(CAST({name} AS BLOB))"
    return f"max(CASE WHEN instr(CAST({name} AS BLOB), x'00') THEN {whole} ELSE length({name}) END)"


_STORED: Final = {
    "bytes": "blob",
    "text": "text",
    "integer": "integer",
    "bigint": "integer",
    "boolean": "integer",
}


def _strange(dialect: str, column: MappedColumn) -> str:
    """SQLite takes any kind of value into any column; PostgreSQL does not."""
    if dialect == "postgresql":
        return "0"
    return f"""sum(typeof("{column.name}") NOT IN ('{_STORED[column.type]}', 'null'))"""


def declared(dialect: str, database: str, column: MappedColumn) -> frozenset[str]:
    """How a column of the map may be declared."""
    if dialect == "postgresql":
        named = {
            "bytes": "BYTEA",
            "text": f"CHARACTER VARYING({column.length})",
            "integer": "INTEGER",
            "bigint": "BIGINT",
            "boolean": "BOOLEAN",
        }
        return frozenset({named[column.type]})
    if database != GATEWAY:
        plain = {"bytes": "BLOB", "text": "TEXT"}
        return frozenset({plain.get(column.type, "INTEGER")})
    named = {
        "bytes": "BLOB",
        "text": f"VARCHAR({column.length})",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "boolean": "BOOLEAN",
    }
    # In SQLite only INTEGER becomes the row's own number.
    return frozenset({named[column.type], *(["INTEGER"] if column.type == "bigint" else [])})
