"""The reaper, on SQLite and PostgreSQL: what goes, what stays, what is left and what is signed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.host import crash
from gateway.retention.adoption import adopt, expires_at, in_force
from gateway.retention.erasure import erase
from gateway.retention.reaper import Reaper
from gateway.retention.running import ReaperThread
from gateway.retention.schedule import BadSchedule, draft
from gateway.sequencing.sequencer import Alone
from gateway.store import (
    consent_records,
    erasures,
    kept,
    parties,
    records,
    retention,
    schema,
)
from gateway.store.database import Database
from gateway.store.election import Task, election_of
from gateway.wire import cose
from gateway.wire.admin import ChainKeys, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import Erasure, Withdrawal, tombstone, withdrawal_mark
from gateway.wire.errors import CallerMisuse, SessionConflict
from gateway.wire.ids import digest_of, new_record_id
from gateway.wire.retention import RetentionRun
from tests.support.kept import DAY, NOW, assert_whole, count, entries, keep, made, of_ages
from tests.support.parties import GATEWAY
from tests.support.processes import PATIENCE
from tests.support.sequencing import Killed, sequencer
from tests.vectors.golden import SIGNED_RUN


def reaper(database: Database, now: int = NOW, **given: Any) -> Reaper:
    return Reaper(database, Alone(), GATEWAY, 180, lambda: now, **given)


def hold(database: Database, record: bytes, until: int) -> None:
    row = {"hold_id": record, "record_id": record, "reason": "claim", "until": until, "hold": b"h"}
    with database.transaction() as connection:
        connection.execute(schema.holds.insert().values(**row))


def test_what_is_due_goes_and_leaves_a_signed_erasure(database: Database) -> None:
    old, young = of_ages([200, 181]), of_ages([179, 0])
    keep(database, [*old, *young])
    sequencer(database).step()
    report = reaper(database).run()
    assert report is not None
    sequencer(database).step()
    assert_whole(database)
    with database.transaction() as connection:
        assert {row.record_id for row in records.all_records(connection)} == {
            row.record_id for row in young
        }
        for row in old:
            left = erasures.find_erasure(connection, tombstone(row.statement))
            assert left is not None
            assert left.log_index is not None
            erasure = cose.verify(left.erasure, Erasure, GATEWAY.public).message
            assert (erasure.tombstone, erasure.erased_on) == (left.tombstone, NOW // DAY)
        assert erasures.find_erasure(connection, tombstone(young[0].statement)) is None


def test_the_report_is_signed_and_an_operators_action(database: Database) -> None:
    keep(database, of_ages([300, 10, 10]))
    report = reaper(database).run()
    assert report is not None
    run = cose.verify(report.encoded, RetentionRun, GATEWAY.public).message
    line = next(line for line in run.lines if line.kind == "records")
    assert (line.removed, line.removed_in_all, line.kept, line.overdue) == (1, 1, 2, 0)
    assert line.oldest == of_ages([10])[0].expires_at
    assert run.schedule_digest == digest_of(draft(180))
    with database.transaction() as connection:
        signed = parties.list_admin_actions(connection)
    chain = verify_chain(signed, ChainKeys((GATEWAY.public,)))
    (action,) = chain.actions
    assert (action.verb, action.kind, action.party) == ("reap", "retention", "1")
    assert action.key_id == digest_of(report.encoded)
    assert entries(database, "admin") == list(chain.digests)


def test_a_held_record_stays_until_its_hold_ends(database: Database) -> None:
    (old,) = of_ages([300])
    keep(database, [old])
    hold(database, old.record_id, NOW + DAY)
    report = reaper(database).run()
    assert report is not None
    line = next(line for line in report.message.lines if line.kind == "records")
    assert (line.removed, line.held, line.kept) == (0, 1, 1)
    with pytest.raises(SessionConflict), database.writing() as connection:
        erase(connection, old, GATEWAY, NOW)
    assert_whole(database)
    assert reaper(database, NOW + DAY).run() is not None
    assert (count(database, schema.records), count(database, schema.holds)) == (0, 0)
    assert_whole(database)


def test_the_guard_stops_a_run_and_an_operator_lifts_it(database: Database) -> None:
    content = draft(180).replace(b"rows = 1000", b"rows = 2")
    adopt(database, content, GATEWAY, NOW - DAY)
    keep(database, of_ages([200, 200, 200, 5]))
    report = reaper(database).run()
    assert report is not None
    assert report.message.guard == "broken"
    assert count(database, schema.records) == 4
    assert reaper(database, NOW + 1).run() is None, "one report a day about one broken guard"
    report = reaper(database, NOW + 2).run(lift_guard=True)
    assert report is not None
    assert report.message.guard == "lifted"
    assert count(database, schema.records) == 1
    assert_whole(database)


def test_a_wrong_clock_removes_nothing(database: Database) -> None:
    """Years ahead, everything is due at once."""
    keep(database, of_ages([1] * 1001))
    report = reaper(database, NOW + 3650 * DAY).run()
    assert report is not None
    assert report.message.guard == "broken"
    assert count(database, schema.records) == 1001


def test_a_clock_that_jumps_between_runs_removes_nothing(database: Database) -> None:
    """However few records there are. Without a jump the same records go."""
    keep(database, of_ages([10, 20]))
    assert reaper(database).run() is not None
    for hours in (0, 1, 30):
        report = reaper(database, NOW + 400 * DAY + hours * 3600).run()
        assert report is None or report.message.guard == "broken"
        assert count(database, schema.records) == 2
    # The clock is put right. Reports of the time to come silence no later one: or the guard would
    # miss them after a week, and stop every run without a word.
    for day in range(5, 186, 5):
        reaper(database, NOW + day * DAY).run()
    assert count(database, schema.records) == 0


def test_a_dry_run_counts_and_touches_nothing(database: Database) -> None:
    keep(database, of_ages([200, 5]))
    plan = reaper(database).plan()
    assert (plan.standing["records"].due, plan.standing["records"].kept) == (1, 2)
    assert not plan.stopped
    assert count(database, schema.records) == 2
    assert count(database, schema.retention_runs) == 0


def test_a_run_without_work_reports_once_a_day(database: Database) -> None:
    keep(database, of_ages([5]))
    assert reaper(database, NOW).run() is not None
    assert reaper(database, NOW + DAY - 1).run() is None
    assert reaper(database, NOW + DAY).run() is not None
    assert count(database, schema.retention_runs) == 2


@pytest.mark.parametrize(
    "point", ["gateway-erasure-written", "reaper-batch-written", "reaper-batch-committed"]
)
def test_a_killed_run_leaves_whole_batches_and_the_next_goes_on(
    database: Database, point: str
) -> None:
    keep(database, of_ages([200] * 7))
    seen = 0

    def die_at_the_second(reached: str) -> None:
        nonlocal seen
        seen += reached == point
        if seen == 2:
            raise Killed

    crash.install(die_at_the_second)
    try:
        with pytest.raises(Killed):
            reaper(database, batch=2).run()
    finally:
        crash._hooks.remove(die_at_the_second)
    assert 0 < count(database, schema.records) < 7
    assert_whole(database)
    report = reaper(database, batch=2).run()
    assert report is not None
    assert count(database, schema.records) == 0
    assert_whole(database)
    line = next(line for line in report.message.lines if line.kind == "records")
    assert line.removed_in_all == 7


@pytest.mark.usefixtures("patient")
def test_two_reapers_at_once_remove_each_record_once(database: Database) -> None:
    keep(database, of_ages([200] * 60))
    both = [reaper(database, batch=3) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        reports = [one for one in pool.map(Reaper.run, both) if one is not None]
    assert count(database, schema.records) == 0
    assert_whole(database)
    assert {one.message.number for one in reports} == {*range(1, len(reports) + 1)}
    removed = [line.removed for one in reports for line in one.message.lines]
    assert sum(removed) == 60


def test_one_process_is_elected_to_reap(database: Database, tmp_path: Path) -> None:
    first, second = (election_of(database, tmp_path, Task.REAPING) for _ in range(2))
    keep(database, of_ages([200]))
    assert first.won()
    waiting = Reaper(database, second, GATEWAY, 180, lambda: NOW)
    assert waiting.run() is None
    assert count(database, schema.records) == 1
    first.resign()
    until = time.monotonic() + PATIENCE
    while not second.won():  # the server ends a session when it gets to it
        assert time.monotonic() < until
        time.sleep(0.02)
    assert waiting.run() is not None
    waiting.resign()


def test_erased_and_expired_records_leave_the_same(database: Database) -> None:
    """By what is left nobody can say which was due, which entry went, or when it was decided."""
    due, asked = of_ages([200])[0], of_ages([3])[0]
    keep(database, [due, asked])
    reaper(database).run()
    with database.writing() as connection:
        erase(connection, asked, GATEWAY, NOW)
    with database.transaction() as connection:
        rows = connection.execute(schema.erasures.select()).all()
    kept = [cose.verify(bytes(row.erasure), Erasure, GATEWAY.public).message for row in rows]
    assert {one.tombstone for one in kept} == {
        tombstone(due.statement),
        tombstone(asked.statement),
    }
    blank = {"erasure_id": bytes(16), "tombstone": bytes(32)}
    assert len({one.model_copy(update=blank) for one in kept}) == 1
    assert len({len(row.erasure) for row in rows}) == 1
    known = {digest_of(due.statement), digest_of(asked.statement)}
    assert not known & {value for row in rows for value in row if isinstance(value, bytes)}


def test_a_shorter_schedule_lets_records_go_sooner_and_a_longer_one_keeps_none(
    database: Database,
) -> None:
    keep(database, of_ages([100, 20]))
    number, sooner = adopt(database, draft(90), GATEWAY, NOW)
    assert (number, sooner) == (1, 2)
    reaper(database).run()
    with database.transaction() as connection:
        (left,) = records.all_records(connection)
        assert left.expires_at == left.decided_at + 90 * DAY
        agreed = connection.execute(sa.select(schema.consents.c.expires_at)).scalars().all()
        assert agreed == [left.expires_at]
    assert adopt(database, draft(365), GATEWAY, NOW + 1) == (2, 0)
    with database.transaction() as connection:
        (same,) = records.all_records(connection)
        assert same.expires_at == left.expires_at
    with database.writing() as connection:
        assert in_force(connection, 180).number == 2
        assert expires_at(connection, "decision", NOW, 180) == NOW + 365 * DAY


def test_a_schedule_longer_than_what_people_were_told_is_not_adopted(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            schema.consent_versions.insert().values(
                text_version=2, retention_days=30, state="active"
            )
        )
    with pytest.raises(CallerMisuse, match="version 2 say a shorter period than 31 days"):
        adopt(database, draft(31), GATEWAY, NOW)
    assert count(database, schema.retention_schedules) == 0
    assert adopt(database, draft(30), GATEWAY, NOW)[0] == 1
    with pytest.raises(CallerMisuse, match="in force"):
        adopt(database, draft(30), GATEWAY, NOW)


def test_totals_withdrawals_orders_and_reports_expire_as_well(database: Database) -> None:
    day = NOW // DAY
    with database.transaction() as connection:
        for table, key in ((schema.outcome_counters, "outcome"), (schema.liveness_counters, "")):
            for at in (day - 1096, day - 1094):
                values = {"day": at, "count": 1, "outcome": "MATCH"}
                if not key:
                    values = {"day": at, "total": 1, "measure": "passed"}
                connection.execute(table.insert().values(**values))
        for number, due in ((1, NOW), (2, NOW + 1)):
            own = bytes([number]) * 16
            connection.execute(
                schema.withdrawals.insert().values(
                    withdrawal_id=own, mark=own * 2, withdrawal=b"w", expires_at=due
                )
            )
            connection.execute(
                schema.orders.insert().values(order_id=own, ordered=b"o", expires_at=due)
            )
        retention.add_run(connection, 1, SIGNED_RUN.encoded, NOW - 1095 * DAY)
        retention.add_run(connection, 2, SIGNED_RUN.encoded, NOW - 1094 * DAY)
    report = reaper(database).run(lift_guard=True)
    assert report is not None
    removed = {line.kind: line.removed for line in report.message.lines}
    assert removed == {
        "holds": 0, "orders": 1, "records": 0, "fallbacks": 0, "withdrawals": 1, "runs": 1,
        "counters": 2,
    }  # fmt: skip
    assert report.message.number == 3


def test_the_thread_goes_on_after_a_fault(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import threading

    keep(sqlite, of_ages([200]))
    real, tried, done = Reaper.run, [], threading.Event()

    def faulty(self: Reaper, **given: Callable[[], bool]) -> object:
        tried.append(1)
        if len(tried) == 1:
            raise ZeroDivisionError
        answer = real(self, **given)
        done.set()
        return answer

    monkeypatch.setattr(Reaper, "run", faulty)
    thread = ReaperThread(reaper(sqlite), sqlite, 0.01, lambda: NOW)
    thread.start()
    assert done.wait(PATIENCE)
    thread.stop()
    assert count(sqlite, schema.records) == 0
    assert "ZeroDivisionError" in caplog.text


def test_a_record_that_is_made_while_a_schedule_is_adopted_expires_by_it(
    database: Database,
) -> None:
    """Whoever records holds the schedule; adopting waits, and then sees the record."""
    started = made(NOW, 0)
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            due = expires_at(connection, "decision", started.decided_at, 180)
            adopting = pool.submit(adopt, database, draft(10), GATEWAY, NOW)
            records.add_record(connection, replace(started, expires_at=due))
        adopting.result(PATIENCE)
    with database.transaction() as connection:
        (row,) = records.all_records(connection)
    assert row.expires_at == row.decided_at + 10 * DAY


# Whoever writes the database, and cannot sign


KEYS = ChainKeys((GATEWAY.public,))


def write(database: Database, *statements: sa.Executable) -> None:
    with database.transaction() as connection:
        for one in statements:
            connection.execute(one)


def test_a_record_whose_expiry_was_moved_stays_until_its_own(database: Database) -> None:
    """Moved, it would go like all others, and nothing would tell. However many are moved, those
    that are due go. The control believes the database."""
    adopt(database, draft(180), GATEWAY, NOW - 500 * DAY)
    moved, due = of_ages([3, 4, 5]), of_ages([181])
    keep(database, [*moved, *due])
    for given, left in ((KEYS, 3), (None, 0)):
        write(
            database,
            schema.records.update().values(decided_at=0, expires_at=0),
            schema.consents.update().values(expires_at=0),
        )
        assert reaper(database, batch=2, keys=given).run() is not None
        assert count(database, schema.records) == left
        with database.transaction() as connection:
            ends = {row.record_id: row.expires_at for row in records.all_records(connection)}
            agreed = connection.execute(schema.consents.select()).all()
        assert ends == {row.record_id: row.expires_at for row in agreed}
        assert ends == {row.record_id: row.decided_at + 180 * DAY for row in moved[:left]}
        assert_whole(database)


def test_a_shorter_schedule_and_a_withdrawal_end_a_record_sooner(database: Database) -> None:
    """What only looks moved goes; a withdrawal that the gateway did not sign is none."""
    adopt(database, draft(180), GATEWAY, NOW - 500 * DAY)
    asked, forged, old, young = of_ages([3, 4, 31, 29])
    keep(database, [asked, forged, old, young])
    with database.writing() as connection:
        for row, key in ((asked, GATEWAY), (forged, SigningKey.generate(GATEWAY.party))):
            withdraw(connection, row, key)
            kept.expire_now(connection, row.record_id, NOW)
    assert reaper(database, keys=KEYS).run() is not None
    with database.transaction() as connection:
        assert {row.record_id for row in records.all_records(connection)} == {
            row.record_id for row in (forged, old, young)
        }
    adopt(database, draft(30), GATEWAY, NOW)
    adopt(database, draft(90), GATEWAY, NOW)
    assert reaper(database, keys=KEYS).run() is not None
    assert count(database, schema.records) == 2
    assert_whole(database)


def withdraw(connection: sa.Connection, row: records.RecordRow, key: SigningKey) -> None:
    made = Withdrawal(
        gateway=key.party,
        withdrawal_id=new_record_id(),
        mark=withdrawal_mark(row.statement),
        consent_text_version=1,
        withdrawn_on=NOW // DAY,
    )
    signed = cose.sign(made, key).encoded
    consent_records.add_withdrawal(connection, made, signed, NOW + 90 * DAY)


def test_a_schedule_that_nobody_adopted_removes_nothing(database: Database) -> None:
    """Nor one of old that is put in force again, nor one whose time was altered."""
    first, second = NOW - 500 * DAY, NOW - 400 * DAY
    adopt(database, draft(180), GATEWAY, first)
    adopt(database, draft(90), GATEWAY, second)
    keep(database, of_ages([91], kept_for=90))
    table = schema.retention_schedules
    mend = table.update().where(table.c.number == 1).values(adopted_at=first)
    forged = {"number": 3, "content": draft(1), "adopted_at": NOW - 300 * DAY}
    for planted in (
        table.insert().values(forged),
        table.insert().values(forged | {"content": draft(180)}),
        table.update().where(table.c.number == 1).values(adopted_at=NOW),
    ):
        write(database, planted)
        with pytest.raises(BadSchedule, match="not one whose adoption was signed"):
            reaper(database, keys=KEYS).run()
        write(database, table.delete().where(table.c.number == 3), mend)
    assert reaper(database, keys=KEYS).run() is not None
    assert count(database, schema.records) == 0


def test_what_a_reader_of_the_database_can_tell(database: Database) -> None:
    """A limit, not a defence: which entries have no record any more, and so which of them went
    before their neighbours. The tombstone says neither; where one went early, it is the one that
    no report of the reaper counts."""
    expired, first, early, last = of_ages([181, 4, 3, 2])
    keep(database, [expired, first, early, last])
    sequencer(database).step()
    assert reaper(database).run() is not None
    with database.writing() as connection:
        erase(connection, early, GATEWAY, NOW)
    with database.transaction() as connection:
        logged = connection.execute(
            schema.log_entries.select().where(schema.log_entries.c.kind == "decision")
        ).all()
        live = {row.log_index for row in records.all_records(connection)}
    gone = {row.log_index: bytes(row.entry) for row in logged if row.log_index not in live}
    oldest_live = min(index for index in live if index is not None)
    went_early = [entry for index, entry in gone.items() if index > oldest_live]
    assert went_early == [digest_of(early.statement)]
    assert set(gone.values()) == {digest_of(one.statement) for one in (expired, early)}


def test_a_schedule_stands_after_the_key_that_adopted_it_was_forgotten(database: Database) -> None:
    """The keystore knows the last few keys; the chained history vouches for what older ones did."""
    forgotten = SigningKey.generate(GATEWAY.party)
    adopt(database, draft(180), forgotten, NOW - 2 * DAY)
    adopt(database, draft(170), GATEWAY, NOW - DAY)
    keep(database, of_ages([200]))
    keys = ChainKeys((GATEWAY.public,))
    assert Reaper(database, Alone(), GATEWAY, 180, lambda: NOW, keys=keys).run() is not None
    with database.transaction() as connection:
        first = schema.retention_schedules.c.number == 1
        connection.execute(
            schema.retention_schedules.update().where(first).values(content=draft(1))
        )
    with pytest.raises(BadSchedule, match="schedule 1"):
        Reaper(database, Alone(), GATEWAY, 180, lambda: NOW, keys=keys).run()
