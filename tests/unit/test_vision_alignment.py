"""Alignment and point geometry, checked against an independent implementation."""

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from gateway.vision.alignment import align, similarity, template
from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.landmarks import cut, five_points
from gateway.vision.quality import measures
from gateway.vision.runtime import insightface

ANGLE, SCALE, SHIFT = np.deg2rad(25), 1.7, np.array([12.0, -30.0])


def _moved(points: np.ndarray) -> np.ndarray:
    turn = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
    return (SCALE * points @ turn.T + SHIFT).astype(np.float32)


def test_a_known_similarity_is_recovered() -> None:
    source = template()
    matrix = similarity(source, _moved(source))
    np.testing.assert_allclose(
        matrix[:, :2] / SCALE,
        [[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]],
        atol=1e-6,
    )
    np.testing.assert_allclose(matrix[:, 2], SHIFT, atol=1e-4)


def test_the_recipe_has_the_template_and_the_ellipse_of_their_authors() -> None:
    """Both stand in a data file, so that the counter's page has the same."""
    assert np.array_equal(template(), insightface("utils.face_align").arcface_dst)
    ellipse = cv2.ellipse(np.zeros((112, 112), np.uint8), (56, 68), (34, 42), 0, 0, 360, 1, -1)
    assert np.array_equal(measures.face_pixels(), ellipse > 0)


def test_noisy_points_fit_as_scikit_image_fits_them() -> None:
    draw = np.random.default_rng(3)
    for _ in range(20):
        source = (_moved(template()) + draw.normal(0, 4, (5, 2))).astype(np.float32)
        theirs = SimilarityTransform.from_estimate(source, template()).params[:2]
        np.testing.assert_allclose(similarity(source, template()), theirs, atol=1e-4)


def test_an_aligned_face_has_its_points_on_the_template() -> None:
    """A white dot on each of five points ends up where the template has it."""
    five = _moved(template()) + 80
    image = np.zeros((400, 400, 3), np.uint8)
    for x, y in np.round(five).astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    aligned = align(image, five.astype(np.float32))
    assert aligned.shape == (112, 112, 3)
    for x, y in np.round(template()).astype(int):
        assert aligned[y, x].min() > 200
    assert np.mean(aligned > 100) < 0.02


def test_five_points_come_from_the_68() -> None:
    points = np.stack([np.arange(68), -np.arange(68)], axis=1).astype(np.float32)
    np.testing.assert_allclose(five_points(points)[:, 0], [38.5, 44.5, 30, 48, 54])


@pytest.mark.parametrize("corner", [(-40, -40), (60, 60), (-500, 10), (10, 10)])
def test_a_square_beyond_the_image_is_black_there(corner: tuple[int, int]) -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    x, y = corner
    square = cut(image, Box(x, y, x + 80, y + 80), 80)
    inside = np.zeros((80, 80), bool)
    inside[max(0, -y) : max(0, 100 - y), max(0, -x) : max(0, 100 - x)] = True
    np.testing.assert_array_equal(square[:, :, 0] == 200, inside)


def test_reprs_say_nothing_about_a_face() -> None:
    face = DetectedFace(Box(1, 2, 3, 4), 0.98, template(), None)
    assert repr(face) == "DetectedFace()"
    assert face.inter_ocular_px == pytest.approx(35.24, abs=0.01)
