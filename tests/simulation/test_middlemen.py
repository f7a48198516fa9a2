"""Proxies, firewalls and login pages between counter and gateway: what the counter then says.

All parties run in memory. Whatever answers in the gateway's place, and whenever: an outcome that
is on record is told, or said to exist, or said to be unknown, with all that is needed to fetch it.
That there is none is said when there is none.
"""

from __future__ import annotations

import email.utils
import gzip
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.cli import REFUSED, register
from gateway.cli.outputs import pending_path
from gateway.cli.pending import kept_while_unsettled, known_to_end, read_pending
from gateway.client import gateway_client
from gateway.client.answers import ClockDiffers
from gateway.client.gateway_client import (
    GatewayClient,
    NoDecision,
    NotTaken,
    OutcomeUnknown,
    SubmissionFailed,
    SubmissionRefused,
)
from gateway.client.liveness.prompts import text
from gateway.client.mismatches import LockRule, Mismatches, SubjectLocked
from gateway.client.pending import PendingReceipt
from gateway.client.registration import Registration
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.ids import SessionId
from gateway.wire.requests import WINDOW
from keys.caps import CapLimits
from tests.support.drafts import session_request
from tests.support.samples import Clock, new_number, occasion, pair
from tests.support.world import World

Deliver = Callable[[], httpx.Response]
"""Carries the request to the gateway and brings its answer."""
Middleman = Callable[[Deliver], httpx.Response]


class Shop(World):
    """A world with somebody on the way to the gateway."""

    def __init__(self, directory: Path, clock: Clock, caps: CapLimits) -> None:
        super().__init__(directory, clock=clock, caps=caps)
        self.mock = clock
        self.carried: list[httpx.Response] = []
        """The gateway's answers."""
        self.pass_on()

    def pass_on(self) -> None:
        """Nobody is on the way."""
        self.on_submissions: Iterator[Middleman] = itertools.repeat(lambda deliver: deliver())
        self.on_questions: Iterator[Middleman] = itertools.repeat(lambda deliver: deliver())

    def _at_gateway(self, request: httpx.Request) -> httpx.Response:
        def deliver() -> httpx.Response:
            answer = super(Shop, self)._at_gateway(request)
            answer.headers["date"] = email.utils.formatdate(self.mock.now, usegmt=True)
            self.carried.append(answer)
            return answer

        request.read()
        if request.url.path.endswith("/submission"):
            return next(self.on_submissions)(deliver)
        return next(self.on_questions)(deliver)


@pytest.fixture(scope="module")
def caps() -> CapLimits:
    return CapLimits(100, 10**6, 3, 3600)


@pytest.fixture(scope="module")
def one_shop(tmp_path_factory: pytest.TempPathFactory, caps: CapLimits) -> Iterator[Shop]:
    with Shop(tmp_path_factory.mktemp("shop"), Clock(), caps) as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)
    one_shop.pass_on()
    return one_shop


def page(status: int, content: bytes = b"<html>please log in</html>", **headers: str) -> Middleman:
    """Delivers, and answers with a page of its own."""

    def answer(deliver: Deliver) -> httpx.Response:
        deliver()
        return httpx.Response(status, content=content, headers=headers)

    return answer


def in_camara_form(status: int, code: str) -> Middleman:
    """An API gateway's error, in the form of the gateway's own."""

    def answer(deliver: Deliver) -> httpx.Response:
        deliver()
        return httpx.Response(status, json={"status": status, "code": code, "message": "no"})

    return answer


def instead(status: int) -> Middleman:
    """Delivers nothing."""
    return lambda _deliver: httpx.Response(status, content=b"<html></html>")


def dropped(deliver: Deliver) -> httpx.Response:
    deliver()
    raise httpx.ReadError("dropped")


def cut_short(deliver: Deliver) -> httpx.Response:
    content = deliver().read()
    return httpx.Response(200, content=content[: len(content) // 2])


def packed(deliver: Deliver) -> httpx.Response:
    content = gzip.compress(deliver().read())
    return httpx.Response(200, content=content, headers={"content-encoding": "gzip"})


def repeated(deliver: Deliver) -> httpx.Response:
    deliver()
    return deliver()


def repeated_at_once(deliver: Deliver) -> httpx.Response:
    """While the first is still evaluated."""
    first = threading.Thread(target=deliver)
    first.start()
    answer = deliver()
    first.join()
    return answer


AFTER_THE_DECISION: dict[str, Middleman] = {
    **{f"page {status}": page(status) for status in (200, 202, 400, 403, 404, 421, 429, 502, 504)},
    "redirection": page(302, b"", location="http://login.example/"),
    "empty": page(200, b""),
    "refusal of an API gateway": in_camara_form(403, "PERMISSION_DENIED"),
    "no such path at an API gateway": in_camara_form(404, "NOT_FOUND"),
    "time ran out at an API gateway": in_camara_form(504, "TIMEOUT"),
    "unavailable at an API gateway": in_camara_form(503, "UNAVAILABLE"),
    "another session's failure": lambda deliver: (
        deliver()
        and httpx.Response(200, json={"sessionId": "00" * 16, "state": "FAILED", "expiresAt": 9})
    ),
    "dropped": dropped,
    "cut short": cut_short,
    "packed": packed,
    "repeated": repeated,
    "repeated at once": repeated_at_once,
}


@pytest.mark.parametrize("name", AFTER_THE_DECISION)
def test_an_outcome_that_was_not_answered_is_asked_for(shop: Shop, name: str) -> None:
    before = len(shop.rows("records"))
    shop.on_submissions = itertools.repeat(AFTER_THE_DECISION[name])
    assert shop.register(*pair(0.7)).outcome == "MATCH"
    assert len(shop.rows("records")) == before + 1


@pytest.mark.parametrize("name", ["page 502", "repeated"])
def test_questions_meet_middlemen_as_well(shop: Shop, name: str) -> None:
    """The session is opened, and three questions go wrong before one is answered."""
    shop.on_submissions = itertools.repeat(AFTER_THE_DECISION["page 403"])
    bad = AFTER_THE_DECISION[name]
    well: Middleman = lambda deliver: deliver()  # noqa: E731
    shop.on_questions = itertools.chain([well, bad, bad, bad], itertools.repeat(well))
    assert shop.register(*pair(0.7)).outcome == "MATCH"


@pytest.mark.parametrize("name", ["page 502", "redirection", "repeated"])
def test_a_session_is_asked_for_again(shop: Shop, name: str) -> None:
    well: Middleman = lambda deliver: deliver()  # noqa: E731
    shop.on_questions = itertools.chain([AFTER_THE_DECISION[name]], itertools.repeat(well))
    assert shop.register(*pair(0.7)).outcome == "MATCH"


def test_a_proxy_that_sends_everything_twice_is_suspected(shop: Shop) -> None:
    """The control: a device that is not enrolled is refused without a word more."""
    well: Middleman = lambda deliver: deliver()  # noqa: E731
    shop.on_questions = itertools.chain([repeated, repeated, well])
    with pytest.raises(Refused) as ended:
        shop.register(*pair(0.7))
    assert "a proxy sends requests twice" in ended.value.detail
    shop.pass_on()
    stranger = type(shop.counter.device).generate("device")
    client = GatewayClient(shop.gateway_client._transport, "http://gateway", stranger, shop.mock)
    with pytest.raises(Refused) as ended:
        client.open_session(session_request(shop.counter))
    assert ended.value.detail == "the gateway refuses"


def of_submission(receipt: Path) -> PendingReceipt:
    """What a submission left."""
    pending = read_pending(receipt)
    assert isinstance(pending, PendingReceipt)
    return pending


def kept(shop: Shop, receipt: Path) -> Registration:
    """A registration as the command runs it."""
    with kept_while_unsettled(receipt) as keep:
        return shop.client.register(*pair(0.7), occasion(), before_sending=keep)


@pytest.mark.parametrize("name", ["page 504", "refusal of an API gateway", "page 200"])
def test_without_a_word_it_is_unknown_and_fetched_later(
    shop: Shop, tmp_path: Path, name: str
) -> None:
    receipt, well = tmp_path / "receipt", lambda deliver: deliver()
    bad = AFTER_THE_DECISION[name]
    shop.on_submissions = itertools.repeat(bad)
    shop.on_questions = itertools.chain([well], itertools.repeat(bad))
    before = len(shop.rows("records"))
    with pytest.raises(OutcomeUnknown) as ended:
        kept(shop, receipt)
    assert type(ended.value) is OutcomeUnknown
    assert len(shop.rows("records")) == before + 1
    shop.pass_on()
    pending = of_submission(receipt)
    with known_to_end(receipt, pending):
        assert shop.gateway_client.fetch(pending.session, pending.sent_at).outcome == "MATCH"
    assert list(tmp_path.iterdir()) == []


def test_a_submission_that_was_stopped_on_the_way_is_handed_in_again(shop: Shop) -> None:
    before = len(shop.rows("records"))
    shop.on_submissions = iter([instead(413), instead(429), lambda deliver: deliver()])
    assert shop.register(*pair(0.7)).outcome == "MATCH"
    assert len(shop.rows("records")) == before + 1


def test_a_submission_that_never_arrives_is_said_not_to_be_taken(
    shop: Shop, tmp_path: Path
) -> None:
    """What a proxy still holds could be taken, until its signature is too old: then all is said."""
    receipt = tmp_path / "receipt"
    shop.on_submissions = itertools.repeat(instead(413))
    before = len(shop.rows("records"))
    with pytest.raises(NotTaken, match="no request of this size"):
        kept(shop, receipt)
    pending = of_submission(receipt)
    with pytest.raises(NotTaken), known_to_end(receipt, pending):
        shop.gateway_client.fetch(pending.session, pending.sent_at)
    assert pending_path(receipt).exists()
    shop.mock.now += 2 * WINDOW + 1
    with pytest.raises(SubmissionFailed), known_to_end(receipt, pending):
        shop.gateway_client.fetch(pending.session, pending.sent_at)
    assert list(tmp_path.iterdir()) == []
    assert len(shop.rows("records")) == before


@pytest.mark.parametrize("delay", [0, WINDOW, 2 * WINDOW])
def test_a_submission_that_a_proxy_held_is_taken_before_it_is_said_that_it_was_not(
    shop: Shop, tmp_path: Path, delay: int
) -> None:
    """The proxy lets it go at the last moment; the counter must not have said before: never."""
    held: list[Deliver] = []

    def hold(deliver: Deliver) -> httpx.Response:
        held.append(deliver)
        return httpx.Response(504)

    receipt = tmp_path / "receipt"
    shop.on_submissions = itertools.repeat(hold)
    with pytest.raises(NotTaken):
        kept(shop, receipt)
    pending = of_submission(receipt)
    shop.mock.now += delay
    taken = held[-1]().status_code == 200
    assert taken == (delay <= WINDOW), "a clock may be behind, so the counter waits for longer"
    with pytest.raises(SealmatchError) if not taken else known_to_end(receipt, pending):
        shop.gateway_client.fetch(pending.session, pending.sent_at)
    assert pending_path(receipt).exists() == (not taken)


# The gateway decided nothing


@pytest.fixture
def locked(shop: Shop) -> str:
    """A document after three mismatches."""
    number = new_number()
    for _ in range(3):
        assert shop.client.register(*pair(0.1), occasion(number)).outcome == "NO_MATCH"
    return number


def refused(shop: Shop, receipt: Path, number: str) -> NoDecision:
    with pytest.raises(NoDecision) as ended, kept_while_unsettled(receipt) as keep:
        shop.client.register(*pair(0.7), occasion(number), before_sending=keep)
    assert list(receipt.parent.iterdir()) == []
    return ended.value


def test_a_refusal_is_the_gateways_when_the_session_has_failed(
    shop: Shop, tmp_path: Path, locked: str
) -> None:
    before = len(shop.rows("records"))
    assert type(refused(shop, tmp_path / "receipt", locked)) is SubmissionRefused
    shop.on_submissions = itertools.repeat(page(403))
    assert type(refused(shop, tmp_path / "receipt", locked)) is SubmissionFailed
    assert len(shop.rows("records")) == before


def test_a_lock_is_explained_by_the_counter_that_saw_it_and_by_nobody_else(
    shop: Shop, tmp_path: Path, locked: str, caps: CapLimits
) -> None:
    """Both counters get the same bytes from the gateway."""
    directory, out = tmp_path / "counters", tmp_path / "out"
    directory.mkdir()
    out.mkdir()
    rule = LockRule(caps.failures_to_lock, caps.lock_seconds)
    salt, number = shop.counter.site_salt, new_number()
    knowing, other = (Mismatches(directory / name, salt, rule) for name in ("one", "other"))
    last = shop.mock.now
    try:
        shop.client._mismatches = knowing
        for so_far in (1, 2, 3):
            result = shop.client.register(*pair(0.1), occasion(number))
            assert result.standing is not None
            assert (result.standing.in_a_row, bool(result.standing.until)) == (so_far, so_far == 3)
        told = refused(shop, out / "r", number)
        assert isinstance(told, SubjectLocked)
        assert told.standing.until is not None
        assert last + caps.lock_seconds <= told.standing.until < last + caps.lock_seconds + 120
        knowing_got = shop.carried[-2]
        status, outcome, details = register._ending(told, "zh")
        assert (status, outcome) == (REFUSED, "REFUSED")
        assert "3 mismatches in a row lock this document until" in str(details["reason"])
        assert details["advice"] == text("advice-locked", "zh")
        shop.client._mismatches = other
        told = refused(shop, out / "r", number)
        assert type(told) is SubmissionRefused
        assert told.detail == "the gateway refuses"
        other_got = shop.carried[-2]
        assert (knowing_got.status_code, knowing_got.content) == (403, other_got.content)
        # Somebody else's document at the knowing counter
        shop.client._mismatches = knowing
        assert type(refused(shop, out / "r", locked)) is SubmissionRefused
        # When the time has come it passes, and the counter forgets.
        shop.mock.now = told_until(knowing, number, shop)
        assert shop.client.register(*pair(0.7), occasion(number)).outcome == "MATCH"
        assert knowing.standing(occasion(number).subject, shop.mock.now).in_a_row == 0
    finally:
        shop.client._mismatches = None
        knowing.close()
        other.close()


def told_until(knowing: Mismatches, number: str, shop: Shop) -> int:
    until = knowing.standing(occasion(number).subject, shop.mock.now).until
    assert until is not None
    return until


# Clocks


@pytest.mark.parametrize(
    ("ahead", "says"),
    [(-7 * 3600, "about 7 hours behind"), (90, "90 seconds ahead of"), (10**8, "days ahead of")],
)
def test_a_clock_that_is_wrong_is_named(shop: Shop, ahead: int, says: str) -> None:
    client = GatewayClient(
        shop.gateway_client._transport,
        "http://gateway",
        shop.counter.device,
        lambda: shop.mock.now + ahead,
    )
    shop.client._gateway, honest = client, shop.client._gateway
    try:
        with pytest.raises(ClockDiffers) as ended:
            shop.register(*pair(0.7))
    finally:
        shop.client._gateway = honest
    assert says in ended.value.detail
    assert str(ended.value) == str(Refused(""))


def test_a_refusal_that_has_another_reason_names_no_clock(shop: Shop, tmp_path: Path) -> None:
    """Also when the answer was long on its way, or a date is no date."""

    def slow(deliver: Deliver) -> httpx.Response:
        answer = deliver()
        shop.mock.now += 3600
        return answer

    def undated(deliver: Deliver) -> httpx.Response:
        answer = deliver()
        answer.headers["date"] = "Fri, 31 Feb 99999 25:61:00 -9999"
        return answer

    stranger = type(shop.counter.device).generate("device")
    client = GatewayClient(shop.gateway_client._transport, "http://gateway", stranger, shop.mock)
    for middleman in (slow, undated):
        shop.on_questions = itertools.repeat(middleman)
        with pytest.raises(Refused) as ended:
            client.fetch(SessionId(bytes(16)))
        assert type(ended.value) is Refused
