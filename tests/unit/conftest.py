"""Databases of each kind, and a key authority within the process."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.store import connecting
from gateway.store.database import Database
from gateway.wire.polynomials import PaddedProduct
from keys.authority import SessionSecret
from tests.support.parties import (
    Clock,
    InProcessAuthority,
)
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE


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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database of each kind for all tests of a module that do not mind each other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('shared') / 'gateway.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture(scope="module")
def shared(shared_url: str) -> Iterator[Database]:
    """The same, opened."""
    with closing(Database(shared_url)) as database:
        database.migrate()
        yield database


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """As a gateway's settings name it."""
    with closing(Database(f"sqlite:///{tmp_path / 'gateway.sqlite3'}")) as database:
        database.migrate()
        yield database


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a database waits as long as it takes: SQLite lets each try again now and
    then, and on a busy machine one may come too late for seconds."""
    milliseconds = f"{1000 * PATIENCE}"
    pragmas = [
        f"busy_timeout={milliseconds}" if one.startswith("busy_timeout") else one
        for one in connecting._SQLITE_PRAGMAS
    ]
    monkeypatch.setattr(connecting, "_SQLITE_PRAGMAS", tuple(pragmas))
    postgresql = [
        re.sub(r"(_timeout) = '\d+s'", rf"\1 = '{PATIENCE}s'", one)
        for one in connecting._POSTGRESQL_SETTINGS
    ]
    monkeypatch.setattr(connecting, "_POSTGRESQL_SETTINGS", tuple(postgresql))
    monkeypatch.setattr(connecting, "_POOL", {**connecting._POOL, "pool_timeout": PATIENCE})
    monkeypatch.setattr(connecting, "LOCK_SECONDS", PATIENCE)
    monkeypatch.setattr("gateway.store.database.LOCK_SECONDS", PATIENCE)
    monkeypatch.setattr("gateway.host.ledger.BUSY_SECONDS", PATIENCE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> InProcessAuthority:
    return InProcessAuthority(tmp_path, clock)


@pytest.fixture
def decryptions(monkeypatch: pytest.MonkeyPatch) -> list[PaddedProduct]:
    """Every product that a secret key touches."""
    seen: list[PaddedProduct] = []
    real = SessionSecret.answer

    def spy(self: SessionSecret, product: PaddedProduct, *given: Any) -> Any:
        seen.append(product)
        return real(self, product, *given)

    monkeypatch.setattr(SessionSecret, "answer", spy)
    return seen
