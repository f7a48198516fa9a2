"""The reference deployment as far as one machine goes: nginx from the shipped files, several
gateway processes on one PostgreSQL database, TLS on every line, the limits of systemd's units."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.host.python import python
from gateway.host.tls import ClientTls
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.servers import Server
from gateway.server.proxy import GatewayProcess, ToProcesses, processes_file
from tests.support.confined import limits_of
from tests.support.processes import PATIENCE, children_of, free_ports, until
from tests.support.samples import MODEL

DEPLOY = Path(__file__).parents[2] / "gateway" / "deploy"
SHIPPED = DEPLOY / "nginx"
UNITS = DEPLOY / "systemd"


def nginx_program() -> str:
    """Skips where nginx is not installed, fails under CI."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        reason = "nginx is not installed (apt-get install nginx-light)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Nginx:
    """The shipped configuration with a site of its own. It runs within the ``with`` block."""

    def __init__(
        self,
        root: Path,
        port: int,
        tls: Path,
        processes: str,
        changed: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            tls: directory with ``ca.pem``, ``gateway.pem`` and ``gateway.key``.
            changed: parts of ``nginx.conf`` and what stands there instead.
        """
        root.mkdir(exist_ok=True)
        self._files, self.prefix, self.port, self._ca = root / "etc", root / "run", port, tls
        shutil.copytree(SHIPPED, self._files)
        self.prefix.mkdir()
        text = (self._files / "nginx.conf").read_text()
        for was, now in (changed or {}).items():
            assert was in text, was
            text = text.replace(was, now)
        (self._files / "nginx.conf").write_text(text)
        (self._files / "processes.conf").write_text(processes)
        (self._files / "site.conf").write_text(
            f"listen 127.0.0.1:{port} ssl;\nserver_name localhost;\n"
            f"ssl_certificate {tls}/gateway.pem;\nssl_certificate_key {tls}/gateway.key;\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # As root, workers would be somebody who cannot enter the tests' directories.
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        with (self.prefix / "said").open("wb") as said:
            self.process = subprocess.Popen(
                [nginx_program(), "-p", str(self.prefix), "-c", str(self._files / "nginx.conf"),
                 "-g", directives],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    @property
    def said(self) -> str:
        return (self.prefix / "said").read_text()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def connection(self) -> ssl.SSLSocket:
        """A bare connection, whose handshake is done."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        context = ClientTls(self._ca / "ca.pem").context()
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def spooled(self) -> list[str]:
        """Files below its directories that it holds open or has left, but its own few."""
        assert self.process is not None
        found = [str(path) for path in self.prefix.glob("unused-*/**/*") if path.is_file()]
        for pid in children_of(self.process.pid):
            for one in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.append(os.readlink(one))
        own = ("socket:", "anon_inode:", "pipe:", "/dev/null", f"{self.prefix}/said")
        return [name for name in found if not name.startswith(own)]


def confined(root: Path, role: str, module: str) -> Sequence[str]:
    """How a server's command begins whose process has the limits of its unit."""
    root.mkdir(mode=0o700, exist_ok=True)
    (unit,) = (UNITS / role).glob(f"sealmatch-{role}*.service")
    limits = root / f"{role}.limits"
    limits.write_text(json.dumps(limits_of(unit, UNITS / "sandbox.conf")))
    return python("-m", "tests.support.confined", str(limits), module)


class Proxied(LocalDeployment):
    """A gateway of several processes behind nginx, each with a shard of its own; two instances of
    the authority."""

    def __init__(
        self, root: Path, gateway_url: str, authority_url: str, shards: tuple[int, ...] = (0, 1)
    ) -> None:
        """``gateway_url``, ``authority_url``: of their databases in PostgreSQL."""
        port = free_ports(len(shards) + 1)
        self._ports = {shard: port + 1 + at for at, shard in enumerate(shards)}
        self.proxy_port = port
        super().__init__(root, MODEL, 0, tls=True, database_url=gateway_url)
        self.authority.settings["database_url"] = authority_url
        self._first, self._others = shards[0], shards[1:]
        self.gateway.settings |= {
            "port": str(self._ports[self._first]),
            "shard": str(self._first),
            "public_urls": f"https://127.0.0.1:{port}",
        }
        for party in (self.gateway, self.authority):
            party.program = confined(root, party.role, party.module)
        self.processes: dict[int, Server] = {}
        self.second_authority: Server | None = None
        self.nginx = contextlib.ExitStack()
        self.proxy: Nginx

    @property
    def processes_conf(self) -> str:
        named = [GatewayProcess(f"127.0.0.1:{port}", shard) for shard, port in self._ports.items()]
        return processes_file(named, ToProcesses(str(self.directories.tls / "ca.pem"), "localhost"))

    def new_proxy(self, root: Path, port: int, changed: Mapping[str, str] | None = None) -> Nginx:
        return Nginx(root, port, self.directories.tls, self.processes_conf, changed)

    def launch(self, shard: int) -> None:
        """Start one more process of the gateway, or one that died."""
        if shard in self.processes:
            self.processes[shard].stop()
        changed: dict[str, Any] = {"shard": str(shard), "port": str(self._ports[shard])}
        server = Server(
            [*self.gateway.program, "serve"],
            self.gateway.directory,
            **self.gateway.environment(**changed),
        )
        server.wait_ready()
        self.processes[shard] = server

    def authority_url(self, port: int) -> str:
        """Both instances. The second one's directory is a copy of the first one's."""
        own = self.directories.root / "authority-1"
        own.mkdir(mode=0o700)
        for name in ("keystore.sealed", "trust.json", "caps.mark"):
            shutil.copy2(self.authority.directory / name, own)
        self.second_authority = Server(
            [*self.authority.program, "serve"],
            own,
            **self.authority.environment(data_dir=str(own)),
        )
        second = self.second_authority.wait_ready()
        return f"{self.authority.url(port)},{self.authority.url(second)}"

    def _start(self) -> None:
        super()._start()
        assert self.gateway.server is not None
        self.processes[self._first] = self.gateway.server
        for shard in self._others:
            self.launch(shard)
        root = self.directories.root / "proxy"
        root.mkdir()
        self.proxy = self.nginx.enter_context(self.new_proxy(root, self.proxy_port))

    def _write_trust(self, authority_port: int, gateway_port: int) -> None:
        super()._write_trust(authority_port, self.proxy_port)

    def stop(self) -> None:
        self.nginx.close()
        for server in self.processes.values():
            if server is not self.gateway.server:
                server.stop()
        super().stop()
        if self.second_authority is not None:
            self.second_authority.stop()
