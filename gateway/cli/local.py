"""A deployment on one machine: both servers as separate processes on loopback.

For trying, demonstrating and testing. An auditor is a third server, where one is asked for; without
one no audits are demanded. Each server gets their own directory, configuration and
process; each enrols the other's keys through its own operator command, as two operators would.
The counter's keys (device and issuer) lie beside ``trust.json``. The passphrases that open the
servers' keystores lie apart from their directories, whose thief gets sealed files.
"""

import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from gateway.auditor.register import Enrolled, Register
from gateway.cli import devca
from gateway.cli.local_servers import Directories, Server, run_command
from gateway.issuer.issuer import Model
from gateway.proofs.trust import (
    Counter,
    PinnedAuditor,
    PinnedAuthority,
    PinnedGateway,
    TrustFile,
)
from gateway.wire.host.keyfile import create_secret, create_signing_key, load_signing_key
from gateway.wire.host.keystore import KEYSTORE_FILE
from gateway.wire.host.serving import existing_directory
from gateway.wire.ids import PartyId

DEVICE, ISSUER, GATEWAY, AUTHORITY = "demo-device", "demo-issuer", "demo-gateway", "demo-authority"


AUDITOR, READER = "demo-auditor", "demo-reader"


AGENT, OUTLET = "demo-agent", "demo-outlet"


_GATEWAY = [sys.executable, "-m", "gateway.cli.serve"]


_AUTHORITY = [sys.executable, "-m", "keys.cli"]


_AUDITOR = [sys.executable, "-m", "gateway.cli.auditor"]


class LocalDeployment:
    """Both servers, running while the ``with`` block does."""

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
        """Prepare a deployment in ``root``; an existing one is used again.

        Args:
            port: the gateway's; the authority takes the next one; 0 lets the system choose both.
            tls: serve over TLS with a development CA, mutual between gateway and authority.
            audit_one_in: run an auditor (at the next port but one), to which the authority sends
                one evaluation in this many, by its coin; 0: none.
            gateway_settings: further settings of the gateway by field name.
        """
        self.directories = Directories(root)
        self._model = model
        self._port = port
        self._tls = tls
        self._audit_one_in = audit_one_in
        self._auditor_environment: dict[str, str] = {}
        self._settings = gateway_settings
        self._servers: list[Server] = []
        self.trust: TrustFile

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def servers(self) -> tuple[Server, ...]:
        """The authority's process, the auditor's if there is one, the gateway's."""
        return tuple(self._servers)

    def stop(self) -> None:
        """Stop the servers, gateway first."""
        while self._servers:
            self._servers.pop().stop()

    def start_authority(self) -> int:
        """Start the authority and return its port."""
        server = Server(
            [*_AUTHORITY, "serve"],
            self.directories.authority,
            **self._authority_environment(),
            SEALMATCH_AUTHORITY_PORT=str(self._port + 1 if self._port else 0),
        )
        self._servers.append(server)
        return server.wait_ready()

    def start_auditor(self) -> int:
        """Start the auditor and return its port."""
        server = Server(
            [*_AUDITOR, "serve"],
            self.directories.auditor,
            **self._auditor_settings(),
            SEALMATCH_AUDITOR_PORT=str(self._port + 2 if self._port else 0),
        )
        self._servers.append(server)
        return server.wait_ready()

    def start_gateway(self, authority_url: str) -> int:
        """Start the gateway and return its port."""
        server = Server(
            [*_GATEWAY, "serve"],
            self.directories.gateway,
            **self._gateway_environment(authority_url),
            SEALMATCH_GATEWAY_PORT=str(self._port),
        )
        self._servers.append(server)
        return server.wait_ready()

    def authority_url(self, port: int) -> str:
        """Where the gateway finds the authority; a demonstration puts an observer in between."""
        return f"{self._scheme}://127.0.0.1:{port}"

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    def _start(self) -> None:
        counter = self._prepare_counter()
        if self._tls and not (self.directories.tls / "ca.pem").exists():
            devca.make(self.directories.tls, ["127.0.0.1", "localhost"])
        authority = self._keys(
            _AUTHORITY, self.directories.authority, self._authority_environment()
        )
        self._authority_keys = _pinned(authority)
        gateway = self._keys(_GATEWAY, self.directories.gateway, self._gateway_environment(""))
        self._enrol(counter, gateway)
        authority_port = self.start_authority()
        auditor = self._prepare_auditor(counter, gateway)
        gateway_port = self.start_gateway(self.authority_url(authority_port))
        self.trust = TrustFile(
            gateways=[
                PinnedGateway(
                    party=GATEWAY,
                    url=f"{self._scheme}://127.0.0.1:{gateway_port}",
                    ca_file="tls/ca.pem" if self._tls else None,
                    public_key=key,
                    sealing_key=gateway["sealingKey"],
                )
                for key in _pinned(gateway)
            ],
            authorities=[
                PinnedAuthority(
                    party=AUTHORITY,
                    url=f"{self._scheme}://127.0.0.1:{authority_port}",
                    public_key=key,
                    sealing_key=authority["sealingKey"],
                )
                for key in self._authority_keys
            ],
            auditors=[PinnedAuditor(party=AUDITOR, public_key=key) for key in auditor],
            policies=[gateway["policyDigest"]],
            log_policy=gateway["logPolicy"],
            counter=Counter(
                device=DEVICE,
                device_key_file="counter/device.key",
                issuer=ISSUER,
                issuer_key_file="counter/issuer.key",
                site_salt_file="counter/site-salt.key",
                assertions_file="counter/assertions.sqlite3",
                agent=AGENT,
                outlet=OUTLET,
            ),
        )
        self.trust.write(self.directories.trust)

    def _prepare_counter(self) -> dict[PartyId, str]:
        """The counter's keys, made once; returns the public ones."""
        directory = existing_directory(self.directories.counter)
        if not (directory / "site-salt.key").exists():
            create_signing_key(directory / "device.key", DEVICE)
            create_signing_key(directory / "issuer.key", ISSUER)
            create_secret(directory / "site-salt.key", secrets.token_bytes(32))
        return {
            DEVICE: load_signing_key(directory / "device.key", DEVICE).public.raw.hex(),
            ISSUER: load_signing_key(directory / "issuer.key", ISSUER).public.raw.hex(),
        }

    def _prepare_reader(self) -> str:
        """The log reader's key, made once; returns the public one."""
        path = self.directories.reader_key
        existing_directory(path.parent)
        key = load_signing_key if path.exists() else create_signing_key
        return key(path, READER).public.raw.hex()

    def _keys(
        self, command: Sequence[str], directory: Path, environment: dict[str, str]
    ) -> dict[str, Any]:
        """A server's public keys, drawn on first use."""
        existing_directory(directory)
        verb = "show" if (directory / KEYSTORE_FILE).exists() else "init"
        return dict(json.loads(run_command([*command, "keys", verb], environment)))

    def _enrol(self, counter: dict[PartyId, str], gateway_keys: dict[str, Any]) -> None:
        """Each operator enrols the parties that it accepts."""
        authority, gateway = self._authority_environment(), self._gateway_environment("")
        enrolled = run_command([*_AUTHORITY, "list"], authority)
        own = gateway_keys["publicKey"]
        if f"gateway\t{GATEWAY}\t" in enrolled and own not in enrolled:
            run_command(
                [*_AUTHORITY, "suspend", "gateway", GATEWAY], authority
            )  # it rotated its key
        keyed = [
            f"{kind}\t{n}\t{counter[n]}" for kind, n in (("device", DEVICE), ("issuer", ISSUER))
        ]
        reader = f"auditor\t{READER}\t{self._prepare_reader()}"
        named = [f"agent\t{AGENT}", f"outlet\t{OUTLET}", reader]
        self._enrol_all(_AUTHORITY, authority, [f"gateway\t{GATEWAY}\t{own}", *keyed])
        self._enrol_all(_GATEWAY, gateway, [*keyed, *named])

    def _enrol_all(
        self, command: Sequence[str], environment: dict[str, str], lines: list[str]
    ) -> None:
        """As an operator does it: a list in a file."""
        file = existing_directory(self.directories.operator) / "parties"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines))
        run_command([*command, "enrol-all", str(file)], environment)

    def _prepare_auditor(
        self, counter: dict[PartyId, str], gateway_keys: dict[str, Any]
    ) -> list[str]:
        """Start the auditor, if there is to be one; each operator enrols or pins the others."""
        if not self._audit_one_in:
            return []
        environment = self._auditor_settings()
        keys = self._keys(_AUDITOR, self.directories.auditor, environment)
        gateway = ("gateway", GATEWAY, gateway_keys["publicKey"])
        known = [("authority", AUTHORITY, key) for key in self._authority_keys]
        known += [("device", DEVICE, counter[DEVICE]), ("issuer", ISSUER, counter[ISSUER])]
        parties = Register(self.directories.auditor / "parties.json")
        for kind, party, key in (gateway, *known):  # four commands would cost four interpreters
            parties.enrol(Enrolled.of(kind, party, key))
        authority = self._authority_environment()
        run_command([*_AUTHORITY, "enrol", "auditor", AUDITOR, keys["publicKey"]], authority)
        url = f"{self._scheme}://127.0.0.1:{self.start_auditor()}"
        self._auditor_environment = {
            "SEALMATCH_GATEWAY_AUDITOR_URL": url,
            "SEALMATCH_GATEWAY_AUDITOR_PARTY": AUDITOR,
            "SEALMATCH_GATEWAY_AUDITOR_PUBLIC_KEY": ",".join(_pinned(keys)),
            "SEALMATCH_GATEWAY_AUDITOR_SEALING_KEY": keys["sealingKey"],
        }
        if self._tls:
            ca = str(self.directories.tls / "ca.pem")
            self._auditor_environment["SEALMATCH_GATEWAY_AUDITOR_CA"] = ca
        return _pinned(keys)

    def _passphrase(self, server: str) -> Path:
        """A file with the passphrase of a server's keystore, drawn on first use."""
        path = existing_directory(self.directories.operator) / f"{server}.passphrase"
        if not path.exists():
            create_secret(path, secrets.token_hex(32).encode() + b"\n")
        return path

    def _authority_environment(self) -> dict[str, str]:
        return {
            "SEALMATCH_AUTHORITY_DATA_DIR": str(self.directories.authority),
            "SEALMATCH_AUTHORITY_PARTY": AUTHORITY,
            "SEALMATCH_AUTHORITY_AUDIT_ONE_IN": str(self._audit_one_in),
            "SEALMATCH_AUTHORITY_PASSPHRASE_FILE": str(self._passphrase("authority")),
            **self._tls_environment("SEALMATCH_AUTHORITY_TLS", "authority", client_ca=True),
        }

    def _auditor_settings(self) -> dict[str, str]:
        return {
            "SEALMATCH_AUDITOR_DATA_DIR": str(self.directories.auditor),
            "SEALMATCH_AUDITOR_PARTY": AUDITOR,
            "SEALMATCH_AUDITOR_PASSPHRASE_FILE": str(self._passphrase("auditor")),
            **self._tls_environment("SEALMATCH_AUDITOR_TLS", "auditor", client_ca=False),
        }

    def _gateway_environment(self, authority_url: str) -> dict[str, str]:
        own = {f"SEALMATCH_GATEWAY_{k.upper()}": v for k, v in self._settings.items()}
        return {
            "SEALMATCH_GATEWAY_LIVENESS": "optional",  # still photographs go on working here
            "SEALMATCH_GATEWAY_DATA_DIR": str(self.directories.gateway),
            "SEALMATCH_GATEWAY_PARTY": GATEWAY,
            "SEALMATCH_GATEWAY_PASSPHRASE_FILE": str(self._passphrase("gateway")),
            "SEALMATCH_GATEWAY_AUTHORITY_PARTY": AUTHORITY,
            "SEALMATCH_GATEWAY_AUTHORITY_URL": authority_url,
            "SEALMATCH_GATEWAY_AUTHORITY_PUBLIC_KEY": ",".join(self._authority_keys),
            "SEALMATCH_GATEWAY_MODEL_ID": self._model.model_id,
            "SEALMATCH_GATEWAY_MODEL_DIGEST": self._model.digest.hex(),
            **self._tls_environment("SEALMATCH_GATEWAY_TLS", "gateway", client_ca=False),
            **self._authority_tls_environment(),
            **self._auditor_environment,
            **own,
        }

    def _tls_environment(self, prefix: str, name: str, *, client_ca: bool) -> dict[str, str]:
        if not self._tls:
            return {}
        directory = self.directories.tls
        own = {
            f"{prefix}_CERTIFICATE": str(directory / f"{name}.pem"),
            f"{prefix}_KEY": str(directory / f"{name}.key"),
        }
        return {**own, f"{prefix}_CLIENT_CA": str(directory / "ca.pem")} if client_ca else own

    def _authority_tls_environment(self) -> dict[str, str]:
        if not self._tls:
            return {}
        prefix, directory = "SEALMATCH_GATEWAY_AUTHORITY", self.directories.tls
        return {
            f"{prefix}_CA": str(directory / "ca.pem"),
            f"{prefix}_CLIENT_CERTIFICATE": str(directory / "gateway-client.pem"),
            f"{prefix}_CLIENT_KEY": str(directory / "gateway-client.key"),
        }


def _pinned(keys: dict[str, Any]) -> list[str]:
    """What others pin of a server's ``keys show``: its key, and the one before or after it."""
    other = [keys["nextPublicKey"]] if "nextPublicKey" in keys else keys.get("oldPublicKeys", [])
    return [keys["publicKey"], *other[:1]]
