"""Whether a face may be embedded: its measures against a pack's profile.

Rules:

- A measure outside its limit is a refusal, whatever the others say. What a person can see and mend
  is named first: light and sharpness.
- Linear discriminants weigh all measures, the embedding's own among them: its norm before
  normalising, and how near it lies to where the embeddings of each kind of poor face lie. Each
  looks for one kind; the one that is most exceeded is named. What no detector looks for, limits
  on geometry and on the embedding catch last.
- No value leaves this module.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.vision.alignment import align
from gateway.vision.errors import (
    FaceAverted,
    FaceCovered,
    FaceUnclear,
    ModelPackCorrupt,
    NotUpright,
    OutOfFocus,
    PictureDistorted,
    PictureEdited,
    PictureGrainy,
    PoorPicture,
    TooBright,
    TooDark,
    TooFlat,
    WrongColours,
)
from gateway.vision.geometry import BgrImage, DetectedFace, Points
from gateway.vision.landmarks import LandmarkFinder
from gateway.vision.quality.measures import (
    Measures,
    aligned_landmarks,
    derived,
    geometry_measures,
    picture_measures,
    unrest,
)
from gateway.vision.quality_profile import Discriminants, QualityProfile
from gateway.vision.recipe import RECIPE

FINDINGS: Final[dict[str, type[PoorPicture]]] = {
    error.what: error
    for error in (
        NotUpright,
        OutOfFocus,
        TooDark,
        TooBright,
        TooFlat,
        PictureGrainy,
        WrongColours,
        FaceCovered,
        FaceAverted,
        PictureDistorted,
        PictureEdited,
        FaceUnclear,
    )
}
"""What a detector may find, by its word."""


@dataclass(frozen=True, slots=True)
class _Reason:
    """What a value below the limit of a measure means, and what one above it."""

    measure: str
    below: type[PoorPicture]
    above: type[PoorPicture]


def _reasons(part: str) -> tuple[_Reason, ...]:
    return tuple(
        _Reason(measure, FINDINGS[below], FINDINGS[above])
        for measure, below, above in RECIPE["gate"][part]
    )


_PLAIN: Final = _reasons("plain")
_LAST: Final = _reasons("last")


class QualityGate:
    """The gate of one model pack: its profile, and the landmark model where it has one.

    Raises ModelPackCorrupt for a profile whose limits or findings are none that are known here.
    """

    def __init__(self, profile: QualityProfile, landmarks: LandmarkFinder | None) -> None:
        self._limits = profile.limits
        self._discriminants = profile.discriminants
        self._landmarks = landmarks
        found = profile.discriminants.detectors if profile.discriminants else []
        if (
            not profile.limits.keys() <= {reason.measure for reason in (*_PLAIN, *_LAST)}
            or not {detector.finding for detector in found} <= FINDINGS.keys()
        ):
            raise ModelPackCorrupt("the quality profile speaks of unknown measures or findings")

    def measure(
        self, image: BgrImage, face: DetectedFace, raw: npt.NDArray[np.float32]
    ) -> Measures:
        """Everything that the gate judges.

        Args:
            face: found in ``image``.
            raw: its vector before normalising, shape (d,).
        """
        aligned, points = align(image, face.five), aligned_landmarks(face)
        measured = picture_measures(aligned) | geometry_measures(face)
        measured["embedding-norm"] = float(np.linalg.norm(raw.astype(np.float64)))
        if self._landmarks is not None and points is not None:
            measured["unrest"] = unrest(self._landmarks, aligned, points)
        if self._discriminants is not None:
            measured |= derived(measured) | _positions(self._discriminants, raw, points)
        return measured

    def require(self, measured: Measures) -> None:
        """Judge a face by its measures.

        Raises:
            PoorPicture: the subclass says what is wrong.
            ModelPackCorrupt: the profile needs a measure that this pack's models do not give.
        """
        self._require_limits(_PLAIN, measured)
        if self._discriminants is not None:
            _require_unsuspicious(self._discriminants, measured)
        self._require_limits(_LAST, measured)

    def _require_limits(self, reasons: tuple[_Reason, ...], measured: Measures) -> None:
        for reason in reasons:
            limit, value = self._limits.get(reason.measure), measured.get(reason.measure)
            if limit is None or value is None:
                continue
            if limit.least is not None and not value >= limit.least:
                raise reason.below
            if limit.most is not None and not value <= limit.most:
                raise reason.above


def _positions(
    given: Discriminants, raw: npt.NDArray[np.float32], points: Points | None
) -> Measures:
    """Cosines to the clouds of poor faces, and the shape of the landmarks."""
    length = max(float(np.linalg.norm(raw)), 1e-9)
    if any(len(cloud.vector) != len(raw) for cloud in given.clouds):
        raise ModelPackCorrupt("the quality profile is for vectors of another dimension")
    found = {f"near-{one.name}": float(one.vector @ raw) / length for one in given.clouds}
    if given.shape is not None and points is not None:
        offset = points.ravel() - given.shape.centre
        found |= {f"shape-{one.name}": float(one.vector @ offset) for one in given.shape.directions}
    return found


def _require_unsuspicious(given: Discriminants, measured: Measures) -> None:
    try:
        values = np.array([measured[scale.name] for scale in given.features])
    except KeyError:
        raise ModelPackCorrupt("the quality profile needs measures that no model gives") from None
    scaled = np.array(
        [
            (v - scale.mean) / scale.deviation
            for v, scale in zip(values, given.features, strict=True)
        ]
    )
    clipped = np.nan_to_num(np.clip(scaled, -given.clip, given.clip), nan=given.clip)
    excess = given.weights @ clipped - given.most
    worst = int(np.argmax(excess))
    if not excess[worst] <= 0:
        raise FINDINGS[given.detectors[worst].finding]
