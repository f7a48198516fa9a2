"""``sealmatch-gateway retention`` as an operator sees it."""

import json
import time
from pathlib import Path

import pytest

from gateway.host import keystore
from gateway.retention.schedule import BadSchedule, RetentionSchedule, draft
from gateway.server.cli import main
from gateway.store.database import Database
from gateway.store.schema import records
from tests.support.kept import DAY, keep, made
from tests.support.sealed import CHEAP, passphrase_file


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    for name, value in {
        "DATA_DIR": str(tmp_path / "gateway"),
        "PASSPHRASE_FILE": str(passphrase_file(tmp_path)),
        "AUTHORITY_PUBLIC_KEY": "ab" * 32,
        "MODEL_ID": "test/none",
        "MODEL_DIGEST": "cd" * 32,
    }.items():
        monkeypatch.setenv(f"SEALMATCH_GATEWAY_{name}", value)
    assert run("init") == 0
    return tmp_path / "gateway"


def run(*arguments: str) -> int:
    return main(list(arguments))


def kept(data: Path, *ages: int) -> Database:
    database = Database(f"sqlite:///{data / 'gateway.sqlite3'}")
    database.migrate()
    now = int(time.time())
    keep(database, [made(now - age * DAY, now + (180 - age) * DAY) for age in ages])
    return database


def rows(database: Database) -> int:
    with database.transaction() as connection:
        return len(connection.execute(records.select()).all())


def test_from_a_draft_to_a_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = kept(data, 300, 100, 10)
    capsys.readouterr()
    assert run("retention", "draft") == 0
    file = tmp_path / "retention.toml"
    file.write_text(capsys.readouterr().out.replace("days = 180", "days = 90"))
    assert run("retention", "adopt", str(file)) == 0
    assert "schedule 1 is in force; 3 records expire sooner" in capsys.readouterr().err
    assert run("retention", "run", "--dry-run") == 0
    assert "records\t3\t2\t0\t" in capsys.readouterr().out
    assert rows(database) == 3
    assert run("retention", "run") == 0
    assert "guard kept: removed records 2" in capsys.readouterr().out
    assert rows(database) == 1
    assert run("retention", "status", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lastRun"]["removed"]["records"] == 2
    assert told["kinds"]["records"]["due"] == 0
    assert run("retention", "scrub") == 0
    assert "every page was written anew" in capsys.readouterr().out
    assert run("retention", "run") == 0
    assert "nothing is due" in capsys.readouterr().err
    assert run("retention", "show") == 0
    assert capsys.readouterr().out == file.read_text()
    assert run("history") == 0
    verbs = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
    assert verbs == ["adopt", "reap", "scrub"]
    database.close()


def test_a_broken_guard_is_said_with_its_numbers(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = kept(data, 300, 300, 10)
    file = tmp_path / "retention.toml"
    file.write_bytes(draft(180).replace(b"rows = 1000", b"rows = 1"))
    assert run("retention", "adopt", str(file)) == 0
    capsys.readouterr()
    assert run("retention", "run") == 3
    assert "2 of 3 records are due, more than a run may remove" in capsys.readouterr().err
    assert run("retention", "status") == 3
    assert rows(database) == 3
    assert run("retention", "run", "--lift-guard") == 0
    assert rows(database) == 1
    database.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is missing"),
        (b"\xff\xfe", "not TOML in UTF-8"),
        (b"version = 1\n[records]\ndays = 180", "is missing"),
        (draft(180).replace(b"days = 30\n", b"life = true\n"), "backups"),
        (draft(180).replace(b"life = true", b"life = false", 1), "erasures"),
        (draft(180).replace(b"days = 30\n", b"days = 0\n"), "backups.days is wrong"),
        (draft(180).replace(b"version = 1", b"version = 2"), "version is wrong"),
        (draft(180) + b"[faces]\ndays = 3\n", "faces is wrong"),
        (draft(180).replace(b'purpose = "let two', b'other = "let two'), "orders.purpose"),
        (b"a" * 70_000, "too long"),
    ],
)
def test_a_file_that_is_no_schedule_is_refused_by_its_fault(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "retention.toml"
    file.write_bytes(content)
    assert run("retention", "adopt", str(file)) == 1
    err = capsys.readouterr().err
    assert file.name in err
    assert said in err
    with pytest.raises(BadSchedule):
        RetentionSchedule.decode(content)


def test_texts_may_not_promise_less_than_the_adopted_schedule(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "retention.toml"
    file.write_bytes(draft(300))
    assert run("retention", "adopt", str(file)) == 0
    capsys.readouterr()
    assert run("consent", "draft", "2") == 0
    texts = tmp_path / "texts.json"
    texts.write_text(capsys.readouterr().out)
    assert run("consent", "add", str(texts)) == 1
    assert "180 days, and this gateway keeps records for 300" in capsys.readouterr().err
