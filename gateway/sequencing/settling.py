"""Settling a halt: the same log goes on, or it is closed for ever and another one begins.

Whoever continues a log from an older database signs a second history. So an operator *shows* first
that nothing newer was signed. What is shown are checkpoints with this log's own signature, so
nobody can invent a newer one; somebody may have kept one back. Rules:

1. Everything that is shown must be a tree that the database leads to. A single one that is not
   closes the log.
2. With witnesses, nothing was published without a quorum of them. So those who have *not* vouched
   must be too few for a quorum. To vouch, a witness cosigns the database's newest checkpoint again,
   now: it does so only while that is the largest tree that it ever cosigned.
3. Without witnesses, somebody else must show the database's newest checkpoint (a reader's state).
   That nothing was signed after that reading rests on the operator's word.

Shown by neither, the log is closed. Its successor has another name and other keys, and begins with
the same entries: what the database holds is in both logs, at the same index. What was signed and is
lost stands in the closed log alone. Receipts of the closed log verify as before, with its public
key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.sequencing.guard import leads_to, signed_by
from gateway.store import halts
from gateway.store import log as store
from gateway.store.halts import ClosedLog, Halt
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import NoteKey
from gateway.translog.policy import NO_QUORUM, TrustPolicy
from gateway.wire.errors import CallerMisuse, Refused


@dataclass(frozen=True)
class Shown:
    """A checkpoint that this log signed, and who has it."""

    source: str
    signed: SignedCheckpoint
    outside: bool = True
    """Not this gateway's own mark. A mark that is put back together with the database is as old as
    the database, so it can show that something newer was signed, and never that nothing was."""

    @property
    def size(self) -> int:
        return self.signed.checkpoint.size


Vouch = Callable[[SignedCheckpoint], Sequence[str]]
"""Of a checkpoint: the names of the witnesses that cosigned it just now."""


def shown_by(
    source: str, signed: SignedCheckpoint, keys: Sequence[NoteKey], *, required: bool = True
) -> Shown | None:
    """A checkpoint as something that is shown; None for one of another log that is not required.

    Raises:
        CallerMisuse: it is not a checkpoint that this log signed.
    """
    origin = keys[0].name
    if signed.checkpoint.origin == origin and signed_by(signed, keys):
        return Shown(source, signed)
    if required:
        raise CallerMisuse(f"{source}: not a checkpoint that the log {origin} signed")
    return None


def newest_shown(shown: Sequence[Shown]) -> Shown | None:
    return max(shown, key=lambda one: one.size, default=None)


def contradiction(connection: sa.Connection, shown: Sequence[Shown]) -> Shown | None:
    """The largest tree that was shown and to which the database does not lead."""
    return newest_shown([one for one in shown if not leads_to(connection, one.signed)])


def require_shown(
    connection: sa.Connection,
    shown: Sequence[Shown],
    policy: TrustPolicy,
    vouch: Vouch,
    *,
    word: bool,
) -> SignedCheckpoint:
    """The checkpoint from which the log may go on, by the rules above.

    Args:
        word: whether the operator says that nothing was signed after the last reading shown.

    Raises:
        CallerMisuse: it may not; the text says why, and what to do.
    """
    if (newer := contradiction(connection, shown)) is not None:
        size = store.head(connection).size
        raise CallerMisuse(
            f"{newer.source} shows {newer.size} entries signed, and the database with its {size} "
            "does not lead there: this log cannot go on. Close it: sealmatch-gateway log begin"
        )
    stored = store.newest(connection)
    if stored is None or stored.note is None:
        raise CallerMisuse(
            "the database holds no signed checkpoint, so nobody can show that it is the newest: "
            "sealmatch-gateway log begin"
        )
    own = SignedCheckpoint.parse(stored.note)
    if policy.quorum == NO_QUORUM:
        _require_reader(shown, own, word=word)
    else:
        _require_witnesses(policy, set(vouch(own)))
    return own


def _require_witnesses(policy: TrustPolicy, vouched: set[str]) -> None:
    silent = {one.name for one in policy.witnesses} - vouched
    try:
        policy.check_quorum(silent)
    except Refused:
        return
    raise CallerMisuse(
        f"these witnesses did not vouch, and are a quorum: {', '.join(sorted(silent))}. They may "
        "have cosigned something newer. Ask again when they answer; otherwise sealmatch-gateway "
        "log begin"
    )


def _require_reader(shown: Sequence[Shown], own: SignedCheckpoint, *, word: bool) -> None:
    of = own.checkpoint
    if not any(one.outside and one.signed.checkpoint == of for one in shown):
        raise CallerMisuse(
            f"this log has no witnesses, and nobody shows its checkpoint of {of.size} entries as "
            "the newest: --shown FILE (a state of sealmatch log check, or a checkpoint), or "
            "sealmatch-gateway log begin"
        )
    if not word:
        raise CallerMisuse(
            "what is shown says what was signed when it was read. If you know that this gateway "
            "signed nothing afterwards, say so: --nothing-signed-since. Otherwise "
            "sealmatch-gateway log begin"
        )


def require_erasures(
    connection: sa.Connection, halt: Halt, shown: Sequence[Shown], *, word: bool
) -> None:
    """Check that no erasure is unknown that was signed after the backup, as far as can be.

    An erasure is an entry of the log. So none is unknown if the list of erasures was written when
    the log had its greatest size that anybody knows of.

    Raises:
        CallerMisuse: erasures may be unknown, and the operator does not take that on.
    """
    newest = newest_shown(shown)
    known = halt.erasures_size if halt.erasures_size is not None else store.head(connection).size
    if newest is None or newest.size <= known or word:
        return
    raise CallerMisuse(
        f"{newest.source} shows {newest.size} entries signed, and erasures are known up to "
        f"{known}: what was erased in between would come back. Restore again with a newer list "
        "(restore --erasures FILE). If there is none, and you answer for it: --erasures-complete"
    )


def close_and_begin(
    connection: sa.Connection,
    successor: str,
    keys: Sequence[NoteKey],
    shown: Sequence[Shown],
    now: int,
) -> ClosedLog:
    """Close the present log and begin another one with the same entries. The transaction is the
    caller's.

    Args:
        keys: the present log's.

    Raises:
        CallerMisuse: the successor has a name that was used before.
    """
    present = store.origin(connection) or keys[0].name
    if successor in {present, *(one.origin for one in halts.closed(connection))}:
        raise CallerMisuse(
            "a log that is begun has a name of its own, which no log here had before"
        )
    stored = store.newest(connection)
    newest = newest_shown(shown)
    own = b"" if stored is None or stored.note is None else stored.note
    last = own if newest is None else bytes(newest.signed)
    log = ClosedLog(
        origin=present,
        size=store.head(connection).size,
        keys="".join(f"{key}\n" for key in keys).encode(),
        checkpoint=last,
        closed_at=now,
    )
    halts.close(connection, log, successor)
    halts.settle(connection, "begun", now)
    return log
