"""Planted faults in what operators signed: each is found, by the line that is there for it.

They are planted into one deployment of each kind, one after the other. So each is found beside all
that were planted before.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.inspection.checks import counts, holds, orders, policy
from gateway.inspection.evidence import Evidence
from gateway.inspection.inspection import inspect
from gateway.inspection.lines import Basis, Line, Progress, Verdict
from gateway.proofs.trust import PinnedOperator
from gateway.retention.holds import remove_ended
from gateway.store import parties, schema
from gateway.store.locks import hold_register
from gateway.wire import cose
from gateway.wire.admin import ActionKind, Concerned, Verb
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused
from gateway.wire.ids import KeyId, digest_of, new_record_id
from gateway.wire.orders import MOST_HOLD_SECONDS, ORDER_SECONDS, AgreedOrder, ErasureOrder
from tests.support.inspected import Inspected, own_database, violated
from tests.support.operators import DAY, Desk
from tests.support.parties import GATEWAY, NOW
from tests.support.receipts import pin_operator
from tests.vectors.ordered import PROPOSAL, SIGNED_POLICY

CHECKS = (*holds.CHECKS, *orders.CHECKS, policy.SIGNED)
COUNTED = tuple(one for one in counts.CHECKS if one.id == "counts.entries")
ANNA, BEN = (SigningKey.generate(name) for name in ("operator-anna", "operator-ben"))
policies = schema.match_policies
FIRST_APPROVAL = sa.select(policies.c.approval).where(policies.c.number == 1).scalar_subquery()
BOTH = ("sqlite", "postgresql")


@contextmanager
def at_desk(one: Inspected) -> Iterator[Desk]:
    with one.database() as database:
        yield Desk(database)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Inspected:
    """Two operators; a hold; an order that waits; one that was done."""
    directory = tmp_path_factory.mktemp("operators")
    if request.param == "sqlite":
        made = Inspected(directory)
    else:
        made = Inspected(directory, own_database(request.getfixturevalue("postgresql")))
    with at_desk(made) as desk:
        for operator in (ANNA, BEN):
            desk.operator(operator.party, operator)
        desk.held(ANNA, desk.record())
        desk.ordered(ANNA, desk.record())
        order_id, order = desk.ordered(BEN, desk.record())
        desk.agree(order_id, desk.agreement(ANNA, order))
        desk.adopted(ANNA, BEN)
        desk.adopted(BEN, ANNA)
    made.publish()
    return made


def by_basis(lines: tuple[Line, ...], check: str) -> dict[Basis, Verdict]:
    return {line.basis: line.verdict for line in lines if line.check == check}


def test_what_operators_signed_is_clean(deployment: Inspected) -> None:
    lines = deployment.inspect(CHECKS)
    assert violated(lines) == {}
    assert by_basis(lines, "retention.holds") == dict.fromkeys(
        (Basis.PROVEN, Basis.SEEN), Verdict.PASSED
    )
    assert by_basis(lines, "access.staff") == dict.fromkeys(
        (Basis.PROVEN, Basis.SEEN), Verdict.PASSED
    )
    notes = " ".join(note for line in lines for note in line.notes)
    assert "1 wait for a second operator, 0 have expired, and 0 are of a suspended" in notes
    assert "1 records were erased by order of two operators" in notes
    assert "1 legal holds placed" in notes
    assert f"number 2, signed by {BEN.party} and {ANNA.party}" in notes
    assert PROPOSAL.evidence.hex() in notes
    assert by_basis(lines, "policy.signed") == {Basis.PROVEN: Verdict.PASSED}


def test_with_the_bundle_alone_what_is_proven_is_proven(deployment: Inspected) -> None:
    """And the bundle names no record, although a hold and an order do."""
    with deployment.evidence() as evidence:
        lines = inspect(evidence, CHECKS, Progress())
        bundle = dict(evidence.exhibits)
    offline = inspect(Evidence(now=evidence.now, bundle=bundle), CHECKS, Progress())
    assert [one for one in offline if one.basis is Basis.PROVEN] == [
        one for one in lines if one.basis is Basis.PROVEN
    ]
    with deployment.database() as database, database.transaction() as connection:
        named = [bytes(row.record_id) for row in connection.execute(schema.records.select())]
    assert named
    for content in bundle.values():
        assert not any(one in content or one.hex().encode() in content for one in named)


def test_without_operators_nothing_is_passed(tmp_path: Path) -> None:
    lines = Inspected(tmp_path).inspect(CHECKS)
    assert {line.verdict for line in lines} == {Verdict.NOTHING}
    (thresholds,) = (line for line in lines if line.check == "policy.signed")
    assert thresholds.notes == (policy.UNSIGNED,)


def test_a_trust_file_that_pins_operators_decides_whose_signature_counts(
    deployment: Inspected,
) -> None:
    """The gateway's own register may have enrolled a puppet."""
    pins = [pin_operator(ANNA), pin_operator(BEN)]

    def found(operators: list[PinnedOperator]) -> dict[str, tuple[str, ...]]:
        given = deployment.trust.model_copy(update={"operators": operators}).encode()
        return violated(deployment.inspect((policy.SIGNED,), trust_given=given))

    assert found(pins) == {}
    puppet = pin_operator(SigningKey.generate("puppet"))
    assert "does not pin" in found([pins[0], puppet])["policy.signed"][0]
    other = pins[1].model_copy(update={"public_key": puppet.public_key})
    assert "with another key" in found([pins[0], other])["policy.signed"][0]


def test_a_decision_names_the_policy_that_was_in_force(tmp_path: Path) -> None:
    """Each record is a control for the next: what is found grows by one sentence."""
    made = Inspected(tmp_path)
    with at_desk(made) as desk:
        for operator in (ANNA, BEN):
            desk.operator(operator.party, operator)
        desk.now = NOW - 9000
        first = desk.adopted(ANNA, BEN)
        desk.now = NOW - 7200
        second = desk.adopted(BEN, ANNA)
    expected: dict[str, int] = {}
    for digest, named, said in (
        (SIGNED_POLICY.digest, second.digest, ""),
        (bytes(32), second.digest, "name another policy than the approval"),
        (SIGNED_POLICY.digest, bytes(32), "name an approval that the database does not hold"),
        (SIGNED_POLICY.digest, first.digest, "under a policy that had been replaced"),
        (SIGNED_POLICY.digest, None, "by unsigned thresholds after a policy was signed"),
    ):
        made.register(1, policy={"policy_digest": digest, "policy_approval": named})
        made.publish()
        expected |= {said: 1} if said else {}
        found = violated(made.inspect((policy.FOLLOWED,))).get("policy.signed", ())
        assert len(found) == len(expected)
        assert all(any(one in line for line in found) for one in expected)


def test_a_deletion_past_the_gateway_is_noticed(deployment: Inspected) -> None:
    """One operator alone, who may write the database: our code does not do it, and the log has an
    entry more than there are records and erasures."""
    with at_desk(deployment) as desk:
        record = desk.record()
        order_id, order = desk.ordered(ANNA, record)
        with pytest.raises(Refused):
            desk.agree(order_id, desk.agreement(ANNA, order))
        deployment.publish()
        assert violated(deployment.inspect(COUNTED)) == {}
        row = desk.row(record)
        desk.write(
            schema.records.delete().where(schema.records.c.record_id == record),
            schema.orders.delete().where(schema.orders.c.order_id == order_id),
        )
        found = violated(deployment.inspect(COUNTED))["counts.entries"]
        assert any("entries of statements" in one for one in found)
        desk.write(schema.records.insert().values(**vars(row)))
    assert violated(deployment.inspect((*COUNTED, *CHECKS))) == {}


def test_what_has_ended_is_late_after_a_day(deployment: Inspected) -> None:
    """The reaper runs by then, and comes for both."""
    late = {
        "access.staff": "order 1 expired 1 days ago, and is there",
        "retention.holds": "the end of hold 1 passed 1 days ago",
    }
    for seconds, due in ((ORDER_SECONDS, "access.staff"), (90 * DAY, "retention.holds")):
        ended = NOW + seconds
        assert due not in violated(deployment.inspect(CHECKS, now=ended + DAY - 1))
        assert late[due] in violated(deployment.inspect(CHECKS, now=ended + DAY))[due]


def test_what_the_reaper_ends_is_clean(deployment: Inspected) -> None:
    with at_desk(deployment) as desk:
        hold_id = desk.held(ANNA, desk.record(), 1)
        with desk.database.writing() as connection:
            hold_register(connection)
            assert remove_ended(connection, GATEWAY, NOW + DAY) == 1
        assert hold_id not in [row[0] for row in desk.dump()["holds"]]
    assert violated(deployment.inspect(CHECKS)) == {}


Plant = Callable[[Desk], object]


def of_hold(change: str) -> Plant:
    """Somebody changes the row of a hold that an operator placed."""

    def plant(desk: Desk) -> None:
        hold_id = desk.held(ANNA, desk.record())
        with desk.database.writing() as connection:
            connection.execute(sa.text(f"{change} WHERE hold_id = :id"), {"id": hold_id})

    return plant


def of_order(change: str) -> Plant:
    """The same with an order."""

    def plant(desk: Desk) -> None:
        order_id, _ = desk.ordered(ANNA, desk.record())
        with desk.database.writing() as connection:
            connection.execute(sa.text(f"{change} WHERE order_id = :id"), {"id": order_id})

    return plant


def hold_without_signature(desk: Desk) -> None:
    plant_hold(desk, desk.record(), b"signed, really")


def hold_of_a_stranger(desk: Desk) -> None:
    record, mine = desk.record(), SigningKey.generate("operator-mine")
    row = {"kind": "operator", "party": mine.party, "state": "active"}
    keyed = {"public_key": mine.public.raw, "key_id": mine.public.key_id}
    desk.write(schema.parties.insert().values(**row, **keyed))
    plant_hold(desk, record, desk.hold(mine, record))


def hold_past_the_gateway(desk: Desk) -> None:
    """An operator's true signature, written into the table."""
    record = desk.record()
    plant_hold(desk, record, desk.hold(ANNA, record))


def plant_hold(desk: Desk, record: bytes, hold: bytes) -> None:
    values = {"hold_id": secrets.token_bytes(16), "record_id": record, "hold": hold}
    more = {"reason": "court-order", "until": NOW + DAY}
    desk.write(schema.holds.insert().values(**values, **more))


def hold_on_nothing(desk: Desk) -> None:
    record = desk.record()
    desk.held(ANNA, record)
    desk.write(schema.records.delete().where(schema.records.c.record_id == record))


def hold_back_again(desk: Desk) -> None:
    """Released by two operators, and put back."""
    hold_id = desk.held(ANNA, desk.record())
    (row,) = [one for one in desk.dump()["holds"] if one[0] == hold_id]
    order_id, order = desk.released(ANNA, hold_id)
    desk.agree(order_id, desk.agreement(BEN, order))
    names = [column.name for column in schema.holds.columns]
    desk.write(schema.holds.insert().values(dict(zip(names, row, strict=True))))


def order_without_signature(desk: Desk) -> None:
    order_id, ordered = desk.ordered(ANNA, desk.record())
    broken = ordered[:-1] + bytes((ordered[-1] ^ 1,))
    of_it = schema.orders.c.order_id == order_id
    desk.write(schema.orders.update().where(of_it).values(ordered=broken))


def order_dated_ahead(desk: Desk) -> None:
    """By one operator alone, so that it never expires."""
    order = desk.erasure(ANNA, desk.record(), ordered_at=NOW + 900 * DAY)
    said = cose.peek(order, ErasureOrder)
    row = {"order_id": said.order_id, "ordered": order, "expires_at": said.expires_at}
    desk.write(schema.orders.insert().values(row))


def twins(desk: Desk) -> None:
    """One key under two names."""
    ben = schema.parties.c.party == BEN.party
    keyed = {"public_key": ANNA.public.raw, "key_id": ANNA.public.key_id}
    desk.write(schema.parties.update().where(ben).values(**keyed))


def act(verb: Verb, kind: ActionKind) -> Plant:
    """Whoever has the gateway's key signs an action that nobody ordered."""

    def plant(desk: Desk) -> None:
        about = Concerned(kind, new_record_id().hex(), KeyId(digest_of(b"signed by nobody")))
        with desk.database.writing() as connection:
            hold_register(connection)
            parties.record_action(connection, verb, about, GATEWAY, NOW)

    return plant


def erased_alone(desk: Desk) -> None:
    desk.suspend(BEN)
    act("erase", "order")(desk)
    desk.operator(BEN.party, BEN)


def policy_of_strangers(desk: Desk) -> None:
    mallory, oscar = SigningKey.generate("mallory"), SigningKey.generate("oscar")
    order = desk.proposal(mallory)
    kept = AgreedOrder(order=order, agreement=desk.agreement(oscar, order)).encode()
    desk.write(policies.insert().values(number=3, approval=kept, adopted_at=desk.now))


UNSIGNED = "is not signed by an enrolled operator"
PLANTED: dict[str, tuple[Plant, str, str]] = {
    "hold-without-signature": (hold_without_signature, "retention.holds", UNSIGNED),
    "hold-of-a-stranger": (hold_of_a_stranger, "retention.holds", UNSIGNED),
    "hold-past-the-gateway": (hold_past_the_gateway, "retention.holds", "unknown to the history"),
    "hold-end-moved": (
        of_hold("UPDATE holds SET until = until + 86400"),
        "retention.holds",
        "has another end than the operator signed",
    ),
    "hold-end-far": (
        of_hold(f"UPDATE holds SET until = until + {MOST_HOLD_SECONDS}"),
        "retention.holds",
        "ends later than a hold may",
    ),
    "hold-reason": (
        of_hold("UPDATE holds SET reason = 'because he asked'"),
        "retention.holds",
        "has no reason of the list",
    ),
    "hold-of-another-record": (
        of_hold(
            "UPDATE holds SET record_id = (SELECT record_id FROM records WHERE NOT EXISTS "
            "(SELECT 1 FROM holds h WHERE h.record_id = records.record_id) LIMIT 1)"
        ),
        "retention.holds",
        "has another record than the operator signed",
    ),
    "hold-on-nothing": (hold_on_nothing, "retention.holds", "is of no record"),
    "hold-back-again": (hold_back_again, "retention.holds", "was released in the history"),
    "hold-gone": (of_hold("DELETE FROM holds"), "retention.holds", "are gone without"),
    "hold-placed-by-nobody": (act("hold", "legal-hold"), "retention.holds", "are gone without"),
    "order-without-signature": (order_without_signature, "access.staff", UNSIGNED),
    "order-end-moved": (
        of_order("UPDATE orders SET expires_at = expires_at + 86400000"),
        "access.staff",
        "has another end than the operator signed",
    ),
    "order-dated-ahead": (order_dated_ahead, "access.staff", "is dated ahead"),
    "erased-without-erasure": (
        act("erase", "order"),
        "access.staff",
        "2 records were erased by order, and 1 erasures are there",
    ),
    "erased-alone": (erased_alone, "access.staff", "when there were no two operators"),
    "twins": (twins, "access.staff", "have the same key"),
    "policy-adopted-at-another-time": (
        lambda desk: desk.write(policies.update().values(adopted_at=policies.c.adopted_at + 60)),
        "policy.signed",
        "was adopted at another time than was signed",
    ),
    "policy-older-in-the-place-of-the-newest": (
        lambda desk: desk.write(
            policies.update().where(policies.c.number == 2).values(approval=FIRST_APPROVAL)
        ),
        "policy.signed",
        "policy 2 is not one whose adoption was signed",
    ),
    "policy-of-strangers": (policy_of_strangers, "policy.signed", "enrolment was signed"),
    "policy-adopted-by-nobody": (
        act("adopt", "match-policy"),
        "policy.signed",
        "1 adopted policies are gone",
    ),
    "erasure-gone": (
        lambda desk: desk.write(schema.erasures.delete()),
        "access.staff",
        "erased by order, and 0 erasures are there",
    ),
}


@pytest.fixture(scope="module")
def before(deployment: Inspected) -> dict[str, tuple[str, ...]]:
    """What the last inspection found; the first one, before anything is planted, nothing."""
    assert violated(deployment.inspect(CHECKS)) == {}
    return {}


@pytest.mark.parametrize("what", PLANTED)
def test_what_was_planted_is_found(
    deployment: Inspected, before: dict[str, tuple[str, ...]], what: str
) -> None:
    plant, check, said = PLANTED[what]
    with at_desk(deployment) as desk:
        plant(desk)
    found = violated(deployment.inspect(CHECKS))

    def told(lines: dict[str, tuple[str, ...]]) -> list[str]:
        return [one for one in lines.get(check, ()) if said in one]

    assert told(found)
    assert told(found) != told(before)
    before.clear()
    before.update(found)
