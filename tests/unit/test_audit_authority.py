"""The authority demands audits by a coin, decides nothing without the report, and keeps count."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult, Evaluated
from gateway.wire.cose import SigningKey
from gateway.wire.errors import (
    MalformedMessage,
    SealmatchError,
    SessionNotFound,
    Unavailable,
)
from gateway.wire.evaluation import Decision, DecisionResponse, SharesRequest
from keys.audits import AuditLedger, AuditPolicy, coin
from keys.authority import decide
from keys.sessions import StepTaken
from tests.support.asking import any_shares, ask_attempt, ask_values, counted
from tests.support.parties import (
    AUDITOR,
    AUTHORITY,
    GATEWAY,
    OTHER_GATEWAY,
    Clock,
    InProcessAuthority,
    OpenSession,
    fixed_bytes,
    fixed_key,
    refused,
    session_key_request,
    stranger,
)

ALWAYS = AuditPolicy(one_in=1, seconds=60, unanswered=3)


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> InProcessAuthority:
    return InProcessAuthority(tmp_path, clock, audits=ALWAYS)


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The values of every decision that was worked out."""
    seen: list[Any] = []

    def spy(policy: Any, dealing: Any, values: Any, shares: Any) -> bool:
        seen.append(values)
        return decide(policy, dealing, values, shares)

    monkeypatch.setattr("keys.service.decide", spy)
    return seen


def honest_shares(
    authority: InProcessAuthority, cosine: float = 0.7, name: str = "session"
) -> tuple[OpenSession, SharesRequest]:
    request = session_key_request(session=fixed_bytes(name, 16))
    key = authority.service.open_session(request, GATEWAY.public)
    opened = OpenSession(authority, request, key, cosine=cosine)
    return opened, opened.shares(opened.answered())


def demanded(
    authority: InProcessAuthority, shares: SharesRequest
) -> tuple[bytes, cose.Signed[AuditDemand]]:
    """The authority's answer to shares, and the demand in it."""
    answer = authority.service.decide(shares, GATEWAY.public)
    response = DecisionResponse.decode(answer)
    assert response.decision is None
    assert response.demand is not None
    return answer, cose.verify(response.demand, AuditDemand, AUTHORITY.public)


def answered(authority: InProcessAuthority, name: str = "session") -> OpenSession:
    """A session whose product, which belongs to no key, was answered."""
    opened = authority.open(session=fixed_bytes(name, 16))
    ask_attempt(opened)
    ask_values(opened)
    return opened


def any_demand(authority: InProcessAuthority, name: str = "session") -> cose.Signed[AuditDemand]:
    """A demand for shares that belong to no evaluation."""
    return demanded(authority, any_shares(answered(authority, name)))[1]


def report(
    demand: cose.Signed[AuditDemand], signed_by: SigningKey = AUDITOR, **changes: Any
) -> AuditResult:
    """An honest report; ``changes`` replace its fields before it is signed."""
    given: dict[str, Any] = {
        "auditor": AUDITOR.party,
        "demand_digest": demand.digest,
        "evaluated_digest": demand.message.evaluated.digest,
        "assertions_verified": True,
    }
    signed = cose.sign(AuditReport(**(given | changes)), signed_by)
    return AuditResult(session=demand.message.evaluated.session, report=signed.encoded)


def conclude(authority: InProcessAuthority, result: AuditResult) -> DecisionResponse:
    return DecisionResponse.decode(authority.service.conclude(result, GATEWAY.public))


# --- the coin ------------------------------------------------------------------------------------


def test_the_coin_falls_once_in_n() -> None:
    """Over all that can be drawn, exactly once; what is drawn is uniform below n."""
    for n in (1, 2, 64, 1000):
        fell = [coin(n, lambda below, value=value: value) for value in range(n)]
        assert fell.count(True) == 1
        with pytest.raises(ZeroDivisionError):  # what is passed on is n itself
            coin(n, lambda below, n=n: 1 // (below - n))


def test_the_real_coin_is_fair() -> None:
    """100,000 draws of the system's randomness: within 6 standard deviations of one in 64."""
    fell = sum(coin(64) for _ in range(100_000))
    mean, deviation = 100_000 / 64, (100_000 / 64 * 63 / 64) ** 0.5
    assert abs(fell - mean) < 6 * deviation
    # And the next one cannot be told from the last: pairs are as frequent as independent ones.
    draws = [coin(2) for _ in range(100_000)]
    same = sum(a == b for a, b in itertools.pairwise(draws))
    assert abs(same - 50_000) < 6 * 25_000**0.5


def test_zero_means_never_and_draws_nothing() -> None:
    def never(_: int) -> int:
        raise AssertionError("the coin was tossed")

    assert coin(0, never) is False


def test_the_coin_is_tossed_for_shares_and_before_they_are_compared(
    authority: InProcessAuthority, comparisons: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway has committed itself; nothing of the outcome exists."""
    tossed: list[tuple[int, int]] = []

    def toss(one_in: int) -> bool:
        tossed.append((one_in, len(comparisons)))
        return False

    monkeypatch.setattr(authority.service, "_toss", toss)
    _, shares = honest_shares(authority)
    assert tossed == []
    answer = authority.service.decide(shares, GATEWAY.public)
    assert tossed == [(1, 0)]
    assert comparisons == [shares.values]
    assert DecisionResponse.decode(answer).decision is not None
    # A repeat gets the stored bytes and no second toss.
    assert authority.service.decide(shares, GATEWAY.public) == answer
    assert len(tossed) == 1


@pytest.mark.parametrize("cosine", [0.7, 0.1])
def test_the_toss_does_not_depend_on_the_outcome(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, cosine: float
) -> None:
    """The same coin, the same demand: whatever the shares would say."""
    half = InProcessAuthority(tmp_path, clock, audits=AuditPolicy(2, 60, 99))
    falls = iter([False, True, True, False])
    monkeypatch.setattr(half.service, "_toss", lambda _: next(falls))
    kinds = []
    for i in range(4):
        _, shares = honest_shares(half, cosine, f"toss-{i}")
        answer = half.service.decide(shares, GATEWAY.public)
        kinds.append(DecisionResponse.decode(answer).demand is not None)
    assert kinds == [False, True, True, False]


# --- the demand ----------------------------------------------------------------------------------


def test_a_demand_names_what_the_decision_will_say_and_no_outcome(
    authority: InProcessAuthority, clock: Clock, comparisons: list[Any]
) -> None:
    _, shares = honest_shares(authority)
    answer, demand = demanded(authority, shares)
    assert demand.message.expires_at == clock() + 60
    assert comparisons == [], "nothing is compared before the report is there"
    for outcome in (b"MATCH", b"outcome"):
        assert outcome not in answer
    signed = conclude(authority, report(demand)).decision
    assert signed is not None
    decision = cose.verify(signed, Decision, AUTHORITY.public).message
    assert decision.outcome == "MATCH"
    assert Evaluated.of(decision) == demand.message.evaluated
    assert comparisons == [shares.values]


def test_each_demand_has_a_nonce_of_its_own(authority: InProcessAuthority) -> None:
    assert any_demand(authority, "a").message.nonce != any_demand(authority, "b").message.nonce


def test_identical_repeats_get_identical_bytes(authority: InProcessAuthority) -> None:
    """Of every step, when it is over as well."""
    opened = authority.open()
    attempt = opened.attempt()
    nonce = authority.service.count(attempt, GATEWAY.public)
    product = opened.product(nonce)
    masked = authority.service.answer(product, GATEWAY.public)
    shares = opened.shares(masked)
    answer, demand = demanded(authority, shares)
    result = report(demand)
    first = authority.service.conclude(result, GATEWAY.public)
    service, sender = authority.service, GATEWAY.public
    assert service.conclude(result, sender) == first
    assert service.decide(shares, sender) == answer, "the demand, and not the decision"
    assert service.answer(product, sender) == masked
    assert service.count(attempt, sender) == nonce
    with refused("needs demanded"):
        conclude(authority, report(demand, assertions_verified=False))
    with refused("needs answered"):
        authority.service.decide(any_shares(opened), GATEWAY.public)


def test_other_shares_do_not_get_another_toss(
    authority: InProcessAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end the session: the report for the first ones comes to nothing."""
    opened, shares = honest_shares(authority)
    _, demand = demanded(authority, shares)
    monkeypatch.setattr(authority.service, "_toss", lambda _: 1 / 0)
    with refused("needs answered"):
        authority.service.decide(any_shares(opened), GATEWAY.public)
    with pytest.raises(Unavailable, match="open another"):
        conclude(authority, report(demand))


# --- the report ----------------------------------------------------------------------------------

BAD_REPORTS: dict[str, tuple[dict[str, Any], str]] = {
    "another demand": ({"demand_digest": fixed_bytes("x")}, "another demand"),
    "another evaluation": ({"evaluated_digest": fixed_bytes("x")}, "another evaluation"),
    "another's name": ({"auditor": "somebody"}, "auditor somebody is not enrolled"),
    "a gateway's name": ({"auditor": GATEWAY.party}, "is not enrolled"),
    "a stranger": ({"signed_by": stranger(AUDITOR.party)}, "not signed by"),
    "the gateway itself": ({"signed_by": GATEWAY}, "not signed by"),
    "the authority's key": ({"signed_by": AUTHORITY}, "not signed by"),
}


@pytest.mark.parametrize("name", BAD_REPORTS)
def test_without_a_valid_report_there_is_no_decision(
    authority: InProcessAuthority, comparisons: list[Any], name: str
) -> None:
    changes, detail = BAD_REPORTS[name]
    demand = any_demand(authority)
    with refused(detail):
        conclude(authority, report(demand, **changes))
    assert comparisons == []
    assert conclude(authority, report(demand)).decision is not None, "the true one still counts"


def test_a_report_of_another_session_does_not_count(authority: InProcessAuthority) -> None:
    one, other = any_demand(authority, "one"), any_demand(authority, "other")
    crossed = report(other).model_copy(update={"session": one.message.evaluated.session})
    with refused("another demand"):
        conclude(authority, crossed)


def test_what_is_no_report_is_malformed(authority: InProcessAuthority) -> None:
    demand = any_demand(authority)
    session = demand.message.evaluated.session
    for junk in (b"\xd2", demand.encoded, b"x" * 100):
        with pytest.raises(MalformedMessage):
            conclude(authority, AuditResult(session=session, report=junk))


def test_another_gateway_cannot_conclude(authority: InProcessAuthority) -> None:
    demand = any_demand(authority)
    with refused("another gateway's session"):
        authority.service.conclude(report(demand), OTHER_GATEWAY.public)


def test_a_report_before_any_demand_is_refused(authority: InProcessAuthority) -> None:
    opened = answered(authority)
    demand = any_demand(authority, "other")
    early = report(demand).model_copy(update={"session": opened.request.session})
    with refused("needs demanded"):
        conclude(authority, early)


def test_a_suspended_auditor_countersigns_nothing(authority: InProcessAuthority) -> None:
    demand = any_demand(authority)
    authority.trust.remove("auditor", AUDITOR.party)
    with refused("is not enrolled"):
        conclude(authority, report(demand))
    authority.trust.add("auditor", fixed_key(AUDITOR.party, "auditor/second"))
    with refused("not signed by"):
        conclude(authority, report(demand))


def test_past_its_time_shares_and_dealing_are_gone(
    authority: InProcessAuthority, clock: Clock, comparisons: list[Any]
) -> None:
    demand = any_demand(authority)
    held = authority.table.find(demand.message.evaluated.session)
    assert held is not None
    assert held.state is StepTaken.DEMANDED
    clock.now += 60
    with pytest.raises(SessionNotFound):
        conclude(authority, report(demand))
    assert comparisons == []
    assert (held.attempt, held.answered, held.demanded) == (None, None, None)


def test_an_audit_has_time_of_its_own(authority: InProcessAuthority, clock: Clock) -> None:
    """A device that submits in the last second cannot make its gateway miss a demand."""
    opened = answered(authority)
    clock.now += 299
    _, demand = demanded(authority, any_shares(opened))
    clock.now += 59
    assert conclude(authority, report(demand)).decision is not None


def test_withheld_outcomes_do_not_move_the_lock(authority: InProcessAuthority) -> None:
    """The attempt counts; whether it would have matched nobody knows."""
    _, shares = honest_shares(authority, cosine=0.1)
    _, demand = demanded(authority, shares)
    assert counted(authority) == [None]
    conclude(authority, report(demand))
    assert counted(authority) == [False]


# --- unanswered demands --------------------------------------------------------------------------


def test_after_a_few_unanswered_demands_a_gateway_gets_nothing(
    authority: InProcessAuthority, clock: Clock
) -> None:
    waiting = authority.open(session=fixed_bytes("waiting", 16))
    attempted = authority.open(session=fixed_bytes("attempted", 16))
    ask_attempt(attempted)
    asked = answered(authority, "asked")
    for i in range(3):
        authority.open(session=fixed_bytes(f"more-{i}", 16))  # still served
        any_demand(authority, f"abandoned-{i}")
    clock.now += 61
    detail = "too many audits unanswered"
    with refused(detail):
        authority.open(session=fixed_bytes("new", 16))
    with refused(detail):
        ask_attempt(waiting)
    with refused(detail):
        ask_values(attempted)
    with refused(detail):
        authority.service.decide(any_shares(asked), GATEWAY.public)
    assert len(counted(authority)) == 5, "the one that was refused is not counted"
    # Another gateway has not to suffer for it; the operator's word brings the first one back.
    request = session_key_request(gateway=OTHER_GATEWAY.party, session=fixed_bytes("its", 16))
    authority.service.open_session(request, OTHER_GATEWAY.public)
    assert authority.ledger.clear(OTHER_GATEWAY.party) == 0
    assert authority.ledger.clear(GATEWAY.party) == 3
    authority.open(session=fixed_bytes("new", 16))


def test_answered_demands_leave_nothing(authority: InProcessAuthority, clock: Clock) -> None:
    for i in range(5):
        conclude(authority, report(any_demand(authority, f"answered-{i}")))
    clock.now += 1000
    assert authority.ledger.unanswered() == {}
    authority.open()


def test_pending_demands_do_not_count_yet(authority: InProcessAuthority) -> None:
    demands = [any_demand(authority, f"pending-{i}") for i in range(5)]
    authority.open()
    for demand in demands:
        conclude(authority, report(demand))


def test_a_report_settles_its_own_demand_and_the_operator_only_overdue_ones(
    tmp_path: Path, clock: Clock
) -> None:
    with closing(AuditLedger(tmp_path / "audits.sqlite3", 3, clock)) as ledger:
        ledger.demand("gateway", clock() + 1)
        late = ledger.demand("gateway", clock() + 2)
        ledger.demand("gateway", clock() + 9)
        ledger.answered(late)
        clock.now += 2
        assert ledger.unanswered() == {"gateway": 1}, "the first one never came"
        assert ledger.clear("gateway") == 1
        assert ledger.unanswered() == {}
        clock.now += 7
        assert ledger.unanswered() == {"gateway": 1}, "it was still awaited, and so not cleared"


def test_the_count_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    for i in range(3):
        ledger = AuditLedger(tmp_path / "audits.sqlite3", 3, clock)
        ledger.demand("gateway", clock() + i)
        ledger.close()
    clock.now += 3
    ledger = AuditLedger(tmp_path / "audits.sqlite3", 3, clock)
    assert ledger.unanswered() == {"gateway": 3}
    with refused("unanswered"):
        ledger.require_answering("gateway")
    assert (tmp_path / "audits.sqlite3").stat().st_mode & 0o777 == 0o600


def test_storage_that_fails_gives_no_second_toss(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coin fell and the demand could not be noted: it stays fallen, for these shares."""
    half = InProcessAuthority(tmp_path, clock, audits=AuditPolicy(2, 60, 99))
    falls = iter([True, False, False])
    monkeypatch.setattr(half.service, "_toss", lambda _: next(falls))
    _, shares = honest_shares(half)

    def full_disk(*_: object) -> None:
        raise Unavailable("the ledger of audits cannot be written")

    with monkeypatch.context() as broken:
        broken.setattr(half.ledger, "demand", full_disk)
        with pytest.raises(Unavailable):
            half.service.decide(shares, GATEWAY.public)
    _, demand = demanded(half, shares)
    assert demand.message.evaluated.session == shares.session
    clock.now += 60
    assert half.ledger.unanswered() == {GATEWAY.party: 1}
    assert next(falls) is False, "one toss, however often it was asked for"


def test_storage_that_fails_does_not_let_other_shares_in(
    authority: InProcessAuthority, comparisons: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway may guess from the fault how the coin fell; it must not change its mind then."""
    opened, shares = honest_shares(authority)

    def full_disk(*_: object) -> None:
        raise Unavailable("the ledger of audits cannot be written")

    with monkeypatch.context() as broken:
        broken.setattr(authority.ledger, "demand", full_disk)
        with pytest.raises(Unavailable):
            authority.service.decide(shares, GATEWAY.public)
    with refused("tossed for other shares"):
        authority.service.decide(any_shares(opened), GATEWAY.public)
    for late in (shares, any_shares(opened)):
        with pytest.raises(Unavailable, match="open another"):
            authority.service.decide(late, GATEWAY.public)
    assert comparisons == []


@pytest.mark.parametrize("when", ["demand", "report"])
def test_storage_that_fails_lets_no_decision_out(
    authority: InProcessAuthority, comparisons: list[Any], when: str
) -> None:
    _, shares = honest_shares(authority)
    if when == "demand":
        authority.ledger.close()
        with pytest.raises(Unavailable):
            authority.service.decide(shares, GATEWAY.public)
    else:
        _, demand = demanded(authority, shares)
        authority.ledger.close()
        with pytest.raises(Unavailable):
            conclude(authority, report(demand))
    assert comparisons == []


def test_a_ledger_that_cannot_be_opened(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "audits.sqlite3"
    path.write_bytes(b"not a database, and longer than a header" * 100)
    with pytest.raises(Unavailable):
        AuditLedger(path, 3, clock)


def test_only_gateway_and_time_are_stored(authority: InProcessAuthority, tmp_path: Path) -> None:
    demand = any_demand(authority)
    with sqlite3.connect(tmp_path / "audits.sqlite3") as connection:
        rows = connection.execute("SELECT * FROM demands").fetchall()
    connection.close()
    assert rows == [(1, GATEWAY.party, demand.message.expires_at)]


def test_two_reports_at_once_make_one_decision(authority: InProcessAuthority) -> None:
    import threading

    demand = any_demand(authority)
    results: list[Any] = []

    def run(verified: bool) -> None:
        try:
            results.append(conclude(authority, report(demand, assertions_verified=verified)))
        except SealmatchError as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decided = {r.decision for r in results if isinstance(r, DecisionResponse)}
    assert len(decided) == 1
