"""The meter on pictures: one person is followed through anything, two never pass for one."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.main import main
from gateway.vision import demo_faces
from gateway.vision.alignment import similarity
from gateway.vision.geometry import BgrImage
from gateway.vision.landmarks import LandmarkFinder
from gateway.vision.liveness.landmarks import steady_landmarks
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import faces_directory, pipeline

FRAME_MS = 40
SIZE = (640, 480)
RUNS = itertools.count()

pytestmark = [pytest.mark.pack, pytest.mark.slow]


@pytest.fixture(scope="module")
def vision() -> FacePipeline:
    return pipeline()


@pytest.fixture(scope="module")
def stills(vision: FacePipeline) -> list[BgrImage]:
    return demo_faces.people(vision)


@pytest.fixture
def meter(vision: FacePipeline) -> LivenessMeter:
    return LivenessMeter(load_pack(default_pack_directory()), vision)


def test_a_face_in_motion_is_one_track(meter, stills) -> None:
    measured = _run(meter, [_moved(stills[0], n) for n in range(40)])
    assert [m.continuous for m in measured] == [False] + 39 * [True]
    assert {m.faces for m in measured} == {1}
    assert np.std([m.roll_deg for m in measured]) > 2  # it was really moved


def test_a_cut_to_another_person_in_the_same_place_is_noticed(meter, vision, stills) -> None:
    frames = [_placed(vision, stills[0]) for _ in range(12)]
    frames += [_placed(vision, stills[2]) for _ in range(12)]
    continuous = [m.continuous for m in _run(meter, frames)]
    assert continuous[:12] == [False] + 11 * [True]
    assert continuous[12:20].count(False) == 1


def test_a_face_that_comes_back_at_once_is_looked_at(meter, stills) -> None:
    empty = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    face = _moved(stills[0], 0)
    measured = _run(meter, [face, empty, empty, face])
    assert [m.continuous for m in measured] == [False, True, True, True]
    assert [m.faces for m in measured] == [1, 0, 0, 1]
    assert measured[1].face is None
    gone = _run(meter, [empty] * 20 + [face])
    assert gone[-1].continuous is False


def test_two_people_are_counted(meter, stills) -> None:
    both = np.hstack([_moved(stills[0], 0), _moved(stills[2], 0)])
    assert _run(meter, [both])[0].faces == 2


def test_light_and_blur_show(meter, stills) -> None:
    face = _moved(stills[0], 0)
    dark = (face * 0.25).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(face, (0, 0), 6), np.uint8)
    usual, darker, softer = _run(meter, [face, dark, blurred])
    assert darker.exposure < 0.4 * usual.exposure
    assert darker.sharpness > 0.7 * usual.sharpness  # light is not sharpness
    assert softer.sharpness < 0.6 * usual.sharpness


def test_no_passive_score_where_the_picture_shows_the_face_alone(meter, stills) -> None:
    close = stills[0]
    face = _run(meter, [close])[0].face
    assert meter.passive_score(close, face) is None
    wide = cv2.copyMakeBorder(close, 300, 300, 300, 300, cv2.BORDER_REPLICATE)
    score = meter.passive_score(wide, _run(meter, [wide])[0].face)
    assert 0 <= score <= 1


def test_steady_landmarks_scatter_less_than_the_recipe(vision, stills) -> None:
    finder = LandmarkFinder(load_pack(default_pack_directory()))
    steady, recipe = [], []
    for number in range(12):
        matrix = _motion(stills[0], number)
        picture = cv2.warpAffine(stills[0], matrix, SIZE, borderMode=cv2.BORDER_REFLECT_101)
        face = max(vision.faces(picture), key=lambda f: f.box.height)
        back = cv2.invertAffineTransform(matrix)
        for found, kept in (
            (face.landmarks, recipe),
            (steady_landmarks(finder, picture, face.landmarks), steady),
        ):
            kept.append(found @ back[:, :2].T + back[:, 2])
    assert _scatter(steady) < 0.8 * _scatter(recipe)


def test_bench_vision_stays_within_a_frame(capsys) -> None:
    assert main(["bench", "vision", "--frames", "6", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frameMs"] <= 60
    assert set(figures) >= {"stagesMs", "ratio", "firstAdviceMs"}
    assert main(["bench", "vision", "--frames", "1"]) == 2


@pytest.mark.faces
def test_real_people_stay_one_track_and_a_splice_does_not(vision) -> None:
    lively, other = list(_clip("lp_d12", 120)), list(_clip("lp_d18", 20))
    pack = load_pack(default_pack_directory())
    continuous = [m.continuous for m in _run(LivenessMeter(pack, vision), lively)]
    assert continuous == [False] + 119 * [True]
    spliced = _run(LivenessMeter(pack, vision), lively[:20] + other)
    assert not all(m.continuous for m in spliced[20:28])


def _run(meter: LivenessMeter, frames: list[BgrImage]) -> list[FrameMeasurement]:
    """Each run begins long after the one before."""
    start = 10_000 * next(RUNS)
    return [meter.measure(frame, start + FRAME_MS * n) for n, frame in enumerate(frames)]


def _motion(still: BgrImage, number: int) -> np.ndarray:
    height, width = still.shape[:2]
    phase = number / 5
    size = 0.9 * SIZE[1] / height * (1 + 0.06 * np.sin(phase))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 8 * np.sin(phase), size)
    matrix[:, 2] += (SIZE[0] - width) / 2 + 20 * np.cos(phase), (SIZE[1] - height) / 2
    return matrix


def _moved(still: BgrImage, number: int) -> BgrImage:
    return np.asarray(cv2.warpAffine(still, _motion(still, number), SIZE), np.uint8)


def _placed(vision: FacePipeline, still: BgrImage) -> BgrImage:
    """The still with the eyes and mouth where everybody's are: the smoothest cut there is."""
    target = np.array([[270, 200], [370, 200], [320, 255], [280, 310], [360, 310]], np.float32)
    matrix = similarity(vision.faces(still)[0].five, target)
    return np.asarray(
        cv2.warpAffine(still, matrix, SIZE, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )


def _scatter(found: list[np.ndarray]) -> float:
    mean = np.median(found, axis=0).astype(np.float32)
    rest = []
    for points in found:
        matrix = similarity(points.astype(np.float32), mean)
        rest.append(points @ matrix[:, :2].T + matrix[:, 2] - mean)
    return float(np.sqrt(np.mean(np.square(rest))))


def _clip(name: str, frames: int) -> Iterator[BgrImage]:
    path: Path = faces_directory() / "clips" / f"{name}.mp4"
    video = cv2.VideoCapture(str(path))
    for _ in range(frames):
        read, image = video.read()
        assert read, f"{path.name} is missing or too short"
        yield image
