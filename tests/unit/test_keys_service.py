"""The key authority's service: one key, one answer, and only for those entitled to it."""

import hmac
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import (
    CallerMisuse,
    MalformedMessage,
    Refused,
    SealmatchError,
    SessionNotFound,
    Unavailable,
    UnknownProfile,
)
from gateway.wire.evaluation import BlindedRows, Decision, DecisionResponse, EncryptedBits
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import Ciphertext
from keys.authority import SessionSecret
from keys.caps import AttemptCaps
from keys.sessions import State
from tests.support import parties
from tests.support.parties import (
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    NOW,
    OTHER_GATEWAY,
    PEPPER,
    SESSION,
    SITE_SALT,
    SUBJECT,
    Clock,
    InProcessAuthority,
    OpenSession,
    any_product,
    any_rows,
    fixed_bytes,
    refused,
    session_key_request,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> InProcessAuthority:
    return InProcessAuthority(tmp_path, clock)


@pytest.fixture
def decryptions(monkeypatch: pytest.MonkeyPatch) -> list[Ciphertext]:
    """Every ciphertext that a secret key touches."""
    seen: list[Ciphertext] = []
    real = SessionSecret._decrypt

    def spy(self: SessionSecret, ciphertext: Ciphertext) -> Any:
        seen.append(ciphertext)
        return real(self, ciphertext)

    monkeypatch.setattr(SessionSecret, "_decrypt", spy)
    return seen


def ask(opened: OpenSession, sender: SigningKey = GATEWAY, **changes: Any) -> bytes:
    """Answer to a masked product that belongs to no key, with honest assertions."""
    changes.setdefault("masked_product", any_product())
    return opened.authority.service.encrypt_bits(opened.product(**changes), sender.public)


def answer(
    opened: OpenSession, rows: bytes | None = None, sender: SigningKey = GATEWAY
) -> DecisionResponse:
    message = BlindedRows(
        session=opened.request.session, blinded_rows=any_rows() if rows is None else rows
    )
    return DecisionResponse.decode(opened.authority.service.decide(message, sender.public))


def decision_of(response: DecisionResponse) -> Decision:
    return cose.verify(response.decision, Decision, AUTHORITY.public).message


# --- the honest way ------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.1, "NO_MATCH")])
def test_honest_run_ends_in_a_signed_decision(
    authority: InProcessAuthority,
    decryptions: list[Ciphertext],
    lanes: int,
    cosine: float,
    outcome: str,
) -> None:
    request = session_key_request()
    opened = OpenSession(
        authority, request, authority.service.open_session(request, GATEWAY.public), lanes, cosine
    )
    product = opened.product()
    bits = authority.service.encrypt_bits(product, GATEWAY.public)
    rows = opened.rows(bits)
    response = DecisionResponse.decode(authority.service.decide(rows, GATEWAY.public))
    decision = decision_of(response)
    grant = opened.key.grant.message
    assert decision == Decision(
        profile="bgv8192-1",
        session=SESSION,
        gateway=GATEWAY.party,
        authority=AUTHORITY.party,
        device=DEVICE.party,
        issuer=ISSUER.party,
        key_id=opened.key.public_key.key_id,
        outcome=outcome,
        lanes=lanes,
        probe_digest=fixed_bytes("probe"),
        template_digest=fixed_bytes("template"),
        template_assertion_digest=digest_of(product.template_assertion),
        submission_assertion_digest=digest_of(product.submission_assertion),
        policy_digest=opened.policy.digest,
        model_digest=parties.MODEL_DIGEST,
        masked_product_digest=digest_of(product.masked_product),
        encrypted_bits_digest=digest_of(EncryptedBits.decode(bits).encrypted_bits),
        blinded_rows_digest=digest_of(rows.blinded_rows),
        seed_commitment=product.seed_commitment,
    )
    assert grant.expires_at == NOW + parties.SESSION_SECONDS
    inner = SUBJECT.inner(SITE_SALT)
    name = len(GATEWAY.party).to_bytes(2, "big") + GATEWAY.party.encode()
    expected = hmac.digest(PEPPER, name + inner, "sha256")
    assert EncryptedBits.decode(bits).subject_handles == (expected,)
    assert len(decryptions) == 2


@pytest.mark.parametrize(
    ("cosine", "action", "outcome"),
    [(0.7, 0.6, "MATCH"), (0.7, 0.1, "NO_MATCH"), (0.1, 0.7, "NO_MATCH"), (0.1, 0.1, "NO_MATCH")],
)
def test_every_lane_must_accept(
    authority: InProcessAuthority, cosine: float, action: float, outcome: str
) -> None:
    request = session_key_request()
    key = authority.service.open_session(request, GATEWAY.public)
    opened = OpenSession(authority, request, key, 2, cosine, action_cosine=action)
    bits = authority.service.encrypt_bits(opened.product(), GATEWAY.public)
    response = authority.service.decide(opened.rows(bits), GATEWAY.public)
    assert decision_of(DecisionResponse.decode(response)).outcome == outcome


def test_each_session_has_a_key_of_its_own(authority: InProcessAuthority) -> None:
    keys = {
        authority.open(session=fixed_bytes(f"session-{i}", 16)).key.public_key.key_id
        for i in range(3)
    }
    assert len(keys) == 3


# --- identical repeats ---------------------------------------------------------------------------


def test_identical_repeats_get_identical_bytes_and_decrypt_nothing(
    authority: InProcessAuthority, clock: Clock, decryptions: list[Ciphertext]
) -> None:
    service = authority.service
    opened = authority.open()
    assert service.open_session(opened.request, GATEWAY.public) == opened.answer

    product = opened.product(masked_product=any_product())
    bits = service.encrypt_bits(product, GATEWAY.public)
    clock.now += 10
    assert service.encrypt_bits(product, GATEWAY.public) == bits
    assert len(decryptions) == 1

    rows = BlindedRows(session=SESSION, blinded_rows=any_rows())
    decided = service.decide(rows, GATEWAY.public)
    clock.now += 10
    assert service.decide(rows, GATEWAY.public) == decided
    assert len(decryptions) == 2
    assert service.open_session(opened.request, GATEWAY.public) == opened.answer
    assert len(decryptions) == 2


def test_a_second_product_for_one_key_is_refused(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    bits = ask(opened)
    other = Ciphertext.decode(any_product()).words.copy()
    other[0, 0, 0] += 1
    with refused("session is asked"):
        ask(opened, masked_product=Ciphertext(other).encoded)
    for change in ({"lanes": 2}, {"policy_digest": bytes(32)}, {"seed_commitment": bytes(32)}):
        with refused("session is asked"):
            ask(opened, **change)
    assert ask(opened) == bits
    assert len(decryptions) == 1


def test_a_second_answer_for_one_key_is_refused(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    ask(opened)
    first = answer(opened)
    with refused("session is decided"):
        answer(opened, any_rows(8))
    with refused("session is decided"):
        ask(opened)  # the earlier message no longer repeats the last one
    assert answer(opened) == first
    assert len(decryptions) == 2


def test_a_session_id_serves_one_request(authority: InProcessAuthority) -> None:
    opened = authority.open()
    with refused("in use"):
        authority.open(client_nonce=bytes(32))
    assert authority.service.open_session(opened.request, GATEWAY.public) == opened.answer


# --- order, state, expiry ------------------------------------------------------------------------


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


# --- who may ask ---------------------------------------------------------------------------------


def test_another_gateway_s_session_is_refused(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    with refused("another gateway"):
        ask(opened, OTHER_GATEWAY)
    ask(opened)
    with refused("another gateway"):
        answer(opened, sender=OTHER_GATEWAY)
    assert decision_of(answer(opened))
    with refused("another gateway"):
        answer(opened, sender=OTHER_GATEWAY)  # not even the stored answer
    assert len(decryptions) == 2


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"gateway": OTHER_GATEWAY.party}, "another gateway's name"),
        ({"issuer": "reader-18"}, "issuer reader-18 is not enrolled"),
        ({"device": "device-18"}, "device device-18 is not enrolled"),
        ({"issuer": DEVICE.party}, "issuer device-17 is not enrolled"),
        ({"device": ISSUER.party}, "device reader-17 is not enrolled"),
    ],
)
def test_a_session_is_for_enrolled_parties(
    authority: InProcessAuthority, changes: dict[str, Any], detail: str
) -> None:
    with refused(detail):
        authority.service.open_session(session_key_request(**changes), GATEWAY.public)
    assert authority.table.expire() == 0


def test_other_profiles_are_named_as_such(authority: InProcessAuthority) -> None:
    with pytest.raises(UnknownProfile, match="bgv8192-1"):
        authority.service.open_session(session_key_request(profile="ckks-1"), GATEWAY.public)


def test_the_table_is_bounded(tmp_path: Path, clock: Clock) -> None:
    authority = InProcessAuthority(tmp_path, clock, max_sessions=2)
    names = [fixed_bytes(f"session-{i}", 16) for i in range(3)]
    first = authority.open(session=names[0])
    clock.now += 1
    authority.open(session=names[1])
    with pytest.raises(Unavailable):
        authority.open(session=names[2])
    assert authority.service.open_session(first.request, GATEWAY.public) == first.answer
    clock.now += parties.SESSION_SECONDS - 1  # the first one expires
    assert authority.open(session=names[2]).answer


# --- the assertions, each violated alone ---------------------------------------------------------

Change = Callable[[OpenSession], dict[str, Any]]


def in_template(signed_by: SigningKey = ISSUER, **changes: Any) -> Change:
    return lambda opened: {"template_assertion": opened.template_assertion(signed_by, **changes)}


def in_submission(**changes: Any) -> Change:
    def make(opened: OpenSession) -> dict[str, Any]:
        template = opened.template_assertion()
        return {
            "template_assertion": template,
            "submission_assertion": opened.submission_assertion(template, **changes),
        }

    return make


def swapped(opened: OpenSession) -> dict[str, Any]:
    template = opened.template_assertion()
    return {
        "template_assertion": template,
        "submission_assertion": opened.submission_assertion(
            opened.template_assertion(subject_inner=bytes(32))
        ),
    }


FAULTS: dict[str, tuple[Change, str]] = {
    "issuer": (in_template(issuer="reader-18"), "template assertion: issuer"),
    "template-session": (in_template(session=bytes(16)), "template assertion: session"),
    "template-key": (in_template(key_id=bytes(32)), "template assertion: key"),
    "template-stale": (in_template(issued_at=NOW - 901), "template assertion: time"),
    "template-future": (in_template(issued_at=NOW + 61), "template assertion: time"),
    "template-by-stranger": (in_template(parties.stranger(ISSUER.party)), "not signed by reader"),
    "template-by-device": (in_template(DEVICE), "not signed by reader-17"),
    "device": (in_submission(device="device-18"), "submission assertion: device"),
    "submission-session": (in_submission(session=bytes(16)), "submission assertion: session"),
    "submission-key": (in_submission(key_id=bytes(32)), "submission assertion: key"),
    "submission-stale": (in_submission(captured_at=NOW - 901), "submission assertion: time"),
    "submission-future": (in_submission(captured_at=NOW + 61), "submission assertion: time"),
    "submission-by-stranger": (
        in_submission(signed_by=parties.stranger(DEVICE.party)),
        "not signed by device-17",
    ),
    "submission-by-issuer": (in_submission(signed_by=ISSUER), "not signed by device-17"),
    "other-template": (swapped, "submission assertion: template"),
    "template-digest": (
        in_submission(template_assertion_digest=bytes(32)),
        "submission assertion: template",
    ),
    "model": (in_submission(model_digest=bytes(32)), "model"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_check_alone_refuses_and_uses_nothing_up(
    authority: InProcessAuthority, decryptions: list[Ciphertext], name: str
) -> None:
    change, detail = FAULTS[name]
    opened = authority.open()
    with refused(detail):
        ask(opened, **change(opened))
    assert decryptions == []
    ask(opened)  # the honest message still gets its answer
    assert decision_of(answer(opened)).session == SESSION


@pytest.mark.parametrize("age", [-60, 0, 900])
def test_assertions_within_the_window_are_accepted(authority: InProcessAuthority, age: int) -> None:
    opened = authority.open()
    template = opened.template_assertion(issued_at=NOW - age)
    ask(
        opened,
        template_assertion=template,
        submission_assertion=opened.submission_assertion(template, captured_at=NOW - age),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"template_assertion": b"\xd2"},
        {"submission_assertion": b"\xd2"},
        {"masked_product": b"\x02" + any_product()[1:]},
        {"masked_product": b"\x01\x03" + bytes(len(any_product()) - 2)},
        {"masked_product": any_product()[:-7] + b"\xff" * 7},
    ],
    ids=["template", "submission", "version", "zero", "residue"],
)
def test_malformed_parts_use_nothing_up(
    authority: InProcessAuthority, decryptions: list[Ciphertext], changes: dict[str, bytes]
) -> None:
    opened = authority.open()
    with pytest.raises(MalformedMessage):
        ask(opened, **changes)
    assert decryptions == []
    ask(opened)
    with pytest.raises(MalformedMessage):
        answer(opened, any_rows()[:-7] + b"\xff" * 7)
    assert decision_of(answer(opened))


@pytest.mark.parametrize(("kind", "party"), [("issuer", ISSUER.party), ("device", DEVICE.party)])
def test_a_party_suspended_within_a_session_is_refused_at_once(
    authority: InProcessAuthority, kind: Any, party: str
) -> None:
    opened = authority.open()
    authority.trust.remove(kind, party)
    with refused(f"{kind} {party} is not enrolled"):
        ask(opened)
    with refused(f"{kind} {party} is not enrolled"):
        authority.open(session=bytes(16))


# --- many at once --------------------------------------------------------------------------------


def all_at_once(works: list[Callable[[], object]]) -> list[object]:
    """Results or product errors of threads that start together."""
    barrier = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = works[i]()
        except SealmatchError as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return results


def test_eight_threads_with_different_rows_get_one_decision(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    ask(opened)
    rows = [any_rows(10 + i) for i in range(8)]
    results = all_at_once([lambda r=r: answer(opened, r) for r in rows])  # type: ignore[misc]
    decided = [r for r in results if isinstance(r, DecisionResponse)]
    assert len(decided) == 1
    assert sum(isinstance(r, Refused) for r in results) == 7
    assert len(decryptions) == 2
    winner = next(i for i, r in enumerate(results) if isinstance(r, DecisionResponse))
    assert decision_of(decided[0]).blinded_rows_digest == digest_of(rows[winner])


def test_eight_threads_with_different_products_get_one_answer(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    messages = [
        opened.product(masked_product=any_product(), policy_digest=fixed_bytes(f"policy-{i}"))
        for i in range(8)
    ]
    serve = authority.service.encrypt_bits
    results = all_at_once([lambda m=m: serve(m, GATEWAY.public) for m in messages])  # type: ignore[misc]
    assert sum(isinstance(r, bytes) for r in results) == 1
    assert sum(isinstance(r, Refused) for r in results) == 7
    assert len(decryptions) == 1


def test_eight_threads_with_the_same_rows_get_the_same_bytes(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    ask(opened)
    results = all_at_once([lambda: answer(opened)] * 8)
    assert all(isinstance(r, DecisionResponse) for r in results)
    assert len({r.encode() for r in results if isinstance(r, DecisionResponse)}) == 1
    assert len(decryptions) == 2


def test_eight_threads_that_open_one_session_get_one_key(authority: InProcessAuthority) -> None:
    """A gateway whose first request hangs repeats it: both must get the stored answer."""
    request = session_key_request()
    serve = authority.service.open_session
    results = all_at_once([lambda: serve(request, GATEWAY.public)] * 8)
    assert all(isinstance(r, bytes) for r in results), results
    assert len(set(map(bytes, results))) == 1  # type: ignore[arg-type]


def test_the_secret_never_shows(authority: InProcessAuthority) -> None:
    opened = authority.open()
    ask(opened)
    session = authority.table.find(SESSION)
    assert session is not None
    text = repr(session)
    assert "secret" not in text
    assert len(text) < 4000
    assert SUBJECT.inner(SITE_SALT).hex() not in text
    assert repr(SUBJECT.inner(SITE_SALT)) not in text
    assert session.asked is not None
    assert (
        repr(authority.service._custody.handles(GATEWAY.party, SUBJECT.inner(SITE_SALT))[0])
        not in text
    )
