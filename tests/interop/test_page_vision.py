"""The counter page's vision gives the Python client's numbers and verdicts.

The pictures are made of the six people of insightface's sample photograph. Larger comparisons:
``python -m tests.measure_page_vision``.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from gateway.lab.evaluation.degradations import POOR
from gateway.lab.evaluation.photograph import Photograph
from gateway.vision import demo_faces
from gateway.vision.alignment import align
from gateway.vision.geometry import BgrImage, Box
from gateway.vision.landmarks import cut
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import pipeline
from tests.measure_page_vision import Differences, MeterDifferences
from tests.support.page_vision import PageVision, page_vision

KINDS = {one.name: one for one in POOR}
BAD = (("turned", 180), ("out of focus", 2), ("mask", 1), ("overexposed", 2))


@pytest.fixture(scope="module")
def vision() -> FacePipeline:
    return pipeline()


@pytest.fixture(scope="module")
def pack(vision: FacePipeline) -> ModelPack:
    return load_pack(default_pack_directory())


@pytest.fixture(scope="module")
def page(pack: ModelPack) -> Iterator[PageVision]:
    with page_vision(pack) as page:
        yield page


@pytest.fixture(scope="module")
def person(vision: FacePipeline) -> BgrImage:
    return demo_faces.people(vision)[0]


def test_faces_measures_and_verdicts_are_those_of_the_python_client(
    page: PageVision, pack: ModelPack, vision: FacePipeline
) -> None:
    found = Differences(pack, vision)
    for image, (kind, strength) in zip(demo_faces.people(vision), BAD, strict=False):
        found.compare(page, image)
        photograph = Photograph(image, vision.faces(image)[0])
        found.compare(page, KINDS[kind].degrade(photograph, strength))
    assert not found.otherwise
    assert not found.other_faces
    assert found.verdicts == {"good": 5, "not-sharp": 1, "covered": 1, "too-bright": 1}
    assert 1 - min(found.cosines) < 1e-5
    assert max(found.in_deviations) < 0.02
    assert found.most["eyes"] < 1e-3
    assert found.most["passive"] < 1e-3


def test_a_face_is_cut_out_and_aligned_to_the_bit(page: PageVision) -> None:
    draw = np.random.default_rng(5)
    image = cv2.GaussianBlur(draw.integers(0, 256, (240, 200, 3)).astype(np.uint8), (0, 0), 1)
    five = np.array([[90, 80], [140, 86], [113, 110], [92, 140], [130, 144]], np.float32)
    for shift, side in ((0.0, 64), (0.3, 24), (-70.6, 128)):
        square = Box(50.2, 40 + shift, 170.9, 160.7 + shift)
        corners = [square.left, square.top, square.right, square.bottom]
        theirs = page("cut", image, square=corners, side=side)
        assert np.array_equal(_picture(theirs, side), cut(image, square, side))
        moved = five + np.float32(2 * shift)
        theirs = page("aligned", image, five=moved.ravel().tolist())
        assert np.array_equal(_picture(theirs, 112), align(image, moved))
        assert not np.array_equal(_picture(theirs, 112), align(image, moved + 0.1))


def test_a_capture_measures_what_the_python_client_measures(
    page: PageVision, pack: ModelPack, vision: FacePipeline, person: BgrImage
) -> None:
    """A face that moves, bows to the side, and goes: one track, then none."""
    found = MeterDifferences(LivenessMeter(pack, vision), page)
    height, width = person.shape[:2]
    for n in range(8):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 2.0 * n, 1 + 0.02 * n)
        image = np.asarray(cv2.warpAffine(person, turn, (width, height)), np.uint8)
        found.compare(image if n < 6 else np.full_like(person, 90), 100 * n)
    assert not found.otherwise
    assert found.continuous == 7  # all but the first: a face may be out of sight for a moment
    assert max(found.most.values()) < 0.01


def _picture(rgb: bytes, side: int) -> BgrImage:
    return np.frombuffer(rgb, np.uint8).reshape(side, side, 3)[:, :, ::-1]
