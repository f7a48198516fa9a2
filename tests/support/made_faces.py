"""Faces that were never photographed: vectors by picture, and a file of pairs that names them."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.vision.errors import NoFaceFound
from gateway.vision.pipeline import UnitVector


@dataclass
class Crowd:
    """People with pictures; every vector is drawn about its person's own."""

    root: Path
    vectors: dict[str, UnitVector]
    names: list[list[str]]
    failing: set[str]

    @classmethod
    def of(cls, root: Path, people: int, pictures: int, alike: float = 0.9) -> "Crowd":
        """``alike``: about the cosine of two pictures of one person."""
        draw, vectors, names = np.random.default_rng(5), {}, []
        for person in range(people):
            own = _unit(draw.normal(size=128))
            (root / f"p{person}").mkdir(parents=True)
            names.append([f"p{person}/{number}.jpg" for number in range(pictures)])
            for name in names[-1]:
                (root / name).touch()
                other = _unit(draw.normal(size=128))
                vectors[name] = _unit(alike**0.5 * own + (1 - alike) ** 0.5 * other)
        return cls(root, vectors, names, set())

    def write(self, file: Path, **columns) -> Path:
        """A pair of each person, and one with the next person. ``columns``: values by person; a
        name that ends in ``_b`` is of the second one."""
        rows = []
        for person, own in enumerate(self.names):
            following = (person + 1) % len(self.names)
            for other, same in ((person, 1), (following, 0)):
                values = {
                    name: give(other if name.endswith("_b") else person)
                    for name, give in columns.items()
                }
                probe = self.names[other][1]
                rows.append({"file_a": own[0], "file_b": probe, "same": same, **values})
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return file

    def vector(self, path: Path) -> UnitVector | str:
        """In the place of ``Booth.vector``."""
        name = str(path.relative_to(self.root))
        return NoFaceFound.__name__ if name in self.failing else self.vectors[name]


def _unit(vector: np.ndarray) -> UnitVector:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
