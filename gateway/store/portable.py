"""All that a gateway keeps, as one stream of rows that SQLite and PostgreSQL both write and read.

Rules:

- The tables and columns are those of ``schema``; nobody lists them a second time.
- What is written is one state of the database, although the gateway goes on
  (``Database.snapshot``). Rows are read by primary key, some at a time, so a table of any size
  needs little memory.
- What is read goes into a database without a single table, in one transaction that makes the tables
  too. Before it a mark is committed, which that transaction removes. So a process that is killed
  leaves a database that no gateway starts on, and that a restore can be begun on again.
- An older schema's rows go into tables of that schema, which are then migrated. A newer one's are
  refused by name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gateway.host import crash
from gateway.host.archive import ArchiveReader, ArchiveWriter, DamagedArchive
from gateway.store import log as stored_log
from gateway.store.database import (
    UNFINISHED,
    known_versions,
    newest_version,
    upgrade,
    version_of,
)
from gateway.store.schema import metadata
from gateway.wire.errors import CallerMisuse

BACKUP: Final = "sealmatch-gateway-backup"
_READ_ROWS: Final = 256
_POSTGRESQL_PARAMETERS: Final = 8192
"""Of one INSERT; the protocol takes 65,535."""

_MARK: Final = sa.Table(UNFINISHED, sa.MetaData(), sa.Column("begun", sa.Integer))

Keep = Callable[[str, dict[str, Any]], bool]
"""Of a table's name and a row, which may be changed: whether the row is restored."""


class LogAt(NamedTuple):
    """How far the log in a backup goes."""

    origin: str
    size: int
    root: bytes


def describe(connection: sa.Connection, now: int) -> dict[str, Any]:
    """What a backup of this state says of itself.

    Raises:
        CallerMisuse: the database is not at this software's schema.
    """
    revision = version_of(connection)
    if revision != newest_version():
        raise CallerMisuse(
            f"the database is at schema {revision}, this software at {newest_version()}: start the "
            "gateway once, which migrates it"
        )
    log = log_at(connection)
    return {
        "revision": revision,
        "made_at": now,
        "log": {"origin": log.origin, "size": log.size, "root": log.root},
        "columns": columns_of(metadata.sorted_tables),
    }


def columns_of(tables: Iterable[sa.Table]) -> dict[str, list[str]]:
    """Names of columns, by table, in the order of a row."""
    return {str(table.name): [str(one.name) for one in table.columns] for table in tables}


def log_at(connection: sa.Connection) -> LogAt:
    """How far the log in a database goes."""
    head = stored_log.head(connection)
    root = stored_log.root_of(connection, head.size) if head.size else None
    return LogAt(stored_log.origin(connection), head.size, root or b"")


def dump(
    connection: sa.Connection, archive: ArchiveWriter, tables: Iterable[sa.Table] | None = None
) -> None:
    """Write the tables' rows, all of ``schema`` unless told otherwise."""
    for table in metadata.sorted_tables if tables is None else tables:
        archive.add(str(table.name), rows_of(connection, table))
        crash.reach("backup-table-written")


def rows_of(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[Any, ...]]:
    """A table's rows in the order of its primary key, read some at a time."""
    key = list(table.primary_key.columns)
    query = table.select().order_by(*key).limit(_READ_ROWS)
    after: tuple[Any, ...] | None = None
    while True:
        page = query if after is None else query.where(_beyond(key, after))
        rows = connection.execute(page).all()
        yield from (tuple(row) for row in rows)
        if len(rows) < _READ_ROWS:
            return
        after = tuple(rows[-1]._mapping[column] for column in key)


def begin(connection: sa.Connection) -> None:
    """Mark an empty database: a restore has begun. Committed before ``fill`` begins.

    Raises:
        CallerMisuse: the database has tables.
    """
    tables = sa.inspect(connection).get_table_names()
    if tables and tables != [UNFINISHED]:
        raise CallerMisuse(
            "the database has tables already: a backup is restored into an empty one. SQLite: move "
            "gateway.sqlite3, and what stands beside it, away. PostgreSQL: CREATE DATABASE"
        )
    if not tables:
        _MARK.create(connection)


def fill(connection: sa.Connection, archive: ArchiveReader, keep: Keep) -> dict[str, int]:
    """Make the tables and write the archive's rows into them; returns how many of each were not
    kept. The transaction is the caller's, and nobody else's until it ends.

    Raises:
        CallerMisuse: the archive is of a schema that is not known here.
        DamagedArchive: it names tables or columns that its schema does not have.
    """
    _MARK.drop(connection)
    revision = require_known(archive)
    upgrade(connection, revision)
    present = revision == newest_version()
    tables = dict(metadata.tables) if present else _reflected(connection)
    columns = _columns(archive, tables)
    for table in tables.values():
        connection.execute(table.delete())  # what the migrations put there
    left_out = dict.fromkeys(tables, 0)
    for name, rows in archive.rows():
        if name not in columns:
            raise DamagedArchive(f"it has a table that schema {revision} does not have: {name}")
        kept = list(_kept(name, columns[name], rows, keep))
        left_out[name] += len(rows) - len(kept)
        _insert(connection, tables[name], columns[name], kept)
        crash.reach("restore-rows-written")
    if not present:
        upgrade(connection, "head")
    _go_on_counting(connection)
    return left_out


def require_known(archive: ArchiveReader) -> str:
    """The schema's revision of a backup. Raises ``CallerMisuse`` for one that is not known here."""
    revision = archive.described.get("revision")
    if revision not in known_versions():
        raise CallerMisuse(
            f"the backup is of schema {revision}, and this software knows none after "
            f"{newest_version()}: restore it with the version that made it, or a later one"
        )
    return str(revision)


def _beyond(key: list[sa.Column[Any]], after: tuple[Any, ...]) -> sa.ColumnElement[bool]:
    values = (sa.literal(value, column.type) for column, value in zip(key, after, strict=True))
    beyond: sa.ColumnElement[bool] = sa.tuple_(*key) > sa.tuple_(*values)
    return beyond


def _reflected(connection: sa.Connection) -> dict[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    return {name: one for name, one in found.tables.items() if name != "alembic_version"}


def _columns(archive: ArchiveReader, tables: Mapping[str, sa.Table]) -> dict[str, list[str]]:
    told = archive.described.get("columns")
    if not isinstance(told, dict) or told.keys() != tables.keys():
        raise DamagedArchive("it does not name the tables of its schema")
    for name, table in tables.items():
        if set(told[name]) != set(table.columns.keys()) or len(told[name]) != len(table.columns):
            raise DamagedArchive(f"it does not name the columns of {name}")
    return told


def _kept(
    name: str, columns: list[str], rows: list[list[Any]], keep: Keep
) -> Iterator[dict[str, Any]]:
    for values in rows:
        if not isinstance(values, list) or len(values) != len(columns):
            raise DamagedArchive(f"a row of {name} has not its columns")
        row = dict(zip(columns, values, strict=True))
        if keep(name, row):
            yield row


def _insert(
    connection: sa.Connection, table: sa.Table, columns: list[str], rows: list[dict[str, Any]]
) -> None:
    """Write rows as the driver takes them: SQLAlchemy's own way costs ten times as much."""
    quote = connection.dialect.identifier_preparer.quote
    into = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) VALUES "  # noqa: S608  names of the reflected schema
    values = [tuple(row[name] for name in columns) for row in rows]
    if connection.dialect.name == "sqlite":
        if values:
            one = f"({', '.join('?' * len(columns))})"
            connection.exec_driver_sql(into + one, values)
        return
    one = f"({', '.join(['%s'] * len(columns))})"
    step = _POSTGRESQL_PARAMETERS // len(columns)
    for begin in range(0, len(values), step):
        some = values[begin : begin + step]
        given = tuple(value for row in some for value in row)
        connection.exec_driver_sql(into + ", ".join([one] * len(some)), given)


def _go_on_counting(connection: sa.Connection) -> None:
    """PostgreSQL's own counters of rows begin after the rows that were written with numbers."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None or column.autoincrement is not True:
            continue
        counter = sa.select(
            sa.func.pg_get_serial_sequence(table.name, column.name)
        ).scalar_subquery()
        greatest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(counter, greatest, sa.false())))
