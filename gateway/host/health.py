"""Whether a server can do its work: three answers for supervisors, and no more than that.

    live     the process answers. Whoever ends processes that hang looks at this.
    own      and what is this server's own works: storage, disk, log, workers, lists.
    ready    and so do the servers of others, without which nothing can be verified here.

Rules:

- It is looked for where the next request would look: a write that the storage must take, room on
  the disk, lists that can be read. A server that answers is not yet one that works.
- Anybody may ask, so the answer is yes or no. What is missing stands in the operator's log, once
  for each change, and by its kind in the metrics.
- Anybody may ask often. One look serves everybody for some seconds, one runs at a time, and it has
  a thread of its own: no number of questions costs a request its thread, or a peer more than one
  question in ``PEERS_FRESH_SECONDS``. Peers are asked for what is their own, so no question goes on
  from server to server.
- A look that takes too long is a no, until it has ended.

Somebody else's server that fails makes this one not ready, and neither dead nor unwell: its clients
can still ask for outcomes that exist. ADR 46 says what a load balancer should do with each answer.
"""

import asyncio
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.host.metrics import Metrics
from gateway.wire.errors import Refused, SealmatchError, Unavailable

Check = Callable[[], object]
"""Returns if all is well, and raises if not."""

FRESH_SECONDS: Final = 5.0
"""For which one look serves everybody who asks."""
PEERS_FRESH_SECONDS: Final = 15.0
"""The same for a look at other servers."""
PATIENCE_SECONDS: Final = 3.0
"""What a supervisor waits for at most; many give up after five."""
MIN_FREE_BYTES: Final = 8 * 2**20
"""Twice the largest journal that SQLite keeps by default (1,000 pages of 4 KiB)."""
LATE: Final = "time"
"""What is missing where a look does not end (``measures.Missing``)."""

_NO_PEERS: Final[Mapping[str, Check]] = {}


class Health:
    """What a server's checks say, looked at when somebody asks."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        log: logging.Logger,
        monotonic: Callable[[], float] = time.monotonic,
        peers: Mapping[str, Check] = _NO_PEERS,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare; nothing is looked at yet.

        Args:
            checks: of what is the server's own, by its kind (``measures.Missing``).
            peers: the same of other servers.
        """
        self._own = _Look(checks, log, monotonic, lambda: FRESH_SECONDS)
        self._peers = _Look(peers, log, monotonic, lambda: PEERS_FRESH_SECONDS)
        if metrics is not None:
            self._watched_by(metrics, (*checks, *peers, LATE))

    async def is_well(self) -> bool:
        """Whether every check of the server's own passes, as of some seconds ago at most."""
        return await self._own.passes()

    async def is_ready(self) -> bool:
        """Whether those of its peers pass, too."""
        own, peers = await asyncio.gather(self._own.passes(), self._peers.passes())
        return own and peers

    def look(self) -> None:
        """Look at all that was not looked at lately, unless somebody does so already."""
        self._own.look()
        self._peers.look()

    def missing(self) -> frozenset[str]:
        """The kinds of what is missing, as far as is known."""
        return self._own.missing() | self._peers.missing()

    def _watched_by(self, metrics: Metrics, kinds: tuple[str, ...]) -> None:
        metrics.watch("ready", lambda: not self.missing())
        for kind in dict.fromkeys(kinds):
            metrics.watch("missing", lambda kind=kind: kind in self.missing(), what=kind)  # type: ignore[misc]


class _Look:
    """Checks that are looked at together."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        log: logging.Logger,
        monotonic: Callable[[], float],
        fresh: Callable[[], float],
    ) -> None:
        self._checks = checks
        self._log = log
        self._monotonic = monotonic
        self._fresh = fresh
        self._faults: dict[str, str] = {}
        self._looked_at: float | None = None
        self._began: float | None = None
        """When the look that runs began."""
        self._one = threading.Lock()
        self._task: asyncio.Task[None] | None = None

    async def passes(self) -> bool:
        if not self._checks:
            return True
        if not self._is_fresh():
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(asyncio.to_thread(self.look))
            done, _ = await asyncio.wait({self._task}, timeout=PATIENCE_SECONDS)
            if not done:
                self._tell({LATE: "no answer in time"})
                return False
        return not self._faults

    def look(self) -> None:
        if self._is_fresh() or not self._one.acquire(blocking=False):
            return
        try:
            self._began = self._monotonic()
            found = {kind: _fault(check) for kind, check in self._checks.items()}
            self._tell({kind: fault for kind, fault in found.items() if fault is not None})
            self._looked_at = self._monotonic()
        finally:
            self._began = None
            self._one.release()

    def missing(self) -> frozenset[str]:
        began = self._began
        late = began is not None and self._monotonic() - began > PATIENCE_SECONDS
        return frozenset({*self._faults, LATE} if late else self._faults)

    def _is_fresh(self) -> bool:
        if self._looked_at is None:
            return False
        return self._monotonic() - self._looked_at < self._fresh()

    def _tell(self, faults: dict[str, str]) -> None:
        before, self._faults = self._faults, faults
        for kind, fault in faults.items():
            if before.get(kind) != fault:
                self._log.error("not healthy: %s: %s", kind, fault)
        if before and not faults:
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


def _fault(check: Check) -> str | None:
    try:
        check()
    except Refused as error:
        return error.detail
    except SealmatchError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  a check that breaks is a no; texts may repeat values
        return type(error).__name__
    return None
