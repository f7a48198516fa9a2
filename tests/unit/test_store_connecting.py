"""Which databases the gateway takes, and what becomes of connections that break."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.host.installed import NotInstalled
from gateway.host.keyfile import KeyFileError, create_secret
from gateway.host.settings import BadConfiguration
from gateway.host.tls import TlsMisconfigured
from gateway.store import connecting, totals
from gateway.store.connecting import make_engine
from gateway.store.database import Database
from gateway.wire.errors import Unavailable
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE, until


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://localhost/x", "sqlite or postgresql"),
        ("no url", "cannot be read"),
        ("postgresql://a@localhost:port/x", "cannot be read"),
        ("postgresql://user:secret-canary@localhost/x", "holds no password"),
        ("postgresql://user@localhost/x?sslmode=disable", "options"),
        ("postgresql://user@localhost/x?ca=a&ca=b", "options"),
        ("postgresql://user@db.example/x", "needs TLS"),
        ("postgresql://user@192.0.2.1/x", "needs TLS"),
    ],
)
def test_urls_that_are_not_taken(url: str, says: str) -> None:
    with pytest.raises(BadConfiguration, match=says) as refused:
        make_engine(url)
    assert "secret-canary" not in str(refused.value)


def test_a_password_file_is_private(tmp_path: Path) -> None:
    create_secret(tmp_path / "password", b"secret-canary")
    url = f"postgresql://user@localhost/x?password_file={tmp_path / 'password'}"
    assert "secret-canary" not in repr(make_engine(url))
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(KeyFileError):
        make_engine(url)
    with pytest.raises(KeyFileError):
        make_engine("postgresql://user@localhost/x?password_file=/nowhere")


def test_a_ca_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(TlsMisconfigured):
        make_engine("postgresql://user@db.example/x?ca=/nowhere/ca.pem")


def test_without_the_driver_the_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pg8000", None)
    with pytest.raises(NotInstalled, match=r"needs pg8000, .*'\.\[postgresql\]'"):
        make_engine("postgresql://user@localhost/x")


def test_every_connection_is_durable_and_patient_for_a_while_only(
    postgresql: PostgresServer,
) -> None:
    url = postgresql.new_database()
    name = sa.make_url(url).database
    postgresql.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = Database(url)
    with database.transaction() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (
                "synchronous_commit",
                "lock_timeout",
                "statement_timeout",
                "transaction_isolation",
            )
        }
    database.close()
    assert shown == {
        "synchronous_commit": "on",
        "lock_timeout": "5s",
        "statement_timeout": "6s",
        "transaction_isolation": "read committed",
    }


def answers(database: Database) -> bool:
    """Whether the connection, which is kept, answers in time: on a busy machine, not at once."""
    try:
        with database.transaction() as connection:
            connection.execute(sa.text("SELECT 1"))
    except Unavailable:
        return False
    return True


def test_a_silent_server_is_given_up_on(
    postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and says nothing more."""
    url = postgresql.new_database()
    with contextlib.closing(Database(url)) as whoever:
        whoever.migrate()
    monkeypatch.setattr(connecting, "SILENCE_SECONDS", 1)
    database = Database(url)
    until(lambda: answers(database))
    with postgresql.frozen():
        for _ in range(2):  # the connection of before, and a new one
            with pytest.raises(Unavailable), database.transaction() as connection:
                totals.count_outcome(connection, "MATCH", 0)
    monkeypatch.setattr(connecting, "SILENCE_SECONDS", PATIENCE)
    database.close()
    database = Database(url)
    with database.transaction() as connection:
        totals.count_outcome(connection, "MATCH", 0)
    database.close()


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill])
def test_a_restarted_server_is_found_again(
    postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch, end
) -> None:
    """Committed is kept; while it is down units of work are refused, and none waits for it."""
    waits: list[float] = []
    database = Database(postgresql.new_database())
    database.migrate()
    with database.transaction() as connection:
        totals.count_outcome(connection, "MATCH", 0)
    end(postgresql)
    here = threading.current_thread()
    monkeypatch.setattr(
        time, "sleep", lambda s: threading.current_thread() is here and waits.append(s)
    )
    try:
        for _ in range(3):
            with pytest.raises(Unavailable), database.transaction() as connection:
                totals.count_outcome(connection, "MATCH", 0)
        assert waits == []
    finally:
        monkeypatch.undo()
        postgresql.start()
    with database.transaction() as connection:
        totals.count_outcome(connection, "MATCH", 0)
        (row,) = connection.execute(sa.text("SELECT count FROM outcome_counters")).all()
    assert row[0] == 2
    database.close()


def test_a_connection_that_breaks_within_a_unit_of_work_keeps_nothing_of_it(
    postgresql: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(postgresql.new_database())
    database.migrate()

    def cut_off() -> None:
        with database.transaction() as connection:
            totals.count_outcome(connection, "MATCH", 0)
            (pid,) = connection.execute(sa.text("SELECT pg_backend_pid()")).one()
            postgresql.execute(f"SELECT pg_terminate_backend({pid})")
            totals.count_outcome(connection, "MATCH", 0)

    with pytest.raises(Unavailable):
        cut_off()
    with database.transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM outcome_counters")).scalar() == 0
    database.close()
    assert "storage" in caplog.text


def test_a_lock_is_waited_for_but_not_for_ever(
    postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shorter = tuple(s.replace("'5s'", "'300ms'") for s in connecting._POSTGRESQL_SETTINGS)
    monkeypatch.setattr(connecting, "_POSTGRESQL_SETTINGS", shorter)
    database = Database(postgresql.new_database())
    database.migrate()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.transaction() as connection:
            totals.count_outcome(connection, "MATCH", 0)
            held.set()
            done.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(PATIENCE)
        with pytest.raises(Unavailable), database.transaction() as connection:
            totals.count_outcome(connection, "MATCH", 0)
    finally:
        done.set()
        holder.join()
    with database.transaction() as connection:
        totals.count_outcome(connection, "MATCH", 0)
        assert connection.execute(sa.text("SELECT max(count) FROM outcome_counters")).scalar() == 2
    database.close()
    assert "55P03" in caplog.text, "the operator reads the code"


@pytest.mark.usefixtures("patient")
def test_counters_that_meet_are_all_counted(postgresql: PostgresServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    database = Database(postgresql.new_database())
    database.migrate()

    def count(_: int) -> None:
        with database.transaction() as connection:
            totals.count_outcome(connection, "MATCH", 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(40)))
    with database.transaction() as connection:
        assert connection.execute(sa.text("SELECT max(count) FROM outcome_counters")).scalar() == 40
    database.close()


def test_a_conflict_does_not_put_values_into_the_log(
    postgresql: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL's message repeats the key."""
    database = Database(postgresql.new_database())
    database.migrate()
    text = sa.text("INSERT INTO consent_texts VALUES (1, 'en', 'canary-value', NULL)")
    with pytest.raises(Unavailable), database.transaction() as connection:
        connection.execute(text)
    database.close()
    assert "23505" in caplog.text
    assert "canary" not in caplog.text
    assert "(1, en)" not in caplog.text


KINDS = {"a": sa.LargeBinary(), "b": sa.String(), "c": sa.BigInteger(), "d": sa.String()}


def test_one_round_trip_runs_a_statement_as_the_driver_would(postgresql: PostgresServer) -> None:
    """Values of every kind; an error, and what follows it."""
    engine = make_engine(postgresql.new_database())
    given = {"a": b"\0\x01'", "b": None, "c": 2**40, "d": "100 % of it's $1"}
    query = sa.select(
        *(sa.cast(sa.bindparam(name), kind).label(name) for name, kind in KINDS.items())
    )
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        assert dict(connection.execute(query, given).one()._mapping) == given
        for statement in ("SELECT 1 / CAST(:n AS INTEGER)", "SELECT nothing_there, :n"):
            with pytest.raises(sa.exc.ProgrammingError):
                connection.execute(sa.text(statement), {"n": 0})
            connection.rollback()
            assert connection.execute(sa.text("SELECT :n || ''"), {"n": "on"}).scalar() == "on"
        assert raw.is_fresh()
        raw._used_at = 0
        assert not raw.is_fresh()
    engine.dispose()
