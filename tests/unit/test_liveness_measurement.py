"""Numbers per frame: what they mean, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness import measurement as m
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.liveness.quality import action_embedding, frame_quality
from tests.support.face_model import Pose, head, photograph, seen

RATIOS = (m.turn, m.pitch, m.eye_aspect, m.mouth_open, m.breadth)


@given(
    angle=st.floats(-0.6, 0.6),
    scale=st.floats(0.2, 5),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    yaw=st.floats(-30, 30),
    mouth=st.floats(0, 1),
)
def test_ratios_do_not_depend_on_where_the_face_is_nor_how_it_is_tilted(
    angle, scale, shift, yaw, mouth
) -> None:
    points = seen(head(mouth=mouth), Pose(yaw=yaw)).astype(np.float64)
    c, s = np.cos(angle), np.sin(angle)
    moved = scale * points @ np.array([[c, s], [-s, c]]) + shift
    for ratio in RATIOS:
        assert ratio(moved) == pytest.approx(ratio(points), abs=1e-6)
    assert m.roll_deg(moved) - m.roll_deg(points) == pytest.approx(np.degrees(angle), abs=1e-6)


def test_signs_and_sizes() -> None:
    front = seen(head(), Pose())
    assert m.turn(front) == pytest.approx(0, abs=0.01)
    right, left = (m.turn(seen(head(), Pose(yaw=yaw))) for yaw in (20, -20))
    assert 0.1 < right < 0.3
    assert left == pytest.approx(-right, abs=0.01)
    assert m.pitch(seen(head(), Pose(pitch=15))) > m.pitch(front) + 0.05
    assert m.roll_deg(seen(head(), Pose(roll=12))) == pytest.approx(12, abs=0.5)


def test_eyes_and_mouth() -> None:
    assert m.eye_aspect(seen(head(eyes=1), Pose())) > 0.25
    assert m.eye_aspect(seen(head(eyes=0), Pose())) < 0.05
    assert m.mouth_open(seen(head(mouth=0), Pose())) < 0.02
    assert m.mouth_open(seen(head(mouth=0.6), Pose())) == pytest.approx(0.6, abs=0.1)


def test_neither_eyes_nor_mouth_make_a_face_broader() -> None:
    calm = m.breadth(seen(head(), Pose()))
    assert 1.5 < calm < 2.5
    assert m.breadth(seen(head(eyes=0, mouth=1), Pose())) == pytest.approx(calm)
    flat = seen(photograph(head()), Pose(yaw=40))
    assert m.breadth(flat) < 0.85 * m.breadth(seen(photograph(head()), Pose()))


def test_points_on_one_spot_measure_nothing_and_raise_nothing() -> None:
    collapsed = np.zeros((68, 2), np.float32)
    assert [ratio(collapsed) for ratio in RATIOS] == [0, 0, 0, 0, 0]


def test_a_measurement_shows_nothing_of_the_face() -> None:
    shown = repr(_measured(turn=0.123))
    assert "0.123" not in shown
    assert "face=" not in shown


def test_the_portrait_is_the_best_frame() -> None:
    best = frame_quality(_measured())
    assert 0.4 < best <= 1
    worse = [
        _measured(turn=0.2),
        _measured(pitch=0.8),
        _measured(roll_deg=25),
        _measured(eyes_closed=0.9),
        _measured(mouth_open=0.5),
        _measured(sharpness=0.1),
        _measured(exposure=0.1),
        _measured(exposure=0.95),
        _measured(eye_distance=20),
    ]
    assert all(frame_quality(frame) < 0.6 * best for frame in worse)


def test_no_face_or_several_are_never_chosen() -> None:
    assert frame_quality(FrameMeasurement(0, 0, None)) == 0
    assert frame_quality(_measured(faces=2)) == 0


def test_the_action_embedding_is_the_mean_direction() -> None:
    a, b = np.eye(4, dtype=np.float32)[:2]
    mean = action_embedding([a, b])
    assert mean == pytest.approx([2**-0.5, 2**-0.5, 0, 0])
    assert not mean.flags.writeable
    assert action_embedding([a]) == pytest.approx(a)


@pytest.mark.parametrize("vectors", [[], [np.ones(3, np.float32), -np.ones(3, np.float32)]])
def test_no_direction_is_an_error(vectors) -> None:
    with pytest.raises(ValueError, match="embedding"):
        action_embedding(vectors)


def _measured(faces: int = 1, eye_distance: float = 80, **values: float) -> FrameMeasurement:
    five = np.array([[0, 0], [eye_distance, 0], [40, 40], [10, 80], [70, 80]], np.float32)
    face = DetectedFace(Box(-20, -30, 100, 120), 0.9, five)
    usual = {"pitch": 0.55, "eye_aspect": 0.3, "sharpness": 0.6, "exposure": 0.5}
    return FrameMeasurement(0, faces, face, **{**usual, **values})
