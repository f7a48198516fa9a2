"""The key authority's secrets end with their answer: order, state, failures, expiry."""

from typing import Any

import pytest

from gateway.wire import cose
from gateway.wire.errors import (
    CallerMisuse,
    SealmatchError,
    SessionNotFound,
    Unavailable,
)
from gateway.wire.polynomials import Ciphertext
from keys.authority import SessionSecret
from keys.caps import AttemptCaps
from keys.sessions import State
from tests.support import parties
from tests.support.asking import answer, ask, decision_of
from tests.support.parties import (
    SESSION,
    Clock,
    InProcessAuthority,
    OpenSession,
    any_product,
    any_rows,
    refused,
    session_key_request,
)


def test_rows_before_the_product_are_refused(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    with refused("session is granted"):
        answer(opened)
    assert decryptions == []
    ask(opened)
    assert decision_of(answer(opened))


def test_unknown_sessions_are_not_found(authority: InProcessAuthority) -> None:
    opened = authority.open()
    with pytest.raises(SessionNotFound):
        answer(OpenSession(authority, session_key_request(session=bytes(16)), opened.answer))
    with pytest.raises(SessionNotFound):
        ask(opened, session=bytes(16))


def secret_of(authority: InProcessAuthority) -> SessionSecret:
    session = authority.table.find(SESSION)
    assert session is not None
    return session.secret


def assert_destroyed(secret: SessionSecret) -> None:
    assert repr(secret) == "SessionSecret(destroyed)"
    with pytest.raises(CallerMisuse):
        secret.encrypt_bits(Ciphertext.decode(any_product()), 1)
    with pytest.raises(CallerMisuse):
        secret.decide(Ciphertext.decode(any_rows()), 1)


def answer_while(
    monkeypatch: pytest.MonkeyPatch, opened: OpenSession, owner: object, name: str, error: Exception
) -> None:
    """Ask for the decision while something that it takes fails."""

    def broken(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        with pytest.raises(type(error), match=str(error)):
            answer(opened)


def test_the_decision_destroys_the_key(authority: InProcessAuthority) -> None:
    opened = authority.open()
    secret = secret_of(authority)
    assert repr(secret) == "SessionSecret(held)"
    ask(opened)
    assert repr(secret) == "SessionSecret(held)"
    answer(opened)
    assert_destroyed(secret)
    session = authority.table.find(SESSION)
    assert session is not None
    assert session.state is State.DECIDED


def test_the_key_is_gone_before_the_decision_is_signed(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after the decryption, nothing is ever decrypted with the key again."""
    opened = authority.open()
    ask(opened)
    secret = secret_of(authority)

    answer_while(monkeypatch, opened, cose, "sign", OSError("the token that signs is gone"))
    assert_destroyed(secret)
    with pytest.raises(SealmatchError):
        answer(opened)


def test_a_decryption_that_fails_is_the_last_one(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that break the decryption must not leave a key to try other rows with."""
    opened = authority.open()
    ask(opened)
    secret = secret_of(authority)

    answer_while(monkeypatch, opened, SessionSecret, "_decrypt", RuntimeError("SEAL refuses"))
    assert repr(secret) == "SessionSecret(destroyed)"
    with pytest.raises(SealmatchError):
        answer(opened, any_rows(8))


def test_an_answer_that_fails_does_not_count_the_attempt_twice(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway asks again with the same bytes; the cap is one session's, not one request's."""
    counted: list[object] = []
    admit = AttemptCaps.admit

    def noted(self: AttemptCaps, *given: Any) -> Any:
        counted.append(given)
        return admit(self, *given)

    monkeypatch.setattr(AttemptCaps, "admit", noted)
    opened = authority.open()
    with monkeypatch.context() as patch:
        patch.setattr(SessionSecret, "encrypt_bits", unavailable)
        for _ in range(2):
            with pytest.raises(Unavailable):
                ask(opened)
    ask(opened)
    answer(opened)
    assert len(counted) == 1


def test_an_outcome_that_cannot_be_counted_never_leaves(
    authority: InProcessAuthority, decryptions: list[Ciphertext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who asks again is told to start again, without the key being touched again."""
    opened = authority.open()
    ask(opened)
    decryptions.clear()
    with monkeypatch.context() as patch:
        patch.setattr(AttemptCaps, "conclude", unavailable)
        with pytest.raises(Unavailable):
            answer(opened)
    for rows in (any_rows(), any_rows(8)):
        with pytest.raises(Unavailable, match="open another"):
            answer(opened, rows)
    assert len(decryptions) == 1


def unavailable(*_: object, **__: object) -> None:
    raise Unavailable("as a full disk or a dead worker")


@pytest.mark.parametrize("asked", [False, True])
def test_expiry_destroys_the_key(authority: InProcessAuthority, clock: Clock, asked: bool) -> None:
    opened = authority.open()
    secret = secret_of(authority)
    if asked:
        ask(opened)
    clock.now += parties.SESSION_SECONDS - 1
    assert authority.table.expire() == 1
    clock.now += 1
    with pytest.raises(SessionNotFound):
        answer(opened) if asked else ask(opened)
    assert_destroyed(secret)
    assert authority.table.expire() == 0


def test_expiry_destroys_without_anybody_asking(
    authority: InProcessAuthority, clock: Clock
) -> None:
    authority.open()
    secret = secret_of(authority)
    clock.now += parties.SESSION_SECONDS
    assert authority.table.expire() == 0
    assert_destroyed(secret)
