"""A page that differs from its release in one byte is noticed, and not served."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.kiosk import check
from gateway.cli.outputs import UnusableFile
from gateway.kiosk.release import (
    ASSETS,
    RELEASE,
    PageAltered,
    PageNotBuilt,
    Release,
    UnusableRelease,
    built_files,
    read_page,
    read_release,
)
from gateway.main import main

FILES = {
    "index.html": b"<!doctype html>",
    "main.js": b"export const a = 1;\n",
    "bgv.wasm": b"\0asm\x01\0\0\0",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / ASSETS).mkdir()
    for name, content in FILES.items():
        (tmp_path / ASSETS / name).write_bytes(content)
    (tmp_path / RELEASE).write_bytes(Release.of(FILES).encode())
    return tmp_path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def linked(path: Path) -> None:
    """The same content, behind a link."""
    path.rename(path.with_name("elsewhere"))
    shutil.move(path.with_name("elsewhere"), path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one bit": (lambda assets: flip(assets / "main.js"), "main.js was altered"),
    "one more byte": (
        lambda assets: (assets / "bgv.wasm").write_bytes(FILES["bgv.wasm"] + b"\0"),
        "bgv.wasm was altered",
    ),
    "a file less": (lambda assets: (assets / "bgv.wasm").unlink(), "bgv.wasm is missing"),
    "a file more": (
        lambda assets: (assets / "extra.js").write_bytes(b""),
        "extra.js does not belong there",
    ),
    "no index": (lambda assets: (assets / "index.html").unlink(), "index.html is missing"),
    "a file of no page": (
        lambda assets: (assets / "page.exe").write_bytes(b"x"),
        "page.exe does not belong there",
    ),
    "a hidden file": (
        lambda assets: (assets / ".main.js").write_bytes(b"x"),
        "'.main.js' does not belong there",
    ),
    "a name for a terminal": (
        lambda assets: (assets / "\x1b[2J.js").write_bytes(b"x"),
        r"'\x1b[2J.js' does not belong there",
    ),
    "a subdirectory": (lambda assets: (assets / "more").mkdir(), "more is a directory"),
    "a link to the same bytes": (
        lambda assets: linked(assets / "main.js"),
        "main.js is a symbolic",
    ),
    "a link to nowhere": (
        lambda assets: (assets / "extra.js").symlink_to("nowhere"),
        "extra.js is a symbolic link",
    ),
    "a pipe, which nobody may open": (
        lambda assets: os.mkfifo(assets / "pipe.js"),
        "pipe.js does not belong there",
    ),
    "a directory of links": (linked, "assets is a symbolic link"),
    "a file in the directory's place": (
        lambda assets: (shutil.rmtree(assets), assets.write_bytes(b"x")),
        "assets cannot be read: Not a directory",
    ),
    "no list": (lambda assets: (assets.parent / RELEASE).unlink(), "release.json: No such file"),
    "an empty list": (
        lambda assets: (assets.parent / RELEASE).write_bytes(b""),
        "release.json is no list",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_page_is_noticed_and_not_served(
    place: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(None, place) == 0
    assert read_page(place).contents == FILES, "the control"
    alter, told = CHANGES[change]
    alter(place / ASSETS)
    capsys.readouterr()
    assert check(None, place) == 6
    shown = capsys.readouterr().out
    assert told in shown
    assert "do not use it" in shown
    with pytest.raises(PageAltered, match=re.escape(told)):
        read_page(place)


def test_a_file_that_cannot_be_read_is_named(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may read everything, so the disk is made to refuse."""
    opened = Path.open

    def refused(path: Path, *more: Any, **named: Any) -> Any:
        if path.name == "main.js":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *more, **named)

    assert check(None, place) == 0, "the control"
    monkeypatch.setattr(Path, "open", refused)
    assert check(None, place) == 6
    shown = capsys.readouterr().out
    assert "main.js cannot be read: Permission denied\n" in shown
    assert "missing" not in shown
    assert str(place) not in shown


def test_the_command_says_so_by_its_status(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the page was to be served."""
    monkeypatch.setattr("importlib.resources.files", lambda _: place)
    serve = ["kiosk", "--trust", "trust.json", "--document", str(place)]
    assert main(["kiosk", "--check"]) == 0, "the control"
    flip(place / ASSETS / "main.js")
    assert main(["kiosk", "--check"]) == 6
    assert main(serve) == 6
    assert "main.js was altered" in capsys.readouterr().err
    shutil.rmtree(place / ASSETS)
    assert main(["kiosk", "--check"]) == main(serve) == 1
    assert "make page" in capsys.readouterr().err


def test_a_publisher_s_list_that_is_none_is_no_fault_of_the_page(
    place: Path, tmp_path: Path
) -> None:
    (tmp_path / "published.json").write_bytes(b"<html>")
    with pytest.raises(UnusableFile, match=r"published\.json: release\.json is no list"):
        check(tmp_path / "published.json", place)


def test_whoever_alters_the_list_as_well_is_found_by_the_publisher_s(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "published.json"
    published.write_bytes((place / RELEASE).read_bytes())
    assert check(published, place) == 0
    flip(place / ASSETS / "main.js")
    (place / RELEASE).write_bytes(Release.of(built_files(place)).encode())
    assert check(None, place) == 0, "the installed list alone does not show it"
    assert check(published, place) == 6
    assert "release.json is not the publisher's" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b" " * 70_000,
        b'{"format": "sealmatch-kiosk-page/1", "files": {}}',
    ],
)
def test_what_is_no_list_is_refused(place: Path, content: bytes) -> None:
    (place / RELEASE).write_bytes(content)
    with pytest.raises(UnusableRelease, match=RELEASE):
        read_release(place)
    with pytest.raises(PageAltered, match=RELEASE):
        read_page(place)


@pytest.mark.parametrize("name", ["page.exe", "x.js.map", "no-ending", "a b.js", "ä.js", "-.js"])
def test_a_file_of_another_kind_or_name_is_not_served(place: Path, name: str) -> None:
    (place / ASSETS / name).write_bytes(b"x")
    with pytest.raises(PageAltered, match="does not belong there"):
        read_page(place)


@pytest.mark.parametrize("emptied", [True, False])
def test_a_page_that_is_not_built_says_how(place: Path, emptied: bool) -> None:
    shutil.rmtree(place / ASSETS)
    if emptied:
        (place / ASSETS).mkdir()
    for asked in (lambda: read_page(place), lambda: check(None, place)):
        with pytest.raises(PageNotBuilt, match="make page"):
            asked()


@pytest.mark.parametrize(
    "words",
    [[], ["--release", "x"], ["--trust", "x"], ["--check", "--port", "x"], ["--port", "-1"]],
)
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["kiosk", *words])
    assert caught.value.code == 2
