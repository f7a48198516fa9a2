"""Planted violations of retention, erasure and counts: each is found by its line, on both
databases. The control of all of them is a deployment that reaped, erased and scrubbed, and is
reported clean.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.inspection.checks import counts, erased, retention
from gateway.inspection.erased import Searcher
from gateway.inspection.kept import first_bytes
from gateway.inspection.lines import Verdict
from gateway.retention.adoption import adopt
from gateway.retention.erasure import erase
from gateway.retention.reaper import Reaper
from gateway.retention.schedule import draft
from gateway.retention.scrub import scrub
from gateway.sequencing.sequencer import Alone
from gateway.store import log as stored_log
from gateway.store import records, totals
from gateway.store.consent_records import ConsentRow, add_consent
from gateway.wire import cose
from gateway.wire.erasure import Erasure, tombstone
from gateway.wire.ids import digest_of
from tests.support.inspected import DAY, Inspected, own_database, violated
from tests.support.parties import GATEWAY, NOW, fixed_bytes, stranger
from tests.support.postgres import PostgresServer
from tests.vectors import golden

CHECKS = (*retention.CHECKS, *erased.CHECKS, *counts.CHECKS)
MINUTE = NOW - NOW % 60


def reaper(database: Any, now: int) -> Reaper:
    return Reaper(database, Alone(), GATEWAY, 180, lambda: now)


def aged(one: Inspected, days: int, name: str) -> records.RecordRow:
    """A record that was decided so many days ago, as the gateway wrote it then."""
    stated = golden.STATEMENT.model_copy(
        update={
            "record_id": fixed_bytes(f"aged/{name}", 16),
            "session": fixed_bytes(f"aged/session/{name}", 16),
            "activation_commitment": fixed_bytes(f"aged/activation/{name}"),
            "decided_at_minute": MINUTE - days * DAY,
        }
    )
    signed = cose.sign(stated, GATEWAY).encoded
    row = records.RecordRow(
        record_id=stated.record_id,
        kind="decision",
        outcome="MATCH",
        policy_digest=stated.policy_digest,
        subject_handle=fixed_bytes(f"aged/handle/{name}"),
        activation_commitment=stated.activation_commitment,
        statement=signed,
        decided_at=stated.decided_at_minute,
        expires_at=stated.decided_at_minute + 180 * DAY,
    )
    with one.database() as database, database.transaction() as connection:
        records.add_record(connection, row)
        add_consent(connection, ConsentRow.beside(row, golden.CONSENT))
        stored_log.append(connection, "decision", digest_of(signed), row.record_id)
        totals.count_outcome(connection, "MATCH", row.decided_at)
    return row


def made(directory: Path, url: str | None = None) -> Inspected:
    """One that has a schedule, old and young records, an expiry and an erasure behind it."""
    one = Inspected(directory, url)
    with one.database() as database:
        adopt(database, draft(180), GATEWAY, MINUTE - 400 * DAY)
    aged(one, 181, "expired")
    asked = aged(one, 20, "asked")
    aged(one, 170, "old")
    one.register(3)
    one.publish()
    with one.database() as database:
        assert reaper(database, NOW).run() is not None
        with database.writing() as connection:
            erase(connection, asked, GATEWAY, NOW)
    one.publish()
    with one.database() as database:
        scrub(database)
    return one


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    return made(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresServer
) -> Inspected:
    return made(tmp_path_factory.mktemp("template"), own_database(postgresql))


@pytest.fixture(params=("sqlite", "postgresql"))
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Inspected:
    if request.param == "sqlite":
        return Inspected.copied(request.getfixturevalue("on_sqlite"), tmp_path)
    server = request.getfixturevalue("postgresql")
    template = request.getfixturevalue("on_postgresql")
    return Inspected.copied(template, tmp_path, own_database(server, template.url))


def test_a_clean_deployment_is_clean(deployment: Inspected) -> None:
    lines = deployment.inspect(CHECKS)
    assert violated(lines) == {}
    assert {line.verdict for line in lines} == {Verdict.PASSED}, lines
    notes = {line.check: " ".join(line.notes) for line in lines}
    assert "4 records are kept, 2 were erased or expired" in " ".join(
        note for line in lines for note in line.notes
    )
    assert (
        "records: 4 kept, limit 180 days, the oldest is due in 9 days" in notes["retention.oldest"]
    )


Plant = Callable[[Inspected], Any]
OLD = "record_id = (SELECT record_id FROM records ORDER BY decided_at LIMIT 1)"
NEWEST = " WHERE log_index = (SELECT max(log_index) FROM erasures)"
YOUNG = "record_id = (SELECT max(record_id) FROM records)"


def sql(*statements: str, **values: Any) -> Plant:
    return lambda one: one.execute(*statements, **values)


def overdue(one: Inspected) -> None:
    """As a reaper that passes one over would leave it."""
    aged(one, 184, "passed over")
    one.publish()


def deleted(one: Inspected) -> None:
    one.execute(
        f"DELETE FROM consents WHERE {OLD}",
        "DELETE FROM records WHERE decided_at = (SELECT min(decided_at) FROM records)",
    )


def half_erased(one: Inspected) -> None:
    """The erasure is there, and so is the record."""
    aged(one, 5, "half")
    with one.database() as database, database.writing() as connection:
        row = records.find_record(connection, fixed_bytes("aged/half", 16))
        assert row is not None
        erase(connection, row, GATEWAY, NOW)
        again = {**vars(row), "log_index": None}
        records.add_record(connection, records.RecordRow(**again))
        add_consent(connection, ConsentRow.beside(row, golden.CONSENT))
    one.publish()


def forged_erasure(one: Inspected) -> None:
    """Somebody who writes the database, and cannot sign, erases and hides it."""
    said = Erasure(
        gateway=GATEWAY.party,
        erasure_id=fixed_bytes("forged", 16),
        tombstone=tombstone(b"whatever"),
        erased_on=NOW // DAY,
    )
    signed = cose.sign(said, stranger(GATEWAY.party)).encoded
    deleted(one)
    one.execute(
        "INSERT INTO erasures (erasure_id, tombstone, erasure) VALUES (:id, :mark, :signed)",
        id=said.erasure_id,
        mark=said.tombstone,
        signed=signed,
    )


def broken_guard(one: Inspected) -> None:
    with one.database() as database:
        adopt(database, draft(180).replace(b"rows = 1000", b"rows = 1"), GATEWAY, NOW)
    for number in range(3):
        aged(one, 183, f"many {number}")
    one.publish()
    with one.database() as database:
        assert reaper(database, NOW + 50).run() is not None
    one.publish()


def unreported_run(one: Inspected) -> None:
    one.execute("DELETE FROM retention_runs")


def altered_run(one: Inspected) -> None:
    signed = cose.sign(golden.RUN.model_copy(update={"number": 1}), GATEWAY).encoded
    one.execute("UPDATE retention_runs SET report = :report", report=signed)


def strangers_statement(one: Inspected) -> None:
    said = golden.STATEMENT.model_copy(update={"record_id": fixed_bytes("aged/old", 16)})
    signed = cose.sign(said, stranger(GATEWAY.party)).encoded
    one.execute(f"UPDATE records SET statement = :signed WHERE {OLD}", signed=signed)


def in_a_file(name: str) -> Plant:
    """A copy of a record that is erased afterwards."""

    def plant(one: Inspected) -> None:
        row = aged(one, 7, "copied")
        copy = one.gateway / name
        cut = 400 if "part" in name else None
        copy.write_bytes(b"some bytes before" + row.statement[:cut])
        copy.chmod(0o600)
        with one.database() as database:
            with database.writing() as connection:
                erase(connection, row, GATEWAY, NOW)
            scrub(database)
        one.publish()

    return plant


def left_in_the_log(one: Inspected) -> None:
    """Erased, and its page still stands in the write-ahead log."""
    import shutil
    import sqlite3

    path = one.gateway / "gateway.sqlite3"
    reading = sqlite3.connect(path)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM records").fetchone()
    row = aged(one, 7, "in the log")
    with one.database() as database, database.writing() as connection:
        erase(connection, row, GATEWAY, NOW)
    shutil.copy(f"{path}-wal", one.gateway / "kept-wal")
    reading.close()
    one.publish()


OVERDUE_SESSION = (
    "INSERT INTO sessions (session_id, state, device, issuer, purpose, consent_text_version, "
    "policy_digest, created_at, expires_at) SELECT consent_id, 'OPEN', 'd', 'i', 'p', 1, digest, "
    "1, 2 FROM consents LIMIT 1"
)

PLANTED: dict[str, tuple[Plant, str, str]] = {
    "overdue": (overdue, "retention.oldest", "1 records are overdue"),
    "expiry-moved-later": (
        sql(f"UPDATE records SET expires_at = expires_at + 86400 WHERE {OLD}"),
        "retention.expiries",
        "1 records expire later",
    ),
    "expiry-moved-sooner": (
        sql(f"UPDATE records SET expires_at = expires_at - 86400 WHERE {OLD}"),
        "retention.expiries",
        "1 records expire sooner",
    ),
    "time-moved": (
        sql(f"UPDATE records SET decided_at = decided_at + 60 WHERE {OLD}"),
        "counts.entries",
        "another decided_at",
    ),
    "overdue-session": (sql(OVERDUE_SESSION), "retention.oldest", "1 sessions ended"),
    "deleted-record": (deleted, "counts.entries", "entries of statements"),
    "deleted-erasure": (
        sql("DELETE FROM erasures WHERE log_index = (SELECT min(log_index) FROM erasures)"),
        "counts.entries",
        "entries of the kind erasure",
    ),
    "forged-erasure": (forged_erasure, "counts.erasures", "not signed by the pinned gateway"),
    "half-erased": (half_erased, "counts.erasures", "1 records have an erasure"),
    "other-outcome": (
        sql(f"UPDATE records SET outcome = 'NO_MATCH' WHERE {OLD}"),
        "counts.entries",
        "another outcome than the decision",
    ),
    "strangers-statement": (
        strangers_statement,
        "counts.entries",
        "the pinned gateway did not sign",
    ),
    "other-index": (
        sql(f"UPDATE records SET log_index = 1 WHERE {OLD}"),
        "counts.entries",
        "not the entry at their index",
    ),
    "index-gone": (
        sql(f"UPDATE records SET log_index = NULL WHERE {OLD}"),
        "counts.entries",
        "have no index in the log",
    ),
    "index-beyond-the-log": (
        sql(f"UPDATE records SET log_index = 999999 WHERE {OLD}"),
        "counts.entries",
        "not the entry at their index",
    ),
    "other-policy": (
        sql(f"UPDATE records SET policy_digest = activation_commitment WHERE {OLD}"),
        "counts.entries",
        "another policy_digest",
    ),
    "erasure-of-another": (
        sql("UPDATE erasures SET tombstone = (SELECT digest FROM consents LIMIT 1)" + NEWEST),
        "counts.erasures",
        "1 erasures say something else",
    ),
    "report-kept-longer": (
        sql("UPDATE retention_runs SET ended_at = ended_at + 86400"),
        "counts.erasures",
        "1 retention_runs say something else",
    ),
    "adopted-at-another-time": (
        sql("UPDATE retention_schedules SET adopted_at = adopted_at + 86400"),
        "retention.schedule",
        "at another time than an operator signed",
    ),
    "removed-of-no-kind": (
        sql("INSERT INTO retention_totals VALUES ('faces', 3)"),
        "retention.reaper",
        "a kind that does not exist (faces)",
    ),
    "fewer-removed": (
        sql("UPDATE retention_totals SET removed = 0"),
        "retention.reaper",
        "fewer records are counted as removed",
    ),
    "outcome-of-no-kind": (
        sql("INSERT INTO outcome_counters SELECT day, 'ANNA', 5 FROM outcome_counters LIMIT 1"),
        "counts.outcomes",
        "outcomes were counted that do not exist",
    ),
    "session-without-end": (
        sql(OVERDUE_SESSION.replace("1, 2", "1, 99999999999")),
        "retention.oldest",
        "1 sessions end later",
    ),
    "hour-of-the-past": (
        sql("INSERT INTO fallback_counts VALUES ('agent', 'agent-4', 1, 3)"),
        "retention.oldest",
        "1 counts of an hour",
    ),
    "given-by-nobody": (
        sql(f"UPDATE consents SET given_by = 'Anna' WHERE {OLD}"),
        "consent.records",
        "somebody who may not",
    ),
    "consent-gone": (sql(f"DELETE FROM consents WHERE {OLD}"), "consent.records", "no consent"),
    "other-consent": (
        sql(f"UPDATE consents SET text_version = 2 WHERE {OLD}"),
        "consent.records",
        "another version",
    ),
    "consent-alone": (
        sql(f"UPDATE consents SET record_id = digest WHERE {OLD}"),
        "consent.records",
        "have no record",
    ),
    "unreported-run": (unreported_run, "retention.reaper", "no report is there"),
    "altered-run": (altered_run, "retention.reaper", "not the one in the operators' history"),
    "broken-guard": (broken_guard, "retention.guard", "stopped by the guard: records"),
    "schedule-altered": (
        sql("UPDATE retention_schedules SET content = :content", content=draft(900)),
        "retention.schedule",
        "not one whose adoption an operator signed",
    ),
    "schedule-gone": (
        sql("DELETE FROM retention_schedules"),
        "retention.schedule",
        "1 adoptions were signed",
    ),
    "more-outcomes": (
        sql("UPDATE outcome_counters SET count = count + 1"),
        "counts.outcomes",
        "outcomes of a decision",
    ),
    "unknown-entry": (
        sql(
            "INSERT INTO log_pending (entry, kind) SELECT digest, 'decision' FROM consents LIMIT 1"
        ),
        "counts.entries",
        "things that they could be of",
    ),
    "copy-of-an-erased-record": (in_a_file("old.bak"), "retention.bytes", "1 records that were"),
    "part-of-an-erased-record": (
        in_a_file("part.bin"),
        "retention.bytes",
        "whole or in part",
    ),
    "erased-in-the-log": (left_in_the_log, "retention.bytes", "1 records that were"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(deployment: Inspected, name: str) -> None:
    plant, check, said = PLANTED[name]
    if name == "erased-in-the-log" and not deployment.url.startswith("sqlite"):
        return  # test_scrub searches PostgreSQL's own log
    plant(deployment)
    given = {} if deployment.url.startswith("sqlite") else {"paths": (deployment.gateway,)}
    found = violated(deployment.inspect(CHECKS, **given))
    assert any(said in sentence for sentence in found.get(check, ())), found


def test_a_reaper_that_never_ran_is_found_after_two_days(tmp_path: Path) -> None:
    young = Inspected(tmp_path)
    young.register(1)
    young.publish()
    (line,) = young.inspect([retention.REAPER])
    assert line.verdict is Verdict.NOTHING
    found = violated(young.inspect([retention.REAPER], now=NOW + 3 * DAY))
    assert found == {"retention.reaper": ("the reaper never ran",)}


def test_a_reaper_that_stopped_is_found(deployment: Inspected) -> None:
    found = violated(deployment.inspect([retention.REAPER], now=NOW + 5 * DAY))
    assert found == {"retention.reaper": ("the reaper ran 5 days ago",)}


@pytest.mark.parametrize("before", [0, 1, 80, 159, 160, 200, 300, 2000, 10_000])
def test_an_erased_record_is_found_wherever_a_block_ends(tmp_path: Path, before: int) -> None:
    """Its start, its type or its end lies on the border of what is looked at together."""
    statement = golden.SIGNED_STATEMENT.encoded
    gone = first_bytes(tombstone(statement))
    path = tmp_path / "copy"
    path.write_bytes(bytes(4 * 2**20 - before) + statement + bytes(99))
    (found,), size = Searcher([], [], [gone]).file(path)
    assert (found.offset, found.erased) == (4 * 2**20 - before, True)
    assert size == path.stat().st_size
    assert Searcher([gone], [], []).file(path)[0] == []
