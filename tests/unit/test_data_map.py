"""The data map has three forms: for programs, for people, and the tables themselves. They agree."""

from pathlib import Path

import pytest

from gateway.inspection.data_map import GATEWAY, MappedColumn, parse, published
from gateway.inspection.found_schema import declared
from gateway.store.schema import metadata
from gateway.wire.errors import MalformedMessage
from keys.audits import AuditLedger
from tests.support.counters import attempt_caps
from tests.support.parties import UNLIMITED, Clock
from tests.support.tables import DATA_MAP

MAP = parse(published())


def test_the_map_for_programs_says_what_the_page_for_people_says() -> None:
    mapped = {table: set(one.columns) for table, one in MAP[GATEWAY].items()}
    assert mapped.pop("alembic_version") == {"version_num"}
    assert mapped == DATA_MAP


def test_the_map_is_that_of_the_tables() -> None:
    """Type and length as the code declares them. Where it declares no length, the map has one."""
    from sqlalchemy.dialects import postgresql, sqlite

    for table in metadata.tables.values():
        mapped = MAP[GATEWAY][table.name].columns
        assert mapped.keys() == {column.name for column in table.columns}
        for column in table.columns:
            said = mapped[column.name]
            assert said.nullable is bool(column.nullable), (table.name, column.name)
            length = getattr(column.type, "length", None)
            assert length in (None, said.length), (table.name, column.name)
            for dialect in (sqlite.dialect(), postgresql.dialect()):
                compiled = column.type.compile(dialect).replace("VARCHAR", _varchar(dialect.name))
                assert compiled in declared(dialect.name, GATEWAY, said), (table.name, column.name)


def test_the_maps_indexes_are_those_of_the_tables() -> None:
    for table in metadata.tables.values():
        keys = [tuple(column.name for column in table.primary_key)]
        once = [(column.name,) for column in table.columns if column.unique]
        named = {one.name: tuple(column.name for column in one.columns) for one in table.indexes}
        mapped = MAP[GATEWAY][table.name].indexes
        assert sorted(mapped.values()) == sorted([*keys, *once, *named.values()]), table.name
        assert named.items() <= mapped.items()


def _varchar(dialect: str) -> str:
    return "CHARACTER VARYING" if dialect == "postgresql" else "VARCHAR"


def test_the_authoritys_ledgers_are_those_of_the_map(tmp_path: Path) -> None:
    import sqlite3

    AuditLedger(tmp_path / "audits.sqlite3", 3, Clock())
    attempt_caps(tmp_path / "caps.sqlite3", UNLIMITED, Clock())
    for file, tables in MAP.items():
        if file == GATEWAY:
            continue
        connection = sqlite3.connect(tmp_path / file)
        for table, said in tables.items():
            rows = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')")
            found = dict(rows.fetchall())
            assert found.keys() == said.columns.keys()
            for name, kind in found.items():
                assert kind in declared("sqlite", file, said.columns[name])
        connection.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"version = 1\n[gateway.t]\nabout = ''\nkept = ''\n[authority]\n",
        b"[authority]\n[gateway.t]\nabout = ''\nkept = ''\ncolumns.c = { type = 'text' }\n",
        b"[authority]\n[gateway.t]\nabout = ''\nkept = ''\ncolumns.c = { type = 'json' }\n",
        b"x = " + b"[" * 5000,
    ],
)
def test_what_is_no_map_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(content)


def test_a_column_is_declared_in_one_way() -> None:
    """A wider text is another declaration, in both databases."""
    narrow = MappedColumn("c", "text", 16, False, "")
    wide = MappedColumn("c", "text", 17, False, "")
    for dialect in ("sqlite", "postgresql"):
        assert not declared(dialect, GATEWAY, narrow) & declared(dialect, GATEWAY, wide)
