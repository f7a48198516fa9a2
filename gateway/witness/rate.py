"""Limits how often one sender may ask: a bucket of tokens for each, which fills with time.

Only the address counts, since requests bear no other identity. A witness behind a proxy sees only
one sender, and leaves the counting to the proxy.
"""

from collections import OrderedDict
from typing import Final

from gateway.wire.errors import TooManyRequests

MAX_SENDERS: Final = 10_000
"""Senders remembered; the one that was silent longest is forgotten first."""


class RateLimit:
    """Not thread-safe; used from the event loop."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, sender: str, now: float) -> None:
        """Take one token; ``now`` is in seconds, and never goes back.

        Raises:
            TooManyRequests: there is none.
        """
        tokens, since = self._buckets.pop(sender, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        admitted = tokens >= 1
        self._buckets[sender] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > MAX_SENDERS:
            self._buckets.popitem(last=False)
        if not admitted:
            raise TooManyRequests("too many requests; wait before the next one")
