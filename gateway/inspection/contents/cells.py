"""Every cell of every table of a database, unlisted tables too, as bytes and in parts.

A cell is read as it is stored, whatever type its column says: numbers as their digits, text in
UTF-8. Of a long one a megabyte is read at a time. SQLite itself holds the row of a long cell in
memory meanwhile. Names and definitions of tables, views, indexes and triggers are cells as well,
and so are PostgreSQL's large objects, comments, types, roles and settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.reading import ReadingDatabase
from gateway.wire.errors import Unavailable

PART: Final = 1 << 20
"""Bytes of a cell that are read at a time."""
_ROWS: Final = 64
"""Rows in memory: at most so many times a megabyte a column."""


@dataclass(frozen=True)
class Cell:
    """One value, or its first part."""

    table: str
    column: str
    value: bytes = field(repr=False)
    rest: "Rest | None" = field(default=None, repr=False)
    """How to read on; None: this is all."""

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}"

    def parts(self) -> Iterator[bytes]:
        """The whole value."""
        yield self.value
        if self.rest is not None:
            yield from self.rest.parts()


@dataclass(frozen=True)
class Rest:
    """The parts of a long cell after the first."""

    database: ReadingDatabase
    query: str
    row: Any
    length: int

    def parts(self) -> Iterator[bytes]:
        for start in range(PART, self.length, PART):
            values = {"start": start + 1, "size": PART, "row": self.row}
            try:
                found = self.database.connection.execute(sa.text(self.query), values).scalar()
            except (SQLAlchemyError, OSError):
                raise Unavailable("the database does not answer") from None
            yield bytes(found or b"")


def cells(database: ReadingDatabase) -> Iterator[Cell]:
    """All cells, table by table and row by row.

    Raises:
        Unavailable: the database does not answer.
    """
    read = _postgresql if database.dialect == "postgresql" else _sqlite
    try:
        yield from read(database)
    except (SQLAlchemyError, OSError):
        raise Unavailable("the database does not answer") from None


def _ask(database: ReadingDatabase, query: str) -> list[Any]:
    return list(database.connection.execute(sa.text(query)).all())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace(":", r"\:") + '"'


def _rows(
    database: ReadingDatabase,
    table: str,
    source: str,
    row: str,
    columns: dict[str, str],
    where: str = "rowid = :row",
) -> Iterator[Cell]:
    """Cells of a table.

    Args:
        source: the table, quoted.
        row: expression that names a row; "NULL": there is none, and cells are read whole.
        columns: by name the expression of a column's bytes.
        where: condition that finds the row again.
    """
    chosen = [row]
    for expression in columns.values():
        part = expression if row == "NULL" else f"substr({expression}, 1, {PART})"
        chosen += [part, f"length({expression})"]
    query = sa.text(f"SELECT {', '.join(chosen)} FROM {source}")  # noqa: S608  quoted names
    found = database.connection.execute(query.execution_options(yield_per=_ROWS))
    for values in found:
        for number, (column, expression) in enumerate(columns.items()):
            value, length = values[1 + 2 * number], values[2 + 2 * number]
            if value is None:
                continue
            rest = None
            if row != "NULL" and length > PART:
                part = f"substr({expression}, :start, :size)"
                asked = f"SELECT {part} FROM {source} WHERE {where}"  # noqa: S608  quoted names
                rest = Rest(database, asked, values[0], length)
            yield Cell(table, column, bytes(value), rest)


def _sqlite(database: ReadingDatabase) -> Iterator[Cell]:
    listed = _ask(database, "SELECT type, name, sql FROM sqlite_master")
    for _, name, definition in listed:
        yield Cell("definitions", "name", str(name).encode())
        yield Cell("definitions", "sql", str(definition or "").encode())
    tables = [name for kind, name, _ in listed if kind == "table"]
    for table in dict.fromkeys((*tables, *_internal(database))):
        info = _ask(database, f"SELECT name FROM pragma_table_xinfo('{_literal(table)}')")  # noqa: S608
        columns = {name: f"CAST({_quoted(name)} AS BLOB)" for (name,) in info}
        if columns:
            yield from _rows(database, table, _quoted(table), _rowid(database, table), columns)


def _internal(database: ReadingDatabase) -> list[str]:
    """Tables that SQLite keeps for itself and does not list."""
    found = []
    for name in ("sqlite_sequence", "sqlite_stat1", "sqlite_stat4"):
        listed = _ask(database, f"SELECT count(*) FROM pragma_table_info('{name}')")  # noqa: S608
        if listed[0][0]:
            found.append(name)
    return found


def _literal(name: str) -> str:
    return name.replace("'", "''").replace(":", r"\:")


def _rowid(database: ReadingDatabase, table: str) -> str:
    try:
        _ask(database, f"SELECT rowid FROM {_quoted(table)} LIMIT 1")  # noqa: S608
    except SQLAlchemyError:
        return "NULL"
    return "rowid"


_TABLES: Final = """
    SELECT n.nspname, c.relname, c.oid, c.relkind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'f', 'S') AND n.nspname <> 'information_schema'
    AND n.nspname !~ '^pg_(catalog|toast|temp)' ORDER BY 1, 2
"""
_COLUMNS: Final = """
    SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_REMARKS: Final = """
    SELECT objoid, description FROM pg_description
    UNION ALL SELECT objoid, description FROM pg_shdescription WHERE objoid >= 16384
"""
_DEFINITIONS: Final = """
    SELECT prosrc FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT definition FROM pg_views WHERE schemaname NOT IN
        ('pg_catalog', 'information_schema')
    UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting
"""
_NAMES: Final = """
    SELECT enumlabel FROM pg_enum UNION ALL SELECT rolname FROM pg_roles
    UNION ALL SELECT typname FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT conname FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT datname FROM pg_database
"""


def _postgresql(database: ReadingDatabase) -> Iterator[Cell]:
    for schema, table, oid, kind in _ask(database, _TABLES):
        yield Cell("definitions", "name", str(table).encode())
        columns = {}
        for name, type_name in _ask(database, _COLUMNS.format(table=int(oid))):
            text = f"convert_to({_quoted(name)}\\:\\:text, 'UTF8')"
            columns[name] = _quoted(name) if type_name == "bytea" else text
            yield Cell("definitions", "name", str(name).encode())
        if columns:
            source = f"{_quoted(schema)}.{_quoted(table)}"
            shown = table if schema == "public" else f"{schema}.{table}"
            row = "CAST(ctid AS text)" if kind in ("r", "m") else "NULL"
            found = "ctid = CAST(:row AS tid)"
            yield from _rows(database, shown, source, row, columns, found)
    for _, remark in _ask(database, _REMARKS):
        yield Cell("definitions", "comment", str(remark).encode())
    for (name,) in _ask(database, _NAMES):
        yield Cell("definitions", "name", str(name).encode())
    for (definition,) in _ask(database, _DEFINITIONS):
        yield Cell("definitions", "sql", str(definition or "").encode())
    for (oid,) in _ask(database, "SELECT oid FROM pg_largeobject_metadata"):
        yield from _large_object(database, int(oid))


def _large_object(database: ReadingDatabase, oid: int) -> Iterator[Cell]:
    size = "SELECT octet_length(lo_get(:row))"
    length = database.connection.execute(sa.text(size), {"row": oid}).scalar() or 0
    query = "SELECT substr(lo_get(:row), :start, :size)"
    first = database.connection.execute(
        sa.text(query), {"row": oid, "start": 1, "size": PART}
    ).scalar()
    rest = Rest(database, query, oid, length) if length > PART else None
    yield Cell("large objects", "data", bytes(first or b""), rest)
