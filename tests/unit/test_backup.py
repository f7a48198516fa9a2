"""Backup and restore: one state, all or nothing, from each database to the other, without what was
erased."""

import json
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.host import crash
from gateway.host.archive import ArchiveReader, ArchiveWriter, DamagedArchive, NotWritten
from gateway.sequencing.whole import NotWhole
from gateway.server import backup
from gateway.server.cli import main
from gateway.store import halts, portable, records
from gateway.store.database import Database, HalfRestored, newest_version, upgrade
from gateway.store.schema import consents, metadata, orders
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse, Refused, SealmatchError, Unavailable
from gateway.wire.ids import RecordId, new_record_id
from gateway.wire.orders import ErasureOrder, record_of
from gateway.wire.subject import new_salt
from tests.support.operators import Desk
from tests.support.postgres import PostgresServer
from tests.support.site import DAY, Site, killed_at, rows
from tests.support.tables import columns_of

KINDS = ["sqlite", "postgresql"]


@pytest.fixture
def empty(request: pytest.FixtureRequest) -> Callable[[str], str | None]:
    """The URL of an empty database of a kind, as settings have it."""

    def make(kind: str) -> str | None:
        server: PostgresServer = request.getfixturevalue("postgresql")
        return server.new_database() if kind == "postgresql" else None

    return make


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return furnished(Site(tmp_path_factory.mktemp("model") / "site"))


@pytest.fixture
def site(model: Site, tmp_path: Path) -> Site:
    """On SQLite, with records, actions, and one record that was erased."""
    return model.copied(tmp_path / "site")


def furnished(site: Site) -> Site:
    site.enrol("a")
    with site.database() as database:
        desk = Desk(database, site.now, site.keys.signing_key)
        desk.adopted(desk.operator("anna"), desk.operator("ben"))
    gone, *_ = site.record(5)
    site.erase(gone)
    site.record(2, sequenced=False)
    return site


def made(site: Site, out: Path) -> Path:
    with site.database() as database:
        backup.make(database, out, site.now)
    return out


def restored(site: Site, file: Path, listed: Path | None = None) -> backup.Restored:
    """Into the site's database, which must be empty."""
    with closing(Database(site.settings.database)) as database:
        return backup.restore(database, file, listed, site.keys, site.now)


def elsewhere(site: Site, tmp_path: Path, url: str | None) -> Site:
    """The same gateway on an empty database: PostgreSQL, or SQLite in another directory."""
    other = site.on(url)
    if url is None:
        target = tmp_path / f"target-{len(list(tmp_path.iterdir()))}"
        target.mkdir(mode=0o700)
        (target / "keystore.sealed").write_bytes(
            (site.settings.data_dir / "keystore.sealed").read_bytes()
        )
        (target / "keystore.sealed").chmod(0o600)
        other.settings = other.settings.model_copy(update={"data_dir": target})
    return other


def tables_of(site: Site) -> set[str]:
    with closing(Database(site.settings.database)) as database:
        return set(columns_of(database))


def an_order_about(record: RecordId, now: int) -> dict[str, object]:
    """A row that waits for a second operator."""
    order = ErasureOrder(
        gateway="gateway.example",
        order_id=new_record_id(),
        salt=new_salt(),
        operator="operator",
        ordered_at=now,
        record_id=record,
        reason="court-order",
    )
    signed = cose.sign(order, SigningKey.generate("operator")).encoded
    return {"order_id": order.order_id, "ordered": signed, "expires_at": order.expires_at}


# From one to the other


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_every_row_comes_back_on_the_other_database(
    source: str, target: str, tmp_path: Path, empty: Callable[[str], str | None]
) -> None:
    site = furnished(Site(tmp_path / "site", empty(source)))
    before = site.content()
    file = made(site, tmp_path / "backup")
    other = elsewhere(site, tmp_path, empty(target))
    done = restored(other, file)
    with other.database() as database:
        desk = Desk(database, site.now, site.keys.signing_key)
        assert [one.order.number for one in desk.policies()] == [1]
    after = other.content()
    assert done.manifest.rows == {name: len(found) for name, found in before.items()}
    # What a restore adds: the halt, its signed action, and that action's entry.
    for name, added in {"log_halts": 1, "admin_actions": 1, "log_pending": 1}.items():
        assert len(after[name]) == len(before[name]) + added
        assert after[name][: len(before[name])] == before[name]
    log_head = after.pop("log_head")[0][:-1], before.pop("log_head")[0][:-1]
    assert log_head[0] == log_head[1], "all but the epoch, by which sequencers are deposed"
    for name in after.keys() - {"log_halts", "admin_actions", "log_pending"}:
        assert after[name] == before[name], name
    assert done.manifest.digest == after["log_halts"][0][2]
    # And its counters go on: the next row is written like any other.
    with other.database() as database, database.writing() as connection:
        halts.settle(connection, "resumed", other.now)
    other.record(1)
    assert other.newest().checkpoint.size == site.newest().checkpoint.size + 4


def test_a_backup_is_one_state_while_the_gateway_goes_on(
    tmp_path: Path, database: Database, url: str
) -> None:
    """Rows that are written while it is made are not in it, in no table."""
    site = Site(tmp_path / "site", None if url.startswith("sqlite") else url)
    site.record(3)
    before = site.content()
    meanwhile: list[str] = []

    def write(point: str) -> None:
        if point == "backup-table-written" and not meanwhile:
            meanwhile.append(point)
            site.record(2)

    crash.install(write)
    try:
        file = made(site, tmp_path / "backup")
    finally:
        crash._hooks.remove(write)
    assert meanwhile
    with file.open("rb") as opened:
        manifest = backup.Manifest.of(ArchiveReader(opened, portable.BACKUP))
    assert manifest.rows == {name: len(found) for name, found in before.items()}
    assert manifest.size == 3
    assert len(site.content()["records"]) == 5, "the control: they were written"


def test_a_table_is_read_some_rows_at_a_time(database: Database) -> None:
    """Whatever its size, and in full: also where a key has two columns, and at a page's end."""
    table = metadata.tables["outcome_counters"]
    many = 2 * portable._READ_ROWS
    with database.transaction() as connection:
        given = [{"day": n // 2, "outcome": f"o{n % 2}", "count": n} for n in range(many)]
        connection.execute(table.insert(), given)
    asked: list[str] = []
    with database.snapshot() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2]))
        assert list(portable.rows_of(connection, table)) == rows(connection, table)
    assert len(asked) == 4, "two full pages, one empty, and the control"


# The file


def test_the_file_is_private_whole_or_not_there_and_never_overwritten(
    site: Site, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    file = made(site, out / "backup")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(CallerMisuse, match="not overwritten"):
        made(site, file)
    assert killed_at("new-file-written", lambda: made(site, out / "killed"))
    assert killed_at("backup-table-written", lambda: made(site, out / "killed"))
    assert not (out / "killed").exists()
    made(site, out / "killed")  # and what a killed one left beside it is gone
    assert sorted(os.listdir(out)) == ["backup", "killed"]
    assert file.read_bytes() == before
    keystore = (site.settings.data_dir / "keystore.sealed").read_bytes()
    assert keystore[-64:] not in before


def test_a_full_disk_is_said_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with site.database() as database:
        site.record(1)  # so that SQLite has its own files already
        with file_size_limit(2048), pytest.raises((NotWritten, OSError), match=r"large|space"):
            backup.make(database, out / "backup", site.now)
    assert os.listdir(out) == []
    made(site, out / "backup")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The disk takes no file that is longer."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIG_IGN
    handler = signal.signal(signal.SIGXFSZ, ignored)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_damaged_file_is_refused_before_anything_is_made(site: Site, tmp_path: Path) -> None:
    whole = made(site, tmp_path / "backup").read_bytes()
    half, file = len(whole) // 2, tmp_path / "damaged"
    other = elsewhere(site, tmp_path, None)
    for damaged in (
        b"",
        whole[:half],
        whole[:-1],
        whole + b"\0",
        whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :],
        b"not a backup",
    ):
        file.write_bytes(damaged)
        with pytest.raises(DamagedArchive):
            restored(other, file)
    assert not (other.settings.data_dir / "gateway.sqlite3").exists()
    file.write_bytes(whole)
    restored(other, file)


def rewritten(
    source: Path, out: Path, change: Callable[[str, list[Any]], None], **described: Any
) -> Path:
    """A backup that somebody wrote anew, with a digest that fits."""
    with source.open("rb") as opened, out.open("wb") as written:
        archive = ArchiveReader(opened, portable.BACKUP)
        told = {**archive.described, **described}
        form = told.pop("format"), told.pop("version")
        writer = ArchiveWriter(written, form[0], told)  # type: ignore[arg-type]
        for part, some in archive.rows():
            for row in some:
                change(part, row)
            writer.add(part, some)
        writer.end()
    return out


ALTERED: dict[str, tuple[str, int, type[SealmatchError]]] = {
    "a statement": ("records", 6, NotWhole),
    "an entry": ("log_entries", 1, NotWhole),
    "a root": ("log_checkpoints", 1, DamagedArchive),
    "a tile": ("log_tiles", 2, NotWhole),
    "the edge": ("log_head", 3, NotWhole),
    "a signature": ("log_checkpoints", 2, NotWhole),
    "an action": ("admin_actions", 1, Refused),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_backup_that_was_written_anew_is_held_against_its_own_log(
    what: str, site: Site, tmp_path: Path
) -> None:
    table, column, expected = ALTERED[what]
    done: list[str] = []

    def alter(part: str, row: list[Any]) -> None:
        if part == table and row[column]:
            row[column] = row[column][:-3] + bytes([row[column][-3] ^ 1]) + row[column][-2:]
            done.append(part)

    file = rewritten(made(site, tmp_path / "backup"), tmp_path / "altered", alter)
    assert done
    other = elsewhere(site, tmp_path, None)
    with pytest.raises(expected):
        restored(other, file)
    assert tables_of(other) == {"restore_unfinished"}


def test_a_backup_that_was_written_anew_as_it_was_is_taken(site: Site, tmp_path: Path) -> None:
    """The control of the test before."""
    same = rewritten(made(site, tmp_path / "backup"), tmp_path / "same", lambda *_: None)
    restored(elsewhere(site, tmp_path, None), same)


def test_another_gateway_s_keystore_does_not_belong_to_it(site: Site, tmp_path: Path) -> None:
    file = made(site, tmp_path / "backup")
    stranger = Site(tmp_path / "stranger")
    with pytest.raises((NotWhole, Refused)):
        restored(stranger, file)


# Schemas


def test_a_backup_of_an_older_schema_is_migrated(site: Site, tmp_path: Path, url: str) -> None:
    """Written at revision 0004, which had other columns and fewer tables."""
    old = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    file = tmp_path / "backup"
    with closing(Database(old)) as database, database.writing() as connection:
        upgrade(connection, "0004")
        found = sa.MetaData()
        found.reflect(connection)
        tables = [one for one in found.sorted_tables if one.name != "alembic_version"]
        totals = found.tables["outcome_counters"]
        connection.execute(totals.insert().values(day=5, outcome="MATCH", count=7))
        described = {
            "revision": "0004",
            "made_at": 1,
            "log": {"origin": "", "size": 0, "root": b""},
            "columns": portable.columns_of(tables),
        }
        with file.open("wb") as written:
            archive = ArchiveWriter(written, portable.BACKUP, described)
            portable.dump(connection, archive, tables)
            archive.end()
    with closing(Database(url)) as database:
        backup.restore(database, file, None, site.keys, 9)
        assert columns_of(database).keys() == {*metadata.tables, "alembic_version"}
        with database.transaction() as connection:
            assert rows(connection, metadata.tables["outcome_counters"]) == [(5, "MATCH", 7)]
            assert len(rows(connection, metadata.tables["consent_versions"])) == 1


def test_a_newer_schema_is_refused_by_name(site: Site, tmp_path: Path) -> None:
    file = rewritten(
        made(site, tmp_path / "backup"), tmp_path / "new", lambda *_: None, revision="9999"
    )
    other = elsewhere(site, tmp_path, None)
    with pytest.raises(CallerMisuse, match=rf"schema 9999.*{newest_version()}"):
        restored(other, file)


def test_a_database_with_tables_is_left_alone(
    site: Site, tmp_path: Path, database: Database, url: str
) -> None:
    file = made(site, tmp_path / "backup")
    with pytest.raises(CallerMisuse, match="tables already"):
        backup.restore(database, file, None, site.keys, 5)
    with database.transaction() as connection:
        assert records.all_records(connection) == []


# Killed


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ("restore-begun", "sqlite"),
        ("restore-rows-written", "sqlite"),
        ("restore-rows-written", "postgresql"),
        ("restore-written", "sqlite"),
        ("restore-written", "postgresql"),
    ],
)
def test_a_restore_that_is_killed_leaves_what_only_a_restore_accepts(
    kind: str, point: str, site: Site, tmp_path: Path, empty: Callable[[str], str | None]
) -> None:
    file = made(site, tmp_path / "backup")
    other = elsewhere(site, tmp_path, empty(kind))
    assert killed_at(point, lambda: restored(other, file))
    assert tables_of(other) == {"restore_unfinished"}
    with closing(Database(other.settings.database)) as database, pytest.raises(HalfRestored):
        database.migrate()  # as every command and every start does
    restored(other, file)
    assert len(other.content()["records"]) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_restore_that_is_killed_at_its_end_is_done(
    kind: str, site: Site, tmp_path: Path, empty: Callable[[str], str | None]
) -> None:
    file = made(site, tmp_path / "backup")
    other = elsewhere(site, tmp_path, empty(kind))
    assert killed_at("restore-committed", lambda: restored(other, file))
    assert len(other.content()["records"]) == 6
    assert len(other.content()["log_halts"]) == 1


# What was erased since


def exported(site: Site, out: Path) -> Path:
    with site.database() as database:
        backup.export_erasures(database, out, site.now)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_erased_since_the_backup_does_not_come_back(
    kind: str, site: Site, tmp_path: Path, empty: Callable[[str], str | None]
) -> None:
    victim, spared = site.record(2)
    with site.database() as database, database.transaction() as connection:
        for number, row in enumerate((victim, spared)):
            given = {
                "consent_id": bytes([number]) * 16,
                "record_id": row.record_id,
                "digest": bytes(32),
                "text_version": 1,
                "given_by": "subject",
                "given_on": site.now // DAY,
                "expires_at": row.expires_at,
            }
            connection.execute(consents.insert().values(given))
            connection.execute(orders.insert().values(an_order_about(row.record_id, site.now)))
    file = made(site, tmp_path / "backup")
    site.erase(victim)
    listed = exported(site, tmp_path / "erasures")
    assert victim.statement not in listed.read_bytes()
    other = elsewhere(site, tmp_path, empty(kind))
    done = restored(other, file, listed)
    assert (done.erased, done.erasures_size) == (1, site.newest().checkpoint.size)
    after = other.content()
    ids = {row[0] for row in after["records"]}
    assert victim.record_id not in ids
    assert spared.record_id in ids
    assert [row[1] for row in after["consents"]] == [spared.record_id]
    assert [record_of(row[1]) for row in after["orders"]] == [spared.record_id]
    # Its erasure is there, to be shown to the subscriber, and enters the log anew.
    before = {row[0]: row for row in site.content()["erasures"]}
    assert {row[0] for row in after["erasures"]} == before.keys()
    kinds = [row[2] for row in after["log_pending"]]
    assert kinds.count("erasure") == 1
    if kind == "sqlite":
        for path in other.settings.data_dir.iterdir():
            assert victim.statement[:32] not in path.read_bytes(), path.name
    again = elsewhere(site, tmp_path, None)
    restored(again, file)  # the control: without the list it comes back
    assert victim.record_id in {row[0] for row in again.content()["records"]}


def test_a_list_that_cannot_serve_is_refused(site: Site, tmp_path: Path) -> None:
    older = exported(site, tmp_path / "older")
    (row,) = site.record(1)
    file = made(site, tmp_path / "backup")
    other = elsewhere(site, tmp_path, None)
    with pytest.raises(CallerMisuse, match="Bring a newer one"):
        restored(other, file, older)
    stranger = Site(tmp_path / "stranger")
    (foreign,) = stranger.record(1)
    stranger.erase(foreign)
    for count in range(9):
        stranger.enrol(f"party-{count}")
    with pytest.raises(CallerMisuse, match="of another log"):
        restored(other, file, exported(stranger, tmp_path / "foreign"))
    site.erase(row)
    good = exported(site, tmp_path / "good")
    planted = tmp_path / "planted"
    with good.open("rb") as opened, planted.open("wb") as written:
        archive = ArchiveReader(opened, backup.ERASURES)
        told = {key: archive.described[key] for key in ("made_at", "checkpoint")}
        writer = ArchiveWriter(written, backup.ERASURES, told)
        for part, some in archive.rows():
            for one in some:
                one[1] = bytes(32)  # somebody else's record should go
            writer.add(part, some)
        writer.end()
    with pytest.raises(CallerMisuse, match="did not sign"):
        restored(other, file, planted)
    assert restored(other, file, good).erased == 1


# The commands


def test_an_operator_backs_up_and_restores_by_command(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = elsewhere(site, tmp_path, None)
    for name in ("passphrase_file", "authority_public_key", "model_id", "model_digest", "party"):
        value = str(getattr(site.settings, name))
        monkeypatch.setenv(f"SEALMATCH_GATEWAY_{name.upper()}", value)

    def run(at: Site, *arguments: object) -> int:
        monkeypatch.setenv("SEALMATCH_GATEWAY_DATA_DIR", str(at.settings.data_dir))
        return main([str(one) for one in arguments])

    assert run(site, "backup", tmp_path / "backup") == 0
    manifest = json.loads(capsys.readouterr().out)
    assert (manifest["schema"], manifest["rows"]["records"]) == (newest_version(), 6)
    assert run(site, "erasures", "export", tmp_path / "erasures") == 0
    assert json.loads(capsys.readouterr().out)["erasures"] == 1
    assert run(site, "backup", tmp_path / "backup") == 1
    assert "not overwritten" in capsys.readouterr().err
    restore = ("restore", tmp_path / "backup", "--erasures", tmp_path / "erasures")
    assert run(other, *restore) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["sha256"] == manifest["sha256"]
    assert "log resume, or log begin" in said.err
    assert run(other, *restore) == 1
    assert "tables already" in capsys.readouterr().err
    assert run(other, "log", "list") == 0
    assert "halted\tgateway.example/log\t10" in capsys.readouterr().out
    assert run(other, "history") == 0
    assert "restore\tlog\t1\t" + manifest["sha256"] in capsys.readouterr().out
    assert run(site, "backup", tmp_path / "no" / "such") == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_no_backup(site: Site, tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path / 'missing' / 'x.sqlite3'}")
    with closing(missing) as database, pytest.raises(Unavailable):
        backup.make(database, tmp_path / "backup", 5)
    assert not (tmp_path / "backup").exists()
