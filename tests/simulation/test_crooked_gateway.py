"""A gateway that evaluates something else than it says, before an authority that audits it.

Each crook departs in one thing, in a world whose authority demands an audit of every evaluation. No
decision comes out, nothing is on record, and what it leaves unanswered is counted. Without audits
the same crooks get their way: that is what the audit is for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.client import gateway_client
from gateway.he import interval
from gateway.he.evaluation import Evaluation, Inputs
from gateway.lab import intervals
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.audit import AuditRequest
from gateway.wire.errors import Refused, SealmatchError, Unavailable
from gateway.wire.ids import digest_of
from gateway.wire.profile import T
from keys.audits import AuditPolicy
from keys.authority import decide
from tests.support.crooks import (
    DICTATING,
    GENUINE,
    IMPOSTOR,
    SPOILING,
    WEAKENING,
    Crook,
    FlippedShare,
    crooked,
)
from tests.support.he import default_policy
from tests.support.parties import fixed_dealings
from tests.support.samples import AUDITS, SHARES, Clock
from tests.support.world import ALL_AUDITED, NO_AUDITS, World

CHEATS = DICTATING | SPOILING | WEAKENING


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that is refused asks once more, and waits before that."""
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


@pytest.mark.parametrize("name", CHEATS)
def test_caught_in_every_audited_session(tmp_path: Path, name: str) -> None:
    cheat = CHEATS[name]
    clock = Clock()
    with crooked(tmp_path, cheat.crook, cheat.tell, audits=ALL_AUDITED, clock=clock) as world:
        for template, probe in (IMPOSTOR, GENUINE):
            with pytest.raises(SealmatchError):
                world.register(template, probe)
        assert len(world.audit_faults) == 2
        assert all(cheat.fault in fault for fault in world.audit_faults), world.audit_faults
        assert world.rows("records") == []
        assert world.counters() == {"FAILED": 2}
        assert AUDITS not in [path for path, _ in world.asked], "it has nothing to show"
        clock.now += 61
        assert world.ledger.unanswered() == {"gateway": 2}
        # The third time the authority has had enough.
        with pytest.raises(SealmatchError):
            world.register(*IMPOSTOR)
        clock.now += 61
        before = len(world.asked)
        with pytest.raises(SealmatchError):
            world.register(*IMPOSTOR)
        # The counter asks once more after a refusal. The authority gives no key either time.
        assert [path for path, _ in world.asked[before:]] == 2 * ["/v1/session-keys"]


@pytest.mark.parametrize("name", DICTATING)
def test_without_an_audit_the_same_cheat_succeeds(tmp_path: Path, name: str) -> None:
    """The positive control: an impostor gets a match, with a receipt that verifies."""
    with crooked(tmp_path, DICTATING[name].crook, audits=NO_AUDITS) as world:
        result = world.register(*IMPOSTOR)
        assert result.outcome == "MATCH"
        assert not result.verified.audited


@pytest.mark.parametrize("name", SPOILING | WEAKENING)
def test_without_an_audit_the_others_go_unnoticed(tmp_path: Path, name: str) -> None:
    """The positive control: decisions come, with receipts that verify."""
    with crooked(tmp_path, CHEATS[name].crook, audits=NO_AUDITS) as world:
        results = [world.register(*who) for who in (GENUINE, IMPOSTOR)]
        assert not any(result.verified.audited for result in results)
        if name in WEAKENING:
            assert [result.outcome for result in results] == ["MATCH", "NO_MATCH"]


@pytest.mark.parametrize(("who", "outcome"), [(GENUINE, "MATCH"), (IMPOSTOR, "NO_MATCH")])
def test_an_honest_gateway_passes(tmp_path: Path, who: Any, outcome: str) -> None:
    with World(tmp_path, audits=ALL_AUDITED) as world:
        result = world.register(*who)
        assert result.outcome == outcome
        assert result.verified.audited
        assert world.audit_faults == []
        assert world.ledger.unanswered() == {}
        (record,) = world.rows("records")
        assert record.outcome == outcome


def test_without_an_auditor_audited_sessions_fail_closed_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody looks refused: it is the operator's fault, and the operator is told."""
    with World(tmp_path, audits=ALL_AUDITED, auditor=False) as world:
        with pytest.raises(SealmatchError) as caught:
            world.register(*GENUINE)
        assert not isinstance(caught.value, Refused)
        assert "no auditor is set: see auditor_url" in caplog.text
        assert world.rows("records") == []
        assert world.audited == []


def test_an_auditor_that_the_authority_does_not_know_fails_closed(tmp_path: Path) -> None:
    with World(tmp_path, audits=ALL_AUDITED) as world:
        world.authority_trust.remove("auditor", "auditor")
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert world.rows("records") == []


def test_a_gateway_that_abandons_audited_sessions_is_stopped(tmp_path: Path) -> None:
    """Cheating in every session and abandoning those that are audited: at one in 4, by the coin.

    The coin is set: of the first 12 evaluations the 4th, 8th and 12th are audited.
    """
    clock = Clock()
    audits = AuditPolicy(one_in=4, seconds=60, unanswered=3)
    with crooked(tmp_path, FlippedShare, audits=audits, clock=clock, auditor=False) as world:
        tossed = iter(range(1, 100))
        world.authority_service._toss = lambda n: next(tossed) % n == 0
        outcomes = []
        for _ in range(16):
            try:
                outcomes.append(world.register(*IMPOSTOR).outcome)
            except SealmatchError:
                outcomes.append("none")
            clock.now += 61
        assert outcomes == ["MATCH", "MATCH", "MATCH", "none"] * 3 + ["none"] * 4
        assert world.ledger.unanswered() == {"gateway": 3}
        world.ledger.clear("gateway")
        assert world.register(*IMPOSTOR).outcome == "MATCH", "the operator let it in again"


# --- any message at all: one bit per session -----------------------------------------------------


def test_any_values_and_shares_get_one_bit_of_the_gateways_choosing() -> None:
    """The outcome follows from whether m - r lies in the interval, per lane, and from the flips.

    2,000 dealings; m near every edge and anywhere. Nothing else of the dealing is in the answer.
    """
    rng = np.random.default_rng(21)
    outcomes = []
    policy = default_policy()
    for number in range(2_000):
        ours, theirs = fixed_dealings(f"any message {number}")
        flips = rng.integers(0, 2, 2).tolist()
        values, shares, wanted = [], [], []
        for own, other, rule, flip in zip(
            ours.lanes, theirs.lanes, policy.lanes, flips, strict=True
        ):
            r = own.share + other.share
            edge = int(rng.choice([rule.lo, rule.hi, 0, int(rng.integers(0, T))]))
            m = (r + edge + int(rng.integers(-2, 3))) % T
            values.append(m)
            shares.append(interval.share(0, own, rule, m) ^ flip)
            wanted.append(rule.accepts(m - r) != bool(flip))
        given = (values[0], values[1]), (shares[0], shares[1])
        assert decide(policy, theirs, *given) == all(wanted)
        outcomes.append(all(wanted))
    asked = intervals.share(sum(outcomes), len(outcomes))
    assert 0.1 < asked.low < asked.high < 0.5, "both answers come"


def test_what_the_authority_answers_is_uniform_without_its_half_of_r() -> None:
    """Of one score in 2,000 sessions; with a half of zero it is the score."""
    answered = np.array(
        [(3_000 + fixed_dealings(f"half {n}")[1].lanes[0].share) % T for n in range(2_000)]
    )
    counts = np.bincount(answered * 16 // T, minlength=16)
    statistic = ((counts - 125) ** 2 / 125).sum()
    assert statistic < 60  # 15 degrees of freedom; the dealings are fixed
    assert len(set(answered.tolist())) > 1_990


# --- a dishonest authority, a dishonest auditor --------------------------------------------------


def demand_with(world: World, **changes: Any) -> None:
    """Let the authority demand an audit of something else than the gateway did."""
    from gateway.wire import cose
    from gateway.wire.audit import AuditDemand
    from gateway.wire.evaluation import DecisionResponse

    key = changes.pop("key", world.authority_key)

    def alter(path: str, answer: bytes) -> bytes:
        if path != SHARES:
            return answer
        demand = cose.peek(DecisionResponse.decode(answer).demand or b"", AuditDemand)
        evaluated = demand.evaluated.model_copy(update=changes)
        signed = cose.sign(demand.model_copy(update={"evaluated": evaluated}), key)
        return DecisionResponse(decision=None, demand=signed.encoded).encode()

    world.alter = alter


@pytest.mark.parametrize(
    "name", ["session", "template_digest", "evaluation_digest", "policy_digest"]
)
def test_nothing_is_handed_over_for_another_evaluation(tmp_path: Path, name: str) -> None:
    """Seed and template of one session are not to be had by a demand about another."""
    with World(tmp_path, audits=ALL_AUDITED) as world:
        demand_with(world, **{name: bytes(16 if name == "session" else 32)})
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert world.audited == []


def test_nothing_is_handed_over_on_a_strangers_word(tmp_path: Path) -> None:
    from tests.support.parties import stranger

    with World(tmp_path, audits=ALL_AUDITED) as world:
        demand_with(world, key=stranger("authority"))
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert world.audited == []


def test_a_second_demand_is_refused(tmp_path: Path) -> None:
    """An authority that answers a report with another demand gets no second disclosure."""
    with World(tmp_path, audits=ALL_AUDITED) as world:
        kept: list[bytes] = []

        def alter(path: str, answer: bytes) -> bytes:
            if path == SHARES:
                kept.append(answer)
            return kept[0] if path == AUDITS else answer

        world.alter = alter
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert len(world.audited) == 1
        assert world.rows("records") == []


def test_the_authority_never_sees_what_opens_the_score(tmp_path: Path) -> None:
    """It is in no message to it, and in the clear in none to the auditor."""
    held: list[Crook] = []

    def honest(inputs: Inputs) -> Evaluation:
        held.append(Crook(inputs))
        return held[-1]

    with crooked(tmp_path, honest, audits=ALL_AUDITED) as world:
        assert world.register(*GENUINE).outcome == "MATCH"
        bodies = [body for _, body in world.asked] + world.audited
        assert len(bodies) == 6
        inputs = held[0].handed
        secrets = [held[0].secret_seed, *(lane.key for lane in inputs.dealing.lanes)]
        for ciphertext in (inputs.template.encoded, inputs.probe.encoded):
            secrets += [ciphertext[:4096], ciphertext[-4096:]]
        for secret in secrets:
            assert not [body for body in bodies if secret in body]
        request = AuditRequest.decode(world.audited[0])
        demand = digest_of(request.demand)
        opened = world.auditor_sealing.open_for_audit(request.sealed_secret, demand)
        assert all(secret in opened for secret in secrets), "the auditor has it all"


def test_the_seed_is_wiped_after_an_audit(tmp_path: Path) -> None:
    held: list[Crook] = []

    def honest(inputs: Inputs) -> Evaluation:
        held.append(Crook(inputs))
        return held[-1]

    with crooked(tmp_path, honest, audits=ALL_AUDITED) as world:
        world.register(*GENUINE)
    assert held[0]._seed == bytearray(32) != held[0].secret_seed


@pytest.mark.parametrize("who", ["stranger", "other demand", "junk"])
def test_a_report_that_is_not_the_pinned_auditors_is_refused(tmp_path: Path, who: str) -> None:
    from gateway.wire import cose
    from gateway.wire.audit import AuditReport, AuditResponse
    from tests.support.parties import stranger

    with World(tmp_path, audits=ALL_AUDITED) as world:

        def alter(answer: bytes) -> bytes:
            report = cose.peek(AuditResponse.decode(answer).report, AuditReport)
            key = stranger("auditor") if who == "stranger" else world.auditor_key
            if who == "other demand":
                report = report.model_copy(update={"demand_digest": bytes(32)})
            encoded = b"\xd2junk" if who == "junk" else cose.sign(report, key).encoded
            return AuditResponse(report=encoded).encode()

        world.alter_report = alter
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert AUDITS not in [path for path, _ in world.asked]
        assert world.rows("records") == []


def test_a_countersignature_does_not_move_to_another_statement(tmp_path: Path) -> None:
    """A gateway cannot show one session's audit for another's decision."""
    from gateway.proofs.statement import make_receipt
    from gateway.proofs.verify import verify_receipt
    from gateway.wire import cose
    from gateway.wire.proof import Statement

    with World(tmp_path, audits=ALL_AUDITED) as world:
        one = world.register(*GENUINE).verified.statement.message
        other = world.register(*IMPOSTOR).verified.statement.message
        forged = cose.sign(
            Statement(**{**other.model_dump(), "audit": one.audit, "liveness": other.liveness}),
            world.service._identity.signing,
        )
        with pytest.raises(ReceiptInvalid, match="another evaluation"):
            verify_receipt(make_receipt(forged.encoded).encode(), world.trust)


def test_a_busy_auditor_makes_the_session_fail_as_unavailable(tmp_path: Path) -> None:
    def busy(*_: Any) -> Any:
        raise Unavailable("the server is busy; try again later")

    with World(tmp_path, audits=ALL_AUDITED) as world:
        world.auditing = replace(world.auditing, repeat=busy)
        with pytest.raises(SealmatchError) as caught:
            world.register(*GENUINE)
        assert not isinstance(caught.value, Refused)
        assert world.rows("records") == []
