"""The tables and columns that the data map permits a gateway, and those that a database has."""

import re
from pathlib import Path

import sqlalchemy as sa

from gateway.store.database import Database

PAGE = Path(__file__).parents[2] / "gateway" / "docs" / "DATA_MAP.md"
_ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)


def permitted() -> dict[str, set[str]]:
    """Table by table, what the page for inspectors lists.

    A column more is a decision about somebody's data, not a detail.
    """
    section = PAGE.read_text().partition("## Gateway: database")[2].partition("\n## ")[0]
    rows = {table: set(re.findall(r"`(\w+)`", cells)) for table, cells in _ROW.findall(section)}
    assert len(rows) >= 10
    return rows


DATA_MAP = permitted()


def columns_of(database: Database) -> dict[str, set[str]]:
    with database.transaction() as connection:
        inspected = sa.inspect(connection)
        return {
            name: {column["name"] for column in inspected.get_columns(name)}
            for name in inspected.get_table_names()
        }
