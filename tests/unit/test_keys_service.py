"""The key authority's service: one key, one answer, and only for those entitled to it."""

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.cose import SigningKey
from gateway.wire.errors import (
    MalformedMessage,
    Unavailable,
    UnknownProfile,
)
from gateway.wire.evaluation import BlindedRows, Decision, DecisionResponse, EncryptedBits
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import Ciphertext
from tests.support import parties
from tests.support.asking import answer, ask, decision_of
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
