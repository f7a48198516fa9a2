"""The deployment under attack: both servers as processes on loopback, one of them perhaps altered.

Keys and enrolments are made once and copied, because each disabled defence needs its own servers.
"""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from gateway.host.python import python
from gateway.issuer.issuer import Model
from gateway.lab.attack.weakened import OF_THE_POLICY
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.parties import PublicKeys
from gateway.lab.deployment.servers import Directories
from gateway.server import custody
from gateway.server.config import GatewaySettings
from gateway.wire.cose import SigningKey
from gateway.wire.ids import digest_of
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import SealingPrivateKey

MODEL = Model(
    "attack/none",
    digest_of(b"faces of nobody"),
    FaceQuality(outcome="passed", measures="none/1", profile_digest=digest_of(b"none")),
)

_ENROLLED = "enrolled"
_DEVICE_DECISIONS = "600"
"""Decisions an hour: ten times the usual cap, because attackers share a deployment and device."""
SEEN_BY_THE_AUTHORITY = "seen-by-the-authority"


class Ground(LocalDeployment):
    """Where an attack takes place.

    Args:
        root: the state directory; one that ``prepare`` filled is used as it is.
        disabled: the defence that both servers lack.
        authority: module (and mode) of a key authority in the attacker's hands, if not the real
            one; it leaves what it sees in the directory SEEN_BY_THE_AUTHORITY.
        audit_one_in, gateway_settings: as for ``LocalDeployment``.
    """

    def __init__(
        self,
        root: Path,
        disabled: str | None = None,
        authority: str | None = None,
        audit_one_in: int = 0,
        **gateway_settings: str,
    ) -> None:
        super().__init__(
            root,
            MODEL,
            0,
            tls=False,
            audit_one_in=audit_one_in,
            workers="1",
            **gateway_settings,
        )
        self._prepared = root / _ENROLLED
        self.authority.settings |= {"workers": "1", "device_decisions": _DEVICE_DECISIONS}
        if "inspectable" in gateway_settings:  # all servers, or none
            for party in self.parties:
                party.settings["inspectable"] = gateway_settings["inspectable"]
        if disabled is not None:
            for party in (self.authority, self.gateway):
                party.program = python("-m", "gateway.lab.attack.weakened", disabled, party.module)
        if disabled in OF_THE_POLICY:  # the counter must pin the weakened gateway's own policy
            self.gateway.operating = self.gateway.program
        if authority is not None:
            seen = str(self.directories.root / SEEN_BY_THE_AUTHORITY)
            self.authority.program = python("-m", *authority.split(), seen, self.authority.module)

    def gateway_settings(self) -> GatewaySettings:
        """The gateway's settings, for the attacker who runs the gateway."""
        return GatewaySettings.read(None, self.gateway.environment())

    def gateway_keys(self) -> tuple[SigningKey, SealingPrivateKey]:
        """The gateway's own keys, for the attacker who runs the gateway."""
        return custody.open_keys(self.gateway_settings())

    @property
    def authority_environment(self) -> dict[str, str]:
        """The authority's settings, for an attacker who knows what its operator knows."""
        return self.authority.environment()

    def prepare(self) -> None:
        if self._prepared.exists():
            self.authority.remember(PublicKeys(json.loads(self._prepared.read_text())))
        super().prepare()

    def _enrol(self) -> None:
        if self.auditor is not None or not self._prepared.exists():
            super()._enrol()

    def mark_prepared(self) -> None:
        """Note the authority's keys, so that a copy of the directory starts without asking it."""
        self._prepared.write_text(json.dumps(self.authority.keys.shown))


class Site:
    """Throw-away deployments with the same keys. They run until the ``with`` block ends."""

    def __init__(self, directory: Path, prepared: Path | None = None) -> None:
        """``prepared``: a directory that ``prepare`` filled; without one, it is made here."""
        self._directory = directory
        self._prepared = prepared
        self._running = ExitStack()
        self._grounds: dict[tuple[object, ...], Ground] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def ground(
        self,
        disabled: str | None = None,
        *,
        authority: str | None = None,
        audit_one_in: int = 0,
        **gateway_settings: str,
    ) -> Ground:
        """A running deployment; attackers that need the same one share it.

        Raises:
            DeploymentFailed: a server does not start.
        """
        settings = sorted(gateway_settings.items())
        name = (disabled, authority, audit_one_in, *settings)
        if name not in self._grounds:
            root = self._directory / f"deployment-{len(self._grounds) + 1}"
            self._prepared = self._prepared or prepare(self._directory / "prepared")
            shutil.copytree(self._prepared, root)
            ground = Ground(root, disabled, authority, audit_one_in, **gateway_settings)
            self._grounds[name] = self._running.enter_context(ground)
        return self._grounds[name]


def prepare(root: Path) -> Path:
    """Draw keys and enrol parties, once for many deployments. Starts no server."""
    ground = Ground(root)
    ground.prepare()
    ground.mark_prepared()
    return root


def data_directories(ground: Ground) -> tuple[Path, Path]:
    """What a thief carries away: the gateway's directory and the authority's."""
    places: Directories = ground.directories
    return places.gateway, places.authority
