"""Images in, measurements out: what a capture runs on every frame.

Faces are detected anew in every frame (2 ms with the default pack), so that no face is ever assumed
where none was seen. The embedder runs when ``tracking`` asks for it. Images and vectors stay in
memory.
"""

from contextlib import suppress
from typing import Final

import numpy as np

from gateway.vision.errors import FaceTooSmall, NoFaceFound, PoorPicture, SeveralFacesFound
from gateway.vision.geometry import BgrImage, Box, DetectedFace
from gateway.vision.landmarks import LandmarkFinder
from gateway.vision.liveness import measurement
from gateway.vision.liveness.appearance import Appearance, aligned_view, contrasts
from gateway.vision.liveness.eyes import EyeStateModel
from gateway.vision.liveness.landmarks import steady_landmarks
from gateway.vision.liveness.limits import LIMITS
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.liveness.passive import PassiveLiveness
from gateway.vision.liveness.picture import sharpness_and_exposure
from gateway.vision.liveness.tracking import FaceTrack
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import RIVAL_HEIGHT, FacePipeline, UnitVector

_SEVERAL = 2
_SURROUNDINGS_SHARE: Final[float] = LIMITS["meter"]["surroundingsShare"]
"""Share of the square for ``fr_liveness`` that must lie in the image. With black borders the model
calls living people spoofs."""

GOOD = "good"
"""The finding of a frame that the quality gate let through."""
_TURN_AFTER_MS: Final[int] = LIMITS["meter"]["turnAfterMs"]
_TURN_EVERY_MS: Final[int] = LIMITS["meter"]["turnEveryMs"]
"""Without a good face: how long until the picture is turned to look for one, and how often."""


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
        self._turn_at_ms: int | None = None

    def measure(self, image: BgrImage, at_ms: int) -> FrameMeasurement:
        """One frame, shape (height, width, 3), uint8, BGR, taken ``at_ms`` after any fixed moment.

        Raises UnreadableImage for an array that is no colour image, and the errors of
        ``FacePipeline.embed_face``.
        """
        faces = _could_be_meant(self._vision.faces(image))
        found = self._track.pick(faces)
        if found is None:
            return FrameMeasurement(
                at_ms,
                0,
                None,
                exposure=float(np.mean(image)) / 255,
                continuous=self._track.lose(at_ms),
                upright_turns=self._upright_turns(image, at_ms, good=False),
            )
        face = self._steadied(image, found)
        points = _points(face)
        continuous, look = self._track.follow(at_ms, points)
        finding = None
        if look:
            same, finding = self._same(image, found, at_ms)
            continuous = same and continuous
        if not continuous:
            self._appearance.reset()
        each_closed = self._eyes.closed(image, points)
        closed = min(each_closed)
        mouth, turn = measurement.mouth_open(points), measurement.turn(points)
        view = aligned_view(image, points)
        changes = self._appearance.observe(at_ms, view, closed, mouth, turn)
        eyes_contrast, mouth_contrast = contrasts(view)
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
            each_closed=each_closed,
            eyes_contrast=eyes_contrast,
            mouth_contrast=mouth_contrast,
            finding=finding,
            upright_turns=0
            if finding is None
            else self._upright_turns(image, at_ms, good=finding == GOOD),
        )

    def embed(self, image: BgrImage, face: DetectedFace) -> UnitVector:
        """The embedding of a measured face: shape (d,), float32, unit length.

        Raises as ``FacePipeline.embed_face``.
        """
        return self._vision.embed_face(image, face).vector

    def _same(self, image: BgrImage, face: DetectedFace, at_ms: int) -> tuple[bool, str]:
        """Whether this is the tracked person, or cannot be told yet: the frame is too poor. And
        what the quality gate found."""
        try:
            vector = self.embed(image, face)
        except PoorPicture as refused:
            return self._track.unsure(at_ms), refused.what
        return self._track.identify(at_ms, vector), GOOD

    def _upright_turns(self, image: BgrImage, at_ms: int, *, good: bool) -> int:
        """Whether the picture lies on its side or upside down, where no good face was seen in it
        for a while: as ``FrameMeasurement.upright_turns``."""
        if good or self._turn_at_ms is None:
            self._turn_at_ms = None if good else at_ms + _TURN_AFTER_MS
            return 0
        if at_ms < self._turn_at_ms:
            return 0
        self._turn_at_ms = at_ms + _TURN_EVERY_MS
        with suppress(NoFaceFound, SeveralFacesFound, FaceTooSmall, PoorPicture):
            return self._vision.embed(image).quarter_turns
        return 0

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
