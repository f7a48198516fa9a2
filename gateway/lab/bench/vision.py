"""``sealmatch bench vision``: CPU of one video frame, stage by stage, beside one embedding.

The frames have 1280 x 720 pixels. They show a face of insightface's sample picture, enlarged and
moving. Times are medians of process CPU time on one thread. The ratio is that of the mean frame to
the median embedding in the same run; it allows machines to be compared. "First advice" is the
wall-clock time from the start of a new process to the measurement of its first frame.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from gateway.host.python import python
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack

_WIDTH, _HEIGHT = 1280, 720
_FRAME_MS = 33
_FIRST = """
import sys
from gateway.vision.images import decode_image
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import default_pack_directory, load_pack
image = decode_image(sys.stdin.buffer.read())
LivenessMeter(load_pack(default_pack_directory())).measure(image, 0)
"""
_WHOLE, _EMBED = "frame, as measured", "embedding"


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    vision = kinds.add_parser(
        "vision",
        help="CPU of one video frame, per stage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    vision.add_argument("--frames", type=int, default=90, metavar="N", help="default 90")
    vision.add_argument("--json", action="store_true", help="print one JSON object")
    vision.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.frames < 2:
        print("sealmatch: at least two frames", file=sys.stderr)
        return 2
    result = measure(options.frames)
    print(json.dumps(result, indent=2) if options.json else _table(result))
    return 0


def measure(frames: int) -> dict[str, Any]:
    """Figures of ``frames`` frames, in milliseconds. Raises ModelPackMissing without a pack."""
    import cv2  # noqa: PLC0415  only here, and heavy

    from gateway.vision.liveness.meter import LivenessMeter  # noqa: PLC0415

    cv2.setNumThreads(1)
    images = list(_moving_face(frames))
    pack = load_pack(default_pack_directory())
    meter = LivenessMeter(pack)
    meter.measure(images[0], 0)
    whole: list[float] = []
    for number, image in enumerate(images[1:], 1):
        whole.append(_cpu_ms(lambda at=number, of=image: meter.measure(of, at * _FRAME_MS)))  # type: ignore[misc]
    stages = _stages(pack, images)
    return {
        "firstAdviceMs": round(_first_advice_ms(images[0])),
        "frameMs": round(statistics.median(whole), 2),
        "frameP95Ms": round(sorted(whole)[int(0.95 * len(whole))], 2),
        "stagesMs": stages,
        "ratio": round(statistics.mean(whole) / stages[_EMBED], 3),
        "frames": frames,
    }


def _first_advice_ms(image: Any) -> float:
    """Wall-clock time from the start of a new process to its first measurement."""
    import cv2  # noqa: PLC0415

    encoded = cv2.imencode(".jpg", image)[1].tobytes()
    began = time.perf_counter()
    subprocess.run(python("-c", _FIRST), input=encoded, check=True)  # noqa: S603
    return 1000 * (time.perf_counter() - began)


def _stages(pack: ModelPack, images: list[Any]) -> dict[str, float]:
    from gateway.vision.landmarks import LandmarkFinder  # noqa: PLC0415
    from gateway.vision.liveness.appearance import aligned_view  # noqa: PLC0415
    from gateway.vision.liveness.eyes import EyeStateModel  # noqa: PLC0415
    from gateway.vision.liveness.landmarks import steady_landmarks  # noqa: PLC0415
    from gateway.vision.liveness.passive import PassiveLiveness  # noqa: PLC0415
    from gateway.vision.liveness.picture import sharpness_and_exposure  # noqa: PLC0415
    from gateway.vision.pipeline import FacePipeline  # noqa: PLC0415

    vision, finder = FacePipeline(pack), LandmarkFinder(pack)
    eyes, passive = EyeStateModel(pack), PassiveLiveness(pack)
    work: dict[str, Callable[[Any, Any], object]] = {
        "detection and two-pass landmarks": lambda image, _: vision.faces(image),
        "steady landmarks": lambda image, face: steady_landmarks(finder, image, face.landmarks),
        "eyes": lambda image, face: eyes.closed(image, face.landmarks),
        "aligned view": lambda image, face: aligned_view(image, face.landmarks),
        "sharpness and exposure": lambda image, face: sharpness_and_exposure(image, face.five),
        _EMBED: vision.embed_face,
        "passive score (once a capture)": passive.score,
    }
    times: dict[str, list[float]] = {stage: [] for stage in work}
    for image in images:
        face = vision.faces(image)[0]
        for stage, function in work.items():
            times[stage].append(_cpu_ms(lambda of=image, on=face, do=function: do(of, on)))  # type: ignore[misc]
    return {stage: round(statistics.median(values), 2) for stage, values in times.items()}


def _moving_face(frames: int) -> Iterator[Any]:
    """Frames of shape (720, 1280, 3), uint8, BGR: one face that drifts, sways and changes size."""
    import cv2  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from gateway.vision.demo_faces import people  # noqa: PLC0415
    from gateway.vision.pipeline import FacePipeline  # noqa: PLC0415

    face = people(FacePipeline(load_pack(default_pack_directory())))[0]
    height, width = face.shape[:2]
    for number in range(frames):
        phase = 2 * np.pi * number / 60
        size = 0.8 * _HEIGHT / height * (1 + 0.05 * np.sin(phase))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 3 * np.sin(2 * phase), size)
        matrix[:, 2] += (_WIDTH / 2 - width / 2 + 40 * np.cos(phase), _HEIGHT / 2 - height / 2)
        yield cv2.warpAffine(face, matrix, (_WIDTH, _HEIGHT), borderValue=(90, 90, 90))


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def _table(result: dict[str, Any]) -> str:
    lines = [f"CPU of one frame, median of {result['frames']}", ""]
    lines += [f"  {stage:<34} {value:7.2f} ms" for stage, value in result["stagesMs"].items()]
    lines += [
        "",
        f"  {_WHOLE:<34} {result['frameMs']:7.2f} ms",
        f"  {'95 of 100 frames within':<34} {result['frameP95Ms']:7.2f} ms",
        f"  {'mean frame to one embedding':<34} {result['ratio']:7.2f}",
        f"  {'first advice (wall clock)':<34} {result['firstAdviceMs']:4d}    ms",
    ]
    return "\n".join(lines)
