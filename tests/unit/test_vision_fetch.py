"""Fetching: nothing unchecked is written, and nothing is ever half there. No network."""

import errno
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.vision import fetch
from gateway.vision.errors import ModelPackCorrupt, ModelPackFetchFailed
from gateway.vision.fetch import fetch_default_pack
from gateway.vision.pack import load_pack
from tests.support.packs import toy_manifest

FILES = {"a.onnx": b"first model", "b.onnx": b"second model"}


@dataclass
class Published:
    """A toy release standing in for the real one, and where it should be installed."""

    tarball: Path
    destination: Path
    pin: Callable[[bytes, dict[str, bytes]], None]


def _tarball(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        everything = {f"package/model/{name}": body for name, body in files.items()}
        for name, body in {**everything, "package/../../escape": b"never unpacked"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return out.getvalue()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    def pin(archive: bytes, files: dict[str, bytes]) -> None:
        source = {
            "npm": "toy@1",
            "tarball_sha256": hashlib.sha256(archive).hexdigest(),
            "tarball_bytes": len(archive),
            "member_prefix": "package/model/",
        }
        manifest = toy_manifest(files, source=source, thresholds=[])
        encoded = json.dumps(manifest).encode()
        monkeypatch.setattr(fetch, "shipped_manifest_bytes", lambda _: encoded)

    archive = _tarball(FILES)
    tarball = tmp_path / "toy.tgz"
    tarball.write_bytes(archive)
    pin(archive, FILES)
    return Published(tarball, tmp_path / "models" / "toy", pin)


def _nothing_left(published: Published) -> bool:
    parent = published.destination.parent
    return not parent.exists() or not list(parent.iterdir())


def test_a_tarball_becomes_a_pack(published: Published) -> None:
    said: list[str] = []
    pack = fetch_default_pack(published.destination, published.tarball, said.append)
    assert {name: pack.content(name) for name in FILES} == FILES
    installed = {path.name for path in published.destination.iterdir()}
    assert installed == {"manifest.json", *FILES}
    assert list(published.destination.parent.iterdir()) == [published.destination]
    assert said


def test_a_second_fetch_keeps_a_sound_pack(published: Published) -> None:
    fetch_default_pack(published.destination, published.tarball)
    published.tarball.unlink()
    assert fetch_default_pack(published.destination, published.tarball).model_id == "toy/net"


def test_a_damaged_pack_is_repaired(published: Published) -> None:
    fetch_default_pack(published.destination, published.tarball)
    (published.destination / "a.onnx").write_bytes(b"rotten")
    fetch_default_pack(published.destination, published.tarball)
    assert load_pack(published.destination).content("a.onnx") == FILES["a.onnx"]
    assert list(published.destination.parent.iterdir()) == [published.destination]


def test_a_directory_with_other_files_is_never_replaced(published: Published) -> None:
    published.destination.mkdir(parents=True)
    (published.destination / "thesis.txt").write_text("do not delete")
    with pytest.raises(ModelPackFetchFailed, match="other files"):
        fetch_default_pack(published.destination, published.tarball)
    assert (published.destination / "thesis.txt").read_text() == "do not delete"


@pytest.mark.parametrize("damage", ["altered", "longer", "shorter", "absent"])
def test_a_wrong_tarball_writes_nothing(published: Published, damage: str) -> None:
    whole = published.tarball.read_bytes()
    altered = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    if damage == "absent":
        published.tarball.unlink()
    else:
        bodies = {"altered": altered, "longer": whole + b"\0", "shorter": whole[:-1]}
        published.tarball.write_bytes(bodies[damage])
    reason = "cannot read" if damage == "absent" else "its SHA-256 differs"
    with pytest.raises(ModelPackFetchFailed, match=reason):
        fetch_default_pack(published.destination, published.tarball)
    assert _nothing_left(published)


def test_a_member_other_than_pinned_writes_nothing(published: Published) -> None:
    archive = _tarball({**FILES, "b.onnx": b"Second model"})
    published.tarball.write_bytes(archive)
    published.pin(archive, FILES)
    with pytest.raises(ModelPackCorrupt, match=r"b\.onnx"):
        fetch_default_pack(published.destination, published.tarball)
    assert _nothing_left(published)


def _damaged(part: str) -> bytes:
    """A tarball that is damaged inside: in its compression, at its end, or in a header."""
    whole = _tarball(FILES)
    if part == "compression":
        return whole[:40] + bytes([whole[40] ^ 0xFF]) + whole[41:]
    if part == "end":
        return whole[: len(whole) // 2]
    plain = bytearray(gzip.decompress(whole))
    second = plain.index(b"package/model/b.onnx")
    header = plain[second : second + 512]
    header[124:136] = b"\xff" * 12 if part == "negative size" else b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    plain[second : second + 512] = header
    return gzip.compress(bytes(plain))


@pytest.mark.parametrize("part", ["compression", "end", "negative size", "endless member"])
def test_a_tarball_damaged_inside_writes_nothing(published: Published, part: str) -> None:
    """Its hash is the pinned one, so that nothing but reading it finds the damage."""
    archive = _damaged(part)
    published.tarball.write_bytes(archive)
    published.pin(archive, FILES)
    with pytest.raises(ModelPackFetchFailed, match="lacks a model file or is damaged"):
        fetch_default_pack(published.destination, published.tarball)
    assert _nothing_left(published)
    whole = _tarball(FILES)
    published.tarball.write_bytes(whole)
    published.pin(whole, FILES)
    assert fetch_default_pack(published.destination, published.tarball), "the control"


def test_a_tarball_without_a_member_or_no_tarball_at_all(published: Published) -> None:
    for archive in (_tarball({"a.onnx": FILES["a.onnx"]}), b"plain text, not gzip"):
        published.tarball.write_bytes(archive)
        published.pin(archive, FILES)
        with pytest.raises(ModelPackFetchFailed, match="lacks a model file or is damaged"):
            fetch_default_pack(published.destination, published.tarball)
        assert _nothing_left(published)


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", ["nothing", "damaged pack"])
def test_an_interruption_leaves_things_as_they_were(
    published: Published, monkeypatch: pytest.MonkeyPatch, fault: BaseException, before: str
) -> None:
    if before == "damaged pack":
        published.destination.mkdir(parents=True)
        (published.destination / "a.onnx").write_bytes(b"rotten")
    write = fetch._write

    def failing(path: Path, content: bytes) -> None:
        if path.name == "b.onnx":
            path.write_bytes(content[:3])
            raise fault
        write(path, content)

    monkeypatch.setattr(fetch, "_write", failing)
    with pytest.raises((ModelPackFetchFailed, KeyboardInterrupt)):
        fetch_default_pack(published.destination, published.tarball)
    if before == "nothing":
        assert _nothing_left(published)
    else:
        assert list(published.destination.parent.iterdir()) == [published.destination]
        assert [path.name for path in published.destination.iterdir()] == ["a.onnx"]


def _npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a stand-in for npm, and only that, on the search path."""
    folder.mkdir()
    (folder / "npm").write_text("#!/bin/sh\n" + script)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_without_npm_the_error_names_the_other_way(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelPackFetchFailed, match="npm was not found") as caught:
        fetch_default_pack(published.destination)
    assert "--from" in caught.value.advice


def test_npm_delivers(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'for last; do :; done\ncp "{published.tarball}" "$last/toy-1.tgz"\n'
    _npm(tmp_path / "bin", monkeypatch, script)
    assert fetch_default_pack(published.destination).model_id == "toy/net"


def test_npm_fails_and_its_chatter_stays_out_of_the_message(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "echo 'npm error code E404' >&2; echo 'https://user:secret@registry/' >&2; exit 1\n"
    _npm(tmp_path / "bin", monkeypatch, script)
    with pytest.raises(ModelPackFetchFailed, match="E404") as caught:
        fetch_default_pack(published.destination)
    assert "secret" not in str(caught.value)
    assert _nothing_left(published)


def test_npm_hangs(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "NPM_TIMEOUT_S", 0.3)
    _npm(tmp_path / "bin", monkeypatch, "exec sleep 30\n")
    with pytest.raises(ModelPackFetchFailed, match="took longer"):
        fetch_default_pack(published.destination)
    assert _nothing_left(published)
