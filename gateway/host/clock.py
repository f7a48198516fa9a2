"""The wall clock, which is passed to whatever asks for the time."""

import time


def unix_time() -> int:
    """Seconds since 1970."""
    return int(time.time())
