"""``sealmatch-gateway`` as it is installed: it says what to install where a package is missing.

Ctrl-C while it loads ends it without a word.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from gateway.host.ending import interrupted_at_once
from gateway.host.installed import NotInstalled


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of ``gateway.server.cli`` and return its exit status."""
    try:
        with interrupted_at_once():
            cli = import_module("gateway.server.cli")
    except ModuleNotFoundError as error:
        missing = NotInstalled.of(error, "sealmatch-gateway", "gateway")
        print(f"sealmatch-gateway: {missing}", file=sys.stderr)
        return 1
    return int(cli.main(arguments))
