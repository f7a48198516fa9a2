"""Arithmetic of error rates and intervals, against scipy and against counting by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from gateway.lab.evaluation import match_all
from gateway.lab.evaluation.match_intervals import (
    Dyads,
    difference,
    drawn_again,
    exact,
    nearest_known,
    ratio,
    share,
)
from gateway.lab.evaluation.match_rates import (
    Errors,
    best_threshold,
    fold_accuracies,
    histogram,
    support,
)
from gateway.lab.evaluation.match_scores import (
    GRID,
    LOWEST,
    REACH,
    Encoded,
    Side,
    lowest_of,
    reached,
)
from gateway.wire.policy import LanePolicy

scores = st.lists(st.integers(-40, 40), min_size=1, max_size=25)


def errors_of(genuine: list[int], strangers: list[int]) -> Errors:
    return Errors.of(histogram(np.array(genuine)), histogram(np.array(strangers)))


@given(scores, scores)
@settings(max_examples=30, deadline=None)
def test_rates_are_those_of_counting(genuine: list[int], strangers: list[int]) -> None:
    errors = errors_of(genuine, strangers)
    for t in (-41, -7, 0, 1, 13, 41):
        assert errors.fmr[t + REACH] == pytest.approx(np.mean([s >= t for s in strangers]))
        assert errors.fnmr[t + REACH] == pytest.approx(np.mean([g < t for g in genuine]))


@given(scores, scores)
@settings(max_examples=30, deadline=None)
def test_the_equal_error_rate_lies_where_both_rates_cross(
    genuine: list[int], strangers: list[int]
) -> None:
    """Between the last threshold with more false matches and the first with more false
    non-matches; the segment between these two points of the curve crosses the diagonal there."""
    equal = errors_of(genuine, strangers).equal()
    points = [
        (float(np.mean([s >= t for s in strangers])), float(np.mean([g < t for g in genuine])))
        for t in range(-42, 43)
    ]
    before, after = next((a, b) for a, b in itertools.pairwise(points) if b[0] <= b[1])
    assert after[0] - 1e-12 <= equal <= before[0] + 1e-12
    assert before[1] - 1e-12 <= equal <= after[1] + 1e-12


@given(scores, st.sampled_from([0.3, 0.1, 0.05, 0.0]))
@settings(max_examples=30, deadline=None)
def test_the_threshold_at_a_rate_is_the_least_that_keeps_it(
    strangers: list[int], fmr: float
) -> None:
    errors = errors_of([0], strangers)
    found = errors.threshold_at(fmr)
    assert np.mean([s >= found for s in strangers]) <= fmr
    assert np.mean([s >= found - 1 for s in strangers]) > fmr


@given(scores, scores)
@settings(max_examples=30, deadline=None)
def test_the_best_threshold_decides_as_many_rightly_as_any(
    genuine: list[int], strangers: list[int]
) -> None:
    values = np.array(genuine + strangers)
    same = np.array([True] * len(genuine) + [False] * len(strangers))
    right = {t: int(((values >= t) == same).sum()) for t in range(-41, 42)}
    assert right[best_threshold(values, same)] == max(right.values())


def test_a_fold_is_judged_by_the_others() -> None:
    """The first fold alone would choose 5 and be wholly right; the others choose 9."""
    values = np.array([5, 4, 9, 8, 1, 2])
    same = np.array([True, False, True, False, False, True])
    assert fold_accuracies(values, same, np.array([0, 0, 1, 1, 1, 1])) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("fmr", "strangers", "said"),
    [(1e-2, 3000, "supported"), (1e-2, 2999, "weak"), (1e-3, 3000, "weak"), (1e-3, 2999, "none")],
)
def test_few_strangers_support_no_small_rate(fmr: float, strangers: int, said: str) -> None:
    assert support(fmr, strangers) == said


@given(st.integers(0, 300), st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_intervals_of_independent_comparisons_are_those_of_scipy(hits: int, of: int) -> None:
    hits = min(hits, of)
    wanted = binomtest(hits, of).proportion_ci(method="exact")
    assert exact(hits, of) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


def test_no_error_in_independent_comparisons_is_the_rule_of_three() -> None:
    assert share(0, 3000).high == pytest.approx(3.7 / 3000, rel=0.01)  # 3.0 for one side alone
    assert share(0, 0).low == 0
    assert share(0, 0).high == 1


def test_comparisons_that_say_one_thing_count_once() -> None:
    """Ten comparisons of each person, all alike, are worth one of each."""
    people = np.repeat(np.arange(200, dtype=np.int32), 10)
    hit = np.repeat(np.arange(200) < 40, 10)
    effect = Dyads(people, people, 200).effect(hit)
    assert effect == pytest.approx(10)
    once = share(40, 200)
    all_ten = share(400, 2000, effect)
    assert (all_ten.low, all_ten.high) == (pytest.approx(once.low), pytest.approx(once.high))


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_the_variance_is_the_sum_over_comparisons_that_share_a_person(seed: int) -> None:
    """Against all pairs of comparisons, one by one."""
    draw = np.random.default_rng(seed)
    a = draw.integers(0, 12, 60).astype(np.int32)
    b = draw.integers(0, 12, 60).astype(np.int32)
    hit = draw.random(60) < 0.3
    effect = Dyads(a, b, 12).effect(hit)
    if not 10 <= hit.sum() <= 50:
        assert effect is None
        return
    errors = hit - hit.mean()
    shared = (a[:, None] == a) | (a[:, None] == b) | (b[:, None] == a) | (b[:, None] == b)
    independent = 60 * hit.mean() * (1 - hit.mean())
    assert effect == pytest.approx(max(1.0, errors @ shared @ errors / independent))


def test_the_nearest_threshold_lends_its_design_effect() -> None:
    assert nearest_known([None, 2.0, None, None, 5.0]) == [2.0, 2.0, 2.0, 5.0, 5.0]
    assert nearest_known([None, None]) == [None, None]


def test_an_interval_covers_what_people_drawn_again_would_show() -> None:
    """Of 400 samples of people who differ, about 95 in 100 intervals hold the true rate."""
    draw, held, trials = np.random.default_rng(1), 0, 400
    people = np.repeat(np.arange(150, dtype=np.int32), 8)
    for _ in range(trials):
        each = draw.beta(0.4, 1.6, 150)  # 0.2 on average
        hit = draw.random(1200) < each[people]
        found = share(int(hit.sum()), 1200, Dyads(people, people, 150).effect(hit))
        held += found.low <= 0.2 <= found.high
    assert held >= 0.9 * trials  # chance of fewer, at 0.95: below 1e-4 for this fixed seed
    naive = share(240, 1200)
    assert found.high - found.low > 1.3 * (naive.high - naive.low)


def test_differences_and_ratios_hold_what_was_seen() -> None:
    here, there = share(30, 300), share(20, 400)
    apart = difference(here, there)
    assert apart is not None
    assert apart.value == pytest.approx(0.05)
    assert 0.005 < apart.low < 0.05 < apart.high < 0.1
    times = ratio(here, there)
    assert times is not None
    assert times.value == pytest.approx(2)
    assert 1 < times.low < 2 < times.high < 4
    assert ratio(here, share(0, 400)) is None
    assert difference(here, share(0, 0)) is None


def test_people_drawn_again_vary_as_much_as_their_mean() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high = drawn_again(lambda w: float(w @ values / w.sum()), 400, seed=2)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert drawn_again(lambda _: float("nan"), 5, seed=1, count=3) == (0.0, 1.0)


def test_the_grid_has_the_integers_of_the_policy() -> None:
    for cosine in ("0.341", "0.419", "0.800"):
        assert lowest_of(cosine) == LanePolicy.for_cosine(cosine).lo
        assert LOWEST[GRID.index(cosine)] == lowest_of(cosine)
    assert reached(np.array([0, LOWEST[0] - 1, LOWEST[0], LOWEST[-1]])).tolist() == [
        *(0, 0, 1, len(GRID))
    ]


def test_all_against_all_is_every_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, a floor that rises, failures, and the design effect, against one pair at a time."""
    monkeypatch.setattr(match_all, "_ROWS", 7)
    monkeypatch.setattr(match_all, "_COLUMNS", 11)
    monkeypatch.setattr(match_all, "KEPT", 150)
    draw = np.random.default_rng(4)
    subjects = np.repeat(np.arange(10, dtype=np.int32), 4)
    alike = draw.normal(size=48)
    vectors = draw.normal(size=(40, 48)) + draw.normal(size=(10, 48))[subjects] + 0.7 * alike
    vectors = (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)
    there = np.arange(40) % 9 != 0
    encoded = Encoded.of(Side(vectors, there), Side(vectors, np.ones(40, np.bool_)))
    found = match_all.compare_all(encoded, subjects)
    a, b = np.array(
        [(i, j) for i in range(40) for j in range(40) if i != j and there[i]], np.int32
    ).T
    scores_of = encoded.scores(a, b)
    same = subjects[a] == subjects[b]
    assert (found.strangers == histogram(scores_of.values[~same])).all()
    assert (found.genuine == histogram(scores_of.values[same])).all()
    assert found.genuine_cosine.sum() == found.own_reached.size == same.sum()
    near = found.nearest
    assert near.of == found.stranger_count == (~same).sum()
    assert near.floor > LOWEST[0], "the test is to reach the bound"
    lowest = near.floor + 300
    hit = scores_of.values[~same] >= lowest
    assert near.share(lowest).hits == hit.sum() > 10
    dyads = Dyads(subjects[a[~same]], subjects[b[~same]], 10)
    assert near.effect(lowest) == pytest.approx(dyads.effect(hit))
    assert near.effect(near.floor - 1) is None
    some = np.arange(40) % 2 == 0
    inside = found.among(some, encoded, subjects)
    chosen = ~same & some[a] & some[b]
    assert inside.of == chosen.sum()
    assert inside.share(lowest).hits == (scores_of.values[chosen] >= lowest).sum()
