"""The counter's page as its own tools see it, and as it was built: types, tests, files, sizes."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from gateway.kiosk.release import built_files, read_page, read_release
from tests.support.processes import PATIENCE
from tests.support.tools import required

KIOSK = Path(__file__).resolve().parents[2] / "gateway" / "kiosk"
PAGE = KIOSK / "page"
MOST, MOST_COMPRESSED = 15 * 10**6, 5 * 10**6
"""Bytes of a first load, without the face models."""

pytestmark = pytest.mark.slow


def tool(*words: str) -> None:
    """Run one of the page's own commands."""
    done = subprocess.run(
        [required("npx"), "--no-install", *words],
        cwd=PAGE,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]


def test_types() -> None:
    tool("tsc", "--noEmit")


def test_the_page_s_own_tests() -> None:
    """However slow the machine is: of itself a test has five seconds there."""
    patience = f"={1000 * PATIENCE}"
    limits = ("--testTimeout", "--hookTimeout", "--teardownTimeout")
    tool("vitest", "run", "--silent", "--reporter=dot", *(one + patience for one in limits))


def test_the_built_page_is_the_one_that_is_pinned() -> None:
    assert read_page(KIOSK).release == read_release(KIOSK)


def test_a_first_load_is_small() -> None:
    files = built_files(KIOSK)
    assert sum(map(len, files.values())) <= MOST
    assert sum(len(gzip.compress(one, 6)) for one in files.values()) <= MOST_COMPRESSED


def test_no_file_of_the_page_names_another_origin_or_shows_its_source() -> None:
    for name, content in built_files(KIOSK).items():
        text = content.decode("latin-1")
        assert "sourceMappingURL" not in text, name
        if name.endswith((".html", ".css")):
            assert "//" not in text.replace("http://www.w3.org/", ""), name
            assert "<style" not in text, name
            assert " style=" not in text, name


def test_every_package_is_locked_by_its_hash() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert packages
    for name, one in packages.items():
        assert one["integrity"].startswith("sha512-"), name
