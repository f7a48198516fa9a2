"""Is a living person moving before the camera? Measurements of each frame, and actions from them.

``meter`` takes the images and runs the models, with ``appearance``, ``eyes``, ``landmarks``,
``passive`` and ``picture``. ``measurement``, ``detectors``, ``openings`` and ``tracking`` are pure:
numbers in, numbers out. Importing this package loads no model runtime.
"""

from gateway.vision.liveness.detectors import ActionDetectors
from gateway.vision.liveness.events import ActionEvent, ActionKind
from gateway.vision.liveness.measurement import FrameMeasurement

__all__ = ["ActionDetectors", "ActionEvent", "ActionKind", "FrameMeasurement"]
