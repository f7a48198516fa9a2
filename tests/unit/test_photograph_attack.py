"""A photograph before the camera: the sheet's geometry, the hand, and how far it gets."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gateway.lab.attack.photograph.moves import TECHNIQUES, Anatomy, Hand, Move, plan
from gateway.lab.attack.photograph.series import LENGTH, Tally, challenge, room, trials
from gateway.lab.attack.photograph.sheet import Bend, Pose, Print, _Camera
from gateway.lab.attack.photograph.trial import Camera, Outcome, attempt
from gateway.lab.evaluation.tables import stills_as_json
from gateway.main import main
from gateway.vision.liveness import ActionDetectors, ActionEvent
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.wire.liveness import MOVEMENTS, ActionKind, Challenge
from tests.faces_data import faces_directory, pipeline

ROOM = np.full((400, 400, 3), 90, np.uint8)
FACE = Anatomy(left_eye=-0.2, right_eye=0.2, eyes=-0.1, nose=0.0, mouth=0.25)
BENDS = [
    Bend(),
    Bend("curve", 0.9, 0.5),
    Bend("wave", -1.2, 0.2, 0.1, math.pi / 2),
    Bend("curve", 0.6, 0.8, -0.2, 0.4),
]


def _draw() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("bend", BENDS)
def test_paper_bends_and_does_not_stretch(bend: Bend) -> None:
    camera = _Camera(Pose(bend=bend))
    u, v = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-0.8, 0.8, 9)] * 2))
    here = np.stack(camera._bent(u, v))
    for du, dv in ((1e-3, 0.0), (0.0, 1e-3), (7e-4, 7e-4)):
        moved = np.stack(camera._bent(u + du, v + dv))
        assert np.linalg.norm(moved - here, axis=0) == pytest.approx(math.hypot(du, dv), rel=0.02)


@pytest.mark.parametrize("bend", BENDS[:3])
@pytest.mark.parametrize("pose", [Pose(), Pose(yaw=0.5, pitch=-0.3, roll=0.2, x=0.1, zoom=0.7)])
def test_every_pixel_shows_the_point_of_the_sheet_that_is_before_it(pose: Pose, bend: Bend) -> None:
    posed = replace(pose, bend=bend)
    u, v, off = Print(ROOM, ROOM)._seen(posed)
    on_it = (np.abs(u) < 0.9) & (np.abs(v) < 0.9) & ~off
    assert on_it.mean() > 0.15
    x, y = _Camera(posed).project(u[on_it].astype(float), v[on_it].astype(float))
    rows, columns = np.nonzero(on_it)
    assert np.quantile(np.abs(x - (2 * columns / 399 - 1)), 0.99) < 0.02
    assert np.quantile(np.abs(y - (2 * rows / 399 - 1)), 0.99) < 0.02


def test_a_face_turned_to_the_right_is_narrower_and_its_right_half_more_so() -> None:
    camera = _Camera(Pose(yaw=0.6))
    (left, middle, right), _ = camera.project(np.array([-0.3, 0, 0.3]), np.zeros(3))
    assert middle - left > right - middle
    assert right - left < 0.6 * 0.92


@pytest.mark.parametrize("kind", MOVEMENTS)
def test_moves_begin_and_end_at_rest(kind: ActionKind) -> None:
    draw = _draw()
    for _ in range(50):
        move = plan(kind, FACE, draw)
        assert move.technique in TECHNIQUES[kind]
        assert move.share(0) == pytest.approx(0)
        assert move.share(move.rise) == pytest.approx(1)
        assert move.share(move.seconds) == pytest.approx(0, abs=1e-9)
        assert move.share(move.seconds + 1) == 0


def test_a_move_leads_to_its_target() -> None:
    rest = Hand.draw(_draw()).pose(1.0)
    target = Pose(yaw=0.5, bend=Bend("wave", 1.0, 0.2))
    assert rest.moved(target, 0) == replace(rest, bend=replace(target.bend, angle=0))
    assert rest.moved(target, 1).yaw == 0.5
    assert rest.moved(Pose(yaw=0.5), 1).bend == rest.bend
    assert Move("m", target, 0.1, 0.2, 0.3).seconds == pytest.approx(0.6)


@dataclass(frozen=True)
class Found:
    kind: str
    start_ms: int
    peak_ms: int
    end_ms: int


class Every:
    """Detectors that find what they are told to, a second after the last time."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = list(kinds)
        self._next = 3000

    def feed(self, frame: FrameMeasurement) -> list[Found]:
        if not self._kinds or frame.at_ms < self._next:
            return []
        self._next = frame.at_ms + 1000
        at = frame.at_ms
        return [Found(self._kinds.pop(0), at - 300, at - 200, at - 100)]


@pytest.fixture(scope="module")
def seen() -> FrameMeasurement:
    """A frame that shows one still, frontal face."""
    vision = pipeline()
    from gateway.lab.attack.photograph.album import prints

    photograph, _ = next(prints(faces_directory() / "lfw", vision, seed=1))
    face = vision.faces(photograph)[0]
    return FrameMeasurement(0, 1, face, exposure=0.5, sharpness=0.5, continuous=True)


def _attempt(seen: FrameMeasurement, detectors: Every, asked: Challenge) -> Outcome:
    first = True

    def sight(_: Pose, at_ms: int) -> FrameMeasurement:
        nonlocal first
        frame = replace(seen, at_ms=at_ms, continuous=not first)
        first = False
        return frame

    return attempt(sight, FACE, asked, detectors, _draw())


@pytest.mark.faces
@pytest.mark.pack
def test_a_trial_ends_as_the_runner_says(seen: FrameMeasurement) -> None:
    asked = challenge(_draw())
    outcome = _attempt(seen, Every(asked.actions), asked)
    assert outcome.passed
    assert outcome.reason == ""
    assert len(outcome.techniques) == LENGTH
    nothing = _attempt(seen, Every(()), asked)
    assert (nothing.done, nothing.reason) == (0, "gave up")
    wrong = next(kind for kind in MOVEMENTS if kind not in ("blink", asked.actions[0]))
    assert _attempt(seen, Every((wrong,)), asked).reason == "wrong-action"


def test_a_tally_counts_the_action_that_failed_as_tried() -> None:
    tally = Tally()
    tally.add(Outcome(("blink", "turn-left", "blink"), ("dip",), "gave up"))
    tally.add(Outcome(("blink", "turn-left", "blink"), ("dip", "drum", "fold"), ""))
    assert (tally.trials, tally.passed) == (2, 1)
    assert tally.asked == {"blink": 3, "turn-left": 2}
    assert tally.feigned == {"blink": 3, "turn-left": 1}
    assert tally.techniques["blink", "dip"] == 2


class BesidePlainThresholds:
    """The real detectors; plain thresholds, as anybody would write them first, look on."""

    def __init__(self) -> None:
        self._real = ActionDetectors()
        self.fired: set[str] = set()

    def feed(self, frame: FrameMeasurement) -> list[ActionEvent]:
        levels = {
            "blink": frame.eyes_closed > 0.5,
            "open-mouth": frame.mouth_open > 0.35,
            "turn-left": frame.turn > 0.15,
            "turn-right": frame.turn < -0.15,
        }
        self.fired |= {kind for kind, over in levels.items() if over}
        return self._real.feed(frame)


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.pack
def test_photographs_do_not_pass_but_would_deceive_plain_thresholds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count, seed, watching = 5, 5, []

    def detectors() -> BesidePlainThresholds:
        watching.append(BesidePlainThresholds())
        return watching[-1]

    folder = faces_directory() / "lfw"
    outcomes = list(trials(load_pack(default_pack_directory()), folder, count, seed, detectors))
    assert len(outcomes) == count
    assert sum(outcome.passed for outcome in outcomes) == 0
    assert sum(outcome.done > 0 for outcome in outcomes) <= count // 2
    deceived = [
        outcome.actions[0] in plain.fired for outcome, plain in zip(outcomes, watching, strict=True)
    ]
    assert sum(deceived) >= count // 2

    again = ["evaluate", "liveness", "--stills", str(count), "--seed", str(seed), "--jobs", "2"]
    assert main([*again, "--photographs", str(folder), "--json"]) == 0
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    assert json.loads(capsys.readouterr().out) == stills_as_json(tally)


def test_a_room_is_no_face() -> None:
    assert room(_draw()).shape == (400, 400, 3)
    assert Camera(Print(ROOM, ROOM), lambda image, _: image.mean(), 400, _draw())(
        Pose(), 0
    ) == pytest.approx(90, abs=2)
