"""A pack that the user supplies, through insightface's own loader ``model_zoo.get_model``.

insightface tells a model's task from its shape. It gets only files that the manifest pins, by full
path, so that its rule "download what is missing" never applies. Here, unlike in the default recipe,
insightface opens the files itself, after the hash check. So nobody but the owner may be able to
write to the directory.
"""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.vision.alignment import align
from gateway.vision.errors import ModelPackCorrupt, ModelPackMissing
from gateway.vision.geometry import BgrImage, Box, DetectedFace
from gateway.vision.pack import NON_COMMERCIAL, ModelPack
from gateway.vision.runtime import CPU, insightface, quiet, session_options

_LOG = logging.getLogger(__name__)

_DETECTION_VIEW = (640, 640)  # pixels; the size for which insightface publishes its packs
_MIN_SCORE = 0.5  # insightface's default for these packs


def zoo_models(pack: ModelPack) -> dict[str, Any]:
    """insightface's models by task ("detection", "recognition", ...); the first of a task wins.

    Logs a warning that insightface's own packs are for non-commercial research, whatever a manifest
    says.

    Raises ModelPackCorrupt for a file that insightface cannot load as a model.
    """
    models: dict[str, Any] = {}
    get_model = insightface("model_zoo").get_model
    for name in sorted(pack.manifest.files):
        if not name.endswith(".onnx"):
            continue
        path = str((pack.directory / name).resolve())
        try:
            with quiet():
                model = get_model(path, providers=CPU, sess_options=session_options())
        except Exception as error:  # noqa: BLE001 - insightface and onnxruntime share no base class
            kind = type(error).__name__
            raise ModelPackCorrupt(f"insightface cannot load {name} ({kind})") from None
        if model is not None:
            models.setdefault(model.taskname, model)
    _LOG.warning(NON_COMMERCIAL)
    return models


class ZooFaceFinder:
    """insightface's detector. It gives five points and no landmarks.

    Raises ModelPackMissing if there is no detection model.
    """

    def __init__(self, models: dict[str, Any]) -> None:
        if "detection" not in models:
            raise ModelPackMissing("the pack has no detection model that insightface recognises")
        self._model = models["detection"]
        self._model.prepare(-1, input_size=_DETECTION_VIEW, det_thresh=_MIN_SCORE)

    def find(self, image: BgrImage) -> list[DetectedFace]:
        """Every face, tallest box first; possibly none."""
        boxes, points = self._model.detect(image)
        faces = [
            DetectedFace(Box(*map(float, box[:4])), float(box[4]), np.asarray(five, np.float32))
            for box, five in zip(boxes, points, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.box.height)

    def find_closely(self, image: BgrImage) -> list[DetectedFace]:
        """The same as ``find``: the view of this detector is large enough for pages."""
        return self.find(image)


class ZooFaceEmbedder:
    """insightface's recognition model on the aligned face; it swaps the channels to RGB itself.

    Raises ModelPackMissing if there is no recognition model.
    """

    def __init__(self, models: dict[str, Any]) -> None:
        if "recognition" not in models:
            raise ModelPackMissing("the pack has no recognition model that insightface recognises")
        self._model = models["recognition"]

    def raw_vector(self, image: BgrImage, face: DetectedFace) -> npt.NDArray[np.float32]:
        """Shape (d,), float32, not normalised."""
        return np.asarray(self._model.get_feat(align(image, face.five)), np.float32).ravel()
