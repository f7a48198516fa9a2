"""What several do at once, on both databases: no cap, limit or rule is passed by being fast.

The interleavings are made, not hoped for: everybody has passed the first check before anybody
writes. Each test has a control without the second check.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.host import crash
from gateway.proofs.verify import verify_receipt
from gateway.server import consent, register
from gateway.server.recording import Recorder
from gateway.server.service import GatewayRules
from gateway.store import consents, parties
from gateway.store.database import Database
from gateway.wire.admin import ChainKeys
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused, SealmatchError, SessionConflict
from gateway.wire.subject import Subject
from gateway.wire.submission import Submission
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.processes import PATIENCE
from tests.support.samples import SHARES, pair
from tests.support.world import World

OPERATORS = SigningKey.generate("gateway")
ONE = GatewayRules(retention_days=180, activations_per_subject=1)
MEETING_SECONDS = 0.5
"""How long the first waits inside its transaction for a second one, which has to stay outside."""


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    with World(tmp_path, limits=ONE, database=url) as world:
        yield world


def together(world: World, jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run submissions so that all are decided before one is recorded, then all record at once."""
    decided = threading.Semaphore(0)
    go = threading.Event()
    inside = threading.Barrier(2)

    def hold(path: str, answer: bytes) -> bytes:
        if path == SHARES:
            decided.release()
            assert go.wait(PATIENCE)
        return answer

    def meet(point: str) -> None:
        if point == "gateway-record-half-written":
            with suppress(threading.BrokenBarrierError):
                inside.wait(MEETING_SECONDS)

    world.alter = hold
    with hooked(meet), ThreadPoolExecutor(len(jobs)) as pool:
        running = []
        try:
            for job in jobs:
                running.append(pool.submit(job))
                assert decided.acquire(timeout=PATIENCE)
        finally:
            go.set()
        return [outcome_of(one) for one in running]


@contextmanager
def hooked(hook: Callable[[str], None]) -> Iterator[None]:
    crash.install(hook)
    try:
        yield
    finally:
        crash._hooks.remove(hook)


def outcome_of(running: Any) -> Any:
    try:
        return running.result(PATIENCE)
    except SealmatchError as error:
        return error


def honest(world: World, opened: Opened, cosine: float = 0.7, **made: Any) -> Submission:
    """A submission about the one document of these tests; ``made``: what else the device signs."""
    inner = Subject.of("passport", "AB123456").inner(world.counter.site_salt)
    both = ciphertexts(opened, *pair(cosine))
    issued = {"subject_inner": inner}
    return draft(world.counter, opened, *both, world.clock(), issued=issued, made=made)


def submitted(world: World, cosines: list[float]) -> list[tuple[Opened, Any]]:
    """Sessions of one document and how their submissions ended, all decided at once."""
    opened = [world.open() for _ in cosines]
    drafts = [honest(world, one, cosine) for one, cosine in zip(opened, cosines, strict=True)]
    jobs = [
        lambda one=one, made=made: world.submit(one, made)
        for one, made in zip(opened, drafts, strict=True)
    ]
    return list(zip(opened, together(world, jobs), strict=True))


def test_the_limit_of_activations_is_not_passed_by_submitting_at_once(world: World) -> None:
    """Three are decided, all MATCH, while there is room for one."""
    found = submitted(world, [0.7] * 3)
    (kept,) = [(opened, view) for opened, view in found if not isinstance(view, SealmatchError)]
    lost = [(opened, error) for opened, error in found if isinstance(error, SealmatchError)]
    assert kept[1].outcome == "MATCH"
    verify_receipt(kept[1].receipt, world.trust)
    for opened, error in lost:
        assert isinstance(error, Refused), "on the wire it is a refusal like any other"
        assert error.detail.startswith("decided, and not recorded: the subject has as many")
        assert world.state(opened) == "FAILED"
    assert [row.outcome for row in world.rows("records")] == ["MATCH"]
    assert world.counters() == {"MATCH": 1, "UNRECORDED": 2}
    assert len(world.rows("log_entries")) + len(world.rows("log_pending")) == 1
    with world.caps._ledger.looking() as unit:
        counted = unit.run("SELECT count(*), sum(matched) FROM attempts")
    assert counted == [(3, 3)], "the authority says of all three what is true"


def test_without_the_second_count_it_would_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "_require_still", lambda *_: None)
    found = submitted(world, [0.7, 0.7])
    assert [view.outcome for _, view in found] == ["MATCH", "MATCH"]


def test_a_mismatch_takes_no_place_and_needs_none(world: World) -> None:
    found = submitted(world, [0.7, 0.1])
    assert [view.outcome for _, view in found] == ["MATCH", "NO_MATCH"]
    assert world.counters() == {"MATCH": 1, "NO_MATCH": 1}


def test_a_decision_that_was_not_recorded_stays_so(world: World) -> None:
    """Its submission sent again, its session asked for: there is no outcome, then or later."""
    opened = [world.open(), world.open()]
    drafts = [honest(world, one) for one in opened]
    first, second = (lambda n=n: world.submit(opened[n], drafts[n]) for n in (0, 1))
    ended = together(world, [first, second])
    lost = next(n for n, one in enumerate(ended) if isinstance(one, Refused))
    with pytest.raises(SessionConflict):
        world.submit(opened[lost], drafts[lost])
    view = world.service.status(opened[lost].session, world.counter.device.public)
    assert (view.state, view.outcome, view.receipt) == ("FAILED", None, None)
    assert world.submit(opened[1 - lost], drafts[1 - lost]) == ended[1 - lost]
    assert len(world.rows("records")) == 1


def test_an_activation_has_one_record_however_fast_the_second_is(world: World) -> None:
    """Two sessions about one activation; they end without a match, so no limit helps."""
    opened = [world.open(), world.open()]
    drafts = [honest(world, one, 0.1, activation_commitment=bytes(32)) for one in opened]
    ended = together(
        world, [lambda n=n: world.submit(opened[n], drafts[n]) for n in range(len(opened))]
    )
    assert sorted(type(one).__name__ for one in ended) == ["Refused", "SessionView"], "and no 503"
    (late,) = [one for one in ended if isinstance(one, Refused)]
    assert "used before" in late.detail
    assert len(world.rows("records")) == 1
    assert world.counters() == {"NO_MATCH": 1, "UNRECORDED": 1}


@pytest.mark.parametrize("kind", ["issuer", "agent"])
def test_no_record_comes_after_a_suspension(world: World, kind: Any) -> None:
    """Suspended while the authority decides: the log would show it, for ever, in that order."""
    opened = world.open()
    submission = honest(world, opened, agent="agent", outlet="outlet")

    def suspend(path: str, answer: bytes) -> bytes:
        if path == SHARES:
            with world.database.transaction() as connection:
                parties.suspend_party(connection, kind, kind)
        return answer

    world.alter = suspend
    with pytest.raises(Refused) as ended:
        world.submit(opened, submission)
    assert f"not enrolled: {kind} {kind}" in ended.value.detail
    assert world.rows("records") == []
    assert world.counters() == {"UNRECORDED": 1}


@pytest.mark.parametrize("again", [True, False])
def test_no_submission_is_taken_under_a_text_that_was_retired_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The log would show a retired text, and a decision under it that began afterwards."""

    def retire(point: str) -> None:
        if point == "gateway-submission-checked":
            consent.retire(world.database, 1, OPERATORS, world.clock())

    if not again:
        monkeypatch.setattr(consents, "hold_active", lambda *_: None)
    opened = world.open()
    submission = honest(world, opened)
    with hooked(retire), pytest.raises(Refused) if again else nullcontext():
        world.submit(opened, submission)
    assert world.counters() == {"FAILED" if again else "MATCH": 1}
    with pytest.raises(Refused) as ended:
        world.open()
    assert ended.value.detail == "unknown or retired consent text"


# Operators


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("again", ["enrol", "suspend"])
def test_two_operators_at_once_make_one_history(
    database: Database, monkeypatch: pytest.MonkeyPatch, alone: bool, again: str
) -> None:
    """Each action names the one before. Two that name the same one would break the chain for ever:
    no later reader could tell them from a history of which something was dropped."""
    both_have_read = threading.Barrier(2)
    last = parties.last_admin_action
    # SQLite's driver begins at the first change, which a suspension makes before it reads.
    one_history = alone or (database.dialect, again) == ("sqlite", "suspend")

    def read(connection: sa.Connection) -> bytes | None:
        found = last(connection)
        with suppress(threading.BrokenBarrierError):
            both_have_read.wait(MEETING_SECONDS if one_history else PATIENCE)
        return found

    entries = [register.Entry("agent", name, None) for name in ("first", "second")]
    if again == "suspend":
        register.enrol(database, entries, OPERATORS, 1)
    monkeypatch.setattr(parties, "last_admin_action", read)
    if not alone:
        monkeypatch.setattr(register, "hold_register", lambda _: None)
        monkeypatch.setattr(database, "writing", database.transaction)

    def act(entry: register.Entry) -> None:
        if again == "suspend":
            register.suspend(database, entry.kind, entry.party, OPERATORS, 2)
        else:
            register.enrol(database, [entry], OPERATORS, 2)

    with ThreadPoolExecutor(2) as pool:
        ended = [outcome_of(one) for one in [pool.submit(act, entry) for entry in entries]]
    try:
        done = len(register.history(database, ChainKeys((OPERATORS.public,))))
    except Refused:
        done = -1
    whole = ended == [None, None] and done == (4 if again == "suspend" else 2)
    assert whole is one_history, ended
