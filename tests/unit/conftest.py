"""Databases: of each kind, or the one file of a small gateway."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store.database import Database
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        database.migrate()
        yield database


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """As a gateway's settings name it."""
    with closing(Database(f"sqlite:///{tmp_path / 'gateway.sqlite3'}")) as database:
        database.migrate()
        yield database
