"""The correlation id of the request that this task or thread answers.

It is a random UUID that the counter draws for one registration. Each server writes it into its log
and sends it on to its peers, and the counter prints it if something fails. So one reference finds
the registration in the logs of all. An id of another form might be a number that somebody put
there: it is echoed, and neither written nor sent on.
"""

import re
from contextvars import ContextVar
from typing import Final

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_now: ContextVar[str | None] = ContextVar("correlator", default=None)


def answering(correlator: str) -> str | None:
    """From here on, this task answers a request with that id. Returns it if it is a UUID."""
    known = correlator if _UUID.fullmatch(correlator) else None
    _now.set(known)
    return known


def correlator() -> str | None:
    """The present request's, if there is one and it is a UUID."""
    return _now.get()
