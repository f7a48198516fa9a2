"""A cheating gateway is caught in every audited session; an honest one is never accused.

Each crook evaluates something else than it says, in a world whose authority demands an audit of
every evaluation. No decision comes out, nothing is on record, and what it leaves unanswered is
counted. Without audits the same crooks get their way: that is what the audit is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.he.encryption import encrypt_template
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.interval import blinded_rows
from gateway.he.product import LaneBounds, masked_product
from gateway.he.quantise import quantise
from gateway.he.randomness import SeedStream, new_seed
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.errors import Refused, SealmatchError, Unavailable
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import T
from keys.audits import AuditPolicy
from tests.support.samples import AUDITS, ROWS, Clock, pair
from tests.support.world import ALL_AUDITED, NO_AUDITS, World

GENUINE, IMPOSTOR = pair(0.7), pair(0.1)


class Crook(Evaluation):
    """Evaluates honestly, except in one thing."""

    template_of_its_own: Ciphertext | None = None

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(default_engine(), inputs, new_seed())
        self.secret_seed = bytearray(self._seed)


class LaxThreshold(Crook):
    """Evaluates a policy that accepts everybody, and names the agreed one."""

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext:
        assert self._score is not None
        pairs = zip(self._score.bounds, self._inputs.policy.lanes, strict=True)
        rhos = [bound.left - lane.lo for bound, lane in pairs]
        # Every stranger's score is among the half of all values around zero.
        wide = tuple(LaneBounds((rho - T // 4) % T, (rho + T // 4) % T) for rho in rhos)
        self._score = replace(self._score, bounds=wide)
        return super().blinded_rows(bits)


class WrongRows(Crook):
    """Sends rows that always say yes: comparisons with bounds of its own."""

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext:
        assert self._score is not None
        always = tuple(LaneBounds(0, T - 1) for _ in self._score.bounds)
        return blinded_rows(
            self._engine,
            self._inputs.public_key,
            bits,
            always,
            SeedStream(self._seed, bytes(32)),
        )


class ForgedMask(Crook):
    """Adds another mask than its bounds go by: the outcome of its choosing."""

    def masked_product(self) -> Ciphertext:
        given = self._inputs
        stream = SeedStream(bytes(32), bytes(32))
        other = masked_product(
            self._engine, given.public_key, given.probe, given.template, given.policy, stream
        )
        self._score = replace(other, bounds=tuple(LaneBounds(0, T - 1) for _ in other.bounds))
        return other.ciphertext


class SwappedTemplate(Crook):
    """Takes a template of its own making, in the place of the document's."""

    confess = True
    """Hands the auditor what it used."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        alike = quantise(0.9 * IMPOSTOR[1] + 0.19**0.5 * _orthogonal(IMPOSTOR[1]))
        key: Any = _Key(inputs.public_key)
        swapped = encrypt_template(self._engine, key, alike)
        self.honest = inputs
        self._inputs = replace(inputs, template=swapped)

    def sealed_for_audit(self, *given: Any) -> bytes:
        self._inputs = self._inputs if self.confess else self.honest
        return super().sealed_for_audit(*given)


class SwappedAndDenied(SwappedTemplate):
    """The same, handing the auditor the template that it should have used."""

    confess = False


class LateSeed(Crook):
    """Commits to one seed and evaluates with another, hoping to hide what it did."""

    def masked_product(self) -> Ciphertext:
        committed = bytes(self._seed)
        self._seed[:] = bytes(32)
        try:
            return super().masked_product()
        finally:
            self._seed[:] = committed


@dataclass(frozen=True)
class _Key:
    public_key: Any


def _orthogonal(vector: Any) -> Any:
    other = pair(0.0, seed=99)[0]
    other = other - (other @ vector) * vector
    return other / (other @ other) ** 0.5


CROOKS: dict[str, tuple[Callable[[Inputs], Evaluation], str]] = {
    "wrong threshold": (LaxThreshold, "blinded rows is not"),
    "wrong rows": (WrongRows, "blinded rows is not"),
    "forged mask": (ForgedMask, "masked product is not"),
    "swapped template": (SwappedTemplate, "template is not"),
    "swapped template, denied": (SwappedAndDenied, "masked product is not"),
    "another seed": (LateSeed, "masked product is not"),
}


def crooked(directory: Path, crook: Callable[[Inputs], Evaluation], **given: Any) -> World:
    world = World(directory, **given)
    world.service._begin_evaluation = crook
    return world


@pytest.mark.parametrize("name", CROOKS)
def test_caught_in_every_audited_session(tmp_path: Path, name: str) -> None:
    crook, detail = CROOKS[name]
    clock = Clock()
    with crooked(tmp_path, crook, audits=ALL_AUDITED, clock=clock) as world:
        for template, probe in (IMPOSTOR, GENUINE):
            with pytest.raises(SealmatchError):
                world.register(template, probe)
        assert len(world.audit_faults) == 2
        assert all(detail in fault for fault in world.audit_faults), world.audit_faults
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
        assert [path for path, _ in world.asked[before:]] == ["/v1/session-keys"]


GAINS = ("wrong threshold", "wrong rows", "forged mask", "swapped template")


@pytest.mark.parametrize("name", GAINS)
def test_without_an_audit_the_same_cheat_succeeds(tmp_path: Path, name: str) -> None:
    """The positive control: an impostor gets a match, with a receipt that verifies."""
    with crooked(tmp_path, CROOKS[name][0], audits=NO_AUDITS) as world:
        result = world.register(*IMPOSTOR)
        assert result.outcome == "MATCH"
        assert not result.verified.audited


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


def test_without_an_auditor_audited_sessions_fail_closed(tmp_path: Path) -> None:
    with World(tmp_path, audits=ALL_AUDITED, auditor=False) as world:
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
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

    Seeded: of the first 12 rows the 4th, 8th and 12th are audited.
    """
    clock = Clock()
    audits = AuditPolicy(one_in=4, seconds=60, unanswered=3)
    with crooked(tmp_path, LaxThreshold, audits=audits, clock=clock, auditor=False) as world:
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


# --- a dishonest authority, a dishonest auditor --------------------------------------------------


def demand_with(world: World, **changes: Any) -> None:
    """Let the authority demand an audit of something else than the gateway did."""
    from gateway.wire import cose
    from gateway.wire.audit import AuditDemand
    from gateway.wire.evaluation import DecisionResponse

    key = changes.pop("key", world.authority_key)

    def alter(path: str, answer: bytes) -> bytes:
        if path != ROWS:
            return answer
        demand = cose.peek(DecisionResponse.decode(answer).demand or b"", AuditDemand)
        evaluated = demand.evaluated.model_copy(update=changes)
        signed = cose.sign(demand.model_copy(update={"evaluated": evaluated}), key)
        return DecisionResponse(decision=None, demand=signed.encoded).encode()

    world.alter = alter


@pytest.mark.parametrize(
    "name", ["session", "template_digest", "blinded_rows_digest", "policy_digest"]
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
            if path == ROWS:
                kept.append(answer)
            return kept[0] if path == AUDITS else answer

        world.alter = alter
        with pytest.raises(SealmatchError):
            world.register(*GENUINE)
        assert len(world.audited) == 1
        assert world.rows("records") == []


def test_the_authority_never_sees_seed_or_template(tmp_path: Path) -> None:
    """What opens the score is in no message to it, and in the clear in none to the auditor."""
    seeds: list[bytes] = []
    templates: list[bytes] = []

    def honest(inputs: Inputs) -> Evaluation:
        evaluation = Crook(inputs)
        seeds.append(bytes(evaluation.secret_seed))
        templates.append(inputs.template.encoded)
        return evaluation

    with crooked(tmp_path, honest, audits=ALL_AUDITED) as world:
        assert world.register(*GENUINE).outcome == "MATCH"
        bodies = [body for _, body in world.asked] + world.audited
        assert len(bodies) == 5
        for secret in (seeds[0], templates[0][:4096], templates[0][-4096:]):
            assert not [body for body in bodies if secret in body]


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
