"""Each step of a session once: identical repeats get the stored bytes, anything else ends it.

Two products under one dealing would tell the difference of two scores, two pairs of shares two
bits. So whatever comes in place of a message that was answered, or before its time, destroys key
and dealing, and nothing that follows is answered anew.
"""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.audit import AuditReport, AuditResult
from gateway.wire.cose import sign
from gateway.wire.errors import Refused, SessionNotFound, Unavailable
from gateway.wire.evaluation import (
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import Nonce, new_nonce
from gateway.wire.polynomials import PaddedProduct, ProductTail
from gateway.wire.profile import T
from keys.authority import SessionSecret
from keys.caps import CapLimits
from keys.sessions import KeySession, StepTaken
from tests.support.asking import any_product_request, any_shares, counted, decision_of
from tests.support.parties import (
    AUDITOR,
    GATEWAY,
    SESSION,
    Clock,
    InProcessAuthority,
    OpenSession,
    fixed_bytes,
    refused,
    session_key_request,
)

STEPS = ("attempt", "product", "shares")


@dataclass
class Run:
    """An honest session that goes as far as a test wants, with every message and answer."""

    opened: OpenSession

    def __post_init__(self) -> None:
        self.sent: dict[str, Any] = {}
        self.answers: dict[str, bytes] = {}
        session = self.opened.authority.table.find(self.opened.request.session)
        assert session is not None
        self.secret = session.secret

    def to(self, step: str | None) -> "Run":
        """Take the steps up to this one."""
        for name in STEPS[: 0 if step is None else STEPS.index(step) + 1]:
            self.take(name)
        return self

    def take(self, step: str) -> bytes:
        if step not in self.sent:
            self.sent[step] = self.make(step)
        self.answers[step] = self.send(self.sent[step])
        return self.answers[step]

    def make(self, step: str) -> Any:
        if step == "attempt":
            return self.opened.attempt()
        if step == "product":
            return self.opened.product(self.answers["attempt"])
        return self.opened.shares(self.answers["product"])

    def send(self, message: Any) -> bytes:
        service = self.opened.authority.service
        serve: dict[type, Callable[..., bytes]] = {
            AttemptRequest: service.count,
            ProductRequest: service.answer,
            SharesRequest: service.decide,
            AuditResult: service.conclude,
        }
        return serve[type(message)](message, GATEWAY.public)

    def assert_over(self) -> None:
        """Key and dealing are gone, and no step is taken any more, whoever asks for what."""
        session = self.opened.authority.table.find(self.opened.request.session)
        assert session is not None
        assert repr(self.secret) == "SessionSecret(destroyed)"
        assert (session.attempt, session.answered, session.demanded) == (None, None, None)
        before = session.answers
        for message in (
            self.opened.attempt(),
            any_product_request(self.opened),
            any_shares(self.opened),
            *self.sent.values(),
        ):
            with suppress(Refused, Unavailable):
                assert self.send(message) in dict(before).values(), "a new answer"
        assert session.answers == before


@pytest.fixture
def run(authority: InProcessAuthority) -> Run:
    return Run(authority.open())


# --- counted before anything can be known --------------------------------------------------------


def test_the_attempt_is_on_disk_before_there_is_a_nonce(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the nonce a gateway computes everything but the outcome: it must not come for free."""
    found: list[int] = []

    def draw() -> Nonce:
        with closing(sqlite3.connect(tmp_path / "caps.sqlite3")) as other:
            found.extend(other.execute("SELECT count(*) FROM attempts").fetchone())
        return new_nonce()

    monkeypatch.setattr("keys.service.new_nonce", draw)
    run.to("attempt")
    assert found == [1]


def test_an_attempt_whose_answer_fails_is_counted_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that signs is gone for a while. The gateway asks again with the same bytes."""
    attempt = run.make("attempt")
    with monkeypatch.context() as patch:
        patch.setattr("keys.service.cose.sign", broken)
        for _ in range(2):
            with pytest.raises(OSError, match="no token"):
                run.send(attempt)
    assert counted(run.opened.authority) == [None]
    run.sent["attempt"] = attempt
    run.to("shares")
    assert counted(run.opened.authority) == [True]


def test_an_attempt_that_cannot_be_counted_gets_no_nonce(run: Run) -> None:
    run.opened.authority.service._caps.close()
    with pytest.raises(Unavailable):
        run.to("attempt")
    session = run.opened.authority.table.find(SESSION)
    assert session is not None
    assert (session.state, session.attempt, session.answers) == (StepTaken.GRANTED, None, ())


def test_an_attempt_beyond_the_cap_gets_no_nonce(tmp_path: Path, clock: Clock) -> None:
    limits = CapLimits(subject_decisions=1, device_decisions=10, failures_to_lock=10)
    authority = InProcessAuthority(tmp_path, clock, limits=limits)
    Run(authority.open()).to("attempt")  # and never comes back: it counts all the same
    second = Run(authority.open(session=fixed_bytes("second", 16)))
    with refused("cap of the subject"):
        second.to("attempt")
    with refused("session is granted"):
        second.send(any_product_request(second.opened))
    assert len(counted(authority)) == 1


def broken(*_: object) -> Any:
    raise OSError("no token")


# --- identical repeats ---------------------------------------------------------------------------


@pytest.mark.parametrize("last", STEPS)
def test_an_identical_repeat_of_any_earlier_step_gets_the_same_bytes(
    run: Run, clock: Clock, decryptions: list[PaddedProduct], last: str
) -> None:
    """An answer was lost: the gateway asks again, later, and costs nothing."""
    run.to(last)
    decrypted = len(decryptions)
    for _ in range(2):
        clock.now += 10
        for step in STEPS[: STEPS.index(last) + 1]:
            assert run.send(run.sent[step]) == run.answers[step]
    assert len(decryptions) == decrypted
    assert len(counted(run.opened.authority)) == 1
    for step in STEPS[STEPS.index(last) + 1 :]:
        run.take(step)
    assert decision_of(DecisionResponse.decode(run.answers["shares"])).outcome == "MATCH"


def test_half_of_the_key_is_answered_again_until_the_attempt_is_counted(run: Run) -> None:
    """By far the largest answer. Who sends an attempt has it; a repeat that comes late ends
    nothing."""
    serve, request = run.opened.authority.service.open_session, run.opened.request
    assert serve(request, GATEWAY.public) == run.opened.answer
    for step in STEPS:
        run.take(step)
        with pytest.raises(SessionNotFound, match="open another"):
            serve(request, GATEWAY.public)
    assert decision_of(DecisionResponse.decode(run.answers["shares"])).outcome == "MATCH"


def size_of(held: object) -> int:
    """Bytes that are held, its parts included; names of parties are everybody's."""
    parts: list[object] = []
    if isinstance(held, KeySession):
        parts = [getattr(held, name) for name in KeySession.__slots__ if name != "gateway"]
    elif isinstance(held, tuple):
        parts = list(held)
    return sys.getsizeof(held) + sum(map(size_of, parts))


def test_a_session_that_is_over_is_small_and_still_answers_repeats(run: Run) -> None:
    session = run.opened.authority.table.find(SESSION)
    assert session is not None
    assert size_of(session) > 230_000, "the control: b is there"
    run.to("shares")
    assert size_of(session) < 3_000
    assert (session.grant, session.secret, session.counted) == (None, None, None)
    assert run.send(run.sent["shares"]) == run.answers["shares"]


def test_answers_lost_at_every_step_cost_one_attempt_and_one_decryption(
    run: Run, decryptions: list[PaddedProduct]
) -> None:
    for step in STEPS:
        assert run.take(step) == run.take(step) == run.take(step)
    assert len(decryptions) == 1
    assert counted(run.opened.authority) == [True]


# --- another message in place of one that was answered -------------------------------------------


def one_word_more(product: ProductRequest) -> bytes:
    padded = PaddedProduct.decode(product.padded_product)
    words = padded.tail.words.copy()
    words[0, 0, 0] ^= 1
    return PaddedProduct(padded.head, ProductTail(words)).encoded


def one_number_more(product: ProductRequest, which: int) -> bytes:
    padded = PaddedProduct.decode(product.padded_product)
    head = tuple(n ^ (i == which) for i, n in enumerate(padded.head))
    return PaddedProduct((head[0], head[1]), padded.tail).encoded


Change = Callable[[Any], dict[str, Any]]

OTHERS: dict[str, tuple[str, Change]] = {
    "another seed": ("attempt", lambda m: {"seed_commitment": fixed_bytes("another seed")}),
    "another C": ("product", lambda m: {"padded_product": one_word_more(m)}),
    "another first number": ("product", lambda m: {"padded_product": one_number_more(m, 0)}),
    "another second number": ("product", lambda m: {"padded_product": one_number_more(m, 1)}),
    "another omega": ("product", lambda m: {"omega": m.omega % (T - 1) + 1}),
    "another m": ("shares", lambda m: {"values": (m.values[0], (m.values[1] + 1) % T)}),
    "lanes swapped": ("shares", lambda m: {"values": m.values[::-1], "shares": m.shares[::-1]}),
    "other shares": ("shares", lambda m: {"shares": (m.shares[0], 1 - m.shares[1])}),
}


def from_then_on(step: str) -> tuple[str, ...]:
    return STEPS[STEPS.index(step) :]


@pytest.mark.parametrize(
    ("name", "later"),
    [(n, later) for n, (step, _) in OTHERS.items() for later in from_then_on(step)],
)
def test_another_message_for_a_step_that_was_taken_ends_the_session(
    run: Run, decryptions: list[PaddedProduct], name: str, later: str
) -> None:
    """Right after the honest one, or when the session has gone on."""
    step, change = OTHERS[name]
    run.to(later)
    decrypted = len(decryptions)
    other = run.sent[step].model_copy(update=change(run.sent[step]))
    with refused("the message needs"):
        run.send(other)
    run.assert_over()
    assert len(decryptions) == decrypted
    assert counted(run.opened.authority) == [True if later == "shares" else None]


def test_a_second_attempt_ends_the_session_and_is_not_counted(run: Run) -> None:
    """Fresh assertions, honest in every way: the session has had its attempt."""
    run.to("attempt")
    with refused("session is counted"):
        run.send(run.opened.attempt())
    run.assert_over()
    assert counted(run.opened.authority) == [None]


# --- too early -----------------------------------------------------------------------------------


def any_report(opened: OpenSession) -> AuditResult:
    report = AuditReport(
        auditor=AUDITOR.party,
        demand_digest=bytes(32),
        evaluated_digest=bytes(32),
        assertions_verified=True,
    )
    return AuditResult(session=opened.request.session, report=sign(report, AUDITOR).encoded)


EARLY: dict[str, tuple[str | None, Callable[[OpenSession], Any]]] = {
    "product before the attempt": (None, any_product_request),
    "shares before the attempt": (None, any_shares),
    "report before the attempt": (None, any_report),
    "shares before the product": ("attempt", any_shares),
    "report before the product": ("attempt", any_report),
    "report before the shares": ("product", any_report),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_step_too_early_ends_the_session(
    run: Run, decryptions: list[PaddedProduct], name: str
) -> None:
    last, make = EARLY[name]
    run.to(last)
    decrypted = len(decryptions)
    with refused("the message needs"):
        run.send(make(run.opened))
    run.assert_over()
    assert len(decryptions) == decrypted
    assert len(counted(run.opened.authority)) == (0 if last is None else 1)


# --- why -----------------------------------------------------------------------------------------


def test_without_the_rule_two_products_tell_the_difference_of_two_scores(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of everything above: an authority that answers a key twice, and the attack."""
    request = session_key_request()
    answer = authority.service.open_session(request, GATEWAY.public)
    near = OpenSession(authority, request, answer, cosine=0.7)
    far = OpenSession(authority, request, answer, cosine=0.1)
    monkeypatch.setattr(KeySession, "require", lambda *_: None)
    monkeypatch.setattr(SessionSecret, "destroy", lambda _: None)
    nonce = near.counted()
    opened = []
    for one in (near, far):
        masked = authority.service.answer(one.product(nonce), GATEWAY.public)
        # r cancels: what the gateway knows of each value is v plus one unknown.
        opened.append(one.evaluation.open(MaskedValues.decode(masked).masked).values[0])
    cosines = (opened[0] - opened[1]) % T / 6536
    assert abs(cosines - 0.6) < 0.08


def test_with_the_rule_the_second_product_is_not_answered(authority: InProcessAuthority) -> None:
    request = session_key_request()
    answer = authority.service.open_session(request, GATEWAY.public)
    near = OpenSession(authority, request, answer, cosine=0.7)
    far = OpenSession(authority, request, answer, cosine=0.1)
    nonce = near.counted()
    authority.service.answer(near.product(nonce), GATEWAY.public)
    with refused("session is answered"):
        authority.service.answer(far.product(nonce), GATEWAY.public)
