"""The gateway's processes as the reference proxy reads them (``deploy/nginx/processes.conf``).

A session is open in the memory of one process. Its id begins with that process's shard, so the
proxy needs no cookie and no memory of its own: it reads the first two hexadecimal digits. Whatever
names no session goes to any process. If a session's own process does not answer, another one is
asked: it knows what is recorded in the database, and says of the rest that there is no such
session.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.host.cli import OperatorCommand
from gateway.server.config import GatewaySettings
from gateway.wire.errors import CallerMisuse

MOST_SHARDS: Final = 256
"""Values of an id's first byte."""
_IDLE: Final = 32
"""Connections to one process that a worker of the proxy keeps open between requests."""
_IDLE_SECONDS: Final = 4
"""For so long: less than a process keeps them (``keep_alive_seconds``). Otherwise a submission
could meet a connection that is being closed, and it must not be sent a second time."""
_KEPT: Final = (f"    keepalive {_IDLE};", f"    keepalive_timeout {_IDLE_SECONDS}s;")
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_FILE: Final = re.compile(r"[\w./-]+")
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_MOST_PORT: Final = 65535


@dataclass(frozen=True)
class GatewayProcess:
    """One process: where it listens, and its setting ``shard``."""

    address: str
    shard: int | None

    @classmethod
    def parse(cls, text: str) -> "GatewayProcess":
        """``SHARD=ADDRESS:PORT``, or the address alone. Raises ``CallerMisuse``."""
        shard, named, address = text.rpartition("=")
        if named and not (shard.isascii() and shard.isdigit() and int(shard) < MOST_SHARDS):
            raise CallerMisuse(f"{shard}: a shard is a number from 0 to {MOST_SHARDS - 1}")
        fits = _ADDRESS.fullmatch(address)
        if fits is None or not 0 < int(fits[1]) <= _MOST_PORT:
            raise CallerMisuse(f"{address}: not an address and a port")
        return cls(address, int(shard) if named else None)

    @property
    def group(self) -> str:
        return f"gateway-{self.shard:02x}"


@dataclass(frozen=True)
class ToProcesses:
    """TLS from the proxy to the processes. Off loopback they serve nothing else."""

    ca: str
    name: str
    """Name in the processes' certificates."""

    def __post_init__(self) -> None:
        if not _FILE.fullmatch(self.ca) or not _HOST.fullmatch(self.name):
            raise CallerMisuse("--ca is a path, --name a host name, both without spaces")

    def lines(self) -> list[str]:
        return [
            "proxy_ssl_verify on;",
            "proxy_ssl_protocols TLSv1.3;",
            f"proxy_ssl_trusted_certificate {self.ca};",
            f"proxy_ssl_name {self.name};",
            "proxy_ssl_server_name on;",
        ]


def processes_file(processes: Sequence[GatewayProcess], tls: ToProcesses | None = None) -> str:
    """The file's content.

    Raises:
        CallerMisuse: no process; one named twice; several, and one of them has no shard.
    """
    if not processes:
        raise CallerMisuse("name the processes")
    for values in ([p.address for p in processes], [p.shard for p in processes]):
        if len(set(values)) < len(values):
            raise CallerMisuse("each process has an address and, if there are several, a shard")
    if len(processes) > 1 and any(p.shard is None for p in processes):
        raise CallerMisuse("each of several processes has a shard: SHARD=ADDRESS:PORT")
    named = [p for p in processes if p.shard is not None]
    return "\n".join(
        [
            "# Printed by `sealmatch-gateway proxy processes`. A session's id begins with the",
            "# shard of its process, in two hexadecimal digits.",
            f"map $server_port $gateway_scheme {{ default {'https' if tls else 'http'}; }}",
            *(tls.lines() if tls else []),
            *_any(processes),
            *(line for one in named for line in _own(one, processes)),
            "map $session_shard $gateway_process {",
            "    default gateway-any;",
            *(f"    {one.shard:02x} {one.group};" for one in named),
            "}",
            "",
        ]
    )


def _any(processes: Sequence[GatewayProcess]) -> list[str]:
    """The group for what names no session; one that failed is left alone for two seconds."""
    servers = [f"    server {one.address} max_fails=1 fail_timeout=2s;" for one in processes]
    shared = ["    zone gateway-any 256k;", "    least_conn;"]
    return ["upstream gateway-any {", *shared, *servers, *_KEPT, "}"]


def _own(one: GatewayProcess, processes: Sequence[GatewayProcess]) -> list[str]:
    """The group of one shard: its process is always tried first, the others know what is
    recorded."""
    others = [f"    server {other.address} backup;" for other in processes if other != one]
    first = f"    server {one.address} max_fails=0;"
    return [f"upstream {one.group} {{", first, *others, *_KEPT, "}"]


def add_proxy(own: OperatorCommand[GatewaySettings]) -> None:
    """``proxy processes``. It needs no settings: the proxy may be another host."""
    verbs = own.group("proxy", "the proxy in front of the gateway's processes (deploy/nginx)")
    text = "print processes.conf: the gateway's processes as the reference proxy reads them"
    sub = verbs.add_parser("processes", help=text, description=text)
    sub.add_argument("process", nargs="+", metavar="SHARD=ADDRESS:PORT", help="one, or several")
    sub.add_argument("--ca", metavar="FILE", help="CA of the processes' certificates (PEM)")
    sub.add_argument("--name", metavar="HOST", help="name in the processes' certificates")
    sub.set_defaults(run=_print)


def _print(options: argparse.Namespace) -> int:
    if (options.ca is None) != (options.name is None):
        raise CallerMisuse("--ca and --name go together")
    tls = None if options.ca is None else ToProcesses(options.ca, options.name)
    print(processes_file([GatewayProcess.parse(text) for text in options.process], tls), end="")
    return 0
