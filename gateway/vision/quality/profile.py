"""The limits of the quality gate: data that belong to one model pack.

Rule: limits are calibrated for one embedder, because another one has other norms and other poor
faces. So a profile names the manifest that it was calibrated for, and its own digest enters signed
statements. A pack without a profile of its own gets ``uncalibrated``: the limits of the picture
alone, which keep out the worst and promise nothing (``docs/MODELS.md``).

A profile holds no face. The directions of its ``clouds`` are means over hundreds of people each.
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
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.vision.errors import ModelPackCorrupt

MEASURES: Final = "face-quality/1"
"""Name and version of what ``measures`` computes. Another computation is another version."""

MAX_PROFILE_BYTES = 256 * 1024

_Text = Annotated[str, Field(max_length=4000)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Limit(_Part):
    """What a measure must lie within, both ends included; null for no limit on that side.

    Between ``doubt_least`` and ``doubt_most`` a picture is as most are. A value outside is no
    ground for refusal, but it explains one: it tells which advice to give.
    """

    least: float | None = None
    most: float | None = None
    doubt_least: float | None = None
    doubt_most: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        ends = [self.least, self.doubt_least, self.doubt_most, self.most]
        known = [end for end in ends if end is not None]
        if known != sorted(known):
            raise ValueError("the ends are out of order")
        return self

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies within; never for a value that is not a number."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def usual(self, value: float) -> bool:
        """Whether ``value`` is as most pictures have it."""
        return (self.doubt_least is None or value >= self.doubt_least) and (
            self.doubt_most is None or value <= self.doubt_most
        )


class Cloud(_Part):
    """Where the embeddings of one kind of poor face lie, and how near is too near."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]
    direction: Annotated[str, Field(max_length=2048)]
    """Base64 of signed bytes, one for each dimension; the length is of no meaning."""
    most: Annotated[float, Field(gt=-1, le=1)]
    """Largest cosine that passes."""

    @cached_property
    def vector(self) -> npt.NDArray[np.float32]:
        """Unit length, shape (d,)."""
        signed = np.frombuffer(base64.b64decode(self.direction), np.int8).astype(np.float64)
        return np.asarray(signed / np.linalg.norm(signed), np.float32)

    @field_validator("direction")
    @classmethod
    def _decodes(cls, value: str) -> str:
        try:
            signed = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        if not any(signed):
            raise ValueError("no direction")
        return value


class QualityProfile(_Part):
    """The content of a profile's file; unknown fields are refused."""

    format: Literal["sealmatch-face-quality/1"]
    measures: Literal["face-quality/1"]
    pack: _Digest | None
    """SHA-256 of the manifest that it was calibrated for; null for the limits without a model."""
    calibration: _Text
    limits: Annotated[dict[str, Limit], Field(max_length=64)]
    clouds: Annotated[list[Cloud], Field(max_length=64)] = []

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
