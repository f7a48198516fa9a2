"""The key authority's secrets end with their answer: order, state, failures, expiry."""

from typing import Any

import pytest

from gateway.he.session_key import UniformHalf
from gateway.wire import cose
from gateway.wire.errors import (
    CallerMisuse,
    Refused,
    SealmatchError,
    SessionNotFound,
    Unavailable,
)
from gateway.wire.polynomials import PaddedProduct
from keys.authority import SessionSecret
from keys.caps import AttemptCaps
from keys.sessions import KeySession, StepTaken
from tests.support import parties
from tests.support.asking import (
    any_product_request,
    any_shares,
    ask_attempt,
    ask_decision,
    ask_values,
    counted,
    decision_of,
)
from tests.support.parties import (
    GATEWAY,
    SESSION,
    Clock,
    InProcessAuthority,
    any_product,
    fixed_dealings,
    session_key_request,
)


def test_unknown_sessions_are_not_found(authority: InProcessAuthority) -> None:
    opened, unknown = authority.open(), bytes(16)
    for ask in (ask_attempt, ask_values, ask_decision):
        with pytest.raises(SessionNotFound):
            ask(opened, session=unknown)
    assert decision_of(opened.decided())


def held(authority: InProcessAuthority) -> KeySession:
    session = authority.table.find(SESSION)
    assert session is not None
    return session


def assert_destroyed(secret: Any) -> None:
    assert repr(secret) == "SessionSecret(destroyed)"
    product, dealing = PaddedProduct.decode(any_product()), fixed_dealings("any")[1]
    with pytest.raises(CallerMisuse):
        secret.answer(product, 1, dealing)


def unavailable(*_: object, **__: object) -> Any:
    raise Unavailable("as a full disk or a dead worker")


# --- the key -------------------------------------------------------------------------------------


def test_the_key_is_gone_as_soon_as_the_values_exist(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its words are overwritten where they lay, before the answer is even encoded."""
    opened = authority.open()
    secret = held(authority).secret
    assert repr(secret) == "SessionSecret(held)"
    ask_attempt(opened)
    assert repr(secret) == "SessionSecret(held)"
    assert isinstance(secret, SessionSecret)
    words = secret._secret
    assert words is not None
    assert words.any()
    states: list[str] = []
    monkeypatch.setattr(
        "keys.service.MaskedValues", lambda **_: states.append(repr(secret)) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        ask_values(opened)
    assert states == ["SessionSecret(destroyed)"]
    assert not words.any()
    assert_destroyed(secret)


def test_an_answer_that_is_lost_within_the_server_is_not_computed_again(
    authority: InProcessAuthority, decryptions: list[PaddedProduct], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out between the values and the state: no other product gets the key either."""
    opened = authority.open()
    ask_attempt(opened)
    with monkeypatch.context() as patch:
        patch.setattr("keys.service.MaskedValues", unavailable)
        with pytest.raises(Unavailable):
            ask_values(opened)
    before = held(authority).answers
    for product in (any_product(), any_product(8)):
        with pytest.raises(SealmatchError):
            ask_values(opened, padded_product=product)
    assert held(authority).answers == before
    assert held(authority).attempt is None


def test_a_decryption_that_fails_is_the_last_one(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product that breaks the decryption must not leave a key to try another with."""
    opened = authority.open()
    ask_attempt(opened)
    secret = held(authority).secret
    with monkeypatch.context() as patch:
        patch.setattr("keys.authority.ring.multiply_modulo", unavailable)
        with pytest.raises(Unavailable):
            ask_values(opened)
    assert_destroyed(secret)
    assert held(authority).attempt is None
    for product in (any_product(), any_product(8)):
        with pytest.raises(Unavailable, match="open another"):
            ask_values(opened, padded_product=product)


@pytest.fixture
def made(authority: InProcessAuthority) -> list[Any]:
    """Every secret key that the authority makes from here on."""
    secrets: list[Any] = []
    make = authority.service._make_secret

    def spy(uniform: UniformHalf) -> Any:
        secret, half = make(uniform)
        secrets.append(secret)
        return secret, half

    authority.service._make_secret = spy  # type: ignore[assignment]
    return secrets


def test_the_key_of_a_session_that_is_not_taken_in_is_destroyed(
    authority: InProcessAuthority, made: list[Any]
) -> None:
    """The id is in use by another request, or there is no room."""
    authority.open()
    with pytest.raises(Refused):
        authority.open(client_nonce=bytes(32))
    authority.table._limit = 1
    with pytest.raises(Unavailable):
        authority.open(session=bytes(16))
    assert [repr(secret) for secret in made] == [
        "SessionSecret(held)",
        *["SessionSecret(destroyed)"] * 2,
    ]


def test_of_two_keys_for_one_request_the_later_is_destroyed(
    authority: InProcessAuthority, made: list[Any]
) -> None:
    """As when the same request is served in another thread while the key is drawn."""
    make, request = authority.service._make_secret, session_key_request()
    first: list[bytes] = []

    def overtaken(uniform: UniformHalf) -> Any:
        authority.service._make_secret = make
        first.append(authority.service.open_session(request, GATEWAY.public))
        return make(uniform)

    authority.service._make_secret = overtaken
    assert authority.service.open_session(request, GATEWAY.public) == first[0]
    assert [repr(secret) for secret in made] == ["SessionSecret(held)", "SessionSecret(destroyed)"]
    assert held(authority).secret is made[0]


# --- the dealing ---------------------------------------------------------------------------------


def test_the_decision_ends_the_dealing(authority: InProcessAuthority) -> None:
    opened = authority.open()
    ask_attempt(opened)
    ask_values(opened)
    attempt = held(authority).attempt
    assert attempt is not None
    assert attempt.dealing == opened.dealings[1]
    ask_decision(opened)
    session = held(authority)
    assert session.state is StepTaken.DECIDED
    assert (session.attempt, session.answered, session.demanded) == (None, None, None)


def test_the_dealing_is_gone_before_the_decision_is_signed(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after the comparison, nothing is ever compared with the dealing again."""
    opened = authority.open()
    ask_attempt(opened)
    ask_values(opened)
    with monkeypatch.context() as patch:
        patch.setattr(cose, "sign", unavailable)
        with pytest.raises(Unavailable):
            ask_decision(opened)
    assert held(authority).attempt is None
    for values in ((11, 12), (13, 14)):
        with pytest.raises(Unavailable, match="open another"):
            ask_decision(opened, values=values)


def test_a_comparison_that_fails_is_the_last_one(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = authority.open()
    ask_attempt(opened)
    ask_values(opened)
    with monkeypatch.context() as patch:
        patch.setattr("keys.service.decide", unavailable)
        with pytest.raises(Unavailable, match="dead worker"):
            ask_decision(opened)
    assert held(authority).attempt is None
    with pytest.raises(Unavailable, match="open another"):
        ask_decision(opened)


def test_an_outcome_that_cannot_be_counted_never_leaves(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who asks again is told to start again, without the dealing being touched again."""
    opened = authority.open()
    ask_attempt(opened)
    ask_values(opened)
    with monkeypatch.context() as patch:
        patch.setattr(AttemptCaps, "conclude", unavailable)
        with pytest.raises(Unavailable, match="full disk"):
            ask_decision(opened)
    for values in ((11, 12), (13, 14)):
        with pytest.raises(Unavailable, match="open another"):
            ask_decision(opened, values=values)
    assert counted(authority) == [None]


# --- expiry --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["granted", "counted", "answered"])
def test_expiry_destroys_key_and_dealing(
    authority: InProcessAuthority, clock: Clock, step: str
) -> None:
    opened = authority.open()
    session, late = held(authority), opened.attempt()
    if step != "granted":
        authority.service.count(late, GATEWAY.public)
    if step == "answered":
        ask_values(opened)
    clock.now += parties.SESSION_SECONDS - 1
    assert authority.table.expire() == 1
    clock.now += 1
    requests = (late, any_product_request(opened), any_shares(opened))
    serves = (authority.service.count, authority.service.answer, authority.service.decide)
    for serve, request in zip(serves, requests, strict=True):
        with pytest.raises(SessionNotFound):
            serve(request, GATEWAY.public)  # type: ignore[operator]
    assert_destroyed(session.secret)
    assert (session.attempt, session.answered) == (None, None)
    assert authority.table.expire() == 0


def test_expiry_destroys_without_anybody_asking(
    authority: InProcessAuthority, clock: Clock
) -> None:
    authority.service.open_session(session_key_request(), GATEWAY.public)
    secret = held(authority).secret
    clock.now += parties.SESSION_SECONDS
    assert authority.table.expire() == 0
    assert_destroyed(secret)
