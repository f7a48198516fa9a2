"""A deployment on one machine: both servers as separate processes on loopback.

It is for trying, demonstrating and testing. On request an auditor runs as a third server; without
one, no audits are demanded. Each server has its own directory, configuration and process. Each
enrols the others' keys through its own operator command, as separate operators would. The counter's
keys (device, issuer, agent) lie beside ``trust.json``, and so does a supervisor's. The passphrases
of the servers' keystores lie outside the servers' directories, so a thief of a directory gets
sealed files only.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from gateway.host.directories import await_unoccupied, existing_directory, occupied
from gateway.host.serving import bind
from gateway.issuer.issuer import Model
from gateway.lab.deployment import attached
from gateway.lab.deployment.interrupts import undisturbed
from gateway.lab.deployment.parties import (
    AGENT,
    AUDITOR,
    AUTHORITY,
    CONSENT_FILE,
    GATEWAY,
    OUTLET,
    READER,
    SUPERVISOR,
    AuditorParty,
    AuthorityParty,
    Certificates,
    CounterParty,
    GatewayParty,
    KeyedParty,
    Party,
    ServerParty,
)
from gateway.lab.deployment.servers import Directories, Server
from gateway.proofs.trust import TrustFile

_ORPHAN_SECONDS: Final = 2 * attached.STOP_SECONDS
"""Time in which the servers of a deployment end whose process was killed."""


class LocalDeployment:
    """The servers of a deployment. They run within the ``with`` block, and the directory is its own
    as long."""

    def __init__(
        self,
        root: Path,
        model: Model,
        port: int = 0,
        *,
        tls: bool = False,
        audit_one_in: int = 0,
        **gateway_settings: str,
    ) -> None:
        """Describe a deployment in ``root``; an existing one is used again.

        Args:
            port: the gateway's; the authority takes the next one; 0 lets the system choose all.
            tls: serve over TLS with a development CA, mutual between gateway and authority.
            audit_one_in: run an auditor (at the port after the authority's). The authority demands
                an audit of one evaluation in this many, by its coin; 0: no auditor.
            gateway_settings: further settings of the gateway by field name.
        """
        self.directories = places = Directories(root)
        self._certificates = certificates = Certificates(places.tls) if tls else None
        authority_port, auditor_port = (port + 1, port + 2) if port else (0, 0)
        self.authority = AuthorityParty(places, AUTHORITY, authority_port, certificates)
        self.authority.settings["audit_one_in"] = str(audit_one_in)
        self.gateway = GatewayParty(places, GATEWAY, port, certificates, model)
        self.gateway.settings |= gateway_settings
        self.auditor = (
            AuditorParty(places, AUDITOR, auditor_port, certificates) if audit_one_in else None
        )
        self.counter = CounterParty(places)
        self.reader = KeyedParty("auditor", READER, places.reader_key)
        self.agent = KeyedParty("agent", AGENT, self.counter.agent_key)
        self.supervisor = KeyedParty("supervisor", SUPERVISOR, places.supervisor_key)
        self.trust: TrustFile
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """
        Raises:
            UnusableDirectory, InUse, CannotListen: before any key is made.
            DeploymentFailed: a server does not start, or an operator command fails.
        """
        with self._held as held:
            root = existing_directory(self.directories.root)
            held.enter_context(occupied(root, "sealmatch"))
            self._require_room()
            held.callback(self.stop)
            self.prepare()
            self._start()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with undisturbed():
            self._held.close()

    @property
    def parties(self) -> tuple[ServerParty, ...]:
        """The servers in the order in which they start."""
        named = (self.authority, self.auditor, self.gateway)
        return tuple(party for party in named if party is not None)

    @property
    def servers(self) -> tuple[Server, ...]:
        """The authority's process, the auditor's if there is one, the gateway's."""
        return tuple(party.server for party in self.parties if party.server is not None)

    def stop(self) -> None:
        """Stop the servers, the gateway first. A signal meanwhile hastens it."""
        with undisturbed():
            for party in reversed(self.parties):
                party.stop()

    def prepare(self) -> None:
        """Draw keys, or read those that exist, and let each operator pin the others."""
        existing_directory(self.directories.root)
        if self._certificates is not None:
            self._certificates.prepare()
        self.gateway.pin_authority(self.authority.name, self.authority.keys)
        self._enrol()

    def authority_url(self, port: int) -> str:
        """Where the gateway finds the authority; a demonstration puts an observer in between."""
        return self.authority.url(port)

    def _require_room(self) -> None:
        """Each server's directory and port must be free, or become so in a moment."""
        for party in self.parties:
            await_unoccupied(party.directory, _ORPHAN_SECONDS)
        for port in filter(None, (int(party.settings["port"]) for party in self.parties)):
            bind("127.0.0.1", port).close()

    def _start(self) -> None:
        for party in self.parties:
            if party is not self.gateway:
                party.launch()
        authority_port = self.authority.ready()
        if self.auditor is not None:
            url = self.auditor.url(self.auditor.ready())
            self.gateway.pin_auditor(self.auditor.name, self.auditor.keys, url)
        self.gateway.settings["authority_url"] = self.authority_url(authority_port)
        self.gateway.launch()
        self._write_trust(authority_port, self.gateway.ready())

    def _enrol(self) -> None:
        gateway = Party("gateway", self.gateway.name, self.gateway.keys.signing)
        counter, auditors = self.counter.parties, []
        if self.auditor is not None:
            auditors.append(Party("auditor", self.auditor.name, self.auditor.keys.signing))
            keys = [Party("authority", AUTHORITY, key) for key in self.authority.keys.pinned]
            self.auditor.enrol([gateway, *keys, *counter])
        self.authority.enrol([gateway, *counter, *auditors])
        people = [self.agent.party, self.supervisor.party, self.reader.party]
        self.gateway.enrol([*counter, *people, Party("outlet", OUTLET)])

    def _write_trust(self, authority_port: int, gateway_port: int) -> None:
        shown = self.gateway.keys.shown
        self.gateway.adopt_schedule()
        consent = self.gateway.consent()
        (self.directories.root / CONSENT_FILE).write_bytes(consent.encode())
        self.trust = TrustFile(
            gateways=self.gateway.pinned(gateway_port),
            authorities=self.authority.pinned(authority_port),
            auditors=[] if self.auditor is None else self.auditor.pinned(),
            policies=[shown["policyDigest"]],
            log_policy=shown["logPolicy"],
            counter=self.counter.described(consent),
        )
        self.trust.write(self.directories.trust)
