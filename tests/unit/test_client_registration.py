"""A gateway that cheats: client and issuer refuse before anything leaves, or after the answer.

The gateway here is the real one, whose answers are altered on their way to the client.
"""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.client import gateway_client
from gateway.client.agreement import require_about
from gateway.client.answers import NotTheGateway
from gateway.client.gateway_client import OutcomeUnknown
from gateway.he.session_key import SessionKey
from gateway.issuer.issuer import SessionToServe
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, Unavailable
from gateway.wire.ids import digest_of
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import FRESH_BYTES, SessionKeyHalf
from gateway.wire.proof import Receipt, Statement
from gateway.wire.sealing import Sealed
from gateway.wire.session import SessionGrant, SessionOffer
from gateway.wire.subject import Subject
from tests.support.drafts import Opened
from tests.support.he import TestKey
from tests.support.samples import (
    NUMBER,
    PLAIN_NUMBER,
    PROBE,
    REFERENCE,
    SESSIONS,
    TEMPLATE,
    Clock,
    new_number,
    occasion,
)
from tests.support.world import World
from tests.vectors import golden


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, clock=Clock()) as world:
        yield world


@cache
def own_key() -> bytes:
    """Half of a session key whose secret the cheating gateway holds."""
    return TestKey().public.half.encoded


def regranted(offer: SessionOffer, key: SigningKey, **changes: Any) -> SessionOffer:
    """The offer with other content in its grant, signed by ``key``."""
    grant = cose.peek(offer.grant, SessionGrant).model_copy(update=changes)
    return offer.model_copy(update={"grant": cose.sign(grant, key).encoded})


def rekeyed(offer: SessionOffer, key: SigningKey, **changes: Any) -> SessionOffer:
    """The same with the key id that belongs to the changed grant."""
    grant = cose.peek(offer.grant, SessionGrant).model_copy(update=changes)
    half = SessionKeyHalf.decode(offer.public_key)
    return regranted(offer, key, **changes, key_id=SessionKey.of(grant, half).key_id)


def with_own_key(world: World, offer: SessionOffer) -> SessionOffer:
    """What a gateway would like best: its own key under somebody's signature."""
    public = own_key()
    mallory = SigningKey.generate("authority")
    half, stated = SessionKeyHalf.decode(public), cose.peek(offer.grant, SessionGrant)
    granted = regranted(offer, mallory, key_id=SessionKey.of(stated, half).key_id)
    return granted.model_copy(update={"public_key": public})


def other_policy(world: World, **changes: Any) -> bytes:
    return world.policy.model_copy(update=changes).encode()


OFFERS: dict[str, Callable[[World, SessionOffer], SessionOffer]] = {
    "key signed by a stranger": with_own_key,
    "grant signed by a stranger": lambda w, o: regranted(o, SigningKey.generate("authority")),
    "key swapped under an honest grant": lambda w, o: o.model_copy(
        update={"public_key": own_key()}
    ),
    "grant for another nonce": lambda w, o: rekeyed(o, w.authority_key, client_nonce=bytes(32)),
    "grant for another nonce, under the old key": lambda w, o: regranted(
        o, w.authority_key, client_nonce=bytes(32)
    ),
    "grant of another nonce of the gateway": lambda w, o: regranted(
        o, w.authority_key, gateway_nonce=bytes(32)
    ),
    "grant for another session": lambda w, o: regranted(o, w.authority_key, session=bytes(16)),
    "grant for another device": lambda w, o: regranted(o, w.authority_key, device="another"),
    "grant for another issuer": lambda w, o: regranted(o, w.authority_key, issuer="another"),
    "grant for another gateway": lambda w, o: regranted(o, w.authority_key, gateway="another"),
    "grant by another name": lambda w, o: regranted(o, w.authority_key, authority="another"),
    "grant of another profile": lambda w, o: regranted(o, w.authority_key, profile="bgv8192-1"),
    "grant expired": lambda w, o: regranted(o, w.authority_key, expires_at=w.clock() - 61),
    "grant without end": lambda w, o: regranted(o, w.authority_key, expires_at=2**39),
}
POLICIES: dict[str, Callable[[World, SessionOffer], SessionOffer]] = {
    "a looser policy": lambda w, o: o.model_copy(
        update={"policy": other_policy(w, lanes=(LanePolicy.for_cosine("0.34"),) * 2)}
    ),
    "a policy for another model": lambda w, o: o.model_copy(
        update={"policy": other_policy(w, model_digest=digest_of(b"other"))}
    ),
    "a policy that is none": lambda w, o: o.model_copy(update={"policy": b"garbage"}),
    "another session's challenge": lambda w, o: o.model_copy(
        update={"challenge": golden.CHALLENGE.model_copy(update={"excluded": ()}).encode()}
    ),
}


def offering(world: World, change: Callable[[World, SessionOffer], SessionOffer]) -> None:
    def alter(path: str, answer: httpx.Response) -> httpx.Response:
        if path != SESSIONS:
            return answer
        return httpx.Response(
            200, content=change(world, SessionOffer.decode(answer.content)).encode()
        )

    world.alter_gateway = alter


@pytest.mark.parametrize("name", [*OFFERS, *POLICIES])
def test_the_client_refuses_and_sends_nothing_further(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offering(world, {**OFFERS, **POLICIES}[name])
    asked: list[object] = []
    monkeypatch.setattr(world.issuer, "issue", lambda *a: asked.append(a))
    with pytest.raises(Refused):
        world.register(TEMPLATE, PROBE)
    assert [path for path, _ in world.received] == [SESSIONS]
    assert asked == [], "the issuer was asked to encrypt"
    assert world.rows("records") == []


def serve(world: World, opened: Opened, offer: SessionOffer) -> SessionToServe:
    return SessionToServe(offer.grant, offer.public_key, "device", opened.nonce)


@pytest.mark.parametrize("name", OFFERS)
def test_the_issuer_refuses_by_itself_and_encrypts_nothing(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the device plays along."""
    opened = world.open()
    offer = OFFERS[name](world, opened.offer)
    encrypted: list[object] = []
    monkeypatch.setattr(
        "gateway.issuer.issuer.encrypt_template", lambda *a: encrypted.append(a) or 1 / 0
    )
    with pytest.raises(Refused):
        world.issuer.issue(
            TEMPLATE,
            Subject.of("passport", new_number()),
            serve(world, opened, offer),
            world.clock(),
        )
    assert encrypted == []


def test_the_issuer_serves_an_honest_session(world: World) -> None:
    opened = world.open()
    issued = world.issuer.issue(
        TEMPLATE,
        Subject.of("passport", new_number()),
        serve(world, opened, opened.offer),
        world.clock(),
    )
    assert issued.sealed_template


def test_a_policy_of_the_trust_file_but_of_another_model_is_refused(world: World) -> None:
    policy = MatchPolicy.decode(other_policy(world, model_digest=digest_of(b"other")))
    trusting = world.trust.model_copy(update={"policies": [policy.digest.hex()]})
    world.client._trust = trusting
    offering(world, lambda w, o: o.model_copy(update={"policy": policy.encode()}))
    with pytest.raises(Refused) as caught:
        world.register(TEMPLATE, PROBE)
    assert "model" in caught.value.detail


# Answers to the submission, and to each question what became of it


def answering(world: World, change: Callable[[dict[str, Any]], Any]) -> None:
    def alter(path: str, answer: httpx.Response) -> httpx.Response:
        if path == SESSIONS:
            return answer
        changed = change(answer.json())
        if isinstance(changed, httpx.Response):
            return changed
        return httpx.Response(200, json=changed)

    world.alter_gateway = alter


def nested() -> httpx.Response:
    return httpx.Response(200, content=b"[" * 100_000)


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        (lambda b: {**b, "outcome": "NO_MATCH"}, Refused),
        (lambda b: {**b, "recordId": "00" * 16}, Refused),
        (lambda b: {**b, "receipt": b["receipt"][:-8]}, ReceiptInvalid),
        (lambda b: {**b, "receipt": ""}, ReceiptInvalid),
        (lambda b: {**b, "receipt": None}, OutcomeUnknown),
        (lambda b: {**b, "receipt": "A"}, OutcomeUnknown),
        (lambda b: {**b, "recordId": "zz"}, OutcomeUnknown),
        (lambda b: {**b, "recordId": 5}, OutcomeUnknown),
        (lambda b: {**b, "outcome": "MAYBE"}, OutcomeUnknown),
        (lambda b: {**b, "outcome": ["MATCH"]}, OutcomeUnknown),
        (lambda b: {}, OutcomeUnknown),
        (lambda b: [b], OutcomeUnknown),
        (lambda b: httpx.Response(200, content=b"<html>"), OutcomeUnknown),
        (lambda b: httpx.Response(200, content=b"\xff\xfe"), OutcomeUnknown),
        (lambda b: httpx.Response(200, content=b"x" * 200_000), OutcomeUnknown),
        (lambda b: nested(), OutcomeUnknown),
        (lambda b: httpx.Response(403, content=b"whatever"), OutcomeUnknown),
        (lambda b: saying(403, "PERMISSION_DENIED"), OutcomeUnknown),
        (lambda b: saying(409, "CONFLICT"), OutcomeUnknown),
        (lambda b: saying(503, "UNAVAILABLE"), OutcomeUnknown),
        (lambda b: httpx.Response(500, content=b"<html>"), OutcomeUnknown),
        (lambda b: httpx.Response(500, content=nested().content), OutcomeUnknown),
        (lambda b: httpx.Response(302, headers={"location": "http://elsewhere/"}), OutcomeUnknown),
    ],
)
def test_an_answer_that_is_not_as_agreed_is_never_an_outcome(
    world: World,
    change: Callable[[dict[str, Any]], Any],
    raises: type[SealmatchError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is it one that there is none: there is, and it is on record."""
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)
    answering(world, change)
    with pytest.raises(raises):
        world.register(TEMPLATE, PROBE)
    assert len(world.rows("records")) == 1


def saying(status: int, code: str, message: str = "x") -> httpx.Response:
    return httpx.Response(status, json={"status": status, "code": code, "message": message})


def test_the_receipt_of_another_registration_is_refused(world: World) -> None:
    """Valid in itself, and for the same person: the openings do not fit."""
    kept: list[dict[str, Any]] = []

    def keep(body: dict[str, Any]) -> dict[str, Any]:
        kept.append(body)
        return {**kept[0], "sessionId": body["sessionId"]}

    answering(world, keep)
    world.register(TEMPLATE, PROBE)
    with pytest.raises((ReceiptInvalid, Refused)):
        world.register(TEMPLATE, PROBE)


@pytest.mark.parametrize("field", ["subject_commitment", "activation_commitment"])
def test_a_statement_that_the_opening_does_not_open_is_refused(world: World, field: str) -> None:
    """The gateway signs another document or order; the subscriber could never show the receipt."""

    def another(body: dict[str, Any]) -> dict[str, Any]:
        padded = body["receipt"] + "=" * (-len(body["receipt"]) % 4)
        receipt = Receipt.decode(base64.urlsafe_b64decode(padded))
        stated = cose.peek(receipt.statement, Statement).model_copy(update={field: bytes(32)})
        signed = cose.sign(stated, world.service._identity.signing)
        encoded = receipt.model_copy(update={"statement": signed.encoded}).encode()
        return {**body, "receipt": base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()}

    answering(world, another)
    with pytest.raises(ReceiptInvalid) as caught:
        world.register(TEMPLATE, PROBE)
    assert caught.value.step == (10 if field == "subject_commitment" else 11)


def test_a_receipt_about_another_submission_is_refused(world: World) -> None:
    """Though its openings and its outcome fit: a device may submit one order twice."""
    done = world.register(TEMPLATE, PROBE)
    answer: Any = SimpleNamespace(outcome=done.outcome, record_id=done.record_id)
    require_about(digest_of(done.submission.submission_assertion), answer, done.verified)
    with pytest.raises(Refused):
        require_about(digest_of(b"another assertion"), answer, done.verified)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


@pytest.mark.usefixtures("at_once")
def test_an_error_is_told_with_the_gateways_code(world: World) -> None:
    answering(world, lambda b: saying(409, "CONFLICT", "late"))
    with pytest.raises(OutcomeUnknown, match="409 CONFLICT: late"):
        world.register(TEMPLATE, PROBE)


@pytest.mark.usefixtures("at_once")
def test_control_characters_of_a_peer_do_not_reach_the_terminal(world: World) -> None:
    message = "\x1b[2Jlooks like\r\nMATCH"
    answering(world, lambda b: saying(409, "A\x1b[1m", message))
    with pytest.raises(OutcomeUnknown, match="looks like") as caught:
        world.register(TEMPLATE, PROBE)
    assert str(caught.value).isprintable()


def test_a_gateway_that_does_not_answer_is_worth_another_try(world: World) -> None:
    def alter(path: str, answer: httpx.Response) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    world.alter_gateway = alter
    with pytest.raises(Unavailable, match="does not answer"):
        world.register(TEMPLATE, PROBE)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (200, b"<html><title>Welcome</title>log in</html>", "login page"),
        (200, b"\n <!DOCTYPE html>", "login page"),
        (302, b"", "login page"),
        (511, b"", "login page"),
        (407, b"", "proxy asks for a login"),
        (403, b"<html>blocked</html>", "firewall"),
        (413, b"<html>too large</html>", "no request of this size"),
        (502, b"", "did not reach the gateway"),
        (504, b"{}", "did not wait for the gateway"),
        (421, b"", "a server that is not the gateway"),
    ],
)
def test_who_answered_in_the_gateways_place_is_named(
    world: World, status: int, content: bytes, says: str
) -> None:
    """The page itself is not repeated. A session is asked for twice, and nothing else is sent."""
    world.alter_gateway = lambda _path, _answer: httpx.Response(status, content=content)
    with pytest.raises(NotTheGateway, match=says) as caught:
        world.register(TEMPLATE, PROBE)
    assert "Welcome" not in str(caught.value)
    assert [path for path, _ in world.received] == [SESSIONS] * 2


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xa0", b"\xbf" * 40])
def test_an_offer_that_is_none_is_no_crash(world: World, content: bytes) -> None:
    world.alter_gateway = lambda _path, _answer: httpx.Response(200, content=content)
    with pytest.raises(MalformedMessage):
        world.register(TEMPLATE, PROBE)


def test_an_endless_offer_is_cut_off(world: World) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while read < 50 * 2**20:
            read += 2**16
            yield bytes(2**16)

    world.alter_gateway = lambda _path, _answer: httpx.Response(200, content=endless())
    with pytest.raises(MalformedMessage):
        world.register(TEMPLATE, PROBE)
    assert read < 2 * 2**20


def test_what_leaves_the_counter_shows_no_ciphertext_to_who_reads_along(world: World) -> None:
    """The probe is encrypted under the authority's key: it must not find it on the line.

    The control: the gateway's sealing key opens both, and finds what the assertions name.
    """
    result = world.register(TEMPLATE, PROBE)
    stated, sent = result.verified.decision.message, result.submission
    for what, sealed, named in (
        (Sealed.PROBE, sent.sealed_probe, stated.probe_digest),
        (Sealed.TEMPLATE, sent.sealed_template, stated.template_digest),
    ):
        with pytest.raises(Refused):
            world.authority_sealing.open(what, sealed, stated.session, stated.key_id)
        opened = world.sealing.open(what, sealed, stated.session, stated.key_id)
        ciphertext = opened[:FRESH_BYTES]
        assert digest_of(ciphertext) == named
        for place in range(0, FRESH_BYTES - 64, FRESH_BYTES // 50):
            piece = ciphertext[place : place + 32]
            assert not any(piece in body for _, body in (*world.received, *world.asked))


def test_one_registration_measures_and_names_no_secret(world: World) -> None:
    result = world.client.register(TEMPLATE, PROBE, occasion())
    assert result.outcome == "MATCH"
    assert set(result.measured.bytes_sent) == {
        "sessionRequest",
        "sessionOffer",
        "submission",
        "verification",
        "receipt",
    }
    shown = repr(result)
    for secret in (PLAIN_NUMBER, NUMBER, REFERENCE, result.opening.subject_salt.hex()):
        assert secret not in shown
    json.dumps(result.measured.timings_ms)


def test_a_statement_says_how_the_portrait_was_authenticated(world: World) -> None:
    verified = dataclasses.replace(occasion(), portrait="chip-verified")
    for given, source in ((occasion(), "photographed"), (verified, "chip-verified")):
        stated = world.client.register(TEMPLATE, PROBE, given).verified.statement.message
        assert stated.portrait_source == source


def test_the_digest_of_consent_in_a_receipt_tells_neither_second_nor_language(world: World) -> None:
    """The world's clock stands: two consents differ in nothing but what the client drew.

    The control: with that value the digest is found at once.
    """
    sent = [world.client.register(TEMPLATE, PROBE, occasion()).submission for _ in range(2)]
    plain = [one.consent.model_copy(update={"salt": bytes(32)}) for one in sent]
    assert plain[0] == plain[1]
    digests = {one.consent.digest for one in sent}
    assert len(digests) == 2
    assert plain[0].digest not in digests
    found = plain[0].model_copy(update={"salt": sent[0].consent.salt})
    assert found.digest == sent[0].consent.digest
