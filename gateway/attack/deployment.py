"""The deployment under attack: both servers as processes on loopback, one of them perhaps altered.

Keys and enrolments are made once and copied, because every disabled defence needs servers of its
own.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from gateway.cli.local import LocalDeployment
from gateway.cli.local_servers import Directories, Server
from gateway.issuer.issuer import Model
from gateway.server import keys
from gateway.server.config import GatewaySettings
from gateway.wire.cose import SigningKey
from gateway.wire.ids import digest_of
from gateway.wire.sealing import SealingPrivateKey

MODEL = Model("attack/none", digest_of(b"faces of nobody"))

_GATEWAY, _AUTHORITY = "gateway.cli.serve", "keys.cli"
_ENROLLED = "enrolled"
SEEN_BY_THE_AUTHORITY = "seen-by-the-authority"


class Ground(LocalDeployment):
    """Where an attack takes place.

    Args:
        root: the state directory; one that ``prepare`` filled is used as it is.
        disabled: the defence that both servers lack.
        authority: module (and mode) of a key authority in the attacker's hands, if not the real
            one; it leaves what it sees in the directory SEEN_BY_THE_AUTHORITY.
        device_decisions: the cap per device in an hour; by default ten times the usual one, since
            several attackers share a deployment and its only device.
    """

    def __init__(
        self,
        root: Path,
        disabled: str | None = None,
        authority: str | None = None,
        audit_one_in: int = 0,
        device_decisions: int = 600,
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
        self._disabled = disabled
        self._own_authority = authority
        self._device_decisions = device_decisions

    def start_authority(self) -> int:
        server = Server(
            [*self._command(_AUTHORITY), "serve"],
            self.directories.authority,
            **self._authority_environment(),
            SEALMATCH_AUTHORITY_PORT="0",
        )
        self._servers.append(server)
        return server.wait_ready()

    def start_gateway(self, authority_url: str) -> int:
        server = Server(
            [*self._command(_GATEWAY), "serve"],
            self.directories.gateway,
            **self._gateway_environment(authority_url),
            SEALMATCH_GATEWAY_PORT="0",
        )
        self._servers.append(server)
        return server.wait_ready()

    def gateway_settings(self) -> GatewaySettings:
        """What the gateway's operator has set, for the attacker who runs the gateway."""
        return GatewaySettings.read(None, self._gateway_environment(""))

    def gateway_keys(self) -> tuple[SigningKey, SealingPrivateKey]:
        """The gateway's own keys, for the attacker who runs the gateway."""
        return keys.open_keys(self.gateway_settings())

    def _command(self, module: str) -> list[str]:
        python = [sys.executable, "-m"]
        if self._own_authority is not None and module == _AUTHORITY:
            seen = self.directories.root / SEEN_BY_THE_AUTHORITY
            return [*python, *self._own_authority.split(), str(seen), module]
        if self._disabled is not None and module in (_GATEWAY, _AUTHORITY):
            return [*python, "gateway.attack.weakened", self._disabled, module]
        return [*python, module]

    def _keys(self, command: Sequence[str], *given: Any) -> dict[str, Any]:
        # The weakened gateway states its own policy's digest, which the counter must pin.
        return super()._keys(self._command(command[-1]), *given)

    def _enrol(self, *given: Any) -> None:
        marker = self.directories.root / _ENROLLED
        if not marker.exists():
            super()._enrol(*given)
            marker.touch()

    @property
    def authority_environment(self) -> dict[str, str]:
        """The settings of the authority, for whoever knows what its operator knows."""
        return self._authority_environment()

    def _authority_environment(self) -> dict[str, str]:
        own = {
            "SEALMATCH_AUTHORITY_WORKERS": "1",
            "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": str(self._device_decisions),
            **self._inspectable("AUTHORITY"),
        }
        return {**super()._authority_environment(), **own}

    def _auditor_settings(self) -> dict[str, str]:
        return {**super()._auditor_settings(), **self._inspectable("AUDITOR")}

    def _inspectable(self, server: str) -> dict[str, str]:
        """All servers, or none."""
        if "inspectable" not in self._settings:
            return {}
        return {f"SEALMATCH_{server}_INSPECTABLE": self._settings["inspectable"]}


class _Preparation(Ground):
    """Draws keys and enrols parties; starts no server."""

    def start_authority(self) -> int:
        return 0

    def start_gateway(self, _: str) -> int:
        return 0


class Site:
    """Throw-away deployments with the same keys, running until the ``with`` block ends."""

    def __init__(self, directory: Path, prepared: Path | None = None) -> None:
        """``prepared``: keys and enrolments that ``prepare`` made; without, they are made here."""
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
        device_decisions: int = 600,
        **gateway_settings: str,
    ) -> Ground:
        """A running deployment; attackers who need the same one share it.

        Raises:
            DeploymentFailed: a server does not start.
        """
        settings = sorted(gateway_settings.items())
        name = (disabled, authority, audit_one_in, device_decisions, *settings)
        if name not in self._grounds:
            root = self._directory / f"deployment-{len(self._grounds) + 1}"
            self._prepared = self._prepared or prepare(self._directory / "prepared")
            shutil.copytree(self._prepared, root)
            ground = Ground(
                root, disabled, authority, audit_one_in, device_decisions, **gateway_settings
            )
            self._grounds[name] = self._running.enter_context(ground)
        return self._grounds[name]


def prepare(root: Path) -> Path:
    """Draw the keys of a deployment and enrol its parties, once for many."""
    with _Preparation(root):
        return root


def data_directories(ground: Ground) -> tuple[Path, Path]:
    """What a thief carries away: the gateway's and the authority's directory."""
    places: Directories = ground.directories
    return places.gateway, places.authority
