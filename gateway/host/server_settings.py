"""The settings that servers share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.host.keystore import MAX_MEMORY_KIB, MIN_MEMORY_KIB, Cost
from gateway.host.limits import Limits, networks_of
from gateway.host.memory import LockMemory
from gateway.host.operator_log import LogFormat
from gateway.host.settings import BadConfiguration, Settings
from gateway.host.tls import ServerTls, is_loopback, server_tls
from gateway.wire.errors import CallerMisuse
from gateway.wire.requests import host_of

Port = Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 picks one.")]


class HostSettings(Settings):
    """Where a server listens, and how its keys open."""

    port: Port
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    tls_certificate: Path | None = Field(
        default=None, description="TLS certificate chain (PEM). Required off loopback."
    )
    tls_key: Path | None = Field(default=None, description="Key of the TLS certificate (PEM).")
    tls_client_ca: Path | None = Field(
        default=None, description="Answer only clients with a certificate of this CA (PEM)."
    )
    passphrase_file: Path | None = Field(
        default=None,
        description="File with the keystore's passphrase, mode 0600. Without it, the systemd "
        "credential sealmatch-passphrase, then a prompt.",
    )
    keystore_mib: int | None = Field(
        default=None,
        ge=MIN_MEMORY_KIB // 1024,
        le=MAX_MEMORY_KIB // 1024,
        description="MiB that one guess at the passphrase of a new keystore costs; 256 unless set.",
    )
    log_format: LogFormat = Field(
        default="text",
        description="Form of the operator's log: text, or json for programs that collect it.",
    )
    lock_memory: LockMemory = Field(
        default="try",
        description="Lock memory, so that it never reaches the swap device: off, try (with a "
        "warning) or require.",
    )
    inspectable: bool = Field(
        default=False,
        description="Leave the process's memory readable to its own account, for leak searches.",
    )

    max_connections: int = Field(
        default=2048,
        ge=1,
        le=1_000_000,
        description="Connections open at a time; fewer if the process has too few descriptors.",
    )
    connections_per_address: int = Field(
        default=256, ge=0, description="Of these, from one address; 0: any number."
    )
    proxies: str = Field(
        default="127.0.0.1,::1",
        description="Addresses or networks of proxies in front, with commas: they may have any "
        "number of connections, and what they say of the sender's address counts.",
    )
    header_seconds: float = Field(
        default=10, gt=0, le=600, description="Seconds in which a request's headers must come."
    )
    body_seconds: float = Field(
        default=10,
        gt=0,
        le=600,
        description="Seconds that a body may take, besides what its bytes take at body_rate.",
    )
    body_rate: int = Field(
        default=8192, ge=1, description="Bytes per second that the sender of a body must reach."
    )
    keep_alive_seconds: int = Field(
        default=20, ge=1, le=3600, description="Seconds that a connection may be idle."
    )
    stalled_seconds: float = Field(
        default=30, gt=0, le=3600, description="Seconds in which an answer must be taken further."
    )
    body_memory_mib: int = Field(
        default=64, ge=2, description="MiB that bodies of requests may take, all together."
    )
    requests_at_once: int = Field(
        default=32, ge=1, le=1000, description="Requests of one kind that are worked on at a time."
    )
    requests_waiting: int = Field(
        default=128, ge=0, le=100_000, description="Requests of one kind that wait; others get 503."
    )
    grace_seconds: int = Field(
        default=20,
        ge=0,
        le=3600,
        description="Seconds that requests have to end when the server is told to stop.",
    )

    @property
    def limits(self) -> Limits:
        """What strangers and everybody together may hold. Raises ``BadConfiguration``."""
        try:
            proxies = networks_of(self.proxies)
        except CallerMisuse as error:
            raise BadConfiguration(f"check the settings: proxies: {error}") from None
        return Limits(
            connections=self.max_connections,
            per_address=self.connections_per_address,
            proxies=proxies,
            header_seconds=self.header_seconds,
            body_seconds=self.body_seconds,
            body_rate=self.body_rate,
            keep_alive_seconds=self.keep_alive_seconds,
            stalled_seconds=self.stalled_seconds,
            body_bytes=self.body_memory_mib * 2**20,
            at_once=self.requests_at_once,
            waiting=self.requests_waiting,
            grace_seconds=self.grace_seconds,
        )

    @property
    def tls(self) -> ServerTls | None:
        """None is plain HTTP. Raises ``TlsMisconfigured``, also for plain HTTP off loopback."""
        return server_tls(self.host, self.tls_certificate, self.tls_key, self.tls_client_ca)

    @property
    def keystore_cost(self) -> Cost | None:
        """Cost with which a new keystore is sealed. The cost of opening one stands in its file."""
        return None if self.keystore_mib is None else Cost(memory_kib=self.keystore_mib * 1024)


class ObservedSettings(HostSettings):
    """Settings of servers that can be watched."""

    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port at which Prometheus reads the metrics, at /metrics; unset: none are "
        "kept. 0 picks one.",
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="Address of metrics_port. Off loopback it needs tls_certificate and tls_key, "
        "and with tls_client_ca answers only clients with a certificate of that CA.",
    )

    otlp_endpoint: str = Field(
        default="",
        description="Base URL of an OpenTelemetry collector that takes spans of requests "
        "(OTLP over HTTP), https off loopback; empty: none. Needs the extra telemetry.",
    )

    @property
    def metrics_tls(self) -> ServerTls | None:
        """As ``tls``, for ``metrics_host``; on loopback plain HTTP. Raises ``TlsMisconfigured``."""
        if is_loopback(self.metrics_host):
            return None
        return server_tls(self.metrics_host, self.tls_certificate, self.tls_key, self.tls_client_ca)


class ServerSettings(ObservedSettings):
    """Settings of servers that take signed requests: where they are reached, what they may use."""

    public_urls: str = Field(
        default="",
        description="Base URLs that senders have for this server, with commas; requests signed "
        "for another host are refused. Unset: the address it listens on, on loopback also as "
        "localhost. Needed under a DNS name and behind a proxy, which must pass Host on.",
    )
    refusal_ms: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="Milliseconds after which a refusal (403) is answered, or a multiple of them: "
        "its time must not tell its reason. More than any refusal takes.",
    )
    max_sessions: int = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="Open sessions held in memory (up to 0.25 MB each); more are turned away.",
    )
    worker_memory: int = Field(
        default=4 * 2**30, ge=2**30, description="Bytes of address space of a worker process."
    )
    worker_seconds: float = Field(
        default=10, gt=0, le=120, description="Seconds that one piece of its work may take."
    )

    @property
    def public_hosts(self) -> frozenset[str]:
        """Hosts of ``public_urls``. Raises ``BadConfiguration``."""
        try:
            return frozenset(host_of(url.strip()) for url in self.public_urls.split(",") if url)
        except CallerMisuse as error:
            raise BadConfiguration(f"check the settings: public_urls: {error}") from None


class PolicySettings(ServerSettings):
    """Settings of servers that sign only what was evaluated under a policy that they accept."""

    policies: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64}(,[0-9a-f]{64})*)?$",
        description="SHA-256 of the match policies that it accepts, in hexadecimal, with commas; "
        "empty: any that is well-formed, and who verifies a receipt looks at the policy's digest.",
    )

    @property
    def accepted_policies(self) -> frozenset[str]:
        return frozenset(filter(None, self.policies.split(",")))
