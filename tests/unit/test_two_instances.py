"""A malicious gateway that speaks with two instances of one authority at once gains nothing.

Both have the same keys and trust list, and share counters and audits in a real PostgreSQL. What a
session needs is in one instance alone; what bounds a gateway is in both.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.errors import SessionNotFound
from gateway.wire.evaluation import DecisionResponse
from gateway.wire.requests import NonceMemory, sign_request, verify_request
from keys.audits import AuditLedger, AuditPolicy
from keys.caps import AttemptCaps, CapLimits
from keys.caps_mark import mark_of
from keys.caps_store import create_caps, forget_caps, stored_attempts
from keys.places import SharedPlace
from tests.support.asking import (
    any_product_request,
    any_shares,
    ask_attempt,
    ask_decision,
    ask_values,
    decision_of,
)
from tests.support.parties import (
    GATEWAY,
    NOW,
    Clock,
    InProcessAuthority,
    OpenSession,
    fixed_bytes,
    refused,
    session_key_request,
)
from tests.support.postgres import PostgresServer

LIMITS = CapLimits(subject_decisions=4, device_decisions=100, failures_to_lock=3, lock_seconds=600)
AUDITS = AuditPolicy(one_in=1, seconds=60, unanswered=3)


class Instances:
    """Two instances, and what both know."""

    def __init__(self, url: str, directory: Path, stack: ExitStack) -> None:
        self.clock, self.tosses = Clock(), 0
        self.falls = False
        self.place = SharedPlace(url, directory / "0" / "caps.sqlite3")
        self.both = [self._instance(url, directory / str(i), stack) for i in range(2)]

    def _instance(self, url: str, directory: Path, stack: ExitStack) -> InProcessAuthority:
        directory.mkdir()
        one = InProcessAuthority(directory, self.clock, audits=AUDITS)
        place = SharedPlace(url, directory / "shared" / "caps.sqlite3")
        place.beside.parent.mkdir()
        if directory.name == "0":
            self.place = place
            create_caps(place, NOW)
            stack.callback(forget_caps, place)
        else:
            mark_of(place.beside).write_bytes(mark_of(self.place.beside).read_bytes())
        one.service._caps = stack.enter_context(closing(AttemptCaps(place, LIMITS, self.clock)))
        ledger = AuditLedger(place, AUDITS.unanswered, self.clock)
        one.service._audits = stack.enter_context(closing(ledger))
        one.service._toss = self._toss
        return one

    def _toss(self, _: int) -> bool:
        self.tosses += 1
        return self.falls

    def open_both(self, name: str = "session") -> list[OpenSession]:
        """One request for a key, sent to both."""
        request = session_key_request(session=fixed_bytes(name, 16))
        return [
            OpenSession(one, request, one.service.open_session(request, GATEWAY.public))
            for one in self.both
        ]

    @property
    def attempts(self) -> list[int | None]:
        return [one.matched for one in stored_attempts(self.place)]


@pytest.fixture(scope="module")
def url(postgresql: PostgresServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def instances(url: str, tmp_path: Path) -> Iterator[Instances]:
    with ExitStack() as stack:
        made = Instances(url, tmp_path, stack)
        yield made
        with made.both[0].service._audits._ledger.writing() as unit:
            unit.run("DELETE FROM demands")


def serve(authority: InProcessAuthority, message: Any) -> bytes:
    steps = {
        "AttemptRequest": authority.service.count,
        "ProductRequest": authority.service.answer,
        "SharesRequest": authority.service.decide,
    }
    return steps[type(message).__name__](message, GATEWAY.public)  # type: ignore[operator]


def test_one_session_at_both_has_two_keys_and_an_attempt_is_of_one(instances: Instances) -> None:
    """The person's device encrypts under one of them, and its assertions name it."""
    first, second = instances.open_both()
    assert first.key.grant.message.key_id != second.key.grant.message.key_id
    attempt = first.attempt()
    with refused("key is not the session's"):
        serve(instances.both[1], attempt)
    assert instances.attempts == []
    answer = serve(instances.both[0], attempt)
    shares = first.shares(serve(instances.both[0], first.product(answer)))
    decided = DecisionResponse.decode(serve(instances.both[0], shares))
    assert decision_of(decided).outcome == "MATCH", "the control"
    assert instances.attempts == [1]


def test_with_a_device_that_helps_each_key_costs_an_attempt(instances: Instances) -> None:
    """Device and issuer sign for both keys: what it gains is what two sessions give."""
    for number in range(2):
        for opened in instances.open_both(f"session {number}"):
            ask_attempt(opened)
    assert instances.attempts == [None] * LIMITS.subject_decisions
    for opened in instances.open_both("one more"):
        with refused("cap of the subject"):
            ask_attempt(opened)


def test_what_belongs_to_one_instance_is_nothing_to_the_other(instances: Instances) -> None:
    """Product, shares and repeats: no second decryption, no second toss, nothing to compare."""
    opened = instances.both[0].open()
    attempt = opened.attempt()
    sent = [attempt]
    serve(instances.both[0], attempt)
    for make in (any_product_request, any_shares):
        sent.append(make(opened))
        serve(instances.both[0], sent[-1])
    for message in sent:
        with pytest.raises(SessionNotFound):
            serve(instances.both[1], message)
    assert (instances.tosses, instances.attempts) == (1, [0])


def test_mismatches_at_one_lock_at_the_other(instances: Instances) -> None:
    waiting = instances.both[1].open(session=fixed_bytes("waiting", 16))
    late = instances.both[1].open(session=fixed_bytes("late", 16))
    ask_attempt(waiting)
    ask_values(waiting)
    for number in range(LIMITS.failures_to_lock):
        opened = instances.both[0].open(session=fixed_bytes(f"session {number}", 16))
        ask_attempt(opened)
        ask_values(opened)
        assert decision_of(ask_decision(opened)).outcome == "NO_MATCH"
    with refused("locked"):
        ask_decision(waiting)
    with refused():
        ask_attempt(late)
    assert instances.attempts == [None, 0, 0, 0]


def test_demands_left_at_one_close_the_other(instances: Instances) -> None:
    """Three coins that fell, whose reports never come: neither instance takes anything more."""
    opened = [instances.both[i % 2].open(session=fixed_bytes(f"s{i}", 16)) for i in range(3)]
    waiting = [one.open(session=fixed_bytes("waiting", 16)) for one in instances.both]
    instances.falls = True
    for one in opened:
        ask_attempt(one)
        ask_values(one)
        assert ask_decision(one).demand is not None
    instances.clock.now += AUDITS.seconds - 1
    instances.both[0].open(session=fixed_bytes("in time", 16))
    instances.clock.now += 1
    detail = "too many audits unanswered"
    for authority, held in zip(instances.both, waiting, strict=True):
        with refused(detail):
            authority.open(session=fixed_bytes("new", 16))
        with refused(detail):
            ask_attempt(held)


def test_a_signed_request_counts_at_the_instance_that_it_names() -> None:
    """Each instance has a host of its own (public_urls): nothing is replayed at another."""

    def received(at: str) -> None:
        lower = {"host": "authority-0.example"} | {n.lower(): v for n, v in headers.items()}
        find = {GATEWAY.public.key_id: GATEWAY.public}.get
        hosts = frozenset({at})
        verify_request("POST", "/v1/shares", lower, b"body", hosts, find, NonceMemory(), NOW)

    headers = sign_request("POST", "authority-0.example", "/v1/shares", b"body", GATEWAY, NOW)
    received("authority-0.example")
    with refused("another host"):
        received("authority-1.example")
