"""Who may look: one file to a person, sealed under that person's passphrase.

The file is a keystore (``host.keystore``) whose content is name and role. Whoever opens it knows
the passphrase. A copy of it is worth guesses at the passphrase, each of which costs what Argon2id
costs. The role stands in the file's name too, so that a list needs no passphrase; what counts is
the sealed one.

A name that nobody has costs the same guess, so that names cannot be found out.
"""

import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, get_args

from gateway.console.config import Role
from gateway.host.directories import existing_directory
from gateway.host.keyfile import KeyFileError, require_absent
from gateway.host.keystore import (
    Cost,
    KeystoreClosed,
    create_keystore,
    open_keystore,
    seal,
    unseal,
)
from gateway.host.passphrase import obtain
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId, UnixTime
from gateway.wire.message import Message
from gateway.wire.secret import wipe

COST: Final = Cost(memory_kib=64 * 1024)
"""Of one guess: 64 MiB three times, RFC 9106's option for servers that do it often."""
PASSPHRASE_CREDENTIAL: Final = "sealmatch-console-passphrase"  # noqa: S105  a name
MAX_PASSPHRASE: Final = 256
"""Characters that are looked at."""
_ENDING: Final = ".sealed"
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Credential(Message):
    """What a person's file holds."""

    name: PartyId
    role: Role
    made_at: UnixTime


@dataclass(frozen=True)
class Person:
    """Somebody who may look."""

    name: str
    role: Role


class People:
    """The credentials in a directory. Thread-safe: files alone are read."""

    def __init__(self, directory: Path, cost: Cost = COST) -> None:
        self._directory = directory
        self._cost = cost

    @cached_property
    def decoy(self) -> bytes:
        """What is tried to open for a name that nobody has."""
        nobody = Credential(name="nobody", role="regulator", made_at=0)
        return seal(nobody, bytearray(secrets.token_bytes(32)), self._cost)

    def add(self, name: str, role: Role, passphrase_file: Path | None, now: int) -> Person:
        """Make a credential.

        Raises:
            KeyFileError: this name has one, or there is no passphrase of enough bytes.
            ValidationError: no name.
        """
        made = Credential(name=name, role=role, made_at=now)
        existing_directory(self._directory)
        for one in ROLES:
            require_absent(self._file(made.name, one))
        passphrase = obtain(
            passphrase_file, PASSPHRASE_CREDENTIAL, f"passphrase of {name}", new=True
        )
        try:
            create_keystore(self._file(made.name, role), made, passphrase, self._cost)
        finally:
            wipe(passphrase)
        return Person(made.name, role)

    def remove(self, name: str) -> None:
        """Drop a credential; sessions end with it. Raises ``CallerMisuse`` if there is none."""
        person = self.find(name)
        if person is None:
            raise CallerMisuse(f"nobody has the name {name}")
        self._file(person.name, person.role).unlink()

    def all(self) -> list[Person]:
        """Everybody who may look, by name."""
        found = []
        for file in sorted(self._directory.glob(f"*{_ENDING}")):
            name, _, role = file.name.removesuffix(_ENDING).rpartition(".")
            found += [Person(name, one) for one in ROLES if one == role and name]
        return found

    def find(self, name: str) -> Person | None:
        return next((one for one in self.all() if one.name == name), None)

    def enter(self, name: str, passphrase: str) -> Person | None:
        """The person whose passphrase this is, or None. Takes as long for a name nobody has.

        Raises:
            KeyFileError: a credential is open to others, or damaged in its form.
        """
        given = bytearray(passphrase[:MAX_PASSPHRASE].encode())
        person = self.find(name)
        try:
            if person is None:
                unseal(self.decoy, Credential, given)
                return None
            held = open_keystore(self._file(person.name, person.role), Credential, given)
        except KeystoreClosed:
            return None
        finally:
            wipe(given)
        if (held.name, held.role) != (person.name, person.role):
            raise KeyFileError(f"the credential of {person.name} was renamed; make it anew")
        return person

    def _file(self, name: PartyId | str, role: Role) -> Path:
        return self._directory / f"{name}.{role}{_ENDING}"
