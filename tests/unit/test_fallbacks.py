"""Registrations without a face at the gateway: what two people must sign, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.client.fallback import FallbackRefused, approve, require_own
from gateway.host import crash
from gateway.proofs.fallback import verify_fallback
from gateway.server.fallback import ASSERTION_SECONDS, FallbackRules, FallbackService
from gateway.store import fallbacks, parties, schema
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused, SessionConflict, Unavailable
from gateway.wire.fallback import (
    MEANS,
    REASONS,
    FallbackApproval,
    FallbackAssertion,
    FallbackRequest,
    FallbackStatement,
)
from gateway.wire.freshness import CLOCK_SKEW, MAX_AGE
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from tests.support.crashing import points
from tests.support.fallbacks import Desk
from tests.support.parties import refused
from tests.support.postgres import PostgresServer
from tests.support.rights import Subscriber
from tests.support.samples import FALLBACKS, NUMBER, PLAIN_NUMBER, Clock
from tests.support.world import World

STRANGER = SigningKey.generate("stranger")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    directory, url = tmp_path_factory.mktemp("world"), None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.new_database()
    with World(directory, clock=Clock(), database=url) as world:
        yield world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def kept(world: World) -> tuple[list[Any], ...]:
    """Everything that a record changes."""
    tables = ("records", "log_entries", "log_pending", "outcome_counters", "fallback_counts")
    return tuple(sorted(world.rows(table)) for table in tables)


def hand_in(world: World, request: FallbackRequest) -> Any:
    return world.fallbacks.record(request, world.counter.device.public)


# What is recorded


def test_a_record_its_entry_and_its_counter(world: World, desk: Desk) -> None:
    before = world.counters()
    asserted = desk.asserted(means=("document-in-person", "existing-account"))
    request = desk.request(asserted)
    receipt = desk.record(request)
    verified = require_own(receipt, request, world.trust, world.clock())
    stated = verified.statement.message
    (row,) = [r for r in world.rows("records") if r.record_id == stated.record_id]
    assert (row.kind, row.outcome, row.subject_handle) == ("fallback", "FALLBACK", None)
    assert row.expires_at - row.decided_at == 180 * 24 * 3600
    (entry,) = [e for e in world.rows("log_entries") if e.log_index == row.log_index]
    assert (entry.kind, entry.entry) == ("fallback", digest_of(row.statement))
    counted = {name: n - before.get(name, 0) for name, n in world.counters().items()}
    assert {name: n for name, n in counted.items() if n} == {"FALLBACK": 1}, "counted apart"
    assert stated.recorded_at_minute % 60 == 0
    assert not world.rows("sessions"), "there is no session with the authority"


def test_the_number_never_leaves_the_counter(world: World, desk: Desk) -> None:
    request = desk.request()
    receipt = desk.record(request)
    sent = [body for path, body in world.received if path == FALLBACKS]
    for content in (
        request.encode(),
        receipt,
        *sent,
        *(r.statement for r in world.rows("records")),
    ):
        for number in (NUMBER, PLAIN_NUMBER):
            assert number.strip().encode() not in content


def test_the_same_request_again_gets_the_same_record(world: World, desk: Desk) -> None:
    """The answer was lost, or its receipt was late; also when a party was suspended since."""
    asserted = desk.asserted()
    request = desk.request(asserted)
    first, before = desk.record(request), kept(world)
    with suspended(world, "agent", "agent"):
        assert desk.record(request) == first
    world.clock.now += 2 * MAX_AGE  # type: ignore[attr-defined]
    assert desk.record(request) == first, "an old one, recorded in time"
    again = desk.request(asserted)
    assert again != request, "approved once more"
    assert desk.record(again) == first
    assert kept(world) == before


def test_the_same_request_twice_at_once_is_one_record(world: World, desk: Desk) -> None:
    request = desk.request()
    before = len(world.rows("records"))
    with ThreadPoolExecutor(4) as pool:
        views = list(pool.map(lambda _: hand_in(world, request), range(4)))
    assert len({view.record_id for view in views}) == 1
    assert len(world.rows("records")) == before + 1


def test_one_activation_has_one_record(world: World, desk: Desk) -> None:
    """Neither two without a face, nor one beside a decision."""
    asserted = desk.asserted()
    desk.record(desk.request(asserted))
    commitment = asserted.assertion.message.activation_commitment
    other = desk.asserted(changed={"activation_commitment": commitment})
    before = kept(world)
    with refused("activation commitment was used before"):
        hand_in(world, desk.request(other))
    assert kept(world) == before


# What is refused


def other_device(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(changed={"device": "device-2"}))


def other_gateway(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(changed={"gateway": "gateway-2"}))


def agent_alone(desk: Desk) -> FallbackRequest:
    """The agent signs both."""
    key = replace(desk.world.agent_key, party="supervisor")
    return desk.request(supervisor=key)


def agent_under_both_names(desk: Desk) -> FallbackRequest:
    asserted = desk.asserted(changed={"supervisor": "agent"})
    return desk.request(asserted, desk.world.agent_key)


def supervisor_alone(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(replace(desk.world.supervisor_key, party="agent")))


def device_alone(desk: Desk) -> FallbackRequest:
    """Whoever stole the counter, and neither person's key."""
    device = desk.world.counter.device
    return desk.request(
        desk.asserted(replace(device, party="agent")), replace(device, party="supervisor")
    )


def agent_without_key(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(replace(STRANGER, party="demo-agent")))


def unknown_supervisor(desk: Desk) -> FallbackRequest:
    asserted = desk.asserted(changed={"supervisor": "stranger"})
    return desk.request(asserted, STRANGER)


def of_another_assertion(desk: Desk) -> FallbackRequest:
    """The supervisor saw one; the agent hands in another."""
    seen, meant = desk.request(), desk.request()
    return meant.model_copy(update={"approval": seen.approval})


def altered_after_approval(desk: Desk) -> FallbackRequest:
    asserted = desk.asserted()
    request = desk.request(asserted)
    other = asserted.assertion.message.model_copy(update={"reason": "no-match"})
    return request.model_copy(update={"assertion": cose.sign(other, desk.world.agent_key).encoded})


def approved_for_another_gateway(desk: Desk) -> FallbackRequest:
    made = desk.asserted()
    request = desk.request(made)
    approval = cose.peek(request.approval, FallbackApproval)
    signed = cose.sign(
        approval.model_copy(update={"gateway": "gateway-2"}), desk.world.supervisor_key
    )
    return request.model_copy(update={"approval": signed.encoded})


def unknown_outlet(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(changed={"outlet": "outlet-9"}))


def unknown_text(desk: Desk) -> FallbackRequest:
    return desk.request(desk.asserted(changed={"consent_text_version": 99}))


def at(desk: Desk, seconds: int, then: Callable[[], FallbackRequest]) -> FallbackRequest:
    """Made so many seconds ago."""
    clock: Any = desk.world.clock
    clock.now -= seconds
    try:
        return then()
    finally:
        clock.now += seconds


def stale_approval(desk: Desk) -> FallbackRequest:
    return at(desk, MAX_AGE + 60, desk.request)


def approval_of_tomorrow(desk: Desk) -> FallbackRequest:
    return at(desk, -CLOCK_SKEW - 120, desk.request)


def old_assertion(desk: Desk) -> FallbackRequest:
    asserted: list[Any] = []
    at(desk, ASSERTION_SECONDS + 120, lambda: asserted.append(desk.asserted()) or desk.request())
    return desk.request(asserted[0])


def assertion_after_its_approval(desk: Desk) -> FallbackRequest:
    now = desk.world.clock()
    later = now - now % 60 + 300
    return desk.request(desk.asserted(changed={"asserted_at_minute": later}))


REFUSED: dict[Callable[[Desk], FallbackRequest], str] = {
    other_device: "another device",
    other_gateway: "another gateway",
    agent_alone: "supervisor's key",
    agent_under_both_names: "supervisor agent is not enrolled",
    supervisor_alone: "agent's key",
    device_alone: "agent's key",
    agent_without_key: "agent demo-agent is not enrolled",
    unknown_supervisor: "supervisor stranger is not enrolled",
    of_another_assertion: "approval is of another assertion",
    altered_after_approval: "approval is of another assertion",
    approved_for_another_gateway: "another gateway",
    unknown_outlet: "not enrolled: outlet outlet-9",
    unknown_text: "unknown or retired consent text",
    stale_approval: "approval is not fresh",
    approval_of_tomorrow: "approval is not fresh",
    old_assertion: "day before its approval",
    assertion_after_its_approval: "day before its approval",
}


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_what_is_refused(world: World, desk: Desk, make: Callable[[Desk], FallbackRequest]) -> None:
    """Nothing is kept, and the sender learns nothing but that it is refused."""
    request, before = make(desk), kept(world)
    with refused(REFUSED[make]):
        hand_in(world, request)
    assert kept(world) == before
    desk.record()  # the control


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_refusals_are_all_alike_to_the_sender(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.client.fallback.RECOVERY_PAUSE_SECONDS", 0)
    answers = set()
    world.alter_gateway = lambda _path, answer: (
        answers.add((answer.status_code, answer.content)) or answer
    )
    for make in (device_alone, of_another_assertion, unknown_text, stale_approval):
        with pytest.raises(FallbackRefused):
            desk.record(make(desk))
    world.alter_gateway = lambda _path, answer: answer
    ((status, content),) = answers
    assert status == 403
    assert json.loads(content)["code"] == "PERMISSION_DENIED"


def test_one_person_under_two_names(world: World, desk: Desk) -> None:
    """The operator is told at the enrolment; a register that has it all the same is of no use."""
    both = SigningKey.generate("both")
    with world.database.transaction() as connection:
        parties.enrol_party(connection, "agent", "twin-a", both.public.raw)
    with pytest.raises(SessionConflict, match="two people"), world.database.transaction() as c:
        parties.enrol_party(c, "supervisor", "twin-s", both.public.raw)
    with world.database.transaction() as connection:
        connection.execute(
            schema.parties.insert().values(
                kind="supervisor",
                party="twin-s",
                public_key=both.public.raw,
                key_id=both.public.key_id,
                state="active",
            )
        )
    asserted = desk.asserted(replace(both, party="twin-a"), changed={"supervisor": "twin-s"})
    with refused("are not two people"):
        hand_in(world, desk.request(asserted, replace(both, party="twin-s")))
    key = world.supervisor_key.public.raw
    with pytest.raises(SessionConflict, match="two people"), world.database.transaction() as c:
        parties.enrol_party(c, "agent", "supervisor-as-agent", key)


def test_a_device_s_key_is_nobody_s_signature(world: World, desk: Desk) -> None:
    """Whoever has the counter's disk must not be one of the two people."""
    device = world.counter.device
    with world.database.transaction() as connection:
        parties.enrol_party(connection, "agent", "robot", device.public.raw)
    with refused("one of them is the device"):
        hand_in(world, desk.request(desk.asserted(replace(device, party="robot"))))


class suspended:  # noqa: N801  reads like a verb
    """Within the block a party is suspended."""

    def __init__(self, world: World, kind: Any, party: str) -> None:
        self._database, self._kind, self._party = world.database, kind, party

    def __enter__(self) -> None:
        with self._database.transaction() as connection:
            parties.suspend_party(connection, self._kind, self._party)

    def __exit__(self, *_: object) -> None:
        with self._database.transaction() as connection:
            parties._set_state(connection, self._kind, self._party, "active")


@pytest.mark.parametrize("kind", ["agent", "supervisor", "outlet", "device"])
def test_suspended_while_it_is_recorded(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """Between the look at the signatures and the record."""
    request, before = desk.request(), kept(world)

    def suspend(point: str) -> None:
        if point == "gateway-fallback-checked":
            with world.database.transaction() as connection:
                parties.suspend_party(connection, kind, kind)

    with monkeypatch.context() as patch:
        patch.setattr(crash, "_hooks", [suspend])
        with refused(f"not enrolled: {kind} {kind}"):
            hand_in(world, request)
    assert kept(world) == before
    with world.database.transaction() as connection:
        parties._set_state(connection, kind, kind, "active")
    assert desk.record(request), "the control"


# How many


def limited(world: World, **per_hour: int) -> FallbackService:
    rules = FallbackRules(180, {"agent": 99, "supervisor": 99, "device": 99} | per_hour)  # type: ignore[dict-item]
    key, publication = world.fallbacks._key, world.publication
    return FallbackService(key, rules, world.database, publication, world.clock)


@pytest.mark.parametrize("kind", ["agent", "supervisor", "device"])
def test_they_cannot_be_mass_produced(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clock: Any = world.clock
    clock.now += 2 * fallbacks.HOUR
    monkeypatch.setattr(world, "fallbacks", limited(world, **{kind: 3}))
    for _ in range(3):
        desk.record()
    before, counted = kept(world), world.counters().get("FALLBACK_CAPPED", 0)
    with refused(f"{kind} {kind} has recorded 3 registrations without a face in this hour"):
        hand_in(world, desk.request())
    assert world.counters()["FALLBACK_CAPPED"] == counted + 1, "not quietly"
    assert [kept(world)[at] for at in (0, 1, 2, 4)] == [before[at] for at in (0, 1, 2, 4)]
    with world.database.transaction() as connection:  # who erases gets no room back
        connection.execute(fallbacks_of(world))
    with refused("in this hour"):
        hand_in(world, desk.request())
    clock.now += fallbacks.HOUR
    desk.record()


def fallbacks_of(world: World) -> Any:
    assert [row for row in world.rows("records") if row.kind == "fallback"]
    return schema.records.delete().where(schema.records.c.kind == "fallback")


def test_the_last_place_is_given_once(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Any = world.clock
    clock.now += 2 * fallbacks.HOUR
    monkeypatch.setattr(world, "fallbacks", limited(world, agent=2))
    requests = [desk.request() for _ in range(6)]

    def attempt(request: FallbackRequest) -> bool:
        try:
            hand_in(world, request)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, requests)) == 2


def test_counts_are_forgotten(world: World, desk: Desk) -> None:
    clock: Any = world.clock
    desk.record()
    assert world.rows("fallback_counts")
    clock.now += fallbacks.HOUR
    world.fallbacks.sweep()
    assert world.rows("fallback_counts"), "the hour before may still be looked at"
    clock.now += fallbacks.HOUR
    world.fallbacks.sweep()
    assert not world.rows("fallback_counts")


# What goes wrong on the way

STEPS = (
    "gateway-fallback-checked",
    "gateway-fallback-half-written",
    "gateway-fallback-written",
    "gateway-fallback-committed",
    "gateway-fallback-ready",
)


def test_no_step_is_left_out() -> None:
    assert {name for name in points() if name.startswith("gateway-fallback-")} == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_stopped_at_every_step(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """No record without its entry, no entry without its record, and each is counted once."""
    request, before = desk.request(), kept(world)

    def stop(point: str) -> None:
        if point == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crash, "_hooks", [stop])
        with pytest.raises(KeyboardInterrupt):
            hand_in(world, request)
    committed = step in ("gateway-fallback-committed", "gateway-fallback-ready")
    new = len(kept(world)[0]) - len(before[0])
    assert new == committed
    entries = {one.entry for table in kept(world)[1:3] for one in table}
    assert {digest_of(row.statement) for row in kept(world)[0]} <= entries
    assert len(entries) == len(before[1]) + len(before[2]) + new
    if not committed:
        assert kept(world) == before
    receipt = desk.record(request)
    assert verify_fallback(receipt, world.trust)
    assert len(kept(world)[0]) == len(before[0]) + 1
    assert (
        world.counters()["FALLBACK"]
        == sum(row.count for row in before[3] if row.outcome == "FALLBACK") + 1
    )


def test_a_receipt_that_is_late(world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    request = desk.request()
    with monkeypatch.context() as patch:
        patch.setattr(world.publication, "wait_for", lambda _: None)
        patch.setattr(world.publication, "receipt", lambda _: None)
        view = hand_in(world, request)
    assert view.receipt is None
    found = hand_in(world, request)
    assert found.record_id == view.record_id
    assert verify_fallback(found.receipt, world.trust)


def test_a_halted_log_records_nothing(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halted() -> None:
        raise Unavailable("halted")

    before = kept(world)
    monkeypatch.setattr(world.publication, "check", halted)
    with pytest.raises(Unavailable):
        hand_in(world, desk.request())
    assert kept(world) == before


def test_its_subscriber_may_have_it_erased(world: World, desk: Desk) -> None:
    """With the same secret as after a face check; what is left is the same, too."""
    asserted = desk.asserted()
    receipt = desk.record(desk.request(asserted))
    record = verify_fallback(receipt, world.trust).statement.message.record_id
    done: Any = SimpleNamespace(record_id=record, receipt=receipt, opening=asserted.opening)
    somebody = Subscriber(world, done)
    with refused():
        somebody.asks("erase", secret=bytes(32))
    assert somebody.asks("erase").erasure is not None
    assert record not in {row.record_id for row in world.rows("records")}
    assert somebody.tombstone in {row.tombstone for row in world.rows("erasures")}


def test_what_was_erased_is_not_recorded_again_by_the_same_signatures(
    world: World, desk: Desk
) -> None:
    """A counter that keeps the request, while the approval is fresh. The subscriber would not know
    of the other record. An approval of its own is the control."""
    asserted = desk.asserted()
    request = desk.request(asserted)
    receipt = desk.record(request)
    record = verify_fallback(receipt, world.trust).statement.message.record_id
    done: Any = SimpleNamespace(record_id=record, receipt=receipt, opening=asserted.opening)
    assert Subscriber(world, done).asks("erase").erasure is not None
    before = kept(world)
    with refused("used before"):
        hand_in(world, request)
    assert kept(world) == before
    world.clock.now += 60  # type: ignore[attr-defined]
    assert hand_in(world, desk.request(asserted)).record_id != record


# What can be said


def test_no_reason_names_health_or_belief() -> None:
    """Closed lists, and what stands in them. Whoever adds a code thinks of what a receipt tells."""
    assert (
        *("declined", "not-possible", "equipment", "no-match", "locked", "unavailable"),
        "no-portrait",
    ) == REASONS
    assert len(MEANS) == 6
    fields = FallbackAssertion.model_fields.keys() | FallbackStatement.model_fields.keys()
    assert not {name for name in fields if "text" in name} - {"consent_text_version"}


def test_a_statement_is_never_taken_for_a_decision(world: World, desk: Desk) -> None:
    """Its type is in the signed header, so not even the gateway's own key makes it one."""
    from gateway.proofs.verify import ReceiptInvalid, verify_receipt

    receipt = desk.record()
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt, world.trust)
    assert verify_fallback(receipt, world.trust)
    assert Receipt.decode(receipt).log_proof


def test_a_supervisor_refuses_what_is_addressed_to_another(world: World, desk: Desk) -> None:
    asserted = desk.asserted(changed={"supervisor": "supervisor-2"})
    with refused("the request is to supervisor-2"):
        approve(asserted.assertion.encoded, world.supervisor_key, world.clock())
