"""Numbers per frame: what they mean, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness import measurement as m
from gateway.vision.liveness.measurement import FrameMeasurement
from tests.support.face_model import USUAL_NOSE, Pose, head, photograph, seen

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
    assert left == pytest.approx(-right, abs=0.01)
    assert m.pitch(seen(head(), Pose(pitch=15))) > m.pitch(front) + 0.05
    assert m.roll_deg(seen(head(), Pose(roll=12))) == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize("degrees", [5, 10, 15, 20, 25, 30])
def test_a_turn_in_degrees(degrees: int) -> None:
    """The scale that the docstring gives; people's noses differ by a third and more."""
    for yaw in (degrees, -degrees):
        stated = 0.6 * np.tan(np.radians(yaw))
        assert m.turn(seen(head(nose=USUAL_NOSE), Pose(yaw=yaw))) == pytest.approx(stated, rel=0.1)


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


def _measured(faces: int = 1, eye_distance: float = 80, **values: float) -> FrameMeasurement:
    five = np.array([[0, 0], [eye_distance, 0], [40, 40], [10, 80], [70, 80]], np.float32)
    face = DetectedFace(Box(-20, -30, 100, 120), 0.9, five)
    usual = {"pitch": 0.55, "eye_aspect": 0.3, "sharpness": 0.6, "exposure": 0.5}
    return FrameMeasurement(0, faces, face, **{**usual, **values})
