"""The authority's signing key and pepper at rest, and the handles that the pepper makes."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest

from gateway.wire.keyfile import KeyFileError
from gateway.wire.subject import Subject
from keys import custody
from keys.custody import PEPPER_FILE, SIGNING_KEY_FILE, Custody
from tests.support.parties import AUTHORITY, PEPPER, SITE_SALT, SUBJECT, fixed_bytes

FILES = (SIGNING_KEY_FILE, PEPPER_FILE)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    before = os.umask(0)
    custody.create(tmp_path, "authority.example")
    os.umask(before)
    return tmp_path


def test_files_are_the_owner_s_alone(directory: Path) -> None:
    assert sorted(p.name for p in directory.iterdir()) == sorted(FILES)
    for name in FILES:
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
        assert (directory / name).stat().st_size == 32


def test_what_was_created_is_loaded(tmp_path: Path) -> None:
    created = custody.create(tmp_path, "authority.example")
    loaded = custody.load(tmp_path, "authority.example")
    assert loaded.signing.public == created.signing.public
    assert loaded.pepper == created.pepper
    assert (tmp_path / PEPPER_FILE).read_bytes() == created.pepper
    assert created.pepper != created.signing.private.private_bytes_raw()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_open_files_are_refused(directory: Path, name: str, mode: int) -> None:
    (directory / name).chmod(mode)
    with pytest.raises(KeyFileError, match=f"{name} is open to others"):
        custody.load(directory, "authority.example")


@pytest.mark.parametrize("name", FILES)
def test_missing_and_damaged_files_are_refused(directory: Path, name: str) -> None:
    path = directory / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(KeyFileError, match=f"{name} does not hold a key"):
        custody.load(directory, "authority.example")
    path.write_bytes(content + b"\n")
    with pytest.raises(KeyFileError):
        custody.load(directory, "authority.example")
    path.unlink()
    with pytest.raises(KeyFileError, match=f"{name} cannot be read"):
        custody.load(directory, "authority.example")


def test_nothing_is_ever_overwritten(directory: Path) -> None:
    before = {name: (directory / name).read_bytes() for name in FILES}
    with pytest.raises(KeyFileError, match="exists already"):
        custody.create(directory, "authority.example")
    assert {name: (directory / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize("left", FILES)
def test_half_a_directory_gets_no_second_half(tmp_path: Path, left: str) -> None:
    """One file lost or left by a crash: nothing is drawn beside it, so it can still be restored."""
    custody.create(tmp_path, "authority.example")
    lost = next(name for name in FILES if name != left)
    (tmp_path / lost).unlink()
    with pytest.raises(KeyFileError):
        custody.create(tmp_path, "authority.example")
    assert [p.name for p in tmp_path.iterdir()] == [left]


def test_handles_are_the_protocol_s() -> None:
    inner = SUBJECT.inner(SITE_SALT)
    expected = hmac.new(PEPPER, inner, hashlib.sha256).digest()
    assert Custody(AUTHORITY, PEPPER).handle(inner) == expected


def test_same_subject_same_handle_other_pepper_other_handle() -> None:
    mine, other = Custody(AUTHORITY, PEPPER), Custody(AUTHORITY, fixed_bytes("other-pepper"))
    typed = [Subject.of("passport", number) for number in ("X1234567", "x-123 4567")]
    handles = {mine.handle(subject.inner(SITE_SALT)) for subject in typed}
    assert len(handles) == 1
    assert handles.isdisjoint({other.handle(typed[0].inner(SITE_SALT))})
    another = Subject.of("passport", "X1234568")
    assert mine.handle(another.inner(SITE_SALT)) not in handles
    assert mine.handle(typed[0].inner(fixed_bytes("other-salt"))) not in handles


def test_neither_secret_shows(directory: Path) -> None:
    loaded = custody.load(directory, "authority.example")
    assert repr(loaded) == "Custody()"
