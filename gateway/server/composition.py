"""Builds the gateway from its parts: keys, storage, peers, workers, log, and the service over them.

``compose`` builds what the settings describe. Its caller may pass clock and transports. The routes
know only ``Gateway``, so a test can serve one with a service of its own (``dataclasses.replace``).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import httpx
import sqlalchemy as sa

from gateway.host.clock import unix_time
from gateway.host.health import Check, Health, require_room_on_disk
from gateway.host.lifetime import Lifetime
from gateway.host.metrics import Metrics
from gateway.host.observation import Observation
from gateway.host.process import watch_certificates, watch_workers
from gateway.host.signed import SignedRequests
from gateway.retention.running import ReaperThread
from gateway.sequencing.reading import PublishedLog
from gateway.server import custody
from gateway.server.audit import Auditor
from gateway.server.authorities import Authorities
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.server.evaluation import EvaluationWorkers
from gateway.server.fallback import FallbackRules, FallbackService
from gateway.server.log_gauges import LogGauges
from gateway.server.nonces import SharedNonces
from gateway.server.peer_transport import peer_client
from gateway.server.policy import Policies
from gateway.server.readiness import Peers
from gateway.server.reaping import reaper_of
from gateway.server.rights import RightsRules, SubjectRights
from gateway.server.running_log import RunningLog
from gateway.server.service import GatewayRules, GatewayService, Identity
from gateway.server.sessions import OpenSessions
from gateway.store import parties
from gateway.store.database import Database
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.requests import NonceMemory

FindParty = Callable[[sa.Connection, bytes], VerifyKey | None]


@dataclass(frozen=True)
class Transports:
    """HTTP clients for the authority, the auditor and the witnesses."""

    authority: httpx.Client
    auditor: httpx.Client
    witnesses: httpx.Client

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Transports":
        """Clients over the network, as the settings say. Raises ``TlsMisconfigured``."""
        return cls(
            peer_client(settings.authority_seconds, settings.authority_tls),
            peer_client(settings.auditor_seconds, settings.auditor_tls),
            httpx.Client(trust_env=False),
        )

    def close(self) -> None:
        self.authority.close()
        self.auditor.close()
        self.witnesses.close()


@dataclass(frozen=True)
class Gateway:
    """What the routes need, and what must run while they answer."""

    service: GatewayService
    fallbacks: FallbackService
    rights: SubjectRights
    devices: SignedRequests
    devices_once: SignedRequests
    """The same, for requests that count once over all processes."""
    holders: SignedRequests
    """Who may ask for a proof of erasure: devices, and who may read the log."""
    readers: SignedRequests | None
    """Who may read the log; None: anybody."""
    published: PublishedLog
    health: Health
    metrics: Metrics
    lifetime: Lifetime


def compose(
    settings: GatewaySettings,
    clock: Callable[[], int] = unix_time,
    transports: Transports | None = None,
) -> Gateway:
    """Build a gateway and migrate its database. Nothing runs yet.

    Raises:
        KeyFileError: the gateway's keys are missing, damaged or open to others.
        BadConfiguration, TlsMisconfigured: settings do not fit together.
        Unavailable: the database does not answer.
    """
    with Lifetime.building() as lifetime:
        observed = lifetime.starting(Observation(settings, "gateway", settings.data_dir))
        metrics = observed.metrics
        held = custody.read_keys(settings)
        identity = Identity(held.signing_key, held.sealing_key, settings.authority_key)
        database = lifetime.closing(Database(settings.database))
        database.migrate()
        policies = Policies(settings, held.chain_keys)
        with database.transaction() as connection:
            policies.start(connection)
        reach = lifetime.closing(transports or Transports.of(settings))
        workers = lifetime.starting(
            EvaluationWorkers(settings.workers, settings.worker_limits, settings.he_engine)
        )
        log = lifetime.closing(RunningLog(settings, held, database, reach.witnesses, clock))
        lifetime.starting(log)
        lifetime.starting(_reaper(settings, database, held, clock, metrics))
        watch_workers(metrics, workers.pool)
        shown = [one for one in (settings.authority_tls, settings.auditor_tls) if one is not None]
        watch_certificates(metrics, "client-certificate", *(one.certificate for one in shown))
        watch_certificates(metrics, "peer-ca", *(one.ca for one in shown))
        sessions = OpenSessions(settings.max_sessions, clock)
        metrics.watch("sessions_open", lambda: len(sessions))
        metrics.set("sessions_limit", settings.max_sessions)
        service = GatewayService(
            identity,
            policies.in_force,
            GatewayRules(
                settings.retention_days,
                settings.activations_per_subject,
                settings.liveness_policy,
                settings.face_quality,
                settings.shard,
            ),
            database,
            _authorities(settings, reach.authority, identity.signing, clock),
            sessions,
            workers.begin,
            log.publication,
            clock,
            _auditor(settings, reach.auditor, identity.signing, clock),
        )
        lifetime.ending(service.end)
        fallbacks = FallbackService(
            identity.signing,
            FallbackRules(settings.retention_days, settings.fallbacks_per_hour),
            database,
            log.publication,
            clock,
        )
        rights = SubjectRights(
            identity.signing,
            RightsRules(settings.retention_days, settings.subject_requests_per_device),
            database,
            log.publication,
            clock,
        )
        nonces = NonceMemory(since=clock())
        shared = nonces if settings.shard is None else SharedNonces(nonces, database)

        def enrolled(find: FindParty, nonces: NonceMemory = nonces) -> SignedRequests:
            def look_up(key_id: bytes) -> VerifyKey | None:
                with database.transaction() as connection:
                    return find(connection, key_id)

            return SignedRequests(look_up, nonces, clock, settings.public_hosts)

        devices, readers = enrolled(parties.device_by_key_id), enrolled(parties.reader_by_key_id)
        public = settings.log_read == "public"
        checks: dict[str, Check] = {
            "database": database.check,
            "log": log.publication.check,
            "workers": workers.pool.check,
        }
        if database.dialect == "sqlite":  # a PostgreSQL server's disk is looked at by a write alone
            checks["disk"] = partial(require_room_on_disk, settings.data_dir)
        peers = Peers(settings, reach.authority, reach.auditor, metrics)
        health = Health(
            checks,
            logging.getLogger("sealmatch.gateway"),
            peers={**peers.checks(), "witnesses": log.check_witnesses},
            metrics=metrics,
        )
        observed.looking(health.look)
        observed.looking(LogGauges(metrics, database, log.publication.check, clock).look)
        return Gateway(
            service,
            fallbacks,
            rights,
            devices,
            enrolled(parties.device_by_key_id, shared),
            enrolled(parties.holder_by_key_id),
            None if public else readers,
            log.published,
            health,
            metrics,
            lifetime,
        )


def _reaper(
    settings: GatewaySettings,
    database: Database,
    held: custody.GatewayKeys,
    clock: Callable[[], int],
    metrics: Metrics,
) -> ReaperThread:
    reaper, seconds = reaper_of(settings, database, held, clock), settings.reap_seconds
    return ReaperThread(reaper, database, seconds, clock, settings.scrub_hour, metrics)


def _authorities(
    settings: GatewaySettings, transport: httpx.Client, key: SigningKey, clock: Callable[[], int]
) -> AuthorityClient:
    urls = settings.authority_urls
    instances = [AuthorityClient(transport, url, key, clock) for url in urls]
    return instances[0] if len(urls) == 1 else Authorities(instances)


def _auditor(
    settings: GatewaySettings, transport: httpx.Client, key: SigningKey, clock: Callable[[], int]
) -> Auditor | None:
    pinned = settings.auditor
    if pinned is None:
        return None
    url, auditor_key, sealing = pinned
    return Auditor(AuditorClient(transport, url, key, clock), auditor_key, sealing)
