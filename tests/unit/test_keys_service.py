"""The key authority's service: one key, one answer, and only for those entitled to it."""

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.cose import SigningKey
from gateway.wire.dealing import DEALING_BYTES, Dealing
from gateway.wire.errors import (
    MalformedMessage,
    Unavailable,
    UnknownProfile,
)
from gateway.wire.evaluation import (
    AttemptAnswer,
    Decision,
    DecisionResponse,
    MaskedValues,
    evaluation_digest,
)
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import PaddedProduct
from gateway.wire.sealing import SEALED_DEALING_BYTES, Sealed, SealingPrivateKey
from tests.support import parties
from tests.support.asking import (
    ask_attempt,
    ask_decision,
    ask_values,
    counted,
    decision_of,
    nonce_of,
)
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
    authority_sealing_key,
    fixed_bytes,
    fixed_dealings,
    refused,
    session_key_request,
)

# --- the honest way ------------------------------------------------------------------------------


@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.1, "NO_MATCH")])
def test_honest_run_ends_in_a_signed_decision(
    authority: InProcessAuthority, decryptions: list[PaddedProduct], cosine: float, outcome: str
) -> None:
    request, service = session_key_request(), authority.service
    opened = OpenSession(authority, request, service.open_session(request, GATEWAY.public), cosine)
    attempt = opened.attempt()
    nonce = service.count(attempt, GATEWAY.public)
    product = opened.product(nonce)
    masked = service.answer(product, GATEWAY.public)
    shares = opened.shares(masked)
    response = DecisionResponse.decode(service.decide(shares, GATEWAY.public))
    assert response.demand is None
    grant = opened.key.grant.message
    assert decision_of(response) == Decision(
        profile="bgv8192-2",
        session=SESSION,
        gateway=GATEWAY.party,
        authority=AUTHORITY.party,
        device=DEVICE.party,
        issuer=ISSUER.party,
        key_id=opened.key.public_key.key_id,
        outcome=outcome,
        lanes=2,
        probe_digest=fixed_bytes("probe"),
        template_digest=fixed_bytes("template"),
        template_assertion_digest=digest_of(attempt.template_assertion),
        submission_assertion_digest=digest_of(attempt.submission_assertion),
        policy_digest=opened.policy.digest,
        model_digest=parties.MODEL_DIGEST,
        evaluation_digest=evaluation_digest(
            nonce_of(nonce).nonce,
            digest_of(product.padded_product),
            product.omega,
            MaskedValues.decode(masked).masked,
            shares.values,
            shares.shares,
        ),
        seed_commitment=attempt.seed_commitment,
    )
    assert grant.expires_at == NOW + parties.SESSION_SECONDS
    inner = SUBJECT.inner(SITE_SALT)
    name = len(GATEWAY.party).to_bytes(2, "big") + GATEWAY.party.encode()
    expected = hmac.digest(PEPPER, name + inner, "sha256")
    assert AttemptAnswer.decode(nonce).subject_handles == (expected,)
    assert len(decryptions) == 1
    assert counted(authority) == [outcome == "MATCH"]


@pytest.mark.parametrize(
    ("cosine", "action", "outcome"),
    [(0.7, 0.6, "MATCH"), (0.7, 0.1, "NO_MATCH"), (0.1, 0.7, "NO_MATCH"), (0.1, 0.1, "NO_MATCH")],
)
def test_every_lane_must_accept(
    authority: InProcessAuthority, cosine: float, action: float, outcome: str
) -> None:
    request = session_key_request()
    key = authority.service.open_session(request, GATEWAY.public)
    opened = OpenSession(authority, request, key, cosine, action_cosine=action)
    assert decision_of(opened.decided()).outcome == outcome


def test_each_session_has_a_key_of_its_own(authority: InProcessAuthority) -> None:
    keys = {
        authority.open(session=fixed_bytes(f"session-{i}", 16)).key.public_key.key_id
        for i in range(3)
    }
    assert len(keys) == 3


# --- the nonce -----------------------------------------------------------------------------------


def test_the_nonce_is_signed_for_this_very_attempt(authority: InProcessAuthority) -> None:
    attempt = authority.open().attempt()
    stated = nonce_of(authority.service.count(attempt, GATEWAY.public))
    assert (stated.session, stated.request_digest) == (SESSION, attempt.digest)


def test_no_two_attempts_get_the_same_nonce(tmp_path: Path, clock: Clock) -> None:
    """Nor can it be foreseen: another authority answers the very same bytes with another one."""
    nonces = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        authority = InProcessAuthority(tmp_path / name, clock)
        for session in (SESSION, fixed_bytes("second", 16)):
            nonces.add(nonce_of(ask_attempt(authority.open(session=session))).nonce)
    assert len(nonces) == 4


# --- who may ask ---------------------------------------------------------------------------------


def test_a_session_id_serves_one_request(authority: InProcessAuthority) -> None:
    opened = authority.open()
    for change in ("client_nonce", "gateway_nonce"):
        with refused("in use"):
            authority.open(**{change: bytes(32)})
    assert authority.service.open_session(opened.request, GATEWAY.public) == opened.answer


def test_another_gateway_s_session_is_refused(
    authority: InProcessAuthority, decryptions: list[PaddedProduct]
) -> None:
    """At each step, with the stored answer as well; the owner's session goes on undisturbed."""
    opened = authority.open()
    attempt = opened.attempt()
    steps: list[Callable[[SigningKey], object]] = [
        lambda sender: authority.service.count(attempt, sender.public),
        lambda sender: ask_values(opened, sender),
        lambda sender: ask_decision(opened, sender),
    ]
    for step in steps:
        with refused("another gateway"):
            step(OTHER_GATEWAY)
        first = step(GATEWAY)
        with refused("another gateway"):
            step(OTHER_GATEWAY)
        assert step(GATEWAY) == first
    assert len(decryptions) == 1


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
    with pytest.raises(UnknownProfile, match="bgv8192-2"):
        authority.service.open_session(session_key_request(profile="bgv8192-1"), GATEWAY.public)


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


@pytest.mark.parametrize("accepted", ["this one", "another one"])
def test_an_authority_with_a_list_of_policies_decides_by_no_other(
    tmp_path: Path, clock: Clock, accepted: str
) -> None:
    """A window of full width passes half of all strangers, with every step honest."""
    digest = parties.policy("0.419" if accepted == "this one" else "0.5").digest
    authority = InProcessAuthority(tmp_path, clock, policies=frozenset({digest.hex()}))
    opened = authority.open()
    if accepted == "this one":
        assert decision_of(opened.decided()).outcome == "MATCH"
        return
    with refused("policy is not one"):
        ask_attempt(opened)
    assert counted(authority) == []


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
    "model-of-both": (
        lambda o: {"policy": o.policy.model_copy(update={"model_digest": bytes(32)}).encode()},
        "model",
    ),
}


DEALINGS: dict[str, tuple[Change, str]] = {
    "gateway's": (lambda o: {"sealed_dealing": o.sealed_dealing(o.dealings[0])}, "asserted"),
    "lanes swapped": (
        lambda o: {
            "sealed_dealing": o.sealed_dealing(Dealing(1, o.dealings[1].lanes[::-1]))  # type: ignore[arg-type]
        },
        "asserted",
    ),
    "another session's": (
        lambda o: {"sealed_dealing": o.sealed_dealing(fixed_dealings("another session")[1])},
        "asserted",
    ),
    "not as asserted": (
        lambda o: {"template_assertion": o.template_assertion(authority_dealing_digest=bytes(32))},
        "asserted",
    ),
    "not a dealing": (lambda o: {"sealed_dealing": sealed(o, bytes(DEALING_BYTES))}, "asserted"),
    "sealed for another session": (
        lambda o: {"sealed_dealing": sealed(o, o.dealings[1].encoded, session=bytes(16))},
        "dealing does not open",
    ),
    "sealed for another key": (
        lambda o: {"sealed_dealing": sealed(o, o.dealings[1].encoded, key_id=bytes(32))},
        "dealing does not open",
    ),
    "sealed for another role": (
        lambda o: {"sealed_dealing": sealed(o, o.dealings[1].encoded, what=Sealed.TEMPLATE)},
        "dealing does not open",
    ),
    "sealed to the gateway": (
        lambda o: {"sealed_dealing": sealed(o, o.dealings[1].encoded, to=parties.sealing_key())},
        "dealing does not open",
    ),
    "altered": (lambda o: {"sealed_dealing": flipped(o.sealed_dealing())}, "dealing does not open"),
    "not sealed": (lambda _: {"sealed_dealing": bytes(SEALED_DEALING_BYTES)}, "does not open"),
}


def sealed(
    opened: OpenSession,
    plain: bytes,
    to: SealingPrivateKey | None = None,
    what: Sealed = Sealed.DEALING,
    **changes: bytes,
) -> bytes:
    grant = opened.key.grant.message
    scope: dict[str, Any] = {"session": grant.session, "key_id": grant.key_id, **changes}
    return (to or authority_sealing_key()).public.seal(what, plain, **scope)


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("name", [*FAULTS, *DEALINGS])
def test_each_check_alone_refuses_and_uses_nothing_up(
    authority: InProcessAuthority, decryptions: list[PaddedProduct], name: str
) -> None:
    change, detail = {**FAULTS, **DEALINGS}[name]
    opened = authority.open()
    with refused(detail):
        ask_attempt(opened, **change(opened))
    assert counted(authority) == []
    ask_attempt(opened)  # the honest message still gets its answer
    assert counted(authority) == [None]
    ask_values(opened)
    assert decision_of(ask_decision(opened)).session == SESSION
    assert len(decryptions) == 1


@pytest.mark.parametrize("age", [-60, 0, 900])
def test_assertions_within_the_window_are_accepted(authority: InProcessAuthority, age: int) -> None:
    opened = authority.open()
    template = opened.template_assertion(issued_at=NOW - age)
    ask_attempt(
        opened,
        template_assertion=template,
        submission_assertion=opened.submission_assertion(template, captured_at=NOW - age),
    )


@pytest.mark.parametrize(
    "changes",
    [{"template_assertion": b"\xd2"}, {"submission_assertion": b"\xd2"}, {"policy": b"\xa0"}],
    ids=["template", "submission", "policy"],
)
def test_a_malformed_attempt_uses_nothing_up(
    authority: InProcessAuthority, changes: dict[str, bytes]
) -> None:
    opened = authority.open()
    with pytest.raises(MalformedMessage):
        ask_attempt(opened, **changes)
    assert counted(authority) == []
    assert decision_of(opened.decided())


@pytest.mark.parametrize(
    "product",
    [
        any_product()[:28] + b"\x02" + any_product()[29:],
        any_product()[:28] + b"\x01\x02" + bytes(len(any_product()) - 30),
        any_product()[:-7] + b"\xff" * 7,
        b"\xff" * 14 + any_product()[14:],
        any_product()[:14] + b"\xff" * 14 + any_product()[28:],
    ],
    ids=["version", "zero", "residue", "first number", "second number"],
)
def test_a_malformed_product_uses_nothing_up(
    authority: InProcessAuthority, decryptions: list[PaddedProduct], product: bytes
) -> None:
    opened = authority.open()
    honest = opened.product(opened.counted())
    with pytest.raises(MalformedMessage):
        ask_values(opened, padded_product=product)
    assert decryptions == []
    masked = authority.service.answer(honest, GATEWAY.public)
    response = authority.service.decide(opened.shares(masked), GATEWAY.public)
    assert decision_of(DecisionResponse.decode(response)).outcome == "MATCH"


@pytest.mark.parametrize(("kind", "party"), [("issuer", ISSUER.party), ("device", DEVICE.party)])
def test_a_party_suspended_within_a_session_is_refused_at_once(
    authority: InProcessAuthority, kind: Any, party: str
) -> None:
    opened = authority.open()
    authority.trust.remove(kind, party)
    with refused(f"{kind} {party} is not enrolled"):
        ask_attempt(opened)
    assert counted(authority) == []
    with refused(f"{kind} {party} is not enrolled"):
        authority.open(session=bytes(16))


def test_the_secrets_never_show(authority: InProcessAuthority) -> None:
    opened = authority.open()
    answer = ask_attempt(opened)
    masked = MaskedValues.decode(ask_values(opened, omega=86_420)).masked
    session = authority.table.find(SESSION)
    assert session is not None
    assert session.attempt is not None
    assert session.answered is not None
    text = "".join(map(repr, (session, session.attempt, session.answered)))
    for secret in (SUBJECT.inner(SITE_SALT), nonce_of(answer).nonce):
        assert secret.hex() not in text
        assert repr(secret) not in text
    for lane in opened.dealings[1].lanes:
        assert str(lane.share) not in text
        assert repr(lane.key)[:20] not in text
    for number in (86_420, *masked):
        assert str(number) not in text
    handle = authority.service._custody.handles(GATEWAY.party, SUBJECT.inner(SITE_SALT))[0]
    assert repr(handle) not in text
