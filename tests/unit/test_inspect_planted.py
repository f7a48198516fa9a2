"""Planted violations: each is found, by the line that is there for it, on both databases.

The control of all of them is a clean deployment, which is reported clean.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.inspection.checks import ALL
from gateway.inspection.lines import Verdict
from gateway.server import consent, register
from tests.support.inspected import Inspected, own_database, violated
from tests.support.parties import DEVICE, GATEWAY, NOW, stranger
from tests.support.postgres import PostgresServer

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)


def made(directory: Path, url: str | None = None) -> Inspected:
    deployment = Inspected(directory, url)
    deployment.register(6)
    deployment.publish()
    deployment.register(2, "NO_MATCH")
    deployment.publish()
    return deployment


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    return made(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresServer
) -> Inspected:
    return made(tmp_path_factory.mktemp("template"), own_database(postgresql))


@pytest.fixture(params=BOTH)
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Inspected:
    """A copy of a clean deployment, for a test to plant something in."""
    if request.param == "sqlite":
        return Inspected.copied(request.getfixturevalue("on_sqlite"), tmp_path)
    server = request.getfixturevalue("postgresql")
    template = request.getfixturevalue("on_postgresql")
    return Inspected.copied(template, tmp_path, own_database(server, template.url))


def dialect(deployment: Inspected) -> str:
    return deployment.url.partition(":")[0]


def test_a_clean_deployment_is_clean(deployment: Inspected) -> None:
    lines = deployment.inspect()
    assert violated(lines) == {}
    unseen = {line.check for line in lines if line.verdict is Verdict.NO_ACCESS}
    assert unseen == {
        *("log.visit", "keys.peppers", "activations.reconciled", "software.digest"),
        *("access.staff", "backups.kept", "canary.absent"),
    }, [line.found for line in lines if line.verdict is Verdict.NO_ACCESS]
    assert sum(line.verdict is Verdict.PASSED for line in lines) >= 20


Plant = Callable[[Inspected], Any]


def sql(*statements: str) -> Plant:
    return lambda one: one.execute(*statements)


def in_schema(before: str, after: str, postgres: str) -> Plant:
    """A change of a column's declaration, which SQLite has no statement for."""

    def plant(one: Inspected) -> None:
        if dialect(one) == "postgresql":
            one.execute(postgres)
            return
        one.execute(
            "PRAGMA writable_schema = ON",
            f"UPDATE sqlite_master SET sql = replace(sql, '{before}', '{after}')",
        )

    return plant


def trigger(one: Inspected) -> None:
    if dialect(one) == "sqlite":
        one.execute(
            "CREATE TRIGGER copying AFTER INSERT ON sessions BEGIN "
            "UPDATE log_head SET epoch = epoch; END"
        )
    else:
        one.execute(
            "CREATE FUNCTION copying() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER copying AFTER INSERT ON sessions "
            "FOR EACH ROW EXECUTE FUNCTION copying()",
        )


def file(name: str, content: bytes) -> Plant:
    def plant(one: Inspected) -> None:
        path = one.gateway / name
        path.write_bytes(content)
        path.chmod(0o600)

    return plant


def second_database(one: Inspected) -> None:
    import sqlite3

    connection = sqlite3.connect(one.gateway / "cache.tmp")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    (one.gateway / "cache.tmp").chmod(0o600)


def another_log(one: Inspected) -> None:
    """A checkpoint that a stranger signed for the log's tree is put in the place of the log's."""
    from gateway.translog.checkpoint import SignedCheckpoint
    from gateway.translog.cosignature import sign_checkpoint
    from gateway.translog.note import Kind, NoteSigner

    with one.evidence() as evidence:
        signed = SignedCheckpoint.parse(evidence.log.checkpoint())
    key = NoteSigner.from_seed(signed.checkpoint.origin, Kind.ED25519, bytes(32))
    forged = SignedCheckpoint.make(signed.checkpoint, sign_checkpoint(signed.checkpoint, key, NOW))
    one.execute(
        "UPDATE log_checkpoints SET note = :note WHERE size = :size",
        note=bytes(forged),
        size=signed.checkpoint.size,
    )


def suspended_and_back(one: Inspected) -> None:
    with one.database() as database:
        register.suspend(database, "device", DEVICE.party, GATEWAY, NOW)
    one.publish()
    one.execute("UPDATE parties SET state = 'active'")


def retired_and_back(one: Inspected) -> None:
    with one.database() as database:
        consent.retire(database, 2, GATEWAY, NOW)
    one.publish()
    one.execute("UPDATE consent_versions SET state = 'active'")


def forged_action(one: Inspected) -> None:
    """An enrolment that somebody else signed in the gateway's name."""
    with one.database() as database:
        register.enrol(
            database, [register.Entry("outlet", "outlet-9", None)], stranger(GATEWAY.party), NOW
        )
    one.publish()


def unlogged_action(one: Inspected) -> None:
    """The operator's action is signed, and its entry is taken out of the queue."""
    with one.database() as database:
        register.enrol(database, [register.Entry("outlet", "outlet-9", None)], GATEWAY, NOW)
    one.execute("DELETE FROM log_pending")
    one.publish()


def in_trust_list(change: Callable[[dict[str, Any]], Any]) -> Plant:
    def plant(one: Inspected) -> None:
        path = one.authority / "trust.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return plant


def overdue_audit(one: Inspected) -> None:
    from keys.audits import AuditLedger
    from tests.support.parties import Clock

    AuditLedger(one.authority / "audits.sqlite3", 3, Clock()).demand("gateway.example", NOW - 1)


ENROLLED_BY_NOBODY = (
    "INSERT INTO parties (kind, party, public_key, key_id, state) "
    "VALUES ('outlet', 'outlet-66', NULL, NULL, 'active')"
)
LONG_MARK = (
    "INSERT INTO withdrawals (withdrawal_id, mark, withdrawal, expires_at) "
    "SELECT substr(entry, 1, 16), {entry}, entry, 1 FROM log_entries WHERE log_index = 0"
)


def long_cell(one: Inspected) -> None:
    twice = "entry || entry"
    cast = f"CAST({twice} AS BLOB)" if dialect(one) == "sqlite" else twice
    one.execute(LONG_MARK.format(entry=cast))


PLANTED: dict[str, tuple[Plant, str, str, tuple[str, ...]]] = {
    # what, the line that finds it, what it says, where it can be planted
    "table": (sql("CREATE TABLE faces (x TEXT)"), "data-map.tables", "faces", BOTH),
    "view": (sql("CREATE VIEW seen AS SELECT * FROM records"), "data-map.tables", "view", BOTH),
    "trigger": (trigger, "data-map.tables", "trigger copying", BOTH),
    "missing-table": (sql("DROP TABLE holds"), "data-map.tables", "holds", BOTH),
    "schema": (sql("CREATE SCHEMA aside"), "data-map.tables", "schema aside", POSTGRESQL),
    "table-aside": (
        sql("CREATE SCHEMA aside", "CREATE TABLE aside.records (x TEXT)"),
        "data-map.tables",
        "in the schema aside",
        POSTGRESQL,
    ),
    "function": (
        sql("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
        "data-map.tables",
        "function f",
        POSTGRESQL,
    ),
    "large-object": (
        sql("SELECT lo_from_bytea(0, 'face')"),
        "data-map.tables",
        "large object",
        POSTGRESQL,
    ),
    "publication": (
        sql("CREATE PUBLICATION leak FOR TABLE records"),
        "data-map.tables",
        "publication leak",
        POSTGRESQL,
    ),
    "index-expression": (
        sql("CREATE INDEX made ON parties ((lower(party)))"),
        "data-map.tables",
        "index of an expression made",
        BOTH,
    ),
    "index": (
        sql("CREATE INDEX made ON records (statement)"),
        "data-map.tables",
        "index made of records is not in the data map",
        BOTH,
    ),
    "index-of-some": (
        sql(
            "DROP INDEX ix_records_expires_at",
            "CREATE INDEX ix_records_expires_at ON records (expires_at) WHERE outcome = 'MATCH'",
        ),
        "data-map.tables",
        "whether a condition holds",
        BOTH,
    ),
    "index-gone": (
        sql("DROP INDEX ix_records_subject_handle"),
        "data-map.tables",
        "index ix_records_subject_handle of the data map is not there",
        BOTH,
    ),
    "note-in-a-definition": (
        in_schema("state VARCHAR(16)", "state VARCHAR(16) /* Anna, Tuesdays */", ""),
        "data-map.tables",
        "the definition of parties has",
        SQLITE,
    ),
    "number-in-the-header": (
        sql("PRAGMA user_version = 19900307"),
        "data-map.tables",
        "user_version",
        SQLITE,
    ),
    "note-among-statistics": (
        sql("ANALYZE", "UPDATE sqlite_stat1 SET stat = 'Anna' WHERE tbl = 'parties'"),
        "data-map.tables",
        "row that SQLite does not write",
        SQLITE,
    ),
    "type": (
        sql("CREATE TYPE people AS ENUM ('Anna')"),
        "data-map.tables",
        "type people",
        POSTGRESQL,
    ),
    "comment": (
        sql("COMMENT ON COLUMN records.kind IS 'Anna, Tuesdays'"),
        "data-map.tables",
        "comment on pg_class",
        POSTGRESQL,
    ),
    "condition": (
        sql("ALTER TABLE parties ADD CONSTRAINT other CHECK (party <> 'Anna')"),
        "data-map.tables",
        "constraint other",
        POSTGRESQL,
    ),
    "default": (
        in_schema(
            "state VARCHAR(16)",
            "state VARCHAR(16) DEFAULT ''Anna''",
            "ALTER TABLE parties ALTER state SET DEFAULT 'Anna'",
        ),
        "data-map.columns",
        "parties.state has a default or a collation",
        BOTH,
    ),
    "column": (
        sql("ALTER TABLE records ADD COLUMN note VARCHAR(99)"),
        "data-map.columns",
        "records.note",
        BOTH,
    ),
    "wide-column": (
        in_schema(
            "party VARCHAR(63)",
            "party VARCHAR(4000)",
            "ALTER TABLE parties ALTER COLUMN party TYPE VARCHAR(4000)",
        ),
        "data-map.columns",
        "parties.party is",
        BOTH,
    ),
    "other-type": (
        in_schema(
            "outcome VARCHAR(16) NOT NULL",
            "outcome TEXT NOT NULL",
            "ALTER TABLE records ALTER COLUMN outcome TYPE TEXT",
        ),
        "data-map.columns",
        "records.outcome is TEXT",
        BOTH,
    ),
    "nullable": (
        in_schema(
            "device VARCHAR(63) NOT NULL",
            "device VARCHAR(63)",
            "ALTER TABLE sessions ALTER COLUMN device DROP NOT NULL",
        ),
        "data-map.columns",
        "sessions.device may be empty",
        BOTH,
    ),
    "long-cell": (long_cell, "data-map.columns", "longer than 32", BOTH),
    "text-in-blob": (
        sql("UPDATE records SET subject_handle = 'X1234567'"),
        "data-map.columns",
        "records.subject_handle has 8 cells",
        SQLITE,
    ),
    "long-text": (
        sql("UPDATE parties SET state = 'a rather long note about somebody' WHERE kind = 'agent'"),
        "data-map.columns",
        "parties.state has a value of 33",
        SQLITE,
    ),
    "hidden-behind-zero": (
        sql("UPDATE parties SET state = 'on' || char(0) || 'a rather long note about somebody'"),
        "data-map.columns",
        "parties.state has a value of 36",
        SQLITE,
    ),
    "second-database": (second_database, "data-map.databases", "cache.tmp", SQLITE),
    "database-by-name": (file("x.duckdb", b"?"), "data-map.databases", "x.duckdb", SQLITE),
    "dump-in-sql": (
        file("notes.txt", b"--\n-- PostgreSQL database dump\n--\n"),
        "data-map.databases",
        "notes.txt",
        SQLITE,
    ),
    "deleted-leaf": (
        sql("DELETE FROM log_entries WHERE log_index = 3"),
        "log.entries",
        "entry 3 is missing",
        BOTH,
    ),
    "last-leaf-deleted": (
        sql("DELETE FROM log_entries WHERE log_index = 13"),
        "log.entries",
        "13 are stored",
        BOTH,
    ),
    "other-leaf": (
        sql(
            "UPDATE log_entries SET entry = "
            "(SELECT entry FROM log_entries WHERE log_index = 2) WHERE log_index = 3"
        ),
        "log.entries",
        "another root",
        BOTH,
    ),
    "head": (sql("UPDATE log_head SET size = 12"), "log.entries", "the head names 12", BOTH),
    "tile": (
        sql("UPDATE log_tiles SET hashes = substr(hashes, 1, 32)"),
        "log.entries",
        "tile 0",
        BOTH,
    ),
    "swapped-checkpoint": (
        sql(
            "UPDATE log_checkpoints SET root = "
            "(SELECT root FROM log_checkpoints ORDER BY size DESC LIMIT 1)"
        ),
        "log.checkpoint",
        "another root than the stored tree",
        BOTH,
    ),
    "no-checkpoint": (
        sql("DELETE FROM log_checkpoints"),
        "log.checkpoint",
        "no checkpoint over them",
        BOTH,
    ),
    "strangers-checkpoint": (another_log, "log.checkpoint", "log step 2", BOTH),
    "strangers-action": (forged_action, "log.actions", "not signed by a key in force", BOTH),
    "unlogged-action": (unlogged_action, "log.actions", "action 7 of 7", BOTH),
    "dropped-action": (
        sql("DELETE FROM admin_actions WHERE number = 3"),
        "log.actions",
        "does not follow",
        BOTH,
    ),
    "enrolled-by-nobody": (
        sql(ENROLLED_BY_NOBODY),
        "parties.enrolled",
        "an enrolment that nobody signed",
        BOTH,
    ),
    "enrolment-gone": (
        sql("DELETE FROM parties WHERE kind = 'issuer'"),
        "parties.enrolled",
        "no such party",
        BOTH,
    ),
    "suspended-and-back": (
        suspended_and_back,
        "parties.enrolled",
        "its suspension was signed",
        BOTH,
    ),
    "suspended-by-nobody": (
        sql("UPDATE parties SET state = 'suspended' WHERE kind = 'device'"),
        "parties.enrolled",
        "nobody signed that",
        BOTH,
    ),
    "key-swapped": (
        sql(
            "UPDATE parties SET public_key = "
            "(SELECT public_key FROM parties p WHERE p.kind = 'issuer') WHERE kind = 'device'"
        ),
        "parties.enrolled",
        "another key",
        BOTH,
    ),
    "trusted-by-nobody": (
        in_trust_list(
            lambda it: it["parties"].append(
                {"kind": "device", "party": "device-66", "public_key": "ab" * 32}
            )
        ),
        "parties.trust-lists",
        "its parties are not those",
        SQLITE,
    ),
    "trust-history-cut": (
        in_trust_list(lambda it: it["history"].pop(1)),
        "parties.trust-lists",
        "does not follow",
        SQLITE,
    ),
    "texts-altered": (
        sql("UPDATE consent_texts SET text = 'We keep your face.' WHERE text_version = 2"),
        "consent.texts",
        "is not the one that was added",
        BOTH,
    ),
    "texts-added": (
        sql(
            "INSERT INTO consent_versions VALUES (9, 180, 'active')",
            "INSERT INTO consent_texts VALUES (9, 'en', 'Yes.', 'Ask.')",
        ),
        "consent.texts",
        "version 9 was added by nobody",
        BOTH,
    ),
    "version-without-texts": (
        sql("INSERT INTO consent_versions VALUES (7, NULL, 'retired')"),
        "consent.texts",
        "version 7 was added by nobody",
        BOTH,
    ),
    "totals-below-zero": (
        sql("UPDATE liveness_counters SET total = -5 WHERE measure = 'passed'"),
        "outcomes.attempts",
        "below zero",
        BOTH,
    ),
    "head-of-another-log": (
        sql("UPDATE log_head SET origin = 'other.example/log'"),
        "log.entries",
        "the head names another log",
        BOTH,
    ),
    "second-head": (
        sql("INSERT INTO log_head SELECT log + 1, origin, size, edge, epoch FROM log_head"),
        "log.entries",
        "2 heads",
        BOTH,
    ),
    "restore-that-ended-oddly": (
        sql("INSERT INTO log_halts (number, found_at, settled) VALUES (1, 5, 'Anna')"),
        "log.entries",
        "ended in a way that does not exist",
        BOTH,
    ),
    "retired-and-back": (retired_and_back, "consent.texts", "was retired, and is active", BOTH),
    "overdue-audit": (overdue_audit, "audits.done", "1 demands for audits unanswered", SQLITE),
    "open-file": (
        lambda one: (one.gateway / "gateway.sqlite3").chmod(0o644),
        "access.staff",
        "gateway.sqlite3 is open to other accounts",
        SQLITE,
    ),
    "open-keystore": (
        lambda one: (one.gateway / "keystore.sealed").chmod(0o640),
        "keys.gateway",
        "open to other accounts",
        BOTH,
    ),
    "bare-keystore": (
        lambda one: (one.authority / "keystore.sealed").write_bytes(b"k" * 32),
        "keys.authority",
        "not a sealed keystore",
        SQLITE,
    ),
    "no-keystore": (
        lambda one: (one.authority / "keystore.sealed").unlink(),
        "keys.authority",
        "neither a sealed keystore",
        SQLITE,
    ),
    "open-table": (
        sql("GRANT SELECT ON records TO PUBLIC"),
        "access.staff",
        "every account",
        POSTGRESQL,
    ),
    "unreadable-statement": (
        sql("UPDATE records SET statement = substr(statement, 1, 99)"),
        "outcomes.totals",
        "8 records hold no statement",
        BOTH,
    ),
    "fewer-attempts": (
        sql("UPDATE liveness_counters SET total = 1 WHERE measure = 'attempts'"),
        "outcomes.attempts",
        "fewer attempts",
        BOTH,
    ),
}


@pytest.mark.parametrize(
    ("name", "deployment"),
    [(name, kind) for name, (*_, where) in PLANTED.items() for kind in where],
    indirect=["deployment"],
)
def test_what_is_planted_is_found(name: str, deployment: Inspected) -> None:
    plant, check, says, _ = PLANTED[name]
    plant(deployment)
    found = violated(deployment.inspect([one for one in ALL if one.id == check]))
    assert any(says in sentence for sentence in found.get(check, ())), found
