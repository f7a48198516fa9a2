"""Orders and holds killed at their writes, and beside the reaper: done whole with their action, or
not at all."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.retention.reaper import Reaper
from gateway.sequencing.sequencer import Alone
from gateway.server import orders
from gateway.store import parties
from gateway.store.database import Database
from gateway.wire import cose
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import digest_of
from gateway.wire.orders import Hold
from tests.support.killed import killed_at
from tests.support.operators import DAY, KEYS, Desk
from tests.support.parties import GATEWAY

ROOT = Path(__file__).parents[2]
BEFORE = {
    "gateway-erasure-written",
    "operator-order-done",
    "operator-hold-written",
    "operator-policy-written",
}
"""Nothing was committed yet."""
AFTER = {"operator-order-committed", "operator-hold-committed"}


def test_no_point_of_an_operator_is_left_out() -> None:
    """All of them stand in these two packages."""
    found = [
        point
        for package in ("server", "retention")
        for path in (ROOT / "gateway" / package).glob("*.py")
        for point in re.findall(r'crash\.reach\("(operator-[a-z-]+)"\)', path.read_text())
    ]
    assert sorted([*found, "gateway-erasure-written"]) == sorted(BEFORE | AFTER)


@pytest.fixture
def desk(shared: Database) -> Desk:
    return Desk(shared)


def anew(desk: Desk, url: str, act: Callable[[Desk], None]) -> Callable[[], None]:
    """Do it with connections of one's own: a child does not use its parent's."""
    desk.database.close()

    def run() -> None:
        with closing(Database(url)) as database:
            act(Desk(database, desk.now))

    return run


def holds_of(desk: Desk, record: bytes) -> list[bytes]:
    return [row[0] for row in desk.dump()["holds"] if row[1] == record]


def assert_whole(desk: Desk) -> None:
    """Every erasure and every action has its entry in the queue, and the other way round."""
    found = desk.dump()
    with desk.database.transaction() as connection:
        actions = parties.list_admin_actions(connection)
    signed = {digest_of(one) for one in actions}
    signed |= {digest_of(row[2]) for row in found["erasures"]}
    queued = {row[1] for row in found["log_pending"] if row[2] in ("admin", "erasure")}
    assert queued == signed
    desk.actions()


@pytest.mark.parametrize(
    "point", ["gateway-erasure-written", "operator-order-done", "operator-order-committed"]
)
def test_an_order_killed(desk: Desk, shared_url: str, point: str) -> None:
    first, second = desk.operator(), desk.operator()
    record = desk.record()
    order_id, order = desk.ordered(first, record)
    agreement = desk.agreement(second, order)
    before = desk.dump()
    killed_at(point, anew(desk, shared_url, lambda it: it.agree(order_id, agreement)))
    assert_whole(desk)
    if point in AFTER:
        assert desk.row(record) is None
        assert [one.verb for one in desk.actions()][-1] == "erase"
        with pytest.raises(SessionConflict):
            desk.agree(order_id, agreement)
    else:
        assert desk.dump() == before
        desk.agree(order_id, agreement)
        assert desk.row(record) is None
    assert desk.rows_with(record) == []
    assert [name for name, _ in desk.rows_with(order_id)] == ["admin_actions"]
    assert_whole(desk)


@pytest.mark.parametrize(
    "point", ["operator-policy-written", "operator-order-done", "operator-order-committed"]
)
def test_an_adoption_killed(desk: Desk, shared_url: str, point: str) -> None:
    """A policy is in force with its signed action, or the order waits as before."""
    first, second = desk.operator(), desk.operator()
    order_id, order = desk.proposed(first)
    agreement = desk.agreement(second, order)
    before = desk.dump()
    killed_at(point, anew(desk, shared_url, lambda it: it.agree(order_id, agreement)))
    assert_whole(desk)
    if point in AFTER:
        with pytest.raises(SessionConflict):
            desk.agree(order_id, agreement)
    else:
        assert desk.dump() == before
        desk.agree(order_id, agreement)
    assert desk.policies()[-1].digest == digest_of(agreement)
    assert [(one.verb, one.kind) for one in desk.actions()][-1] == ("adopt", "match-policy")
    assert_whole(desk)


@pytest.mark.parametrize("point", ["operator-hold-written", "operator-hold-committed"])
def test_a_hold_killed(desk: Desk, shared_url: str, point: str) -> None:
    """Its extension, which takes away one hold and places another: there is always one."""
    first, second = desk.operator(), desk.operator()
    record = desk.record()
    earlier = desk.held(first, record, 10)
    hold = desk.hold(second, record, 20)

    def place(it: Desk) -> None:
        orders.place_hold(it.database, hold, GATEWAY, KEYS, it.now)

    killed_at(point, anew(desk, shared_url, place))
    longer = cose.peek(hold, Hold).hold_id
    assert holds_of(desk, record) == [longer if point in AFTER else earlier]
    assert_whole(desk)
    if point not in AFTER:
        place(desk)
    assert holds_of(desk, record) == [longer]
    assert_whole(desk)


def test_the_run_after_a_hold_has_ended_removes_hold_and_record(database: Database) -> None:
    """Not the run before. An order that nobody agreed to goes when it has expired."""
    desk = Desk(database)
    first, second = desk.operator(), desk.operator()
    due, kept = desk.record(desk.now + DAY), desk.record()
    desk.ordered(first, kept)  # expires after the first of both runs
    hold_id = desk.held(first, due, 5)
    held_on = desk.held(second, kept, 400)

    def run() -> None:
        report = Reaper(desk.database, Alone(), GATEWAY, 180, lambda: desk.now).run()
        assert report is not None

    desk.now += 5 * DAY - 1
    run()
    assert len(desk.dump()["orders"]) == 1
    assert desk.row(due) is not None
    assert [one.verb for one in desk.actions()][-1] == "reap"
    desk.now += 1
    run()
    assert desk.row(due) is None
    assert desk.row(kept) is not None
    assert desk.rows_with(due) == []
    assert [row[0] for row in desk.dump()["holds"]] == [held_on]
    ends = [(one.verb, one.party) for one in desk.actions() if one.kind == "legal-hold"]
    assert ends[-1] == ("release", hold_id.hex())
    assert_whole(desk)
    desk.now += 3 * DAY
    run()
    assert desk.dump()["orders"] == []
