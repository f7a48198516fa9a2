"""The page's client, in node, against the servers' own services: a whole registration.

What it decides is what the Python client decides (``tests/simulation`` has that one's attackers);
here each fault that a client must notice is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gateway.kiosk.messages import TemplateIssued
from gateway.proofs.statement import Circumstances, make_statement
from gateway.proofs.verify import verify_receipt
from gateway.server import recording
from gateway.server.liveness import LivenessPolicy
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.evaluation import Decision
from gateway.wire.ids import Digest
from gateway.wire.proof import Opening, Statement
from gateway.wire.session import SessionGrant, SessionOffer
from gateway.wire.subject import Subject, guardian_salt
from tests.support.page_client import Page, page_of
from tests.support.samples import NUMBER, SESSIONS, Clock, pair
from tests.support.world import World
from tests.vectors import golden

STAGES = ["session", "offer", "capture", "document", "encrypt", "decide", "receipt"]
GENUINE = pair(0.7)
SPARED = {"kind": "turn-right", "reason": "cannot-perform"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One page for all tests of the module, at the gateway of ``world`` as each test needs it."""
    with World(tmp_path_factory.mktemp("world")) as world, page_of(world) as opened:
        yield opened


@pytest.fixture(autouse=True)
def honest(page: Page) -> Iterator[None]:
    page.world.received.clear()
    yield
    page.world.alter_gateway = lambda _path, answer: answer
    page.alter_issued = lambda issued: issued


def paths(page: Page) -> list[str]:
    return [path.split("/")[-1] for path, _ in page.world.received]


@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.1, "NO_MATCH")])
def test_a_registration_from_the_session_to_the_checked_receipt(
    page: Page, cosine: float, outcome: str
) -> None:
    told = page.register(*pair(cosine))
    assert told["outcome"] == outcome, told
    assert page.world.register(*pair(cosine)).outcome == outcome, "the Python client, same servers"
    assert told["stages"] == STAGES
    assert told["kept"] == 1
    opening = Opening.decode(bytes.fromhex(told["opening"]))
    verified = verify_receipt(
        bytes.fromhex(told["receipt"]), page.world.trust, opening, page.subject
    )
    assert verified.statement.message.record_id.hex() == told["recordId"]
    assert {int(step): state for step, state in told["notes"].items()} == {
        step: finding.state.value for step, finding in verified.notes.items()
    }


def no_policy(given: dict[str, Any]) -> None:
    given["pins"]["policies"] = []


def another_model(given: dict[str, Any]) -> None:
    given["model"]["digest"] = bytes(32).hex()


def another_authority(given: dict[str, Any]) -> None:
    given["authority"]["publicKeys"] = [SigningKey.generate("authority").public.raw.hex()]


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (another_authority, "not-signed-by"),
        (no_policy, "policy-not-listed"),
        (another_model, "policy-for-another-model"),
    ],
)
def test_an_offer_that_is_not_the_expected_one_is_the_end(
    page: Page, alter: Callable[[dict[str, Any]], None], code: str
) -> None:
    told = page.register(*GENUINE, alter=alter)
    assert (told["fault"], told["code"], told["step"]) == ("Refused", code, "offer")
    assert paths(page) == ["sessions"], "something was sent after a bad offer"
    assert told["stages"] == STAGES[:2]


def test_a_key_that_was_exchanged_on_the_way_encrypts_nothing(page: Page) -> None:
    def exchanged(path: str, answer: httpx.Response) -> httpx.Response:
        if path != SESSIONS:
            return answer
        offer = SessionOffer.decode(answer.content)
        key = bytearray(offer.public_key)
        key[2] ^= 1
        other = offer.model_copy(update={"public_key": bytes(key)})
        return httpx.Response(200, content=other.encode())

    page.world.alter_gateway = exchanged
    told = page.register(*GENUINE)
    assert (told["code"], told["values"]) == ("session-key", {"what": "key"})
    assert paths(page) == ["sessions"]


@pytest.mark.parametrize("stage", STAGES[:5])
def test_a_person_who_goes_away_has_submitted_nothing(page: Page, stage: str) -> None:
    told = page.register(*GENUINE, alter=lambda given: given.update(leaveAt=stage))
    assert (told["fault"], told["stages"][-1], told["kept"]) == ("AbortError", stage, 0)
    assert paths(page) == ["sessions"]


def test_a_template_of_another_session_is_not_handed_in(page: Page) -> None:
    assertions: list[bytes] = []

    def earlier(issued: TemplateIssued) -> TemplateIssued:
        assertions.append(issued.assertion)
        return issued.model_copy(update={"assertion": assertions[0]})

    page.alter_issued = earlier
    assert page.register(*GENUINE)["outcome"] == "MATCH"
    told = page.register(*GENUINE)
    assert (told["code"], told["step"]) == ("issuer-says-otherwise", "document")
    assert told["values"] == {"what": "session"}
    assert paths(page) == ["sessions", "submission", "sessions"]


def test_an_answer_that_was_lost_is_asked_for(page: Page) -> None:
    lost: list[str] = []

    def losing(path: str, answer: httpx.Response) -> httpx.Response:
        if path.endswith("/submission") and not lost:
            lost.append(path)
            return httpx.Response(502, content=b"<html>")
        return answer

    page.world.alter_gateway = losing
    told = page.register(*GENUINE)
    assert told["outcome"] == "MATCH", told
    assert len(lost) == 1
    assert len(paths(page)) == 3


def test_the_receipt_of_another_registration_is_noticed(page: Page) -> None:
    number = f"{NUMBER}55443322"
    answers: list[httpx.Response] = []

    def replayed(path: str, answer: httpx.Response) -> httpx.Response:
        if not path.endswith("/submission"):
            return answer
        answers.append(answer)
        session = path.split("/")[-2]
        return httpx.Response(200, json=answers[0].json() | {"sessionId": session})

    page.world.alter_gateway = replayed
    assert page.register(*GENUINE, number)["outcome"] == "MATCH"
    told = page.register(*GENUINE, number)
    assert (told["fault"], told["step"]) == ("ReceiptInvalid", "receipt")
    assert told["code"] == "other-document", "the opening is of this registration's own salt"


@pytest.mark.parametrize("field", ["outcome", "recordId"])
def test_an_answer_that_contradicts_its_receipt_is_noticed(page: Page, field: str) -> None:
    def lying(path: str, answer: httpx.Response) -> httpx.Response:
        other = {"outcome": "NO_MATCH", "recordId": bytes(16).hex()}[field]
        decided = path.endswith("/submission")
        return httpx.Response(200, json=answer.json() | {field: other}) if decided else answer

    page.world.alter_gateway = lying
    told = page.register(*GENUINE)
    assert (told["fault"], told["code"]) == ("Refused", "another-submission"), told


def test_a_document_that_was_named_wrongly_is_noticed(page: Page) -> None:
    told = page.register(
        *GENUINE, alter=lambda given: given["document"].update(number="QX73910000")
    )
    assert (told["code"], told["values"]) == (
        "issuer-says-otherwise",
        {"what": "subjectCommitment"},
    )


@pytest.mark.parametrize(
    ("field", "lie"),
    [
        ("liveness", {"outcome": "passed", "evidence_digest": Digest(bytes(32))}),
        ("time", {"decided_at_minute": 60}),
    ],
)
def test_a_statement_that_says_what_nobody_handed_in_is_noticed(
    page: Page, monkeypatch: pytest.MonkeyPatch, field: str, lie: dict[str, Any]
) -> None:
    def invented(
        decision: Signed[Decision], given: Circumstances, record: Any, now: int, key: SigningKey
    ) -> Signed[Statement]:
        stated = make_statement(decision, given, record, now, key).message
        said = {"liveness": stated.liveness.model_copy(update=lie)} if field == "liveness" else lie
        return cose.sign(stated.model_copy(update=said), key)

    monkeypatch.setattr(recording, "make_statement", invented)
    told = page.register(*GENUINE)
    assert (told["fault"], told["code"]) == ("SaysOtherwise", "statement-says-otherwise"), told
    assert told["values"] == {"what": field}


def test_a_challenge_that_leaves_out_nothing_asks_nobody_for_anything(page: Page) -> None:
    """The control is below: a gateway that leaves out what it was asked to."""

    def ignoring(path: str, answer: httpx.Response) -> httpx.Response:
        if path != SESSIONS:
            return answer
        offer = SessionOffer.decode(answer.content)
        session = cose.peek(offer.grant, SessionGrant).session
        challenge = golden.CHALLENGE.model_copy(update={"session": session, "excluded": ()})
        other = offer.model_copy(update={"challenge": challenge.encode()})
        return httpx.Response(200, content=other.encode())

    page.world.alter_gateway = ignoring
    told = page.register(*GENUINE, alter=lambda given: given.update(exclusions=[SPARED]))
    assert (told["code"], told["step"]) == ("challenge-says-otherwise", "offer"), told
    assert (told["stages"], paths(page)) == (STAGES[:2], ["sessions"])


def of_guardian(number: str) -> Callable[[TemplateIssued], TemplateIssued]:
    """An issuer that commits to this guardian."""

    def committing(issued: TemplateIssued) -> TemplateIssued:
        salt = guardian_salt(issued.subject_salt)
        commitment = Subject.of("id-card", number).commitment(salt)
        return issued.model_copy(update={"guardian_commitment": commitment})

    return committing


@pytest.mark.parametrize(
    ("named", "committed", "noticed"),
    [("GU4RD14N", "GU4RD14N", False), ("GU4RD14N", "GU4RD15N", True), (None, "GU4RD14N", True)],
)
def test_another_guardian_than_the_one_who_was_named_is_noticed(
    page: Page, named: str | None, committed: str, noticed: bool
) -> None:
    page.alter_issued = of_guardian(committed)
    told = page.register(*GENUINE, alter=lambda given: given.update(guardianNumber=named))
    if not noticed:
        assert told["outcome"] == "MATCH", told
        consent = Opening.decode(bytes.fromhex(told["opening"])).consented
        assert consent is not None
        assert consent.given_by == "guardian"
        return
    assert (told["code"], told["step"]) == ("issuer-says-otherwise", "document"), told
    assert told["values"] == {"what": "guardianCommitment"}
    assert paths(page) == ["sessions"]


def test_a_portrait_that_was_authenticated_otherwise_is_noticed(page: Page) -> None:
    told = page.register(
        *GENUINE, alter=lambda given: given["document"].update(how="chip-verified")
    )
    assert told["values"] == {"what": "portraitSource"}, told


def test_an_unknown_agent_leaves_no_decision(page: Page) -> None:
    told = page.register(*GENUINE, alter=lambda given: given.update(agent="nobody"))
    assert (told["fault"], told["code"], told["step"]) == (
        "NoDecision",
        "gateway-refuses",
        "decide",
    )


def test_a_challenge_is_answered_and_the_transcript_is_signed(
    page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = Clock()
    required = LivenessPolicy(mode="required")
    with World(tmp_path_factory.mktemp("live"), clock=clock, liveness=required) as world:
        usual, page.world = page.world, world
        try:
            page.before_issuing = lambda: setattr(clock, "now", clock.now + 9)
            told = page.register(*GENUINE, alter=lambda given: given.update(exclusions=[SPARED]))
            assert told.get("outcome") == "MATCH", told
            stated = verify_receipt(bytes.fromhex(told["receipt"]), world.trust).statement.message
            assert stated.liveness.outcome == "passed"
            assert [one.to_map() for one in stated.liveness.excluded] == [SPARED | {"version": 1}]
            page.before_issuing = lambda: None  # as if no time had passed: the frames cannot be
            told = page.register(*GENUINE)
            assert (told["fault"], told["code"]) == ("NoDecision", "gateway-refuses")
        finally:
            page.world, page.before_issuing = usual, lambda: None
