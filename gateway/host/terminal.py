"""Terminals that cannot show every character."""

import io
import sys
from contextlib import suppress


def show_what_can_be_shown() -> None:
    """Let standard output and error replace what their encoding lacks, instead of failing.

    A terminal may be cp1252 or ASCII, and prompts may be Chinese. A file that output is redirected
    to has the same encoding.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # what was printed before cannot be written: said by the next
                stream.reconfigure(errors="replace")
