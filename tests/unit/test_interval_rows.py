"""Rows of the private interval test: the protocol's numbers, their range, their randomisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.he.interval import Rows, comparison, make_rows
from gateway.he.product import LaneBounds
from gateway.wire.profile import T
from tests.support.he import BITS, COMPARISON_SLOTS, ROWS, ScriptedStream, bit_slots

values = st.one_of(
    st.integers(0, T - 1),
    st.sampled_from([0, 1, T - 1, 2**33, 2**33 - 1]),
    st.integers(0, 33).map(lambda i: 1 << i),
)


def bits_of(value: int) -> np.ndarray:
    return np.array([(value >> j) & 1 for j in range(BITS)], dtype=np.int64)


def forms_at(m: int, y: int, flip: int) -> list[int]:
    weights, constants = comparison(y, flip)
    return [int(c) for c in weights @ bits_of(m) + constants]


def protocol_rows(m: int, y: int, flip: int) -> list[int]:
    """c_i of section 6, written out."""
    mb, yb = (f"{x:034b}"[::-1] for x in (m, y))
    differs = [3 * (a != b) for a, b in zip(mb, yb, strict=True)]
    sign = 1 if flip == 0 else -1
    rows = [1 + sign * (int(mb[i]) - int(yb[i])) + sum(differs[i + 1 :]) for i in range(34)]
    return [*rows, sum(differs) + (2 if flip == 0 else 0)]


@settings(max_examples=500)
@given(m=values, y=values, flip=st.integers(0, 1))
def test_rows_are_the_protocols_numbers(m: int, y: int, flip: int) -> None:
    assert forms_at(m, y, flip) == protocol_rows(m, y, flip)


@settings(max_examples=500)
@given(m=values, y=values, flip=st.integers(0, 1), equal=st.booleans())
def test_exactly_one_row_is_zero_iff_less_xor_flip(m: int, y: int, flip: int, equal: bool) -> None:
    m = y if equal else m
    rows = forms_at(m, y, flip)
    assert rows.count(0) == ((m < y) ^ flip)
    assert min(rows) >= 0
    assert max(rows) <= 104


@pytest.mark.parametrize("flip", [0, 1])
def test_every_pair_of_six_bit_numbers(flip: int) -> None:
    """All 4096 pairs at the low end and at the high end of the 34 bits (where below t)."""
    for y in range(64):
        weights, constants = comparison(y, flip)
        low = np.stack([bits_of(m) for m in range(64)])
        zeros = ((low @ weights.T + constants) == 0).sum(axis=1)
        assert zeros.tolist() == [(m < y) ^ flip for m in range(64)]
        weights, constants = comparison(y << 28, flip)
        high = np.stack([bits_of(m << 28) for m in range(64)])
        zeros = ((high @ weights.T + constants) == 0).sum(axis=1)
        assert zeros.tolist() == [(m < y) ^ flip for m in range(64)]


# --- randomised ----------------------------------------------------------------------------------

BOUNDS = (LaneBounds(5, 9), LaneBounds(T - 1, 3))


def evaluated(rows: Rows, masked: list[int]) -> np.ndarray:
    slots = np.where(bit_slots(masked) == 1, rows.factors, np.uint64(0)) + rows.addends
    return slots % np.uint64(T)


def test_layout_and_unused_slots() -> None:
    """Four comparisons fill 4760 slots; elsewhere factors are zero and addends random."""
    rows = make_rows(BOUNDS, ScriptedStream("layout"))
    used = 4 * COMPARISON_SLOTS
    assert used == 4760
    assert not rows.factors[used:].any()
    assert len(set(rows.addends[used:].tolist())) == 8192 - used
    assert rows.factors.max() < T
    assert rows.addends.max() < T
    per_row = rows.factors[:used].reshape(4, ROWS, BITS)
    assert (per_row != 0).any(axis=2).all()


def test_a_row_is_its_form_times_one_nonzero_factor_somewhere() -> None:
    """The row's factors, divided by one number, are the weights of exactly one of the 35 forms."""
    rows = make_rows(BOUNDS, ScriptedStream("factor", flips={0: 1, 1: 0}))
    flips = (1, 1, 0, 1)  # the second lane's bounds wrap
    ys = (5, 9, T - 1, 3)
    for k, (y, flip) in enumerate(zip(ys, flips, strict=True)):
        place = slice(k * COMPARISON_SLOTS, (k + 1) * COMPARISON_SLOTS)
        factors = rows.factors[place].reshape(ROWS, BITS).astype(object)
        addends = rows.addends[place].reshape(ROWS, BITS).astype(object)
        weights, constants = comparison(y, flip)
        found = []
        for factor, addend in zip(factors, addends, strict=True):
            for i in range(ROWS):
                last = int(weights[i][33])
                scale = int(factor[33]) * pow(last, -1, T) % T
                if ((scale * weights[i].astype(object) - factor) % T == 0).all():
                    assert scale != 0
                    assert (int(addend.sum()) - scale * int(constants[i])) % T == 0
                    found.append(i)
        assert sorted(found) == list(range(ROWS))
        assert found != list(range(ROWS))


def test_a_zero_in_the_stream_never_becomes_a_factor() -> None:
    zeros = {f"rows/scale/{k}": bytes(5 * ROWS) for k in range(4)}
    rows = make_rows(BOUNDS, ScriptedStream("zeros", first_bytes=zeros))
    per_row = rows.factors[: 4 * COMPARISON_SLOTS].reshape(4, ROWS, BITS)
    assert (per_row != 0).any(axis=2).all()


def test_shares_of_a_row_are_uniform_given_its_sum() -> None:
    """Slots of the zero row, over 300 seeds: no slot is the same twice, and halves are even."""
    zero_rows = []
    for i in range(300):
        rows = make_rows(BOUNDS[:1], ScriptedStream(f"shares {i}", flips={0: 0}))
        slots = evaluated(rows, [7])[COMPARISON_SLOTS : 2 * COMPARISON_SLOTS].reshape(ROWS, BITS)
        sums = slots.sum(axis=1) % np.uint64(T)
        (place,) = np.flatnonzero(sums == 0)
        zero_rows.append(slots[place])
    shares = np.stack(zero_rows)
    assert len(np.unique(shares)) == shares.size
    upper = (shares > T // 2).sum(axis=0)
    assert ((upper > 150 - 44) & (upper < 150 + 44)).all()  # five standard deviations of 8.7


def test_the_flips_of_a_lane_differ_iff_the_bounds_wrap() -> None:
    """m = 0 is below every bound: z of a comparison is then 1 xor its flip."""
    for i in range(40):
        slots = evaluated(make_rows(BOUNDS, ScriptedStream(f"flips {i}")), [0, 0])
        sums = slots[: 4 * COMPARISON_SLOTS].reshape(4, ROWS, BITS).sum(axis=2) % np.uint64(T)
        z = (sums == 0).any(axis=1)
        assert z[0] == z[1]  # 5 < 9
        assert z[2] != z[3]  # t - 1 > 3


def test_repr_shows_no_bound_and_no_row() -> None:
    rows = make_rows(BOUNDS[:1], ScriptedStream("repr"))
    assert repr(rows) == "Rows()"
    assert repr(BOUNDS[0]) == "LaneBounds()"
