"""How often one device may ask, in a sliding hour.

Counted in this process's memory: a restart forgets, and each of several gateways counts for itself.
That is enough where guessing is hopeless anyway, and the work of answering is to be bounded.
"""

import threading
from collections import deque
from typing import Final

from gateway.wire.errors import Refused
from gateway.wire.ids import PartyId

HOUR: Final = 3600


class HourlyRate:
    """Thread-safe. Senders are enrolled devices, so there are not many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._asked: dict[PartyId, deque[int]] = {}
        self._lock = threading.Lock()

    def admit(self, sender: PartyId, now: int) -> None:
        """Count one request, whatever will become of it.

        Raises:
            Refused: the sender has made as many as it may.
        """
        with self._lock:
            asked = self._asked.setdefault(sender, deque())
            while asked and asked[0] <= now - HOUR:
                asked.popleft()
            if len(asked) >= self._limit:
                raise Refused(f"device {sender} has asked {self._limit} times in an hour")
            asked.append(now)
