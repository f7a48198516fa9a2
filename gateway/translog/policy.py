"""Trust policies (C2SP ``tlog-policy``): which logs count, which witnesses, and how many of them.

Rules:
- A name is defined once, before it is used, and is a member of at most one group. So a witness
  counts in only one way.
- A key stands once among the logs and once among the witnesses, whatever it is named.
- Names and comments are octets, not text: they are compared as they are.
- Errors name the line, never its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar

from gateway.translog.note import Kind, NoteKey
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Refused

MAX_POLICY_BYTES: Final = 512 * 1024
MAX_EACH: Final = 64
"""Logs, witnesses and groups; C2SP asks for 32 of each at least."""
NO_QUORUM: Final = "none"

T = TypeVar("T")

_COSIGNATURES: Final = (Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44)
_OCTETS: Final = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*\Z")
_BLANKS: Final = re.compile(r"[ \t]+")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}\Z", re.ASCII)


@dataclass(frozen=True)
class TrustedLog:
    """A log; the name of its key is its origin."""

    key: NoteKey
    url: str | None = None


@dataclass(frozen=True)
class TrustedWitness:
    """A witness, by a name that means something inside this policy only."""

    name: str
    key: NoteKey
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """Counts as one witness when ``threshold`` of its members have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class TrustPolicy:
    """A policy that keeps all rules; made by ``parse`` or ``TrustPolicy.simple``."""

    logs: tuple[TrustedLog, ...]
    witnesses: tuple[TrustedWitness, ...]
    groups: tuple[Group, ...]
    quorum: str
    """The name of a witness or group, or ``none``."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a policy file.

        Raises:
            BodyTooLarge: longer than any policy we take.
            MalformedMessage: not a policy; the text names the line.
        """
        if len(data) > MAX_POLICY_BYTES:
            raise BodyTooLarge(f"the policy is longer than {MAX_POLICY_BYTES} bytes")
        if not _OCTETS.match(data):
            raise MalformedMessage("the policy contains control characters")
        if not data.endswith(b"\n"):
            raise MalformedMessage("the policy does not end in a newline")
        reader = _Reader()
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            try:
                reader.take(line)
            except MalformedMessage as error:
                raise MalformedMessage(f"policy, line {number}: {error}") from None
        if reader.quorum is None:
            raise MalformedMessage("the policy has no quorum line")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)

    @classmethod
    def simple(
        cls, logs: Collection[TrustedLog], witnesses: Collection[TrustedWitness], threshold: int
    ) -> Self:
        """Any of the logs, and ``threshold`` of the witnesses. Raises ``MalformedMessage``."""
        groups: tuple[Group, ...] = ()
        if threshold:
            groups = (Group("witnesses", threshold, tuple(one.name for one in witnesses)),)
        quorum = "witnesses" if threshold else NO_QUORUM
        return cls.parse(bytes(cls(tuple(logs), tuple(witnesses), groups, quorum)))

    def __bytes__(self) -> bytes:
        """As a policy file."""
        lines = [
            *(_line("log", str(log.key), log.url) for log in self.logs),
            *(_line("witness", one.name, str(one.key), one.url) for one in self.witnesses),
            *(_line("group", g.name, str(g.threshold), *g.members) for g in self.groups),
            _line("quorum", self.quorum),
        ]
        return "".join(lines).encode("utf-8", "surrogateescape")

    def keys_of(self, origin: str) -> list[NoteKey]:
        """The keys under which a log of this origin signs."""
        return [log.key for log in self.logs if log.key.name == origin]

    def check_quorum(self, cosigned: Collection[str]) -> None:
        """Raise ``Refused`` unless the witnesses of these names are enough."""
        if self.quorum == NO_QUORUM:
            return
        met = set(cosigned) & {one.name for one in self.witnesses}
        for group in self.groups:
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(group.name)
        if self.quorum not in met:
            count = f"{len(set(cosigned))} of {len(self.witnesses)}"
            raise Refused(f"the quorum is not reached by the cosignatures of {count} witnesses")


@dataclass
class _Reader:
    """What has been read so far."""

    logs: list[TrustedLog] = field(default_factory=list)
    witnesses: list[TrustedWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=lambda: {NO_QUORUM})
    members: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        stripped = line.strip(" \t")
        if not stripped or stripped.startswith("#"):
            return
        word, *items = _BLANKS.split(stripped)
        handlers: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if word not in handlers:
            raise MalformedMessage("begins with none of log, witness, group, quorum")
        handlers[word](items)

    def _log(self, items: list[str]) -> None:
        [vkey], url = _with_url(items, 1)
        key = NoteKey.parse(vkey)
        _new_key(key, (one.key for one in self.logs))
        self.logs.append(_counted(self.logs, TrustedLog(key, url)))

    def _witness(self, items: list[str]) -> None:
        [name, vkey], url = _with_url(items, 2)
        key = NoteKey.parse(vkey)
        if key.kind not in _COSIGNATURES:
            raise MalformedMessage("a witness has a key for cosignatures")
        _new_key(key, (one.key for one in self.witnesses))
        self._define(name)
        self.witnesses.append(_counted(self.witnesses, TrustedWitness(name, key, url)))

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise MalformedMessage("a group has a name, a threshold and members")
        name, threshold, *members = items
        for member in members:
            if member == NO_QUORUM or member not in self.names:
                raise MalformedMessage("a member is not defined before")
            if member in self.members:
                raise MalformedMessage("a member of two groups, or twice of one")
            self.members.add(member)
        self._define(name)
        group = Group(name, _threshold(threshold, len(members)), tuple(members))
        self.groups.append(_counted(self.groups, group))

    def _quorum(self, items: list[str]) -> None:
        if self.quorum is not None:
            raise MalformedMessage("a second quorum line")
        if len(items) != 1 or items[0] not in self.names:
            raise MalformedMessage("the quorum is not one name that is defined before")
        self.quorum = items[0]

    def _define(self, name: str) -> None:
        if name in self.names:
            raise MalformedMessage("a name is defined twice")
        self.names.add(name)


def _with_url(items: list[str], fields: int) -> tuple[list[str], str | None]:
    """The fields, and the URL after them or None."""
    if not fields <= len(items) <= fields + 1:
        raise MalformedMessage("too few or too many items")
    return items[:fields], items[fields] if len(items) > fields else None


def _new_key(key: NoteKey, others: Iterator[NoteKey]) -> None:
    if any(key.public == other.public for other in others):
        raise MalformedMessage("a key stands there twice")


def _counted(held: list[T], new: T) -> T:
    if len(held) >= MAX_EACH:
        raise MalformedMessage(f"more than {MAX_EACH} of a kind")
    return new


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    if not _NUMBER.match(text) or int(text) > members:
        raise MalformedMessage("a threshold is any, all, or a number from 1 to that of members")
    return int(text)


def _line(*items: str | None) -> str:
    return " ".join(item for item in items if item is not None) + "\n"
