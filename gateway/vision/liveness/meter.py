"""Images in, measurements out: what a capture runs on every frame.

Faces are detected anew in every frame (2 ms with the default pack), so that no face is ever assumed
where none was seen. The embedder runs when ``tracking`` asks for it. Images and vectors stay in
memory.
"""

import numpy as np

from gateway.vision.errors import PoorPicture
from gateway.vision.geometry import BgrImage, Box, DetectedFace
from gateway.vision.landmarks import LandmarkFinder
from gateway.vision.liveness import measurement
from gateway.vision.liveness.appearance import Appearance, aligned_view
from gateway.vision.liveness.eyes import EyeStateModel
from gateway.vision.liveness.landmarks import steady_landmarks
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.liveness.passive import PassiveLiveness
from gateway.vision.liveness.picture import sharpness_and_exposure
from gateway.vision.liveness.tracking import FaceTrack
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import RIVAL_HEIGHT, FacePipeline, UnitVector

_SEVERAL = 2
_SURROUNDINGS_SHARE = 0.8
"""Share of the square for ``fr_liveness`` that must lie in the image. With black borders the model
calls living people spoofs."""


class LivenessMeter:
    """One capture: feed frames in order of time. Not for use by several threads.

    Raises ModelPackMissing for a pack without ``fr_landmark``, ``fr_eye`` and ``fr_liveness``.
    """

    def __init__(self, pack: ModelPack, vision: FacePipeline | None = None) -> None:
        self._vision = vision or FacePipeline(pack)
        self._landmarks = LandmarkFinder(pack)
        self._eyes = EyeStateModel(pack)
        self._passive = PassiveLiveness(pack)
        self._track = FaceTrack()
        self._appearance = Appearance()

    def measure(self, image: BgrImage, at_ms: int) -> FrameMeasurement:
        """One frame, shape (height, width, 3), uint8, BGR, taken ``at_ms`` after any fixed moment.

        Raises UnreadableImage for an array that is no colour image, and the errors of
        ``FacePipeline.embed_face``.
        """
        faces = _could_be_meant(self._vision.faces(image))
        found = self._track.pick(faces)
        if found is None:
            return FrameMeasurement(at_ms, 0, None, continuous=self._track.lose(at_ms))
        face = self._steadied(image, found)
        points = _points(face)
        continuous, look = self._track.follow(at_ms, points)
        if look:
            continuous = self._same(image, found, at_ms) and continuous
        if not continuous:
            self._appearance.reset()
        left, right = self._eyes.closed(image, points)
        closed = min(left, right)
        mouth, turn = measurement.mouth_open(points), measurement.turn(points)
        changes = self._appearance.observe(at_ms, aligned_view(image, points), closed, mouth, turn)
        sharpness, exposure = sharpness_and_exposure(image, found.five)
        return FrameMeasurement(
            at_ms=at_ms,
            faces=min(len(faces), _SEVERAL),
            face=face,
            turn=turn,
            pitch=measurement.pitch(points),
            roll_deg=measurement.roll_deg(points),
            eyes_closed=closed,
            eye_aspect=measurement.eye_aspect(points),
            mouth_open=mouth,
            sharpness=sharpness,
            exposure=exposure,
            continuous=continuous,
            eyes_changed=changes.eyes,
            mouth_changed=changes.mouth,
            turned_changed=changes.turned,
            breadth=measurement.breadth(points),
        )

    def embed(self, image: BgrImage, face: DetectedFace) -> UnitVector:
        """The embedding of a measured face: shape (d,), float32, unit length.

        Raises as ``FacePipeline.embed_face``.
        """
        return self._vision.embed_face(image, face).vector

    def _same(self, image: BgrImage, face: DetectedFace, at_ms: int) -> bool:
        """Whether this is the tracked person, or cannot be told yet: the frame is too poor."""
        try:
            vector = self.embed(image, face)
        except PoorPicture:
            return self._track.unsure(at_ms)
        return self._track.identify(at_ms, vector)

    def passive_score(self, image: BgrImage, face: DetectedFace) -> float | None:
        """Advisory probability that the face is alive; None if too little around it is visible."""
        if _share_inside(PassiveLiveness.view(face), image) < _SURROUNDINGS_SHARE:
            return None
        return self._passive.score(image, face)

    def _steadied(self, image: BgrImage, face: DetectedFace) -> DetectedFace:
        """The face with steady landmarks. The five points stay, because embeddings need them."""
        points = steady_landmarks(self._landmarks, image, _points(face))
        return DetectedFace(face.box, face.score, face.five, points)


def _could_be_meant(faces: list[DetectedFace]) -> list[DetectedFace]:
    """The tallest face and its rivals (the rule of ``pipeline.only_face``)."""
    tallest = max((face.box.height for face in faces), default=0.0)
    return [face for face in faces if face.box.height >= RIVAL_HEIGHT * tallest]


def _points(face: DetectedFace) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if face.landmarks is None:
        raise TypeError("liveness needs a finder with 68 landmarks")
    return face.landmarks


def _share_inside(square: Box, image: BgrImage) -> float:
    height, width = image.shape[:2]
    across = max(0.0, min(square.right, width) - max(square.left, 0.0))
    down = max(0.0, min(square.bottom, height) - max(square.top, 0.0))
    return float(across * down / (square.width * square.height))
