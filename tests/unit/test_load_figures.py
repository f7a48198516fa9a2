"""What the load bench makes of what clients did: percentiles, arrivals, decisions that count."""

import itertools
from dataclasses import replace

import pytest

from gateway.lab.bench.load import figures
from gateway.lab.bench.load.arrivals import ClosedLoop, OpenLoop, arrivals
from gateway.lab.bench.load.figures import Done, WrongDecision, percentiles, require_right, slope


class Turns:
    """Numbers from 0, as several clients share them."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def next(self) -> int:
        return next(self._numbers)


def done(number: int = 0, **changes: object) -> Done:
    one = Done(
        client=0,
        counter=0,
        due=0.0,
        ended=1.0 + number,
        stages={"wait": 0.0, "whole": 1.0 + number},
        outcome="MATCH",
        expected="MATCH",
        session=b"s%d" % number,
        key_id=b"k%d" % number,
        probe=b"p%d" % number,
        record=b"r%d" % number,
    )
    return replace(one, **changes)


def test_percentiles_are_times_that_were_measured() -> None:
    assert percentiles([]) == {}
    assert percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0}
    hundred = percentiles(range(100, 0, -1))
    assert hundred == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert percentiles([1.0, 2.0])["p50"] == 1.0


def test_an_open_loop_does_not_wait_for_slow_answers() -> None:
    """A server that stops for 3 seconds: the four arrivals meanwhile keep their time."""
    plan = arrivals(2, 2, "even")
    assert plan.times == (0.0, 0.5, 1.0, 1.5)
    turns = Turns()
    assert plan.due(turns, 0.0) == 0.0
    assert [plan.due(turns, 3.0) for _ in range(4)] == [0.5, 1.0, 1.5, None]


def test_a_closed_loop_is_asked_less_by_what_is_slow() -> None:
    plan, turns = ClosedLoop(2.0), Turns()
    assert [plan.due(turns, now) for now in (0.0, 1.5, 2.0)] == [0.0, 1.5, None]


def test_a_closed_loop_ends_after_its_number() -> None:
    plan, turns = ClosedLoop(float("inf"), 2), Turns()
    assert [plan.due(turns, 5.0) for _ in range(3)] == [5.0, 5.0, None]


def test_random_arrivals_are_fixed_beforehand() -> None:
    plan = arrivals(50, 10, "random")
    assert plan == arrivals(50, 10, "random")
    assert isinstance(plan, OpenLoop)
    assert list(plan.times) == sorted(plan.times)
    assert max(plan.times) < 10
    gaps = {round(b - a, 6) for a, b in itertools.pairwise(plan.times)}
    assert len(gaps) > 100, "they are spaced evenly"


def test_right_decisions_count() -> None:
    require_right([done(0), done(1, outcome="NO_MATCH", expected="NO_MATCH")])
    require_right([done(0), done(0, outcome=None)])


@pytest.mark.parametrize("same", ["session", "key_id", "probe", "record"])
def test_nothing_is_used_twice(same: str) -> None:
    with pytest.raises(WrongDecision, match=same):
        require_right([done(0), replace(done(1), **{same: getattr(done(0), same)})])


def test_a_decision_that_is_not_the_plaintexts() -> None:
    with pytest.raises(WrongDecision, match="1 of 2"):
        require_right([done(0), done(1, outcome="NO_MATCH")])


def test_what_failed_is_an_error_and_no_verification() -> None:
    failed = done(1, outcome=None, error="NoAnswer", crypto_ms=10.0)
    given = [done(0, sent=100, crypto_ms=20.0, refused=("submit 503",)), failed]
    found = figures.summary(given, 4.0)
    assert found["verifications"] == 1
    assert found["verificationsPerSecond"] == 0.25
    assert found["errors"] == {"NoAnswer": 1}
    assert found["retries"] == {"submit 503": 1}
    assert found["latencyMs"]["whole"]["max"] == 1000.0
    assert found["bytes"]["sent"] == 100
    assert found["generatorCpuMs"]["crypto"] == 30.0, "what failed was paid for too"


def test_growth_is_a_slope() -> None:
    assert slope([]) == 0.0
    assert slope([(1.0, 5.0), (1.0, 9.0)]) == 0.0
    assert slope([(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]) == pytest.approx(2.0)
