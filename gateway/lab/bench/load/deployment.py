"""A deployment with many enrolled counters, whose caps do not bite.

It is the local deployment with more of everything: devices and readers, gateways on one database,
authorities behind one key, a witness. Generated counters have their keys in memory.
"""

import secrets
import shutil
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.host.directories import LOCK_FILE
from gateway.issuer.issuer import Model
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.parties import Party, ServerParty, WitnessParty
from gateway.lab.deployment.processes import Groups, descendants, free_ports
from gateway.lab.deployment.servers import DeploymentFailed, Server
from gateway.translog.note import NoteKey
from gateway.wire.cose import SigningKey

AUDIT_ONE_IN: Final = 64
"""The product's default."""
LIFTED: Final = {
    "authority": {
        "subject_decisions": "1000",
        "device_decisions": "100000",
        "failures_to_lock": "1000",
        "audit_unanswered": "1000",
    },
    "gateway": {"activations_per_subject": "1000"},
}
"""Caps as far up as they go: a generated device does in minutes what a real one does in a month."""


@dataclass(frozen=True)
class Keys:
    """A generated counter: the seeds of its device and its reader, and its site key."""

    number: int
    device_seed: bytes = field(repr=False)
    issuer_seed: bytes = field(repr=False)
    site_salt: bytes = field(repr=False)

    @classmethod
    def draw(cls, number: int) -> "Keys":
        return cls(number, *(secrets.token_bytes(32) for _ in range(3)))

    @property
    def device(self) -> SigningKey:
        return _key(f"load-device-{self.number}", self.device_seed)

    @property
    def issuer(self) -> SigningKey:
        return _key(f"load-issuer-{self.number}", self.issuer_seed)

    @property
    def parties(self) -> list[Party]:
        named = (("device", self.device), ("issuer", self.issuer))
        return [Party(kind, key.party, key.public.raw.hex()) for kind, key in named]


class LoadDeployment(LocalDeployment):
    """Servers for generated counters.

    Attributes:
        counters: the generated counters, all of them enrolled.
        witness: signs each checkpoint, if there is one.
        metrics_ports: where each gateway's metrics are.
        more_gateways: processes of further gateways on the same database.
        more_authorities: processes of further instances of the authority.
    """

    def __init__(
        self,
        root: Path,
        model: Model,
        devices: int,
        *,
        gateways: int = 1,
        authorities: int = 1,
        database_url: str | None = None,
        authority_database: str | None = None,
        audit_one_in: int = AUDIT_ONE_IN,
        witness: bool = False,
        gateway_settings: dict[str, str] | None = None,
    ) -> None:
        settings = {**LIFTED["gateway"], **(gateway_settings or {})}
        if database_url is not None:
            settings["database_url"] = database_url
        super().__init__(root, model, audit_one_in=audit_one_in)
        self.gateway.settings |= settings
        self.authority.settings |= LIFTED["authority"]
        ports = free_ports(len(self.parties) + 1 + gateways)
        for party, port in zip(self.parties, ports, strict=False):
            party.settings["port"] = str(port)  # a server that is started again keeps its port
        self.metrics_ports = ports[-gateways:]
        self.witness = WitnessParty(self.directories, ports[-gateways - 1]) if witness else None
        self.gateway.settings["metrics_port"] = str(self.metrics_ports[0])
        self.counters = [Keys.draw(number) for number in range(devices)]
        self.more_gateways: list[Server] = []
        self.more_authorities: list[Server] = []
        self._more_ports: list[int] = []
        self._wanted, self._authorities = gateways, authorities
        if authorities > 1 and authority_database is None:
            raise DeploymentFailed("several authorities need a database of their own")
        if authority_database is not None:
            self.authority.settings["database_url"] = authority_database
        if gateways > 1:
            self.gateway.settings["shard"] = "0"

    @property
    def ports(self) -> list[int]:
        """Of the gateways; the place of each is its shard."""
        return [int(self.trust.gateways[0].url.rpartition(":")[2]), *self._more_ports]

    @property
    def supervised(self) -> tuple[ServerParty, ...]:
        """The parties whose servers are started again when they end."""
        return (*self.parties, *(() if self.witness is None else (self.witness,)))

    def groups(self) -> Groups:
        """The servers' processes by what they are."""
        found: dict[str, list[int]] = {}
        for party in self.supervised:
            if party.server is not None:
                _add(found, party.role, party.server)
        for server in self.more_gateways:
            _add(found, "gateway", server)
        for server in self.more_authorities:
            _add(found, "authority", server)
        return found

    def stop(self) -> None:
        for more in (self.more_gateways, self.more_authorities):
            while more:
                more.pop().stop()
        super().stop()
        if self.witness is not None:
            self.witness.stop()

    def prepare(self) -> None:
        """As for any deployment; a witness starts here, and each checkpoint needs it."""
        super().prepare()
        if self.witness is None:
            return
        log = NoteKey.parse(self.gateway.keys.shown["logPolicy"][0].split(" ")[1])
        path = self.directories.root / "witnesses.txt"
        path.write_bytes(bytes(self.witness.policy(log)))
        self.gateway.settings["log_witnesses"] = str(path)
        del self.gateway.keys  # they show the witness, now
        self.witness.launch()
        self.witness.ready()

    def authority_url(self, port: int) -> str:
        """The instances' URLs. The others start here: the first one has its keys and runs."""
        urls = [super().authority_url(port)]
        for number in range(1, self._authorities):
            urls.append(super().authority_url(self._launch_authority(number)))
        return ",".join(urls)

    def _start(self) -> None:
        super()._start()
        for number in range(1, self._wanted):
            self._launch_gateway(number)

    def _launch_gateway(self, number: int) -> None:
        """Start a further gateway. It takes requests that were signed for the first one."""
        changed = {
            "port": "0",
            "public_urls": self.trust.gateways[0].url,
            "shard": str(number),
            "metrics_port": str(self.metrics_ports[number]),
        }
        command = [*self.gateway.program, "serve"]
        environment = self.gateway.environment(**changed)
        self.more_gateways.append(Server(command, self.gateway.directory, **environment))
        self._more_ports.append(self.more_gateways[-1].wait_ready())

    def _launch_authority(self, number: int) -> int:
        """Start a further instance on a copy of the first one's directory; its port."""
        first = self.authority.directory
        copy = first.with_name(f"{first.name}-{number}")
        if not copy.exists():
            shutil.copytree(first, copy, ignore=shutil.ignore_patterns(LOCK_FILE, "*.log"))
        environment = self.authority.environment(port="0", data_dir=str(copy))
        server = Server([*self.authority.program, "serve"], copy, **environment)
        self.more_authorities.append(server)
        return server.wait_ready()

    def _enrol(self) -> None:
        counters = [party for keys in self.counters for party in keys.parties]
        with redirect_stderr(StringIO()):  # a fingerprint of each, which nobody compares here
            super()._enrol()
            for party in (self.gateway, self.authority, self.auditor):
                if party is not None:
                    party.enrol(counters)


def _add(found: dict[str, list[int]], role: str, server: Server) -> None:
    found.setdefault(f"{role} main", []).append(server.process.pid)
    if workers := descendants(server.process.pid):
        found.setdefault(f"{role} workers", []).extend(workers)


def _key(party: str, seed: bytes) -> SigningKey:
    return SigningKey(party, Ed25519PrivateKey.from_private_bytes(seed))
