"""Sessions with known answers: right when the authority is honest, wrong when it lies.

``e2e/attacks/test_authority.py`` has such an authority behind real servers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gateway import main as sealmatch
from gateway.cli import probe_authority
from gateway.client.liveness.measured import Inconclusive
from gateway.he import interval
from gateway.he.frame import probe_signs, template_values
from gateway.inspection.known_answers import KnownAnswer, caught, draw, rate_excluded, series
from gateway.wire.errors import Refused
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.message import Message
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.session import SessionKeyRequest
from keys import authority
from tests.support.samples import (
    ATTEMPTS,
    PRODUCTS,
    SESSION_KEYS,
    SHARES,
    Clock,
    Vector,
    pair,
    plain_decision,
)
from tests.support.trusted import SignedTrust
from tests.support.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, clock=Clock()) as made:
        yield made


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An authority that turns every third decision round; the list has what it signed."""
    signed: list[bool] = []

    def decide(*given: Any) -> bool:
        decision = authority.decide(*given) != (len(signed) % 3 == 2)
        signed.append(decision)
        return decision

    monkeypatch.setattr("keys.service.decide", decide)
    return signed


def test_an_honest_authority_gives_the_known_answers(world: World) -> None:
    """Exactly, though most of them lie closer to a threshold than pictures of a person do."""
    assert probe_authority.probe(world.client, 20, 0) == 0
    outcomes = Counter(row.outcome for row in world.rows("records"))
    assert set(outcomes) == {"MATCH", "NO_MATCH"}


def test_the_answer_is_that_of_plain_integers(world: World) -> None:
    """Against a second way to work it out, and both answers come up near every threshold."""
    pairs = list(enumerate(series(world.policy)))
    for number, _ in pairs:
        for _ in range(5):
            known = draw(number, world.policy)
            lanes = known.template, known.live, known.action
            assert known.expected(world.policy) == plain_decision(world.policy, *lanes)
    draws = 40
    sides = [
        Counter(draw(n, world.policy).expected(world.policy) for _ in range(draws)).most_common(1)
        for n, _ in pairs
    ]
    below, above = ["NO_MATCH", "MATCH"], ["MATCH", "NO_MATCH"]
    expected = ["NO_MATCH", "MATCH", *([*below, *above] * 2)]
    assert [outcome for ((outcome, _),) in sides] == expected
    assert all(count > draws / 2 for ((_, count),) in sides)


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are the same in every run."""
    generator = np.random.default_rng(20260712)

    def unit() -> Vector:
        values = generator.normal(size=512)
        return values / np.linalg.norm(values)

    monkeypatch.setattr("gateway.inspection.known_answers._unit", unit)


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize("lane", [0, 1], ids=["probe's lane", "actions' lane"])
def test_an_authority_that_spends_a_lane_on_something_else_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch, lane: int
) -> None:
    """It has used up that lane's bit and says that the lane accepts."""
    spends(monkeypatch, world, lane)
    drawn: list[KnownAnswer] = []

    def keep(number: int, policy: MatchPolicy | None) -> KnownAnswer:
        drawn.append(draw(number, policy))
        return drawn[-1]

    monkeypatch.setattr(probe_authority, "draw", keep)
    wrong = probe_authority.probe(world.client, 11, 0)
    other = world.policy.lanes[1 - lane]
    assert wrong == sum(
        known.expected(world.policy) == "NO_MATCH"
        and other.accepts(value(known.template, (known.action, known.live)[lane]))
        for known in drawn
    )
    assert wrong > 0


@pytest.mark.usefixtures("fixed")
def test_it_would_not_be_if_a_probe_stood_in_for_the_actions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for action vectors of their own: the probe's threshold is the higher one."""
    spends(monkeypatch, world, 1)

    def alike(number: int, policy: MatchPolicy | None) -> KnownAnswer:
        known = draw(number, policy)
        return replace(known, action=known.live)

    monkeypatch.setattr(probe_authority, "draw", alike)
    assert probe_authority.probe(world.client, 11, 0) == 0


def spends(monkeypatch: pytest.MonkeyPatch, world: World, lane: int) -> None:
    honest = interval.accepts

    def accepts(rule: LanePolicy, m: int, shares: tuple[int, int]) -> bool:
        return rule == world.policy.lanes[lane] or honest(rule, m, shares)

    monkeypatch.setattr("keys.authority.accepts", accepts)


def value(template: Vector, vector: Vector) -> int:
    return int(probe_signs(vector) @ template_values(template))


def test_an_authority_that_lies_is_caught_at_the_rate_at_which_it_lies(
    world: World, lying: list[bool]
) -> None:
    assert probe_authority.probe(world.client, 12, 0) == 4
    assert len(lying) == 12


def test_the_stated_rates_are_those_of_chance() -> None:
    """Against a count of 20,000 series of sessions with an authority that lies at a rate."""
    generator = np.random.default_rng(20260711)
    for rate, sessions in ((1 / 3, 24), (0.1, 20), (0.02, 150)):
        series = (generator.random((20_000, sessions)) < rate).any(axis=1).mean()
        assert abs(series - caught(rate, sessions)) < 0.01
    for sessions in (1, 20, 150, 1000):
        assert caught(rate_excluded(sessions), sessions) == pytest.approx(0.95)
    assert rate_excluded(0) == 1
    assert rate_excluded(150) < 0.02


SEEN: dict[str, type[Message]] = {
    SESSION_KEYS: SessionKeyRequest,
    ATTEMPTS: AttemptRequest,
    PRODUCTS: ProductRequest,
    SHARES: SharesRequest,
}


def test_the_authority_cannot_tell_them_from_registrations(world: World) -> None:
    """Of a session it sees four messages: same fields, sizes and names."""
    world.register(*pair(0.7))
    registration = list(world.asked)
    world.asked.clear()
    probe_authority.probe(world.client, 1, 0)
    assert [path for path, _ in registration] == list(SEEN)
    assert shown(world.asked) == shown(registration)


def shown(asked: list[tuple[str, bytes]]) -> list[dict[str, object]]:
    """Messages without what is random in every session."""
    found = []
    for path, body in asked:
        fields = SEEN[path].decode(body).to_map()
        found.append({name: _without_chance(value) for name, value in fields.items()})
    return found


def _without_chance(value: object) -> object:
    if isinstance(value, bytes):
        return len(value)
    return value if isinstance(value, str) else type(value)


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def command(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command at this world's counter."""
    session = SimpleNamespace(client=world.client, transport=nullcontext())
    monkeypatch.setattr(probe_authority, "counter_session", lambda *_: session)
    monkeypatch.setattr(probe_authority, "open_pack", lambda _: None)
    monkeypatch.setattr(probe_authority, "model_of", lambda _: None)
    world.trust.write(tmp_path / "trust.json")
    return ["probe-authority", "--trust", str(tmp_path / "trust.json"), "--sessions", "6"]


def test_the_command_says_what_was_shown(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sealmatch.main(command) == 0
    assert "All 6 answers were right" in capsys.readouterr().out
    assert sealmatch.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "sessions": 6, "wrongAnswers": 0, "lieRateBelow": round(rate_excluded(6), 4),
    }  # fmt: skip


def test_the_command_catches_a_liar(
    command: list[str], lying: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sealmatch.main(command) == probe_authority.WRONG
    assert "2 of 6 ANSWERS WERE WRONG" in capsys.readouterr().out
    assert sealmatch.main([*command, "--json"]) == probe_authority.WRONG
    assert json.loads(capsys.readouterr().out) == {"sessions": 6, "wrongAnswers": 2}
    assert len(lying) == 12


def test_an_authority_that_refuses_is_no_right_answer(world: World) -> None:
    trust: SignedTrust = world.authority_trust
    trust.remove("device", "device")
    with pytest.raises(Refused):
        probe_authority.probe(world.client, 2, 0)


def test_where_liveness_is_required_made_up_vectors_do_not_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said plainly in DEPLOYMENT: such a gateway is probed in a session of its own mode."""

    def inconclusive(*_: object) -> None:
        raise Inconclusive("the gateway asks for a liveness check", "")

    monkeypatch.setattr(world.client, "register", inconclusive)
    with pytest.raises(Inconclusive):
        probe_authority.probe(world.client, 1, 0)


def test_sessions_are_spread_over_the_time_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("gateway.cli.probe_authority.time.sleep", slept.append)
    assert probe_authority.probe(world.client, 3, 600) == 0
    assert len(slept) == 3
    assert max(slept) <= 600
    assert draw(0, None).expected(world.policy) == "NO_MATCH"
