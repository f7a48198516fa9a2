"""Builds the auditor from its parts: keys, list of parties, workers, and the service over them.

``compose`` builds what the settings describe. Its caller may pass the clock, and how evaluations
are repeated. The routes know only ``Auditor``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.auditor import custody
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import Register
from gateway.auditor.repetition import RepetitionWorkers
from gateway.auditor.service import AuditorService
from gateway.auditor.verification import Auditing, Repeat
from gateway.host.clock import unix_time
from gateway.host.health import Check, Health
from gateway.host.lifetime import Lifetime
from gateway.host.metrics import Metrics
from gateway.host.observation import Observation
from gateway.host.process import watch_workers
from gateway.host.signed import SignedRequests
from gateway.wire.requests import NonceMemory

log = logging.getLogger("sealmatch.auditor")


@dataclass(frozen=True)
class Auditor:
    """What the routes need, and what must run while they answer."""

    service: AuditorService
    gateways: SignedRequests
    health: Health
    metrics: Metrics
    lifetime: Lifetime


def compose(
    settings: AuditorSettings,
    clock: Callable[[], int] = unix_time,
    repeat: Repeat | None = None,
) -> Auditor:
    """Build an auditor from its data directory. Nothing runs yet.

    Args:
        repeat: how evaluations are repeated; in worker processes unless given.

    Raises:
        KeyFileError: the auditor's keys are missing, damaged or open to others.
    """
    with Lifetime.building() as lifetime:
        observed = lifetime.starting(Observation(settings, "auditor", settings.data_dir))
        metrics = observed.metrics
        held = custody.read_keys(settings)
        register = Register(settings.register_file)
        checks: dict[str, Check] = {"trust": register.parties}
        if repeat is None:
            workers = RepetitionWorkers(
                settings.workers, settings.worker_limits, settings.he_engine
            )
            repeat = lifetime.starting(workers).repeat
            watch_workers(metrics, workers.pool)
            checks["workers"] = workers.pool.check
        auditing = Auditing(
            register,
            held.sealing_key,
            repeat,
            settings.verify_assertions,
            settings.accepted_policies,
        )
        service = AuditorService(held.signing_key, auditing, clock)
        # Requests signed before this moment are refused: an earlier process may already have
        # answered them, and what it counted of a demand's repetitions is gone.
        nonces = NonceMemory(since=clock())
        gateways = SignedRequests(register.gateway_by_key_id, nonces, clock, settings.public_hosts)
        health = Health(checks, log, metrics=metrics)
        observed.looking(health.look)
        return Auditor(service, gateways, health, metrics, lifetime)
