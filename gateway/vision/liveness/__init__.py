"""Is a living person moving before the camera? Measurements per frame, and what they add up to.

``meter`` sees pixels and runs models; everything else here is pure: numbers in, numbers out.
Importing this package loads no model runtime.
"""

from gateway.vision.liveness.detectors import ActionDetectors, ActionEvent, ActionKind
from gateway.vision.liveness.measurement import FrameMeasurement

__all__ = ["ActionDetectors", "ActionEvent", "ActionKind", "FrameMeasurement"]
