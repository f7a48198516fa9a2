"""A pack is held to its manifest before any model runtime sees a byte."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.vision.errors import ModelPackCorrupt, ModelPackMissing, ModelPackUncalibrated
from gateway.vision.manifest import DEFAULT_PACK_ID, shipped_manifest, shipped_manifest_bytes
from gateway.vision.pack import (
    default_pack_directory,
    load_pack,
    models_directory,
)
from tests.support.packs import toy_manifest

CONTENT = b"not really a model"


def _manifest(**changes: Any) -> dict[str, Any]:
    return toy_manifest({"net.onnx": CONTENT}, **changes)


def _pack(directory: Path, **changes: Any) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "manifest.json").write_text(json.dumps(_manifest(**changes)))
    (directory / "net.onnx").write_bytes(CONTENT)
    return directory


def test_a_sound_pack_loads(tmp_path: Path) -> None:
    pack = load_pack(_pack(tmp_path))
    assert pack.model_id == "toy/net"
    assert pack.content("net.onnx") == CONTENT
    assert pack.cosine_at_fmr(0.001) == 0.3
    assert "not really" not in repr(pack)


def test_the_digest_covers_the_manifest_and_not_its_layout(tmp_path: Path) -> None:
    plain = load_pack(_pack(tmp_path)).digest
    (tmp_path / "manifest.json").write_text(json.dumps(_manifest(), indent=4, sort_keys=True))
    assert load_pack(tmp_path).digest == plain
    assert load_pack(_pack(tmp_path, version="2")).digest != plain


def test_an_unlisted_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelPackUncalibrated):
        load_pack(_pack(tmp_path)).cosine_at_fmr(0.002)


def test_one_altered_byte_is_noticed(tmp_path: Path) -> None:
    _pack(tmp_path)
    (tmp_path / "net.onnx").write_bytes(CONTENT[:-1] + b"L")
    with pytest.raises(ModelPackCorrupt, match=r"net\.onnx"):
        load_pack(tmp_path)


@pytest.mark.parametrize("content", [b"", CONTENT + b"x", CONTENT[:-1]])
def test_another_length_is_noticed(tmp_path: Path, content: bytes) -> None:
    _pack(tmp_path)
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ModelPackCorrupt):
        load_pack(tmp_path)


def test_missing_things_are_called_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelPackMissing):
        load_pack(tmp_path / "nowhere")
    with pytest.raises(ModelPackMissing):
        load_pack(tmp_path)
    (_pack(tmp_path) / "net.onnx").unlink()
    with pytest.raises(ModelPackMissing):
        load_pack(tmp_path)
    with pytest.raises(ModelPackMissing):
        load_pack(_pack(tmp_path)).content("other.onnx")


def test_a_file_swapped_after_the_check_changes_nothing(tmp_path: Path) -> None:
    pack = load_pack(_pack(tmp_path))
    (tmp_path / "net.onnx").write_bytes(b"something else")
    assert pack.content("net.onnx") == CONTENT


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "sealmatch-model-pack/2"},
        {"recipe": "unknown/1"},
        {"dimension": 513},
        {"dimension": "512"},
        {"files": {}},
        {"files": {"../net.onnx": {"sha256": "0" * 64, "bytes": 1}}},
        {"files": {"net.onnx": {"sha256": "0" * 63, "bytes": 1}}},
        {"files": {"net.onnx": {"sha256": "0" * 64, "bytes": 1 << 40}}},
        {"id": "x" * 40, "embedder": "y" * 40},
        {"surprise": 1},
    ],
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelPackCorrupt):
        load_pack(_pack(tmp_path, **changes))


@pytest.mark.parametrize("encoded", [b"", b"{", b"[]", b"\xff\xfe", b" " * 70_000])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, encoded: bytes) -> None:
    _pack(tmp_path)
    (tmp_path / "manifest.json").write_bytes(encoded)
    with pytest.raises(ModelPackCorrupt):
        load_pack(tmp_path)


def test_a_pack_cannot_borrow_the_default_packs_name(tmp_path: Path) -> None:
    with pytest.raises(ModelPackCorrupt, match="differs from the one shipped"):
        load_pack(_pack(tmp_path, id=DEFAULT_PACK_ID))


def test_the_shipped_manifest_is_the_one_that_was_reviewed() -> None:
    manifest = shipped_manifest(DEFAULT_PACK_ID)
    assert manifest is not None
    assert set(manifest.files) == {
        f"fr_{name}.onnx" for name in ("detect", "landmark", "feature", "eye", "liveness")
    }
    assert manifest.source is not None
    assert manifest.source.tarball_sha256.startswith("7ea06031d9a3f83753254fcff60506a0")
    assert hashlib.sha256(manifest.canonical).hexdigest() == (
        "96b145d2dd24978546388612e2adb446dca5b8bba5a6506fdb0a39292a453f08"
    )
    assert json.loads(shipped_manifest_bytes(DEFAULT_PACK_ID)) == json.loads(manifest.canonical)


def test_a_users_directory_of_models_carries_the_warning(tmp_path: Path) -> None:
    folder = tmp_path / "buffalo_l"
    folder.mkdir()
    (folder / "w600k_r50.onnx").write_bytes(CONTENT)
    pack = load_pack(folder)
    assert pack.model_id == "user-buffalo_l/recognition"
    assert "NON-COMMERCIAL" in pack.manifest.licence.warnings[0]
    with pytest.raises(ModelPackUncalibrated):
        pack.cosine_at_fmr(0.001)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("w600k r50.onnx", CONTENT, "has at most 64 letters"),
        ("_net.onnx", CONTENT, "begins with a letter"),
        (f"{'n' * 60}.onnx", CONTENT, "has at most 64 letters"),
        ("模型.onnx", CONTENT, "has at most 64 letters"),
        ("net.onnx", b"", "is empty"),
    ],
)
def test_a_model_that_no_manifest_could_name_is_named(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelPackCorrupt, match=why) as caught:
        load_pack(tmp_path)
    assert ascii(name) in str(caught.value)
    (tmp_path / name).rename(tmp_path / "good.txt")
    (tmp_path / "good.onnx").write_bytes(CONTENT)
    assert load_pack(tmp_path).content("good.onnx") == CONTENT


def test_more_models_than_a_pack_has_are_counted(tmp_path: Path) -> None:
    for number in range(65):
        (tmp_path / f"{number}.onnx").write_bytes(CONTENT)
    with pytest.raises(ModelPackCorrupt, match="65 model files"):
        load_pack(tmp_path)


def test_where_packs_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEALMATCH_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_directory() == tmp_path / "sealmatch" / "models"
    monkeypatch.setenv("SEALMATCH_MODELS", str(tmp_path / "m"))
    assert default_pack_directory() == tmp_path / "m" / DEFAULT_PACK_ID
    monkeypatch.delenv("SEALMATCH_MODELS")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_directory() == tmp_path / ".local" / "share" / "sealmatch" / "models"
