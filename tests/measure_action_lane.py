"""What the action lane's threshold costs and stops (ADR 11): clips, and LFW people.

``python -m tests.measure_action_lane``. From the clips: the mean embedding of the frames of three
random actions, and the best frontal frame, against portraits of the same person as a passport chip
holds them, taken from other moments. From LFW: how often that lane alone turns a person away, and
how often another's mean passes; there a score is what the lane decides on, v / kappa of signs and
a template. Vectors stay in memory; only rates are printed. Takes some minutes.
"""

import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gateway.he.frame import probe_signs, template_values
from gateway.vision import demo_faces
from gateway.vision.errors import PoorPicture
from gateway.vision.geometry import BgrImage, Box
from gateway.vision.images import decode_image
from gateway.vision.liveness import ActionDetectors, ActionEvent, FrameMeasurement
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.policy import KAPPA
from tests.faces_data import Embeddings, faces_directory, pipeline

THRESHOLDS = (0.341, 0.36, 0.38, 0.4, 0.419)
PROBE = 0.419
LOSS = 0.93
"""Cosine of action frames over that of a frontal frame: less than the clips show (ADR 11)."""
APART_MS = 500
Vector = npt.NDArray[np.float64]


@dataclass
class Clip:
    """One clip's vectors by time, its actions, and portraits from frontal moments."""

    vectors: dict[int, Vector] = field(default_factory=dict)
    events: list[ActionEvent] = field(default_factory=list)
    portraits: dict[int, Vector] = field(default_factory=dict)


def frames(path: Path) -> Iterator[tuple[int, BgrImage]]:
    video = cv2.VideoCapture(str(path))
    rate, number = video.get(cv2.CAP_PROP_FPS), 0
    while (read := video.read())[0]:
        yield round(1000 * number / rate), np.asarray(read[1], np.uint8)
        number += 1


def watch(path: Path, vision: FacePipeline) -> Clip:
    meter, detectors = LivenessMeter(load_pack(default_pack_directory()), vision), ActionDetectors()
    clip, last = Clip(), -APART_MS
    for at_ms, image in frames(path):
        measured = meter.measure(image, at_ms)
        clip.events += detectors.feed(measured)
        if measured.face is None:
            continue
        with suppress(PoorPicture):  # as a capture does: what the gate refuses is not embedded
            clip.vectors[at_ms] = meter.embed(image, measured.face).astype(np.float64)
            if frontal(measured) and at_ms - last >= 2 * APART_MS:
                last = at_ms
                chip = demo_faces.chip_portrait(around(image, measured.face.box))
                vector = vision.embed(decode_image(chip), select="central").vector
                clip.portraits[at_ms] = vector.astype(np.float64)
    return clip


def frontal(frame: FrameMeasurement) -> bool:
    return abs(frame.turn) < 0.08 and frame.eyes_closed < 0.3 and frame.mouth_open < 0.25


def around(image: BgrImage, box: Box) -> BgrImage:
    x, y = box.centre
    left, top = max(0, round(x - 0.6 * box.height)), max(0, round(y - 0.8 * box.height))
    return np.ascontiguousarray(
        image[top : round(y + 0.8 * box.height), left : round(x + 0.6 * box.height)]
    )


def of_clips(clip: Clip, draw: random.Random) -> tuple[list[float], list[float]]:
    """Cosines to portraits of other moments: of means over three actions, of frontal frames."""
    actions: list[float] = []
    for _ in range(60 if len(clip.events) >= 3 else 0):
        chosen = draw.sample(clip.events, 3)
        inside = [
            vector
            for at, vector in clip.vectors.items()
            if any(event.start_ms <= at <= event.end_ms for event in chosen)
        ]
        mean = unit(np.mean(inside, axis=0))
        far = [at for at in clip.portraits if all(abs(at - e.peak_ms) > APART_MS for e in chosen)]
        actions += [float(mean @ clip.portraits[at]) for at in far]
    front = [
        float(clip.vectors[a] @ portrait)
        for a in clip.portraits
        for b, portrait in clip.portraits.items()
        if a != b
    ]
    return actions, front


def of_lfw(vision: FacePipeline) -> None:
    """One photograph as portrait, one as probe, others as actions; other people's as impostors."""
    folders = sorted((faces_directory() / "lfw" / "images").iterdir())
    people = [sorted(folder.glob("*.jpg"))[:8] for folder in folders]
    embed = Embeddings(vision)
    many = [[embed(path) for path in paths] for paths in people if len(paths) >= 4]
    others = np.array(
        [template_values(embed(paths[0])) for paths in people if len(paths) < 4], np.float32
    )
    draw, alone, passed = np.random.default_rng(1), dict.fromkeys(THRESHOLDS, 0), 0
    false = {1: dict.fromkeys(THRESHOLDS, 0), 3: dict.fromkeys(THRESHOLDS, 0)}
    for vectors in many:
        for _ in range(6):
            portrait, probe, action, *rest = (vectors[i] for i in draw.permutation(len(vectors)))
            for count, hits in false.items():
                mean = unit(np.mean([probe, action, *rest][:count], axis=0))
                scores = others @ probe_signs(mean).astype(np.float32) / KAPPA
                for cosine in THRESHOLDS:
                    hits[cosine] += int((scores >= cosine).sum())
            if score(portrait, probe) >= PROBE:
                passed += 1
                for cosine in THRESHOLDS:
                    alone[cosine] += int(LOSS * score(portrait, action) < cosine)
    comparisons = 6 * len(many) * len(others)
    print(f"LFW: {len(many)} people, {comparisons} impostor comparisons")
    for cosine in THRESHOLDS:
        print(
            f"  {cosine:.4f}: turned away by this lane alone {100 * alone[cosine] / passed:.1f} %, "
            f"FMR {false[1][cosine] / comparisons:.1e}, "
            f"of means of three {false[3][cosine] / comparisons:.1e}"
        )


def score(portrait: npt.NDArray[np.floating], probe: npt.NDArray[np.floating]) -> float:
    return int(probe_signs(probe) @ template_values(portrait)) / KAPPA


def unit(vector: npt.NDArray[np.floating]) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def main() -> int:
    vision, draw = pipeline(), random.Random(1)
    actions, front = [], []
    for path in sorted((faces_directory() / "clips").glob("*.mp4")):
        a, f = of_clips(watch(path, vision), draw)
        actions += a
        front += f
    for name, cosines in (("three actions", actions), ("a frontal frame", front)):
        low, middle, high = np.percentile(cosines, [0, 50, 100])
        print(f"{name} to portraits: lowest {low:.2f}, median {middle:.2f}, highest {high:.2f}")
    of_lfw(vision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
