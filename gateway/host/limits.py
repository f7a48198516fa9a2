"""What strangers, and everybody together, may hold of a server: connections, time, memory.

A connection costs a descriptor, and a process has a fixed number of them. So the limit in all
follows from that number, and leaves a reserve for files, workers and peers.
"""

import ipaddress
import resource
from dataclasses import dataclass
from typing import Final

from gateway.wire.errors import CallerMisuse

RESERVED_DESCRIPTORS: Final = 256
"""Kept for databases, workers, peers and the log; a quarter of all where there are few."""
HEAD_BYTES: Final = 16 * 1024
"""Request line and headers, in all."""
HEAD_FIELDS: Final = 64
"""Header fields of a request."""
PIPELINED: Final = 8
"""Requests that a sender may hand in before the one in front of them is answered."""
LINGER_SECONDS: Final = 5.0
"""How long an early answer may take to reach a sender that still sends."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limits:
    """Limits of one server. Times in seconds; 0 or None of a number is no limit."""

    connections: int | None = 2048
    per_address: int = 256
    proxies: tuple[Network, ...] = ()
    """Addresses of proxies: ``per_address`` does not count there, and their word for the sender's
    address does."""
    header_seconds: float = 10
    """From the first byte, or from the connection's beginning, to the last header."""
    body_seconds: float = 10
    """That a body may take, besides its bytes over ``body_rate``."""
    body_rate: int = 8192
    """Bytes per second that a sender must reach."""
    keep_alive_seconds: int = 20
    """Between two requests."""
    stalled_seconds: float = 30
    """In which a receiver takes nothing of an answer."""
    body_bytes: int = 64 * 2**20
    """Of all requests that are being answered, together."""
    at_once: int = 32
    """Requests of one kind that are worked on."""
    waiting: int = 128
    """Requests of one kind that wait for it; more are turned away."""
    grace_seconds: int = 20
    """At the end, for requests that are being answered."""

    def most_connections(self, descriptors: int) -> int | None:
        """Connections that fit into so many descriptors."""
        if self.connections is None:
            return None
        return min(self.connections, descriptors - min(RESERVED_DESCRIPTORS, descriptors // 4))

    def is_proxy(self, address: str) -> bool:
        """Whether a connection comes from a proxy."""
        try:
            sender = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(sender in network for network in self.proxies)


def networks_of(text: str) -> tuple[Network, ...]:
    """Addresses and networks, with commas. Raises ``CallerMisuse``."""
    try:
        return tuple(
            ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip() != ""
        )
    except ValueError:
        raise CallerMisuse("not IP addresses or networks, with commas") from None


def raise_descriptor_limit() -> int:
    """Let this process have as many descriptors as it may; returns how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 2**20
