"""A counter's own directory: keys of device, issuer and agent, site key, and the names that it goes
by.

The directory is made beside its place and moved there in one step. So it is there whole or not at
all, and one that exists is never changed. Its files are its owner's alone. ``counter.json`` holds
names only; it becomes the ``counter`` entry of the trust file, which lies in the same directory.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from gateway.host.keyfile import (
    KeyFileError,
    create_secret,
    create_signing_key,
    load_signing_key,
    read_secret,
)
from gateway.proofs.trust import CounterFiles, UnusableTrustFile
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId

DESCRIPTION: Final = "counter.json"
TRUST: Final = "trust.json"
SALT_BYTES: Final = 32
AT_GATEWAY: Final = "sealmatch-gateway --config gateway.toml enrol"
AT_AUTHORITY: Final = "sealmatch-authority --config authority.toml enrol"
"""How the commands begin with which the operators enrol what a counter shows them."""
_AGENT_KEY: Final = "agent.key"
_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class CounterNames:
    """Enrolment names of the device and its reader; pseudonyms of agent and outlet."""

    device: PartyId
    issuer: PartyId
    agent: PartyId
    outlet: PartyId
    supervisor: PartyId | None = None
    """Who approves registrations without a face; None: whoever asks names the supervisor."""


@dataclass(frozen=True)
class EnrolledParty:
    """What an operator enrols: a kind, a name and, but for outlets, a public key."""

    kind: str
    name: PartyId
    public_key: bytes | None = None
    """Raw Ed25519 key, 32 bytes."""

    def words(self) -> list[str]:
        """As the operators' ``enrol`` and the lines of ``enrol-all`` take it."""
        return [self.kind, self.name, *([] if self.public_key is None else [self.public_key.hex()])]


def create(directory: Path, names: CounterNames) -> None:
    """Draw a new counter's keys into a new directory.

    Raises:
        CallerMisuse: a name has another form than enrolment names have.
        KeyFileError: the directory exists already.
        OSError: the disk is full or not writable; nothing remains.
    """
    described = _described(names)
    if os.path.lexists(directory):
        raise _exists(directory)
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _beside(directory) as new:
        create_signing_key(new / described.device_key_file, names.device)
        create_signing_key(new / described.issuer_key_file, names.issuer)
        create_signing_key(new / _AGENT_KEY, names.agent)
        create_secret(new / described.site_salt_file, secrets.token_bytes(SALT_BYTES))
        content = described.model_dump_json(by_alias=True, indent=2)
        create_secret(new / DESCRIPTION, content.encode() + b"\n")
        try:
            new.rename(directory)  # fails where somebody was faster, unless that one is empty
        except OSError:
            if os.path.lexists(directory):
                raise _exists(directory) from None
            raise


def described(directory: Path) -> CounterFiles:
    """The counter's names and files, relative to its directory.

    Raises:
        UnusableTrustFile: there is no counter in the directory, or its description is damaged.
    """
    path = directory / DESCRIPTION
    try:
        content = path.read_bytes()[:_MAX_BYTES]
        return CounterFiles.model_validate_json(content)
    except OSError as error:
        raise UnusableTrustFile(f"{path}: {error.strerror}; make it: counter init") from None
    except ValidationError:
        raise UnusableTrustFile(f"{path}: it does not describe a counter") from None


def parties(directory: Path) -> list[EnrolledParty]:
    """What the operators enrol for this counter. All of its secret files are looked at.

    Raises:
        UnusableTrustFile: as ``described``.
        KeyFileError: a key file is missing, damaged or open to others.
    """
    own = described(directory)
    read_secret(directory / own.site_salt_file, SALT_BYTES)
    device = load_signing_key(directory / own.device_key_file, own.device)
    issuer = load_signing_key(directory / own.issuer_key_file, own.issuer)
    return [
        EnrolledParty("device", own.device, device.public.raw),
        EnrolledParty("issuer", own.issuer, issuer.public.raw),
        EnrolledParty("agent", own.agent, _agent_key(directory, own)),
        EnrolledParty("outlet", own.outlet),
    ]


def _agent_key(directory: Path, own: CounterFiles) -> bytes | None:
    """None: a counter of before registrations without a face, or its agents have keys elsewhere."""
    if own.agent_key_file is None:
        return None
    return load_signing_key(directory / own.agent_key_file, own.agent).public.raw


def _described(names: CounterNames) -> CounterFiles:
    try:
        return CounterFiles(
            device=names.device,
            device_key_file="device.key",
            issuer=names.issuer,
            issuer_key_file="issuer.key",
            site_salt_file="site-salt.key",
            agent=names.agent,
            agent_key_file=_AGENT_KEY,
            supervisor=names.supervisor,
            outlet=names.outlet,
        )
    except ValidationError as error:
        wrong = sorted({str(one["loc"][0]) for one in error.errors()})
        form = "a name has 1 to 63 lower-case letters, digits, dots and hyphens"
        raise CallerMisuse(f"{', '.join(wrong)}: {form}") from None


def _exists(directory: Path) -> KeyFileError:
    return KeyFileError(f"{directory} exists already; it is not overwritten")


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    """A new private directory that vanishes unless it is moved to its place.

    It is locked while this process lives. Directories that a killed process left are removed.
    """
    prefix = f".{directory.name}.new-"
    for left in directory.parent.glob(f"{prefix}*"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(dir=directory.parent, prefix=prefix))  # mode 0700
    try:
        with _locked(new):
            yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a directory's lock. Raises ``OSError`` if another process holds it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
