"""Whether a server can do its work: the answer for supervisors, and no more than that.

Rules:

- It is looked for where the next request would look: a write that the storage must take, room on
  the disk, lists that can be read. A server that answers is not yet one that works.
- Anybody may ask, so the answer is yes or no. Why not stands in the operator's log, once for each
  change.
- Anybody may ask often. One look serves everybody for some seconds, one runs at a time, and it has
  a thread of its own: no number of questions costs a request its thread.
- A look that takes too long is a no, until it has ended.

Other operators' servers are not looked at: each answers for itself. So nobody is taken out of
service because of somebody else, and its clients can still ask for outcomes that exist.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.wire.errors import Refused, SealmatchError, Unavailable

Check = Callable[[], object]
"""Returns if all is well, and raises if not."""

FRESH_SECONDS: Final = 5.0
"""For which one look serves everybody who asks."""
PATIENCE_SECONDS: Final = 3.0
"""What a supervisor waits for at most; many give up after five."""
MIN_FREE_BYTES: Final = 8 * 2**20
"""Twice the largest journal that SQLite keeps by default (1,000 pages of 4 KiB)."""


class Health:
    """What a server's checks say, looked at when somebody asks."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        log: logging.Logger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``checks``: by what they are about, for the operator's log."""
        self._checks = checks
        self._log = log
        self._monotonic = monotonic
        self._fault: str | None = None
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def is_well(self) -> bool:
        """Whether every check passes, as of some seconds ago at most."""
        if not self._is_fresh():
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(asyncio.to_thread(self._look))
            done, _ = await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
            if not done:
                self._tell("no answer in time")
                return False
        return self._fault is None

    def _is_fresh(self) -> bool:
        if self._looked_at is None:
            return False
        return self._monotonic() - self._looked_at < FRESH_SECONDS

    def _look(self) -> None:
        fault = next(filter(None, (_fault(*one) for one in self._checks.items())), None)
        self._tell(fault)
        self._looked_at = self._monotonic()

    def _tell(self, fault: str | None) -> None:
        before, self._fault = self._fault, fault
        if fault is not None and fault != before:
            self._log.error("not healthy: %s", fault)
        elif fault is None and before is not None:
            self._log.warning("healthy again")


def require_room_on_disk(directory: Path) -> None:
    """Raise ``Unavailable`` if a directory's disk is as good as full, or over its owner's quota.

    The room is taken, in a file without a name, and given back: what a disk says is free need not
    be this account's to take.
    """
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, MIN_FREE_BYTES)
    except OSError as error:
        what = f"the data directory takes no file of {MIN_FREE_BYTES >> 20} MiB"
        raise Unavailable(f"{what}: {error.strerror}") from None


def _fault(name: str, check: Check) -> str | None:
    try:
        check()
    except Refused as error:
        return f"{name}: {error.detail}"
    except SealmatchError as error:
        return f"{name}: {error}"
    except Exception as error:  # noqa: BLE001  a check that breaks is a no; texts may repeat values
        return f"{name}: {type(error).__name__}"
    return None
