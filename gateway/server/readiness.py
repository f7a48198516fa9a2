"""What a gateway needs of others before it can verify anybody: authority, auditor, witnesses.

A peer is asked for its own health, one question at a time and a bounded while. What it answers
beside that is little: whether the authority demands audits, and the date, which shows a clock that
is wrong. Witnesses are not asked: a foreign one has no such path, and whether they cosign is seen
whenever something is published.
"""

import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime

import httpx

from gateway.host.health import Check
from gateway.host.metrics import Metrics
from gateway.server.config import GatewaySettings
from gateway.server.peers import NO_AUDITOR, PeerDiffers, PeerHealth, health_of
from gateway.wire.errors import Unavailable


class Peers:
    """The servers that a gateway asks."""

    def __init__(
        self,
        settings: GatewaySettings,
        authority: httpx.Client,
        auditor: httpx.Client,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``authority``, ``auditor``: clients that are there anyway."""
        self._authority, self._auditor = authority, auditor
        self._authorities = settings.authority_urls
        self._auditor_url = settings.auditor[0] if settings.auditor is not None else None
        self._metrics = metrics
        self._clock = clock
        self._demanded = False

    def checks(self) -> dict[str, Check]:
        """By the kind of what is missing where one raises. The authority's is the first."""
        return {"authority": self.check_authority, "auditor": self.check_auditor}

    def check_authority(self) -> None:
        """Raise unless one instance answers, and is well."""
        told = _first(self._authority, self._authorities)
        self._demanded = bool(told.audits)
        self._note_clock("authority", told)

    def check_auditor(self) -> None:
        """Raise where the authority demands audits, and none can be had."""
        if not self._demanded:
            return
        if self._auditor_url is None:
            raise Unavailable(NO_AUDITOR)
        self._note_clock("auditor", _first(self._auditor, [self._auditor_url]))

    def _note_clock(self, kind: str, told: PeerHealth) -> None:
        """Its answers' date, in whole seconds, less ours."""
        try:
            theirs = parsedate_to_datetime(told.date).timestamp()
        except (ValueError, TypeError):
            return
        self._metrics.set("peer_clock_seconds", theirs - self._clock(), peer=kind)


def _first(client: httpx.Client, urls: Sequence[str]) -> PeerHealth:
    """What the first says that is well. Raises ``PeerDiffers`` as the last one did."""
    for url in urls[:-1]:
        try:
            return health_of(client, url)
        except PeerDiffers:
            continue
    return health_of(client, urls[-1])
