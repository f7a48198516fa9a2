"""The reaper and the removal of bytes killed by the kernel at each of their writes, on both
databases: whole batches are gone, each with its entries, and the next run goes on."""

from contextlib import closing

import pytest

from gateway.retention.reaper import Reaper
from gateway.sequencing.sequencer import Alone
from gateway.store import schema
from gateway.store.database import Database
from tests.support.crashing import points
from tests.support.kept import NOW, assert_whole, count, keep, of_ages
from tests.support.killed import killed_at
from tests.support.parties import GATEWAY

RUN = ("gateway-erasure-written", "reaper-batch-written", "reaper-batch-committed",
       "reaper-report-written")  # fmt: skip
SCRUB = {"sqlite": "scrub-pages-written", "postgresql": "scrub-tables-written"}


def test_no_point_is_left_out() -> None:
    own = {name for name in points() if name.startswith(("reaper-", "scrub-"))}
    assert own == {*RUN[1:], *SCRUB.values()}


def reaper(database: Database) -> Reaper:
    return Reaper(database, Alone(), GATEWAY, 180, lambda: NOW, batch=2)


def reap(url: str) -> None:
    """A child does not use its parent's connections."""
    with closing(Database(url)) as database:
        reaper(database).run()


def scrub(url: str) -> None:
    with closing(Database(url)) as database:
        reaper(database).scrub()


@pytest.mark.parametrize("point", RUN)
def test_a_run_killed(database: Database, url: str, point: str) -> None:
    keep(database, of_ages([200] * 5 + [10]))
    database.close()
    killed_at(point, lambda: reap(url))
    assert_whole(database)
    left = {"reaper-batch-committed": 4, "reaper-report-written": 1}.get(point, 6)
    assert count(database, schema.records) == left
    assert count(database, schema.retention_runs) == 0
    report = reaper(database).run()
    assert report is not None
    assert count(database, schema.records) == 1
    assert_whole(database)
    line = next(line for line in report.message.lines if line.kind == "records")
    assert (line.removed_in_all, line.kept) == (5, 1)


def test_a_removal_of_bytes_killed(database: Database, url: str) -> None:
    keep(database, of_ages([200] * 5 + [10]))
    reaper(database).run()
    point = SCRUB[database.dialect]
    database.close()
    killed_at(point, lambda: scrub(url))
    assert_whole(database)
    assert count(database, schema.records) == 1
    reaper(database).scrub()
    assert_whole(database)
