"""``sealmatch inspect`` as an inspector runs it: on deployments at rest and at work."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.cli import inspect
from gateway.host.keyfile import create_secret, create_signing_key
from gateway.inspection.checks import ALL
from gateway.main import main
from gateway.store.reading import ReadingDatabase
from gateway.translog.tiles import bundles_of
from gateway.wire.errors import Unavailable
from tests.support.inspected import Inspected, own_database
from tests.support.parties import NOW
from tests.support.postgres import PostgresServer


@pytest.fixture(autouse=True)
def _at_the_time_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.inspect.unix_time", lambda: NOW + 60)


SHORT: Final = tuple(one for one in ALL if not one.id.startswith(("contents.", "retention.")))
"""Without the checks that search files; they have tests of their own."""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "ALL", SHORT)


@pytest.fixture
def _whole(_short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "ALL", ALL)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    made = Inspected(tmp_path_factory.mktemp("deployment"))
    made.register(7)
    made.publish()
    return made


@pytest.fixture
def deployment(template: Inspected, tmp_path: Path) -> Inspected:
    return Inspected.copied(template, tmp_path)


def arguments(deployment: Inspected, *more: str, log: str = "database") -> list[str]:
    return [
        "inspect",
        *("--gateway-database", deployment.url, "--authority-data", str(deployment.authority)),
        *("--log", log, "--trust", str(deployment.write_trust()), *more),
    ]


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("_whole")
def test_a_clean_deployment(deployment: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(deployment)) == 0
    said = capsys.readouterr()
    *_, first, second, third = said.out.splitlines()
    assert first.startswith("No violation was found: ")
    assert "lines were NOT examined and say nothing" in second
    assert "rest on the inspector's own access" in third
    assert "data-map.tables: " in said.err, "whoever waits sees what goes on"


def test_a_violation_is_told_with_how_to_repeat_it(
    deployment: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.execute("CREATE TABLE faces (x TEXT)")
    assert main(arguments(deployment)) == 3
    said = capsys.readouterr().out
    assert "FAIL    data-map.tables" in said
    assert "! gateway: table faces is not in the data map" in said
    assert "by hand: " in said
    assert said.splitlines()[-3].endswith("lines are violated.")


@pytest.mark.usefixtures("_whole")
def test_nothing_given_is_nothing_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--json"]) == 0
    found = report(capsys)
    assert {line["verdict"] for line in found["lines"]} == {"NO_ACCESS"}
    assert found["sentences"][1].startswith(f"{len(found['lines'])} lines were NOT examined")


def test_bundle_and_verification(
    deployment: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, out = tmp_path / "inspector.key", tmp_path / "bundle.tar"
    public = create_signing_key(key, "reader").public
    assert main(arguments(deployment, "--out", str(out), "--key", str(key))) == 0
    verify = ["inspect", "verify", str(out)]
    assert main([*verify, "--inspector-key", public.raw.hex()]) == 0
    said = capsys.readouterr().out
    assert f"signed by the key with the id {public.key_id.hex()}" in said
    assert "lines rest on the inspector's access" in said
    assert main(verify) == 0
    assert "by whom was NOT checked" in capsys.readouterr().out
    assert main([*verify, "--inspector-key", "ab" * 32, "--json"]) == 3
    assert report(capsys)["differs"][0].startswith("signature: ")
    assert main(arguments(deployment, "--since", str(out), "--json")) == 0
    lines = [line for line in report(capsys)["lines"] if line["check"] == "log.visit"]
    assert {line["verdict"] for line in lines} == {"PASSED", "NOTHING"}


def test_reports_for_people_and_tools(deployment: Inspected, tmp_path: Path) -> None:
    out, html, oscal = (tmp_path / name for name in ("b.tar", "r.html", "r.json"))
    written = ("--out", str(out), "--html", str(html), "--oscal", str(oscal))
    assert main(arguments(deployment, *written)) == 0
    assert hashlib.sha256(out.read_bytes()).hexdigest() in html.read_text()
    assert "assessment-results" in json.loads(oscal.read_bytes())


def test_what_is_no_bundle_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], deployment: Inspected
) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"PK\3\4")
    assert main(["inspect", "verify", str(path)]) == 1
    assert "not an inspection's bundle" in capsys.readouterr().err
    assert main(arguments(deployment, "--since", str(path))) == 1
    assert main(["inspect", "verify", str(tmp_path / "missing.tar")]) == 1
    with pytest.raises(SystemExit) as caught:
        main(["inspect", "verify", str(path), "--inspector-key", "ab"])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--gateway-database", "sqlite:////missing/gateway.sqlite3"),
        ("--gateway-database", "sqlite://"),
        ("--gateway-database", "mysql://x/y"),
        ("--authority-data", "/missing"),
        ("--log", "/missing"),
        ("--log", "database"),
        ("--log", "https://gateway.example/log"),
        ("--trust", "/missing.json"),
        ("--word", "/missing.toml"),
        ("--activations", "/missing.csv"),
        ("--canary", "/"),
        ("--out", "/missing/bundle.tar"),
    ],
)
def test_what_was_given_wrongly_fails_at_once(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", option, value]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("sealmatch: ")


def test_no_output_overwrites_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "report")
    assert main(["inspect", "--out", path, "--html", f"{tmp_path}/./report"]) == 1
    assert "different files" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.sqlite3"
    path.write_bytes(b"not a database, but long enough to be read" * 99)
    assert main(["inspect", "--gateway-database", f"sqlite:///{path}"]) == 1
    assert "cannot be opened for reading" in capsys.readouterr().err


# The log, wherever it is


def exported(deployment: Inspected, directory: Path) -> Path:
    """The log's files, as a web server would serve them."""
    with deployment.evidence() as evidence:
        source = evidence.log
        note = source.checkpoint()
        size = int(note.split(b"\n")[1])
        for bundle in bundles_of(size):
            entries = next(iter(source.entries(size, bundle.index * 256)))
            path = directory / bundle.path
            path.parent.mkdir(parents=True)
            path.write_bytes(b"".join(len(one).to_bytes(2, "big") + one for one in entries))
    (directory / "checkpoint").write_bytes(note)
    return directory


@contextmanager
def served(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def log_lines(capsys: pytest.CaptureFixture[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in report(capsys)["lines"]:
        found.setdefault(line["check"], set()).add(line["verdict"])
    return {name: said for name, said in found.items() if name.startswith("log.")}


def test_the_log_is_read_where_it_is_served(
    deployment: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = exported(deployment, tmp_path / "log")
    main(arguments(deployment, "--json"))
    of_database = log_lines(capsys)
    assert main(arguments(deployment, "--json", log=str(directory))) == 0
    assert log_lines(capsys) == of_database
    with served(directory) as url:
        assert main(arguments(deployment, "--json", log=url)) == 0
    assert log_lines(capsys) == of_database
    assert of_database["log.entries"] == {"PASSED"}


def test_a_log_that_is_shown_otherwise_than_it_is_stored_is_found(
    deployment: Inspected, template: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The web server shows yesterday's log, and its database went on."""
    directory = exported(template, tmp_path / "log")
    deployment.register(1)
    deployment.publish()
    deployment.execute("UPDATE log_entries SET entry = x'" + "00" * 32 + "' WHERE log_index = 2")
    assert main(arguments(deployment, "--json", log=str(directory))) == 3
    found = {
        one
        for line in report(capsys)["lines"]
        if line["check"] == "log.entries"
        for one in line["found"]
    }
    assert "entries from 0 on are others than those that the log shows" in found


def test_a_directory_without_a_log_gives_no_access(
    deployment: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").mkdir()
    assert main(arguments(deployment, "--json", log=str(tmp_path / "log"))) == 0
    assert log_lines(capsys)["log.checkpoint"] == {"NO_ACCESS"}


# Nothing is changed


def fingerprints(deployment: Inspected) -> dict[str, str]:
    """Every file with its content and times, and every directory with what is in it."""
    found = {}
    for path in sorted(deployment.directory.rglob("*")):
        at = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = f"{at.st_mode} {at.st_mtime_ns} {at.st_size} {content}"
    return found


@pytest.mark.usefixtures("_whole")
def test_an_inspection_of_a_deployment_at_rest_changes_no_byte(deployment: Inspected) -> None:
    deployment.write_trust()
    before = fingerprints(deployment)
    assert not any(name.endswith(("-wal", "-shm")) for name in before)
    with pytest.MonkeyPatch.context() as patch:  # the trust file is written once
        patch.setattr(Inspected, "write_trust", lambda self: self.directory / "trust.json")
        assert main(arguments(deployment)) == 0
    assert fingerprints(deployment) == before


SERVING = """
import sys
from gateway.store.database import Database
database = Database(sys.argv[1])
with database.transaction() as connection:
    connection.exec_driver_sql("INSERT INTO outcome_counters VALUES (1, 'EXPIRED', 1)")
print("ready", flush=True)
for _ in sys.stdin:
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE outcome_counters SET count = count + 1 WHERE day = 1")
    print("written", flush=True)
"""


@contextmanager
def another_process(deployment: Inspected) -> Iterator["subprocess.Popen[str]"]:
    """A server has the database open, with its write-ahead log."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVING, deployment.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate()


@pytest.mark.usefixtures("_whole")
def test_an_inspection_of_a_deployment_at_work_changes_no_byte(
    deployment: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.write_trust()
    with another_process(deployment) as server, pytest.MonkeyPatch.context() as patch:
        assert server.stdin is not None
        assert server.stdout is not None
        before = fingerprints(deployment)
        assert any(name.endswith("-wal") for name in before)
        patch.setattr(Inspected, "write_trust", lambda self: self.directory / "trust.json")
        assert main(arguments(deployment, "--json")) == 0
        assert fingerprints(deployment) == before
        found = [one for one in report(capsys)["lines"] if one["check"] == "outcomes.fallbacks"]
        assert "EXPIRED" in found[0]["notes"][0], "what lies in the write-ahead log is seen"
        with ReadingDatabase(deployment.url) as reading:
            server.stdin.write("\n")
            server.stdin.flush()
            assert server.stdout.readline() == "written\n", "an inspection stops no server"
            query = "SELECT count FROM outcome_counters WHERE day = 1"
            assert reading.connection.exec_driver_sql(query).scalar() == 1, "one snapshot"


def test_nothing_can_be_written_through_it(
    deployment: Inspected, postgresql: PostgresServer, tmp_path: Path
) -> None:
    import sqlalchemy as sa

    (tmp_path / "other").mkdir()
    other = Inspected(tmp_path / "other", own_database(postgresql))
    for one in (deployment, other):
        with ReadingDatabase(one.url) as reading, pytest.raises(sa.exc.DBAPIError):
            reading.connection.exec_driver_sql("UPDATE parties SET state = 'suspended'")


def test_an_account_that_may_read_less_sees_less_and_passes_less(
    postgresql: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it may not read is told, and stops no other line."""
    deployment = Inspected(tmp_path, own_database(postgresql))
    deployment.publish()
    password = tmp_path / "password"
    create_secret(password, b"little")
    deployment.execute("DROP ROLE IF EXISTS little", "CREATE ROLE little LOGIN PASSWORD 'little'")
    deployment.execute(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO little", "REVOKE ALL ON records FROM little"
    )
    deployment.url = deployment.url.replace("sealmatch@", "little@").partition("?")[0]
    deployment.url += f"?password_file={password}"
    main(arguments(deployment, "--json", "--paths", str(deployment.gateway)))
    lines = report(capsys)["lines"]
    verdicts = {line["title"]: line["verdict"] for line in lines}
    assert verdicts["Every record says at which outlet it was made"] == "NO_ACCESS"
    assert verdicts["The entries are hashes and nothing else, and lead to the signed root"] == (
        "PASSED"
    )
    assert not [line for line in lines if line["verdict"] == "VIOLATED"], lines


def test_a_server_that_starts_meanwhile_is_noticed(deployment: Inspected) -> None:
    with ReadingDatabase(deployment.url) as reading:
        assert reading.unchanged()
        deployment.execute("UPDATE log_head SET epoch = epoch + 1")
        assert not reading.unchanged()


def test_a_copy_without_its_index_is_refused_plainly(deployment: Inspected, tmp_path: Path) -> None:
    """SQLite would make the index beside it: the inspector's copy lacks a file."""
    (deployment.gateway / "gateway.sqlite3-wal").write_bytes(b"x")
    with pytest.raises(Unavailable, match="-shm"):
        ReadingDatabase(deployment.url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_many_rows_take_little_memory(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """20,000 rows of some 200 bytes are 4 MB at least; a batch of them is a twentieth."""
    import tracemalloc

    import sqlalchemy as sa

    url = own_database(request.getfixturevalue("postgresql")) if kind == "postgresql" else None
    deployment = Inspected(tmp_path, url)
    deployment.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO log_checkpoints (size, root, note, published) "
        f"SELECT i, {ZEROS[kind]}, {ZEROS[kind]}, false FROM n"
    )
    with deployment.evidence() as evidence:
        query = sa.text("SELECT size, note FROM log_checkpoints")
        next(evidence.database.rows(query))
        tracemalloc.start()
        count = sum(1 for _ in evidence.database.rows(query))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 2 * 2**20


ZEROS = {"sqlite": "zeroblob(200)", "postgresql": "decode(repeat('00', 200), 'hex')"}
