"""The store, on SQLite and on PostgreSQL: migrations, what the tables hold, enrolment, counters.

The last part compiles every table, index and migration for PostgreSQL and needs no server.
"""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import gateway.store.database
from gateway.store import consents, parties, records, totals
from gateway.store.database import Database, newest_version
from gateway.store.locks import hold_register, hold_subject
from gateway.store.schema import metadata
from gateway.wire.admin import PartyKind
from gateway.wire.errors import CallerMisuse, Refused, SessionConflict, Unavailable
from tests.support.parties import refused
from tests.support.processes import PATIENCE
from tests.support.tables import DATA_MAP, columns_of

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
MIGRATIONS = Path(gateway.store.database.__file__).parent / "migrations"


def test_migration_from_nothing_gives_the_tables_of_the_data_map(database: Database) -> None:
    found = columns_of(database)
    assert found.pop("alembic_version") == {"version_num"}
    assert found == DATA_MAP
    database.migrate()  # again: nothing to do


def test_a_database_that_is_up_to_date_is_not_migrated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one at another version is, also where this software does not know that version."""
    from alembic import command
    from alembic.util import CommandError

    assert newest_version() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda *_: 1 / 0)
        database.migrate()
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError, match="9999"):
        database.migrate()


def test_a_migration_that_is_cut_short_leaves_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start begins again; a half schema would stop every start there is."""
    from alembic import op

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    database = Database(url)
    with monkeypatch.context() as patch:
        patch.setattr(op, "bulk_insert", cut)
        with pytest.raises(KeyboardInterrupt):
            database.migrate()
    assert columns_of(database) == {}
    database.migrate()
    assert columns_of(database).keys() == {*DATA_MAP, "alembic_version"}
    database.close()


@pytest.mark.usefixtures("patient")
def test_processes_that_migrate_at_once_wait_for_each_other(url: str) -> None:
    """An operator's command beside a starting server."""
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.migrate, databases))
    assert columns_of(databases[0]).keys() == {*DATA_MAP, "alembic_version"}
    for database in databases:
        database.close()


def test_the_migrated_schema_is_the_one_that_the_code_uses(database: Database) -> None:
    from alembic.autogenerate import compare_metadata

    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_database_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'gateway.sqlite3'}")
    with pytest.raises(Unavailable):
        database.migrate()
    database.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "gateway.sqlite3").write_bytes(b"not a database, but long enough to be read" * 99)
    database = Database(f"sqlite:///{tmp_path / 'gateway.sqlite3'}")
    with pytest.raises(Unavailable):
        database.migrate()
    database.close()


def test_commits_are_durable_and_deleted_content_is_overwritten(sqlite: Database) -> None:
    with sqlite.transaction() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
    }


def test_a_failed_unit_of_work_leaves_no_trace(database: Database) -> None:
    def half_way() -> None:
        with database.transaction() as connection:
            parties.enrol_party(connection, "device", "a", KEY)
            connection.execute(sa.text("select * from no_such_table"))

    with pytest.raises(Unavailable):
        half_way()
    with database.transaction() as connection:
        assert parties.list_parties(connection) == []


def test_parameters_do_not_reach_the_log(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable), database.transaction() as connection:
        connection.execute(sa.text("insert into no_such_table values (:x)"), {"x": "canary-value"})
    assert "canary-value" not in caplog.text
    assert "storage" in caplog.text


# Enrolment


def test_enrol_suspend_and_enrol_again(database: Database) -> None:
    with database.transaction() as connection:
        parties.enrol_party(connection, "device", "counter-1", KEY)
        key = parties.party_key(connection, "device", "counter-1")
        assert key.raw == KEY
        assert parties.device_by_key_id(connection, key.key_id) == key
        parties.suspend_party(connection, "device", "counter-1")
        assert parties.device_by_key_id(connection, key.key_id) is None
        with pytest.raises(Refused):
            parties.party_key(connection, "device", "counter-1")
        parties.enrol_party(connection, "device", "counter-1", KEY)
        assert parties.party_key(connection, "device", "counter-1") == key


def test_a_name_keeps_its_key(database: Database) -> None:
    with database.transaction() as connection:
        parties.enrol_party(connection, "device", "counter-1", KEY)
        parties.suspend_party(connection, "device", "counter-1")
        with pytest.raises(SessionConflict):
            parties.enrol_party(connection, "device", "counter-1", OTHER_KEY)
        with pytest.raises(Refused):
            parties.party_key(connection, "device", "counter-1")


def test_an_issuer_is_no_device(database: Database) -> None:
    with database.transaction() as connection:
        parties.enrol_party(connection, "issuer", "counter-1", KEY)
        issuer = parties.party_key(connection, "issuer", "counter-1")
        assert parties.device_by_key_id(connection, issuer.key_id) is None
        with pytest.raises(Refused):
            parties.party_key(connection, "device", "counter-1")


@pytest.mark.parametrize("kind", ["device", "issuer"])
def test_nobody_unknown_is_suspended(database: Database, kind: PartyKind) -> None:
    with pytest.raises(SessionConflict), database.transaction() as connection:
        parties.suspend_party(connection, kind, "nobody")


def test_outcomes_are_counted_by_day(database: Database) -> None:
    day = 24 * 3600
    with database.transaction() as connection:
        for now, outcome in ((0, "MATCH"), (day - 1, "MATCH"), (day, "MATCH"), (5, "NO_MATCH")):
            totals.count_outcome(connection, outcome, now)
        rows = connection.execute(metadata.tables["outcome_counters"].select()).all()
    assert {tuple(row) for row in rows} == {(0, "MATCH", 2), (1, "MATCH", 1), (0, "NO_MATCH", 1)}


def test_liveness_totals_add_up_by_day(database: Database) -> None:
    with database.transaction() as connection:
        totals.count_liveness(connection, {"passed": 1, "attempts": 2}, 5)
        totals.count_liveness(connection, {"passed": 1, "attempts": 3, "wrong-action": 2}, 6)
        totals.count_liveness(connection, {"passed": 1}, 24 * 3600)
        assert totals.liveness_totals(connection) == [
            (0, "attempts", 5),
            (0, "passed", 2),
            (0, "wrong-action", 2),
            (1, "passed", 1),
        ]


def test_only_texts_that_exist_can_be_consented_to(database: Database) -> None:
    with database.transaction() as connection:
        assert consents.is_active(connection, 1)
        assert not consents.is_active(connection, 2)
        text = consents.StoredText("what happens", "another way")
        second = consents.StoredVersion(2, 30, "active", {"en": text, "es": text})
        consents.add(connection, second)
        assert consents.is_active(connection, 2)
        assert consents.versions(connection)[1:] == [second]
        consents.retire(connection, 2)
        assert not consents.is_active(connection, 2)
        assert consents.versions(connection)[1:] == [second._replace(state="retired")]
        with pytest.raises(SessionConflict, match="never changes"):
            consents.add(connection, second)


RECORD = records.RecordRow(bytes(16), "decision", "MATCH", KEY, KEY, KEY, b"statement", 0, 5)


def test_a_record_id_is_used_once(database: Database) -> None:
    with database.transaction() as connection:
        records.add_record(connection, RECORD)
        assert records.find_record(connection, bytes(16)) == RECORD
        assert records.find_record(connection, bytes(15) + b"\1") is None
    with pytest.raises(Unavailable), database.transaction() as connection:
        records.add_record(connection, replace(RECORD, activation_commitment=OTHER_KEY))


def test_a_second_record_of_an_activation_is_refused_and_spoils_nothing(
    database: Database,
) -> None:
    """Refused by the rule, not by a fault of the storage; the unit of work goes on."""
    with database.transaction() as connection:
        records.add_record(connection, RECORD)
        with refused("used before"):
            records.add_record(connection, replace(RECORD, record_id=KEY[:16]))
        totals.count_outcome(connection, "MATCH", 0)
    with database.transaction() as connection:
        assert records.all_records(connection) == [RECORD]
        assert connection.execute(sa.text("SELECT sum(count) FROM outcome_counters")).scalar() == 1


# Units of work that write what they read


@pytest.mark.parametrize("alone", [True, False])
def test_a_unit_that_counts_before_it_writes_is_alone(database: Database, alone: bool) -> None:
    """Two ask at once whether there is room for one. Where both are let in, both see that there is;
    where the second has to wait, it sees what the first has written."""
    both_have_counted = threading.Barrier(2)

    def take_the_place(number: int) -> bool:
        own = bytes([0x80 + number]) * 32  # its lock comes before that of the shared handle
        with (database.writing if alone else database.transaction)() as connection:
            if alone:
                hold_subject(connection, [own, KEY])
            full = records.count_live_matches(connection, [KEY], 0) >= 1
            with suppress(threading.BrokenBarrierError):
                both_have_counted.wait(0.5 if alone else PATIENCE)  # alone: in vain
            if not full:
                row = replace(RECORD, record_id=own[:16], activation_commitment=own)
                records.add_record(connection, row)
            return not full

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(take_the_place, (1, 2)))
    assert sorted(taken) == [not alone, True]
    with database.transaction() as connection:
        assert records.count_live_matches(connection, [KEY], 0) == sum(taken)


@pytest.mark.usefixtures("patient")
def test_two_handles_in_either_order_are_held_without_a_deadlock(database: Database) -> None:
    """A pepper is replaced: a subject has two handles, and each unit may name them in its order."""
    begun = threading.Barrier(2)

    def hold(handles: list[bytes]) -> None:
        begun.wait(PATIENCE)
        for _ in range(20):
            with database.writing() as connection:
                hold_subject(connection, handles)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(hold, ([KEY, bytes(32)], [bytes(32), KEY])))


def test_sqlite_is_read_within_the_unit_of_work(sqlite: Database) -> None:
    """Its driver would begin at the first change, after what was read."""
    with pytest.raises(CallerMisuse), sqlite.transaction() as connection:
        hold_subject(connection, [KEY])
    with pytest.raises(CallerMisuse), sqlite.transaction() as connection:
        hold_register(connection)


def test_parties_that_are_held_stay_until_the_end(database: Database) -> None:
    named = [("device", "counter-1"), ("agent", "a")]
    with database.transaction() as connection:
        parties.enrol_party(connection, "device", "counter-1", KEY)
        parties.enrol_party(connection, "agent", "a", None)
    suspended = threading.Event()

    def suspend() -> None:
        with database.writing() as connection:
            parties.suspend_party(connection, "agent", "a")
            suspended.set()

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            parties.hold_parties(connection, named)
            running = pool.submit(suspend)
            assert not suspended.wait(0.3)
        running.result(PATIENCE)
    with database.writing() as connection, refused("not enrolled: agent a"):
        parties.hold_parties(connection, named)
    with database.writing() as connection:
        parties.hold_parties(connection, named[:1])


# PostgreSQL


def test_tables_and_indexes_compile_for_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        created = str(CreateTable(table).compile(dialect=dialect))
        assert "BLOB" not in created
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=dialect))
    records = str(CreateTable(metadata.tables["records"]).compile(dialect=dialect))
    assert "statement BYTEA NOT NULL" in records


def test_migrations_compile_for_postgresql() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    output = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output}
    )
    with Operations.context(context):
        for revision in reversed(list(scripts.walk_revisions())):
            revision.module.upgrade()
    written = output.getvalue()
    for name in DATA_MAP:
        assert f"CREATE TABLE {name} (" in written
    assert "INSERT INTO consent_texts" in written
    with Operations.context(context):
        for revision in scripts.walk_revisions():
            revision.module.downgrade()
    assert "DROP TABLE records" in output.getvalue()
