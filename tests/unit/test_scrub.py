"""Deletion removes bytes: the database's files and its write-ahead log, searched as a thief would.

The same search finds every record before, so it could find what is left after.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.retention.reaper import Reaper
from gateway.retention.scrub import scrub, truncate_log
from gateway.sequencing.sequencer import Alone
from gateway.store import parties, schema
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.wire.ids import digest_of
from tests.support.kept import NOW, keep, of_ages
from tests.support.parties import GATEWAY
from tests.support.postgres import PostgresServer

RECORDS = 400
"""Enough to split pages of every index."""
SOUGHT = 5
"""Of them, in all files of a PostgreSQL server: some 100 MB."""


def needles(row: RecordRow) -> tuple[bytes, ...]:
    """Parts of a record that stand nowhere else, its statement among them (which has the id)."""
    assert row.subject_handle is not None
    return row.record_id, row.subject_handle, row.activation_commitment


def found(rows: Sequence[RecordRow], files: Sequence[Path]) -> dict[str, int]:
    """How many of these records a search of each file's bytes meets."""
    hits = {}
    for file in files:
        with suppress(FileNotFoundError):  # the server replaces some of its own
            data = file.read_bytes()
            hits[file.name] = sum(any(one in data for one in needles(row)) for row in rows)
    return {name: count for name, count in hits.items() if count}


def pages(database: Database) -> int:
    with database.transaction() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def sqlite_files(database: Database) -> list[Path]:
    path = Path(str(database._engine.url.database))
    return sorted(path.parent.glob(f"{path.name}*"))


def postgresql_files(server: PostgresServer) -> list[Path]:
    return [path for path in sorted(server.directory.rglob("*")) if path.is_file()]


def reap(database: Database) -> Reaper:
    reaper = Reaper(database, Alone(), GATEWAY, 180, lambda: NOW)
    assert reaper.run() is not None
    return reaper


def aged() -> tuple[list[RecordRow], list[RecordRow]]:
    """Records that are due and that are not, in no order."""
    rows = of_ages([random.choice((10, 200)) for _ in range(RECORDS)])
    return [row for row in rows if row.expires_at <= NOW], [
        row for row in rows if row.expires_at > NOW
    ]


def test_nothing_of_expired_records_is_left_in_sqlite_s_files(sqlite: Database) -> None:
    due, young = aged()
    mixed = [*due, *young]
    random.shuffle(mixed)
    for at in range(0, len(mixed), 7):
        keep(sqlite, mixed[at : at + 7])
    assert sum(found(due, sqlite_files(sqlite)).values()) >= len(due), "the search finds them"
    reaper = reap(sqlite)
    log = [path for path in sqlite_files(sqlite) if path.name.endswith("-wal")]
    assert found(due, log), "old pages stay in the write-ahead log"
    assert truncate_log(sqlite)
    assert not found(due, log)
    before = pages(sqlite)
    assert reaper.scrub().left == ()
    assert pages(sqlite) < before, "every page was written anew: no gap keeps an old copy"
    assert not found(due, sqlite_files(sqlite))
    assert sum(found(young, sqlite_files(sqlite)).values()) == len(young), "and only those went"


def test_a_reader_keeps_the_log_and_the_operator_is_told(sqlite: Database) -> None:
    keep(sqlite, of_ages([200, 10]))
    with sqlite.snapshot() as reading:
        reading.execute(sa.select(schema.records.c.record_id)).all()
        reap(sqlite)
        with sqlite.session() as session:
            session.exec_driver_sql("PRAGMA busy_timeout = 100")
        assert not truncate_log(sqlite)
    assert truncate_log(sqlite)


@pytest.fixture
def own_server(postgresql: PostgresServer) -> Iterator[PostgresServer]:
    """A server of its own, whose files are few. It drops old segments of its log instead of keeping
    them for later use, as DEPLOYMENT asks for."""
    with PostgresServer(postgresql.programs) as server:
        for setting in ("wal_recycle = 'off'", "min_wal_size = '32MB'", "max_wal_size = '64MB'"):
            server.execute(f"ALTER SYSTEM SET {setting}")
        server.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def erasing(own_server: PostgresServer) -> Iterator[Database]:
    with closing(Database(own_server.new_database())) as database:
        database.migrate()
        yield database


def test_nothing_of_expired_records_is_left_in_postgresql_s_files_and_log(
    erasing: Database, own_server: PostgresServer
) -> None:
    all_due, all_young = aged()
    keep(erasing, [*all_due, *all_young])
    due, young = all_due[:SOUGHT], all_young[:SOUGHT]
    assert sum(found(due, postgresql_files(own_server)).values()) >= len(due)
    reaper = reap(erasing)
    with erasing.session() as session:
        session.exec_driver_sql("VACUUM records")
    assert found(due, postgresql_files(own_server)), "deleted rows stay in their pages and the log"
    scrubbed = reaper.scrub()
    assert scrubbed.left == ()
    assert not found(due, postgresql_files(own_server))
    assert sum(found(young, postgresql_files(own_server)).values()) >= len(young)


def test_what_the_server_keeps_for_later_use_is_said(
    postgresql: PostgresServer, database: Database
) -> None:
    if database.dialect == "postgresql":
        (left,) = scrub(database).left
        assert "wal_recycle is on" in left


def test_a_role_without_the_right_is_told_which_right_it_lacks(
    postgresql: PostgresServer,
) -> None:
    postgresql.execute("CREATE ROLE clerk LOGIN PASSWORD 'x'")
    url = postgresql.new_database()
    name = url.partition("?")[0].rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} OWNER TO clerk")
    with closing(Database(url)) as owner:
        with owner.transaction() as connection:
            connection.exec_driver_sql("SET ROLE clerk")
        engine = owner._engine

        @sa.event.listens_for(engine, "connect")
        def as_clerk(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            cursor.execute("SET ROLE clerk")
            connection.commit()  # type: ignore[attr-defined]

        engine.dispose()
        with owner.transaction() as connection:
            connection.exec_driver_sql("GRANT ALL ON SCHEMA public TO clerk")
        owner.migrate()
        left = "\n".join(scrub(owner).left)
    assert "lacks pg_checkpoint" in left
    assert "lacks EXECUTE on pg_switch_wal()" in left


def test_the_removal_of_bytes_is_an_operators_action(sqlite: Database) -> None:
    keep(sqlite, of_ages([10]))
    Reaper(sqlite, Alone(), GATEWAY, 180, lambda: NOW).scrub()
    with sqlite.transaction() as connection:
        (action,) = parties.list_admin_actions(connection)
        (queued,) = connection.execute(
            sa.select(schema.log_pending.c.entry).where(schema.log_pending.c.kind == "admin")
        ).scalars()
    assert bytes(queued) == digest_of(action)


def test_the_planner_of_postgresql_keeps_no_samples_of_ids(database: Database) -> None:
    """They would stay in its own tables when the rows are gone."""
    if database.dialect != "postgresql":
        return
    keep(database, of_ages([10] * 50))
    with database.session() as session:
        session.exec_driver_sql("ANALYZE")
        sampled = session.exec_driver_sql(
            "SELECT tablename || '.' || attname FROM pg_stats WHERE schemaname = 'public'"
        ).scalars()
        assert {name for name in sampled if name.startswith("records.")} == {
            "records.kind", "records.outcome", "records.policy_digest", "records.decided_at",
            "records.expires_at",
        }  # fmt: skip
