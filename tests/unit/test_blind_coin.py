"""The audit coin is blind: drawn before anything is compared, and independent of what comes out.

A coin that looked would let an authority audit those whom it wants turned away, or spare a gateway
that it helps. Hundreds of sessions that wait for their shares, half of them matching, are put
before the real service; shares, comparison, signatures and ledgers are real. The control is a coin
that looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.he import dcf
from gateway.he.interval import share
from gateway.wire.dealing import GATEWAY as GATEWAY_PART
from gateway.wire.evaluation import DecisionResponse, SharesRequest
from gateway.wire.profile import T
from keys.audits import AuditPolicy, coin
from keys.authority import decide
from keys.caps import AttemptCaps
from keys.service import AuthorityService
from keys.sessions import KeySession, StepTaken
from tests.support.asking import ask_attempt, ask_values, decision_of
from tests.support.parties import (
    GATEWAY,
    Clock,
    InProcessAuthority,
    fixed_bytes,
    fixed_dealings,
)

HALF = AuditPolicy(one_in=2, seconds=60, unanswered=10**6)
SESSIONS = 400
APART = 65
"""Demands among 200 matching sessions and 200 others differ by more once in 10^10 runs (SD 10)."""


@pytest.fixture
def half(tmp_path: Path, clock: Clock) -> InProcessAuthority:
    return InProcessAuthority(tmp_path, clock, audits=HALF)


@pytest.fixture
def waiting(half: InProcessAuthority) -> KeySession:
    """A session whose product was answered."""
    opened = half.open()
    ask_attempt(opened)
    ask_values(opened)
    found = half.table.find(opened.request.session)
    assert found is not None
    return found


def shares_for(
    half: InProcessAuthority, waiting: KeySession, number: int, matching: bool
) -> SharesRequest:
    """Another session that waits, with a dealing of its own, and its gateway's honest shares."""
    session = fixed_bytes(f"coin {number}", 16)
    assert waiting.grant is not None
    assert waiting.secret is not None
    grant = waiting.grant.model_copy(update={"session": session})
    ours, theirs = fixed_dealings(f"coin {number % 25}")
    assert waiting.attempt is not None
    attempt = replace(waiting.attempt, dealing=theirs)
    added = KeySession.granted(grant, waiting.secret, waiting.opened_by, b"")
    added.state, added.counted = StepTaken.ANSWERED, waiting.counted
    added.attempt, added.answered = attempt, waiting.answered
    half.table.add(session, added)
    values, bits = [], []
    for rule, mine, other in zip(attempt.policy.lanes, ours.lanes, theirs.lanes, strict=True):
        v = rule.lo + 7 if matching else rule.lo - 7
        values.append((v + mine.share + other.share) % T)
        bits.append(share(GATEWAY_PART, mine, rule, values[-1]))
    return SharesRequest(session=session, values=(values[0], values[1]), shares=(bits[0], bits[1]))


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions share one, whose outcome is noted once."""
    monkeypatch.setattr(AttemptCaps, "conclude", lambda *_, **__: None)


def demands(half: InProcessAuthority, waiting: KeySession) -> dict[bool, int]:
    """How many audits were demanded of matching sessions, and of others."""
    half.table._limit = SESSIONS + 1
    found = {True: 0, False: 0}
    for number in range(SESSIONS):
        matching = number % 2 == 0
        request = shares_for(half, waiting, number, matching)
        response = DecisionResponse.decode(half.service.decide(request, GATEWAY.public))
        if response.demand is not None:
            found[matching] += 1
        else:
            assert (decision_of(response).outcome == "MATCH") is matching
    return found


@pytest.mark.slow
def test_demands_do_not_depend_on_the_outcome(
    half: InProcessAuthority, waiting: KeySession
) -> None:
    found = demands(half, waiting)
    assert half.service._toss is coin
    assert abs(found[True] - found[False]) < APART
    assert abs(found[True] + found[False] - SESSIONS // 2) < APART


@pytest.mark.slow
def test_a_coin_that_looks_is_found(
    half: InProcessAuthority, waiting: KeySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it falls three times out of four for mismatches, once for matches."""
    tossed: Iterator[int] = iter(range(10**6))

    def looking(self: AuthorityService, session: KeySession, request: Any) -> bool:
        seen = asked[-1]
        assert session.attempt is not None
        matched = decide(session.attempt.policy, session.attempt.dealing, seen.values, seen.shares)
        return next(tossed) // 2 % 4 < (1 if matched else 3)

    asked: list[SharesRequest] = []
    honest = AuthorityService.decide

    def watched(self: AuthorityService, message: SharesRequest, sender: Any) -> bytes:
        asked.append(message)
        return honest(self, message, sender)

    monkeypatch.setattr(AuthorityService, "decide", watched)
    monkeypatch.setattr(AuthorityService, "_fell", looking)
    found = demands(half, waiting)
    assert abs(found[True] - found[False]) > APART
    assert abs(found[True] + found[False] - SESSIONS // 2) < APART  # so the sum alone shows nothing


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("falls", [True, False])
def test_nothing_is_compared_before_the_coin_lies(
    half: InProcessAuthority,
    waiting: KeySession,
    monkeypatch: pytest.MonkeyPatch,
    falls: bool,
    matching: bool,
) -> None:
    """Not one evaluation of a comparison key; and none at all where an audit is demanded."""
    events: list[str] = []

    def toss(one_in: int) -> bool:
        events.append(f"coin of {one_in}")
        return falls

    def watched(party: int, key: bytes, x: int, bits: int = 27) -> int:
        events.append("comparison")
        return honest(party, key, x, bits)

    honest = dcf.evaluate
    half.service._toss = toss
    request = shares_for(half, waiting, 0, matching)
    monkeypatch.setattr(dcf, "evaluate", watched)
    half.service.decide(request, GATEWAY.public)
    comparisons = [] if falls else ["comparison"] * 4  # two lanes, two values each
    assert events == ["coin of 2", *comparisons]
