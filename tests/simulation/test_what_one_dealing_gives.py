"""One dealing gives one bit: each repetition that is refused, beside what it would give.

Two values under one r tell their difference; each further pair of shares, and each further answer
that a gateway opens, is one more bit of the score (protocol, sections 6 and 9). An attacker here
runs one server, and the other is the product's. The control is the same attack against a server
whose guard is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation
from gateway.he.frame import probe_signs, template_values
from gateway.he.interval import accepts, share
from gateway.store import schema
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditSecret
from gateway.wire.dealing import AUTHORITY, Dealing
from gateway.wire.dealing import GATEWAY as GATEWAY_PART
from gateway.wire.errors import CallerMisuse, Refused, SealmatchError, Unavailable
from gateway.wire.evaluation import (
    DecisionResponse,
    MaskedValues,
    SharesRequest,
    evaluation_digest,
)
from gateway.wire.ids import Digest, Nonce, digest_of
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import LANES, T
from gateway.wire.sealing import SealingPrivateKey
from keys.audits import AuditPolicy
from keys.authority import SessionSecret
from keys.caps import AttemptCaps
from keys.service import AuthorityService
from keys.sessions import KeySession
from tests.support.asking import counted, decision_of, nonce_of
from tests.support.drafts import ciphertexts, draft
from tests.support.parties import (
    AUTHORITY as AUTHORITY_KEY,
)
from tests.support.parties import (
    GATEWAY,
    NO_AUDITS,
    Clock,
    InProcessAuthority,
    OpenSession,
    fixed_dealings,
    refused,
    unit_vectors,
)
from tests.support.samples import ATTEMPTS, PRODUCTS, SHARES, pair
from tests.support.world import World

ALWAYS = AuditPolicy(one_in=1, seconds=60, unanswered=3)
REACH = 6500
"""Scores lie between -REACH and REACH: KAPPA times the cosine."""
MOST = 15
"""Bits that tell one of all scores, by windows no wider than a policy's."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> InProcessAuthority:
    return InProcessAuthority(tmp_path, clock)


Bit = Callable[[int], bool]
"""Whether the score lies in the policy's window, moved by so much."""


def search(rule: LanePolicy, bit: Bit) -> tuple[int, int]:
    """The exact score by bisection, and how many bits it took.

    ``bit(d)``: whether score + d lies in the window.
    """
    low, high, asked = -REACH, REACH, 0
    while low < high:
        half = min((high - low + 1) // 2, rule.width)
        asked += 1
        if bit(rule.hi - (low + half - 1)):  # the window covers [low + half - W, low + half)
            high = low + half - 1
        else:
            low += half
    return low, asked


def score_of(cosine: float) -> int:
    """v of the vectors that ``OpenSession`` evaluates, in plain integers."""
    portrait, live = unit_vectors(cosine)
    return int(probe_signs(live) @ template_values(portrait))


# --- a second answer to the gateway --------------------------------------------------------------


def opened_evaluation(opened: OpenSession) -> tuple[Evaluation, tuple[int, int]]:
    """The gateway's evaluation after the product, and what an honest authority answers."""
    return opened.evaluation, MaskedValues.decode(opened.answered()).masked


def test_an_evaluation_opens_one_answer(authority: InProcessAuthority) -> None:
    """Whatever the second one is, and after the evaluation was closed as well."""
    evaluation, masked = opened_evaluation(authority.open())
    with pytest.raises(CallerMisuse):
        evaluation.padded_product(Nonce(bytes(32)))
    evaluation.open(masked)
    for again in (masked, (masked[0], (masked[1] + 1) % T), (0, 0)):
        with pytest.raises(CallerMisuse):
            evaluation.open(again)
    evaluation.close()
    with pytest.raises(CallerMisuse):
        evaluation.open(masked)


def test_an_evaluation_opens_nothing_before_its_product(authority: InProcessAuthority) -> None:
    with pytest.raises(CallerMisuse):
        authority.open().evaluation.open((1, 2))


def test_without_the_rule_an_authority_finds_the_score_in_15_answers(
    authority: InProcessAuthority,
) -> None:
    """The control: a gateway that opens each answer, and an authority that moves m'."""
    opened = authority.open()
    evaluation, masked = opened_evaluation(opened)
    rule, own = opened.policy.lanes[0], opened.dealings[1].lanes[0]

    def bit(shift: int) -> bool:
        evaluation._answered = False
        answer = evaluation.open(((masked[0] + shift) % T, masked[1]))
        m = answer.values[0]
        return accepts(rule, m, (answer.shares[0], share(AUTHORITY, own, rule, m)))

    found, asked = search(rule, bit)
    assert found == score_of(0.7)
    assert asked <= MOST


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    with World(tmp_path) as world:
        yield world


class LyingAuthority:
    """Answers each request for masked values otherwise than before, and fails where it wants."""

    def __init__(self, failing: dict[str, int], truncating: str = "", replacing: str = "") -> None:
        """``failing``: how many answers on a path are lost; the others: what the rest becomes."""
        self._left = dict(failing)
        self._truncating, self._replacing = truncating, replacing
        self._values = 0

    def __call__(self, path: str, answer: bytes) -> bytes:
        if path == PRODUCTS:
            self._values += 1
            answer = self.moved(answer)
        if self._left.get(path, 0) > 0:
            self._left[path] -= 1
            raise httpx.ReadError("no answer")
        if path == self._truncating:
            return answer[:-1]
        if path == self._replacing:
            return MaskedValues(session=bytes(16), masked=(1, 2)).encode()
        return answer

    def moved(self, answer: bytes) -> bytes:
        message = MaskedValues.decode(answer)
        first, second = ((value + self._values) % T for value in message.masked)
        return message.model_copy(update={"masked": (first, second)}).encode()


LIES: dict[str, Callable[[], LyingAuthority]] = {
    "no answer to the product, then others": lambda: LyingAuthority({PRODUCTS: 2}),
    "no answer to the product at all": lambda: LyingAuthority({PRODUCTS: 99}),
    "a truncated answer to the product": lambda: LyingAuthority({}, truncating=PRODUCTS),
    "no answer to the shares, then one": lambda: LyingAuthority({SHARES: 2}),
    "no answer to the shares at all": lambda: LyingAuthority({SHARES: 99}),
    "a truncated answer to the shares": lambda: LyingAuthority({}, truncating=SHARES),
    "masked values once more instead of a decision": lambda: LyingAuthority({}, replacing=SHARES),
    "no nonce, then one": lambda: LyingAuthority({ATTEMPTS: 2}),
}


@pytest.mark.parametrize("name", LIES)
def test_one_pair_of_shares_ever_leaves_a_gateway(world: World, name: str) -> None:
    """Whatever the authority answers, and though the device submits again, and again afterwards."""
    opened = world.open()
    submission = draft(world.counter, opened, *ciphertexts(opened, *pair(0.7)), world.clock())
    world.alter = LIES[name]()
    for _ in range(3):
        with pytest.raises(SealmatchError):  # m' was moved: at best this side finds it out
            world.submit(opened, submission)
    for path in (ATTEMPTS, PRODUCTS, SHARES):
        assert len({body for asked, body in world.asked if asked == path}) <= 1
    assert world.rows("records") == []


def test_a_gateway_that_forgets_sends_a_second_pair(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: its store has lost the state, and the authority plays along."""
    monkeypatch.setattr(KeySession, "require", lambda *_: None)
    monkeypatch.setattr(KeySession, "close", lambda _: None)
    monkeypatch.setattr(KeySession, "slim", lambda _: None)
    monkeypatch.setattr(SessionSecret, "destroy", lambda _: None)
    opened = world.open()
    submission = draft(world.counter, opened, *ciphertexts(opened, *pair(0.7)), world.clock())
    held = world.sessions.find(opened.session, world.counter.device.party)
    assert held is not None
    world.alter = LyingAuthority({SHARES: 99})
    for _ in range(2):
        with pytest.raises((Refused, Unavailable)):
            world.submit(opened, submission)
        with world.sessions.opening() as keep:
            keep(held[0])
        sessions = schema.metadata.tables["sessions"]
        with world.database.transaction() as connection:
            connection.execute(sessions.delete())
    sent = {body for path, body in world.asked if path == SHARES}
    assert len({SharesRequest.decode(body).values for body in sent}) == 2


# --- a second pair of shares to the authority ----------------------------------------------------


def shifted(opened: OpenSession, answer: bytes, shift: int) -> SharesRequest:
    """What a gateway sends that wants to know whether the score plus ``shift`` is accepted."""
    evaluation, policy = opened.evaluation, opened.policy
    evaluation._answered = False
    honest = evaluation.open(MaskedValues.decode(answer).masked)
    lane, m = opened.dealings[0].lanes[0], (honest.values[0] + shift) % T
    return SharesRequest(
        session=opened.request.session,
        values=(m, honest.values[1]),
        shares=(share(GATEWAY_PART, lane, policy.lanes[0], m), honest.shares[1]),
    )


@pytest.mark.parametrize("audits", [NO_AUDITS, ALWAYS], ids=["decided", "demanded"])
def test_an_authority_compares_one_pair(tmp_path: Path, clock: Clock, audits: AuditPolicy) -> None:
    """Also while an audit of the first pair is demanded: that one then comes to nothing."""
    authority = InProcessAuthority(tmp_path, clock, audits=audits)
    opened = authority.open()
    answer = opened.answered()
    authority.service.decide(shifted(opened, answer, 0), GATEWAY.public)
    for shift in (1, 100, 0x1000):
        with pytest.raises((Refused, Unavailable)):
            authority.service.decide(shifted(opened, answer, shift), GATEWAY.public)
    assert counted(authority) == [True if audits is NO_AUDITS else None]


def test_without_the_rule_a_gateway_finds_the_score_in_15_pairs(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the other lane matches anyway, so the decision is this lane's bit."""
    monkeypatch.setattr(KeySession, "require", lambda *_: None)
    monkeypatch.setattr(KeySession, "close", lambda _: None)
    monkeypatch.setattr(KeySession, "slim", lambda _: None)
    monkeypatch.setattr(KeySession, "stored_answer", lambda *_: None)
    monkeypatch.setattr(AuthorityService, "_fell", lambda *_: False)
    monkeypatch.setattr(AttemptCaps, "conclude", lambda *_, **__: None)
    opened = authority.open()
    answer = opened.answered()

    def bit(shift: int) -> bool:
        given = authority.service.decide(shifted(opened, answer, shift), GATEWAY.public)
        return decision_of(DecisionResponse.decode(given)).outcome == "MATCH"

    found, asked = search(opened.policy.lanes[0], bit)
    assert found == score_of(0.7)
    assert asked <= MOST


# --- dealings of somebody else's -----------------------------------------------------------------


def test_a_dealing_of_the_gateways_own_is_refused(authority: InProcessAuthority) -> None:
    """Sealed to the authority for this very session and key, and well-formed."""
    opened = authority.open()
    own = fixed_dealings("the gateway's own")[1]
    with refused("asserted"):
        authority.service.count(
            opened.attempt(sealed_dealing=opened.sealed_dealing(own)), GATEWAY.public
        )
    assert counted(authority) == []


def test_without_the_digest_a_gateways_own_dealing_tells_the_score(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with an r_1 that it knows, m' is the score."""
    opened = authority.open()
    own = fixed_dealings("the gateway's own")[1]
    monkeypatch.setattr(AuthorityService, "_open_dealing", lambda *_: own)
    masked = MaskedValues.decode(opened.answered()).masked
    assert opened.evaluation._score is not None
    found = [
        (m - offset - lane.share) % T
        for m, offset, lane in zip(masked, opened.evaluation._score.offsets, own.lanes, strict=True)
    ]
    assert found == [score_of(0.7)] * LANES


def right_bits(swapped: tuple[int, ...], dealings: int = 200) -> int:
    """Lane bits that come out right when these sides take their lanes in the wrong order."""
    rule, right = LanePolicy.for_cosine("0.419"), 0
    for number in range(dealings):
        sides = [
            d.lanes[::-1] if i in swapped else d.lanes
            for i, d in enumerate(fixed_dealings(f"lanes {number}"))
        ]
        for ours, theirs, v in zip(*sides, (rule.hi + number, rule.lo + number), strict=True):
            m = (v + ours.share + theirs.share) % T
            shares = share(GATEWAY_PART, ours, rule, m), share(AUTHORITY, theirs, rule, m)
            right += accepts(rule, m, shares) == rule.accepts(v)
    return right


def test_lanes_of_a_dealing_belong_together() -> None:
    """Swapped on both sides nothing changes; on one side each bit is a coin, of 400 (SD 10)."""
    assert right_bits(()) == right_bits((0, 1)) == 400
    for side in (0, 1):
        assert 130 < right_bits((side,)) < 270


# --- what digests tell ---------------------------------------------------------------------------


@pytest.fixture
def demanded(tmp_path: Path, clock: Clock) -> tuple[OpenSession, dict[str, Any], AuditDemand]:
    """An audited session: what was sent and answered in it, and what the authority signed."""
    authority = InProcessAuthority(tmp_path, clock, audits=ALWAYS)
    opened = authority.open()
    nonce = opened.counted()
    product = opened.product(nonce)
    answer = authority.service.answer(product, GATEWAY.public)
    shares = opened.shares(answer)
    response = DecisionResponse.decode(authority.service.decide(shares, GATEWAY.public))
    assert response.demand is not None
    signed = cose.verify(response.demand, AuditDemand, AUTHORITY_KEY.public)
    said = {
        "nonce": nonce_of(nonce).nonce,
        "product": digest_of(product.padded_product),
        "omega": product.omega,
        "masked": MaskedValues.decode(answer).masked,
        "values": shares.values,
        "shares": shares.shares,
    }
    return opened, said, signed.message


TOY_BITS = 12
"""Of one value that the toy enumerates; the rest of it, and all else, is given away."""


def enumerated(said: dict[str, Any], what: str, wanted: Digest) -> list[int]:
    """The low bits of a lane's value for which the evaluation's digest is the signed one."""
    value = said[what][0]
    start = value - value % 2**TOY_BITS
    return [
        low
        for low in range(2**TOY_BITS)
        if evaluation_digest(*(said | {what: (start + low, said[what][1])}).values()) == wanted
    ]


@pytest.mark.parametrize("what", ["masked", "values"])
@pytest.mark.parametrize("unknown", ["nonce", "product"])
def test_no_digest_tells_a_value_to_whoever_lacks_nonce_or_product(
    demanded: tuple[OpenSession, dict[str, Any], AuditDemand], unknown: str, what: str
) -> None:
    """With everything else given away, shares included; guesses are what a reader might try."""
    opened, said, demand = demanded
    evaluated = demand.evaluated
    public = [bytes(32), evaluated.seed_commitment, evaluated.key_id, evaluated.probe_digest,
              opened.request.client_nonce, opened.request.gateway_nonce]  # fmt: skip
    assert said[unknown] not in public
    for guess in public:
        assert not enumerated(said | {unknown: guess}, what, evaluated.evaluation_digest)
    # The control: who holds both, as the servers do, finds it in 2^12 steps of this toy.
    found = enumerated(said, what, evaluated.evaluation_digest)
    assert found == [said[what][0] % 2**TOY_BITS]


def test_nonce_and_product_are_in_nothing_that_is_signed_for_others(
    demanded: tuple[OpenSession, dict[str, Any], AuditDemand],
) -> None:
    """Demand, and so decision, statement and receipt, which repeat its fields."""
    opened, said, demand = demanded
    grant = opened.key.grant.encoded
    for name in ("nonce", "product"):
        assert said[name] not in demand.encode()
        assert said[name] not in grant


def test_a_digest_of_the_value_alone_would_be_found(
    demanded: tuple[OpenSession, dict[str, Any], AuditDemand],
) -> None:
    """The control: version 1 signed such digests."""
    _, said, _ = demanded
    session = bytes(16)
    wanted = MaskedValues(session=session, masked=said["values"]).digest
    start = said["values"][0] - said["values"][0] % 2**TOY_BITS
    found = [
        low
        for low in range(2**TOY_BITS)
        if MaskedValues(session=session, masked=(start + low, said["values"][1])).digest == wanted
    ]
    assert found == [said["values"][0] % 2**TOY_BITS]


# --- the auditor ---------------------------------------------------------------------------------


def test_an_auditor_repeats_everything_and_lacks_the_other_half_of_r(
    demanded: tuple[OpenSession, dict[str, Any], AuditDemand],
) -> None:
    """From all that it is handed: the very m, and v + r_1. With r_1, which it never is, v."""
    opened, said, demand = demanded
    sealing = SealingPrivateKey.generate()
    digest = digest_of(demand.encode())
    parts = AuditSecret.split(
        sealing.open_for_audit(opened.evaluation.sealed_for_audit(sealing.public, digest), digest)
    )
    mine = Dealing.decode(parts.dealing, GATEWAY_PART)
    given = opened.evaluation._inputs
    handed = replace(
        given,
        template=Ciphertext.decode(parts.template),
        probe=Ciphertext.decode(parts.probe),
        dealing=mine,
    )
    again = Evaluation(default_engine(), handed, parts.seed)
    product, omega = again.padded_product(said["nonce"])
    assert (product.digest, omega) == (said["product"], said["omega"])
    repeated = again.open(said["masked"])
    assert (repeated.values, repeated.shares) == (said["values"], said["shares"])
    halves = [(m - lane.share) % T for m, lane in zip(repeated.values, mine.lanes, strict=True)]
    scores = [score_of(0.7)] * LANES
    theirs = [lane.share for lane in opened.dealings[1].lanes]
    assert halves == [(v + r) % T for v, r in zip(scores, theirs, strict=True)]
    # Nothing that it was handed holds r_1, and any score is as good as any other without it.
    for r in theirs:
        assert r.to_bytes(4, "little") not in parts.dealing
    assert [(h - r) % T for h, r in zip(halves, theirs, strict=True)] == scores


def test_the_half_that_an_auditor_lacks_is_uniform_and_dealt_anew() -> None:
    """v + r_1 of one and the same score, over 400 dealings: as good as drawn at random."""
    dealt = [fixed_dealings(f"auditor {i}") for i in range(400)]
    halves = np.array([[lane.share for lane in theirs.lanes] for _, theirs in dealt])
    seen = (halves + score_of(0.7)) % T
    counts = np.bincount((seen * 8 // T).ravel(), minlength=8)
    assert abs(counts - 100).max() < 60  # 100 +- 9.4
    assert len(set(seen.ravel().tolist())) > 790
