"""The frame: eight rotations, all signs of one length, exact integers in any language."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.he.frame import lane_slots, patterns, probe_signs, template_values
from gateway.wire.errors import CallerMisuse
from gateway.wire.policy import KAPPA, LanePolicy
from gateway.wire.profile import DIMENSION, LANE, N, T
from tests.support import slow
from tests.support.he import at_cosine, unit

vectors = st.tuples(
    st.integers(0, 2**32), st.sampled_from([1, 2, 127, 128, 256, 511, 512]), st.floats(0, 3)
)

ROUNDING = 512 * 2**-25 * 1.01
"""What rounding to 2^-24 can do to an output: a row of R has absolute sum at most 512."""


def draw(seed: int, d: int, skew: float) -> np.ndarray:
    """A unit vector with magnitudes from even (skew 0) to dominated by a few values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=d) * np.exp(skew * rng.normal(size=d))
    return x / np.linalg.norm(x)


def exactly(x: np.ndarray) -> np.ndarray:
    """y of the slow implementation, as floating point."""
    return np.array([y / 2**33 for y in slow.frame(x.tolist())])


def matrix() -> np.ndarray:
    """R, shape (4096, 512), in floating point and without any fast transform."""
    ones = np.array([[bin(j & k).count("1") for k in range(DIMENSION)] for j in range(DIMENSION)])
    hadamard = (1.0 - 2.0 * (ones % 2)) / np.sqrt(DIMENSION)
    rotations = []
    for turns in patterns().transpose(1, 0, 2):
        rotation = np.eye(DIMENSION)
        for signs in turns:
            rotation = hadamard @ (signs[:, None] * rotation)
        rotations.append(rotation)
    return np.concatenate(rotations) * np.sqrt(DIMENSION)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return matrix()


# --- the frame itself ----------------------------------------------------------------------------


def test_the_frame_is_tight(frame: np.ndarray) -> None:
    """R^T R = 4096 I: no direction of the embedding counts more than another."""
    assert np.abs(frame.T @ frame - LANE * np.eye(DIMENSION)).max() < 1e-8


def test_each_rotation_is_one(frame: np.ndarray) -> None:
    for rotation in frame.reshape(8, DIMENSION, DIMENSION):
        assert np.abs(rotation @ rotation.T - DIMENSION * np.eye(DIMENSION)).max() < 1e-8


def test_no_output_looks_at_one_value_alone(frame: np.ndarray) -> None:
    """After three rounds the entries are spread: mean square 1, none above 6."""
    assert abs(float((frame**2).mean()) - 1) < 1e-10
    assert np.abs(frame).max() < 6
    fourth = float((frame**4).mean())
    assert 2.9 < fourth < 3.1  # as of a normal distribution; a plain transform has 1


def test_rotations_differ(frame: np.ndarray) -> None:
    """No two outputs are parallel: 4096 directions, not 512 eight times over."""
    products = frame @ frame.T / DIMENSION
    np.fill_diagonal(products, 0)
    assert np.abs(products).max() < 0.35


@settings(max_examples=50)
@given(vectors)
def test_outputs_are_those_of_the_matrix(frame: np.ndarray, drawn: tuple) -> None:
    """And their mean square is 1 for every vector of length 1, to the rounding of 2^-24."""
    x = draw(*drawn)
    exact = exactly(x)
    assert np.abs(exact - frame[:, : x.size] @ x).max() < ROUNDING
    assert abs(float((exact**2).mean()) - 1) < 1e-5


# --- signs and integers --------------------------------------------------------------------------


@settings(max_examples=60)
@given(vectors)
def test_equals_a_slow_implementation_in_integers(drawn: tuple) -> None:
    x = draw(*drawn)
    outputs = slow.frame(x)
    assert probe_signs(x).tolist() == slow.signs(outputs)
    assert template_values(x).tolist() == slow.template(outputs)


def test_zeros_and_ties_equal_the_slow_implementation() -> None:
    """Unit vectors of one value have outputs of exactly zero, and exactly between two integers."""
    zeros, even, odd = 0, 0, 0
    for place in (0, 1, 2, 255, 511):
        for sign in (1.0, -1.0):
            x = np.zeros(DIMENSION)
            x[place] = sign
            outputs, signs, template = slow.frame(x), probe_signs(x), template_values(x)
            assert signs.tolist() == slow.signs(outputs)
            assert template.tolist() == slow.template(outputs)
            for y, s, value in zip(outputs, signs, template, strict=True):
                if y == 0:
                    zeros += 1
                    assert (s, value) == (1, 0)
                if y % 2**32 == 2**31:
                    even += y // 2**32 % 2 == 0
                    odd += y // 2**32 % 2 == 1
                    assert value % 2 == 0
    assert min(zeros, even, odd) > 100


@settings(max_examples=60)
@given(vectors)
def test_sums_stay_exact_in_floating_point(drawn: tuple) -> None:
    """Partial sums of the last round lie below 2^53, so their order cannot matter."""
    x = draw(*drawn)
    assert max(abs(y) for y in slow.frame(x)) < 2**42
    assert 2**24 * 1.001 * 512 * math.sqrt(512) < 2**53  # two rounds, then every sign alike


@settings(max_examples=60)
@given(vectors)
def test_every_probe_has_one_length(drawn: tuple) -> None:
    signs = probe_signs(draw(*drawn))
    assert signs.dtype == np.int64
    assert signs.shape == (LANE,)
    assert int(signs @ signs) == LANE
    assert set(signs.tolist()) <= {1, -1}


@settings(max_examples=60)
@given(vectors, st.sampled_from([0.9991, 0.9995, 1.0005, 1.0009]))
def test_signs_do_not_depend_on_length(drawn: tuple, scale: float) -> None:
    """Within the admitted lengths; only outputs within the rounding of zero may turn."""
    x = draw(*drawn)
    outputs = exactly(x)
    turned = probe_signs(x) != probe_signs(scale * x)
    assert np.abs(outputs[turned]).max(initial=0.0) < 2.1 * ROUNDING


def test_signs_of_the_opposite_are_opposite() -> None:
    x = unit(np.random.default_rng(3))
    assert (probe_signs(x) == -probe_signs(-x)).all()
    assert (template_values(x) == -template_values(-x)).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_same_vector_gives_the_same_integers(kind: type) -> None:
    x = unit(np.random.default_rng(4)).astype(kind)
    again = np.array(x.tolist(), dtype=np.float64)
    reversed_view = x[::-1][::-1]
    for other in (again, reversed_view, x.copy()):
        assert (probe_signs(x) == probe_signs(other)).all()
        assert (template_values(x) == template_values(other)).all()


@pytest.mark.parametrize("d", [1, 128, 511])
def test_short_embeddings_are_padded_with_zeros(d: int) -> None:
    x = unit(np.random.default_rng(5), d)
    padded = np.concatenate([x, np.zeros(DIMENSION - d)])
    assert (probe_signs(x) == probe_signs(padded)).all()
    assert (template_values(x) == template_values(padded)).all()


# --- what the score is worth ---------------------------------------------------------------------


@pytest.mark.parametrize("cosine", [0.0, 0.25, 0.419, 0.7])
def test_the_score_is_kappa_times_the_cosine(cosine: float) -> None:
    """Standard deviation 0.011 in the cosine; the mean of 300 within five standard errors."""
    rng, errors = np.random.default_rng(6), []
    for _ in range(300):
        x = unit(rng)
        y = at_cosine(rng, x, cosine)
        errors.append(int(probe_signs(y) @ template_values(x)) / KAPPA - cosine)
    assert 0.008 < np.std(errors) < 0.013
    assert abs(np.mean(errors)) < 5 * 0.013 / np.sqrt(300)


def test_the_portrait_itself_lies_above_the_window() -> None:
    rng, lane = np.random.default_rng(7), LanePolicy.for_cosine("0.419")
    for _ in range(200):
        x = unit(rng)
        score = int(probe_signs(x) @ template_values(x))
        assert score > lane.hi
        assert abs(score / KAPPA - 0.99) < 0.03


@settings(max_examples=100)
@given(vectors, vectors)
def test_no_pair_comes_near_half_of_t(first: tuple, second: tuple) -> None:
    """<p, T> is an integer far below t / 2, so what is left modulo t is itself."""
    score = int(probe_signs(draw(*first)) @ template_values(draw(*second)))
    # sqrt(4096) times the length of T, at most 2 sqrt(4096) plus half a unit each
    assert abs(score) <= LANE * 2.6
    assert LANE * 2.6 < T // 2


# --- slots ---------------------------------------------------------------------------------------


def test_lanes_stand_one_after_the_other_modulo_t() -> None:
    first, second = np.arange(LANE) - 2048, -np.arange(LANE)
    slots = lane_slots(first, second)
    assert slots.dtype == np.uint64
    assert slots.shape == (N,)
    assert slots.tolist() == [int(v) % T for v in (*first, *second)]


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(512),
        np.full(512, np.nan),
        np.full(4, np.inf),
        np.array([np.nan, 1.0]),
        np.array([-np.inf]),
        np.ones((1, 1)),
        np.array(1.0),
        np.array([]),
        np.append(1.0, np.zeros(512)),
        np.array([1.0011]),
        np.array([0.9989]),
        np.full(512, 1e200),
    ],
    ids=["zero", "nan", "inf", "one-nan", "minus-inf", "matrix", "scalar", "empty", "513", "long",
         "short", "overflow"],
)  # fmt: skip
@pytest.mark.parametrize("encode", [probe_signs, template_values])
def test_what_is_not_a_unit_embedding_is_refused(encode, bad: np.ndarray) -> None:
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(CallerMisuse):
        encode(bad)
