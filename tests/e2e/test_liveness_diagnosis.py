"""Real people before impaired cameras, and impaired faces: what the meter measures names the cause.

Impairments are made in the clips' frames: dark glasses, a mask, a dim room, pictures that are
stretched, turned or mirrored.
"""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from gateway.client.liveness.capture import LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import MessageId, text
from gateway.client.liveness.sources import Frame
from gateway.vision.geometry import BgrImage, Points
from gateway.vision.liveness import ActionDetectors
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.ids import Digest
from gateway.wire.liveness import ActionKind
from tests.faces_data import faces_directory, pipeline
from tests.support.liveness import TOTALS
from tests.unit.test_liveness_runner import challenge

pytestmark = [pytest.mark.pack, pytest.mark.faces, pytest.mark.slow]

Change = Callable[[BgrImage], BgrImage]
EYES = (slice(36, 42), slice(42, 48))


@pytest.fixture(scope="module")
def vision() -> FacePipeline:
    return pipeline()


def unchanged(image: BgrImage) -> BgrImage:
    return image


def upside_down(image: BgrImage) -> BgrImage:
    return np.rot90(image, 2)


def mirrored(image: BgrImage) -> BgrImage:
    return image[:, ::-1]


def dim(image: BgrImage) -> BgrImage:
    return np.asarray(image * 0.12, np.uint8)


def stretched(image: BgrImage) -> BgrImage:
    return np.asarray(cv2.resize(image, None, fx=1.33, fy=1), np.uint8)


def tinted(opacity: float) -> Change:
    def change(image: BgrImage) -> BgrImage:
        points, dark = landmarks(image), image.copy()
        for eye in EYES:
            cv2.ellipse(dark, *_around_eye(points, eye, 0.42, 0.33), 0, 0, 360, (15, 15, 15), -1)
        return np.asarray(cv2.addWeighted(dark, opacity, image, 1 - opacity, 0), np.uint8)

    return change


def masked(image: BgrImage) -> BgrImage:
    points = landmarks(image)
    outline = cv2.convexHull(np.vstack([points[2:15], points[28:29]]).astype(np.int32))
    return np.asarray(cv2.fillPoly(image.copy(), [outline], (200, 180, 160)), np.uint8)


def landmarks(image: BgrImage) -> Points:
    found = max(pipeline().faces(image), key=lambda face: face.box.height).landmarks
    assert found is not None
    return found


def _around_eye(
    points: Points, eye: slice, across: float, down: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Centre and axes of an ellipse, in eye distances."""
    distance = float(np.linalg.norm(points[EYES[0]].mean(axis=0) - points[EYES[1]].mean(axis=0)))
    x, y = (int(value) for value in points[eye].mean(axis=0))
    return (x, y), (int(across * distance), int(down * distance))


def frames(clip: str, stretch: tuple[int, int], change: Change, every: int) -> Iterator[Frame]:
    """Every so many frames of a stretch, changed; there and back."""
    video = cv2.VideoCapture(str(faces_directory() / "clips" / f"{clip}.mp4"))
    rate, images = video.get(cv2.CAP_PROP_FPS), []
    for number in range(stretch[1]):
        read, image = video.read()
        assert read, f"{clip} is missing or too short"
        if number >= stretch[0] and (number - stretch[0]) % every == 0:
            smaller = np.asarray(cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=3), np.uint8)
            images.append(np.ascontiguousarray(change(smaller)))
    for number, image in enumerate([*images, *images[-2:0:-1]]):
        yield Frame(image, round(number * every * 1000 / rate))


BLINKS, MOUTH, TURN = ("repeating_blink", (0, 30)), ("lp_d10", (0, 45)), ("lp_d12", (22, 62))
OPEN, SHUT, ONE_EYE = (
    ("repeating_blink", (14, 38)), ("repeating_blink", (140, 164)), ("lp_d19", (0, 48)),
)  # fmt: skip

PEOPLE: list[tuple[str, ActionKind, Any, Change, int, MessageId]] = [
    ("winks", "blink", ONE_EYE, unchanged, 3, "why-one-eye"),
    ("dark glasses", "blink", BLINKS, tinted(1.0), 2, "why-eyes-covered"),
    ("a mask", "open-mouth", MOUTH, masked, 3, "why-mouth-covered"),
    ("a dim room", "blink", BLINKS, dim, 2, "why-dark"),
    ("a stretched picture", "open-mouth", BLINKS, stretched, 2, "why-distorted"),
    ("upside down", "turn-right", TURN, upside_down, 3, "why-upside-down"),
    ("a mirror", "turn-left", TURN, mirrored, 1, "why-other-side"),
]


@pytest.mark.parametrize(
    ("action", "clip", "change", "every", "why"),
    [one[1:] for one in PEOPLE],
    ids=[f"{one[0]}-{one[1]}" for one in PEOPLE],
)
def test_what_the_meter_measures_names_the_cause(
    vision, action: ActionKind, clip: Any, change: Change, every: int, why: MessageId
) -> None:
    seen = frames(clip[0], clip[1], change, every)
    with pytest.raises(Inconclusive) as caught:
        captures(vision).run(seen, challenge(action, start_ms=0), lambda: TOTALS)
    assert caught.value.advice.startswith(text(why, "en"))


def test_the_same_person_passes_unimpaired(vision) -> None:
    seen = frames(*TURN, unchanged, 1)
    asked = challenge("turn-left", start_ms=0)
    assert captures(vision).run(seen, asked, lambda: TOTALS).transcript is not None


def test_a_mirror_is_turned_back_where_it_is_set(vision) -> None:
    seen = frames(*TURN, mirrored, 1)
    asked = challenge("turn-left", start_ms=0)
    captured = captures(vision, mirrored=True).run(seen, asked, lambda: TOTALS)
    assert captured.transcript is not None


def test_closed_eyes_are_named_without_a_challenge_too(vision) -> None:
    with pytest.raises(Inconclusive) as caught:
        captures(vision).portrait(frames(*SHUT, unchanged, 3))
    assert caught.value.advice.startswith(text("why-eyes-shut", "en"))
    assert captures(vision).portrait(frames(*SHUT, unchanged, 6), ("blink",)).probe is not None


def captures(vision: FacePipeline, *, mirrored: bool = False) -> LiveCapture[Any]:
    pack = load_pack(default_pack_directory())
    return LiveCapture(
        lambda: LivenessMeter(pack, vision),
        ActionDetectors,
        Digest(pack.digest),
        lambda _: None,
        mirrored=mirrored,
    )
