"""Session states: the only ways between them, repeats, expiry, restart and the sweep."""

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.he.session_key import SessionKey
from gateway.proofs.findings import State
from gateway.proofs.verify import verify_receipt
from gateway.server.service import RECEIPT_SECONDS
from gateway.server.sessions import OpenSessions, SessionState
from gateway.store import parties, policies, sessions, totals
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import (
    Refused,
    SealmatchError,
    SessionConflict,
    SessionNotFound,
    Unavailable,
    UnknownProfile,
)
from gateway.wire.ids import digest_of
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import SessionKeyHalf
from gateway.wire.session import SessionGrant, SessionKeyRequest, SessionKeyResponse
from gateway.wire.submission import Submission
from tests.support.drafts import Opened, ciphertexts, draft, session_request
from tests.support.operators import Desk
from tests.support.parties import refused
from tests.support.processes import PATIENCE
from tests.support.receipts import pin_operator
from tests.support.samples import (
    PROBE,
    SHARES,
    TEMPLATE,
    Clock,
    occasion,
    pair,
)
from tests.support.world import World
from tests.vectors.ordered import PROPOSAL


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    with World(tmp_path, clock=clock) as world:
        yield world


def honest(world: World, opened: Opened, cosine: float = 0.7) -> Submission:
    return draft(world.counter, opened, *ciphertexts(opened, *pair(cosine)), world.clock())


def test_an_identical_repeat_gets_the_same_answer_and_no_second_record(world: World) -> None:
    opened = world.open()
    submission = honest(world, opened)
    first = world.submit(opened, submission)
    asked = len(world.asked)
    again = world.submit(opened, submission)
    assert again == first
    assert world.service.status(opened.session, world.counter.device.public) == first
    assert len(world.asked) == asked
    assert len(world.rows("records")) == 1
    assert world.counters() == {"MATCH": 1}


def test_a_second_submission_conflicts_whatever_became_of_the_first(world: World) -> None:
    opened = world.open()
    first = honest(world, opened)
    world.submit(opened, first)
    with pytest.raises(SessionConflict):
        world.submit(opened, honest(world, opened, 0.1))
    assert world.state(opened) == "DECIDED"
    assert world.counters() == {"MATCH": 1}


@pytest.mark.parametrize("same", [True, False])
def test_a_failed_session_takes_nothing_more(world: World, same: bool) -> None:
    opened = world.open()
    bad = draft(
        world.counter,
        opened,
        *ciphertexts(opened, TEMPLATE, PROBE),
        world.clock(),
        issuer_key=SigningKey.generate("issuer"),
    )
    with pytest.raises(Refused):
        world.submit(opened, bad)
    with pytest.raises(SessionConflict):
        world.submit(opened, bad if same else honest(world, opened))
    assert world.state(opened) == "FAILED"
    assert world.rows("records") == []
    assert world.counters() == {"FAILED": 1}


def test_two_submissions_at_once_one_is_taken(world: World) -> None:
    """Both arrive while the first one waits for the authority."""
    opened, waiting, go = world.open(), threading.Event(), threading.Event()
    first, second = honest(world, opened), honest(world, opened, 0.1)

    def hold(path: str, answer: bytes) -> bytes:
        if path == SHARES:
            waiting.set()
            assert go.wait(PATIENCE)
        return answer

    world.alter = hold
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.submit, opened, first)
        try:
            assert waiting.wait(PATIENCE)
            assert world.state(opened) == "EVALUATING"
            for other in (first, second):
                with pytest.raises(SessionConflict):
                    world.submit(opened, other)
        finally:
            go.set()
        assert running.result(PATIENCE).outcome == "MATCH"
    assert len(world.rows("records")) == 1


@pytest.mark.parametrize("present", list(SessionState))
@pytest.mark.parametrize("before", list(SessionState))
def test_a_move_from_another_state_raises_and_changes_nothing(
    world: World, present: SessionState, before: SessionState
) -> None:
    opened = world.open()
    world.submit(opened, honest(world, opened))
    with world.database.transaction() as connection:
        sessions.move_session(connection, opened.session, SessionState.DECIDED, present)
    if before == present:
        return
    with pytest.raises(SessionConflict), world.database.transaction() as connection:
        sessions.move_session(connection, opened.session, before, SessionState.FAILED)
    assert world.state(opened) == present


def test_a_session_is_taken_once_unless_it_is_put_back(world: World) -> None:
    opened, device = world.open(), world.counter.device.party
    for _ in range(2):
        taken = world.sessions.take(opened.session, device)
        assert taken is not None
        assert taken.session_id == opened.session
        with pytest.raises(SessionConflict):
            world.sessions.take(opened.session, device)
        world.sessions.put_back(opened.session)
    assert world.sessions.take(opened.session, "another") is None


def test_an_open_session_leaves_no_row_and_a_taken_one_does_not_wait_for_its_words(
    world: World,
) -> None:
    """Half of the key is held packed; the words are the same when they are wanted."""
    opened = world.open()
    assert world.rows("sessions") == []
    held = world.sessions.find(opened.session, world.counter.device.party)
    assert held is not None
    half = held[0].public_key.half
    assert "words" not in vars(half)
    assert half == opened.key.public_key.half
    world.submit(opened, honest(world, opened))
    assert [row.state for row in world.rows("sessions")] == ["DECIDED"]


def test_a_session_is_taken_before_its_expiry_and_not_at_it(world: World, clock: Clock) -> None:
    """Whether or not somebody has looked for expired ones since."""
    first, second, third = world.open(), world.open(), world.open()
    device = world.counter.device.party
    held = world.sessions.find(third.session, device)
    assert held is not None
    clock.now = first.key.grant.message.expires_at - 1
    assert world.sessions.take(first.session, device) is not None
    clock.now += 1
    assert world.sessions.take(second.session, device) is None
    third_only = OpenSessions(1, clock)
    with third_only.opening() as keep:
        keep(held[0])
    assert third_only.find(third.session, device) is None


def test_another_devices_session_is_not_found(world: World) -> None:
    opened = world.open()
    stranger = SigningKey.generate("another").public
    with pytest.raises(SessionNotFound):
        world.service.status(opened.session, stranger)
    submission = honest(world, opened)
    with pytest.raises(SessionNotFound):
        world.service.submit(opened.session, submission, digest_of(submission.encode()), stranger)
    assert world.state(opened) == "OPEN"


def test_a_session_in_another_devices_name_is_refused(world: World) -> None:
    with pytest.raises(Refused):
        world.service.open_session(
            session_request(world.counter), SigningKey.generate("another").public
        )
    assert world.asked == []


def test_a_session_requested_of_another_gateway_is_refused(world: World) -> None:
    """Both enrolled the device: its request to one opens no session at the other."""
    with refused("another gateway"):
        world.service.open_session(
            session_request(world.counter, gateway="gateway-2"), world.counter.device.public
        )
    assert world.asked == []


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        ({"profile": "bgv8192-1"}, UnknownProfile),
        ({"issuer": "another"}, Refused),
        ({"consent_text_version": 2}, Refused),
    ],
)
def test_a_session_for_something_unknown_is_not_opened(
    world: World, change: dict[str, object], raises: type[SealmatchError]
) -> None:
    with pytest.raises(raises):
        world.service.open_session(
            session_request(world.counter, **change), world.counter.device.public
        )
    assert world.asked == []
    assert not world.sessions._held


def regranted(world: World, answer: bytes, **changes: Any) -> bytes:
    """The authority's own answer with other content, as it would be had that been asked for."""
    response = SessionKeyResponse.decode(answer)
    grant = cose.peek(response.grant, SessionGrant).model_copy(update=changes)
    half = SessionKeyHalf.decode(response.public_key)
    grant = grant.model_copy(update={"key_id": SessionKey.of(grant, half).key_id})
    signed = cose.sign(grant, world.authority_key).encoded
    return response.model_copy(update={"grant": signed}).encode()


def with_part(answer: bytes, name: str, place: int) -> bytes:
    """One bit of the grant or of the public key turned round."""
    response = SessionKeyResponse.decode(answer)
    part = bytearray(getattr(response, name))
    part[place] ^= 1
    return response.model_copy(update={name: bytes(part)}).encode()


KEYS: dict[str, tuple[Callable[[World, bytes, bytes], bytes], str]] = {
    "garbage": (lambda _w, _a, _e: b"garbage", "malformed"),
    "another session's": (lambda _w, _a, earlier: earlier, "nonce is not"),
    "altered key": (lambda _w, answer, _e: with_part(answer, "public_key", 9), "key is not"),
    "stranger's": (lambda _w, answer, _e: with_part(answer, "grant", -1), "does not verify"),
    "another session id": (
        lambda w, answer, _: regranted(w, answer, session=bytes(16)),
        "granted another session",
    ),
    "another nonce of the gateway": (
        lambda w, answer, _: regranted(w, answer, gateway_nonce=bytes(32)),
        "granted another session",
    ),
    "another nonce of the client": (
        lambda w, answer, _: regranted(w, answer, client_nonce=bytes(32)),
        "nonce is not",
    ),
}


@pytest.mark.parametrize("what", KEYS)
def test_a_key_that_the_authority_did_not_grant_for_this_session_is_not_offered(
    world: World, what: str
) -> None:
    """With a nonce of its choice an authority could choose half of the key: one with a trapdoor."""
    change, says = KEYS[what]
    kept: list[bytes] = []
    world.alter = lambda _path, answer: kept.append(answer) or answer  # type: ignore[func-returns-value]
    world.open()
    opened_before = len(world.sessions._held)
    world.alter = lambda _path, answer: change(world, answer, kept[0])
    with refused(says):
        world.open()
    assert len(world.sessions._held) == opened_before
    world.alter = lambda _path, answer: regranted(world, answer)  # the control: nothing changed
    world.open()


def test_every_session_has_a_nonce_of_the_gateways_own(world: World) -> None:
    for _ in range(3):
        world.open()
    requests = [SessionKeyRequest.decode(body) for _, body in world.asked]
    assert len({one.gateway_nonce for one in requests}) == 3


def test_expired_sessions_are_not_found_and_the_sweep_counts_them(
    world: World, clock: Clock
) -> None:
    never, failed, decided = world.open(), world.open(), world.open()
    with pytest.raises(Refused):
        world.submit(failed, honest(world, failed).model_copy(update={"session": never.session}))
    done = honest(world, decided)
    receipt = world.submit(decided, done).receipt
    clock.now += 299
    world.service.sweep()
    assert len(world.rows("sessions")) == 2
    assert world.state(never) == "OPEN"
    clock.now += 1
    with pytest.raises(SessionNotFound):
        world.submit(never, honest(world, never))
    with pytest.raises(SessionNotFound):
        world.submit(decided, done)
    assert world.state(never) is None
    world.service.sweep()
    assert world.rows("sessions") == []
    assert world.counters() == {"EXPIRED": 1, "FAILED": 1, "MATCH": 1}
    world.service.sweep()
    assert world.counters() == {"EXPIRED": 1, "FAILED": 1, "MATCH": 1}
    assert len(world.rows("records")) == 1
    assert receipt is not None
    verify_receipt(receipt, world.trust)


def test_a_decision_whose_receipt_is_late_can_be_asked_for_a_day(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witnesses are gone for longer than a session lasts; its own device asks now and then."""
    step = world.sequencer.step
    monkeypatch.setattr(world.sequencer, "step", lambda: False)
    monkeypatch.setattr(world.service._publication, "_seconds", 0)
    opened = world.open()
    submission = honest(world, opened)
    answer = world.submit(opened, submission)
    assert answer.state == "RECORDED"
    assert (answer.outcome, answer.receipt) == (None, None)
    assert answer.expires_at == clock.now + RECEIPT_SECONDS
    for hours in (10, 13, 23):
        clock.now += hours * 3600
        world.service.sweep()
        view = world.service.status(opened.session, world.counter.device.public)
        assert view.state == "RECORDED"
    with pytest.raises(SessionNotFound):
        world.service.status(opened.session, SigningKey.generate("another").public)
    step()
    view = world.submit(opened, submission)
    assert view.outcome == "MATCH"
    assert view.receipt is not None
    verify_receipt(view.receipt, world.trust)
    assert world.counters() == {"MATCH": 1}
    clock.now += RECEIPT_SECONDS
    world.service.sweep()
    assert world.rows("sessions") == []
    assert len(world.rows("records")) == 1


def test_a_session_expires_while_it_is_evaluated_and_is_counted_once(
    world: World, clock: Clock
) -> None:
    opened = world.open()

    def late(path: str, answer: bytes) -> bytes:
        if path == SHARES:
            clock.now += 400
            world.service.sweep()
        return answer

    world.alter = late
    with pytest.raises(SealmatchError):
        world.submit(opened, honest(world, opened))
    assert world.rows("records") == []
    assert sum(world.counters().values()) == 1


def test_a_gateway_that_restarted_has_forgotten_the_keys(world: World) -> None:
    """Of an open session nothing is left; where the server ended in order, it was counted."""
    killed, stopped = world.open(), world.open()
    del world.sessions._held[killed.session]
    world.service.end()
    for opened in (killed, stopped):
        with pytest.raises(SessionNotFound):
            world.submit(opened, honest(world, opened))
    assert world.rows("records") == []
    assert world.counters() == {"EXPIRED": 1}
    assert world.register(TEMPLATE, PROBE).outcome == "MATCH"


def test_no_more_sessions_than_there_is_room_for(world: World) -> None:
    clock = Clock()
    small = OpenSessions(2, clock)
    world.sessions = world.service._sessions = small
    world.open()
    world.open()
    asked = len(world.asked)
    with pytest.raises(Unavailable) as full:
        world.open()
    assert full.value.retry_after
    assert len(world.asked) == asked
    clock.now += 300
    world.open()


def test_places_are_not_passed_by_opening_at_once(world: World) -> None:
    """While one waits for its key, its place is taken; where it gets none, the place is free."""
    small = OpenSessions(1, Clock())
    world.sessions = world.service._sessions = small
    turned_away: list[SealmatchError] = []

    def another(_: str, __: bytes) -> bytes:
        world.alter = lambda _path, answer: answer
        with pytest.raises(Unavailable) as caught:
            world.open()
        turned_away.append(caught.value)
        return b"no key"

    world.alter = another
    with refused("malformed"):
        world.open()
    assert len(turned_away) == 1
    world.open()
    with pytest.raises(Unavailable):
        world.open()


def test_no_sweep_ends_what_is_evaluated_or_was_just_decided(world: World, clock: Clock) -> None:
    """Taken in its last seconds, and audited for longer than its key would have lived."""
    opened = world.open()
    submission = honest(world, opened)

    def later(path: str, answer: bytes) -> bytes:
        if path == SHARES:
            clock.now += 200
            world.service.sweep()
        return answer

    world.alter = later
    clock.now += 299
    made = world.submit(opened, submission)
    assert made.outcome == "MATCH"
    clock.now += 299
    world.service.sweep()
    assert world.submit(opened, submission) == made, "whoever lost the answer gets it"
    clock.now += 1
    world.service.sweep()
    assert world.rows("sessions") == []


def test_what_expires_while_nothing_can_be_written_is_counted_later(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Unavailable("storage")

    world.open()
    clock.now += 300
    with monkeypatch.context() as patch:
        patch.setattr(totals, "count_outcome", broken)
        with pytest.raises(Unavailable):
            world.service.sweep()
    assert world.counters() == {}
    for _ in range(2):
        world.service.sweep()
        assert world.counters() == {"EXPIRED": 1}


def test_a_submission_that_cannot_be_written_may_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the storage fails, nothing is taken and nothing evaluated."""
    opened, hold = world.open(), parties.hold_keys
    submission = honest(world, opened)
    asked = len(world.asked)

    def broken(*_: object) -> None:
        raise Unavailable("storage")

    with monkeypatch.context() as patch:
        patch.setattr(parties, "hold_keys", broken)
        with pytest.raises(Unavailable):
            world.submit(opened, submission)
    assert parties.hold_keys is hold
    assert (world.state(opened), len(world.asked)) == ("OPEN", asked)
    assert world.submit(opened, submission).outcome == "MATCH"


def test_an_outcome_is_kept_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last statement of the transaction fails: neither record nor state remains."""

    def broken(*_: object) -> None:
        raise Unavailable("storage")

    opened = world.open()
    submission = honest(world, opened)
    with monkeypatch.context() as patch:
        patch.setattr(totals, "count_outcome", broken)
        with pytest.raises(Unavailable):
            world.submit(opened, submission)
    assert world.rows("records") == []
    assert world.rows("outcome_counters") == []
    assert world.state(opened) != "DECIDED"


def test_a_fault_of_the_gateways_own_ends_the_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    opened = world.open()
    monkeypatch.setattr("gateway.server.service.decide", broken)
    with pytest.raises(ZeroDivisionError):
        world.submit(opened, honest(world, opened))
    assert world.state(opened) == "FAILED"
    assert world.counters() == {"FAILED": 1}


def test_a_commit_whose_answer_was_lost_is_told_as_what_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is there, so the client is told so; an activation serves for one record only."""
    writing = world.database.writing
    units = ["the submission is taken", "the record"]

    @contextmanager
    def cut_off() -> Iterator[Any]:
        with writing() as connection:
            yield connection
        if units:  # the log's own come afterwards
            units.pop()
            raise Unavailable("as a connection that breaks after the commit")

    opened = world.open()
    submission = honest(world, opened)
    with monkeypatch.context() as patch:
        patch.setattr(world.database, "writing", cut_off)
        assert world.submit(opened, submission).outcome == "MATCH"
    assert world.counters() == {"MATCH": 1}

    @contextmanager
    def undone() -> Iterator[Any]:
        raise Unavailable("as a database that is gone")
        yield

    opened = world.open()
    with monkeypatch.context() as patch:
        patch.setattr(world.database, "writing", undone)
        with pytest.raises(Unavailable):
            world.submit(opened, honest(world, opened))
    assert len(world.rows("records")) == 1


def test_a_lost_answer_is_asked_for_again_and_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority answers an identical repeat with the stored bytes."""
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    lost: set[str] = set()
    answers: dict[str, list[bytes]] = {}

    def lose_once(path: str, answer: bytes) -> bytes:
        answers.setdefault(path, []).append(answer)
        if path not in lost:
            lost.add(path)
            raise httpx.ReadError("lost")
        return answer

    world.alter = lose_once
    result = world.client.register(TEMPLATE, PROBE, occasion())
    assert result.outcome == "MATCH"
    assert all(len(both) == 2 and both[0] == both[1] for both in answers.values())
    assert len(answers) == 4
    assert len(world.rows("records")) == 1


def test_a_session_keeps_the_match_policy_under_which_it_was_opened(
    world: World, clock: Clock
) -> None:
    """Two operators put another one in force meanwhile. Each statement says under which it was
    decided, and a stranger verifies who signed it."""
    desk = Desk(world.database, clock(), world.gateway_key)
    before = world.open()
    lanes = (LanePolicy.for_cosine("0.5"),) * 2
    policy = world.policy.model_copy(update={"assurance": "signed", "lanes": lanes})
    proposal = PROPOSAL.model_copy(update={"policy": policy})
    anna, ben = desk.operator("anna"), desk.operator("ben")
    approval = desk.adopted(anna, ben, proposal=proposal)
    clock.now += 60
    after = world.open()
    with desk.database.transaction() as connection:
        row = policies.last_policy(connection)
    assert row is not None
    pins = world.trust.model_copy(
        update={
            "policies": [world.policy.digest.hex(), policy.digest.hex()],
            "operators": [pin_operator(anna), pin_operator(ben)],
            "policy_approvals": [base64.b64encode(row.approval).decode()],
        }
    )
    for opened, rule, state, outcome in (
        (before, world.policy, State.NOT_PERFORMED, "MATCH"),
        (after, policy, State.DONE, "NO_MATCH"),
    ):
        assert opened.offer.policy == rule.encode()
        view = world.submit(opened, honest(world, opened, cosine=0.45))
        verified = verify_receipt(view.receipt, pins)
        stated = verified.statement.message
        assert (view.outcome, stated.policy_digest) == (outcome, rule.digest)
        assert (stated.policy_assurance, verified.policy) == (rule.assurance, state)
    assert stated.policy_approval == approval.digest
    assert {row.policy_digest for row in world.rows("records")} == {
        world.policy.digest,
        policy.digest,
    }
