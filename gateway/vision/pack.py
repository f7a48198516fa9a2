"""A model pack: a directory of ONNX files, checked against its manifest.

Rule: onnxruntime sees only bytes whose SHA-256 the manifest pins. ``load_pack`` reads each file
once, checks it and keeps the bytes, so a file swapped afterwards changes nothing. (The recipe in
``insightface_zoo`` is the exception.) If a pack has the id of a manifest shipped in ``packs/``, it
must carry exactly that manifest.

The pack's digest and model id enter signed statements (protocol, section 10). So it can be shown
later which weights and which thresholds a decision rested on.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gateway.vision.errors import ModelPackCorrupt, ModelPackMissing, ModelPackUncalibrated
from gateway.vision.manifest import (
    DEFAULT_PACK_ID,
    INSIGHTFACE,
    MAX_MANIFEST_BYTES,
    MAX_MODEL_BYTES,
    MODEL_NAME,
    MOST_FILES,
    Licence,
    Manifest,
    PinnedFile,
    check_bytes,
    parse_manifest,
    shipped_manifest,
)
from gateway.vision.quality_profile import MAX_PROFILE_BYTES, QualityProfile, profile_for

MANIFEST = "manifest.json"
QUALITY = "quality.json"
"""The quality profile of a pack that the user supplies; those of known packs are shipped."""

NON_COMMERCIAL = (
    "NON-COMMERCIAL RESEARCH ONLY: insightface publishes its model packs (buffalo_l, antelopev2 "
    "and others) for non-commercial research. Any other use needs a licence from insightface."
)


@dataclass(frozen=True, slots=True)
class ModelPack:
    """A verified pack: its manifest and the bytes of its files."""

    directory: Path
    manifest: Manifest = field(repr=False)
    quality: QualityProfile = field(repr=False)
    """What a picture must be like to be embedded with this pack."""
    _contents: dict[str, bytes] = field(repr=False)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical manifest, 32 bytes. Through the files' hashes it pins them."""
        return self.manifest.digest

    @property
    def model_id(self) -> str:
        """Pack and embedding model, e.g. ``faceplugin-0.0.1/fr_feature``; at most 64 characters."""
        return f"{self.manifest.id}/{self.manifest.embedder}"

    def content(self, name: str) -> bytes:
        """The verified bytes of one file. Raises ModelPackMissing if the pack has no such file."""
        try:
            return self._contents[name]
        except KeyError:
            raise ModelPackMissing(f"the model pack has no file {name}") from None

    def cosine_at_fmr(self, fmr: float) -> float:
        """The calibrated threshold for a false match rate that the manifest lists.

        Raises ModelPackUncalibrated for any other rate: thresholds are never interpolated.
        """
        for threshold in self.manifest.thresholds:
            if threshold.fmr == fmr:
                return threshold.cosine
        raise ModelPackUncalibrated(f"{self.model_id} states no threshold for FMR {fmr:g}")


def models_directory() -> Path:
    """Where packs are kept: $SEALMATCH_MODELS, else below the user's data directory (XDG)."""
    if chosen := os.environ.get("SEALMATCH_MODELS"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "sealmatch" / "models"


def default_pack_directory() -> Path:
    """The directory of the default pack."""
    return models_directory() / DEFAULT_PACK_ID


def load_pack(directory: Path) -> ModelPack:
    """Read and check the pack in ``directory``, and keep its bytes.

    If there are ONNX files but no manifest, they are taken for one of insightface's packs that the
    user put there. Nothing is pinned beforehand then, and no threshold is known; the licence of the
    manifest made for it warns that these packs are for non-commercial research. Files that a
    manifest does not name are never opened.

    Raises ModelPackMissing (there is no pack, or a file is absent or unreadable) and
    ModelPackCorrupt (a malformed manifest, or one that differs from what is shipped or pinned; a
    model file that no manifest could name).
    """
    path = directory / MANIFEST
    if path.is_file():
        manifest = parse_manifest(_read(path, MAX_MANIFEST_BYTES + 1))
    else:
        manifest = _describe(directory)
    shipped = shipped_manifest(manifest.id)
    if shipped is not None and shipped.canonical != manifest.canonical:
        raise ModelPackCorrupt(f"the manifest differs from the one shipped for {manifest.id}")
    contents = {name: _verified(directory / name, pin) for name, pin in manifest.files.items()}
    own = directory / QUALITY
    profile = profile_for(
        manifest.id,
        manifest.digest,
        _read(own, MAX_PROFILE_BYTES + 1) if own.is_file() else None,
    )
    return ModelPack(directory, manifest, profile, contents)


def _describe(directory: Path) -> Manifest:
    """A manifest for a directory of insightface models; it pins the files as they are now."""
    files = sorted(directory.glob("*.onnx")) if directory.is_dir() else []
    if not files:
        raise ModelPackMissing(f"no model pack at {directory}")
    name = re.sub(r"[^A-Za-z0-9._-]", "-", directory.resolve().name)[:32]
    for path in files:
        if not MODEL_NAME.fullmatch(path.name):
            raise ModelPackCorrupt(
                f"{path.name!a}: a model file's name has at most 64 letters, digits, dots, hyphens "
                "and underscores, and begins with a letter or digit",
                "Rename the file, or move it elsewhere.",
            )
    if len(files) > MOST_FILES:
        raise ModelPackCorrupt(
            f"there are {len(files)} model files, and a pack has at most {MOST_FILES}",
            "Leave only the models of one pack in the directory.",
        )
    pins = {path.name: _pin(path) for path in files}
    return Manifest(
        format="sealmatch-model-pack/1",
        id=f"user-{name}",
        version="unpinned",
        recipe=INSIGHTFACE,
        embedder="recognition",
        dimension=512,
        preprocessing="as insightface's model_zoo decides from the model's shape",
        files=pins,
        licence=Licence(stated="not stated by the directory", warnings=[NON_COMMERCIAL]),
        calibration="none: measure on your own population and write a manifest with thresholds",
        thresholds=[],
    )


def _pin(path: Path) -> PinnedFile:
    content = _read(path, MAX_MODEL_BYTES + 1)
    if not 0 < len(content) <= MAX_MODEL_BYTES:
        what = "is empty" if not content else f"is larger than {MAX_MODEL_BYTES // 2**20} MiB"
        raise ModelPackCorrupt(f"{path.name!a} {what}", "Copy the model file again.")
    return PinnedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _verified(path: Path, pin: PinnedFile) -> bytes:
    if not path.is_file():
        raise ModelPackMissing(f"the model pack lacks {path.name}")
    content = _read(path, pin.bytes + 1)
    check_bytes(path.name, content, pin)
    return content


def _read(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes, so that a huge file in the wrong place does not fill memory."""
    try:
        with path.open("rb") as file:
            return file.read(min(limit, os.fstat(file.fileno()).st_size + 1))
    except OSError as error:
        raise ModelPackMissing(f"cannot read {path.name}: {error.strerror}") from None
