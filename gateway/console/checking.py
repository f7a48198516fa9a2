"""``sealmatch console check-config``: what is tried beside what all servers try."""

from collections.abc import Iterator
from pathlib import Path

from gateway.console.config import ConsoleSettings
from gateway.console.people import COST, People
from gateway.console.signed import Pinned
from gateway.console.visit import LastVisit, Unreadable
from gateway.console.watch import Watch
from gateway.host.checking import CannotTell, Check, host_checks
from gateway.host.clock import unix_time
from gateway.host.settings import BadConfiguration
from gateway.store.reading import sqlite_file
from gateway.wire.errors import SealmatchError, Unavailable


def checks(settings: ConsoleSettings) -> Iterator[Check]:
    """Everything that can be tried without a change."""
    own = (one for one in host_checks(settings, settings.data_dir) if one.what != "passphrase")
    yield from own  # the console has no keys that a passphrase would open
    yield Check("people", lambda: _people(settings))
    yield Check("database", lambda: _database(settings))
    yield Check("trust_file", lambda: _trust(settings.trust_file))
    yield Check("inspection_bundle", lambda: _bundle(settings))


def _people(settings: ConsoleSettings) -> str:
    if settings.access == "certificate":
        return f"whoever has a certificate, as {settings.certificate_role}"
    found = People(settings.people_dir, settings.keystore_cost or COST).all()
    if not found:
        raise BadConfiguration("nobody may look: add NAME --role ROLE")
    return ", ".join(f"{one.name} ({one.role})" for one in found)


def _database(settings: ConsoleSettings) -> str:
    sqlite_file(settings.database_url)
    look = Watch(settings, unix_time).look()
    if look.fault == "other-form":
        raise BadConfiguration("it has not the tables that this version reads")
    if look.figures is None:
        raise Unavailable("it cannot be opened for reading")
    return "it can be read"


def _trust(file: Path | None) -> str:
    if file is None:
        raise CannotTell("none: no signature is checked, and the pages say so")
    Pinned.read(file)
    return file.name


def _bundle(settings: ConsoleSettings) -> str:
    found = LastVisit(settings.inspection_bundle, settings.inspector_key).read()
    if found is None:
        raise CannotTell("none: no inspection is shown")
    if isinstance(found, Unreadable):
        raise SealmatchError(found.reason)
    return f"signature {found.signature}"
