"""Builds the authority from its parts: custody, trust, ledgers, keys' workers, and the service.

``compose`` builds what the settings describe. Its caller may pass clock and workers. The routes
know only ``Authority``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.host.clock import unix_time
from gateway.host.health import Check, Health, require_room_on_disk
from gateway.host.lifetime import Lifetime
from gateway.host.metrics import Metrics
from gateway.host.observation import Observation
from gateway.host.process import watch_workers
from gateway.host.settings import BadConfiguration
from gateway.host.signed import SignedRequests
from gateway.wire.requests import NonceMemory
from keys import custody
from keys.audits import AuditLedger, coin
from keys.caps import AttemptCaps
from keys.config import AuthoritySettings
from keys.service import AuthorityRules, AuthorityService
from keys.sessions import SessionTable
from keys.trust import TrustList
from keys.workers import SecretSource, SecretWorkers

log = logging.getLogger("sealmatch.authority")


@dataclass(frozen=True)
class Authority:
    """What the routes need, and what must run while they answer."""

    service: AuthorityService
    gateways: SignedRequests
    sessions: SessionTable
    sweep: Callable[[], None]
    """Removes what its ledgers hold no longer than they may."""
    health: Health
    metrics: Metrics
    lifetime: Lifetime


def compose(
    settings: AuthoritySettings,
    clock: Callable[[], int] = unix_time,
    secrets: SecretSource | None = None,
) -> Authority:
    """Build an authority from its data directory. Nothing runs yet.

    Args:
        secrets: where session keys are held; worker processes unless given.

    Raises:
        KeyFileError: the authority's keys are missing, damaged or open to others.
        TrustListDamaged: the trust list does not follow from its signed history.
        BadConfiguration: audits are demanded, and no auditor is enrolled.
        CapsLost: the counters of attempts are not those there were.
        Unavailable: the ledger of audits or the file of attempt counters cannot be opened.
    """
    with Lifetime.building() as lifetime:
        observed = lifetime.starting(Observation(settings, "authority", settings.data_dir))
        metrics = observed.metrics
        own = custody.open_custody(settings, clock())
        trust = TrustList(settings.trust_file, own.chain_keys)
        log.info("trust list: %d actions, head %s", len(trust.history()), trust.head().hex())
        require_auditor(settings, trust)
        # Counters first: where they are lost, nothing is made that a restore would find there.
        caps = lifetime.closing(AttemptCaps(settings.caps_place, settings.caps, clock))
        audits = AuditLedger(settings.audits_place, settings.audits.unanswered, clock)
        lifetime.closing(audits)
        workers = lifetime.starting(
            secrets or SecretWorkers(settings.workers, settings.worker_limits, settings.he_engine)
        )
        checks: dict[str, Check] = {
            "counters": caps.check,
            "audits": audits.check,
            "trust": trust.head,
            "disk": partial(require_room_on_disk, settings.data_dir),
        }
        if isinstance(workers, SecretWorkers):
            watch_workers(metrics, workers.pool)
            checks["workers"] = workers.pool.check
        sessions = SessionTable(settings.max_sessions, clock)
        metrics.watch("sessions_open", lambda: len(sessions))
        metrics.set("sessions_limit", settings.max_sessions)
        lifetime.ending(sessions.clear)
        service = AuthorityService(
            AuthorityRules(
                settings.party,
                settings.session_seconds,
                settings.audits,
                settings.accepted_policies,
            ),
            own,
            trust,
            sessions,
            caps,
            audits,
            workers.make,
            clock,
            coin,
        )
        nonces = NonceMemory(since=clock())
        gateways = SignedRequests(
            trust.gateway_by_key_id, nonces, clock, settings.public_hosts, at_hand=True
        )
        health = Health(checks, log, metrics=metrics)
        observed.looking(health.look)
        observed.looking(partial(_look_at_audits, audits, settings, metrics))

        def sweep() -> None:
            caps.sweep()
            audits.sweep()

        sweep()
        return Authority(service, gateways, sessions, sweep, health, metrics, lifetime)


def _look_at_audits(audits: AuditLedger, settings: AuthoritySettings, metrics: Metrics) -> None:
    """Of the gateway that has left most unanswered; which one it is stands in ``audits list``."""
    metrics.set("audits_unanswered", max(audits.unanswered().values(), default=0))
    metrics.set("audits_unanswered_limit", settings.audits.unanswered)


def require_auditor(settings: AuthoritySettings, trust: TrustList) -> None:
    """Check that what the settings demand can be had.

    Raises:
        BadConfiguration: audits are demanded, and no auditor is enrolled. At the first demand a
            person at a counter would look refused.
    """
    if settings.audit_one_in and not any(one.kind == "auditor" for one in trust.parties()):
        raise BadConfiguration(
            f"audit_one_in is {settings.audit_one_in}, and no auditor is enrolled: enrol one, or "
            "set audit_one_in = 0"
        )
