"""The face model pack as the commands use it."""

import argparse
from pathlib import Path

from gateway.issuer.issuer import Model
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.wire.ids import Digest
from gateway.wire.quality import FaceQuality

FALSE_MATCH_RATE = 1e-4
ACTION_FALSE_MATCH_RATE = 1e-3
"""Of the lane of the liveness actions, which must accept besides the probe's (ADR 11)."""


def add_pack_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack", type=Path, metavar="DIR", help="face model pack (default: the fetched one)"
    )


def open_pack(directory: Path | None) -> ModelPack:
    """A pack, the default one where none is named; every file is checked.

    Raises:
        ModelPackMissing, ModelPackCorrupt: with advice.
    """
    return load_pack(directory or default_pack_directory())


def gateway_settings(pack: ModelPack) -> dict[str, str]:
    """The thresholds for the default false match rates, as the pack's manifest states them.

    Raises:
        ModelPackUncalibrated: the pack states none; no threshold is ever guessed.
    """
    return {
        "threshold_cosine": f"{pack.cosine_at_fmr(FALSE_MATCH_RATE):.3f}",
        "action_cosine": f"{pack.cosine_at_fmr(ACTION_FALSE_MATCH_RATE):.3f}",
    }


def model_of(pack: ModelPack) -> Model:
    """The pack's name and digest, and what its quality gate promises, as they travel in messages.

    The pipeline of a pack makes no vector of a picture that its gate refuses.
    """
    profile = pack.quality
    quality = FaceQuality(
        outcome="passed" if profile.calibrated else "uncalibrated",
        measures=profile.measures,
        profile_digest=Digest(profile.digest),
    )
    return Model(pack.model_id, Digest(pack.digest), quality)
