"""Programs that tests need and Python does not bring: on CI they must be there."""

import os
import shutil

import pytest


def required(program: str, package: str | None = None) -> str:
    """Path of a program; without it the test fails on CI and is skipped elsewhere."""
    found = shutil.which(program)
    if found is None:
        missing(f"{program} is not installed (apt-get install {package or program})")
    return str(found)


def missing(reason: str) -> None:
    """Fail on CI, where everything must be there; skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
