"""``sealmatch-authority``, and ``python -m keys``. Ctrl-C while it loads ends it without a word."""

import sys
from collections.abc import Sequence

from gateway.host.ending import interrupted_at_once


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the command, run it and return its exit status."""
    with interrupted_at_once():
        from keys.cli import main as command  # noqa: PLC0415  this takes a while
    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
