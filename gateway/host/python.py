"""How this software starts Python: without the directory in which somebody happens to stand.

``python -m`` and ``python -c`` put the current directory before the standard library. An
``http.py`` that lies there would run in a server, with the server's settings in its environment.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SAFE_PATH: Final = "PYTHONSAFEPATH"


def python(*arguments: str) -> list[str]:
    """The command that runs Python with these arguments."""
    return [sys.executable, "-P", *arguments]


@contextmanager
def safe_path() -> Iterator[None]:
    """Within the block also those start so whose command a library makes (``multiprocessing``)."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
