"""The table of open sessions: states, expiry, and threads that wait for one another."""

import threading
from pathlib import Path

import pytest

from gateway.wire.cose import Signed
from gateway.wire.errors import SealmatchError, SessionNotFound, Unavailable
from keys.audits import DemandId
from keys.sessions import Demanded, KeySession, Opened, SessionTable, StepTaken
from tests.support.parties import NOW, Clock, InProcessAuthority, fixed_bytes, refused
from tests.support.processes import PATIENCE
from tests.vectors.golden import DEMAND, GRANT


class Secret:
    """Counts how often it is destroyed."""

    destroyed = 0

    def destroy(self) -> None:
        self.destroyed += 1


def session(
    name: str = "a", expires_at: int = NOW + 300, opened_by: bytes = bytes(32)
) -> KeySession:
    grant = GRANT.model_copy(update={"session": fixed_bytes(name, 16), "expires_at": expires_at})
    return KeySession.granted(grant, Secret(), opened_by, b"opened")  # type: ignore[arg-type]


def add(table: SessionTable, opened: KeySession) -> KeySession:
    assert opened.grant is not None
    return table.add(opened.grant.session, opened)


def secret(of: KeySession) -> Secret:
    return of.secret  # type: ignore[return-value]


def demand(expires_at: int) -> Demanded:
    """An audit is demanded; from now on the session has this time."""
    signed = Signed(DEMAND.model_copy(update={"expires_at": expires_at}), b"")
    return Demanded(signed, Opened((0, 0), (0, 0)), DemandId(1))


A, B, C = (fixed_bytes(name, 16) for name in "abc")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_found_until_it_expires(clock: Clock) -> None:
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    for now in (NOW, NOW + 299):
        clock.now = now
        assert table.find(A) is opened
        with table.locked(A) as held:
            assert held is opened
    clock.now = NOW + 300
    assert table.find(A) is None
    assert secret(opened).destroyed == 1
    with pytest.raises(SessionNotFound), table.locked(A):
        pass


def test_one_expires_and_another_stays(clock: Clock) -> None:
    table = SessionTable(10, clock)
    early, late = session("a", NOW + 10), session("b", NOW + 20)
    add(table, early)
    add(table, late)
    clock.now = NOW + 10
    assert table.expire() == 1
    assert (secret(early).destroyed, secret(late).destroyed) == (1, 0)
    assert table.find(B) is late


def test_each_expires_at_its_own_time_in_whatever_order_they_came(clock: Clock) -> None:
    table = SessionTable(100, clock)
    seconds = [7 * i % 50 + 1 for i in range(50)]
    opened = [session(f"session {i}", NOW + seconds[i]) for i in range(50)]
    for one in opened:
        add(table, one)
    for now in range(1, 51):
        clock.now = NOW + now
        assert table.expire() == 50 - now
        assert [secret(one).destroyed for one in opened] == [int(s <= now) for s in seconds]


@pytest.mark.parametrize("due", [NOW + 200, NOW + 400], ids=["sooner", "later"])
def test_a_demand_gives_a_session_another_time(clock: Clock, due: int) -> None:
    """Sooner as well: what opens an outcome must not lie there until the key's time is over."""
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    add(table, session("b", NOW + 1000))
    with table.locked(A) as held:
        held.demanded = demand(due)
    clock.now = due - 1
    assert table.find(A) is opened
    assert table.expire() == 2
    clock.now = due
    assert table.expire() == 1
    assert secret(opened).destroyed == 1
    assert opened.demanded is None


def test_a_session_in_use_at_its_expiry_may_get_more_time(clock: Clock) -> None:
    """Shares came in the last second; the demand for them is made while others look around."""
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    with table.locked(A) as held:
        clock.now = NOW + 300
        assert table.expire() == 1
        assert table.find(A) is None, "at this moment it has expired for everybody else"
        held.demanded = demand(NOW + 360)
        assert table.expire() == 1
    clock.now = NOW + 359
    assert table.expire() == 1
    assert secret(opened).destroyed == 0
    clock.now = NOW + 360
    assert table.expire() == 0
    assert secret(opened).destroyed == 1


def test_a_look_costs_nothing_for_sessions_that_have_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message must not take longer the more sessions are open."""
    table = SessionTable(1000, clock)
    for number in range(1000):
        add(table, session(f"session {number}", NOW + 100 + number))
    asked: list[KeySession] = []
    expires_at = vars(KeySession)["expires_at"].fget

    def noted(self: KeySession) -> int:
        asked.append(self)
        return int(expires_at(self))

    monkeypatch.setattr(KeySession, "expires_at", property(noted))
    assert table.expire() == 1000
    assert asked == []
    clock.now = NOW + 104
    assert table.expire() == 995
    assert len(asked) == 5


def test_an_id_is_taken_once(clock: Clock) -> None:
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    with refused("in use"):
        add(table, session(opened_by=b"\1" * 32))
    assert table.find(A) is opened
    clock.now = NOW + 300
    again = session("a", NOW + 600)
    add(table, again)
    assert table.find(A) is again


def test_limit_counts_open_sessions_alone(clock: Clock) -> None:
    table = SessionTable(2, clock)
    add(table, session("a", NOW + 10))
    add(table, session("b"))
    with pytest.raises(Unavailable):
        add(table, session("c"))
    with refused("in use"):
        add(table, session("b", opened_by=b"\1" * 32))
    clock.now = NOW + 10
    add(table, session("c"))
    assert table.expire() == 2


def end(table: SessionTable, name: str) -> None:
    with table.locked(fixed_bytes(name, 16)) as held:
        held.advance(StepTaken.DECIDED, bytes(32), name.encode())


def test_sessions_that_are_over_do_not_count_and_the_oldest_go_first(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred decisions within the time of one session, where two may be open at once."""
    monkeypatch.setattr("keys.sessions.ENDED_KEPT", 10)
    table = SessionTable(2, clock)
    waiting = add(table, session("waiting"))
    names = [f"session {number}" for number in range(100)]
    for name in names:
        add(table, session(name))
        with pytest.raises(Unavailable):
            add(table, session("one too many"))
        end(table, name)
    found = [table.find(fixed_bytes(name, 16)) for name in names]
    assert found[:-10] == [None] * 90
    kept = [one and one.stored_answer(bytes(32)) for one in found[-10:]]
    assert kept == [name.encode() for name in names[-10:]]
    assert table.find(fixed_bytes("waiting", 16)) is waiting
    clock.now = NOW + 300
    assert table.expire() == 0
    assert [table.find(fixed_bytes(name, 16)) for name in names] == [None] * 100


def test_the_latest_openings_are_kept_and_open_sessions_outlive_theirs(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.sessions.OPENINGS_KEPT", 2)
    table = SessionTable(10, clock)
    opened = [add(table, session(name)) for name in "abc"]
    assert [one.opened_with for one in opened] == [None, b"opened", b"opened"]
    with table.locked(A) as held:
        held.require(StepTaken.GRANTED)


def test_clear_destroys_everything(clock: Clock) -> None:
    table = SessionTable(10, clock)
    opened = [session(name) for name in "abc"]
    for one in opened:
        add(table, one)
    table.clear()
    assert [secret(one).destroyed for one in opened] == [1, 1, 1]
    assert table.expire() == 0


def test_a_session_in_use_is_left_until_it_is_free(clock: Clock) -> None:
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    with table.locked(A):
        clock.now = NOW + 300
        table.expire()
        assert secret(opened).destroyed == 0
    assert table.expire() == 0
    assert secret(opened).destroyed == 1


def test_a_key_that_cannot_be_destroyed_now_does_not_keep_others(clock: Clock) -> None:
    """Its worker does not start: one message fails, and what is due stays due."""
    table, failing = SessionTable(10, clock), session("b")
    add(table, session())
    add(table, failing)
    add(table, session("c", NOW + 301))

    def fail() -> None:
        raise Unavailable("no worker")

    secret(failing).destroy = fail  # type: ignore[method-assign]
    with table.locked(A) as held:
        clock.now = NOW + 301
        with pytest.raises(Unavailable):
            table.expire()
    assert table.expire() == 0
    assert secret(held).destroyed == 1


def test_expiry_between_finding_and_locking_does_not_hang(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request finds its session; the sweeper destroys it before the request has the lock.

    The request must end in ``SessionNotFound``. If the sweeper keeps the lock it took, the
    request's thread waits for ever, and each such thread is lost to the server.
    """
    table = SessionTable(10, clock)
    add(table, session())
    find = table.find

    def found_just_in_time(wanted: object) -> KeySession | None:
        found = find(wanted)  # type: ignore[arg-type]
        clock.now = NOW + 300
        table.expire()
        return found

    monkeypatch.setattr(table, "find", found_just_in_time)
    outcome: list[object] = []

    def request() -> None:
        try:
            with table.locked(A) as held:
                outcome.append(held)
        except SealmatchError as error:
            outcome.append(error)

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the request waits for a lock that nobody will release"
    assert isinstance(outcome[0], SessionNotFound)


def test_a_request_that_waited_beyond_expiry_finds_nothing(clock: Clock) -> None:
    """Two requests of one session; the second gets the lock after the key's time is over."""
    table, opened = SessionTable(10, clock), session()
    add(table, opened)
    outcome: list[object] = []

    def second() -> None:
        try:
            with table.locked(A) as held:
                outcome.append(held)
        except SealmatchError as error:
            outcome.append(error)

    thread = threading.Thread(target=second, daemon=True)
    with table.locked(A):
        thread.start()
        thread.join(0.2)  # on an idle machine it is waiting for the lock now
        assert thread.is_alive()
        clock.now = NOW + 301
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert isinstance(outcome[0], SessionNotFound)


def test_states_only_go_forward() -> None:
    opened = session()
    opened.require(StepTaken.GRANTED)
    for number, state in enumerate(
        (StepTaken.COUNTED, StepTaken.ANSWERED, StepTaken.DEMANDED, StepTaken.DECIDED)
    ):
        request, answer = bytes([number]) * 32, bytes([number])
        assert opened.stored_answer(request) is None
        opened.advance(state, request, answer)
        for earlier in range(number + 1):
            assert opened.stored_answer(bytes([earlier]) * 32) == bytes([earlier])
        opened.require(state)
    assert secret(opened).destroyed == 0
    opened.close()
    assert secret(opened).destroyed == 1
    assert opened.stored_answer(bytes(32)) == bytes([0]), "what was answered is answered again"


@pytest.mark.parametrize("state", list(StepTaken))
@pytest.mark.parametrize("needed", list(StepTaken))
def test_a_message_for_another_state_ends_the_session(state: StepTaken, needed: StepTaken) -> None:
    opened = session()
    opened.state = state
    if state is needed:
        opened.require(needed)
        assert not opened.spent
        opened.close()
        with pytest.raises(Unavailable, match="open another"):
            opened.require(needed)
        return
    with refused(f"session is {state.value}, the message needs {needed.value}"):
        opened.require(needed)
    assert opened.spent
    assert secret(opened).destroyed == 1
    with pytest.raises(Unavailable, match="open another"):
        opened.require(state)  # nor does it take the one that it waited for


def test_answers_never_show(tmp_path: Path, clock: Clock) -> None:
    opened = session()
    opened.advance(StepTaken.COUNTED, bytes(32), b"the-answer")
    assert "the-answer" not in repr(opened)
    assert "opened'" not in repr(opened)
    assert InProcessAuthority(tmp_path, clock).table.expire() == 0
