"""What counts as an action, and what two witnesses keep from counting as one."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness import ActionDetectors, ActionEvent, FrameMeasurement
from gateway.vision.liveness import measurement as m
from tests.support.face_model import Pose, head, photograph, seen

FRAME_MS = 33
CHANGED = 0.4


def frame(
    eyes=1.0, mouth=0.0, yaw=0.0, changed=CHANGED, card=False, narrow=False, **pose
) -> FrameMeasurement:
    """The schematic head, or a card with its photograph, as a perfect meter would measure it."""
    model = head(eyes, mouth)
    points = seen(photograph(model) if card else model, Pose(yaw=yaw, **pose), 0.003, seed=7)
    face = DetectedFace(Box(0, 0, 1, 1), 0.9, np.zeros((5, 2), np.float32), points)
    closed = 1.0 - eyes
    return FrameMeasurement(
        at_ms=0,
        faces=1,
        face=face,
        turn=m.turn(points),
        pitch=m.pitch(points),
        eyes_closed=closed,
        eye_aspect=m.eye_aspect(points),
        mouth_open=m.mouth_open(points),
        continuous=True,
        eyes_changed=changed if closed > 0.3 else 0.0,
        mouth_changed=changed if mouth > 0.1 else 0.0,
        turned_changed=changed if abs(m.turn(points)) > 0.06 else 0.0,
        breadth=2.0 * (np.cos(np.radians(1.7 * yaw)) if narrow else 1.0),
    )


REST = [frame()] * 15
BLINK = [frame(eyes=0.5), frame(eyes=0.0), frame(eyes=0.0), frame(eyes=0.9)]
GAPE = [frame(mouth=0.2), *[frame(mouth=0.6)] * 8, frame(mouth=0.1)]
LEFT = [frame(yaw=yaw) for yaw in (6, 12, 18, 24, 28, 28, 24, 16, 8)]
RIGHT = [frame(yaw=-yaw) for yaw in (6, 12, 18, 24, 28, 28, 24, 16, 8)]
ACTIONS = {"blink": BLINK, "open-mouth": GAPE, "turn-left": LEFT, "turn-right": RIGHT}


def run(*parts: list[FrameMeasurement], frame_ms: int = FRAME_MS) -> list[ActionEvent]:
    detectors = ActionDetectors()
    frames = [replace(f, at_ms=frame_ms * n) for n, f in enumerate(itertools.chain(*parts))]
    return [event for one in frames for event in detectors.feed(one)]


@pytest.mark.parametrize("kind", ACTIONS)
def test_each_action_is_found_once_and_nothing_else(kind) -> None:
    (event,) = run(REST, ACTIONS[kind], REST)
    assert event.kind == kind
    began = FRAME_MS * len(REST)
    assert began <= event.start_ms <= event.peak_ms <= event.end_ms
    assert event.end_ms <= began + FRAME_MS * len(ACTIONS[kind])


@pytest.mark.parametrize(("towards", "kind"), [(1, "turn-left"), (-1, "turn-right")])
def test_a_rolled_sheet_that_is_turned_becomes_narrow_and_is_no_turn(towards, kind) -> None:
    """Its nose moves between the eyes as a head's does, when it is turned further than a head."""
    yaws = [towards * yaw for yaw in (6, 12, 18, 24, 28, 28, 28, 24, 16, 8)]
    assert run(REST, [frame(yaw=yaw, narrow=True) for yaw in yaws], REST) == []
    assert [one.kind for one in run(REST, [frame(yaw=yaw) for yaw in yaws], REST)] == [kind]


@given(st.permutations(list(ACTIONS)), st.integers(20, 80))
def test_actions_in_any_order_and_at_any_frame_rate(order, frame_ms) -> None:
    slow = [[one for one in ACTIONS[kind] for _ in range(3)] for kind in order]
    parts = [part for action in slow for part in (REST, action)]
    assert [event.kind for event in run(*parts, REST, frame_ms=frame_ms)] == order


@pytest.mark.parametrize("kind", ACTIONS)
def test_no_action_without_a_changed_picture(kind) -> None:
    """What a moved print does to landmarks: everything seems to happen, nothing looks different."""
    still = [
        replace(f, eyes_changed=0.03, mouth_changed=0.1, turned_changed=0.1) for f in ACTIONS[kind]
    ]
    assert run(REST, still, REST) == []


@pytest.mark.parametrize("kind", ACTIONS)
def test_no_action_from_a_changed_picture_alone(kind) -> None:
    calm = frame()
    changed = [
        replace(calm, eyes_changed=0.9, mouth_changed=0.9, turned_changed=0.9)
        for _ in ACTIONS[kind]
    ]
    assert run(REST, changed, REST) == []


def test_eyes_that_seem_closed_but_stay_open_are_no_blink() -> None:
    squint = [replace(frame(), eyes_closed=0.9, eyes_changed=0.5)] * 3
    assert run(REST, squint, REST) == []


def test_eyes_that_stay_closed_are_no_blink_yet() -> None:
    closed = [frame(eyes=0.0)]
    assert run(REST, closed * 60) == []
    assert [e.kind for e in run(REST, closed * 60, REST)] == ["blink"]
    assert run(REST, closed * 150, REST) == []  # that is sleep


@pytest.mark.parametrize("degrees", [20, 30, 40, 45])
@pytest.mark.parametrize("frames", [2, 6, 15])
def test_a_far_or_fast_turn_is_found_too(degrees, frames) -> None:
    """With the breadth that the schematic head really shows."""
    there = [frame(yaw=degrees * n / frames) for n in range(1, frames + 1)]
    turn = [
        replace(one, breadth=m.breadth(one.face.landmarks))
        for one in [*REST, *there, *[there[-1]] * 6, *there[::-1]]
        if one.face is not None and one.face.landmarks is not None
    ]
    assert [event.kind for event in run(turn)] == ["turn-left"]


def test_somebody_who_is_always_turned_does_not_turn() -> None:
    turned = [frame(yaw=25)] * 60
    assert run(turned) == []


def test_coming_back_from_a_turn_is_no_turn_to_the_other_side() -> None:
    back = [frame(yaw=-yaw) for yaw in (30, 30, 30, 24, 18, 12, 6, 0, 0, 0, 0)]
    assert "turn-left" not in [event.kind for event in run(back, REST, REST)]


def test_a_flat_photograph_that_is_turned_shows_no_turn() -> None:
    tilted = [frame(yaw=yaw, card=True) for yaw in (0, 15, 30, 40, 40, 40, 30, 15, 0)]
    assert run([frame(card=True)] * 15, tilted) == []


@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize(
    "fault", [{"continuous": False}, {"face": None, "faces": 0}, {"faces": 2}], ids=str
)
def test_nothing_is_found_across_a_break_or_among_several_faces(kind, fault) -> None:
    action = ACTIONS[kind]
    assert run(REST, [replace(one, **fault) for one in action], REST) == []


def test_the_first_moments_of_a_track_show_nothing() -> None:
    assert run(BLINK, REST) == []


def test_an_event_shows_no_number_of_the_face() -> None:
    assert "strength" not in repr(run(REST, BLINK, REST)[0])
