"""Orders that need two operators, and legal holds: the rules, and who tries to get around them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from gateway.retention import holds
from gateway.retention.adoption import adopt
from gateway.retention.erasure import erase
from gateway.retention.schedule import draft
from gateway.server import orders
from gateway.store import erasures, log, schema
from gateway.store import holds as stored_holds
from gateway.store.database import Database
from gateway.store.holds import keep_records
from gateway.store.locks import hold_register
from gateway.store.records import find_record
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import tombstone
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, SessionConflict
from gateway.wire.ids import digest_of, new_record_id
from gateway.wire.orders import (
    MOST_HOLD_SECONDS,
    ORDER_SECONDS,
    ErasureOrder,
    Hold,
    verify,
)
from tests.support.operators import DAY, KEYS, Desk, signed_by
from tests.support.parties import GATEWAY, NOW
from tests.support.processes import PATIENCE


@pytest.fixture
def desk(shared: Database) -> Desk:
    """Each test has its own operators and records."""
    return Desk(shared)


@pytest.fixture
def pair(desk: Desk) -> tuple[SigningKey, SigningKey]:
    return desk.operator(), desk.operator()


def refused(error: BaseException) -> str:
    return error.detail if isinstance(error, Refused) else str(error)


# What two operators do


def test_two_operators_erase_and_nothing_that_stays_names_the_record(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    record = desk.record()
    row = desk.row(record)
    assert row is not None
    order_id, order = desk.ordered(pair[0], record)
    desk.held(pair[0], desk.record())  # of another record
    assert {name for name, _ in desk.rows_with(record)} == {
        *("records", "consents", "orders", "log_pending"),
    }
    desk.now += DAY
    agreement = desk.agreement(pair[1], order)
    desk.agree(order_id, agreement)

    assert desk.row(record) is None
    left = tombstone(row.statement)
    assert [name for name, _ in desk.rows_with(left)] == ["erasures"]
    action = desk.actions()[-1]
    assert (action.verb, action.kind, action.party) == ("erase", "order", order_id.hex())
    assert action.key_id == digest_of(agreement)
    assert action.at == desk.now
    for trace in (record, row.subject_handle or b"", order, digest_of(order), agreement):
        assert desk.rows_with(trace) == []
    assert [name for name, _ in desk.rows_with(order_id)] == ["admin_actions"]
    assert desk.rows_with(order_id, left) == [], "no row says which record the order was about"


def test_an_order_is_done_once(desk: Desk, pair: tuple[SigningKey, SigningKey]) -> None:
    order_id, order = desk.ordered(pair[0], desk.record())
    agreement = desk.agreement(pair[1], order)
    desk.agree(order_id, agreement)
    before = desk.dump()
    with pytest.raises(SessionConflict, match="no such order"):
        desk.agree(order_id, agreement)
    with pytest.raises(SessionConflict, match="no such record"):
        desk.placed(order)
    assert desk.dump() == before


# Who tries to do it alone

First = SigningKey
Second = SigningKey
Attack = Callable[[Desk, First, Second, bytes], bytes]
"""The two operators and the order -> the agreement that the attacker shows. It may change the
database first."""


def _alone(desk: Desk, first: First, _: Second, order: bytes) -> bytes:
    return desk.agreement(first, order)


def _alone_under_the_second_name(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    return desk.agreement(SigningKey(second.party, first.private), order)


def _two_names_with_one_key(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    """The register refuses that; somebody writes it into the table, over a true enrolment."""
    one_key = {"public_key": first.public.raw, "key_id": first.public.key_id}
    named = schema.parties.c.party == second.party
    desk.write(schema.parties.update().where(named).values(**one_key))
    return desk.agreement(SigningKey(second.party, first.private), order)


def _a_second_one_whom_nobody_enrolled(desk: Desk, _: First, __: Second, order: bytes) -> bytes:
    mine = SigningKey.generate(f"mine-{order[-4:].hex()}")
    row = {"kind": "operator", "party": mine.party, "state": "active"}
    keyed = {"public_key": mine.public.raw, "key_id": mine.public.key_id}
    desk.write(schema.parties.insert().values(**row, **keyed))
    return desk.agreement(mine, order)


def _a_second_one_who_is_no_operator(desk: Desk, _: First, __: Second, order: bytes) -> bytes:
    return desk.agreement(SigningKey.generate("nobody"), order)


def _replayed_from_another_order(desk: Desk, first: First, second: Second, _: bytes) -> bytes:
    another = desk.erasure(first, desk.record())
    return desk.agreement(second, another)


def _altered_after_the_agreement(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    """The first operator puts another record into the order under the same id."""
    agreement = desk.agreement(second, order)
    before = cose.peek(order, ErasureOrder)
    changed = signed_by(first, before.model_copy(update={"record_id": desk.record()}))
    ordered = schema.orders.c.order_id == before.order_id
    desk.write(schema.orders.update().where(ordered).values(ordered=changed))
    return agreement


def _unsigned_order(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    broken = order[:-1] + bytes((order[-1] ^ 1,))
    desk.write(
        schema.orders.update().where(schema.orders.c.ordered == order).values(ordered=broken)
    )
    return desk.agreement(second, broken)


def _first_suspended(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    desk.suspend(first)
    return desk.agreement(second, order)


def _first_suspended_and_back(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    desk.suspend(first)
    desk.operator(first.party, first)
    return desk.agreement(second, order)


def _second_suspended(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    agreement = desk.agreement(second, order)
    desk.suspend(second)
    return agreement


def _expired(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    desk.now += ORDER_SECONDS
    return desk.agreement(second, order)


def _expired_and_lengthened(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    desk.now += ORDER_SECONDS
    expires = {"expires_at": desk.now + DAY}
    desk.write(schema.orders.update().where(schema.orders.c.ordered == order).values(**expires))
    return desk.agreement(second, order)


def _row_moved_only(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    expires = {"expires_at": desk.now + 900 * DAY}
    desk.write(schema.orders.update().where(schema.orders.c.ordered == order).values(**expires))
    return desk.agreement(second, order)


def _before_its_order(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    return desk.agreement(second, order, agreed_at=desk.now - 1)


def _dated_ahead(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    return desk.agreement(second, order, agreed_at=desk.now + 1)


def _for_another_gateway(desk: Desk, _: First, second: Second, order: bytes) -> bytes:
    return desk.agreement(second, order, gateway="other-gateway.example")


def _in_another_name(desk: Desk, first: First, second: Second, order: bytes) -> bytes:
    """A true key, and a message that names another enrolled operator."""
    third = desk.operator()
    return desk.agreement(second, order, operator=third.party)


ATTACKS: dict[str, tuple[Attack, str]] = {
    "one person twice": (_alone, "another operator must agree"),
    "one key under the other name": (_alone_under_the_second_name, "not signed by"),
    "two names with one key": (_two_names_with_one_key, "no signed action enrolled"),
    "an operator whom nobody enrolled": (_a_second_one_whom_nobody_enrolled, "no signed action"),
    "no operator": (_a_second_one_who_is_no_operator, "not enrolled"),
    "an agreement to another order": (_replayed_from_another_order, "to another order"),
    "an order changed afterwards": (_altered_after_the_agreement, "to another order"),
    "an order without signature": (_unsigned_order, "does not verify"),
    "the first one suspended": (_first_suspended, "not enrolled, or is suspended"),
    "the first one suspended and back": (_first_suspended_and_back, "the order is void"),
    "the second one suspended": (_second_suspended, "not enrolled, or is suspended"),
    "expired": (_expired, "has expired"),
    "expired, its row lengthened": (_expired_and_lengthened, "has expired"),
    "its row lengthened": (_row_moved_only, "something else than was signed"),
    "older than its order": (_before_its_order, "time is wrong"),
    "dated ahead": (_dated_ahead, "time is wrong"),
    "for another gateway": (_for_another_gateway, "for another gateway"),
    "in another operator's name": (_in_another_name, "not signed by"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_erases_alone(desk: Desk, pair: tuple[SigningKey, SigningKey], attack: str) -> None:
    record = desk.record()
    order_id, order = desk.ordered(pair[0], record)
    make, why = ATTACKS[attack]
    agreement = make(desk, *pair, order)
    before = desk.dump()
    with pytest.raises(SealmatchError) as caught:
        desk.agree(order_id, agreement)
    assert why in refused(caught.value)
    assert desk.dump() == before
    assert desk.row(record) is not None


def test_one_key_for_two_names_is_seen_even_if_both_were_enrolled(desk: Desk) -> None:
    """Should the register ever let it pass: the rule stands on its own."""
    first = desk.operator()
    twin = SigningKey(f"{first.party}-twin", first.private)
    with pytest.raises(SessionConflict, match="another name"):
        desk.operator(twin.party, twin)
    order = desk.erasure(first, desk.record())
    with pytest.raises(Refused) as caught:
        verify(
            *(order, desk.agreement(twin, order), GATEWAY.party),
            lambda name: first.public if name == first.party else twin.public,
            desk.now,
        )
    assert "same key" in caught.value.detail


def test_what_cannot_be_ordered(desk: Desk, pair: tuple[SigningKey, SigningKey]) -> None:
    record = desk.record()
    suspended = desk.operator()
    desk.suspend(suspended)
    for order, why in (
        (desk.erasure(pair[0], new_record_id()), "no such record"),
        (desk.erasure(suspended, record), "suspended"),
        (desk.erasure(SigningKey.generate("nobody"), record), "not enrolled"),
        (desk.erasure(pair[0], record, ordered_at=desk.now + 1), "time has not come"),
        (desk.erasure(pair[0], record, ordered_at=desk.now - ORDER_SECONDS), "expired"),
        (desk.erasure(pair[0], record, gateway="other-gateway.example"), "another gateway"),
        (desk.erasure(pair[0], record, operator=pair[1].party), "not signed by"),
        (desk.hold(pair[0], record), "not a signed order"),
        (b"\xd2", "not a"),
    ):
        with pytest.raises(SealmatchError) as caught:
            orders.place(desk.database, order, GATEWAY.party, desk.now)
        assert why in refused(caught.value)
    assert "orders" not in {name for name, _ in desk.rows_with(record)}
    desk.placed(desk.erasure(pair[0], record))  # the control


def test_a_history_that_was_altered_lets_nobody_act(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    order_id, order = desk.ordered(pair[0], desk.record())
    last = sa.select(sa.func.max(schema.admin_actions.c.number)).scalar_subquery()
    with desk.database.transaction() as connection:
        table = schema.admin_actions
        row = connection.execute(table.select().where(table.c.number == last)).one()
    broken = bytes(row.action)[:-1] + bytes((bytes(row.action)[-1] ^ 1,))
    of_it = schema.admin_actions.c.number == row.number
    desk.write(schema.admin_actions.update().where(of_it).values(action=broken))
    with pytest.raises(Refused):
        desk.agree(order_id, desk.agreement(pair[1], order))
    desk.write(schema.admin_actions.update().where(of_it).values(action=row.action))
    desk.agree(order_id, desk.agreement(pair[1], order))


# At the same moment


def test_of_two_agreements_at_once_one_does_it(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    third = desk.operator()
    order_id, order = desk.ordered(pair[0], desk.record())
    erasures_before = len(desk.dump()["erasures"])
    together = threading.Barrier(2)

    def agree(operator: SigningKey) -> bool:
        agreement = desk.agreement(operator, order)
        together.wait(PATIENCE)
        try:
            desk.agree(order_id, agreement)
        except SessionConflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(agree, (pair[1], third))) == [False, True]
    done = [one for one in desk.actions() if one.party == order_id.hex()]
    assert len(done) == 1
    assert len(desk.dump()["erasures"]) == erasures_before + 1


def erase_now(desk: Desk, connection: sa.Connection, record: bytes) -> None:
    """As the reaper or the subject does."""
    row = find_record(connection, record)
    assert row is not None
    erase(connection, row, GATEWAY, desk.now)


def waits_for_a_lock(database: Database) -> bool:
    with database.transaction() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        return bool(found.scalar_one())


def while_open(
    desk: Desk,
    first: Callable[[sa.Connection], object],
    then: Callable[[], None],
    last: Callable[[sa.Connection], object] = lambda _: None,
) -> str:
    """Do ``then`` while the transaction of ``first`` is open, which ends with ``last``; return how
    ``then`` ended.

    PostgreSQL: ``then`` waits for a lock before the first one commits. SQLite: it waits to begin.
    """
    ended: list[str] = []

    def second() -> None:
        try:
            then()
            ended.append("done")
        except SealmatchError as error:
            ended.append(refused(error))

    thread = threading.Thread(target=second)
    with desk.database.writing() as connection:
        first(connection)
        thread.start()
        if connection.dialect.name == "postgresql":
            until = time.monotonic() + PATIENCE
            while not waits_for_a_lock(desk.database) and time.monotonic() < until:
                time.sleep(0.01)
        assert ended == []
        last(connection)
    thread.join(PATIENCE)
    (how,) = ended
    return how


def test_who_erases_first_has_erased(desk: Desk, pair: tuple[SigningKey, SigningKey]) -> None:
    """The subject, or the reaper, against two operators: one erasure, and no order is left."""
    record = desk.record()
    order_id, order = desk.ordered(pair[0], record)
    other_id, other = desk.ordered(pair[0], record)
    agreement = desk.agreement(pair[1], order)
    before, actions = len(desk.dump()["erasures"]), desk.actions()
    how = while_open(
        desk,
        lambda connection: erase_now(desk, connection, record),
        lambda: desk.agree(order_id, agreement),
    )
    assert "no such" in how or "gone" in how
    assert len(desk.dump()["erasures"]) == before + 1
    assert desk.actions() == actions
    assert desk.rows_with(record) == []
    with pytest.raises(SessionConflict, match="no such order"):
        desk.agree(other_id, desk.agreement(pair[1], other))


def test_an_agreement_and_the_reaper_do_not_wait_in_a_circle(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    """The reaper has the record and goes on to its orders; whoever agrees has to begin there too,
    and not with the order."""
    record = desk.record()
    order_id, order = desk.ordered(pair[0], record)
    agreement = desk.agreement(pair[1], order)
    how = while_open(
        desk,
        lambda connection: keep_records(connection, [record]),
        lambda: desk.agree(order_id, agreement),
        lambda connection: erase_now(desk, connection, record),
    )
    assert "no such" in how
    assert desk.rows_with(record) == []


def test_no_order_comes_while_its_record_goes(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    """The reaper looked for orders before this one came: it would stay, and name the record."""
    record = desk.record()
    order = desk.erasure(pair[0], record)
    how = while_open(
        desk,
        lambda connection: erase_now(desk, connection, record),
        lambda: desk.placed(order) and None,
    )
    assert "no such record" in how
    assert desk.rows_with(record) == []


def test_an_adoption_and_the_sequencer_do_not_wait_in_a_circle(database: Database) -> None:
    """Both write many records, each in an order of its own."""
    desk = Desk(database)
    first, second = desk.record(), desk.record()
    with database.transaction() as connection:
        epoch = log.elect(connection, "example/log")

    def index(connection: sa.Connection, record: bytes) -> None:
        log.lock_head(connection, epoch)
        one = schema.records.update().where(schema.records.c.record_id == record)
        connection.execute(one.values(log_index=1))

    how = while_open(
        desk,
        lambda connection: index(connection, second),
        lambda: adopt(database, draft(1), GATEWAY, desk.now) and None,
        lambda connection: index(connection, first),
    )
    assert how == "done"


def test_a_hold_that_is_placed_first_holds(desk: Desk, pair: tuple[SigningKey, SigningKey]) -> None:
    """Whoever erases has asked already whether it is held, and waits for the row alone."""
    record = desk.record()
    hold = cose.verify(desk.hold(pair[0], record), Hold, pair[0].public)

    def place(connection: sa.Connection) -> None:
        hold_register(connection)
        holds.place(connection, hold, GATEWAY, desk.now)

    def erase_it() -> None:
        with desk.database.writing() as connection:
            erase_now(desk, connection, record)

    assert "held" in while_open(desk, place, erase_it)
    assert desk.row(record) is not None


def test_an_erasure_that_is_first_leaves_nothing_to_hold(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    record = desk.record()
    hold = desk.hold(pair[0], record)
    how = while_open(
        desk,
        lambda connection: erase_now(desk, connection, record),
        lambda: orders.place_hold(desk.database, hold, GATEWAY, KEYS, desk.now),
    )
    assert "no such record" in how
    assert desk.rows_with(record) == []


# Legal holds


def due(desk: Desk, *wanted: bytes) -> list[bytes]:
    """Which of these records the reaper would take now."""
    with desk.database.transaction() as connection:
        found = erasures.expired_records(connection, "decision", desk.now, 10_000)
    return [row.record_id for row in found if row.record_id in wanted]


def end_holds(desk: Desk) -> int:
    with desk.database.writing() as connection:
        hold_register(connection)
        return holds.remove_ended(connection, GATEWAY, desk.now)


def verbs_of(desk: Desk, hold_id: bytes) -> list[tuple[str, bytes | None]]:
    return [(one.verb, one.key_id) for one in desk.actions() if one.party == hold_id.hex()]


def test_a_held_record_goes_neither_by_time_nor_by_order(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    record, free = desk.record(desk.now - DAY), desk.record(desk.now - DAY)
    earlier_id, earlier = desk.ordered(pair[1], record)
    hold = desk.hold(pair[0], record, 30)
    orders.place_hold(desk.database, hold, GATEWAY, KEYS, desk.now)
    hold_id = cose.peek(hold, Hold).hold_id
    assert verbs_of(desk, hold_id) == [("hold", digest_of(hold))]
    assert due(desk, record, free) == [free]
    for attempt in (
        lambda: desk.ordered(pair[0], record),
        lambda: desk.agree(earlier_id, desk.agreement(pair[0], earlier)),
    ):
        with pytest.raises(SessionConflict, match="held until 2023-12-14"):
            attempt()
    desk.now += 30 * DAY - 1
    assert end_holds(desk) == 0
    desk.now += 1
    assert end_holds(desk) == 1
    assert verbs_of(desk, hold_id)[1:] == [("release", digest_of(hold))]
    assert due(desk, record) == [record]


def test_a_hold_that_is_over_stops_no_order(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    """Before the reaper came by."""
    record = desk.record()
    hold_id = desk.held(pair[0], record, 1)
    desk.now += DAY
    order_id, order = desk.ordered(pair[0], record)
    desk.agree(order_id, desk.agreement(pair[1], order))
    assert desk.row(record) is None
    assert desk.rows_with(record) == []
    assert [verb for verb, _ in verbs_of(desk, hold_id)] == ["hold", "release"]


def test_a_hold_is_extended_by_one_and_shortened_by_two(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    record = desk.record()
    hold_id = desk.held(pair[0], record, 30)
    for days in (29, 30):
        with pytest.raises(SessionConflict, match="takes two operators"):
            desk.held(pair[0], record, days)
    longer = desk.hold(pair[1], record, 60)
    orders.place_hold(desk.database, longer, GATEWAY, KEYS, desk.now)
    extended = cose.peek(longer, Hold).hold_id
    assert [verb for verb, _ in verbs_of(desk, hold_id)] == ["hold", "release"]
    assert verbs_of(desk, hold_id)[1][1] == digest_of(longer)

    with pytest.raises(SessionConflict, match="no such hold"):
        desk.released(pair[0], hold_id)
    order_id, order = desk.released(pair[0], extended)
    with pytest.raises(Refused) as caught:
        desk.agree(order_id, desk.agreement(pair[0], order))
    assert "another operator" in caught.value.detail
    agreement = desk.agreement(pair[1], order)
    desk.agree(order_id, agreement)
    assert verbs_of(desk, extended) == [
        ("hold", digest_of(longer)),
        ("release", digest_of(agreement)),
    ]
    assert [name for name, _ in desk.rows_with(record)] == ["consents", "log_pending", "records"]
    assert desk.rows_with(order_id) == []


def test_a_hold_whose_end_was_moved_holds_until_the_signed_one(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    """By whoever writes the database: the gateway would sign that its end had passed."""
    record = desk.record()
    hold = desk.held(pair[0], record, days=90)
    until = desk.now + 90 * DAY
    desk.write(schema.holds.update().where(schema.holds.c.hold_id == hold).values(until=1))
    for now, held in ((desk.now, True), (until, False)):
        with desk.database.writing() as connection:
            hold_register(connection)
            holds.remove_ended(connection, GATEWAY, now)
            found = stored_holds.find_hold(connection, hold)
        assert (found is not None and found.until == until) is held


def test_a_hold_that_was_released_is_not_placed_again(
    desk: Desk, pair: tuple[SigningKey, SigningKey]
) -> None:
    """By whoever opens the keystore and has the signed bytes from a backup."""
    record = desk.record()
    hold = desk.hold(pair[0], record)
    orders.place_hold(desk.database, hold, GATEWAY, KEYS, desk.now)
    order_id, order = desk.released(pair[1], cose.peek(hold, Hold).hold_id)
    desk.agree(order_id, desk.agreement(pair[0], order))
    with pytest.raises(Refused) as told:
        orders.place_hold(desk.database, hold, GATEWAY, KEYS, desk.now)
    assert "placed before" in told.value.detail
    assert desk.rows_with(record) != []
    desk.held(pair[0], record)  # the control: a new one is


def test_who_places_no_hold(desk: Desk, pair: tuple[SigningKey, SigningKey]) -> None:
    record = desk.record()
    suspended = desk.operator()
    desk.suspend(suspended)
    stranger = SigningKey.generate("nobody")
    before = desk.dump()
    for hold, why in (
        (desk.hold(suspended, record), "suspended"),
        (desk.hold(stranger, record), "not enrolled"),
        (desk.hold(pair[0], record, operator=pair[1].party), "not signed by"),
        (desk.hold(pair[0], record, gateway="other-gateway.example"), "another gateway"),
        (desk.hold(pair[0], new_record_id()), "no such record"),
        (desk.hold(pair[0], record, 1, placed_at=desk.now - DAY, until=desk.now), "has ended"),
        (desk.hold(pair[0], record, placed_at=desk.now + 1), "time has not come"),
        (desk.erasure(pair[0], record), "Hold"),
    ):
        with pytest.raises(SealmatchError) as caught:
            orders.place_hold(desk.database, hold, GATEWAY, KEYS, desk.now)
        assert why in refused(caught.value)
    assert desk.dump() == before


def test_a_hold_has_a_reason_and_an_end() -> None:
    given = {
        "gateway": "gateway",
        "hold_id": bytes(16),
        "salt": bytes(32),
        "record_id": bytes(16),
        "reason": "court-order",
        "until": NOW + MOST_HOLD_SECONDS,
        "operator": "operator",
        "placed_at": NOW,
    }
    Hold(**given)
    for wrong in (
        {"until": NOW},
        {"until": NOW + MOST_HOLD_SECONDS + 1},
        {"reason": "because"},
        {"reason": None},
        {"until": None},
    ):
        with pytest.raises(ValidationError):
            Hold(**(given | wrong))
    unbounded = Hold.model_construct(**(given | {"until": 2**39}), version=1)
    with pytest.raises(MalformedMessage):
        Hold.decode(unbounded.encode())
