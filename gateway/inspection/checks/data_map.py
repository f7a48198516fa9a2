"""Every table and column against the published data map, and databases that are none of it."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.inspection.data_map import GATEWAY, DataMap, MappedColumn, MappedTable, parse
from gateway.inspection.database_files import database_files, is_backup
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import decoded
from gateway.inspection.found_schema import DATA_MAP, LENGTHS, SCHEMA, declared
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name

_LIMIT: Final = "the published data map"


def _read(evidence: Evidence) -> tuple[DataMap, dict[str, Any]]:
    return parse(evidence.read(DATA_MAP)), decoded(evidence.read(SCHEMA))


# Tables


def _tables(evidence: Evidence, _: Progress) -> Line:
    mapped, found = _read(evidence)
    count = sum(len(one["objects"]) for one in found.values())
    return judged(
        TABLES,
        "tables and views of " + ", ".join(sorted(found)),
        count,
        (wrong for name, one in found.items() for wrong in _unlisted(name, one, mapped)),
        limit=_LIMIT,
        repeat="compare schema.json with data_map.toml; SQLite: select name from sqlite_master; "
        "psql: \\dn \\d+ \\df",
    )


def _unlisted(name: str, found: dict[str, Any], mapped: DataMap) -> Iterator[str]:
    """What a database has and the map does not, and the other way round."""
    tables = mapped.get(name, {})
    home = "public" if found["dialect"] == "postgresql" else "main"
    there = set()
    for one in found["objects"]:
        what = f"{name}: {one['kind']} {shown_name(one['name'])}"
        if one["schema"] != home:
            yield f"{what} is in the schema {shown_name(one['schema'])}"
        elif one["kind"] != "table":
            yield f"{what} is no table of the data map"
        elif one["name"] not in tables:
            yield f"{what} is not in the data map"
        else:
            there.add(one["name"])
            yield from _other_indexes(name, one, tables[one["name"]], found["dialect"])
    for trigger in found["triggers"]:
        yield f"{name}: trigger {shown_name(trigger)} changes or copies rows unseen"
    for other in found["others"]:
        yield f"{name}: {other['kind']} {shown_name(other['name'])} is not in the data map"
    for missing in sorted(tables.keys() - there):
        yield f"{name}: table {missing} of the data map is not there"


def _other_indexes(
    database: str, found: dict[str, Any], table: MappedTable, dialect: str
) -> Iterator[str]:
    """An index is a copy of what its columns hold. Those that SQLite makes of a key have a name of
    its own, and a key that is the row's number has none."""
    for one in found["indexes"]:
        what = f"{database}: index {shown_name(one['name'])} of {table.name}"
        mapped = [table.indexes.get(one["name"])] if one["own"] else list(table.indexes.values())
        if tuple(one["columns"]) not in mapped:
            yield f"{what} is not in the data map"
        elif one["partial"]:
            yield f"{what} says of each row whether a condition holds"
    there = {tuple(one["columns"]) for one in found["indexes"]}
    for name, columns in table.indexes.items():
        if columns not in there and not (dialect == "sqlite" and name.startswith("pk_")):
            yield f"{database}: index {name} of the data map is not there"
    if found["words"]:
        yield (
            f"{database}: the definition of {table.name} has {found['words']} words that the data "
            "map has not"
        )


# Columns


def _columns(evidence: Evidence, _: Progress) -> tuple[Line, Line]:
    mapped, found = _read(evidence)
    listed = list(_listed(found, mapped))
    kinds = judged(
        COLUMNS,
        "columns",
        sum(len(one["columns"]) for _, one, _ in listed),
        (
            wrong
            for dialect, one, table in listed
            for wrong in _other_columns(dialect, one["columns"], table)
        ),
        limit=_LIMIT,
        repeat="compare schema.json with data_map.toml; SQLite: pragma table_xinfo(TABLE); "
        "psql: \\d TABLE",
    )
    lengths = decoded(evidence.read(LENGTHS))
    cells = judged(
        COLUMNS,
        "cells, by the longest of each column",
        sum(len(t["columns"]) * t["rows"] for one in lengths.values() for t in one.values()),
        _too_long(lengths, mapped),
        limit=_LIMIT,
        repeat="select max(length(COLUMN)) from TABLE; SQLite: select distinct typeof(COLUMN)",
        title="No cell is longer than the data map says, or holds another kind of value",
        notes=_empty(lengths),
    )
    return kinds, cells


def _listed(
    found: dict[str, Any], mapped: DataMap
) -> Iterator[tuple[str, dict[str, Any], MappedTable]]:
    """Tables that are there and in the map: the dialect, what was found, what is permitted."""
    for name, one in found.items():
        for table in one["objects"]:
            if table["kind"] == "table" and table["name"] in mapped.get(name, {}):
                yield one["dialect"], table, mapped[name][table["name"]]


def _other_columns(dialect: str, found: list[dict[str, Any]], table: MappedTable) -> Iterator[str]:
    there = {one["name"]: one for one in found}
    for name, one in there.items():
        shown = f"{table.name}.{shown_name(name)}"
        if name not in table.columns:
            yield f"column {shown} is not in the data map"
            continue
        column = table.columns[name]
        if one["type"] not in declared(dialect, table.database, column):
            yield f"column {shown} is {shown_name(one['type'])}, not {_said(column)}"
        if one["nullable"] != column.nullable:
            yield f"column {shown} may {'' if one['nullable'] else 'not '}be empty"
        if one["generated"]:
            yield f"column {shown} is computed by the database"
        if one["more"]:
            yield f"column {shown} has a default or a collation of its own"
    for name in sorted(table.columns.keys() - there.keys()):
        yield f"column {table.name}.{name} of the data map is not there"


def _said(column: MappedColumn) -> str:
    return column.type if column.length is None else f"{column.type} of at most {column.length}"


def _too_long(lengths: dict[str, Any], mapped: DataMap) -> Iterator[str]:
    for name, tables in lengths.items():
        for table, measured in tables.items():
            for column, (longest, strange) in measured["columns"].items():
                said = mapped[name][table].columns[column]
                if said.length is not None and longest > said.length:
                    yield f"{table}.{column} has a value of {longest}, longer than {said.length}"
                if strange:
                    yield f"{table}.{column} has {strange:,} cells that hold no {said.type}"


def _empty(lengths: dict[str, Any]) -> tuple[str, ...]:
    empty = [table for one in lengths.values() for table, found in one.items() if not found["rows"]]
    return (f"without rows: {', '.join(sorted(empty))}",) if empty else ()


# Databases


def _on_the_server(evidence: Evidence, _: Progress) -> Line:
    """Databases of PostgreSQL's server, as it lists them."""
    found = decoded(evidence.read(SCHEMA)).get(GATEWAY)
    if found is None:
        raise NoAccess("not given: the gateway's database (--gateway-database)")
    others = found["databases"]
    return judged(
        ON_SERVER,
        "databases",
        1 + len(others),
        (
            f"the server has the database {shown_name(one['name'])}, of the same owner"
            for one in others
            if one["same"]
        ),
        limit=_LIMIT,
        repeat="psql: \\l; SQLite: a file is one database",
        notes=(
            f"the server has the database {shown_name(one['name'])}, of another owner; it was not "
            "looked into"
            for one in others
            if not one["same"]
        ),
    )


def _in_directories(evidence: Evidence, progress: Progress) -> Line:
    """Files that are databases, in the data directories and the named places."""
    if not evidence.places:
        raise NoAccess(
            "not given: a directory (--gateway-database of SQLite, --authority-data, --paths)"
        )
    expected, wrong, notes, count = _expected(evidence), [], [], 0
    own = [one for one in (evidence.gateway_directory, evidence.authority_given) if one]
    for path, kind in database_files(evidence.places):
        count += 1
        progress.at(count, what="databases among files")
        resolved = path.resolve()
        if resolved in expected:
            continue
        shown = shown_name(path.name)
        kept_apart = not any(one.resolve() in resolved.parents for one in own)
        if kept_apart and is_backup(path, kind):
            notes.append(f"{shown} is a copy of a database: see backups.kept")
        else:
            wrong.append(f"the file {shown} is a database, and not in the data map")
    return judged(
        IN_DIRECTORIES,
        "files that are databases by content or name",
        count,
        wrong,
        limit=_LIMIT,
        repeat="find DIR -type f, and look for files that begin with 'SQLite format 3'",
        notes=notes,
    )


def _expected(evidence: Evidence) -> set[Any]:
    """Databases that the data map names, where they belong."""
    found = set()
    if evidence.database_given is not None and evidence.database_given.file is not None:
        found.add(evidence.database_given.file.resolve())
    if evidence.authority_given is not None:
        directory = evidence.authority_given.resolve()
        found |= {directory / name for name in parse(evidence.read(DATA_MAP)) if name != GATEWAY}
    return found


TABLES: Final = Check(
    "data-map.tables",
    "Every table of the databases is in the published data map, and nothing else is there",
    _tables,
    Basis.PROVEN,
)
COLUMNS: Final = Check(
    "data-map.columns",
    "Every column has the name, type, length and nullability of the data map",
    _columns,
    Basis.PROVEN,
)
ON_SERVER: Final = Check(
    "data-map.databases",
    "The database's server holds no other database of the deployment",
    _on_the_server,
    Basis.PROVEN,
)
IN_DIRECTORIES: Final = Check(
    "data-map.databases",
    "No file of the directories is a database that the data map does not name",
    _in_directories,
    Basis.SEEN,
)

CHECKS: Final = (TABLES, COLUMNS, ON_SERVER, IN_DIRECTORIES)
