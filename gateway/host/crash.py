"""Crash points: the places in a server's work after which the order of writes matters, by name.

In service ``reach`` does nothing. Only the tests' own starter (``tests/support/crashing``) installs
something, which kills the process at the point that a test names; nothing in the product reads
a variable or a setting for it. A test counts the points in the source: none can be left out.
"""

from collections.abc import Callable
from typing import Final

_hooks: Final[list[Callable[[str], None]]] = []


def reach(point: str) -> None:
    """This process has just come to ``point``."""
    for hook in _hooks:
        hook(point)


def install(hook: Callable[[str], None]) -> None:
    """Call ``hook`` at every point from now on. For tests."""
    _hooks.append(hook)
