"""A track is one person's face, and never more than was checked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness.tracking import (
    MAX_GAP_MS,
    MAX_UNSURE_MS,
    SAME_PERSON_COSINE,
    SAMPLE_EVERY_MS,
    FaceTrack,
    shape_change,
)
from tests.support.face_model import Pose, head, seen

FRAME_MS = 33
SOMEBODY, SOMEBODY_ELSE = np.eye(8, dtype=np.float32)[:2]


def _feed(track: FaceTrack, at_ms: int, points, person) -> bool:
    """As the meter does."""
    continuous, look = track.follow(at_ms, points)
    if look:
        continuous = track.identify(at_ms, person) and continuous
    return continuous


def _still(**pose: float) -> np.ndarray:
    return seen(head(), Pose(**pose))


def test_the_first_frame_starts_a_track_and_the_next_continue_it() -> None:
    track = FaceTrack()
    taken = [_feed(track, FRAME_MS * n, _still(yaw=n), SOMEBODY) for n in range(30)]
    assert taken == [False] + 29 * [True]


def test_another_person_in_the_same_place_is_noticed_within_a_quarter_of_a_second() -> None:
    track = FaceTrack()
    for n in range(10):
        _feed(track, FRAME_MS * n, _still(), SOMEBODY)
    later = [_feed(track, FRAME_MS * n, _still(), SOMEBODY_ELSE) for n in range(10, 30)]
    broken = later.index(False)
    assert broken * FRAME_MS <= SAMPLE_EVERY_MS
    assert all(later[broken + 1 :])  # the newcomer's own track


def test_a_face_too_poor_to_embed_is_compared_in_the_first_good_frame() -> None:
    """Nobody slips in behind a blur: the comparison is owed, and made at once."""
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    last = SAMPLE_EVERY_MS // FRAME_MS
    for n in range(1, last + 1):
        assert _feed(track, FRAME_MS * n, _still(), SOMEBODY)
    at_ms = (last + 1) * FRAME_MS
    assert track.follow(at_ms, _still()) == (True, True)
    assert track.unsure(at_ms)
    assert track.follow(at_ms + FRAME_MS, _still()) == (True, True)
    assert not track.identify(at_ms + FRAME_MS, SOMEBODY_ELSE)
    assert track.follow(at_ms + 2 * FRAME_MS, _still()) == (True, False)  # the newcomer's track


def test_a_face_that_stays_too_poor_ends_its_track() -> None:
    track, going_on = FaceTrack(), []
    _feed(track, 0, _still(), SOMEBODY)
    for at_ms in range(FRAME_MS, 2 * MAX_UNSURE_MS, FRAME_MS):
        _, look = track.follow(at_ms, _still())
        if look:
            going_on.append((at_ms, track.unsure(at_ms)))
    ended = next(at_ms for at_ms, continues in going_on if not continues)
    assert MAX_UNSURE_MS < ended <= MAX_UNSURE_MS + FRAME_MS


@pytest.mark.parametrize("change", [{"shift": (0.6, 0.0)}, {"distance": 6.9}, {"yaw": 25.0}])
def test_a_jump_has_the_person_looked_at_in_that_very_frame(change) -> None:
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    assert track.follow(FRAME_MS, _still(**change)) == (True, True)
    assert not track.identify(FRAME_MS, SOMEBODY_ELSE)


def test_quiet_frames_cost_no_embedding() -> None:
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    assert track.follow(FRAME_MS, _still(yaw=1)) == (True, False)


@pytest.mark.parametrize("change", [{"shift": (1.5, 0.0)}, {"distance": 5.0}])
def test_what_no_head_can_do_breaks_the_track_whoever_it_is(change) -> None:
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    assert not _feed(track, FRAME_MS, _still(**change), SOMEBODY)


def test_a_short_gap_is_bridged_by_looking_at_who_comes_back() -> None:
    for person, same in ((SOMEBODY, True), (SOMEBODY_ELSE, False)):
        track = FaceTrack()
        _feed(track, 0, _still(), SOMEBODY)
        assert track.lose(FRAME_MS)
        assert _feed(track, 5 * FRAME_MS, _still(), person) is same


def test_a_long_gap_ends_the_track() -> None:
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    assert not track.lose(MAX_GAP_MS + 1)
    assert not _feed(track, MAX_GAP_MS + 2, _still(), SOMEBODY)


def test_time_that_runs_backwards_ends_the_track() -> None:
    track = FaceTrack()
    _feed(track, 1000, _still(), SOMEBODY)
    assert not _feed(track, 900, _still(), SOMEBODY)


def test_no_track_without_a_face() -> None:
    assert not FaceTrack().lose(0)
    assert FaceTrack().pick([]) is None


def test_the_tracked_face_is_followed_not_the_tallest() -> None:
    track = FaceTrack()
    mine = _detected(_still(), 100)
    _feed(track, 0, mine.landmarks, SOMEBODY)
    taller = _detected(_still(shift=(3.0, 0.0)), 120)
    assert track.pick([taller, mine]) is mine
    assert FaceTrack().pick([taller, mine]) is taller


@given(st.floats(-1, 1))
def test_the_threshold_is_a_cosine_with_the_mean(cosine) -> None:
    track = FaceTrack()
    _feed(track, 0, _still(), SOMEBODY)
    vector = cosine * SOMEBODY + np.sqrt(1 - cosine**2) * SOMEBODY_ELSE
    if abs(cosine - SAME_PERSON_COSINE) > 1e-3:
        assert track.identify(300, vector) == (cosine > SAME_PERSON_COSINE)


@given(st.floats(-0.5, 0.5), st.floats(0.5, 2))
def test_a_similarity_is_no_change_of_shape(angle, scale) -> None:
    points = _still(yaw=10)
    c, s = np.cos(angle), np.sin(angle)
    moved = (scale * points @ np.array([[c, s], [-s, c]]) + 7).astype(np.float32)
    assert shape_change(points, moved) < 1e-4
    assert shape_change(points, _still(yaw=-15)) > 0.05


def _detected(points, height: float) -> DetectedFace:
    five = np.array([points[36:42].mean(0), points[42:48].mean(0), *points[[30, 48, 54]]])
    x, y = points.mean(axis=0)
    box = Box(x, y, x, y).square(height)
    return DetectedFace(box, 0.9, five.astype(np.float32), points)
