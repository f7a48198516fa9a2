"""How many decisions quantisation changes, over every LFW pair at hand, as text or JSON.

``python -m tests.measure_quantisation [--json]``. The decision of the integers (the accepted
interval of the lane policy) against that of the float cosine: tau <= cosine <= 0.97. Cosines and
embeddings stay in memory; only counts are printed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.he.quantise import quantise
from gateway.wire.policy import REPLAY_COSINE, LanePolicy
from tests.faces_data import Embeddings, all_lfw_pairs, pipeline

THRESHOLDS = ("0.341", "0.419", "0.487")
LOW_ERROR_RATE = 1 / 500
"""The share of decisions that quantisation may change."""

Vectors = Sequence[tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]]


def disagreements(vectors: Vectors, tau: str) -> int:
    """Pairs (template, probe) on which integers and float cosine disagree."""
    policy = LanePolicy.for_cosine(tau)
    changed = 0
    for template, probe in vectors:
        t, p = quantise(template), quantise(probe)
        by_integers = policy.accepts(policy.value(int(p @ t), int(p @ p)))
        changed += by_integers != accepted(template, probe, tau)
    return changed


def accepted(
    template: npt.NDArray[np.floating[Any]], probe: npt.NDArray[np.floating[Any]], tau: str
) -> bool:
    """The decision of the cosine itself, in float64."""
    a, b = template.astype(np.float64), probe.astype(np.float64)
    cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    return float(tau) <= cosine <= float(REPLAY_COSINE)


def score_errors(vectors: Vectors, tau: str) -> npt.NDArray[np.float64]:
    """Cosine that the integers stand for, less the float cosine."""
    policy = LanePolicy.for_cosine(tau)
    errors = []
    for template, probe in vectors:
        t, p = quantise(template), quantise(probe)
        value = policy.value(int(p @ t), int(p @ p))
        stands_for = (value / 10_000 + policy.kn) / policy.ks
        errors.append(stands_for - float(template.astype(np.float64) @ probe.astype(np.float64)))
    return np.array(errors)


def measure() -> dict[str, Any]:
    embeddings = Embeddings(pipeline())
    vectors = [(embeddings(a), embeddings(b)) for (a, b, _), _ in all_lfw_pairs()]
    cosines = np.array([float(a @ b) for a, b in vectors])
    lengths = [int(q @ q) for q in (quantise(v) for pair in vectors for v in pair)]
    errors = score_errors(vectors, "0.419")
    return {
        "pairs": len(vectors),
        "changed": {tau: disagreements(vectors, tau) for tau in THRESHOLDS},
        "within0004": {
            tau: int((np.abs(cosines - float(tau)) < 0.004).sum()) for tau in THRESHOLDS
        },
        "overReplayCosine": int((cosines > float(REPLAY_COSINE)).sum()),
        "squaredLength": [min(lengths), max(lengths)],
        "cosineErrorSd": float(errors.std()),
        "cosineErrorWorst": float(np.abs(errors).max()),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json: bool = parser.parse_args().json
    figures = measure()
    if as_json:
        print(json.dumps(figures))
        return 0
    for tau in THRESHOLDS:
        print(
            f"cosine {tau}: quantisation changes {figures['changed'][tau]} of {figures['pairs']} "
            f"decisions ({figures['within0004'][tau]} pairs lie within 0.004 of it)"
        )
    print(f"{figures['overReplayCosine']} pairs above cosine {float(REPLAY_COSINE)}")
    print(f"squared lengths {figures['squaredLength'][0]} to {figures['squaredLength'][1]}")
    print(
        f"error of the cosine: SD {figures['cosineErrorSd']:.5f}, "
        f"worst {figures['cosineErrorWorst']:.5f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
