"""The counter page's vision against the Python client's: ``python -m tests.measure_page_vision``.

Photographs of ``SEALMATCH_FACES``, each as it is and in one way poor, pass both pipelines. Reported
are how far landmarks, embeddings and measures differ, and whose verdicts do. Nothing is written.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from gateway.lab.evaluation.degradations import POOR
from gateway.lab.evaluation.photograph import Photograph, middle_face
from gateway.vision.errors import FaceTooSmall, NoFaceFound, PoorPicture, SeveralFacesFound
from gateway.vision.geometry import BgrImage
from gateway.vision.images import decode_image
from gateway.vision.liveness.eyes import EyeStateModel
from gateway.vision.liveness.passive import PassiveLiveness
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import all_lfw_pairs
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

    def __init__(self, pack: ModelPack) -> None:
        self.vision = FacePipeline(pack)
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
        for name, value in examined.measured.items():
            kind = name.split("-")[0] if name.startswith(("cell", "near", "shape")) else name
            self._at_least(kind, abs(value - other["measured"][name]))

    def _at_least(self, name: str, value: float) -> None:
        self.most[name] = max(self.most[name], value)

    def report(self) -> Iterator[str]:
        yield f"{self.pictures} pictures, {self.faces} faces; other faces in {self.other_faces}"
        yield f"verdicts: {dict(self.verdicts.most_common())}"
        yield f"other verdicts: {dict(self.otherwise) or 'none'}"
        least = 1 - min(self.cosines)
        yield f"embeddings: {len(self.cosines)}, 1 - least cosine {least:.2g}"
        for name, value in sorted(self.most.items()):
            yield f"  {name}: {value:.2g}"


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


def main() -> None:
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("photographs", type=int, nargs="?", default=300)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    pack = load_pack(default_pack_directory())
    found = Differences(pack)
    with page_vision(pack) as page:
        for image in pictures(chosen.photographs, chosen.seed, found.vision):
            found.compare(page, image)
    print("\n".join(found.report()))


if __name__ == "__main__":
    main()
