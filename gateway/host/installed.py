"""What is installed here: the product's version, and what to install where a package is missing.

The product is on no package index. So an extra is named as it can really be installed: from a
checkout, or from the wheel file that a release publishes.
"""

import argparse
import importlib.metadata
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from gateway.wire.errors import SealmatchError
from gateway.wire.profile import PROFILE

_DISTRIBUTIONS: Final = ("sealmatch", "sealmatch-authority")
"""The whole product, and what a key authority's operator installs."""
_OURS: Final = ("gateway", "keys")


class NotInstalled(SealmatchError):
    """Something needs a package that is not installed here; the text says how to install it."""

    @classmethod
    def of(cls, error: ModuleNotFoundError, what: str, extra: str) -> "NotInstalled":
        """The text for a failed import.

        Args:
            what: needs the package: a command, or keys in a token.
            extra: the extra, or extras with commas, that bring it.

        Raises:
            ModuleNotFoundError: the module is one of our own, so no extra brings it.
        """
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in _OURS:
            raise error
        return cls(f"{what} needs {missing}, which is not installed here; {how_to_install(extra)}")


def how_to_install(extra: str) -> str:
    """How an extra is installed."""
    return (
        f"install the extra: pip install '.[{extra}]' in a checkout, or "
        f"pip install './sealmatch-{version()}-py3-none-any.whl[{extra}]' from the wheel"
    )


def version() -> str:
    """The version of the installed product."""
    for name in _DISTRIBUTIONS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


class VersionAction(argparse.Action):
    """``--version``: prints the command's name, the product's version and the protocol's profile.

    Two parties of one deployment must have the same profile; their versions may differ.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(
            option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="print it and end"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(version_line(parser.prog))
        parser.exit()


def version_line(prog: str) -> str:
    """One line: ``sealmatch 0.1.0 (protocol bgv8192-2)``."""
    return f"{prog.partition(' ')[0]} {version()} (protocol {PROFILE})"
