"""Evidence of an evaluation that never took place, with rates that fall as they do."""

import math
from typing import Any

from gateway.calibration.evidence import (
    Decisions,
    Failures,
    Listed,
    MatchEvidence,
    Pack,
    Point,
    Policy,
    Share,
    Transactions,
)
from gateway.wire.policy import LanePolicy
from tests.support import parties

COSINES = [f"0.{n}" for n in range(330, 700, 5)]


def share(rate: float, of: int, spread: float = 1.3) -> Share:
    """So many hits of so many, and an interval wider than that of independent comparisons."""
    hits = round(rate * of)
    return Share(hits=hits, of=of, low=0.0, high=min(1.0, (hits + 3) * spread / of))


def point(cosine: str, strangers: int, trials: int) -> Point:
    over = float(cosine) - 0.33
    fmr = 1e-3 * math.exp(-27 * over)
    return Point(
        cosine=cosine,
        lowest=LanePolicy.for_cosine(cosine).lo,
        genuine=share(0.02 + over / 4, 2100),
        strangers=share(fmr, 2100),
        all_strangers=share(fmr, strangers),
        probe=share(min(1.0, 13 * fmr), trials),
        probe_strangers=share(fmr, trials),
    )


def evidence(strangers: int = 2 * 10**7, trials: int = 30_000, **changes: Any) -> MatchEvidence:
    """Evidence for the model of the test parties."""
    nothing = share(0.0, 100)
    some: dict[str, Any] = {
        "product_version": "0.0.0",
        "made_at": 1,
        "seed": 1,
        "pack": Pack(
            model_id="buffalo/w600k",
            digest=parties.MODEL_DIGEST.hex(),
            dimension=512,
            quality="passed",
            quality_digest="00" * 32,
        ),
        "pairs": Listed(
            digest="ab" * 32,
            genuine=2100,
            impostor=2100,
            photographs=5367,
            subjects=5000,
            subjects_from="columns",
            folds=7,
        ),
        "portrait": None,
        "face": "only",
        "gated": True,
        "policy": Policy(cosine="0.419", lowest=2739, highest=6241, origin="pack", fmr=1e-4),
        "accuracy": 0.98,
        "accuracy_at": "folds",
        "eer": 0.01,
        "tmr_at_fmr": {"1e-3": 0.98},
        "encrypted_mismatches": 0,
        "failures_to_enrol": 3,
        "decisions": Decisions(
            **dict.fromkeys(("fnmr", "fmr", "frr", "far", "accuracy", "accuracy_of_all"), nothing)
        ),
        "fold_accuracy": None,
        "equal_error": None,
        "failures": Failures(
            **dict.fromkeys(("portraits", "probes", "genuine_pairs", "impostor_pairs"), nothing),
            reasons={},
        ),
        "rates": (),
        "curve": tuple(point(cosine, strangers, trials) for cosine in COSINES),
        "all_genuine": None,
        "all_impostor": None,
        "frame": None,
        "encrypted": None,
        "groups": (),
        "probe": None,
        "transactions": Transactions(
            liveness=0.9,
            liveness_from="clips",
            frr=0.03,
            attempts=3,
            independent=(0.9,),
            dependent=(0.9,),
            false_acceptance=1e-3,
        ),
    }
    return MatchEvidence(**(some | changes))
