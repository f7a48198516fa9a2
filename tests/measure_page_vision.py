"""The counter page's vision against the Python client's: ``python -m tests.measure_page_vision``.

Photographs of ``SEALMATCH_FACES``, each as it is and in one way poor, pass both pipelines; with
``--clips N``, N views of each clip pass both meters. Reported are how far landmarks, embeddings and
measures differ, whose verdicts do, and the processor time of a view. Nothing is written.
"""

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gateway.lab.evaluation.degradations import POOR
from gateway.lab.evaluation.photograph import Photograph, middle_face
from gateway.vision.errors import FaceTooSmall, NoFaceFound, PoorPicture, SeveralFacesFound
from gateway.vision.geometry import BgrImage
from gateway.vision.images import decode_image
from gateway.vision.liveness.eyes import EyeStateModel
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.liveness.passive import PassiveLiveness
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import all_lfw_pairs, faces_directory
from tests.support.page_in_browser import page_in_browser
from tests.support.page_vision import PageVision, page_vision


def verdict(vision: FacePipeline, image: BgrImage) -> tuple[str, np.ndarray | None]:
    """What the pipeline says of a photograph, as the page's words, and its embedding."""
    try:
        return "good", vision.embed(image).vector
    except NoFaceFound:
        return "no-face", None
    except SeveralFacesFound:
        return "several-faces", None
    except FaceTooSmall:
        return "too-small", None
    except PoorPicture as refused:
        return refused.what, None


class Differences:
    """What one run found."""

    def __init__(self, pack: ModelPack, vision: FacePipeline | None = None) -> None:
        self.vision = vision or FacePipeline(pack)
        self._deviations = {
            scale.name: scale.deviation
            for scale in (pack.quality.discriminants.features if pack.quality.discriminants else [])
        }
        self.in_deviations: list[float] = [0.0]
        """How far each face's measures differ at most, in deviations of good pictures."""
        self._eyes, self._passive = EyeStateModel(pack), PassiveLiveness(pack)
        self.pictures = self.faces = self.other_faces = 0
        self.verdicts: Counter[str] = Counter()
        self.otherwise: Counter[tuple[str, str]] = Counter()
        self.cosines: list[float] = []
        self.most: dict[str, float] = defaultdict(float)

    def compare(self, page: PageVision, image: BgrImage) -> None:
        """One picture: every face with its measures, then the verdict."""
        self.pictures += 1
        ours, theirs = self.vision.faces(image), page("faces", image)
        if len(ours) != len(theirs):
            self.other_faces += 1
        else:
            for face, other in zip(ours, theirs, strict=True):
                self._face(image, face, other)
        said, vector = verdict(self.vision, image)
        answer = page("embed", image)
        self.verdicts[said] += 1
        if said != answer["what"]:
            self.otherwise[said, answer["what"]] += 1
        elif vector is not None:
            self.cosines.append(float(vector.astype(np.float64) @ np.array(answer["vector"])))

    def _face(self, image: BgrImage, face: Any, other: dict[str, Any]) -> None:
        self.faces += 1
        examined = self.vision.examine(image, face)
        scale = face.inter_ocular_px
        moved = np.abs(face.landmarks.ravel() - np.array(other["landmarks"])).max() / scale
        self._at_least("landmarks / eye distance", float(moved))
        eyes = np.array(self._eyes.closed(image, face.landmarks)) - np.array(other["eyes"])
        self._at_least("eyes", float(np.abs(eyes).max()))
        self._at_least("passive", abs(self._passive.score(image, face) - other["passive"]))
        theirs = other["measured"]
        self.in_deviations.append(
            max(
                abs(examined.measured[name] - theirs[name]) / deviation
                for name, deviation in self._deviations.items()
            )
        )
        for name, value in examined.measured.items():
            kind = name.split("-")[0] if name.startswith(("cell", "near", "shape")) else name
            self._at_least(kind, abs(value - theirs[name]))

    def _at_least(self, name: str, value: float) -> None:
        self.most[name] = max(self.most[name], value)

    def report(self) -> Iterator[str]:
        yield f"{self.pictures} pictures, {self.faces} faces; other faces in {self.other_faces}"
        yield f"verdicts: {dict(self.verdicts.most_common())}"
        yield f"other verdicts: {dict(self.otherwise) or 'none'}"
        least = 1 - min(self.cosines)
        yield f"embeddings: {len(self.cosines)}, 1 - least cosine {least:.2g}"
        yield f"measures, in deviations of good pictures: {max(self.in_deviations):.2g}"
        for name, value in sorted(self.most.items()):
            yield f"  {name}: {value:.2g}"


_SAME = ("faces", "continuous", "finding", "upright_turns")
_NEAR = (
    *("turn", "pitch", "roll_deg", "eyes_closed", "eye_aspect", "mouth_open", "sharpness"),
    *("exposure", "eyes_changed", "mouth_changed", "turned_changed", "breadth"),
    *("eyes_contrast", "mouth_contrast"),
)


class MeterDifferences:
    """One capture, measured by both."""

    def __init__(self, meter: LivenessMeter, page: Callable[..., Any]) -> None:
        self._meter, self._page = meter, page
        self.views = self.continuous = 0
        self.otherwise: Counter[str] = Counter()
        self.most: dict[str, float] = defaultdict(float)
        self.ours_ms: list[float] = []
        self.theirs_ms: list[float] = []
        self.looking_ms: list[float] = []
        page("begin")

    def compare(self, image: BgrImage, at_ms: int) -> None:
        """The next view."""
        theirs = self._page("measure", image, atMs=at_ms)
        self.theirs_ms.append(theirs["cpuMs"])
        if self.views % 4 == 0:
            self.looking_ms.append(self._page("look", image))
        self.against(image, at_ms, theirs)

    def against(self, image: BgrImage, at_ms: int, theirs: dict[str, Any]) -> None:
        """The next view, of which the page said this."""
        before = time.process_time()
        ours = self._meter.measure(image, at_ms)
        self.ours_ms.append(1000 * (time.process_time() - before))
        self.views += 1
        self.continuous += ours.continuous
        self.otherwise.update(n for n in _SAME if getattr(ours, n) != theirs[_camel(n)])
        for name in _NEAR:
            away = abs(getattr(ours, name) - theirs[_camel(name)])
            self.most[name] = max(self.most[name], away)

    def report(self, name: str) -> Iterator[str]:
        ours, theirs = np.median(self.ours_ms[5:]), np.median(self.theirs_ms[5:])
        yield (
            f"{name}: {self.views} views, {self.continuous} continuous; "
            f"otherwise {dict(self.otherwise) or 'none'}; median CPU of a view {theirs:.0f} ms, "
            f"{theirs / ours:.1f} times Python's; of faces, landmarks and eyes alone "
            f"{np.median(self.looking_ms):.0f} ms"
        )
        yield "  " + ", ".join(f"{name} {value:.1g}" for name, value in self.most.items())


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def clip(path: Path, views: int) -> Iterator[tuple[BgrImage, int]]:
    """Views of a clip, with their times in ms."""
    video = cv2.VideoCapture(str(path))
    rate = video.get(cv2.CAP_PROP_FPS) or 25
    for n in range(views):
        read, image = video.read()
        if not read:
            return
        yield np.asarray(image, np.uint8), round(1000 * n / rate)


def pictures(count: int, seed: int, vision: FacePipeline) -> Iterator[BgrImage]:
    """Photographs in an order that the seed decides, each followed by a poor one made of it."""
    draw = random.Random(seed)
    paths = sorted({path for (a, b, _), _ in all_lfw_pairs() for path in (a, b)})
    for path in draw.sample(paths, count):
        image = decode_image(path.read_bytes())
        yield image
        face = middle_face(vision, image)
        if face is not None:
            kind = draw.choice(POOR)
            yield kind.degrade(Photograph(image, face), draw.choice(kind.strengths))


def in_browser(pack: ModelPack, vision: FacePipeline, views: int) -> Iterator[str]:
    """Views of three clips, measured in Chromium."""
    with page_in_browser(pack) as page:
        for path in sorted((faces_directory() / "clips").glob("*.mp4"))[::4]:
            seen = list(clip(path, views))
            said, cpu_ms, looking_ms = page.measure(seen)
            met = MeterDifferences(LivenessMeter(pack, vision), lambda *_: None)
            for (image, at_ms), theirs in zip(seen, said, strict=True):
                met.against(image, at_ms, theirs)
            met.theirs_ms = [cpu_ms] * len(seen)
            met.looking_ms = [looking_ms]
            yield from met.report(f"{path.stem} in Chromium")


def main() -> None:
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("photographs", type=int, nargs="?", default=300)
    options.add_argument("--clips", type=int, default=0, metavar="VIEWS", help="of each clip")
    options.add_argument("--browser", type=int, default=0, metavar="VIEWS", help="of three clips")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    pack = load_pack(default_pack_directory())
    found = Differences(pack)
    with page_vision(pack) as page:
        for path in sorted((faces_directory() / "clips").glob("*.mp4")) if chosen.clips else []:
            met = MeterDifferences(LivenessMeter(pack, found.vision), page)
            for image, at_ms in clip(path, chosen.clips):
                met.compare(image, at_ms)
            print("\n".join(met.report(path.stem)), flush=True)
        for image in pictures(chosen.photographs, chosen.seed, found.vision):
            found.compare(page, image)
    for line in in_browser(pack, found.vision, chosen.browser) if chosen.browser else ():
        print(line, flush=True)
    if chosen.photographs:
        print("\n".join(found.report()))


if __name__ == "__main__":
    main()
