"""What an inspection may look at, all of it for reading only.

Two kinds of things are looked at:

- what the inspector has access to: a database, directories, a log, files (``database``,
  ``authority``, ``log``, ``paths``). What a check sees there rests on the inspector's access.
- *exhibits*: bytes that go into the bundle, so that a second person repeats a line with them
  (``read``). An exhibit is collected from the access when a check first asks for it. Offline it is
  read from the bundle, by the same check. It holds no statement, handle or record id.

What was not given raises ``NoAccess``, and the framework makes a line of that which never passes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.inspection.log_reader import LogSource
from gateway.store.reading import ReadingDatabase
from gateway.wire.errors import SealmatchError

T = TypeVar("T")


class NoAccess(SealmatchError):
    """A check lacks what it needs; the text says what, and how to give it."""


@dataclass(frozen=True)
class Exhibit:
    """A file of the bundle, and how it is collected."""

    name: str
    """In the bundle: lower-case, ``schema.json``."""
    collect: "Callable[[Evidence], bytes]"
    """Raises ``NoAccess``, or what a source raises that does not answer."""
    what: str
    """For people: what it holds, and that nothing in it is personal."""


class EarlierVisit(Protocol):
    """The bundle of an earlier inspection."""

    @property
    def made_at(self) -> int:
        """Unix seconds."""
        ...

    @property
    def manifest_digest(self) -> bytes:
        """What stands for the whole bundle."""
        ...

    def read(self, name: str) -> bytes | None:
        """An exhibit of that visit; None: it had none of this name."""


@dataclass
class Evidence:
    """What one inspection may look at. None: it was not given."""

    now: int
    """Time of the inspection, Unix seconds. Offline: that of the bundle."""
    database_given: ReadingDatabase | None = None
    authority_given: Path | None = None
    """The key authority's data directory."""
    log_given: LogSource | None = None
    trust_given: bytes | None = None
    """The trust file, as published."""
    paths: tuple[Path, ...] = ()
    """Further files and directories: data directories, logs, backups, temporary places."""
    since_given: EarlierVisit | None = None
    activations_given: Path | None = None
    """The carrier's list of activations, as ``sealmatch reconcile`` reads it."""
    canary_given: Path | None = None
    """What ``sealmatch inspect canary make`` or ``register --canary`` wrote."""
    servers_given: tuple[int, ...] = ()
    """Processes of servers whose memory is searched for the canary, besides those that their
    directories name."""
    word_given: bytes | None = None
    """What the operator states about what cannot be seen (``word``)."""
    published_given: bytes | None = None
    """The published list of the software's files with their SHA-256."""
    installed: Path | None = None
    """Where the software is installed that serves; None: not given."""
    bundle: Mapping[str, bytes] | None = None
    """Offline: the exhibits, by name. None: there is access, and exhibits are collected."""
    exhibits: dict[str, bytes] = field(default_factory=dict)
    """What was collected or read so far."""
    descriptions: dict[str, str] = field(default_factory=dict)
    """What each exhibit is, for the manifest."""
    remembered: dict[str, Any] = field(default_factory=dict)
    """What a pass over the database gave, for the checks that need the same pass. It goes into no
    bundle."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why exhibits could not be collected."""

    def read(self, exhibit: Exhibit) -> bytes:
        """An exhibit's bytes; collected once, or read from the bundle.

        Raises:
            NoAccess: what it is collected from was not given, or does not answer; or the bundle
                has none.
        """
        name = exhibit.name
        if name in self.exhibits:
            return self.exhibits[name]
        if name in self.missing:
            raise NoAccess(self.missing[name])
        try:
            content = self._of_bundle(name) if self.bundle is not None else exhibit.collect(self)
        except SealmatchError as error:
            # The reason goes along: offline the line says the same.
            self.missing[name] = _reason(error)
            raise NoAccess(self.missing[name]) from None
        self.exhibits[name] = content
        self.descriptions[name] = exhibit.what
        return content

    @property
    def database(self) -> ReadingDatabase:
        """The gateway's database. Raises ``NoAccess``."""
        return _given(self.database_given, "the gateway's database (--gateway-database)")

    @property
    def authority(self) -> Path:
        """The authority's data directory. Raises ``NoAccess``."""
        return _given(self.authority_given, "the authority's directory (--authority-data)")

    @property
    def log(self) -> LogSource:
        """The log. Raises ``NoAccess``."""
        return _given(self.log_given, "the log (--log)")

    @property
    def since(self) -> EarlierVisit:
        """The bundle of the last visit. Raises ``NoAccess``."""
        return _given(self.since_given, "the bundle of an earlier visit (--since)")

    def remember(self, name: str, make: "Callable[[], T]") -> T:
        """What ``make`` gives, made once."""
        if name not in self.remembered:
            self.remembered[name] = make()
        found: T = self.remembered[name]
        return found

    @property
    def activations(self) -> Path:
        """The carrier's list of activations. Raises ``NoAccess``."""
        return _given(self.activations_given, "the carrier's activations (--activations)")

    @property
    def gateway_directory(self) -> Path | None:
        """Where SQLite's file lies, and so the gateway's other files; None: PostgreSQL, or no
        database given. With PostgreSQL the inspector names the directory with ``--paths``."""
        given = self.database_given
        return None if given is None or given.file is None else given.file.absolute().parent

    @property
    def places(self) -> tuple[Path, ...]:
        """Every file and directory that may be looked at, without repetition."""
        named = (self.gateway_directory, self.authority_given, *self.paths)
        return tuple(dict.fromkeys(one for one in named if one is not None))

    def _of_bundle(self, name: str) -> bytes:
        if self.bundle is None or name not in self.bundle:
            raise NoAccess(f"the bundle has no {name}")
        return self.bundle[name]


def _reason(error: SealmatchError) -> str:
    if isinstance(error, NoAccess):
        return str(error)
    return f"could not be examined: {getattr(error, 'detail', error)}"


@contextmanager
def opened(url: str) -> Iterator[ReadingDatabase]:
    """The gateway's database, for reading only. Raises as ``ReadingDatabase``."""
    with closing(ReadingDatabase(url)) as database:
        yield database


def _given(value: T | None, what: str) -> T:
    if value is None:
        raise NoAccess(f"not given: {what}")
    return value
