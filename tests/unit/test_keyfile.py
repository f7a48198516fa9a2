"""Private keys at rest: whole or not at all, the owner's alone, never overwritten."""

import os
import stat
from pathlib import Path

import pytest

from gateway.host import keyfile
from gateway.host.keyfile import (
    KeyFileError,
    create_secret,
    create_signing_key,
    load_signing_key,
    read_secret,
)

SECRET = b"s" * 32


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _open_umask() -> object:
    """The mode must not depend on the umask."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_written_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.key"
    create_secret(path, SECRET)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert read_secret(path, 32) == SECRET
    assert [p.name for p in path.parent.iterdir()] == ["a.key"]


def test_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    create_secret(path, SECRET)
    with pytest.raises(KeyFileError, match="exists already"):
        create_secret(path, b"t" * 32)
    assert path.read_bytes() == SECRET
    assert [p.name for p in tmp_path.iterdir()] == ["a.key"]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "a.key").symlink_to(elsewhere)
    with pytest.raises(KeyFileError):
        create_secret(tmp_path / "a.key", SECRET)
    assert not elsewhere.exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfile.os, "fsync", full)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="No space"):
        create_secret(tmp_path / "a.key", SECRET)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o602])
def test_a_file_open_to_others_is_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.key"
    create_secret(path, SECRET)
    path.chmod(bits)
    with pytest.raises(KeyFileError, match="open to others"):
        read_secret(path, 32)


def test_a_read_only_file_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    create_secret(path, SECRET)
    path.chmod(0o400)
    assert read_secret(path, 32) == SECRET


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_another_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.key"
    create_secret(path, SECRET)
    with pytest.raises(KeyFileError, match=f"holds 32 bytes; .* the {length} bytes of") as caught:
        read_secret(path, length)
    assert "ssss" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n", "is in PEM"),
        (b"5a" * 32 + b"\n", "holds hexadecimal digits"),
        (b"5A" * 32, "holds hexadecimal digits"),
        (b"5a" * 31, "holds 62 bytes"),
        (SECRET + b"\n", "holds 33 bytes"),
        (bytes(10_000), "holds 4096 bytes or more"),
    ],
)
def test_what_is_in_a_keys_place_is_named_and_not_shown(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "device.key"
    create_secret(path, content)
    with pytest.raises(KeyFileError) as caught:
        load_signing_key(path, "device")
    told = str(caught.value)
    assert told == f"device.key {why}; it should hold the 32 bytes of a key and nothing else"


def test_missing_is_said_without_the_path(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"^a\.key cannot be read: No such file"):
        read_secret(tmp_path / "a.key", 32)
    with pytest.raises(KeyFileError):
        read_secret(tmp_path, 32)


def test_signing_keys_come_back(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    made = create_signing_key(path, "gateway.example")
    assert path.stat().st_size == 32
    assert path.read_bytes() == made.private.private_bytes_raw()  # type: ignore[attr-defined]
    assert load_signing_key(path, "gateway.example").public == made.public
    with pytest.raises(KeyFileError):
        create_signing_key(path, "gateway.example")
    assert load_signing_key(path, "gateway.example").public == made.public
    assert create_signing_key(tmp_path / "other.key", "x").public.raw != made.public.raw
