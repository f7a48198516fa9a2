"""What an enrolled counter works with, from the trust file that names its keys."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.client.gateway_client import GatewayClient
from gateway.client.registration import CounterIdentity, RegistrationClient
from gateway.he.engine import default_engine
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.proofs.trust import Counter, TrustFile, UnusableTrustFile
from gateway.wire.cose import SigningKey
from gateway.wire.host.keyfile import load_signing_key, read_secret
from gateway.wire.host.tls import ClientTls

TIMEOUT_SECONDS = 90
"""Longer than the gateway tries to reach its authority."""


@dataclass(frozen=True)
class CounterLine:
    """A counter's device, and its connection to the gateway."""

    device: SigningKey
    gateway: GatewayClient
    transport: httpx.Client = field(repr=False)


@dataclass(frozen=True)
class Session:
    """Everything a counter needs to run registrations."""

    client: RegistrationClient
    transport: httpx.Client = field(repr=False)


def counter_line(trust_path: Path, trust: TrustFile) -> CounterLine:
    """Connect in the name of the device that the trust file names.

    Raises:
        UnusableTrustFile: the file names no counter.
        KeyFileError: a key file is missing, damaged or open to others.
    """
    counter, base, pinned = _counter(trust), trust_path.parent, trust.gateways[0]
    device = load_signing_key(base / counter.device_key_file, counter.device)
    tls = None if pinned.ca_file is None else ClientTls(base / pinned.ca_file)
    transport = httpx.Client(
        timeout=TIMEOUT_SECONDS, trust_env=False, verify=True if tls is None else tls.context()
    )
    return CounterLine(device, GatewayClient(transport, pinned.url, device, _clock), transport)


def counter_session(trust_path: Path, trust: TrustFile, model: Model) -> Session:
    """Set up a counter that registers. Raises as ``counter_line``."""
    counter, base, pinned = _counter(trust), trust_path.parent, trust.gateways[0]
    pins = Pins(trust.authority_key(trust.authorities[0].party), pinned.party, pinned.sealing)
    issuer = TemplateIssuer(
        load_signing_key(base / counter.issuer_key_file, counter.issuer),
        read_secret(base / counter.site_salt_file, 32),
        pins,
        model,
        default_engine(),
    )
    line = counter_line(trust_path, trust)
    client = RegistrationClient(
        line.gateway,
        issuer,
        CounterIdentity(line.device, counter.agent, counter.outlet),
        trust,
        model,
        default_engine(),
        _clock,
    )
    return Session(client, line.transport)


def _counter(trust: TrustFile) -> Counter:
    if trust.counter is None:
        raise UnusableTrustFile("the trust file names no enrolled counter to register with")
    return trust.counter


def _clock() -> int:
    return int(time.time())
