"""Opens an enrolled counter: its keys and its connection, as the trust file names them."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.client.gateway_client import GatewayClient
from gateway.client.mismatches import LockRule, Mismatches
from gateway.client.registration import CounterIdentity, RegistrationClient
from gateway.client.transport import gateway_transport
from gateway.he.engine import default_engine
from gateway.host.clock import unix_time
from gateway.host.keyfile import load_signing_key, read_secret
from gateway.issuer.caps import AssertionCaps
from gateway.issuer.issuer import Model, Pins, TemplateIssuer
from gateway.proofs.trust import CounterFiles, TrustFile, UnusableTrustFile
from gateway.wire.cose import SigningKey

TIMEOUT_SECONDS = 90
"""Longer than the gateway tries to reach its authority."""


@dataclass(frozen=True)
class CounterLine:
    """A counter's device, and its connection to the gateway."""

    device: SigningKey
    gateway: GatewayClient
    transport: httpx.Client = field(repr=False)


@dataclass(frozen=True)
class OpenCounter:
    """Everything a counter needs to run registrations."""

    client: RegistrationClient
    transport: httpx.Client = field(repr=False)


def counter_line(trust_path: Path, trust: TrustFile) -> CounterLine:
    """Connect to the gateway as the device that the trust file names.

    Raises:
        UnusableTrustFile: the file names no counter.
        KeyFileError: a key file is missing, damaged or open to others.
    """
    counter = _counter(trust)
    device = load_signing_key(trust_path.parent / counter.device_key_file, counter.device)
    transport = gateway_transport(trust_path, trust, TIMEOUT_SECONDS)
    client = GatewayClient(transport, trust.gateways[0].url, device, unix_time)
    return CounterLine(device, client, transport)


def counter_session(trust_path: Path, trust: TrustFile, model: Model) -> OpenCounter:
    """Set up a counter for registrations.

    Raises:
        UnusableTrustFile, KeyFileError: as ``counter_line``.
        Unavailable: its file of assertion counters, or of mismatches, cannot be opened.
    """
    counter = _counter(trust)
    issuer = counter_issuer(trust_path, trust, model)
    line = counter_line(trust_path, trust)
    client = RegistrationClient(
        line.gateway,
        issuer,
        CounterIdentity(line.device, counter.agent, counter.outlet),
        trust,
        model,
        default_engine(),
        unix_time,
        counter_mismatches(trust_path, trust),
    )
    return OpenCounter(client, line.transport)


def counter_issuer(trust_path: Path, trust: TrustFile, model: Model) -> TemplateIssuer:
    """The counter's document reader. What need not be remembered any more is removed first.

    Raises:
        UnusableTrustFile, KeyFileError, Unavailable: as ``counter_session``.
    """
    counter, base, pinned = _counter(trust), trust_path.parent, trust.gateways[0]
    authority = trust.authorities[0].party
    pins = Pins(
        trust.authority_key(authority),
        pinned.party,
        pinned.sealing,
        trust.authority_sealing(authority),
    )
    site_salt = read_secret(base / counter.site_salt_file, 32)
    sweep_counter(trust_path, trust, unix_time())
    return TemplateIssuer(
        load_signing_key(base / counter.issuer_key_file, counter.issuer),
        site_salt,
        pins,
        model,
        default_engine(),
        AssertionCaps(base / counter.assertions_file, site_salt, counter.assertions_per_document),
    )


def counter_mismatches(trust_path: Path, trust: TrustFile) -> Mismatches:
    """What the counter remembers of its own mismatches.

    Raises:
        UnusableTrustFile, KeyFileError, Unavailable: as ``counter_session``.
    """
    counter, base = _counter(trust), trust_path.parent
    rule = LockRule(counter.mismatches_to_lock, counter.lock_seconds)
    salt = read_secret(base / counter.site_salt_file, 32)
    return Mismatches(base / counter.mismatches_file, salt, rule)


def sweep_counter(trust_path: Path, trust: TrustFile, now: int) -> None:
    """Remove what a counter has counted and need not remember any more.

    Raises:
        As ``counter_session``.
    """
    counter, base = _counter(trust), trust_path.parent
    salt = read_secret(base / counter.site_salt_file, 32)
    with closing(AssertionCaps(base / counter.assertions_file, salt)) as assertions:
        assertions.sweep(now)
    with closing(counter_mismatches(trust_path, trust)) as mismatches:
        mismatches.sweep(now)


def _counter(trust: TrustFile) -> CounterFiles:
    if trust.counter is None:
        raise UnusableTrustFile("the trust file names no enrolled counter to register with")
    return trust.counter
