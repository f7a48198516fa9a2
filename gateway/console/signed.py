"""What is signed, and whether the signature is that of a pinned key.

Without a trust file nothing can be checked here, and what is shown says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from gateway.proofs.trust import TrustFile
from gateway.store import log, retention
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.policy import NO_QUORUM, TrustPolicy
from gateway.wire.cose import named_key, peek, verify
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.message import Message
from gateway.wire.retention import RetentionRun

_MOST_NAMES: Final = 20


@dataclass(frozen=True)
class Pinned:
    """What the trust file pins."""

    trust: TrustFile

    @classmethod
    def read(cls, file: Path | None) -> "Pinned | None":
        """Raises ``UnusableTrustFile``."""
        return None if file is None else cls(TrustFile.read(file))

    @property
    def policy(self) -> TrustPolicy | None:
        return self.trust.log

    @property
    def gateway_keys(self) -> tuple[str, ...]:
        """Ids, in hexadecimal."""
        return tuple(one.verify_key.key_id.hex() for one in self.trust.gateways)

    @property
    def authority_keys(self) -> tuple[tuple[str, str], ...]:
        """Names and ids."""
        return tuple((one.party, one.verify_key.key_id.hex()) for one in self.trust.authorities)

    def signed(self, encoded: bytes, kind: type[Message]) -> bool:
        """Whether a pinned gateway signed this."""
        return any(_holds(encoded, kind, one.party, self.trust) for one in self.trust.gateways)

    @staticmethod
    def signer(encoded: bytes, kind: type[Message]) -> str | None:
        """Id of the key that a signed object names."""
        try:
            return named_key(encoded, kind).hex()
        except SealmatchError:
            return None


def _holds(encoded: bytes, kind: type[Message], party: str, trust: TrustFile) -> bool:
    try:
        verify(encoded, kind, trust.gateway_key(party))
    except SealmatchError:
        return False
    return True


@dataclass(frozen=True)
class Run:
    """The reaper's last run."""

    ended_at: int
    guard: str
    stopped: tuple[str, ...]
    """Kinds of which something is overdue."""
    removed: Mapping[str, int]
    """By all runs so far, by kind. Not rounded: see ``Stocks``."""
    checked: bool | None
    """Whether the signature holds; None: not checked."""


def read_run(connection: sa.Connection, pinned: Pinned | None) -> Run | None:
    """None: the reaper never ran, or its report cannot be read."""
    last = retention.last_run(connection)
    if last is None:
        return None
    try:
        said = peek(last[1], RetentionRun)
    except SealmatchError:
        return Run(last[2], "unreadable", (), {}, False)
    return Run(
        said.ended_at,
        said.guard,
        tuple(line.kind for line in said.lines if line.overdue),
        {line.kind: line.removed_in_all for line in said.lines},
        None if pinned is None else pinned.signed(last[1], RetentionRun),
    )


@dataclass(frozen=True)
class Witness:
    """Somebody who cosigns the log."""

    name: str
    cosigned_at: int | None
    """Of the newest published head; None: not cosigned, or the time cannot be checked here."""
    cosigned: bool


@dataclass(frozen=True)
class LogHead:
    """The newest published head."""

    origin: str
    published: bool
    waiting: bool
    """Entries are there that no published head covers."""
    witnesses: tuple[Witness, ...]
    quorum: bool | None
    """Whether the quorum was reached; None: not checked, or none is asked for."""
    checked: bool | None
    """Whether the log's own signature holds; None: not checked."""


def read_log(connection: sa.Connection, pinned: Pinned | None) -> LogHead:
    """The head, and who cosigned it."""
    origin, size = log.origin(connection), log.head(connection).size
    newest = log.newest_published(connection)
    waiting = log.has_pending(connection) or size > (0 if newest is None else newest.size)
    if newest is None or newest.note is None:
        return LogHead(origin, False, waiting, (), None, None)
    try:
        signed = SignedCheckpoint.parse(newest.note)
    except SealmatchError:
        return LogHead(origin, True, waiting, (), None, False)
    policy = None if pinned is None else pinned.policy
    if policy is None:
        lines = dict.fromkeys(one.name for one in signed.note.signatures if one.name != origin)
        named = tuple(Witness(name, None, True) for name in list(lines)[:_MOST_NAMES])
        return LogHead(origin, True, waiting, named, None, None)
    witnesses = tuple(_witness(signed, policy))
    return LogHead(
        origin, True, waiting, witnesses, _quorum(policy, witnesses), _own(signed, policy)
    )


def _witness(signed: SignedCheckpoint, policy: TrustPolicy) -> list[Witness]:
    found = []
    for one in policy.witnesses:
        try:
            times = [time for time in check_signed(signed, one.key) if time is not None]
        except SealmatchError:
            times = []
        found.append(Witness(one.key.name, max(times, default=None), bool(times)))
    return found


def _quorum(policy: TrustPolicy, witnesses: tuple[Witness, ...]) -> bool | None:
    if policy.quorum == NO_QUORUM:
        return None
    names = [one.name for one in policy.witnesses]
    cosigned = {name for name, one in zip(names, witnesses, strict=True) if one.cosigned}
    try:
        policy.check_quorum(cosigned)
    except Refused:
        return False
    return True


def _own(signed: SignedCheckpoint, policy: TrustPolicy) -> bool:
    try:
        keys = policy.keys_of(signed.checkpoint.origin)
        return bool(keys) and all(check_signed(signed, key) for key in keys)
    except SealmatchError:
        return False
