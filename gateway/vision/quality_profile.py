"""The limits of the quality gate: data that belong to one model pack.

Rule: limits are calibrated for one embedder, because another one has other norms and other poor
faces. So a profile names the manifest that it was calibrated for, and its own digest enters signed
statements. A pack without a profile of its own gets ``uncalibrated``: the limits of the picture
alone, which keep out the worst and promise nothing (``docs/MODELS.md``).

A profile holds no face: its directions and weights are statistics over hundreds of people each.
"""

import base64
import binascii
import hashlib
import json
from functools import cached_property
from importlib import resources
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gateway.vision.errors import ModelPackCorrupt

MEASURES: Final = "face-quality/1"
"""Name and version of what ``measures`` computes. Another computation is another version."""

MAX_PROFILE_BYTES = 256 * 1024

_Text = Annotated[str, Field(max_length=4000)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Limit(_Part):
    """What a measure must lie within, both ends included; null for no limit on that side."""

    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("the ends are out of order")
        return self


def _packed(encoded: str) -> npt.NDArray[np.float32]:
    """Base64 of little-endian float16."""
    try:
        values = np.frombuffer(base64.b64decode(encoded, validate=True), "<f2")
    except (binascii.Error, ValueError):
        raise ValueError("not packed numbers") from None
    if not np.isfinite(values).all() or len(values) == 0:
        raise ValueError("not finite numbers")
    return values.astype(np.float32)


def pack_numbers(values: npt.ArrayLike) -> str:
    """Base64 of little-endian float16."""
    return base64.b64encode(np.asarray(values, "<f2").tobytes()).decode()


_Packed = Annotated[
    str, Field(max_length=4096), AfterValidator(lambda text: (_packed(text), text)[1])
]
_Kind = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Direction(_Part):
    """A direction in a space of embeddings (d values) or of aligned landmarks (136)."""

    name: _Kind
    values: _Packed

    @cached_property
    def vector(self) -> npt.NDArray[np.float32]:
        return _packed(self.values)


class Shape(_Part):
    """Aligned landmarks: their mean over good pictures, and how faces differ from it."""

    mean: _Packed
    """x, y of the 68 points in turn, pixels of the aligned image."""
    directions: Annotated[list[Direction], Field(max_length=64)]

    @cached_property
    def centre(self) -> npt.NDArray[np.float32]:
        return _packed(self.mean)


class Scale(_Part):
    """How a feature is brought to mean 0 and deviation 1 over good pictures."""

    name: _Kind
    mean: float
    deviation: Annotated[float, Field(gt=0)]


class Detector(_Part):
    """A linear discriminant of good pictures against one kind of poor ones."""

    kind: _Kind
    finding: _Kind
    """What a refused person is told: ``PoorPicture.what``."""
    weights: _Packed
    """One for each feature."""
    most: float
    """Largest weighted sum that passes."""


class Discriminants(_Part):
    """Features in order, and the detectors that weigh them."""

    clip: Annotated[float, Field(gt=0)]
    """Scaled features are cut off here, on both sides."""
    clouds: Annotated[list[Direction], Field(max_length=64)]
    """Where embeddings of poor faces lie, seen from the mean of good ones."""
    shape: Shape | None
    features: Annotated[list[Scale], Field(min_length=1, max_length=512)]
    detectors: Annotated[list[Detector], Field(min_length=1, max_length=128)]

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if any(len(_packed(one.weights)) != len(self.features) for one in self.detectors):
            raise ValueError("a detector has not one weight for each feature")
        return self

    @cached_property
    def weights(self) -> npt.NDArray[np.float32]:
        """Shape (detectors, features)."""
        return np.stack([_packed(one.weights) for one in self.detectors])

    @cached_property
    def most(self) -> npt.NDArray[np.float64]:
        """Shape (detectors,)."""
        return np.array([one.most for one in self.detectors])


class QualityProfile(_Part):
    """The content of a profile's file; unknown fields are refused."""

    format: Literal["sealmatch-face-quality/1"]
    measures: Literal["face-quality/1"]
    pack: _Digest | None
    """SHA-256 of the manifest that it was calibrated for; null for the limits without a model."""
    calibration: _Text
    limits: Annotated[dict[str, Limit], Field(max_length=64)]
    """What no picture may exceed, whatever else it is like."""
    discriminants: Discriminants | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON (sorted keys, no blanks), 32 bytes."""
        values = self.model_dump(mode="json", exclude_none=True)
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    @property
    def calibrated(self) -> bool:
        """Whether its limits were measured with a model."""
        return self.pack is not None


def parse_profile(encoded: bytes) -> QualityProfile:
    """A profile from its JSON bytes. Raises ModelPackCorrupt without echoing any of them."""
    if len(encoded) > MAX_PROFILE_BYTES:
        raise ModelPackCorrupt(f"the quality profile is longer than {MAX_PROFILE_BYTES} bytes")
    try:
        return QualityProfile.model_validate_json(encoded)
    except ValidationError:
        raise ModelPackCorrupt("the quality profile is malformed") from None


def profile_for(pack_id: str, pack_digest: bytes, own: bytes | None) -> QualityProfile:
    """The profile for a pack: shipped for its id, else its own file's, else ``uncalibrated``.

    Args:
        own: the bytes of ``quality.json`` in the pack's directory, if there is one.

    Raises:
        ModelPackCorrupt: the pack's own file is malformed, or is for another manifest.
    """
    shipped = _shipped(pack_id)
    if shipped is not None and shipped.pack == pack_digest.hex():
        return shipped
    if own is None:
        return uncalibrated()
    profile = parse_profile(own)
    if profile.pack != pack_digest.hex():
        raise ModelPackCorrupt("the quality profile was calibrated for another manifest")
    return profile


def uncalibrated() -> QualityProfile:
    """Limits of the picture alone, for packs without a profile."""
    return parse_profile((_packs() / "uncalibrated.quality.json").read_bytes())


def _shipped(pack_id: str) -> QualityProfile | None:
    path = _packs() / f"{pack_id}.quality.json"
    return parse_profile(path.read_bytes()) if path.is_file() else None


def _packs() -> "resources.abc.Traversable":
    return resources.files("gateway.vision") / "packs"
