"""A page that differs from its release in one byte is noticed, and not served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.kiosk import check
from gateway.kiosk.release import (
    ASSETS,
    RELEASE,
    PageAltered,
    PageNotBuilt,
    Release,
    built_files,
    read_page,
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
    with pytest.raises(PageAltered, match=told):
        read_page(place)


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
    with pytest.raises(PageNotBuilt, match=RELEASE):
        read_page(place)


@pytest.mark.parametrize("name", ["page.exe", "x.js.map", "no-ending", "a b.js", "ä.js", "-.js"])
def test_a_file_of_another_kind_or_name_is_not_served(place: Path, name: str) -> None:
    (place / ASSETS / name).write_bytes(b"x")
    with pytest.raises((PageNotBuilt, PageAltered)):
        read_page(place)


def test_a_page_that_is_not_built_says_how(place: Path) -> None:
    (place / ASSETS / "index.html").unlink()
    with pytest.raises(PageNotBuilt, match="make page"):
        read_page(place)
    for file in (place / ASSETS).iterdir():
        file.unlink()
    (place / ASSETS).rmdir()
    with pytest.raises(PageNotBuilt, match="make page"):
        read_page(place)


@pytest.mark.parametrize(
    "words",
    [[], ["--release", "x"], ["--trust", "x"], ["--check", "--port", "x"], ["--port", "-1"]],
)
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["kiosk", *words])
    assert caught.value.code == 2
