"""The second witness: a picture that changed, told apart from a picture that moved."""

import cv2
import numpy as np
import pytest

from gateway.vision.liveness.appearance import Appearance, aligned_view
from tests.support.face_model import Pose, head, photograph, seen

FRAME_MS = 33
PRINTED = photograph(head())


def drawn(eyes: float = 1.0, mouth: float = 0.0) -> np.ndarray:
    """A face drawn upon the schematic head's points as seen from the front: 640x480, BGR."""
    points = seen(photograph(head(eyes, mouth)), Pose())
    picture = np.full((480, 640, 3), (150, 170, 200), np.uint8)
    noise = np.random.default_rng(1).integers(-25, 25, (60, 80))  # skin
    picture = np.clip(picture + cv2.resize(noise.astype(np.int16), (640, 480))[..., None], 0, 255)
    picture = picture.astype(np.uint8)
    for eye in (points[36:42], points[42:48]):
        cv2.fillPoly(picture, [eye.astype(np.int32)], (240, 240, 240))
        if eyes > 0.5:
            cv2.circle(picture, tuple(map(int, eye.mean(axis=0))), 5, (30, 30, 30), -1)
        cv2.polylines(picture, [eye.astype(np.int32)], True, (40, 40, 60), 2)
    cv2.fillPoly(picture, [points[48:60].astype(np.int32)], (90, 90, 190))
    cv2.fillPoly(picture, [points[60:68].astype(np.int32)], (20, 10, 30))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8)  # no camera draws hard lines


def printed(picture: np.ndarray, pose: Pose, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The picture as a card in space: (image, landmarks), exactly planar."""
    front, moved = seen(PRINTED, Pose()), seen(PRINTED, pose)
    matrix, _ = cv2.findHomography(front[[0, 16, 8, 27]], moved[[0, 16, 8, 27]])
    image = cv2.warpPerspective(picture, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(image * gain, 0, 255).astype(np.uint8), moved


def _observe(looks, eyes=0.0, mouth=0.0, turn=0.0):
    """Changes that the last of several (image, landmarks) shows against the others."""
    appearance = Appearance()
    for n, (image, points) in enumerate(looks[:-1]):
        appearance.observe(FRAME_MS * n, aligned_view(image, points), 0.0, 0.0, 0.0)
    image, points = looks[-1]
    view = aligned_view(image, points)
    return appearance.observe(FRAME_MS * len(looks), view, eyes, mouth, turn)


MOVES = [Pose(yaw=35), Pose(pitch=-30), Pose(roll=20), Pose(distance=11.0), Pose(shift=(0.5, 0.3))]


@pytest.mark.parametrize("pose", MOVES, ids=str)
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_a_print_looks_the_same_however_it_is_held_and_lit(pose, gain) -> None:
    picture = drawn()
    looks = [printed(picture, Pose())] * 4 + [printed(picture, pose, gain)]
    changes = _observe(looks, eyes=1.0, mouth=0.6, turn=0.3)
    assert changes.eyes < 0.08
    assert changes.mouth < 0.1
    assert changes.turned < 0.08


def test_closed_eyes_and_an_open_mouth_look_different() -> None:
    rest = [printed(drawn(), Pose())] * 4
    closed = _observe([*rest, printed(drawn(eyes=0.1), Pose())], eyes=1.0)
    assert closed.eyes > 0.15
    assert closed.mouth == 0
    gaping = _observe([*rest, printed(drawn(mouth=0.7), Pose())], mouth=0.6)
    assert gaping.mouth > 0.2
    assert gaping.eyes == 0


def test_nothing_is_compared_without_an_occasion_or_a_past() -> None:
    look = printed(drawn(), Pose())
    for looks, values in (([look] * 4, {}), ([look], {"eyes": 1.0, "mouth": 0.6, "turn": 0.3})):
        changes = _observe(looks, **values)
        assert (changes.eyes, changes.mouth, changes.turned) == (0, 0, 0)


def test_a_new_track_is_not_compared_with_the_last_one() -> None:
    appearance = Appearance()
    view = aligned_view(*printed(drawn(), Pose()))
    for n in range(4):
        appearance.observe(FRAME_MS * n, view, 0.0, 0.0, 0.0)
    appearance.reset()
    closed = aligned_view(*printed(drawn(eyes=0.1), Pose()))
    assert appearance.observe(FRAME_MS * 5, closed, 1.0, 0.0, 0.0).eyes == 0


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_a_view_does_not_depend_on_the_size_of_the_picture(scale) -> None:
    image, points = printed(drawn(), Pose())
    size = (round(640 * scale), round(480 * scale))
    other = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    moved = ((points + 0.5) * scale - 0.5).astype(np.float32)
    a, b = aligned_view(image, points), aligned_view(other, moved)
    assert a.shape == b.shape == (112, 96)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > (0.7 if scale < 1 else 0.97)


def test_landmarks_outside_the_picture_are_no_error() -> None:
    image = np.zeros((40, 30, 3), np.uint8)
    for shift in (-5000, 5000):
        view = aligned_view(image, seen(head(), Pose()) + np.float32(shift))
        assert view.shape == (112, 96)
