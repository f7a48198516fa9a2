"""The parties of a deployment on one machine, each with what its own operator has.

A server has a directory, settings, keys in a keystore, operator commands and a process. The
operator commands of gateway and auditor run in this process, so their keys pass through its memory,
like the counter's. The authority's code is never loaded here: each of its commands is a process of
its own.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from gateway.auditor import cli as auditor_cli
from gateway.auditor.register import Enrolled, Register
from gateway.cli import devca
from gateway.host.cli import CommandFailed, OperatorCommand
from gateway.host.directories import existing_directory
from gateway.host.keyfile import create_secret, create_signing_key, load_signing_key, write_private
from gateway.host.keystore import KEYSTORE_FILE
from gateway.host.python import python
from gateway.issuer.issuer import Model
from gateway.lab.deployment.interrupts import undisturbed
from gateway.lab.deployment.servers import DeploymentFailed, Directories, Server, run_command
from gateway.proofs.consent import ConsentTexts
from gateway.proofs.trust import CounterFiles, PinnedAuditor, PinnedAuthority, PinnedGateway
from gateway.server import cli as gateway_cli
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy

DEVICE, ISSUER, GATEWAY, AUTHORITY = "demo-device", "demo-issuer", "demo-gateway", "demo-authority"


AUDITOR, READER = "demo-auditor", "demo-reader"


AGENT, OUTLET, SUPERVISOR = "demo-agent", "demo-outlet", "demo-supervisor"

CONSENT_FILE, CONSENT_VERSION = "consent.json", 2
SCHEDULE_FILE = "retention.toml"


@dataclass(frozen=True)
class PublicKeys:
    """What a server's ``keys show`` prints; the others pin it."""

    shown: Mapping[str, Any]

    @property
    def signing(self) -> str:
        return str(self.shown["publicKey"])

    @property
    def pinned(self) -> list[str]:
        """The signing key, then the staged next one or, if there is none, the newest old one."""
        following = [self.shown["nextPublicKey"]] if "nextPublicKey" in self.shown else []
        return [self.signing, *(following or self.shown.get("oldPublicKeys", []))[:1]]

    @property
    def sealing(self) -> str:
        return str(self.shown["sealingKey"])


@dataclass(frozen=True)
class Party:
    """A line of an operator's list of parties."""

    kind: str
    name: str
    public_key: str | None = None

    def __str__(self) -> str:
        return "\t".join(filter(None, (self.kind, self.name, self.public_key)))


class Certificates:
    """Certificates of a development CA, made on first use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """Make all of them, or take those that are there: never some."""
        if not self._directory.exists():
            half = self._directory.with_name(f"{self._directory.name}.new")
            shutil.rmtree(half, ignore_errors=True)
            devca.make(half, ["127.0.0.1", "localhost"])
            half.rename(self._directory)

    @property
    def ca(self) -> Path:
        return self._directory / "ca.pem"

    def of_server(self, role: str, *, mutual: bool) -> dict[str, str]:
        """TLS settings of a server. ``mutual``: its clients must show certificates too."""
        own = {
            "tls_certificate": str(self._directory / f"{role}.pem"),
            "tls_key": str(self._directory / f"{role}.key"),
        }
        return own | ({"tls_client_ca": str(self.ca)} if mutual else {})

    def of_gateway_as_client(self) -> dict[str, str]:
        """The gateway's TLS settings towards the authority."""
        return {
            "authority_ca": str(self.ca),
            "authority_client_certificate": str(self._directory / "gateway-client.pem"),
            "authority_client_key": str(self._directory / "gateway-client.key"),
        }


class ServerParty:
    """A server and its operator.

    Attributes:
        settings: its settings by field name; may be changed until it starts.
        program: how the command of its process begins; may be changed until it starts.
        operating: how its operator's commands begin; None: they run in this process.
        server: its process, once it was started.
        is_new: whether its keys were just drawn, so that nobody is enrolled with it.
    """

    role: ClassVar[str]
    module: ClassVar[str]
    mutual: ClassVar[bool] = False

    def __init__(
        self,
        directories: Directories,
        name: str,
        port: int,
        certificates: Certificates | None,
    ) -> None:
        """``port``: 0 lets the system choose; ``certificates``: None serves plain HTTP."""
        self.name = name
        self.directory = directories.root / self.role
        self._operator = directories.operator
        self._scheme = "http" if certificates is None else "https"
        self.settings = {
            "data_dir": str(self.directory),
            "party": name,
            "port": str(port),
            "passphrase_file": str(self._operator / f"{self.role}.passphrase"),
            **(certificates.of_server(self.role, mutual=self.mutual) if certificates else {}),
        }
        self.program: Sequence[str] = python("-m", self.module)
        self.operating: Sequence[str] | None = None
        self.server: Server | None = None
        self.is_new = False

    def environment(self, **changed: str) -> dict[str, str]:
        """The settings as environment variables. ``changed`` overrides some, by field name."""
        prefix = f"SEALMATCH_{self.role}"
        return {f"{prefix}_{k}".upper(): v for k, v in {**self.settings, **changed}.items()}

    def operate(self, *words: str) -> str:
        """Run an operator command and return what it prints.

        Raises:
            DeploymentFailed: the command failed; the text is the command's.
        """
        if self.operating is not None:
            return run_command([*self.operating, *words], self.environment())
        try:
            return self._command().output(words, {**os.environ, **self.environment()})
        except CommandFailed as failed:
            raise DeploymentFailed(str(failed)) from None

    @cached_property
    def keys(self) -> PublicKeys:
        """The public keys. On first use the server's keys are drawn."""
        self._draw_passphrase()
        verb = "show" if (self.directory / KEYSTORE_FILE).exists() else "init"
        self.is_new |= verb == "init"
        return PublicKeys(json.loads(self.operate("keys", verb)))

    def _draw_passphrase(self) -> None:
        existing_directory(self.directory)
        passphrase = Path(self.settings["passphrase_file"])
        if not passphrase.exists():
            existing_directory(passphrase.parent)
            create_secret(passphrase, secrets.token_hex(32).encode() + b"\n")

    def remember(self, keys: PublicKeys) -> None:
        """Use these public keys instead of asking the server for them."""
        vars(self)["keys"] = keys

    def enrol(self, parties: Iterable[Party]) -> None:
        """Enrol these parties as an operator does, from a list in a file."""
        file = existing_directory(self._operator) / "parties"
        file.touch(mode=0o600)
        file.write_text("\n".join(map(str, parties)))
        self.operate("enrol-all", str(file))

    def url(self, port: int) -> str:
        return f"{self._scheme}://127.0.0.1:{port}"

    def launch(self) -> None:
        """Start the process; ``ready`` waits for it."""
        with undisturbed():
            self.server = Server([*self.program, "serve"], self.directory, **self.environment())

    def ready(self) -> int:
        """Wait until it listens and return its port. Raises ``DeploymentFailed``."""
        if self.server is None:
            raise DeploymentFailed(f"the {self.role} was not started")
        return self.server.wait_ready()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self.server is not None:
            self.server.stop()
            self.server = None

    def _command(self) -> OperatorCommand[Any]:
        """What ``operate`` runs in this process."""
        raise NotImplementedError


class AuthorityParty(ServerParty):
    """The key authority."""

    role = "authority"
    module = "keys.cli"
    mutual = True

    def __init__(
        self, directories: Directories, name: str, port: int, certificates: Certificates | None
    ) -> None:
        super().__init__(directories, name, port, certificates)
        self.operating = self.program

    def enrol(self, parties: Iterable[Party]) -> None:
        """Enrol these parties, unless the authority accepts all of them already."""
        parties = list(parties)
        accepted = [] if self.is_new else self.operate("list").splitlines()
        if all(str(party) in accepted for party in parties):
            return
        for party in parties:
            named = f"{party.kind}\t{party.name}\t"
            known = [line for line in accepted if line.startswith(named)]
            if party.kind == "gateway" and known and str(party) not in known:
                self.operate("suspend", party.kind, party.name)  # it rotated its key
        super().enrol(parties)

    def pinned(self, port: int) -> list[PinnedAuthority]:
        """The authority as verifiers of receipts pin it, one entry per key."""
        return [
            PinnedAuthority(
                party=self.name,
                url=self.url(port),
                public_key=key,
                sealing_key=self.keys.sealing,
            )
            for key in self.keys.pinned
        ]


class GatewayParty(ServerParty):
    """The gateway. It pins the others' public keys and, once they run, their URLs."""

    role = "gateway"
    module = "gateway.server.cli"

    def __init__(
        self,
        directories: Directories,
        name: str,
        port: int,
        certificates: Certificates | None,
        model: Model,
    ) -> None:
        super().__init__(directories, name, port, certificates)
        self._certificates = certificates
        self.settings |= {
            "liveness": "optional",  # so that still photographs can be registered
            "model_id": model.model_id,
            "model_digest": model.digest.hex(),
            **(certificates.of_gateway_as_client() if certificates else {}),
        }

    def pin_authority(self, name: str, keys: PublicKeys) -> None:
        """Pin the authority's keys. Settings that were given stay."""
        pinned = {"authority_party": name, "authority_public_key": ",".join(keys.pinned)}
        self.settings = pinned | self.settings

    def pin_auditor(self, name: str, keys: PublicKeys, url: str) -> None:
        """Pin the auditor's keys and URL. Settings that were given stay."""
        pinned = {
            "auditor_url": url,
            "auditor_party": name,
            "auditor_public_key": ",".join(keys.pinned),
            "auditor_sealing_key": keys.sealing,
        }
        if self._certificates is not None:
            pinned["auditor_ca"] = str(self._certificates.ca)
        self.settings = pinned | self.settings

    def adopt_schedule(self) -> None:
        """On first use the draft of a retention schedule is adopted as it is."""
        standing = json.loads(self.operate("retention", "status", "--json"))
        if standing["schedule"]["number"] is None:
            file = existing_directory(self._operator) / SCHEDULE_FILE
            write_private(file, self.operate("retention", "draft").encode())
            self.operate("retention", "adopt", str(file))

    def consent(self) -> ConsentTexts:
        """The texts that people are shown; on first use the draft is registered as they are."""
        number = str(CONSENT_VERSION)
        registered = [line.split()[0] for line in self.operate("consent", "list").splitlines()]
        if number not in registered:
            file = existing_directory(self._operator) / CONSENT_FILE
            write_private(file, self.operate("consent", "draft", number).encode())
            self.operate("consent", "add", str(file))
        return ConsentTexts.decode(self.operate("consent", "export", number).encode())

    def pinned(self, port: int) -> list[PinnedGateway]:
        """The gateway as counters and verifiers of receipts pin it, one entry per key."""
        return [
            PinnedGateway(
                party=self.name,
                url=self.url(port),
                ca_file=None if self._certificates is None else "tls/ca.pem",
                public_key=key,
                sealing_key=self.keys.sealing,
            )
            for key in self.keys.pinned
        ]

    def _command(self) -> OperatorCommand[Any]:
        return gateway_cli.command()


class AuditorParty(ServerParty):
    """The auditor."""

    role = "auditor"
    module = "gateway.auditor.cli"

    def enrol(self, parties: Iterable[Party]) -> None:
        register = Register(self.directory / "parties.json")
        for party in parties:
            register.enrol(Enrolled.of(party.kind, party.name, party.public_key or ""))

    def pinned(self) -> list[PinnedAuditor]:
        return [PinnedAuditor(party=self.name, public_key=key) for key in self.keys.pinned]

    def _command(self) -> OperatorCommand[Any]:
        return auditor_cli.command()


class WitnessParty(ServerParty):
    """A witness of the gateway's log. Each of its commands is a process of its own."""

    role = "witness"
    module = "gateway.witness.cli"
    NAME: ClassVar[str] = "witness.example/w1"

    def __init__(self, directories: Directories, port: int) -> None:
        super().__init__(directories, self.NAME, port, None)
        del self.settings["party"]
        self.settings |= {"requests_per_second": "1000", "burst": "10000"}
        self.operating = self.program

    @cached_property
    def keys(self) -> PublicKeys:
        self._draw_passphrase()
        if (self.directory / KEYSTORE_FILE).exists():
            return PublicKeys(json.loads(self.operate("show")))
        return PublicKeys(json.loads(self.operate("init", "--name", self.name)))

    def policy(self, log: NoteKey) -> TrustPolicy:
        """Cosign for this log from now on; the policy by which its checkpoints need that."""
        key = NoteKey.parse(next(iter(self.keys.shown["vkeys"].values())))
        self.operate("add-log", str(log))
        witness = TrustedWitness("w1", key, self.url(int(self.settings["port"])))
        return TrustPolicy.simple([TrustedLog(log)], [witness], 1)


class CounterParty:
    """The counter. The keys of its device and issuer lie beside ``trust.json``."""

    def __init__(self, directories: Directories) -> None:
        self._directory = directories.counter

    @cached_property
    def parties(self) -> list[Party]:
        """Device and issuer; keys that are not there yet are drawn."""
        directory = existing_directory(self._directory)
        for file in ("device.key", "issuer.key", "site-salt.key"):
            if not (directory / file).exists():
                create_secret(directory / file, secrets.token_bytes(32))
        return [
            Party(kind, name, load_signing_key(directory / f"{kind}.key", name).public.raw.hex())
            for kind, name in (("device", DEVICE), ("issuer", ISSUER))
        ]

    @property
    def agent_key(self) -> Path:
        return self._directory / "agent.key"

    def described(self, consent: ConsentTexts) -> CounterFiles:
        """Its part of the trust file."""
        name = self._directory.name
        return CounterFiles(
            device=DEVICE,
            device_key_file=f"{name}/device.key",
            issuer=ISSUER,
            issuer_key_file=f"{name}/issuer.key",
            site_salt_file=f"{name}/site-salt.key",
            assertions_file=f"{name}/assertions.sqlite3",
            mismatches_file=f"{name}/mismatches.sqlite3",
            consent_file=CONSENT_FILE,
            consent_digest=consent.digest.hex(),
            agent=AGENT,
            agent_key_file=f"{name}/agent.key",
            supervisor=SUPERVISOR,
            outlet=OUTLET,
        )


class KeyedParty:
    """A party that has a key in a bare file, and no server. The key is drawn on first use."""

    def __init__(self, kind: str, name: str, path: Path) -> None:
        self._kind = kind
        self._name = name
        self._path = path

    @cached_property
    def party(self) -> Party:
        existing_directory(self._path.parent)
        key = load_signing_key if self._path.exists() else create_signing_key
        return Party(self._kind, self._name, key(self._path, self._name).public.raw.hex())
