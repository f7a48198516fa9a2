"""Accuracy and speed of the default pack on every LFW pair at hand, as text or JSON.

``python -m tests.measure_lfw [--json]``. Cosines and embeddings stay in memory; only counts and
rates are printed. Accuracy is the mean over folds, each judged at the threshold that suits the
other folds best (LFW's protocol).
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.vision.errors import VisionError
from gateway.vision.images import decode_image
from gateway.vision.pipeline import only_face
from tests.faces_data import Embeddings, all_lfw_pairs, pipeline

THRESHOLDS = (0.341, 0.419, 0.487)
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def measure() -> dict[str, Any]:
    """Figures over all pairs: accuracy, rates at the calibrated cosines, refusals, time."""
    pairs = all_lfw_pairs()
    photographs = sorted({path for (a, b, _), _ in pairs for path in (a, b)})
    embeddings = Embeddings(pipeline())
    began = time.process_time()
    for photograph in photographs:
        embeddings(photograph)
    spent = time.process_time() - began
    cosines = np.array([embeddings.cosine(pair) for pair, _ in pairs])
    same = np.array([pair[2] for pair, _ in pairs])
    folds = np.array([fold for _, fold in pairs])
    return {
        "pairs": len(pairs),
        "photographs": len(photographs),
        "accuracy": fold_accuracy(cosines, same, folds),
        "rates": [
            {
                "cosine": cosine,
                "tmr": float(np.mean(cosines[same] >= cosine)),
                "falseMatches": int(np.sum(cosines[~same] >= cosine)),
                "impostors": int(np.sum(~same)),
            }
            for cosine in THRESHOLDS
        ],
        "allAgainstAll": all_against_all(embeddings, photographs),
        "cpuMsPerPhotograph": 1000 * spent / len(photographs),
        "refused": refusals(embeddings, photographs),
    }


def all_against_all(embeddings: Embeddings, photographs: list[Path]) -> dict[str, Any]:
    """Match rates over every two photographs; a photograph's folder names its person."""
    vectors = np.array([embeddings(photograph) for photograph in photographs])
    names, people = np.unique([path.parent.name for path in photographs], return_inverse=True)
    genuine = impostors = 0
    matched = {cosine: [0, 0] for cosine in THRESHOLDS}
    for row in range(len(photographs) - 1):
        cosines = vectors[row + 1 :] @ vectors[row]
        same = people[row + 1 :] == people[row]
        genuine += int(same.sum())
        impostors += int((~same).sum())
        for cosine, counts in matched.items():
            counts[0] += int((cosines[same] >= cosine).sum())
            counts[1] += int((cosines[~same] >= cosine).sum())
    return {
        "people": len(names),
        "genuinePairs": genuine,
        "impostorPairs": impostors,
        "rates": [
            {"cosine": cosine, "tmr": hits / genuine, "fmr": false / impostors}
            for cosine, (hits, false) in matched.items()
        ],
    }


def fold_accuracy(cosines: Values, same: Flags, folds: npt.NDArray[np.int64]) -> float:
    """Mean accuracy over folds, each at the threshold that is best on the others."""
    rights = []
    for fold in np.unique(folds):
        held, rest = folds == fold, folds != fold
        threshold = best_threshold(cosines[rest], same[rest])
        rights.append(np.mean((cosines[held] >= threshold) == same[held]))
    return float(np.mean(rights))


def best_threshold(cosines: Values, same: Flags) -> float:
    """The observed cosine that decides most pairs rightly."""
    order = np.argsort(-cosines)
    gains = np.cumsum(np.where(same[order], 1, -1))
    return float(cosines[order][int(np.argmax(gains))])


def refusals(embeddings: Embeddings, photographs: list[Path]) -> dict[str, int]:
    """How many photographs the product's own rule (exactly one face) would refuse, by reason."""
    counts: dict[str, int] = {}
    for photograph in photographs:
        try:
            only_face(embeddings.vision.faces(decode_image(photograph.read_bytes())))
        except VisionError as error:
            counts[type(error).__name__] = counts.get(type(error).__name__, 0) + 1
    return counts


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json: bool = parser.parse_args().json
    figures = measure()
    if as_json:
        print(json.dumps(figures))
        return 0
    print(f"{figures['pairs']} pairs, {figures['photographs']} photographs")
    print(f"accuracy {100 * figures['accuracy']:.2f} %")
    for rate in figures["rates"]:
        print(
            f"cosine {rate['cosine']}: TMR {100 * rate['tmr']:.2f} %, "
            f"{rate['falseMatches']} of {rate['impostors']} impostor pairs matched"
        )
    wide = figures["allAgainstAll"]
    print(
        f"all against all: {wide['genuinePairs']} genuine, {wide['impostorPairs']} impostor pairs"
    )
    for rate in wide["rates"]:
        print(f"cosine {rate['cosine']}: TMR {100 * rate['tmr']:.2f} %, FMR {rate['fmr']:.2e}")
    print(f"{figures['cpuMsPerPhotograph']:.1f} ms CPU per photograph, decoding included")
    print(f"refused by the one-face rule: {figures['refused'] or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
